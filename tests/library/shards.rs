//! Shards: those of nextest and of karat hold the same cases, and those of Bazel hold each test once.

use super::project::{CommandOutput, Project};

/// Cases whose names come before `karat::complete`, which nextest deals out too.
const CASES: [&str; 7] = ["a", "b/c", "b/d", "decoder/h.0/ln_1", "decoder/h.10/ln_1", "e f", "größe"];

fn project(name: &str) -> Project {
    let project = Project::accepted(name);
    for id in CASES {
        project.case(id, "double");
    }
    project.remove("goldens/layers");
    project.remove("snapshots/layers");
    project.accept();
    project
}

/// The names in the lines of nextest that say that a test passed.
fn passed(said: &CommandOutput) -> Vec<String> {
    let names = said.all();
    let names = names.lines().filter(|line| line.trim_start().starts_with("PASS"));
    let mut names: Vec<String> = names.filter_map(|line| Some(line.split_once("::goldens ")?.1.to_owned())).collect();
    names.sort();
    names
}

/// The names in libtest's list of tests.
fn listed(said: &CommandOutput) -> Vec<String> {
    said.stdout.lines().filter_map(|line| line.strip_suffix(": test").map(str::to_owned)).collect()
}

#[test]
fn a_shard_of_karat_holds_the_cases_of_nextests_shard() {
    let project = project("nextest_shards");
    for part in ["slice:1/3", "slice:3/3", "hash:1/2", "hash:2/2", "hash:2/5", "count:2/4"] {
        let nextest = project.cargo(&["nextest", "run", "--no-tests", "pass", "--partition", part]).passes();
        let nextest: Vec<String> = passed(&nextest).into_iter().filter(|name| name != "karat::complete").collect();
        let karat = project.goldens(&["list", "--partition", part]).passes();
        let ids = CASES.into_iter().filter(|id| karat.stdout.lines().any(|line| line.starts_with(&format!("{id}  "))));
        assert_eq!(ids.collect::<Vec<_>>(), nextest, "{part}\n{}", karat.stdout);
    }
}

#[test]
fn bazels_shards_hold_each_test_once_and_touch_the_status_file() {
    let project = project("bazel");
    let gate = r#", "chained": { "y": { "atol": 1, "rtol": 0 } }"#;
    project.case_below("goldens", "a", "double", gate);
    project.accept();
    let status = project.path("status");
    let status = status.to_str().expect("UTF-8");
    for count in ["1", "2", "4", "11"] {
        let mut names = Vec::new();
        for index in 0..count.parse::<u64>().expect("a number") {
            std::fs::remove_file(status).ok();
            let index = index.to_string();
            let variables =
                [("TEST_TOTAL_SHARDS", count), ("TEST_SHARD_INDEX", &*index), ("TEST_SHARD_STATUS_FILE", status)];
            let said = project.cargo_with(&variables, &["test", "--test", "goldens", "--", "--list"]).passes();
            assert!(std::fs::exists(status).expect("readable"), "shard {index} of {count}");
            names.extend(listed(&said));
        }
        names.sort();
        let mut expected: Vec<&str> = CASES.into_iter().chain(["karat::chained", "karat::complete"]).collect();
        expected.sort_unstable();
        assert_eq!(names, expected, "{count} shards");
    }
    // A name is in one shard too.
    let by_name = |index| {
        let variables = [("TEST_TOTAL_SHARDS", "2"), ("TEST_SHARD_INDEX", index)];
        project.cargo_with(&variables, &["test", "--test", "goldens", "--", "--exact", "b/c"]).passes()
    };
    by_name("0").says(&["0 passed; 0 failed"]);
    by_name("1").says(&["1 passed; 0 failed"]);
}

#[test]
fn a_shard_that_cannot_be_determined_runs_nothing_and_fails() {
    let project = project("no_shard");
    for variables in [&[("TEST_SHARD_INDEX", "0")][..], &[("TEST_SHARD_INDEX", "2"), ("TEST_TOTAL_SHARDS", "2")]] {
        let said = project.cargo_with(variables, &["test", "--test", "goldens"]).fails().says(&["TEST_TOTAL_SHARDS"]);
        said.omits("test result");
    }
    let nowhere = [("TEST_SHARD_STATUS_FILE", "no/such/folder/status")];
    project.cargo_with(&nowhere, &["test", "--test", "goldens"]).fails().says(&["cannot write no/such/folder/status"]);
}

#[test]
fn in_ci_a_failing_test_leaves_the_tree_as_it_is() {
    let project = project("ci_tree");
    project.case("new", "double");
    project.tensor("goldens/a/y.npy", &[2.0, 4.0, 6.5]);
    project.case("panics", "panics");
    project.write("snapshots/a/y.snap.new", "left by an earlier run");
    let tree = || (project.files("goldens"), project.files("snapshots"), project.files("tests"), project.files("src"));
    let before = tree();
    let said = project.cargo_with(&[("CI", "true")], &["test", "--test", "goldens"]).fails();
    said.says(&["unrecorded  new", "mismatch  a", "broken    panics"]);
    assert!(tree() == before);
}

#[test]
fn a_mistyped_verb_is_reported() {
    let project = project("mistyped");
    let meant = "did you mean:  cargo test --test goldens -- explain --help";
    project.goldens(&["exlpain"]).fails().says(&["karat: no test has `exlpain` in its name;", meant]);
    project
        .goldens(&["exlpain", "b/c"])
        .fails()
        .says(&["karat: unknown verb `exlpain`;", meant.trim_end_matches(" --help")]);
    project.goldens(&["decoder"]).passes().omits("verb");
    project.goldens(&["no_such_test"]).passes().omits("verb");
}
