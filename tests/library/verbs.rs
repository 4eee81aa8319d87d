//! The harness as the whole tool: karat's verbs behind `cargo test --test goldens --`.

use super::project::{GOLDENS, Project};

#[test]
fn each_verb_works_with_the_registered_checkpoints() {
    let project = Project::accepted("verbs");
    let command = "cargo test --test goldens --";
    project.goldens(&["run"]).passes().says(&["pass        layers/double  double  no difference\n", "1 passed ("]);
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
    said.says(&["unrecorded  new  ›  y ", "1 of 1 case failed", "cargo insta review"]);
    project.goldens(&["accept", "new"]).passes().says(&["accepted snapshots/new/y.snap\n"]);
    project.goldens(&["run"]).passes().says(&["2 passed ("]);
}

#[test]
fn a_run_has_every_report_and_its_record_makes_them_again() {
    let project = Project::accepted("reports");
    let run = ["run", "--json", "run.json", "--junit", "run.xml", "--github"];
    project.goldens(&run).passes().says(&["1 passed ("]);
    let again = ["report", "run.json", "--junit", "again.xml", "--json", "again.json"];
    project.goldens(&again).passes();
    assert_eq!(project.read("again.xml"), project.read("run.xml"));
    assert_eq!(project.read("again.json"), project.read("run.json"));
    assert!(project.read("run.xml").contains("<testcase name=\"layers/double\" classname=\"layers\""));

    // A faulty checkpoint is reported with the command that works here, also from a record.
    project.case("layers/triple", "triple");
    project.goldens(&["run", "--json", "run.json"]).fails();
    let said = project.goldens(&["report", "run.json"]).fails();
    said.says(&["no checkpoint \"triple\" is registered", "cargo test --test goldens -- run -k layers/triple"]);
}

#[test]
fn a_word_that_selects_no_test_and_is_or_resembles_a_verb_fails() {
    let project = Project::accepted("verb_as_filter");
    let command = "cargo test --test goldens --";
    for (words, meant) in [
        (&["add"][..], "add --help"),
        (&["explian"], "explain --help"),
        (&["lst"], "list"),
        (&["rnu"], "run"),
        (&["ru"], "run"),
        (&["doc"], "doctor"),
        (&["explian", "layers/double"], "explain"),
        (&["help"], "--help"),
    ] {
        project.goldens(words).fails().says(&[&format!("did you mean:  {command} {meant}\n")]);
    }
    // Any other word may select tests of another target.
    project.cargo(&["test", "something"]).passes().says(&["0 passed; 0 failed; 0 ignored; 0 measured; 2 filtered"]);
    project.goldens(&["--help"]).passes().says(&["\n  explain      Run one case and explain", "--test-threads"]);
    project
        .goldens(&["help", "add"])
        .passes()
        .says(&["Usage: cargo test --test goldens -- add", "# a case with one input"]);

    project.case("accept/new", "double");
    let said = project.goldens(&["accept"]).fails();
    said.says(&["test accept/new ... FAILED", "use `accept --all` or `accept FILTER`"]);
    assert_eq!(project.names("snapshots/accept/new"), ["y.snap.new"]);
}

#[test]
fn a_harness_refuses_invalid_cases_with_its_own_commands() {
    let project = Project::new("verb_add", &[GOLDENS]);
    let command = "cargo test --test goldens --";
    let first = format!("to add the first:  {command} add CASE --checkpoint NAME --input x=x.npy --output y=y.npy\n");
    for arguments in [&["list"][..], &["explain", "a"], &[]] {
        project.goldens(arguments).fails().says(&[&first]);
    }
    project.case("a", "double");
    let add = ["add", "new", "--checkpoint", "doubel", "--output", "y=goldens/a/y.npy"];
    let said = project.goldens(&add).fails();
    said.says(&[
        "no checkpoint `doubel` is registered; nothing was written; did you mean `double`?",
        "panics, skips, two",
    ]);
    let said = project.goldens(&["add", "new", "--checkpoint", "double", "--output", "y=elsewhere/y.npy"]).fails();
    let folder = project.path("").canonicalize().expect("a folder").display().to_string();
    said.says(&[&format!("looked in {folder}, the folder of the package")]);
    assert!(!project.path("goldens/new").exists());

    project.write(GOLDENS.0, &GOLDENS.1.replace("\"goldens\"", "\"cases\""));
    std::fs::rename(project.path("goldens"), project.path("cases")).expect("a folder");
    for arguments in [&["run"][..], &[]] {
        let said = project.goldens(arguments).fails();
        said.says(&["name its snapshots folder with Harness::snapshots(..)"]).omits("--snapshots");
    }
}

#[test]
fn without_cargo_insta_messages_name_what_works() {
    let project = Project::new("no_cargo_insta", &[GOLDENS]);
    project.case("layers/double", "double");
    // As cargo runs it, but that neither folder in which cargo looks for its commands is there.
    let output = project
        .harness(&[])
        .env("CARGO_HOME", project.path("nowhere"))
        .env("PATH", "")
        .output()
        .expect("a test is a program");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("if it is intended:  cargo test --test goldens -- accept layers/double"), "{said}");
    assert!(!said.contains("cargo insta"), "{said}");
}
