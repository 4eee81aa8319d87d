//! Which shard the engine that runs this process has in mind, by the variables that it documents.
//!
//! Bazel: <https://bazel.build/reference/test-encyclopedia#test-sharding>; GitLab CI:
//! <https://docs.gitlab.com/ci/variables/predefined_variables/>; Buildkite:
//! <https://buildkite.com/docs/pipelines/configure/environment-variables>; CircleCI:
//! <https://circleci.com/docs/reference/variables/>; Slurm: <https://slurm.schedmd.com/job_array.html> and
//! <https://slurm.schedmd.com/srun.html>.

use super::partition::{PartitionKind, Shard};
use crate::error::{Error, Result};

/// How a variable is read.
pub(super) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A shard that an engine names, and in what words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// The shard, a slice.
    pub shard: Shard,
    /// Which engine it is, its variables and what they mean.
    pub told: String,
}

/// An index and a count.
struct Pair {
    engine: &'static str,
    index: &'static str,
    count: &'static str,
    /// What the first index is.
    first: u64,
    /// The half that is no fault without the other.
    lone: Lone,
}

/// Which half of a pair an engine sets where nothing is dealt out.
enum Lone {
    Neither,
    /// The index, as in a batch script, which is the first process of a job but no step of it.
    Index,
    /// A count of 1, as in a job that is not `parallel`.
    CountOfOne,
}

const BAZEL: Pair =
    Pair { engine: "Bazel", index: "TEST_SHARD_INDEX", count: "TEST_TOTAL_SHARDS", first: 0, lone: Lone::Neither };

const PAIRS: [Pair; 5] = [
    BAZEL,
    Pair { engine: "GitLab CI", index: "CI_NODE_INDEX", count: "CI_NODE_TOTAL", first: 1, lone: Lone::CountOfOne },
    Pair {
        engine: "Buildkite",
        index: "BUILDKITE_PARALLEL_JOB",
        count: "BUILDKITE_PARALLEL_JOB_COUNT",
        first: 0,
        lone: Lone::Neither,
    },
    Pair { engine: "CircleCI", index: "CIRCLE_NODE_INDEX", count: "CIRCLE_NODE_TOTAL", first: 0, lone: Lone::Neither },
    // In a batch script SLURM_NTASKS counts what could be started, and SLURM_PROCID is 0; only in a step are there as many.
    Pair { engine: "Slurm step", index: "SLURM_PROCID", count: "SLURM_STEP_NUM_TASKS", first: 0, lone: Lone::Index },
];

/// The variables of a Slurm job array: its indices begin anywhere, and may be some apart.
const ARRAY: [&str; 5] = [
    "SLURM_ARRAY_TASK_ID",
    "SLURM_ARRAY_TASK_MIN",
    "SLURM_ARRAY_TASK_MAX",
    "SLURM_ARRAY_TASK_STEP",
    "SLURM_ARRAY_TASK_COUNT",
];

/// The shard that the environment of this process names.
///
/// # Errors
///
/// [`Error::Usage`] that names the variables: where no engine is found, where two are at odds, where half of a pair is set,
/// or where a value makes no sense.
pub fn engine() -> Result<Engine> {
    find(&|name| std::env::var(name).ok())
}

/// The shard that Bazel asks a test for, where it does.
///
/// # Errors
///
/// [`Error::Usage`] where half of its pair is set, or a value makes no sense.
pub fn bazel() -> Result<Option<Shard>> {
    Ok(read(&BAZEL, &|name| std::env::var(name).ok())?.map(|engine| engine.shard))
}

fn find(env: Env<'_>) -> Result<Engine> {
    let mut found = Vec::new();
    for pair in &PAIRS {
        found.extend(read(pair, env)?);
    }
    found.extend(array(env)?);
    // CircleCI, for one, calls every job that is not dealt out the first of one.
    if found.iter().any(|engine| engine.shard.count.get() > 1) {
        found.retain(|engine| engine.shard.count.get() > 1);
    }
    if found.iter().any(|engine| engine.shard != found[0].shard) {
        let told: Vec<&str> = found.iter().map(|engine| engine.told.as_str()).collect();
        return Err(Error::Usage(format!(
            "--partition auto finds engines that are at odds:\n  {}\nunset the variables of all but one, or write slice:M/N",
            told.join("\n  ")
        )));
    }
    found
        .into_iter()
        .reduce(|one, other| Engine { told: format!("{}; {}", one.told, other.told), ..one })
        .ok_or_else(none)
}

