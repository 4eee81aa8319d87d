//! `karat doctor`: what is wrong with a setup, with the command for each.

use std::process::Command;

use crate::project::{CommandOutput, KARAT, Project};

/// A project in a git repository, everything committed.
fn committed() -> Project {
    let project = Project::good();
    project.write(".gitignore", "target/\n*.snap.new\n");
    git(&project, &["init", "-q"]);
    commit(&project);
    project
}

fn commit(project: &Project) {
    git(project, &["add", "-A"]);
    git(project, &["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "all"]);
}

fn git(project: &Project, arguments: &[&str]) {
    let status = project.command("git").args(arguments).status().expect("there is a git");
    assert!(status.success(), "git {arguments:?}");
}

/// What it complains of, and what it says to type.
fn complaints(said: &CommandOutput) -> Vec<(String, String)> {
    let json = said.json();
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let complaints = json["complaints"].as_array().expect("a list");
    complaints.iter().map(|complaint| (text(&complaint["kind"]), text(&complaint["next"]))).collect()
}

#[track_caller]
fn finds(project: &Project, expected: &[(&str, &str)]) {
    let found = complaints(&project.karat(["doctor", "--json"]).exits(1));
    let found: Vec<(&str, &str)> = found.iter().map(|(kind, next)| (&**kind, &**next)).collect();
    assert_eq!(found, expected, "{}", project.karat(["doctor"]).stdout);
}

#[test]
fn nothing_is_wrong_with_a_good_setup() {
    let project = committed();
    let before = project.files("");
    let said = project.karat(["doctor"]).exits(0);
    assert_eq!(said.stdout, "1 case, 1 accepted snapshot: no problems found\n");
    assert!(project.files("") == before);
}

#[test]
fn the_commands_of_doctor_fix_the_problems() {
    let project = committed();
    project.case("gone", |_| {});
    project.accept_all();
    project.remove("goldens/gone");
    commit(&project);
    finds(&project, &[("orphaned", "rm snapshots/gone/y.snap")]);
    let said = project.karat(["doctor"]).exits(1);
    assert_eq!(
        said.stdout,
        "error orphaned\n      1 snapshot: snapshots/gone/y.snap, without a case or output (restore it if\n      \
         it was removed by mistake)\n      \
         rm snapshots/gone/y.snap\n\n1 case, 1 accepted snapshot: 1 problem found\n"
    );
    project.shell("rm snapshots/gone/y.snap").exits(0);
    commit(&project);
    project.karat(["doctor"]).exits(0);

    project.case("new", |_| {});
    finds(&project, &[("unrecorded", "karat run; karat accept --all"), ("untracked", "git add goldens")]);
    project.shell("karat run").exits(1);
    finds(&project, &[("pending", "karat accept --all"), ("untracked", "git add goldens")]);
    project.shell("karat accept --all && git add goldens snapshots").exits(0);
    project.karat(["doctor"]).exits(0);
    commit(&project);

    project.remove("goldens/new/y.npy");
    finds(&project, &[("missing", "git checkout -- goldens/new/y.npy")]);
    project.shell("git checkout -- goldens/new/y.npy").exits(0);
    project.write("goldens/new/y.npy", "no tensor");
    finds(&project, &[("damaged", "git checkout -- goldens/new/y.npy")]);
    project.shell("git checkout -- goldens/new/y.npy").exits(0);
    for text in ["", "version https://git-lfs.github.com/spec/v1\n", "---\n---\nkarat: 1\n<<<<<<< ours\n"] {
        project.write("snapshots/new/y.snap", text);
        finds(&project, &[("damaged", "git checkout -- snapshots/new/y.snap")]);
        project.shell("git checkout -- snapshots/new/y.snap").exits(0);
    }
    project.karat(["doctor"]).exits(0);
}

#[test]
fn pointer_files_are_reported_together() {
    let project = committed();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    for name in ["x", "weight"] {
        project.write(&format!("goldens/good/{name}.npy"), pointer);
    }
    finds(&project, &[("pointers", "git lfs pull")]);
    let said = project.karat(["doctor"]).exits(1);
    said.says("2 Git LFS pointers: goldens/good/weight.npy, goldens/good/x.npy, in place of tensors");
    project.write("goldens/good/x.npy", "/annex/objects/SHA256E-s152--00.npy\n");
    finds(&project, &[("pointers", "git lfs pull"), ("pointers", "git annex get .")]);
    project.karat(["doctor"]).exits(1).says("1 git-annex pointer: goldens/good/x.npy, in place of tensors");
}

#[test]
fn an_unreadable_file_is_reported_once() {
    let project = committed();
    for id in ["s/a", "s/b"] {
        project.case(id, |_| {});
    }
    project.accept_all();
    project.write("goldens/s/suite.json", "{");
    commit(&project);
    finds(&project, &[("broken", "karat list -k s/a")]);
    project.karat(["doctor"]).exits(1).says("goldens/s/suite.json: is not JSON");
}

#[test]
fn insta_settings_that_disable_the_gate_are_reported() {
    let project = committed();
    let said = project.karat_with(&[("INSTA_UPDATE", "always")], ["doctor", "--json"]).exits(1);
    assert_eq!(complaints(&said), [("disarmed".to_owned(), "unset INSTA_UPDATE".to_owned())]);
    project.write("insta.yaml", "behavior:\n  force_pass: true\n");
    finds(&project, &[("disarmed", "export INSTA_FORCE_PASS=0")]);
}

#[test]
fn files_that_another_clone_would_not_have_are_reported() {
    let project = Project::good();
    finds(&project, &[("unversioned", "git init")]);
    project.write(".gitignore", "*.npy\ntarget\n");
    git(&project, &["init", "-q"]);
    finds(
        &project,
        &[("ignored", "git check-ignore -v goldens/good/bias.npy"), ("untracked", "git add goldens snapshots")],
    );
    project
        .karat(["doctor"])
        .says("4 files: goldens/good/bias.npy, goldens/good/weight.npy, goldens/good/x.npy, and 1 more");
}

#[test]
fn running_in_ci_is_not_a_problem() {
    let project = committed();
    let said = project.karat_with(&[("CI", "true")], ["doctor"]).exits(0);
    said.says("note ci CI or TF_BUILD is set: runs here record nothing, and skips fail unset CI TF_BUILD");
}

#[cfg(unix)]
#[test]
fn a_missing_or_old_cargo_insta_is_reported() {
    use std::os::unix::fs::PermissionsExt;

    let project = committed();
    project.write("Cargo.toml", "[package]\nname = \"a\"\n");
    let git = project.shell("command -v git").exits(0).stdout;
    let bin = project.path("target/bin");
    std::fs::create_dir_all(&bin).expect("a folder");
    std::os::unix::fs::symlink(git.trim(), bin.join("git")).expect("a link");
    let doctor = || {
        let mut command: Command = project.command(KARAT);
        let output = command.args(["doctor", "--json"]).env("PATH", &bin).env("CARGO_HOME", &bin).output();
        let text = String::from_utf8(output.expect("it starts").stdout).expect("UTF-8");
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        json["complaints"].as_array().expect("a list").clone()
    };
    let absent = doctor();
    assert_eq!(absent[0]["is_fault"], false);
    assert_eq!((absent[0]["kind"].as_str(), absent.len()), (Some("no_cargo_insta"), 1), "{absent:?}");
    assert_eq!(absent[0]["next"], "cargo install --locked cargo-insta");
    for (version, expected) in [("1.45.1", 1), ("1.46.0", 0), ("2.0.0", 0)] {
        project.write("target/bin/cargo-insta", format!("#!/bin/sh\necho cargo-insta {version}\n"));
        std::fs::set_permissions(bin.join("cargo-insta"), PermissionsExt::from_mode(0o755)).expect("a file");
        let found = doctor();
        assert_eq!(found.len(), expected, "{version} {found:?}");
        if expected == 1 {
            assert_eq!(found[0]["message"], "cargo-insta is 1.45.1, but karat needs 1.46 or later");
        }
    }
}

#[test]
fn pending_snapshots_of_assertions_are_reported_with_the_command_to_review_them() {
    let project = committed();
    let pending = "---\nsource: tests/numbers.rs\n---\nkarat: 1\ncheckpoint: logits\n";
    let files = ["src/deep/snapshots/port__deep__a.snap.new", "tests/snapshots/numbers__logits.snap.new"];
    for file in files.iter().chain(&[
        "target/package/src/snapshots/a.snap.new",
        "built/src/snapshots/a.snap.new",
        ".cache/src/snapshots/a.snap.new",
        "tests/other/a.snap.new",
    ]) {
        project.write(file, pending);
    }
    project.write("built/CACHEDIR.TAG", "");
    project.write("tests/snapshots/of_insta.snap.new", "---\nsource: tests/other.rs\n---\nsome text\n");
    let told = |arguments: &[&str]| {
        let complaints = project.karat(arguments).json()["complaints"].as_array().expect("a list").clone();
        complaints.into_iter().filter(|complaint| complaint["kind"] == "pending").collect::<Vec<_>>()
    };
    // Elsewhere cargo insta finds nothing.
    assert_eq!(told(&["doctor", "--json"]).len(), 0);
    project.write("Cargo.toml", "[package]\nname = \"port\"\n");
    let found = told(&["doctor", "--json"]);
    assert_eq!((found.len(), &found[0]["next"]), (1, &"cargo insta review".into()), "{found:?}");
    assert_eq!(found[0]["files"], serde_json::json!(files));
    project.karat(["doctor"]).exits(1).says(&format!("2 pending snapshots: {}, of assert_summary!", files.join(", ")));
    // What belongs to no case is not looked for where a part of the goldens is examined.
    assert_eq!(told(&["doctor", "goldens/good", "--json"]).len(), 0);
}

#[test]
fn a_missing_or_empty_root_is_an_error() {
    let project = Project::empty();
    let said = project.karat(["doctor", "--json"]).exits(1);
    assert_eq!(complaints(&said)[0].0, "empty");
    project.remove("goldens");
    project.karat(["doctor"]).exits(2).says("there is no folder");
}

#[test]
fn a_pending_snapshot_whose_case_or_output_is_gone_is_to_be_deleted_and_the_others_reviewed() {
    let project = committed();
    project.write("snapshots/gone/y.snap.new", project.read("snapshots/good/y.snap"));
    project.write("snapshots/good/z.snap.new", project.read("snapshots/good/y.snap"));
    let remove = "rm snapshots/gone/y.snap.new; rm snapshots/good/z.snap.new";
    finds(&project, &[("stray", remove)]);
    project.write("snapshots/good/y.snap.new", project.read("snapshots/good/y.snap"));
    finds(&project, &[("pending", "karat accept --all"), ("stray", remove)]);
    project
        .karat(["doctor"])
        .says("2 pending snapshots: snapshots/gone/y.snap.new, snapshots/good/z.snap.new, without a case");
    project.shell(remove).exits(0);
    project.shell("karat accept --all").exits(0);
    project.karat(["doctor"]).exits(0);
}

#[test]
fn a_changed_declaration_is_reported_with_its_first_line() {
    let project = committed();
    project.edit("good", |case| case["tolerance"] = serde_json::json!({ "y": { "atol": 0.5, "rtol": 0 } }));
    commit(&project);
    finds(&project, &[("drift", "karat run; karat accept --all")]);
    let said = project.karat(["doctor"]).exits(1);
    said.says("1 snapshot: snapshots/good/y.snap, different from what the case declares now (first line: atol)");
    project.shell("karat run; karat accept --all").exits(0);
    commit(&project);
    project.karat(["doctor"]).exits(0);
}

#[test]
fn snapshot_lines_that_contradict_the_reference_or_mask_are_reported() {
    let project = committed();
    let snapshot = project.read("snapshots/good/y.snap");
    let own = |quantity: &str| {
        let start = format!("{quantity}: ");
        snapshot.lines().find(|line| line.starts_with(&start)).expect("it has the line").to_owned()
    };
    let edits = [("nan", "7"), ("inf", "7"), ("-inf", "7"), ("left out", "1"), ("dtype", "f16"), ("shape", "[1, 1]")];
    for (quantity, value) in edits {
        let edited = snapshot.replace(&format!("\n{}\n", own(quantity)), &format!("\n{quantity}: {value}\n"));
        project.write("snapshots/good/y.snap", edited);
        commit(&project);
        finds(&project, &[("drift", "karat run; karat accept --all")]);
        project.karat(["doctor"]).exits(1).says(&format!("(first line: {quantity})"));
        project.karat(["run", "--ci"]).exits(1).judges("good", "drift");
    }
    for quantity in ["largest difference", "rmse"] {
        project.write("snapshots/good/y.snap", snapshot.replace(&format!("{}\n", own(quantity)), ""));
        commit(&project);
        finds(&project, &[("damaged", "git checkout -- snapshots/good/y.snap")]);
        project.karat(["doctor"]).exits(1).says(&format!("the line \"{quantity}\" is missing"));
        project.karat(["run", "--ci"]).exits(1).judges("good", "broken");
    }
    // An output of another dtype by a declared cast has that one.
    project.write("snapshots/good/y.snap", &snapshot);
    project.edit("good", |case| case["outputs"]["y"] = serde_json::json!({ "tensor": "y.npy", "cast": "f32" }));
    project.accept_all();
    commit(&project);
    project.karat(["doctor"]).exits(0);
}

#[test]
fn beside_a_harness_its_commands_are_named_and_its_checkpoints_unknown() {
    let project = committed();
    let package = "[package]\nname = \"port\"\n[dev-dependencies]\nkarat = \"0.1\"\n";
    project.write("Cargo.toml", package.to_owned() + "[[test]]\nname = \"goldens\"\nharness = false\n");
    project.case("own", |case| case["checkpoint"] = "of_the_harness".into());
    commit(&project);
    let said = project.karat(["doctor"]).exits(1).keeps_quiet_of("of_the_harness").keeps_quiet_of("karat run");
    said.says("cargo test --test goldens -- run; ");
}
