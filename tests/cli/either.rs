//! Cases that accept either of several references, for a token whose best logits are closer than the noise.

use serde_json::json;

use crate::project::Project;

/// A case of `argmax` over two equal logits, which returns the first, 1; these tokens are the references.
fn tie(project: &Project, reference: i64, others: &[i64]) {
    project.tensor("goldens/tie/x.npy", &[1, 4], vec![0.0f32, 5.0, 5.0, -1.0]);
    project.tensor("goldens/tie/y.npy", &[1], vec![reference]);
    let files: Vec<String> = (0..others.len()).map(|at| format!("y.{at}.npy")).collect();
    for (file, token) in files.iter().zip(others) {
        project.tensor(&format!("goldens/tie/{file}"), &[1], vec![*token]);
    }
    let case = json!({
        "karat": 1,
        "checkpoint": "argmax",
        "inputs": { "x": "x.npy" },
        "outputs": { "y": { "tensor": "y.npy", "or": files } },
    });
    project.write("goldens/tie/case.json", case.to_string());
}

#[test]
fn either_reference_passes_and_the_line_says_so() {
    for (reference, other) in [(1, 2), (2, 1)] {
        let project = Project::empty();
        tie(&project, reference, &[other]);
        project.accept_all();
        let said = project.karat(["run"]).exits(0).judges("tie", "pass");
        said.says("pass tie argmax no difference, any of 2 references");
    }
}

#[test]
fn the_snapshot_holds_every_reference_and_not_which_of_them_came_out() {
    let project = Project::empty();
    tie(&project, 2, &[1, 3]);
    project.accept_all();
    let snapshot = project.read("snapshots/tie/y.snap");
    let line = snapshot.lines().find(|line| line.starts_with("or: ")).expect("a line");
    assert_eq!(line.matches("sha256 ").count(), 2, "{line}");
    assert!(!snapshot.contains("mean: "), "{snapshot}");
    // A third that is accepted from now on is for review.
    tie(&project, 2, &[1, 0]);
    project.karat(["run"]).exits(1).judges("tie", "drift").says("or snapshot sha256 ");
}

#[test]
fn an_output_that_equals_no_alternative_is_a_mismatch_that_names_all() {
    let project = Project::good();
    tie(&project, 2, &[3]);
    let said = project.karat(["run"]).exits(1).judges("tie", "mismatch").judges("good", "pass");
    said.says("compared with y.npy; the case also accepts y.0.npy, without a match");
}

#[test]
fn a_float_has_a_tolerance_instead() {
    let project = Project::good();
    project.case("bad", |case| case["outputs"]["y"] = json!({ "tensor": "y.npy", "or": ["x.npy"] }));
    let said = project.karat(["run"]).exits(1).judges("bad", "broken").judges("good", "pass");
    said.says("outputs.y.or: only integers, such as tokens, can have alternatives; f32 has a tolerance");
}

#[test]
fn one_that_is_not_there_is_missing_and_one_outside_the_root_is_refused() {
    let project = Project::good();
    tie(&project, 1, &[2]);
    project.remove("goldens/tie/y.0.npy");
    project.karat(["run"]).exits(1).judges("tie", "missing").judges("good", "pass");
    project.edit("tie", |case| case["outputs"]["y"]["or"] = json!(["../../y.npy"]));
    project
        .karat(["run"])
        .exits(1)
        .judges("tie", "broken")
        .says("outputs.y: or: `../../y.npy` leaves the goldens root");
}

#[test]
fn show_names_them() {
    let project = Project::empty();
    tie(&project, 1, &[2, 3]);
    project.karat(["show", "tie"]).exits(0).says("y is y.npy or y.0.npy or y.1.npy; atol 0, rtol 0");
}
