//! How much a dev-dependency on karat brings along.

use std::collections::BTreeSet;

use super::project::{NUMBERS, Project};

/// The crates that karat brings, itself among them.
fn crates(project: &Project) -> BTreeSet<String> {
    let tree = project.cargo(&["tree", "-e", "normal", "--prefix", "none", "--no-dedupe", "-p", "karat"]).passes();
    // `name v1.2.3`, and behind it a path or marks.
    let words = tree.stdout.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "));
    words.filter(|line| !line.is_empty()).collect()
}

fn has(crates: &BTreeSet<String>, name: &str) -> bool {
    crates.iter().any(|line| line.starts_with(&format!("{name} v")))
}

#[test]
fn a_dev_dependency_is_at_most_100_crates() {
    let project = Project::new("weight", &[NUMBERS]);
    // What is tested with karat does not depend on it, and `cargo tree` shows no karat.
    project.replace("Cargo.toml", "[dev-dependencies]", "[dependencies]");
    let harness = crates(&project);
    assert!(has(&harness, "karat") && has(&harness, "insta") && has(&harness, "libtest-mimic"), "{harness:?}");
    assert!(harness.len() <= 100, "{} crates: {harness:?}", harness.len());
    for name in ["indicatif", "schemars"] {
        assert!(!has(&harness, name), "{name} is of the binary alone");
    }

    project.replace("Cargo.toml", ", features = [\"harness\"]", "");
    let bare = crates(&project);
    assert!(has(&bare, "karat") && has(&bare, "insta"), "{bare:?}");
    for name in ["clap", "libtest-mimic", "quick-junit", "serde_derive", "sha2", "thiserror", "zlib-rs"] {
        assert!(!has(&bare, name), "{name} is more than assertions need");
    }
}
