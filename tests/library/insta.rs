//! The snapshots of a harness under the real cargo-insta.

use super::project::{GOLDENS, Project};

const SNAPSHOT: &str = "snapshots/layers/double/y.snap";
const SKIP: &str = r#", "skip": "not today""#;
const PENDING: &str = "snapshots/layers/double/y.snap.new";

/// Moves a stored number out of its band, as if the code had been another when it was accepted.
fn drift(project: &Project) {
    project.replace(SNAPSHOT, "\nmean: 4\n", "\nmean: 4.5\n");
}

/// A snapshot that is accepted and has no case any more.
fn orphan(project: &Project) {
    project.case("gone", "double");
    project.accept();
    project.remove("goldens/gone");
}

fn mismatch(project: &Project) {
    project.tensor("goldens/layers/double/y.npy", &[2.0, 4.0, 6.5]);
}

#[test]
fn a_new_snapshot_is_pending_and_stays_the_same_once_accepted() {
    let project = Project::new("insta_new", &[GOLDENS]);
    project.case("layers/double", "double");
    // insta ends like this wherever something is left to review.
    project.cargo(&["insta", "test"]).fails().says(&["1 snapshot to review"]);
    assert_eq!(project.names("snapshots"), ["layers/double/y.snap.new"]);
    project.cargo(&["insta", "accept"]).passes();
    assert_eq!(project.names("snapshots"), ["layers/double/y.snap"]);
    let before = project.files("snapshots");
    project.cargo(&["insta", "test"]).passes().says(&["no snapshots to review"]);
    project.cargo(&["test"]).passes();
    assert_eq!(project.files("snapshots"), before);
}

#[test]
fn test_and_accept_in_one_accepts_at_once() {
    let project = Project::new("insta_accept", &[GOLDENS]);
    project.case("layers/double", "double");
    project.cargo(&["insta", "test", "--test", "goldens", "--accept"]).passes();
    assert_eq!(project.names("snapshots"), ["layers/double/y.snap"]);
    project.cargo(&["test"]).passes();
}

#[test]
fn karat_accepts_the_bytes_that_insta_accepts() {
    let (ours, theirs) = (Project::accepted("accepted_by_karat"), Project::new("accepted_by_insta", &[GOLDENS]));
    theirs.case("layers/double", "double");
    theirs.goldens(&[]).fails();
    theirs.cargo(&["insta", "accept"]).passes();
    assert_eq!(ours.files("snapshots"), theirs.files("snapshots"));
}

#[test]
fn a_drift_is_to_review_and_rejecting_it_leaves_it_a_drift() {
    let project = Project::accepted("insta_drift");
    drift(&project);
    project.cargo(&["test"]).fails().says(&["drift     layers/double  ›  y ", "mean      4.5       4 "]);
    project.cargo(&["insta", "test", "--test", "goldens"]).fails().says(&["1 snapshot to review"]);
    assert!(project.read(PENDING).contains("\nmean: 4\n"));
    project.cargo(&["insta", "reject"]).passes();
    assert_eq!(project.names("snapshots"), ["layers/double/y.snap"]);
    assert!(project.read(SNAPSHOT).contains("\nmean: 4.5\n"));
    project.cargo(&["test"]).fails();
    project.cargo(&["insta", "accept"]).passes();
    project.cargo(&["test"]).passes();
}

#[test]
fn nextest_can_be_the_runner() {
    let project = Project::new("insta_nextest", &[GOLDENS]);
    project.case("layers/double", "double");
    project.case("b", "double");
    let insta = ["insta", "test", "--test-runner", "nextest", "--test", "goldens", "--unreferenced=reject"];
    project.cargo(&insta).fails().says(&["2 snapshots to review"]);
    project.cargo(&["insta", "accept"]).passes();
    project.cargo(&insta).passes();
}

#[test]
fn a_snapshot_counts_as_referenced_however_its_case_ends() {
    let project = Project::accepted("insta_referenced");
    for id in ["broken", "panics", "skipped"] {
        project.case(id, "double");
    }
    project.accept();
    mismatch(&project);
    project.write("goldens/broken/case.json", "{");
    project.case("panics", "panics");
    project.case_below("goldens", "skipped", "double", SKIP);
    // cargo-insta itself looks at the list only after a run that passed.
    let list = project.path("references");
    let variables =
        [("INSTA_CARGO_INSTA", "1"), ("INSTA_SNAPSHOT_REFERENCES_FILE", list.to_str().expect("a path in UTF-8"))];
    project.cargo_with(&variables, &["test", "--test", "goldens"]).fails().says(&["1 passed; 3 failed; 1 ignored;"]);
    let references = project.read("references");
    let mut references: Vec<&str> = references.lines().collect();
    references.sort();
    references.dedup();
    let snapshots = project.names("snapshots").into_iter().map(|name| project.path("snapshots").join(name));
    let snapshots: Vec<String> = snapshots.map(|path| path.display().to_string()).collect();
    assert_eq!(references, snapshots);
    assert_eq!(snapshots.len(), 4);
}

