//! `karat add`: a case from files, which then runs; or nothing at all.

use serde_json::json;

use crate::bytes::npy;
use crate::project::{CommandOutput, Project};

/// Tensors of a case that passes, in a folder outside the root.
fn captured() -> Project {
    let project = Project::good();
    for name in ["x", "weight", "bias", "y"] {
        project.write(&format!("captured/{name}.npy"), project.files("goldens")[&format!("good/{name}.npy")].clone());
    }
    project
}

/// Adds a case of `layer_norm` with these files for x and y, and more.
fn add(project: &Project, id: &str, [x, y]: [&str; 2], more: &[&str]) -> CommandOutput {
    let (x, y) = (format!("x={x}"), format!("y={y}"));
    let mut arguments = vec!["add", id, "--checkpoint", "layer_norm", "--input", &x, "--output", &y];
    arguments.extend(["--input", "weight=captured/weight.npy", "--input", "bias=captured/bias.npy"]);
    project.karat(arguments.iter().chain(more))
}

const FILES: [&str; 2] = ["captured/x.npy", "captured/y.npy"];

#[test]
fn tensors_outside_the_root_are_copied_and_the_case_runs() {
    let project = captured();
    let said = add(&project, "suite/new", FILES, &["--param", "eps=0", "--atol", "1e-5", "--rtol", "0"]).exits(0);
    let written = ["bias.npy", "weight.npy", "x.npy", "y.npy", "case.json"]
        .map(|name| format!("wrote goldens/suite/new/{name}\n"));
    assert_eq!(said.stdout, format!("{}to run it:  karat run -k suite/new\n", written.concat()));
    for name in ["x", "weight", "bias", "y"] {
        let copy = &project.files("goldens")[&format!("suite/new/{name}.npy")];
        assert!(*copy == project.files("captured")[&format!("{name}.npy")]);
    }
    let case: serde_json::Value = serde_json::from_str(&project.read("goldens/suite/new/case.json")).expect("JSON");
    let inputs = json!({ "x": "x.npy", "weight": "weight.npy", "bias": "bias.npy" });
    let tolerance = json!({ "y": { "atol": 1e-5, "rtol": 0.0 } });
    let whole = json!({
        "karat": 1, "checkpoint": "layer_norm", "params": { "eps": 0 }, "inputs": inputs, "outputs": { "y": "y.npy" },
        "tolerance": tolerance
    });
    assert_eq!(case, whole);
    let said = project.karat(["run", "-k", "suite/new"]).exits(1);
    said.judges("suite/new", "unrecorded").says("no difference").says("1 of 1 case failed");
}

#[test]
fn tensors_inside_the_root_are_referenced() {
    let project = captured();
    let files = ["captured/../goldens/good/x.npy", "goldens/good/y.npy"];
    let said = add(&project, "suite/new", files, &["--param", "eps=0"]).exits(0);
    assert!(!said.stdout.contains("x.npy"), "{}", said.stdout);
    let case: serde_json::Value = serde_json::from_str(&project.read("goldens/suite/new/case.json")).expect("JSON");
    assert_eq!(case["inputs"]["x"], "../../good/x.npy");
    assert_eq!(case["outputs"]["y"], "../../good/y.npy");
    project.karat(["run", "-k", "suite/new"]).exits(1).judges("suite/new", "unrecorded");
}

#[test]
fn a_member_keeps_its_name_and_its_container_is_copied_once() {
    let project = Project::gpt2_tiny();
    std::fs::rename(project.path("goldens"), project.path("elsewhere")).expect("a folder");
    let weights = "elsewhere/gpt2-tiny/weights.safetensors#transformer.ln_f";
    let (weight, bias) = (format!("weight={weights}.weight"), format!("bias={weights}.bias"));
    let block = project.files("elsewhere")["gpt2-tiny/h.1/block/y.npy"].clone();
    project.write("elsewhere/x.npy", block);
    let arguments = ["add", "new", "--checkpoint", "layer_norm", "--input", "x=elsewhere/x.npy", "--input", &weight];
    let more = ["--input", &bias, "--output", "y=elsewhere/gpt2-tiny/ln_f/y.npy", "--param", "eps=1e-5"];
    // The root is made with its first case.
    project.karat(arguments.iter().chain(&more)).exits(0);
    let case: serde_json::Value = serde_json::from_str(&project.read("goldens/new/case.json")).expect("JSON");
    assert_eq!(case["inputs"]["bias"], "weights.safetensors#transformer.ln_f.bias");
    let names: Vec<String> = project.files("goldens").into_keys().collect();
    assert_eq!(names, ["new/case.json", "new/weights.safetensors", "new/x.npy", "new/y.npy"]);
    project.karat(["run"]).exits(1).judges("new", "unrecorded");
}

