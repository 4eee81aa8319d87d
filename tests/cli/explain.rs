//! `karat explain`, and what `run` and `diff` say of a reason.

use std::fs;
use std::path::Path;

use karat::tensor::{read_tensor, write_npy};
use karat::{Tensor, tensor};
use serde_json::json;

use crate::project::Project;

/// A tiny GPT-2 in which one LayerNorm has a different eps.
fn another_eps() -> Project {
    let project = Project::gpt2_tiny();
    project.edit("gpt2-tiny/h.0/ln_1", |case| case["params"]["eps"] = json!(1e-3));
    project
}

fn elements(path: &Path) -> (Vec<usize>, Vec<f32>) {
    let tensor = read_tensor(path, None, None).expect("a tensor");
    (tensor.shape().to_vec(), tensor.as_slice::<f32>().expect("f32").to_vec())
}

#[test]
fn a_failing_case_says_what_it_looks_like() {
    let project = another_eps();
    let said = project.karat(["run", "--accuracy-only", "-k", "h.0/ln_1"]).exits(1);
    said.says("looks like: the two sides add different eps: 1e-5 and 0.001 fit; each row is off by its own factor")
        .says("actual saved to target/karat-builtin/gpt2-tiny/h.0/ln_1/y.npy");
    let run = project.karat(["run", "--accuracy-only", "--json", "-k", "h.0/ln_"]).exits(1).json();
    let explanations = |case: usize| run["cases"][case]["outputs"][0]["explanations"].clone();
    assert_eq!((&explanations(0)[0]["id"], &explanations(0)[0]["eps"]), (&json!("eps"), &json!(0.001)));
    assert!(explanations(0)[0]["removes"].as_f64().is_some_and(|share| share > 0.99), "{run}");
    assert_eq!(explanations(1), json!([]), "it passes");
}

#[test]
fn explain_tells_why_and_where_and_how_large() {
    let project = another_eps();
    let said = project.karat(["explain", "gpt2-tiny/h.0/ln_1"]).exits(1);
    said.says("mismatch gpt2-tiny/h.0/ln_1 › y")
        .says("looks like, and how much of the difference undoing it removes: 1. eps removes >99%")
        .says("where it differs, in [1, 8, 64]; down: axis 1, across: axis 2")
        .says("|actual - reference|, and number of elements")
        .says("to see the numbers:  karat diff target/karat-builtin/gpt2-tiny/h.0/ln_1/y.npy");
    let explained = project.karat(["explain", "goldens/gpt2-tiny/h.0/ln_1", "--json"]).exits(1).json();
    assert_eq!((&explained["kind"], &explained["executor"]), (&json!("explain"), &json!("builtin")));
    assert_eq!(explained["case"]["outputs"][0]["explanations"][0]["id"], json!("eps"));
    assert!(!project.has("snapshots"), "no snapshot is looked at");
}

#[test]
fn a_case_that_passes_has_nothing_to_explain() {
    let project = Project::gpt2_tiny();
    project
        .karat(["explain", "gpt2-tiny/h.0/ln_1"])
        .exits(0)
        .says("pass gpt2-tiny/h.0/ln_1 › y")
        .says("of the tolerance");
}

#[test]
fn a_case_that_agrees_with_its_reference_and_drifted_says_both_and_writes_nothing() {
    let project = Project::good();
    project.karat(["explain", "good"]).exits(0).says("pass good").keeps_quiet_of("snapshot");
    project.edit("good", |case| case["tolerance"] = json!({ "y": { "atol": 1e-3, "rtol": 0 } }));
    let before = project.files("snapshots");
    let said = project.karat(["explain", "good"]).exits(1);
    said.says("drift good")
        .says("no difference, but 2 lines left the snapshot's band:")
        .says("atol 1e-5 0.001 equal")
        .says("if it is intended: karat run -k good; karat accept good");
    assert_eq!(project.files("snapshots"), before);
    let said = project.karat(["explain", "good", "--json"]).exits(1).json();
    assert_eq!(
        (&said["case"]["verdict"], &said["case"]["outputs"][0]["drift"][0]["quantity"]),
        (&json!("drift"), &json!("atol"))
    );
    // Another executor has no snapshots, and a case without one is no drift.
    project.karat(["explain", "good", "--executor", "builtin"]).exits(0).says("pass good");
    project.case("new", |_| {});
    project.karat(["explain", "new"]).exits(0).says("pass new");
}

#[test]
fn explaining_an_unknown_case_suggests_existing_ones() {
    let project = Project::gpt2_tiny();
    project
        .karat(["explain", "gpt2-tiny/h.9"])
        .exits(2)
        .says("`gpt2-tiny/h.9` is not a case below goldens; to list the cases: karat list");
    project.karat(["explain", "gpt2-tiny/ln_f", "--executor", "x"]).exits(2).says("unknown executor `x`");
}

#[test]
fn outputs_that_are_exchanged_are_named() {
    let project = Project::gpt2_tiny();
    project.edit("gpt2-tiny/h.0/qkv", |case| case["outputs"] = json!({ "k": "q.npy", "q": "k.npy", "v": "v.npy" }));
    let said = project.karat(["explain", "gpt2-tiny/h.0/qkv"]).exits(1);
    said.says("two outputs are swapped: this is `q`, and `q` is this one").says("pass gpt2-tiny/h.0/qkv › v");
}

#[test]
fn diff_explains_where_it_is_asked_to() {
    let project = Project::gpt2_tiny();
    let reference = "goldens/gpt2-tiny/h.0/qkv/q.npy";
    let (shape, values) = elements(&project.path(reference));
    project.tensor("scaled.npy", &shape, values.iter().map(|x| x / 4.0).collect());
    project.karat(["diff", "scaled.npy", reference]).exits(1).keeps_quiet_of("looks like");
    let said = project.karat(["diff", "scaled.npy", reference, "--explain"]).exits(1);
    said.says("actual = 0.25 x reference, which is 1/sqrt(16)").says("where it differs, in [1, 4, 8, 16]");
    let pair = &project.karat(["diff", "scaled.npy", reference, "--explain", "--json"]).exits(1).json()["pairs"][0];
    assert_eq!((&pair["explanations"][0]["id"], &pair["explanations"][0]["factor"]), (&json!("scale"), &json!(0.25)));
    let pair = &project.karat(["diff", reference, reference, "--explain", "--json"]).exits(0).json()["pairs"][0];
    assert_eq!(pair["explanations"], json!([]));
    let pair = &project.karat(["diff", "scaled.npy", reference, "--json"]).exits(1).json()["pairs"][0];
    assert_eq!(pair["explanations"], json!(null));
}

#[test]
fn a_folder_of_outputs_has_the_best_explanation_of_each() {
    let project = Project::gpt2_tiny();
    for (name, taken) in [("k", "k"), ("q", "v"), ("v", "q")] {
        let from = project.path(&format!("goldens/gpt2-tiny/h.0/qkv/{taken}.npy"));
        let tensor: Tensor = tensor::read_tensor(&from, None, None).expect("a tensor");
        fs::create_dir_all(project.path("mine")).expect("a folder");
        write_npy(&project.path(&format!("mine/{name}.npy")), &tensor).expect("a file");
    }
    let said = project.karat(["diff", "mine", "goldens/gpt2-tiny/h.0/qkv", "--explain"]).exits(1);
    said.says("looks like: actual is the reference of the output `v.npy`").says("2 mismatch, 1 pass");
}