#[test]
fn the_snapshot_of_a_case_that_is_skipped_is_never_unreferenced() {
    let project = Project::accepted("insta_skipped");
    project.case("skipped", "double");
    project.accept();
    project.case_below("goldens", "skipped", "double", SKIP);
    let before = project.files("snapshots");
    for runner in ["cargo-test", "nextest"] {
        let insta = ["insta", "test", "--test-runner", runner, "--test", "goldens", "--unreferenced=delete"];
        project.cargo(&insta).passes().says(&["no unreferenced snapshots found"]);
        assert_eq!(project.files("snapshots"), before, "{runner}");
    }
}

#[test]
fn an_orphan_alone_is_unreferenced() {
    let project = Project::accepted("insta_orphan");
    orphan(&project);
    project.goldens(&[]).fails().says(&["orphaned  gone  ›  y"]);
    // An output of a case that is still there.
    project.write("snapshots/layers/double/old.snap", &project.read(SNAPSHOT));
    project.goldens(&[]).fails().says(&["orphaned  layers/double  ›  old"]);
    let insta = |how: &str| project.cargo(&["insta", "test", "--test", "goldens", how]);
    let before = ["gone/y.snap", "layers/double/old.snap", "layers/double/y.snap"];
    insta("--unreferenced=reject")
        .fails()
        .says(&["snapshots/gone/y.snap\n", "aborting because of unreferenced snapshots"]);
    assert_eq!(project.names("snapshots"), before);
    insta("--unreferenced=ignore").fails().says(&["orphaned  gone  ›  y"]);
    insta("--unreferenced=delete").passes().says(&["deleted unreferenced snapshots"]);
    assert_eq!(project.names("snapshots"), ["layers/double/y.snap"]);
    insta("--unreferenced=reject").passes();
}

#[test]
fn a_mismatch_fails_under_cargo_insta_too_and_leaves_nothing_to_accept() {
    let project = Project::accepted("insta_mismatch");
    mismatch(&project);
    let before = project.files("snapshots");
    for arguments in [&["insta", "test", "--test", "goldens"][..], &["insta", "test", "--test", "goldens", "--accept"]]
    {
        project.cargo(arguments).fails().says(&["mismatch  layers/double  ›  y "]);
        assert_eq!(project.files("snapshots"), before);
    }
}

#[test]
fn a_forced_update_leaves_what_is_within_its_band() {
    let project = Project::accepted("insta_forced");
    project.replace(SNAPSHOT, "\nmean: 4\n", "\nmean: 4.000000000000001\n");
    let before = project.files("snapshots");
    project.cargo(&["insta", "test", "--test", "goldens", "--force-update-snapshots"]).passes();
    assert_eq!(project.files("snapshots"), before);
}

#[test]
fn settings_that_disarm_the_gate_are_refused() {
    let project = Project::accepted("disarmed");
    drift(&project);
    let before = project.files("snapshots");
    for (name, value) in [("INSTA_UPDATE", "always"), ("INSTA_FORCE_PASS", "1")] {
        for arguments in [&["test", "--test", "goldens"][..], &["test", "--test", "goldens", "--", "run"]] {
            let said = project.cargo_with(&[(name, value)], arguments).fails();
            said.says(&[&format!("karat: {name}={value} in the environment "), &format!(": unset {name}")]);
        }
    }
    project.write(".config/insta.yaml", "behavior:\n  force_pass: true\n");
    project.goldens(&[]).fails().says(&["/.config/insta.yaml: `force_pass: true` lets drift pass"]);
    assert_eq!(project.files("snapshots"), before);
}

#[test]
fn nothing_is_pending_in_ci() {
    let project = Project::accepted("insta_ci");
    project.case("new", "double");
    drift(&project);
    let before = project.files("snapshots");
    let ci = [("CI", "true")];
    let said = project.cargo_with(&ci, &["test"]).fails();
    said.says(&[
        "unrecorded  new  ›  y ",
        "on your machine:  cargo test --test goldens -- run -k new; cargo insta review",
    ]);
    assert_eq!(project.files("snapshots"), before);
    project.cargo_with(&ci, &["insta", "test", "--check", "--test", "goldens"]).fails();
    assert_eq!(project.files("snapshots"), before);
    let said = project.cargo_with(&ci, &["test", "--test", "goldens", "--", "accept", "--all"]).fails();
    said.says(&["snapshots cannot be accepted in CI"]);
}
