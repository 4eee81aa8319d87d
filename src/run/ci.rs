//! Reads the shard from the environment variables that CI systems and schedulers set.
//!
//! Bazel: <https://bazel.build/reference/test-encyclopedia#test-sharding>; GitLab CI:
//! <https://docs.gitlab.com/ci/variables/predefined_variables/>; Buildkite:
//! <https://buildkite.com/docs/pipelines/configure/environment-variables>; CircleCI:
//! <https://circleci.com/docs/reference/variables/>; Slurm: <https://slurm.schedmd.com/job_array.html> and
//! <https://slurm.schedmd.com/srun.html>.

use super::partition::{PartitionKind, Shard};
use crate::error::{Error, Result};

/// Returns the value of an environment variable.
type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A shard set by environment variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CiShard {
    /// The shard, a slice.
    pub shard: Shard,
    /// The system, its variables and the resulting shard.
    pub description: String,
}

/// The two variables in which a system stores the index and the number of shards.
struct Pair {
    system: &'static str,
    index: &'static str,
    count: &'static str,
    /// The index of the first shard.
    first: u64,
}

const BAZEL: Pair = Pair { system: "Bazel", index: "TEST_SHARD_INDEX", count: "TEST_TOTAL_SHARDS", first: 0 };

const PAIRS: [Pair; 5] = [
    BAZEL,
    Pair { system: "GitLab CI", index: "CI_NODE_INDEX", count: "CI_NODE_TOTAL", first: 1 },
    Pair { system: "Buildkite", index: "BUILDKITE_PARALLEL_JOB", count: "BUILDKITE_PARALLEL_JOB_COUNT", first: 0 },
    Pair { system: "CircleCI", index: "CIRCLE_NODE_INDEX", count: "CIRCLE_NODE_TOTAL", first: 0 },
    // Not SLURM_NTASKS: in a batch script it counts the possible tasks, and SLURM_PROCID is 0.
    Pair { system: "Slurm step", index: "SLURM_PROCID", count: "SLURM_STEP_NUM_TASKS", first: 0 },
];

/// The variables of a Slurm job array. Its indices can start anywhere and have any step.
const ARRAY: [&str; 5] = [
    "SLURM_ARRAY_TASK_ID",
    "SLURM_ARRAY_TASK_MIN",
    "SLURM_ARRAY_TASK_MAX",
    "SLURM_ARRAY_TASK_STEP",
    "SLURM_ARRAY_TASK_COUNT",
];

/// Returns the shard that the environment variables select.
///
/// # Errors
///
/// [`Error::Usage`] with the names of the variables: if none are set, if two systems disagree, if only one of a pair is set,
/// or if a value is invalid.
pub fn shard_from_env() -> Result<CiShard> {
    find_shard(&|name| std::env::var(name).ok())
}

/// Returns the shard that Bazel selects, or `None` outside of Bazel.
///
/// # Errors
///
/// [`Error::Usage`] if only one of its variables is set, or if a value is invalid.
pub fn bazel_shard() -> Result<Option<Shard>> {
    Ok(read_pair(&BAZEL, &|name| std::env::var(name).ok())?.map(|found| found.shard))
}

fn find_shard(env: Env<'_>) -> Result<CiShard> {
    let mut found = Vec::new();
    for pair in &PAIRS {
        found.extend(read_pair(pair, env)?);
    }
    found.extend(read_array(env)?);
    // CircleCI, for one, sets 0 of 1 for a job that has no shards.
    if found.iter().any(|found| found.shard.count.get() > 1) {
        found.retain(|found| found.shard.count.get() > 1);
    }
    let descriptions: Vec<&str> = found.iter().map(|found| found.description.as_str()).collect();
    let Some(CiShard { shard, .. }) = found.first() else {
        let pairs = PAIRS.iter().map(|Pair { system, index, count, .. }| format!("{index} and {count} ({system})"));
        let known: Vec<String> = pairs.chain([format!("{} .. (Slurm array)", ARRAY[0])]).collect();
        return Err(Error::Usage(format!(
            "--partition auto found no shard in the environment; it reads\n  {}\nset one of these pairs, or use slice:M/N",
            known.join("\n  ")
        )));
    };
    if found.iter().any(|other| other.shard != *shard) {
        return Err(Error::Usage(format!(
            "--partition auto found variables that disagree:\n  {}\nunset all but one pair, or use slice:M/N",
            descriptions.join("\n  ")
        )));
    }
    Ok(CiShard { shard: *shard, description: descriptions.join("; ") })
}

