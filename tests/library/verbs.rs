//! The harness as the whole tool: karat's verbs behind `cargo test --test goldens --`.

use serde_json::Value;

use super::project::{GOLDENS, Project};

#[test]
fn each_verb_works_with_the_registered_checkpoints() {
    let project = Project::accepted("verbs");
    let command = "cargo test --test goldens --";
    project
        .goldens(&["run"])
        .passes()
        .says(&["pass        layers/double  double  no difference\n", "1 case, none fails"]);
    project.goldens(&["list"]).passes().says(&["layers/double  double  y\n", "1 case\n"]);
    project.goldens(&["show", "layers/double"]).passes().says(&["checkpoint", "double"]);
    project.goldens(&["show", "goldens/layers/double/y.npy"]).passes().says(&["f32"]);
    let same = ["diff", "goldens/layers/double/y.npy", "goldens/layers/double/y.npy"];
    project.goldens(&same).passes();

    let y = "goldens/layers/double/y.npy";
    let add = ["add", "new", "--checkpoint", "double", "--input", "x=goldens/layers/double/x.npy", "--output"];
    let said = project.goldens(&[&add[..], &[&format!("y={y}")]].concat()).passes();
    said.says(&["wrote goldens/new/case.json\n", &format!("to run it:  {command} run -k new\n")]);
    let said = project.goldens(&["run", "-k", "new"]).fails();
    said.says(&["unrecorded  new  ›  y ", "1 case, 1 fails,", "cargo insta review"]);
    project.goldens(&["accept", "new"]).passes().says(&["accepted snapshots/new/y.snap\n"]);
    project.goldens(&["run"]).passes().says(&["2 cases, none fails"]);
}

#[test]
fn a_run_has_every_report_and_its_record_makes_them_again() {
    let project = Project::accepted("reports");
    let run = ["run", "--json", "run.json", "--junit", "run.xml", "--github"];
    project.goldens(&run).passes().says(&["1 case, none fails"]);
    let again = ["report", "run.json", "--junit", "again.xml", "--json", "again.json"];
    project.goldens(&again).passes();
    assert_eq!(project.read("again.xml"), project.read("run.xml"));
    assert_eq!(project.read("again.json"), project.read("run.json"));
    assert!(project.read("run.xml").contains("<testcase name=\"layers/double\" classname=\"layers\""));

    // A fault of the checkpoint is told with the command that works here, from the record too.
    project.case("layers/triple", "triple");
    project.goldens(&["run", "--json", "run.json"]).fails();
    let said = project.goldens(&["report", "run.json"]).fails();
    said.says(&["nobody registered a checkpoint \"triple\"", "cargo test --test goldens -- run -k layers/triple"]);
}

#[test]
fn a_filter_of_cargo_is_no_verb_that_takes_arguments_or_writes() {
    let project = Project::accepted("verb_as_filter");
    for filter in ["add", "show", "diff"] {
        project.cargo(&["test", filter]).passes().says(&["0 passed; 0 failed; 0 ignored; 0 measured; 2 filtered"]);
    }
    project.case("new", "double");
    project.goldens(&[]).fails();
    let said = project.cargo(&["test", "accept"]).passes();
    said.says(&["0 passed; 0 failed; 0 ignored; 0 measured; 3 filtered", "say `accept --all` or `accept FILTER`"]);
    assert_eq!(project.names("snapshots/new"), ["y.snap.new"]);
}

#[test]
fn without_cargo_insta_messages_name_what_works() {
    let project = Project::new("no_cargo_insta", &[GOLDENS]);
    project.case("layers/double", "double");
    let built = project.cargo(&["test", "--test", "goldens", "--no-run", "--message-format=json"]).passes();
    let mut artifacts = built.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let harness = artifacts.find(|artifact| artifact["target"]["name"] == "goldens").expect("the harness");
    // As cargo runs it, but that neither folder in which cargo looks for its commands is there.
    let output = project
        .command(harness["executable"].as_str().expect("a path"), &[])
        .env("CARGO_MANIFEST_DIR", project.path(""))
        .env("CARGO_HOME", project.path("nowhere"))
        .env("PATH", "")
        .output()
        .expect("a test is a program");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("if it is intended:  cargo test --test goldens -- accept layers/double"), "{said}");
    assert!(!said.contains("cargo insta"), "{said}");
}
