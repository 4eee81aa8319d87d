//! Drift and tampering: what passes the tolerance but not the review, and what is never accepted.

use serde_json::json;

use crate::project::{CommandOutput, Project};

/// A case with a reference a little off, a wide tolerance, and an accepted snapshot.
fn accepted() -> Project {
    let project = Project::good();
    project.case("ln", |case| case["tolerance"] = json!({ "y": { "atol": 1e-4, "rtol": 0 } }));
    project.tensor("goldens/ln/y.npy", &[1, 2], vec![-1.0f32, 2.500001]);
    project.accept_all();
    project.karat(["run"]).exits(0).judges("ln", "pass");
    project
}

/// Runs after a change that drifts: it names the line, it can be reviewed, and then it passes.
#[track_caller]
fn drifts(project: &Project, line: &str) -> CommandOutput {
    let before = project.read("snapshots/ln/y.snap");
    let said = project.karat(["run"]).exits(1).judges("good", "pass").judges("ln", "drift").says(line);
    assert_eq!(said.command("if it is intended"), "karat accept ln");
    assert_eq!(project.read("snapshots/ln/y.snap"), before);
    assert_ne!(project.read("snapshots/ln/y.snap.new"), before);
    project.karat(["accept", "ln"]).exits(0);
    project.karat(["run"]).exits(0);
    said
}

#[test]
fn a_reference_overwritten_with_the_actual_output_is_drift() {
    let project = accepted();
    project.tensor("goldens/ln/y.npy", &[1, 2], vec![-1.0f32, 2.5]);
    drifts(&project, "reference snapshot sha256 ").says("no difference, but 1 line left the snapshot's band");
}

#[test]
fn many_changed_references_are_counted_before_each_is_listed() {
    let project = accepted();
    project.case("more", |case| case["tolerance"] = json!({ "y": { "atol": 1e-4, "rtol": 0 } }));
    project.accept_all();
    project.karat(["run"]).exits(0).keeps_quiet_of("references changed");
    for id in ["ln", "more"] {
        project.tensor(&format!("goldens/{id}/y.npy"), &[1, 2], vec![-1.0f32, 2.500002]);
    }
    let said = project.karat(["run"]).exits(1).judges("ln", "drift").judges("more", "drift");
    said.says("2 references changed; every output still matches");
}

#[test]
fn a_loosened_tolerance_is_drift() {
    let project = accepted();
    project.edit("ln", |case| case["tolerance"]["y"]["atol"] = json!(1e-2));
    drifts(&project, "atol 0.0001 0.01 equal");
    project.edit("ln", |case| case["tolerance"]["y"]["outliers"] = json!(1));
    drifts(&project, "outliers none 1 equal");
}

#[test]
fn a_tolerance_loosened_by_the_suite_is_drift() {
    let project = accepted();
    project.edit("ln", |case| drop(case.as_object_mut().expect("an object").remove("tolerance")));
    project.write("goldens/suite.json", "{ \"tolerance\": { \"*\": { \"atol\": 1, \"rtol\": 0 } } }");
    let said = project.karat(["run"]).exits(1).judges("ln", "drift").judges("good", "drift");
    said.says("tolerance");
}

#[test]
fn a_changed_param_is_drift() {
    let project = accepted();
    project.edit("ln", |case| case["params"]["eps"] = json!(1e-12));
    drifts(&project, "param eps 0 1e-12 equal");
}

#[test]
fn a_difference_that_grew_within_a_wide_tolerance_is_drift() {
    let project = accepted();
    project.edit("ln", |case| case["params"]["eps"] = json!(2e-5));
    drifts(&project, "largest difference").says("within tolerance");
}

#[test]
fn a_changed_input_is_drift() {
    let project = accepted();
    project.tensor("goldens/ln/x.npy", &[1, 2], vec![2.0f32, 6.0]);
    drifts(&project, "input x");
}

#[test]
fn a_mismatch_is_never_accepted() {
    let project = accepted();
    project.edit("ln", |case| case["params"]["eps"] = json!(2e-5));
    project.karat(["run"]).exits(1).judges("ln", "drift");
    assert!(project.has("snapshots/ln/y.snap.new"));
    project.edit("ln", |case| case["params"]["eps"] = json!(1));
    let before = project.files("snapshots/good");
    let snapshot = project.read("snapshots/ln/y.snap");
    let said = project.karat(["run"]).exits(1).judges("good", "pass").judges("ln", "mismatch");
    said.says("2 of 2 elements (100%) are outside atol 0.0001 + rtol 0 x |reference|")
        .says("1 case to fix, as described above; then: karat run")
        .keeps_quiet_of("accept");
    assert!(!project.has("snapshots/ln/y.snap.new"), "what an earlier run left is gone");
    assert_eq!(project.karat(["accept"]).exits(0).stdout, "no pending snapshots\n");
    project.karat(["accept", "ln"]).exits(2).says("nothing is pending");
    assert_eq!(project.read("snapshots/ln/y.snap"), snapshot);
    assert!(project.files("snapshots/good") == before);
}

#[test]
fn a_missing_and_a_broken_case_leave_nothing_to_accept() {
    for wrong in ["y.npy", "case.json"] {
        let project = accepted();
        project.edit("ln", |case| case["params"]["eps"] = json!(2e-5));
        project.karat(["run"]).exits(1).judges("ln", "drift");
        project.write(&format!("goldens/ln/{wrong}"), "{");
        project.karat(["run"]).exits(1).judges("ln", "broken").keeps_quiet_of("accept");
        assert!(!project.has("snapshots/ln/y.snap.new"), "{wrong}");
    }
}

#[test]
fn a_pending_snapshot_is_dropped_once_all_is_as_it_was() {
    let project = accepted();
    project.edit("ln", |case| case["params"]["eps"] = json!(2e-5));
    project.karat(["run"]).exits(1).judges("ln", "drift");
    project.edit("ln", |case| case["params"]["eps"] = json!(0));
    project.karat(["run"]).exits(0);
    assert!(!project.has("snapshots/ln/y.snap.new"));
}

#[test]
fn actual_tensors_of_failures_are_saved_and_can_be_shown() {
    let project = accepted();
    project.edit("ln", |case| case["params"]["eps"] = json!(1));
    project.karat(["run"]).exits(1).judges("ln", "mismatch").says("actual saved to target/karat/ln/y.npy");
    let said = project.karat(["show", "target/karat/ln/y.npy"]).exits(0).says("dtype f32").says("shape [1, 2]");
    said.says("max 1.9142135");
}

#[test]
fn much_closer_than_before_passes_and_can_be_tightened() {
    let project = accepted();
    let snapshot = project.read("snapshots/ln/y.snap");
    let worse = |line: &str| match line.split_once(": ") {
        Some((quantity @ ("largest difference" | "rmse"), _)) => format!("{quantity}: 0.00009\n"),
        _ => format!("{line}\n"),
    };
    project.write("snapshots/ln/y.snap", snapshot.lines().map(worse).collect::<String>());
    let said = project.karat(["run"]).exits(0).judges("ln", "pass").says("1%, improved");
    assert_eq!(said.command("1 case improved; to tighten the accepted snapshots"), "karat accept --all");
    project.karat(["accept"]).exits(0).says("accepted snapshots/ln/y.snap");
    assert_eq!(project.read("snapshots/ln/y.snap"), snapshot);
    project.karat(["run"]).exits(0).keeps_quiet_of("improved");
}
