//! The order of layers in `src/`: each uses only what lies below it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use walkdir::WalkDir;

/// What each room may use of the others.
const ROOMS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("text", &["tensor"]),
    ("fs", &["error", "tensor", "text"]),
    ("tensor", &["error", "text", "fs", "compare"]),
    ("compare", &["error", "text", "fs", "tensor"]),
    ("explain", &["error", "text", "tensor", "compare"]),
    ("case", &["error", "text", "fs", "tensor", "compare"]),
    ("snapshot", &["error", "text", "fs", "tensor", "compare", "case"]),
    ("run", &["error", "text", "fs", "tensor", "compare", "explain", "case", "snapshot"]),
    ("contract", &["error", "tensor", "compare", "case", "run"]),
    ("executors", &["error", "tensor", "compare", "run", "contract"]),
    ("doctor", &["error", "text", "fs", "tensor", "compare", "case", "snapshot", "run"]),
    ("report", &["error", "text", "fs", "tensor", "compare", "explain", "case", "snapshot", "run", "doctor"]),
    ("cli", &["error", "text", "fs", "tensor", "compare", "explain", "case", "snapshot", "run", "doctor", "report"]),
    (
        "harness",
        &["error", "text", "fs", "tensor", "compare", "explain", "case", "snapshot", "run", "doctor", "report", "cli"],
    ),
];

/// The crates that only one place may name, and that place.
const OWNERS: &[(&str, &str)] = &[
    ("insta", "snapshot/store/"),
    ("clap", "cli/"),
    ("clap_complete", "cli/completions.rs"),
    ("toml", "cli/harnesses.rs"),
    ("indicatif", "cli/"),
    ("libtest_mimic", "harness/"),
    ("quick_junit", "report/junit.rs report/tests/junit.rs"),
    ("ndarray_npy", "tensor/npy.rs"),
    ("rawzip", "tensor/"),
    ("flate2", "tensor/"),
    ("sha2", "case/"),
    ("unicode_normalization", "text/name.rs"),
    ("xxhash_rust", "run/partition.rs"),
    ("walkdir", "fs/atomic.rs doctor/ cli/"),
    ("libm", "executors/gpt2/ explain/"),
    ("rustix", "fs/atomic.rs tensor/mapping.rs fs/regular.rs run/isolate/ run/signal.rs snapshot/lock.rs"),
    ("signal_hook_registry", "cli/interrupt.rs cli/shrunk.rs"),
    ("libc", "cli/guard.rs cli/interrupt.rs cli/shrunk.rs run/crash.rs"),
    ("candle_core", "executors/candle/"),
    ("candle_nn", "executors/candle/"),
];

/// Every source file below `src/`, by its path there, without comments.
fn sources() -> BTreeMap<String, String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    WalkDir::new(&src)
        .into_iter()
        .map(|entry| entry.expect("src can be walked"))
        .filter(|entry| entry.path().extension().is_some_and(|end| end == "rs"))
        .map(|entry| {
            let path = entry.path().strip_prefix(&src).expect("below src").to_string_lossy().replace('\\', "/");
            let text = fs::read_to_string(entry.path()).expect("sources are text");
            let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            (path, code.join("\n"))
        })
        .collect()
}

/// Whether `code` names `crate::room`, directly or in a `use crate::{..}` group.
fn uses(code: &str, room: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect()
    };
    code.split("crate::").skip(1).any(|rest| match rest.strip_prefix('{') {
        Some(group) => words(group.split(';').next().unwrap_or_default()).iter().any(|word| word == room),
        None => words(rest).first().is_some_and(|word| word == room),
    })
}

#[test]
fn every_room_uses_only_the_rooms_below_it() {
    let sources = sources();
    let mut wrong = Vec::new();
    for (room, allowed) in ROOMS {
        let own =
            sources.iter().filter(|(path, _)| path.starts_with(&format!("{room}/")) || **path == format!("{room}.rs"));
        let own: Vec<_> = own.collect();
        assert!(!own.is_empty(), "there is no room {room}");
        for (path, code) in own {
            for (other, _) in ROOMS.iter().filter(|(other, _)| other != room && !allowed.contains(other)) {
                if uses(code, other) {
                    wrong.push(format!("{path} uses {other}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_room_is_in_the_order() {
    for path in sources().keys().filter(|path| !matches!(path.as_str(), "lib.rs" | "main.rs")) {
        let room = path.split(['/', '.']).next().expect("a path has a first part");
        assert!(ROOMS.iter().any(|(known, _)| *known == room), "{path} is in no known room");
    }
}

#[test]
fn an_executor_uses_of_run_only_what_a_checkpoint_needs() {
    for (path, code) in
        sources().iter().filter(|(path, _)| path.starts_with("gpt2/") || path.starts_with("executors/candle/"))
    {
        for word in ["Session", "Recorder", "Outcome", "Gate"] {
            assert!(!code.contains(word), "{path} names {word}");
        }
    }
}

#[test]
fn every_dependency_has_one_owner() {
    for (path, code) in sources() {
        for (name, owners) in OWNERS {
            let named = code.contains(&format!("{name}::")) || code.contains(&format!("use {name};"));
            let is_owner = owners.split(' ').any(|owner| path.starts_with(owner));
            assert!(!named || is_owner, "{path} names {name}, which belongs to {owners}");
        }
    }
}

#[test]
fn only_the_command_line_and_the_harness_print() {
    for (path, code) in sources() {
        let prints = ["println!", "eprintln!", "print!(", "dbg!"].iter().any(|name| code.contains(name));
        assert!(!prints || path.starts_with("cli/") || path.starts_with("harness/"), "{path} prints");
    }
}
