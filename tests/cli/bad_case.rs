//! A `case.json` or `suite.json` that is wrong breaks its case, says where, and stops no other.

use serde_json::{Value, json};

use crate::project::{CommandOutput, Project};

/// Runs a good case beside one that is edited.
#[track_caller]
fn edited(edit: impl FnOnce(&mut Value)) -> CommandOutput {
    let project = Project::good();
    project.case("bad", edit);
    project.karat(["run"]).exits(1).judges("good", "pass").says("1 of 2 cases failed")
}

/// The same with this text for its `case.json`.
#[track_caller]
fn written(text: &str) -> CommandOutput {
    let project = Project::good();
    project.write("goldens/bad/case.json", text);
    project.karat(["run"]).exits(1).judges("good", "pass").judges("bad", "broken").says("goldens/bad/case.json: ")
}

#[test]
fn invalid_json_is_reported_with_line_and_column() {
    written("{\n  \"karat\": 1,\n  \"checkpoint\" \"layer_norm\"\n}\n")
        .says("is not JSON: expected `:` at line 3 column 16");
    written("").says("is not JSON: EOF while parsing a value at line 1 column 0");
    written(&"[".repeat(100_000)).says("is not JSON: recursion limit exceeded at line 1 column 128");
    written("[1]").says("is JSON, but not an object");
}

#[test]
fn a_mark_of_the_encoding_before_the_json_is_passed_over() {
    let project = Project::good();
    let text = project.read("goldens/good/case.json");
    project.write("goldens/good/case.json", format!("\u{feff}{text}"));
    project.karat(["run"]).exits(0).judges("good", "pass");
}

#[test]
fn a_field_that_is_there_twice_is_refused_since_one_of_them_would_not_count() {
    written("{ \"karat\": 1,\n  \"checkpoint\": \"layer_norm\", \"checkpoint\": \"qkv\" }")
        .says("`checkpoint` occurs twice at line 2");
    written("{ \"karat\": 1, \"outputs\": { \"y\": \"y.npy\", \"y\": \"z.npy\" } }").says("`y` occurs twice at line 1");
}

#[test]
fn an_unknown_field_is_answered_with_the_nearest_known_one() {
    let said = edited(|case| case["tolerence"] = json!({})).judges("bad", "broken");
    said.says("goldens/bad/case.json: unknown field `tolerence`; did you mean `tolerance`?")
        .says("fix it")
        .says("then: karat run -k bad");
    edited(|case| case["zzz"] = json!({})).says("unknown field `zzz`; known fields are karat, checkpoint, params,");
    edited(|case| case["tolerance"] = json!({ "y": { "atoll": 1 } }))
        .says("goldens/bad/case.json: tolerance.y: unknown field `atoll`; did you mean `atol`?");
}

#[test]
fn a_field_of_the_wrong_kind_is_named() {
    edited(|case| case["inputs"]["x"] = json!(3))
        .judges("bad", "broken")
        .says("inputs.x: invalid type: integer `3`, expected text or an object");
    edited(|case| case["params"] = json!([])).judges("bad", "broken").says("case.json: params: ");
    edited(|case| case["tolerance"] = json!({ "y": 1e-3 }))
        .judges("bad", "broken")
        .says("tolerance.y: invalid type: floating point `0.001`, expected an object");
    edited(|case| case["outputs"]["y"] = json!({ "where": "x.npy" }))
        .judges("bad", "broken")
        .says("outputs.y: missing field `tensor`");
}

#[test]
fn a_format_of_a_later_karat_is_refused() {
    edited(|case| case["karat"] = json!(2))
        .judges("bad", "broken")
        .says("karat: version 2 is not supported; this karat reads 1");
    edited(|case| drop(case.as_object_mut().expect("an object").remove("karat")))
        .judges("bad", "broken")
        .says("field `karat` is missing; write \"karat\": 1");
}

