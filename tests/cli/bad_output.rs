//! A checkpoint that cannot run, or that returns what the case does not say: each output is judged, and no other case stops.

use serde_json::{Value, json};

use crate::project::{CommandOutput, Project};

/// Runs a good case beside one that is changed.
#[track_caller]
fn changed(change: impl FnOnce(&Project)) -> CommandOutput {
    let project = Project::good();
    project.case("bad", |_| {});
    change(&project);
    project.karat(["run"]).exits(1).judges("good", "pass").says("1 of 2 cases failed")
}

/// A case of `qkv` that passes: 3 outputs, 1 head of width 2.
fn qkv(project: &Project, edit: impl FnOnce(&mut Value)) {
    project.tensor("goldens/bad/w.npy", &[2, 6], vec![1.0f32, 0.0, 2.0, 0.0, 3.0, 0.0, 0.0, 1.0, 0.0, 2.0, 0.0, 3.0]);
    project.tensor("goldens/bad/b.npy", &[6], vec![0.0f32; 6]);
    project.tensor("goldens/bad/x.npy", &[1, 1, 2], vec![1.0f32, 2.0]);
    for (name, scale) in [("q", 1.0f32), ("k", 2.0), ("v", 3.0)] {
        project.tensor(&format!("goldens/bad/{name}.npy"), &[1, 1, 1, 2], vec![scale, 2.0 * scale]);
    }
    project.edit("bad", |case| {
        case["checkpoint"] = json!("qkv");
        case["params"] = json!({ "n_head": 1 });
        case["inputs"] = json!({ "x": "x.npy", "weight": "w.npy", "bias": "b.npy" });
        case["outputs"] = json!({ "q": "q.npy", "k": "k.npy", "v": "v.npy" });
        edit(case);
    });
}

#[test]
fn an_input_that_the_checkpoint_does_not_find_is_named() {
    changed(|project| {
        project.edit("bad", |case| drop(case["inputs"].as_object_mut().expect("an object").remove("bias")))
    })
    .judges("bad", "broken")
    .says("checkpoint layer_norm returned an error: the case has no input `bias`; it has weight, x")
    .says("to see its inputs: karat show bad");
    changed(|project| project.edit("bad", |case| case["params"] = json!({ "epsilon": 0 })))
        .judges("bad", "broken")
        .says("the case has no param `eps`; it has epsilon");
    changed(|project| project.edit("bad", |case| case["params"]["eps"] = json!("tiny")))
        .judges("bad", "broken")
        .says("param `eps` is \"tiny\": invalid type: string \"tiny\", expected f64");
}

#[test]
fn a_checkpoint_that_returns_an_error_is_quoted() {
    changed(|project| qkv(project, |case| case["params"]["n_head"] = json!(0)))
        .judges("bad", "broken")
        .says("checkpoint qkv returned an error: n_head 0 does not divide the width 2 of x");
    changed(|project| project.tensor("goldens/bad/bias.npy", &[3], vec![0.0f32; 3]))
        .judges("bad", "broken")
        .says("checkpoint layer_norm returned an error: bias is [3]; for x [1, 2] it");
}

#[test]
fn another_shape_is_a_mismatch_and_nothing_is_broadcast() {
    changed(|project| project.tensor("goldens/bad/y.npy", &[2], vec![-1.0f32, 2.5]))
        .judges("bad", "mismatch")
        .says("actual has shape [1, 2] (2 elements)")
        .says("reference has shape [2] (2 elements)");
    changed(|project| project.tensor("goldens/bad/y.npy", &[1, 3], vec![-1.0f32, 2.5, 0.0])).judges("bad", "mismatch");
}

#[test]
fn another_dtype_is_a_mismatch() {
    changed(|project| project.tensor("goldens/bad/y.npy", &[1, 2], vec![-1.0f64, 2.5]))
        .judges("bad", "mismatch")
        .says("actual is f32, but should be f64")
        .says("different dtypes are compared only if the case declares a cast");
    changed(|project| project.tensor("goldens/bad/x.npy", &[1, 2], vec![1.0f64, 3.0]))
        .judges("bad", "broken")
        .says("input `x` is f64, but the checkpoint needs f32");
}

