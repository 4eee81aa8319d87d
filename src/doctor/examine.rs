//! Looks for what is wrong with a setup: in its cases, and around them. That is settings that disarm the gate, the tool that
//! reviews, version control, what a killed karat left, and pending snapshots of `assert_summary!`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use walkdir::{DirEntry, WalkDir};

use super::cases;
use super::complaint::{Complaint, ComplaintKind, Health, Setup};
use crate::case::{Goldens, absolute};
use crate::error::Result;
use crate::fs::{Lookup, TEXT_LIMIT, leftovers, read_regular};
use crate::run::Executor;
use crate::snapshot::{Recorder, cargo_insta, in_ci};
use crate::tensor::is_tensor_file;

/// The first `cargo insta` that knows `INSTA_PENDING_DIR`, and takes only insta's own files for snapshots.
const CARGO_INSTA: (u64, u64) = (1, 46);

/// How many files and folders are searched for pending snapshots of assertions.
const LIMIT: usize = 100_000;

/// Looks at goldens, snapshots, the settings of insta, version control and the tools, for everything on which a run in CI
/// would fail that shows without running anything. `executor` is what would run the cases, where that is known.
///
/// # Errors
///
/// [`Error::Usage`](crate::Error::Usage) where the root cannot be read.
pub fn examine(
    goldens: &Goldens,
    recorder: &Recorder,
    executor: Option<&Executor>,
    allowed_skips: &[String],
) -> Result<Health> {
    let setup = Setup { goldens, recorder, executor, allowed_skips };
    let tree = goldens.discover()?;
    let mut health =
        Health { root: goldens.root.clone(), cases: tree.cases.len(), snapshots: 0, complaints: Vec::new() };
    cases::check(&setup, &tree, &mut health);
    around(&setup, &mut health);
    health.complaints.sort_by_key(|complaint| complaint.kind);
    Ok(health)
}

/// Looks at what is around the cases.
fn around(setup: &Setup<'_>, health: &mut Health) {
    let Setup { goldens, recorder, .. } = *setup;
    health.list(ComplaintKind::PendingAssertion, pending_assertions(setup));
    health.list(ComplaintKind::Leftover, leftovers(&[&goldens.root, recorder.snapshots()]));
    if let Err(error) = recorder.check_settings() {
        health.add(Complaint::about(ComplaintKind::Disarmed, error.to_string(), Vec::new()));
    }
    if recorder.in_cargo_project() {
        match cargo_insta_version() {
            None => health.add(Complaint::of(ComplaintKind::NoCargoInsta)),
            Some(version) if number(&version).is_some_and(|number| number < CARGO_INSTA) => {
                let (major, minor) = CARGO_INSTA;
                let text = format!("cargo-insta is {version}, and karat needs {major}.{minor} or later");
                health.add(Complaint::about(ComplaintKind::OldCargoInsta, text, Vec::new()));
            }
            Some(_) => {}
        }
    }
    if in_ci() {
        health.add(Complaint::of(ComplaintKind::Ci));
    }
    let folders = [goldens.selected(), recorder.snapshots().join(&goldens.below)];
    let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).filter(|folder| folder.is_dir()).collect();
    match untracked(&goldens.root, &["--ignored"], &folders) {
        Err(why) => health.add(Complaint::about(ComplaintKind::Unversioned, why, Vec::new())),
        Ok(ignored) => {
            health.list(ComplaintKind::Ignored, ignored);
            health.list(ComplaintKind::Untracked, untracked(&goldens.root, &[], &folders).unwrap_or_default());
        }
    }
}

/// The pending snapshots of `assert_summary!`, which lie beside the tests of a cargo package and not with those of cases; where
/// the whole root is examined. Links are not followed.
fn pending_assertions(Setup { goldens, recorder, .. }: &Setup<'_>) -> Vec<PathBuf> {
    if !recorder.in_cargo_project() || !goldens.below.as_os_str().is_empty() {
        return Vec::new();
    }
    let others = [&*goldens.root, recorder.snapshots()];
    let is_searched = |entry: &DirEntry| entry.depth() == 0 || is_source(entry) && !others.contains(&entry.path());
    let walk = WalkDir::new(recorder.workspace()).sort_by_file_name().into_iter().filter_entry(is_searched);
    walk.take(LIMIT).filter_map(Result::ok).map(DirEntry::into_path).filter(|file| is_pending(file)).collect()
}

/// Whether sources may be there: not in what cargo builds, nor in a hidden folder.
fn is_source(entry: &DirEntry) -> bool {
    let is_built = || entry.file_name() == "target" || entry.path().join("CACHEDIR.TAG").is_file();
    !entry.file_type().is_dir() || !(entry.file_name().to_string_lossy().starts_with('.') || is_built())
}

/// Whether it is a pending snapshot of an assertion of karat's, and not one that only insta knows.
fn is_pending(file: &Path) -> bool {
    let is_beside = file.parent().is_some_and(|folder| folder.ends_with("snapshots"));
    if !is_beside || !file.to_string_lossy().ends_with(".snap.new") {
        return false;
    }
    let Ok(Lookup::File(text)) = read_regular(file, TEXT_LIMIT) else { return false };
    String::from_utf8_lossy(&text).contains("\n---\nkarat: ")
}

/// The version of `cargo insta`, as it says it; `None` where cargo does not find it.
fn cargo_insta_version() -> Option<String> {
    let mut command = Command::new(cargo_insta()?);
    let output = command.args(["insta", "--version"]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).split_whitespace().nth(1).unwrap_or_default().to_owned())
}

/// Major and minor of a version.
fn number(version: &str) -> Option<(u64, u64)> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

/// The files below those folders that another clone needs and git does not track: those that it ignores, or those that it
/// does not; or why it does not say.
fn untracked(root: &Path, which: &[&str], folders: &[&Path]) -> Result<Vec<PathBuf>, String> {
    let mut git = Command::new("git");
    git.arg("-C")
        .arg(root)
        .args(["ls-files", "--others", "--exclude-standard", "-z"])
        .args(which)
        .arg("--")
        .args(folders);
    let output = git.stdin(Stdio::null()).output().map_err(|error| format!("git cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" "));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let files = text.split('\0').filter(|name| !name.is_empty()).map(|name| root.join(name));
    let mut files: Vec<PathBuf> =
        files.map(|file| absolute(&file).unwrap_or(file)).filter(|file| is_needed(file)).collect();
    files.sort();
    Ok(files)
}

/// Whether another clone needs the file: not what is pending, nor what an editor left.
fn is_needed(file: &Path) -> bool {
    let is_named = file.file_name().is_some_and(|name| name == "case.json" || name == "suite.json");
    is_named || is_tensor_file(file) || file.extension().is_some_and(|extension| extension == "snap")
}
