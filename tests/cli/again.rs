//! `run --failed`, `--fail-fast`, `-v`, `-q` and `--ci`.

use crate::project::{CommandOutput, Project};

/// The cases a, b, c and good; a and c are mismatches.
fn project() -> Project {
    let project = Project::good();
    for id in ["a", "b", "c"] {
        project.case(id, |_| {});
    }
    project.accept_all();
    worsen(&project, "a");
    worsen(&project, "c");
    project
}

fn worsen(project: &Project, id: &str) {
    project.tensor(&format!("goldens/{id}/y.npy"), &[1, 2], vec![-1.0f32, 2.75]);
}

fn mend(project: &Project, id: &str) {
    project.tensor(&format!("goldens/{id}/y.npy"), &[1, 2], vec![-1.0f32, 2.5]);
}

/// The ids of the cases that have a line.
fn ran(said: &CommandOutput) -> Vec<&str> {
    let lines = said.stdout.lines().take_while(|line| !line.is_empty());
    lines.filter_map(|line| line.split_whitespace().nth(1)).collect()
}

#[test]
fn failed_runs_exactly_what_failed_and_narrows() {
    let project = project();
    project.karat(["run"]).exits(1);
    assert_eq!(ran(&project.karat(["run", "--failed"]).exits(1)), ["a", "c"]);
    mend(&project, "a");
    assert_eq!(ran(&project.karat(["run", "--failed"]).exits(1)), ["a", "c"]);
    assert_eq!(ran(&project.karat(["run", "--failed"]).exits(1).says("3 filtered out")), ["c"]);
    mend(&project, "c");
    assert_eq!(ran(&project.karat(["run", "--failed"]).exits(0)), ["c"]);
    let said = project.karat(["run", "--failed"]).exits(2);
    said.says("target/karat/failed.json lists no failure: the last run passed, or there was none; omit --failed");
    assert!(!project.has("target/karat/failed.json"));
}

#[test]
fn a_run_of_some_cases_leaves_what_is_known_of_the_others() {
    let project = project();
    project.karat(["run"]).exits(1);
    worsen(&project, "b");
    project.karat(["run", "-k", "b"]).exits(1);
    mend(&project, "a");
    project.karat(["run", "-k", "a"]).exits(0);
    project.karat(["run", "goldens/good"]).exits(0);
    assert_eq!(ran(&project.karat(["run", "--failed"]).exits(1)), ["b", "c"]);
    assert_eq!(ran(&project.karat(["run", "--failed", "-k", "c"]).exits(1)), ["c"]);
    project.karat(["run", "--failed", "-k", "a"]).exits(2).says("the filter `a` selects none");
    assert_eq!(
        project.read("target/karat/failed.json"),
        "{\n  \"karat\": 1,\n  \"roots\": {\n    \"goldens\": [\n      \"b\",\n      \"c\"\n    ]\n  }\n}\n"
    );
}

#[test]
fn failed_cases_that_no_longer_exist_are_reported() {
    let project = project();
    project.case("lost", |_| {});
    project.accept_all_of("lost");
    project.remove("goldens/lost");
    let said = project.karat(["run"]).exits(1).judges("lost", "orphaned");
    assert_eq!(ran(&said), ["a", "b", "c", "good", "lost"]);
    project.remove("goldens/c");
    project.remove("snapshots/c");
    let said = project
        .karat(["run", "--failed"])
        .exits(1)
        .says("karat: cases that failed in the last run and no longer exist: c\n");
    assert_eq!(ran(&said), ["a", "lost"]);
    project.remove("snapshots/lost");
    project.remove("goldens/a");
    project.remove("snapshots/a");
    project
        .karat(["run", "--failed"])
        .exits(2)
        .says("none of the cases that failed in the last run is below")
        .says("a, c, lost");
    project.karat(["run"]).exits(0);
    project.karat(["run", "--failed"]).exits(2).says("lists no failure");
}

#[test]
fn an_unreadable_list_of_failures_is_reported_and_replaced() {
    let project = project();
    project.write("target/karat/failed.json", "{");
    project
        .karat(["run", "--failed"])
        .exits(2)
        .says("target/karat/failed.json is not a valid list of failures")
        .says("delete it");
    project.karat(["run"]).exits(1);
    assert_eq!(ran(&project.karat(["run", "--failed"]).exits(1)), ["a", "c"]);
}

#[test]
fn fail_fast_starts_no_case_after_the_first_failure_and_fails() {
    let project = project();
    let said = project.karat(["run", "--fail-fast", "-j", "1"]).exits(1);
    assert_eq!(ran(&said), ["a"]);
    said.says("1 of 1 case failed").says("3 cases did not run: the run ended early");
    let json = project.karat(["run", "--fail-fast", "-j", "1", "--json"]).exits(1).json();
    assert_eq!((&json["not_run"], &json["failed"]), (&3.into(), &1.into()));
    project.karat(["run", "--fail-fast", "-k", "b"]).exits(0).keeps_quiet_of("did not run");
    // What is not run is not forgotten.
    project.karat(["run"]).exits(1);
    project.karat(["run", "--fail-fast", "-j", "1"]).exits(1);
    assert_eq!(ran(&project.karat(["run", "--failed"]).exits(1)), ["a", "c"]);
}

#[test]
fn quiet_shows_only_what_failed_or_was_skipped_and_the_count() {
    let project = project();
    project.case("later", |case| case["skip"] = "not captured yet".into());
    let said = project.karat(["run", "-q"]).exits(1);
    assert!(said.stdout.starts_with("skipped   later"), "{}", said.stdout);
    assert!(said.stdout.ends_with("\n2 mismatch, 1 skipped, 2 pass\nexecutor builtin\n"), "{}", said.stdout);
    let said = said.says("mismatch  c  ›  y").says("2 of 5 cases failed");
    said.keeps_quiet_of("good").says("skipped later not captured yet").keeps_quiet_of("to correct");
    let said = project.karat(["run", "--quiet", "-k", "good"]).exits(0);
    assert_eq!(said.stdout.lines().count(), 2, "{}", said.stdout);
}

#[test]
fn verbose_shows_what_was_measured_of_passes_too() {
    let project = project();
    project.karat(["run"]).exits(1).keeps_quiet_of("pass      good");
    let said = project.karat(["run", "-v"]).exits(1).judges("good", "pass").says("mismatch  a  ›  y");
    said.says("pass      good  ›  y  f32 [1, 2]").says("pass      b  ›  y");
    project.karat(["run", "-v", "-q"]).exits(2).says("cannot be used with");
}

#[test]
fn ci_can_be_asked_for() {
    let project = Project::good();
    project.case("later", |case| case["skip"] = "not captured yet".into());
    project.case("new", |_| {});
    let before = project.files("snapshots");
    let said = project.karat(["run", "--ci"]).exits(1).judges("later", "skipped").judges("new", "unrecorded");
    said.says("in CI a skipped case fails unless it is allowed by name").says("2 of 3 cases failed");
    assert!(project.files("snapshots") == before);
    project.karat(["run", "--ci", "-k", "later", "--allow-skip", "later"]).exits(0);
    project.karat(["run", "-k", "new"]).exits(1);
    assert!(project.has("snapshots/new/y.snap.new"));
}