#[test]
fn an_unexpected_output_is_reported_and_the_others_are_judged() {
    changed(|project| qkv(project, |case| drop(case["outputs"].as_object_mut().expect("an object").remove("v"))))
        .judges("bad", "mismatch")
        .says("mismatch bad › v")
        .says("unexpected output \"v\"; the case names k, q")
        .says("unrecorded bad › q")
        .says("add it to goldens/bad/case.json, or do not return it");
}

#[test]
fn a_missing_output_is_reported_and_the_others_are_judged() {
    let said = changed(|project| qkv(project, |case| case["outputs"]["z"] = json!("q.npy")));
    said.judges("bad", "missing")
        .says("missing bad › z")
        .says("the checkpoint did not return output \"z\"; it returned k, q, v")
        .says("unrecorded bad › k")
        .says("return it, or remove it from goldens/bad/case.json");
}

#[test]
fn an_empty_tensor_is_a_mismatch_unless_the_case_declares_it() {
    let empty = |project: &Project| {
        project.tensor::<f32>("goldens/bad/x.npy", &[0, 2], vec![]);
        project.tensor::<f32>("goldens/bad/y.npy", &[0, 2], vec![]);
    };
    changed(empty)
        .judges("bad", "mismatch")
        .says("there is nothing to compare: the tensor is empty")
        .says("to allow it, in case.json: \"outputs\": { \"y\": { \"tensor\": \"y.npy\", \"empty\": true } }");
    changed(|project| {
        empty(project);
        project.edit("bad", |case| case["outputs"]["y"] = json!({ "tensor": "y.npy", "empty": true }));
    })
    .judges("bad", "unrecorded");
}

#[test]
fn nan_in_the_reference_is_a_mismatch() {
    changed(|project| project.tensor("goldens/bad/y.npy", &[1, 2], vec![f32::NAN, 2.5]))
        .judges("bad", "mismatch")
        .says("at 1 element a NaN or an infinity does not match the other side")
        .says("first at [0, 0]: actual -1, reference nan");
}

#[test]
fn nan_on_both_sides_matches_only_where_the_case_says_so() {
    let nan = |project: &Project| {
        project.tensor("goldens/bad/x.npy", &[1, 2], vec![f32::NAN, 3.0]);
        project.tensor("goldens/bad/y.npy", &[1, 2], vec![f32::NAN; 2]);
    };
    changed(nan).judges("bad", "mismatch");
    changed(|project| {
        nan(project);
        project.edit("bad", |case| case["nan"] = json!("match"));
    })
    .judges("bad", "unrecorded");
}

#[test]
fn a_mask_that_does_not_fit_is_reported() {
    changed(|project| {
        project.tensor("goldens/bad/mask.npy", &[2], vec![true, false]);
        project.edit("bad", |case| case["outputs"]["y"] = json!({ "tensor": "y.npy", "where": "mask.npy" }));
    })
    .judges("bad", "mismatch")
    .says("the mask (\"where\") is bool [2]")
    .says("correct the mask in goldens/bad/case.json");
}

#[test]
fn a_dtype_without_a_default_tolerance_asks_for_one() {
    changed(|project| {
        project.write(
            "goldens/bad/y.npy",
            crate::bytes::npy("{'descr': '|V1', 'fortran_order': False, 'shape': (1, 2), }", &[0; 2]),
        );
        project.edit("bad", |case| case["outputs"]["y"] = json!({ "tensor": "y.npy", "dtype": "f8_e4m3" }));
    })
    .judges("bad", "broken")
    .says("goldens/bad/case.json: tolerance.y: f8_e4m3 has no default tolerance; give atol and rtol");
}
