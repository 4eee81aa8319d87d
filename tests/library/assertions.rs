//! `assert_close!` and `assert_summary!` in ordinary tests.

use super::project::{NUMBERS, Project};

#[test]
fn a_mismatch_says_how_much_and_where() {
    let project = Project::new("assert_close", &[NUMBERS]);
    let test = |name: &str| project.cargo(&["test", "--test", "numbers", "--", "--exact", name]);
    test("close").passes().says(&["1 passed;"]);
    test("values").fails().says(&[
        "panicked at tests/numbers.rs:13:",
        "LOGITS is not close to [1.0f32, 2.0, 4.0]\n",
        "  1 of 3 elements (33%) is outside atol 0.5 + rtol 0 x |reference|\n",
        "  largest difference 1 at [2]",
    ]);
    test("shapes").fails().says(&["  actual has shape    [3] (3 elements)\n  reference has shape [2] (2 elements)\n"]);
}

#[test]
fn a_summary_is_a_snapshot_beside_its_test_as_insta_has_it() {
    let project = Project::new("assert_summary", &[NUMBERS]);
    let numbers = ["test", "--test", "numbers", "--", "summary"];
    project.cargo(&numbers).fails().says(&[
        "`logits` has no accepted snapshot yet\nif it is intended:  cargo insta review\n",
        "0 passed; 2 failed;",
    ]);
    let pending = ["numbers__deep__logits.snap.new", "numbers__logits.snap.new"];
    assert_eq!(project.names("tests/snapshots"), pending);
    let text = project.read("tests/snapshots/numbers__logits.snap.new");
    assert!(text.contains("\nsource: tests/numbers.rs\n"), "{text}");
    project.cargo(&["insta", "accept"]).passes();
    assert_eq!(project.names("tests/snapshots"), pending.map(|name| name.trim_end_matches(".new")));
    project.cargo(&numbers).passes().says(&["2 passed; 0 failed;"]);

    project.replace("tests/snapshots/numbers__logits.snap", "\nmean: 2\n", "\nmean: 1.5\n");
    project.cargo(&numbers).fails().says(&[
        "`logits` has left the band of its snapshot\n",
        "mean      1.5       2 ",
        "if it is intended:  cargo insta review\n",
        "1 passed; 1 failed;",
    ]);
    let drifted = project.read("tests/snapshots/numbers__logits.snap.new");
    assert!(drifted.contains("\nmean: 2\n"), "{drifted}");
    let said = project.cargo_with(&[("CI", "true")], &numbers).fails();
    said.says(&["if it is intended, on your machine:  cargo test; cargo insta review\n"]);
}

#[test]
fn a_summary_is_reviewed_under_cargo_insta_test() {
    let project = Project::new("reviewed_summary", &[NUMBERS]);
    let insta = ["insta", "test", "--accept", "--test", "numbers", "--", "summary"];
    project.cargo(&insta).passes().says(&["2 passed; 0 failed;"]);
    assert_eq!(project.names("tests/snapshots"), ["numbers__deep__logits.snap", "numbers__logits.snap"]);
    let before = project.files("tests/snapshots");
    project.cargo(&insta).passes();
    assert_eq!(project.files("tests/snapshots"), before);
    project.cargo(&["insta", "test", "--unreferenced=reject", "--test", "numbers", "--", "summary"]).passes();
}
