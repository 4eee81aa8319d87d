//! The binary in a package with a harness: the built-in checkpoints are not run in place of the user's.

use crate::project::Project;

const MANIFEST: &str = "[package]\nname = \"port\"\nversion = \"0.1.0\"\n[dev-dependencies]\nkarat = \"0.1\"\n";
const TARGET: &str = "[[test]]\nname = \"goldens\"\nharness = false\n";

/// The case `good` in the folder of a package with a harness.
fn port() -> Project {
    let project = Project::good();
    project.write("Cargo.toml", MANIFEST.to_owned() + TARGET);
    project
}

#[test]
fn every_verb_that_runs_checkpoints_is_refused_and_names_the_command_that_runs_the_users() {
    let project = port();
    for (arguments, typed) in [
        (&["run"][..], "run"),
        (&["run", "goldens", "-k", "a b", "--json"], "run goldens -k 'a b' --json"),
        (&["explain", "good"], "explain good"),
        (&["matrix"], "matrix"),
    ] {
        let before = project.files("");
        let said = project.karat(arguments).exits(2).says("this project has tests with a karat::Harness");
        assert_eq!(said.stdout, "");
        assert!(
            said.stderr.contains(&format!("to run yours:  cargo test --test goldens -- {typed}\n")),
            "{}",
            said.stderr
        );
        assert!(project.files("") == before, "something was written");
    }
    for arguments in [&["list"][..], &["show", "good"], &["doctor"], &["accept"]] {
        let said = project.karat(arguments);
        assert!(!said.stderr.contains("karat::Harness"), "{}", said.stderr);
    }
}

#[test]
fn the_built_in_checkpoints_run_where_they_are_asked_for_by_name() {
    let project = port();
    let said = project.karat(["run", "-q"]).exits(2);
    let all_the_same =
        said.stderr.lines().find_map(|line| line.strip_prefix("to run the built-in ones anyway:  karat "));
    let arguments = all_the_same.expect("a command").split(' ');
    let said = project.karat(arguments).exits(0);
    assert_eq!(said.stdout.lines().last(), Some("executor builtin"), "{}", said.stdout);
    project.karat(["explain", "good", "--executor", "builtin"]).exits(0);
    project.karat(["matrix", "--executor", "builtin"]).exits(0);
    // A command to copy says so too.
    project.edit("good", |case| case["params"]["eps"] = 1.into());
    let said = project.karat(["run", "--executor", "builtin"]).exits(1);
    assert_eq!(said.command("to see it"), "karat explain good --executor builtin");
}

#[test]
fn goldens_of_another_package_and_of_a_member_are_the_users_too() {
    let project = Project::good();
    project.write("crates/port/Cargo.toml", MANIFEST.to_owned() + TARGET);
    std::fs::rename(project.path("goldens"), project.path("crates/port/goldens")).expect("a folder");
    let said = project.karat(["run", "crates/port/goldens", "-q"]).exits(2);
    said.says(&format!(
        "cargo test --manifest-path crates/port/Cargo.toml --test goldens -- run {} -q",
        project.path("crates/port/goldens").display()
    ));
    project.write("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n");
    project.write("goldens/note.txt", "no case");
    project.karat(["run"]).exits(2).says("cargo test -p port --test goldens -- run");
}

#[test]
fn a_package_without_a_harness_runs_the_built_in_checkpoints() {
    let project = Project::good();
    project.write("Cargo.toml", MANIFEST);
    project
        .write("tests/close.rs", "// not a karat::Harness\n#[test] fn a() { karat::assert_close!(1.0f32, 1.0f32); }");
    let said = project.karat(["run"]).exits(0);
    assert_eq!(said.stdout.lines().last(), Some("executor builtin"), "{}", said.stdout);
}