/// Reads the shard from a pair of variables, if both are set.
fn read_pair(pair: &Pair, env: Env<'_>) -> Result<Option<CiShard>> {
    let Pair { system, index, count, first } = pair;
    let (index_value, count_value) = match (get(env, index), get(env, count)) {
        (None, None) => return Ok(None),
        (Some(index), Some(count)) => (index, count),
        // A GitLab job that is not `parallel`.
        (None, Some(one)) if *count == "CI_NODE_TOTAL" && one == "1" => return Ok(None),
        // A Slurm batch script, which is not a step.
        (Some(_), None) if *index == "SLURM_PROCID" => return Ok(None),
        (Some(_), None) => return Err(incomplete(system, index, count)),
        (None, Some(_)) => return Err(incomplete(system, count, index)),
    };
    let position = parse_number(index, &index_value)?.checked_sub(*first);
    let total = parse_number(count, &count_value)?;
    let values = format!("{system}: {index}={index_value}, counted from {first}, of {count}={count_value}");
    shard_at(position, total, &values, "there is no such shard; correct the variables").map(Some)
}

/// Reads the shard from the variables of a Slurm job array: the position of the index in the array.
fn read_array(env: Env<'_>) -> Result<Option<CiShard>> {
    let values = ARRAY.map(|name| get(env, name));
    let Some(set) = values.iter().position(Option::is_some) else { return Ok(None) };
    let mut numbers = [0; ARRAY.len()];
    for ((number, name), value) in numbers.iter_mut().zip(ARRAY).zip(values) {
        let value = value.ok_or_else(|| incomplete("Slurm array", ARRAY[set], name))?;
        *number = parse_number(name, &value)?;
    }
    let [id, min, max, step, count] = numbers;
    let values = format!("Slurm array: SLURM_ARRAY_TASK_ID={id} of {count} from {min} to {max} in steps of {step}");
    let is_range =
        step > 0 && count.checked_sub(1).and_then(|gaps| gaps.checked_mul(step)?.checked_add(min)) == Some(max);
    let position = id.checked_sub(min).filter(|at| is_range && at % step == 0).map(|at| at / step);
    let problem =
        "the position of that index in the array is unknown; submit a range, such as --array=1-4, or use slice:M/N";
    shard_at(position, count, &values, problem).map(Some)
}

/// Returns the shard at a position, counted from 0, or an error if there is none.
fn shard_at(position: Option<u64>, count: u64, values: &str, problem: &str) -> Result<CiShard> {
    let shard = position.and_then(|at| Shard::new(PartitionKind::Slice, at.checked_add(1)?, count));
    match shard {
        Some(shard) => Ok(CiShard { shard, description: format!("{values}: {shard}") }),
        None => Err(Error::Usage(format!("{values}: {problem}"))),
    }
}

/// Returns the value of a variable that is set and not empty.
fn get(env: Env<'_>, name: &str) -> Option<String> {
    env(name).filter(|value| !value.is_empty())
}

fn incomplete(system: &str, set: &str, unset: &str) -> Error {
    Error::Usage(format!("{system}: {set} is set but {unset} is not; set both or neither"))
}

