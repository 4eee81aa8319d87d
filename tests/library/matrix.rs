//! Several executors over the same cases: `run --executor` and `matrix`, with the executors of a crate of its own.

use serde_json::Value;

use super::project::{CommandOutput, Project};

/// What the verb prints between the braces of its JSON, whatever cargo prints around it.
fn document(said: &CommandOutput) -> Value {
    serde_json::from_str(&said.stdout).expect("one JSON document")
}

/// A case that all three executors can run, and one that only the default one can.
fn project(name: &str) -> Project {
    let project = Project::accepted(name);
    project.case_below("goldens", "layers/two", "two", "");
    project.replace("goldens/layers/two/case.json", r#""y": "y.npy" }"#, r#""y": "y.npy", "z": "x.npy" }"#);
    project
}

#[test]
fn another_executor_is_held_to_accuracy_alone_and_reads_and_writes_no_snapshot() {
    let project = project("other_executor");
    project.remove("snapshots");
    let said = project.goldens(&["run", "--executor", "sum", "-k", "double"]).passes();
    said.says(&[
        "pass        layers/double  double  no difference\n",
        "executor sum, accuracy only: snapshots were not",
    ]);
    project.goldens(&["run", "--accuracy-only"]).passes().says(&["2 passed (", "executor rust, accuracy"]);
    assert!(project.names("snapshots").is_empty());

    let said = project.goldens(&["run", "--executor", "off", "-k", "double"]).fails();
    let command = "cargo test --test goldens -- explain layers/double --executor off";
    said.says(&["mismatch  layers/double  ›  y", command]);
    // The default executor by its name is the gate as ever.
    project.goldens(&["run", "--executor", "rust", "-k", "double"]).fails().says(&["unrecorded  layers/double"]);
    project.goldens(&["run", "--executor", "nix"]).fails().says(&["unknown executor `nix`; known: rust, sum, off"]);
}

#[test]
fn a_missing_checkpoint_fails_only_if_the_executor_is_required() {
    let project = project("holes");
    let of_two = ["matrix", "--executor", "rust", "--executor", "sum"];
    let said = project.goldens(&of_two).passes();
    let said = said.says(&["case           rust    sum\n", "layers/double  pass 0  pass 0\n"]);
    let said = said.says(&["layers/two     pass 0  hole\n", "2 cases on 2 executors: none failed ("]);
    said.says(&["rust: 2 pass\nsum: 1 pass, 1 hole (lacks two)\naccuracy only: snapshots were not compared\n"]);

    let said = project.goldens(&[&of_two[..], &["--require", "sum"]].concat()).fails();
    said.says(&["2 cases on 2 executors: 1 failed", "sum: 1 pass, 1 hole (lacks two; the executor is required)\n"]);
    // A case that did not run has not passed.
    let said = project.goldens(&["matrix", "--executor", "sum", "-k", "two"]).fails();
    let said = said.says(&["layers/two  hole\n", "1 case on 1 executor: 1 failed"]);
    said.says(&[
        "broken    layers/two\n",
        "no checkpoint \"two\" is registered",
        "registered, most similar first: double",
    ]);
    let said = project.goldens(&["matrix", "--executor", "sum", "--require", "rust"]).fails();
    said.says(&["--require rust: excluded by --executor"]);
    project.goldens(&["matrix", "--require", "nix"]).fails().says(&["unknown executor `nix`"]);
}

#[test]
fn a_mismatch_of_any_executor_fails_and_names_the_command_to_rerun_it() {
    let project = project("matrix");
    let said = project.goldens(&["matrix"]).fails();
    let said = said.says(&["layers/double  pass 0  pass 0  mismatch 6 ", "layers/two     pass 0  hole    hole\n"]);
    said.says(&["executor off\n\nmismatch  layers/double  ›  y", "off: 1 mismatch, 1 hole (lacks two)\n"]);

    let said = project.goldens(&["matrix", "--by", "checkpoint"]).fails();
    said.says(&[
        "suite   checkpoint  cases  rust    sum     off\n",
        "layers  two         1      pass 0  hole    hole\n",
    ]);

    let said = project.goldens(&["matrix", "--markdown", "-k", "two"]).passes();
    let table = "| case | checkpoint | rust | sum | off |\n| --- | --- | --- | --- | --- |\n\
                 | `layers/two` | `two` | pass 0 | hole | hole |\n";
    assert_eq!(said.stdout, table);
    let said = project.goldens(&["matrix", "--markdown", "--by", "checkpoint"]).fails();
    said.says(&[
        "| layers | `double` | 1 | pass 0 | pass 0 | **mismatch 6 ",
        "karat: 1 cell failed; to see why, run this again",
    ]);

    let document = document(&project.goldens(&["matrix", "--json"]).fails());
    assert_eq!((&document["total"], &document["failed"]), (&2.into(), &1.into()));
    let cell = |row: usize, column: usize| &document["rows"][row]["cells"][column];
    assert_eq!((&cell(1, 1)["verdict"], &cell(1, 1)["failed"]), (&Value::Null, &false.into()));
    assert_eq!((&cell(0, 2)["verdict"], &cell(0, 2)["max_abs_diff"]), (&"mismatch".into(), &6.0.into()));
    assert_eq!(document["executors"][1]["lacking"][0], "two");
}

#[test]
fn a_case_without_a_reference_does_not_pass_without_snapshots() {
    let project = project("matrix_snapshot_only");
    project.replace("goldens/layers/double/case.json", r#""outputs": { "y": "y.npy" }"#, r#""outputs": {}"#);
    let said = project.goldens(&["matrix", "-k", "double"]).passes();
    said.says(&["layers/double  skipped  skipped  skipped\n", "the case has no reference, only a snapshot, and"]);
    let said = project.cargo_with(&[("CI", "true")], &["test", "--test", "goldens", "--", "matrix", "-k", "double"]);
    said.fails().says(&["1 case on 3 executors: 3 failed"]);
}
