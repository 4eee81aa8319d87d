//! `karat accept`: promotes what is pending, all of it or what a filter selects, and nothing else.

use crate::project::Project;

/// Three cases with pending snapshots.
fn pending() -> Project {
    let project = Project::empty();
    for id in ["a/one", "a/two", "b"] {
        project.case(id, |_| {});
    }
    project.karat(["run"]).exits(1);
    project
}

#[test]
fn every_file_that_is_written_is_listed() {
    let project = pending();
    let goldens = project.files("goldens");
    let said = project.karat(["accept"]).exits(0);
    assert_eq!(
        said.stdout,
        "accepted snapshots/a/one/y.snap\naccepted snapshots/a/two/y.snap\naccepted snapshots/b/y.snap\n3 snapshots written; commit them\n"
    );
    let names: Vec<String> = project.files("snapshots").into_keys().collect();
    assert_eq!(names, ["a/one/y.snap", "a/two/y.snap", "b/y.snap"]);
    assert!(project.files("goldens") == goldens);
    assert_eq!(project.karat(["accept"]).exits(0).stdout, "no pending snapshots\n");
}

#[test]
fn a_filter_accepts_what_it_selects_and_leaves_the_rest_pending() {
    let project = pending();
    assert_eq!(
        project.karat(["accept", "two"]).exits(0).stdout,
        "accepted snapshots/a/two/y.snap\n1 snapshot written; commit it\n"
    );
    project.karat(["run"]).exits(1).judges("a/one", "unrecorded").judges("a/two", "pass").judges("b", "unrecorded");
}

#[test]
fn an_unknown_name_is_an_error_and_accepts_nothing() {
    let project = pending();
    let before = project.files("");
    project
        .karat(["accept", "nix"])
        .exits(2)
        .says("no case id with a pending snapshot contains \"nix\"; pending: a/one, a/two, b");
    assert!(project.files("") == before);
    project.karat(["accept"]).exits(0);
    project
        .karat(["accept", "b"])
        .exits(2)
        .says("no case id with a pending snapshot contains \"b\"; nothing is pending");
    project.karat(["accept", "--root", "nix"]).exits(2).says("there is no folder");
}

#[test]
fn a_whole_id_accepts_no_other_case_whose_id_contains_it() {
    let project = Project::empty();
    for id in ["h.1", "h.10", "h.1/inner"] {
        project.case(id, |_| {});
    }
    project.karat(["run"]).exits(1);
    assert_eq!(
        project.karat(["accept", "h.1"]).exits(0).stdout,
        "accepted snapshots/h.1/y.snap\n1 snapshot written; commit it\n"
    );
    project.karat(["accept", "h.1"]).exits(2).says("no case id with a pending snapshot contains \"h.1\"");
    project.karat(["accept", "h"]).exits(0).says("2 snapshots written");
}

#[test]
fn an_empty_filter_is_refused() {
    let project = pending();
    let before = project.files("");
    project.karat(["accept", ""]).exits(2).says("a value is required for '[FILTER]'");
    assert!(project.files("") == before);
    project.karat(["run", "-k", ""]).exits(2).says("a value is required for '--filter <FILTER>'");
}

#[test]
fn it_refuses_in_ci() {
    let project = pending();
    let before = project.files("");
    for variable in ["CI", "TF_BUILD"] {
        project.karat_with(&[(variable, "true")], ["accept"]).exits(2).says("snapshots cannot be accepted in CI");
    }
    assert!(project.files("") == before);
}

#[test]
fn a_damaged_snapshot_is_refused_and_the_others_are_accepted() {
    let project = pending();
    project.write("snapshots/a/two/y.snap.new", "---\nsource: x\n---\n<<<<<<< HEAD\n");
    let said = project.karat(["accept"]).exits(1).says("snapshots/a/two/y.snap.new: line 4 contains a merge conflict");
    assert!(
        said.stdout.starts_with("accepted snapshots/a/one/y.snap\naccepted snapshots/b/y.snap\n"),
        "{}",
        said.stdout
    );
    assert!(!project.has("snapshots/a/two/y.snap"));
}

#[test]
fn a_pending_snapshot_of_a_deleted_case_is_refused() {
    let project = pending();
    project.remove("goldens/b");
    let said = project.karat(["accept", "b"]).exits(1).says("snapshots/b/y.snap.new: its case b no longer exists");
    assert_eq!(said.stdout, "nothing was written\n");
    assert!(!project.has("snapshots/b/y.snap"));
    project.karat(["accept"]).exits(1).says("b/y.snap.new: its case b no longer exists").says("2 snapshots written");
}

#[test]
fn it_runs_nothing() {
    let project = pending();
    project.remove("goldens/b/x.npy");
    project.write("goldens/a/one/case.json", "{");
    project.karat(["accept"]).exits(0).says("3 snapshots written");
}

#[test]
fn below_a_folder_it_accepts_what_is_there_alone() {
    let project = pending();
    project.karat(["accept", "--root", "goldens/a"]).exits(0).says("2 snapshots written");
    assert!(project.has("snapshots/a/one/y.snap") && !project.has("snapshots/b/y.snap"));
}
