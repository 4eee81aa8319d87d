//! The crate as a member of a workspace.

use std::path::Path;

use super::project::{GOLDENS, NUMBERS, Project, WORKSPACE, manifest};

/// A workspace with a member of that name in `crates/port`, and one case there.
fn workspace(name: &str) -> Project {
    let root = format!(
        "[workspace]\nmembers = [\"crates/port\"]\nresolver = \"3\"\n{}",
        WORKSPACE.replace("[workspace]\n", "")
    );
    let member = manifest(name, Path::new(env!("CARGO_MANIFEST_DIR")), &[GOLDENS]);
    let project = Project::of(
        name,
        &[
            ("Cargo.toml", &root),
            ("crates/port/Cargo.toml", &member),
            ("crates/port/src/lib.rs", ""),
            ("crates/port/tests/goldens.rs", GOLDENS.1),
            ("crates/port/tests/numbers.rs", NUMBERS.1),
        ],
    );
    project.case_below("crates/port/goldens", "layers/double", "double", "");
    project
}

#[test]
fn snapshots_are_beside_the_goldens_of_the_member_and_name_it_from_the_root() {
    let project = workspace("member");
    project.cargo(&["test", "--test", "goldens"]).fails().says(&["unrecorded  layers/double  ›  y "]);
    let pending = project.read("crates/port/snapshots/layers/double/y.snap.new");
    assert!(pending.contains("\nsource: crates/port/goldens/layers/double/case.json\n"), "{pending}");
    project.cargo(&["insta", "accept"]).passes();
    assert_eq!(project.names("crates/port/snapshots"), ["layers/double/y.snap"]);
    project.cargo(&["test", "-p", "member", "--test", "goldens"]).passes();
}

#[test]
fn commands_and_paths_in_messages_work_from_the_root() {
    let project = workspace("member_messages");
    project.cargo(&["test", "--test", "goldens"]).fails();
    let verb = ["test", "-p", "member_messages", "--test", "goldens", "--"];
    project.cargo(&[&verb[..], &["accept", "--all"]].concat()).passes();
    project.tensor("crates/port/goldens/layers/double/y.npy", &[2.0, 4.0, 6.5]);
    let actual = project.path("target/karat+crates+port/layers/double/y.npy").display().to_string();
    let reference = project.path("crates/port/goldens/layers/double/y.npy").display().to_string();
    let next = "to see it:  cargo test -p member_messages --test goldens -- explain layers/double\n";
    project.cargo(&["test", "--test", "goldens"]).fails().says(&[next]);
    project.cargo(&[&verb[..], &["explain", "layers/double"]].concat()).fails().says(&["mismatch  layers/double"]);
    let diff = [&verb[..], &["diff", &actual, &reference]].concat();
    project.cargo(&diff).fails().says(&["1 of 3 elements (33%) is outside"]);

    project.case_below("crates/port/goldens", "layers/double", "double", "");
    std::fs::rename(project.path("crates/port/goldens/layers"), project.path("crates/port/goldens/renamed"))
        .expect("a folder that can be renamed");
    let orphan = project.path("crates/port/snapshots/layers/double/y.snap");
    project.cargo(&["test", "--test", "goldens"]).fails().says(&[&format!("to delete it:  rm {}\n", orphan.display())]);
}

#[test]
fn a_summary_is_beside_its_test_in_a_member_and_in_a_package_that_the_workspace_excludes() {
    let summary = ["test", "--test", "numbers", "--", "--exact", "summary"];
    let project = workspace("member_summary");
    project.cargo(&summary).fails();
    assert_eq!(project.names("crates/port/tests/snapshots"), ["numbers__logits.snap.new"]);
    let pending = project.read("crates/port/tests/snapshots/numbers__logits.snap.new");
    assert!(pending.contains("\nsource: crates/port/tests/numbers.rs\n"), "{pending}");
    project.cargo(&["insta", "accept"]).passes();
    project.cargo(&summary).passes();

    project.remove("crates/port/tests/snapshots");
    project.replace("Cargo.toml", "members = [\"crates/port\"]", "exclude = [\"crates/port\"]");
    project.cargo(&[&summary[..1], &["--manifest-path", "crates/port/Cargo.toml"], &summary[1..]].concat()).fails();
    assert_eq!(project.names("crates/port/tests/snapshots"), ["numbers__logits.snap.new"]);
}