fn parse_number(name: &str, value: &str) -> Result<u64> {
    let digits = value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse().ok()).flatten();
    digits.ok_or_else(|| Error::Usage(format!("{name}={value:?} is not a number; correct it or unset it")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(variables: &[(&str, &str)]) -> Result<String, String> {
        let env = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        find_shard(&env).map(|found| found.description).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn assert_text(variables: &[(&str, &str)], parts: &[&str]) {
        let (Ok(text) | Err(text)) = find(variables);
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }

    fn array<'a>(id: &'a str, min: &'a str, max: &'a str, step: &'a str, count: &'a str) -> [(&'a str, &'a str); 5] {
        let [a, b, c, d, e] = ARRAY;
        [(a, id), (b, min), (c, max), (d, step), (e, count)]
    }

    #[test]
    fn every_system_counts_from_its_own_first_index() {
        for (index, count, first) in [
            ("TEST_SHARD_INDEX", "TEST_TOTAL_SHARDS", 0),
            ("CI_NODE_INDEX", "CI_NODE_TOTAL", 1),
            ("BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT", 0),
            ("CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", 0),
            ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", 0),
        ] {
            for at in 0..3 {
                let value = (at + first).to_string();
                let description = find(&[(index, &value), (count, "3")]).expect("a shard");
                assert!(description.ends_with(&format!("of {count}=3: slice:{}/3", at + 1)), "{description}");
            }
            let beyond = (first + 3).to_string();
            assert_text(&[(index, &beyond), (count, "3")], &[index, "there is no such shard"]);
        }
        assert_text(&[("CI_NODE_INDEX", "0"), ("CI_NODE_TOTAL", "3")], &["counted from 1", "there is no such shard"]);
    }

    #[test]
    fn a_job_array_can_start_anywhere_and_have_any_step() {
        for (variables, shard) in [
            (array("0", "0", "31", "1", "32"), "slice:1/32"),
            (array("7", "1", "7", "2", "4"), "slice:4/4"),
            (array("13", "10", "16", "3", "3"), "slice:2/3"),
            (array("5", "5", "5", "1", "1"), "slice:1/1"),
        ] {
            let description = find(&variables).expect("a shard");
            assert!(description.ends_with(&format!(": {shard}")), "{description}");
        }
        // --array=1,3,4,9, and values that no array has.
        for variables in [
            array("4", "1", "9", "2", "4"),
            array("2", "1", "7", "2", "4"),
            array("9", "1", "7", "2", "4"),
            array("1", "1", "1", "0", "1"),
            array("1", "1", "1", "1", "0"),
        ] {
            assert_text(&variables, &["is unknown", "--array=1-4"]);
        }
    }

    #[test]
    fn one_variable_of_a_pair_is_an_error_that_names_both() {
        assert_text(&[("TEST_SHARD_INDEX", "0")], &["Bazel: TEST_SHARD_INDEX is set but TEST_TOTAL_SHARDS is not"]);
        assert_text(&[("CIRCLE_NODE_TOTAL", "2")], &["CIRCLE_NODE_TOTAL is set but CIRCLE_NODE_INDEX is not"]);
        assert_text(&[("CI_NODE_TOTAL", "4")], &["CI_NODE_TOTAL is set but CI_NODE_INDEX is not"]);
        assert_text(&[("SLURM_STEP_NUM_TASKS", "4")], &["SLURM_STEP_NUM_TASKS is set but SLURM_PROCID is not"]);
        assert_text(
            &array("1", "1", "4", "1", "4")[..4],
            &["SLURM_ARRAY_TASK_ID is set but SLURM_ARRAY_TASK_COUNT is not"],
        );
        assert_text(&[("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "")], &["CI_NODE_TOTAL is not"]);
    }

    #[test]
    fn an_environment_without_a_shard_is_an_error_that_names_all_variables() {
        let names = ["Bazel", "GitLab CI", "Buildkite", "CircleCI", "Slurm array", "SLURM_PROCID", "use slice:M/N"];
        assert_text(&[], &names);
        // A GitLab job that is not parallel, and a Slurm batch script.
        assert_text(&[("CI_NODE_TOTAL", "1")], &names);
        assert_text(&[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4")], &names);
    }

    #[test]
    fn systems_that_disagree_are_named_and_one_of_one_is_ignored() {
        let bazel = [("TEST_SHARD_INDEX", "1"), ("TEST_TOTAL_SHARDS", "4")];
        let gitlab = |index| [("CI_NODE_INDEX", index), ("CI_NODE_TOTAL", "4")];
        assert_text(&[bazel, gitlab("1")].concat(), &["disagree", "TEST_SHARD_INDEX=1", "CI_NODE_INDEX=1"]);
        assert_text(&[bazel, gitlab("2")].concat(), &["Bazel", "GitLab CI", ": slice:2/4"]);
        let circle = [("CIRCLE_NODE_INDEX", "0"), ("CIRCLE_NODE_TOTAL", "1")];
        assert_eq!(find(&[bazel, circle].concat()), find(&bazel));
        assert_text(&circle, &["CircleCI: CIRCLE_NODE_INDEX=0, counted from 0, of CIRCLE_NODE_TOTAL=1: slice:1/1"]);
    }

    #[test]
    fn a_value_that_is_not_a_number_is_named() {
        assert_text(
            &[("TEST_SHARD_INDEX", "one"), ("TEST_TOTAL_SHARDS", "4")],
            &["TEST_SHARD_INDEX=\"one\" is not a number"],
        );
        assert_text(
            &[("TEST_SHARD_INDEX", "1"), ("TEST_TOTAL_SHARDS", "-4")],
            &["TEST_TOTAL_SHARDS=\"-4\" is not a number"],
        );
        assert_text(&[("TEST_SHARD_INDEX", "0"), ("TEST_TOTAL_SHARDS", "0")], &["there is no such shard"]);
    }
}