#[test]
fn a_checkpoint_that_nobody_registered_is_answered_with_the_known_ones() {
    edited(|case| case["checkpoint"] = json!("layernorm"))
        .judges("bad", "broken")
        .says("no checkpoint \"layernorm\" is registered")
        .says("registered, most similar first: layer_norm, ")
        .says("or correct \"checkpoint\" in goldens/bad/case.json");
    edited(|case| drop(case.as_object_mut().expect("an object").remove("checkpoint")))
        .judges("bad", "broken")
        .says("field `checkpoint` is missing; it names the computation under test");
}

#[test]
fn a_tolerance_with_one_of_atol_and_rtol_is_refused() {
    edited(|case| case["tolerance"] = json!({ "y": { "atol": 1e-3 } }))
        .judges("bad", "broken")
        .says("goldens/bad/case.json: tolerance.y: has atol without rtol; give both or neither");
    edited(|case| case["tolerance"] = json!({ "*": { "rtol": 1e-3 } }))
        .judges("bad", "broken")
        .says("tolerance.*: has rtol without atol; give both or neither");
}

#[test]
fn a_tolerance_that_is_negative_or_not_a_number_is_refused() {
    edited(|case| case["tolerance"] = json!({ "y": { "atol": -1e-3, "rtol": 0 } }))
        .judges("bad", "broken")
        .says("goldens/bad/case.json: tolerance.y: ")
        .says("-0.001");
    edited(|case| case["tolerance"] = json!({ "y": { "atol": 0, "rtol": "NaN" } }))
        .judges("bad", "broken")
        .says("goldens/bad/case.json: tolerance.y: rtol: ");
    written("{ \"karat\": 1, \"tolerance\": { \"y\": { \"atol\": NaN, \"rtol\": 0 } } }").says("is not JSON: ");
    edited(|case| case["tolerance"] = json!({ "y": { "max_rel_rms": -1 } }))
        .judges("bad", "broken")
        .says("tolerance.y: max_rel_rms is -1");
}

#[test]
fn a_tolerance_for_no_output_is_refused() {
    edited(|case| case["tolerance"] = json!({ "z": { "atol": 0, "rtol": 0 } }))
        .judges("bad", "broken")
        .says("goldens/bad/case.json: tolerance.z: there is no such output; outputs are y");
}

#[test]
fn a_skip_needs_a_reason() {
    edited(|case| case["skip"] = json!(" ")).judges("bad", "broken").says("case.json: skip: needs a written reason");
}

#[test]
fn a_path_that_is_absolute_or_leaves_the_root_is_refused() {
    edited(|case| case["inputs"]["x"] = json!("/etc/x.npy"))
        .judges("bad", "broken")
        .says("goldens/bad/case.json: inputs.x: `/etc/x.npy` is an absolute path; name the file relative to the case");
    edited(|case| case["outputs"]["y"] = json!("../../y.npy"))
        .judges("bad", "broken")
        .says("goldens/bad/case.json: outputs.y: `../../y.npy` leaves the goldens root by `..`; copy the file inside");
}

#[test]
fn names_that_no_file_can_have_or_that_differ_in_case_alone_are_refused() {
    edited(|case| case["outputs"]["a/b"] = json!("y.npy"))
        .judges("bad", "broken")
        .says("outputs: `a/b` is not a valid name");
    edited(|case| case["outputs"]["Y"] = json!("y.npy"))
        .judges("bad", "broken")
        .says("outputs: `Y` and `y` differ only in case; rename one");
}