#[test]
fn a_case_is_added_for_the_harness_and_its_command_is_the_harnesses() {
    let project = port();
    let arguments =
        ["add", "new", "--checkpoint", "mine", "--input", "x=goldens/good/x.npy", "--output", "y=goldens/good/y.npy"];
    let said = project.karat(arguments).exits(0);
    assert_eq!(said.command("to run it"), "cargo test --test goldens -- run -k new");
    assert_eq!(
        said.command(
            "the checkpoint mine was not checked, since only your tests know their checkpoints; to check it there"
        ),
        "cargo test --test goldens -- add CASE --checkpoint NAME --input x=x.npy --output y=y.npy"
    );
    let arguments = arguments.map(|word| if word == "mine" { "softmax" } else { word });
    let said = project.karat(arguments.map(|word| if word == "new" { "newer" } else { word })).exits(0);
    assert!(!said.stdout.contains("not looked for"), "{}", said.stdout);
}

#[test]
fn without_a_harness_an_unknown_checkpoint_is_refused_with_the_command_of_a_harness() {
    let project = Project::good();
    let arguments = ["add", "a b", "--checkpoint", "mine", "--output", "y=goldens/good/y.npy"];
    let said = project.karat(arguments).exits(2).says("no checkpoint `mine` is registered; nothing was written");
    said.says("in a crate with a karat::Harness: cargo test --test NAME -- add 'a b' --checkpoint mine --output y=goldens/good/y.npy");
}

/// The record of a run of that harness, of the case `good` and of one that is outside.
fn record_of(project: &Project, executor: &str) {
    project.edit("good", |case| case["params"]["eps"] = 1.into());
    for file in ["run.json", "shard.json"] {
        std::fs::remove_file(project.path(file)).ok();
    }
    project.karat(["run", "--executor", "builtin", "--partition", "slice:1/1", "--json", "shard.json"]).exits(1);
    project.karat(["run", "--executor", "builtin", "--json", "run.json"]).exits(1);
    for file in ["run.json", "shard.json"] {
        let mut record: serde_json::Value = serde_json::from_str(&project.read(file)).expect("JSON");
        record["executor"] = executor.into();
        project.write(file, record.to_string());
    }
}

#[test]
fn the_commands_in_a_report_are_those_of_the_executor_that_ran() {
    let project = port();
    for (executor, command) in
        [("rust", "cargo test --test goldens -- explain good"), ("builtin", "karat explain good --executor builtin")]
    {
        record_of(&project, executor);
        for arguments in [["report", "run.json"], ["merge", "shard.json"]] {
            assert_eq!(project.karat(arguments).exits(1).command("to see it"), command, "{arguments:?}");
        }
    }
    // Without a harness nothing is known of it.
    record_of(&project, "rust");
    project.write("Cargo.toml", MANIFEST);
    let said = project.karat(["report", "run.json"]).exits(1);
    assert_eq!(said.command("to see it"), "karat explain good --executor rust");
}

#[test]
fn the_commands_of_doctor_are_those_of_the_harness() {
    let project = port();
    project.case("new", |_| {});
    project.karat(["doctor"]).exits(1).says("cargo test --test goldens -- run");
}

#[test]
fn the_last_line_of_every_run_names_the_executor() {
    let project = Project::good();
    project.case("bad", |case| case["params"]["eps"] = 1.into());
    for (arguments, last) in [
        (&["run"][..], "executor builtin"),
        (&["run", "-q"], "executor builtin"),
        (&["run", "-k", "good", "--chained"], "executor builtin"),
        (&["run", "--accuracy-only"], "executor builtin, accuracy only: snapshots were not compared"),
    ] {
        let said = project.karat(arguments);
        assert_eq!(said.stdout.lines().last(), Some(last), "{arguments:?}: {}", said.stdout);
    }
    project.karat(["run", "--json", "run.json"]).exits(1);
    let said = project.karat(["report", "run.json"]).exits(1);
    assert_eq!(said.stdout.lines().last(), Some("executor builtin"), "{}", said.stdout);
}