#[test]
fn files_of_one_name_are_copied_under_several() {
    let project = Project::empty();
    for (folder, value) in [("a", 1.0f32), ("b", 2.0), ("c", 3.0)] {
        project.tensor(&format!("{folder}/t.npy"), &[1], vec![value]);
    }
    let arguments = [
        "add",
        "new",
        "--checkpoint",
        "softmax",
        "--input",
        "x=a/t.npy",
        "--input",
        "y=b/t.npy",
        "--output",
        "y=c/t.npy",
    ];
    project.karat(arguments).exits(0);
    let said = project.karat(["show", "new"]).exits(0);
    said.says("x f32 [1] 1 to 1").says("y f32 [1] 2 to 2").says("y f32 [1] 3 to 3");
}

#[test]
fn params_are_json_or_else_text() {
    let project = captured();
    let params = ["eps=1e-5", "flag=true", "mode=tanh", "heads=[1,2]", "text=\"1\"", "a=b=c"];
    let more: Vec<&str> = params.iter().flat_map(|param| ["--param", param]).collect();
    add(&project, "new", FILES, &more).exits(0);
    let case: serde_json::Value = serde_json::from_str(&project.read("goldens/new/case.json")).expect("JSON");
    let params = json!({ "eps": 1e-5, "flag": true, "mode": "tanh", "heads": [1, 2], "text": "1", "a": "b=c" });
    assert_eq!(case["params"], params);
}

/// Holds that nothing is added, and that everything is as it was.
#[track_caller]
fn refused(project: &Project, run: impl FnOnce(&Project) -> CommandOutput, why: &str) {
    let before = project.files("");
    let folders = |project: &Project| walkdir::WalkDir::new(project.path("")).into_iter().count();
    let count = folders(project);
    let said = run(project).exits(2).says(why);
    assert_eq!(said.stdout, "");
    assert!(project.files("") == before, "{:?}", project.files("").keys());
    assert_eq!(folders(project), count, "a folder was left");
}

#[test]
fn it_refuses_to_overwrite_and_leaves_everything_as_it_was() {
    let project = captured();
    refused(
        &project,
        |project| add(project, "good", FILES, &[]),
        "goldens/good/case.json already exists; nothing was written",
    );
    project.write("goldens/half/y.npy", "something else");
    refused(
        &project,
        |project| add(project, "half", FILES, &[]),
        "goldens/half/y.npy already exists; nothing was written",
    );
}

#[test]
fn invalid_arguments_are_refused_before_anything_is_written() {
    let project = captured();
    let new = |files, more| move |project: &Project| add(project, "suite/new", files, more);
    refused(&project, new(["captured/xx.npy", FILES[1]], &[]), "captured/xx.npy: no such file; did you mean x.npy?");
    refused(&project, new(FILES, &["--input", "x=captured/y.npy"]), "--input x is given twice");
    refused(&project, new(FILES, &["--input", "a/b=captured/y.npy"]), "`a/b` is not a valid name");
    refused(&project, new(FILES, &["--input", "nothing"]), "expected NAME=VALUE");
    refused(&project, new(FILES, &["--atol", "1"]), "--rtol");
    refused(&project, new(FILES, &["--atol=-1", "--rtol=0"]), "atol is -1");
    refused(&project, new(FILES, &["--output", "Y=captured/y.npy"]), "`Y` and `y` differ only in case");
    for id in ["../out", "a//b", "/abs", ".", "a\\b"] {
        refused(&project, |project| add(project, id, FILES, &[]), &format!("case id {id:?}"));
    }
    refused(
        &project,
        |project| add(project, "GOOD", FILES, &[]),
        "GOOD differs from the existing case good only in upper and lower case",
    );
    refused(
        &project,
        |project| add(project, "goldens/new", FILES, &[]),
        "an id is a path below the root goldens; write new",
    );
    let empty = ["add", "new", "--checkpoint", "softmax", "--atol", "1", "--rtol", "0"];
    refused(&project, |project| project.karat(empty), "--atol and --rtol apply to outputs");
    let typo = ["add", "new", "--checkpoint", "layer_nrom", "--output", "y=captured/y.npy"];
    refused(&project, |project| project.karat(typo), "no checkpoint `layer_nrom` is registered");
    refused(&project, |project| project.karat(typo), "did you mean `layer_norm`? registered: ");
    let alone = ["add", "new", "--checkpoint", "softmax", "--input", "x=captured/x.npy"];
    refused(&project, |project| project.karat(alone), "without --output there is no reference to compare with");
    for (param, write) in [
        (
            "q=.707",
            "--param q=.707: looks like a number, but is not JSON; write --param q=0.707, or as text: --param 'q=\".707\"'",
        ),
        ("q=True", "looks like a boolean, but is not JSON; write --param q=true"),
        ("q=NaN", "looks like a number, but is not JSON; as text: --param 'q=\"NaN\"'"),
    ] {
        refused(&project, |project| add(project, "new", FILES, &["--param", param]), write);
    }
    for number in ["1e400", "0.1000000000000000055", "[1e-400]"] {
        let param = format!("n={number}");
        let why = format!("--param n={number}: a 64-bit float cannot hold this number exactly");
        refused(&project, |project| add(project, "new", FILES, &["--param", &param]), &why);
    }
    project.write("goldens/suite/suite.json", "{");
    refused(&project, new(FILES, &[]), "goldens/suite/suite.json: is not JSON");
    project.remove("goldens");
    refused(&project, new(["nix.npy", FILES[1]], &[]), "nix.npy: no such file");
}