fn none() -> Error {
    let mut known: Vec<String> =
        PAIRS.iter().map(|Pair { engine, index, count, .. }| format!("{index} and {count} ({engine})")).collect();
    known.push(format!("{} .. (Slurm array)", ARRAY[0]));
    Error::Usage(format!(
        "--partition auto finds no shard in the environment; it reads\n  {}\nset one of these pairs, or write slice:M/N",
        known.join("\n  ")
    ))
}

/// The shard of a pair of variables, where both are set.
fn read(pair: &Pair, env: Env<'_>) -> Result<Option<Engine>> {
    let Pair { engine, index, count, first, lone } = pair;
    let (index_value, count_value) = match (set(env, index), set(env, count), lone) {
        (None, None, _) | (Some(_), None, Lone::Index) => return Ok(None),
        (None, Some(one), Lone::CountOfOne) if one == "1" => return Ok(None),
        (Some(index), Some(count), _) => (index, count),
        (Some(_), None, _) => return Err(half(engine, index, count)),
        (None, Some(_), _) => return Err(half(engine, count, index)),
    };
    let shard = number(index, &index_value)?
        .checked_sub(*first)
        .and_then(|at| Shard::new(PartitionKind::Slice, at.checked_add(1)?, number(count, &count_value).ok()?));
    number(count, &count_value)?;
    let pair = format!("{index}={index_value}, counted from {first}, of {count}={count_value}");
    match shard {
        Some(shard) => Ok(Some(Engine { shard, told: format!("{engine}: {pair}: {shard}") })),
        None => Err(Error::Usage(format!("{engine}: {pair}: there is no such shard; correct the variables"))),
    }
}

/// The shard of a Slurm job array: the position of its index among those that the array has.
fn array(env: Env<'_>) -> Result<Option<Engine>> {
    if ARRAY.iter().all(|name| set(env, name).is_none()) {
        return Ok(None);
    }
    let mut values = [0; ARRAY.len()];
    for (value, name) in values.iter_mut().zip(ARRAY) {
        let text = set(env, name).ok_or_else(|| {
            let there = ARRAY.into_iter().find(|name| set(env, name).is_some()).unwrap_or_default();
            half("Slurm array", there, name)
        })?;
        *value = number(name, &text)?;
    }
    let [id, min, max, step, count] = values;
    let told = format!("Slurm array: SLURM_ARRAY_TASK_ID={id} of {count} from {min} to {max}, {step} apart");
    let is_even =
        step > 0 && count.checked_sub(1).and_then(|gaps| gaps.checked_mul(step)?.checked_add(min)) == Some(max);
    let at = id.checked_sub(min).filter(|at| is_even && at % step == 0).map(|at| at / step);
    match at.and_then(|at| Shard::new(PartitionKind::Slice, at.checked_add(1)?, count)) {
        Some(shard) => Ok(Some(Engine { shard, told: format!("{told}: {shard}") })),
        None => Err(Error::Usage(format!(
            "{told}: the place of that index among them cannot be told; submit a range, such as --array=1-4, or write slice:M/N"
        ))),
    }
}

/// The value of a variable that is set to something.
fn set(env: Env<'_>, name: &str) -> Option<String> {
    env(name).filter(|value| !value.is_empty())
}

fn half(engine: &str, there: &str, absent: &str) -> Error {
    Error::Usage(format!("{engine}: {there} is set and {absent} is not; set both, or neither"))
}