#[test]
fn an_error_in_a_suite_names_the_suite_and_breaks_only_what_is_below_it() {
    for (suite, what) in [
        ("{", "is not JSON: EOF while parsing an object at line 1 column 1"),
        ("{ \"karat\": 2 }", "karat: version 2 is not supported; this karat reads 1"),
        ("{ \"tolerances\": {} }", "unknown field `tolerances`; did you mean `tolerance`?"),
        ("{ \"tolerance\": { \"*\": { \"atol\": 1 } } }", "tolerance.*: has atol without rtol; give both or neither"),
        ("{ \"tolerance\": { \"y\": { \"atol\": -1, \"rtol\": 0 } } }", "tolerance.y: atol is -1"),
        ("{ \"inputs\": { \"mask\": 7 } }", "inputs.mask: invalid type: integer `7`, expected text or an object"),
        ("{ \"inputs\": { \"mask\": \"/x.npy\" } }", "inputs.mask: `/x.npy` is an absolute path"),
        ("{ \"nan\": \"maybe\" }", "nan: unknown variant `maybe`"),
        ("{ \"skip\": \"\" }", "skip: needs a written reason"),
        ("{ \"reference\": 1 }", "reference: "),
    ] {
        let project = Project::good();
        project.case("suite/bad", |_| {});
        project.write("goldens/suite/suite.json", suite);
        project
            .karat(["run"])
            .exits(1)
            .judges("good", "pass")
            .judges("suite/bad", "broken")
            .says(&format!("goldens/suite/suite.json: {what}"));
    }
}

#[test]
fn a_nearer_entry_replaces_a_wrong_one_of_the_suite() {
    let project = Project::good();
    project.case("suite/fine", |case| case["tolerance"] = json!({ "y": { "atol": 0, "rtol": 0 } }));
    project.write("goldens/suite/suite.json", "{ \"tolerance\": { \"y\": { \"atol\": 1 } } }");
    project.karat(["run"]).exits(1).judges("suite/fine", "unrecorded").judges("good", "pass");
}

#[test]
fn an_input_from_a_case_that_has_another_tensor_there_is_refused() {
    edited(|case| case["inputs"]["x"] = json!({ "tensor": "x.npy", "from": "good:y" }))
        .judges("bad", "broken")
        .says("goldens/bad/case.json: inputs.x.from: names good:y, whose reference")
        .keeps_quiet_of("input `x`")
        .says("differs from")
        .says("use that file as the input, or correct `from`");
    edited(|case| case["inputs"]["x"] = json!({ "tensor": "x.npy", "from": "good:z" }))
        .judges("bad", "broken")
        .says("inputs.x.from: the case good has no output `z`; it has y");
    edited(|case| case["inputs"]["x"] = json!({ "tensor": "x.npy", "from": "god:y" }))
        .judges("bad", "broken")
        .says("inputs.x.from: there is no case god");
    edited(|case| case["inputs"]["x"] = json!({ "tensor": "x.npy", "from": "good" }))
        .judges("bad", "broken")
        .says("inputs.x: from: `good` must be a case and its output, such as `suite/case:y`");
}

#[test]
fn an_input_from_a_case_that_has_the_same_tensor_in_another_file_is_fine() {
    let project = Project::good();
    project.case("linked", |case| {
        case["inputs"]["x"] = json!({ "tensor": "y.npy", "from": "good:y" });
        case["outputs"] = json!({});
    });
    project.karat(["run"]).exits(1).judges("linked", "unrecorded");
}

#[test]
fn a_git_annex_pointer_in_place_of_a_case_says_how_to_get_it() {
    let project = Project::good();
    project.write("goldens/good/case.json", "/annex/objects/SHA256E-s152--00.json\n");
    let said = "is a git-annex pointer in place of the file; run `git annex get .`";
    project.karat(["run"]).exits(1).judges("good", "broken").says(said);
    #[cfg(unix)]
    {
        project.remove("goldens/good/case.json");
        let target = "../../.git/annex/objects/XX/case.json";
        std::os::unix::fs::symlink(target, project.path("goldens/good/case.json")).expect("a link");
        project.karat(["run"]).exits(1).judges("good", "broken").says(said);
    }
}

#[test]
fn more_tensors_than_a_case_may_have_are_refused_before_any_is_read() {
    let outputs = || (0..10_001).map(|at| (format!("y{at}"), json!("y.npy"))).collect::<serde_json::Map<_, _>>();
    let said = edited(|case| case["outputs"] = outputs().into()).judges("bad", "broken");
    said.says("goldens/bad/case.json: outputs: names 10001 tensors; the limit is 10000");
}