#[test]
fn a_case_without_a_reference_is_added_where_that_is_asked_for() {
    let project = captured();
    let arguments = ["add", "new", "--checkpoint", "softmax", "--input", "x=captured/x.npy", "--snapshot-only"];
    project.karat(arguments).exits(0);
    project.karat(["run", "-k", "new"]).exits(1).judges("new", "unrecorded").says("no reference");
    project.karat(arguments.iter().chain(&["--output", "y=captured/y.npy"])).exits(2).says("cannot be used with");
}

#[test]
fn an_integer_that_64_bits_cannot_hold_is_kept_as_it_was_typed() {
    let project = captured();
    let wide = "18446744073709551616";
    let list = format!("list=[1, {wide}, {{\"a\": -{wide}, \"{wide}\": \"{wide}\\\"\"}}]");
    let params = ["--param", "eps=0", "--param", &format!("n={wide}"), "--param", &list];
    let said = add(&project, "new", FILES, &params).exits(0);
    assert_eq!(said.stderr, "");
    let case = project.read("goldens/new/case.json");
    for line in [format!("\"n\": {wide}\n"), format!("  {wide},\n"), format!("\"a\": -{wide}\n")] {
        assert!(case.contains(&line), "{case}");
    }
    assert!(case.contains(&format!("\"{wide}\": \"{wide}\\\"\"")), "{case}");
    for text in [wide.to_owned(), format!("\"{wide}\"")] {
        // As text it is the same.
        let case = case.replace(&format!("\"n\": {wide}"), &format!("\"n\": {text}"));
        project.write("goldens/new/case.json", case);
        project.karat(["run", "-k", "new"]);
        let snapshot = project.read("snapshots/new/y.snap.new");
        assert!(snapshot.contains(&format!("param n: \"{wide}\"\n")), "{snapshot}");
        project.karat(["show", "new"]).exits(0).says(wide);
    }
}

#[test]
fn a_root_of_another_name_and_a_folder_below_one_can_be_added_to() {
    let project = captured();
    let said = add(&project, "new", FILES, &["--param", "eps=0", "--root", "cases"]).exits(0);
    let command = said.command("to run it").to_owned();
    assert_eq!(command, "karat run cases --snapshots snapshots -k new");
    project.karat(command.split(' ').skip(1)).exits(1).judges("new", "unrecorded");
    let said = add(&project, "new", ["goldens/good/x.npy", FILES[1]], &["--param", "eps=0", "--root", "goldens/suite"])
        .exits(0);
    assert_eq!(said.command("to run it"), "karat run goldens/suite -k suite/new");
    assert!(project.read("goldens/suite/new/case.json").contains("\"x\": \"../../good/x.npy\""));
    project.karat(["run", "goldens/suite"]).exits(1).judges("suite/new", "unrecorded");
}

#[test]
fn anonymous_bytes_are_declared_by_the_dtype_that_is_typed() {
    let project = Project::empty();
    project.write("w.npy", npy("{'descr': '<V2', 'fortran_order': False, 'shape': (1,), }", &[0x80, 0x3f]));
    project.tensor("x.npy", &[1], vec![1.0f32]);
    let arguments = ["add", "new", "--checkpoint", "softmax", "--input", "x=x.npy", "--output", "y=w.npy"];
    project.karat(arguments).exits(2).says("declare \"dtype\": \"bf16\" if that is the dtype");
    project.karat(arguments.iter().chain(&["--dtype", "bf16"])).exits(0);
    let case: serde_json::Value = serde_json::from_str(&project.read("goldens/new/case.json")).expect("JSON");
    assert_eq!(case["outputs"]["y"], json!({ "tensor": "w.npy", "dtype": "bf16" }));
    assert_eq!(case["inputs"]["x"], "x.npy");
}