fn number(name: &str, value: &str) -> Result<u64> {
    let digits = value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse().ok()).flatten();
    digits.ok_or_else(|| Error::Usage(format!("{name}={value:?} is no number; correct it or unset it")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Result<String, String> {
        let env = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        find(&env).map(|engine| engine.told).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn says(variables: &[(&str, &str)], parts: &[&str]) {
        let said = match found(variables) {
            Ok(told) | Err(told) => told,
        };
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }

    fn array<'a>(id: &'a str, min: &'a str, max: &'a str, step: &'a str, count: &'a str) -> [(&'a str, &'a str); 5] {
        let [a, b, c, d, e] = ARRAY;
        [(a, id), (b, min), (c, max), (d, step), (e, count)]
    }

    #[test]
    fn every_engine_counts_from_its_own_first() {
        for (index, count, first) in [
            ("TEST_SHARD_INDEX", "TEST_TOTAL_SHARDS", 0),
            ("CI_NODE_INDEX", "CI_NODE_TOTAL", 1),
            ("BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT", 0),
            ("CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", 0),
            ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", 0),
        ] {
            for at in 0..3 {
                let value = (at + first).to_string();
                let told = found(&[(index, &value), (count, "3")]).expect("a shard");
                assert!(told.ends_with(&format!("of {count}=3: slice:{}/3", at + 1)), "{told}");
            }
            let beyond = (first + 3).to_string();
            says(&[(index, &beyond), (count, "3")], &[index, "there is no such shard"]);
        }
        says(&[("CI_NODE_INDEX", "0"), ("CI_NODE_TOTAL", "3")], &["counted from 1", "there is no such shard"]);
    }

    #[test]
    fn a_job_array_may_begin_anywhere_and_have_steps() {
        for (variables, shard) in [
            (array("0", "0", "31", "1", "32"), "slice:1/32"),
            (array("7", "1", "7", "2", "4"), "slice:4/4"),
            (array("13", "10", "16", "3", "3"), "slice:2/3"),
            (array("5", "5", "5", "1", "1"), "slice:1/1"),
        ] {
            let told = found(&variables).expect("a shard");
            assert!(told.ends_with(&format!(": {shard}")), "{told}");
        }
        // --array=1,3,4,9 and what no array can say.
        for variables in [
            array("4", "1", "9", "2", "4"),
            array("2", "1", "7", "2", "4"),
            array("9", "1", "7", "2", "4"),
            array("1", "1", "1", "0", "1"),
            array("1", "1", "1", "1", "0"),
        ] {
            says(&variables, &["cannot be told", "--array=1-4"]);
        }
    }

    #[test]
    fn half_of_a_pair_is_an_error_that_names_both() {
        says(&[("TEST_SHARD_INDEX", "0")], &["Bazel: TEST_SHARD_INDEX is set and TEST_TOTAL_SHARDS is not"]);
        says(&[("CIRCLE_NODE_TOTAL", "2")], &["CIRCLE_NODE_TOTAL is set and CIRCLE_NODE_INDEX is not"]);
        says(&[("CI_NODE_TOTAL", "4")], &["CI_NODE_TOTAL is set and CI_NODE_INDEX is not"]);
        says(&[("SLURM_STEP_NUM_TASKS", "4")], &["SLURM_STEP_NUM_TASKS is set and SLURM_PROCID is not"]);
        says(&array("1", "1", "4", "1", "4")[..4], &["SLURM_ARRAY_TASK_ID is set and SLURM_ARRAY_TASK_COUNT is not"]);
        says(&[("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "")], &["CI_NODE_TOTAL is not"]);
    }

    #[test]
    fn no_engine_is_an_error_that_names_them_all() {
        let names = ["Bazel", "GitLab CI", "Buildkite", "CircleCI", "Slurm array", "SLURM_PROCID", "write slice:M/N"];
        says(&[], &names);
        // A GitLab job that is not parallel, and a batch script of Slurm.
        says(&[("CI_NODE_TOTAL", "1")], &names);
        says(&[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4")], &names);
    }

    #[test]
    fn engines_at_odds_are_named_and_one_of_one_is_not_at_odds() {
        let bazel = [("TEST_SHARD_INDEX", "1"), ("TEST_TOTAL_SHARDS", "4")];
        let gitlab = |index| [("CI_NODE_INDEX", index), ("CI_NODE_TOTAL", "4")];
        says(&[bazel, gitlab("1")].concat(), &["at odds", "TEST_SHARD_INDEX=1", "CI_NODE_INDEX=1"]);
        says(&[bazel, gitlab("2")].concat(), &["Bazel", "GitLab CI", ": slice:2/4"]);
        let circle = [("CIRCLE_NODE_INDEX", "0"), ("CIRCLE_NODE_TOTAL", "1")];
        assert_eq!(found(&[bazel, circle].concat()), found(&bazel));
        says(&circle, &["CircleCI: CIRCLE_NODE_INDEX=0, counted from 0, of CIRCLE_NODE_TOTAL=1: slice:1/1"]);
    }

    #[test]
    fn a_value_that_is_no_number_is_named() {
        says(&[("TEST_SHARD_INDEX", "one"), ("TEST_TOTAL_SHARDS", "4")], &["TEST_SHARD_INDEX=\"one\" is no number"]);
        says(&[("TEST_SHARD_INDEX", "1"), ("TEST_TOTAL_SHARDS", "-4")], &["TEST_TOTAL_SHARDS=\"-4\" is no number"]);
        says(&[("TEST_SHARD_INDEX", "0"), ("TEST_TOTAL_SHARDS", "0")], &["there is no such shard"]);
    }
}
