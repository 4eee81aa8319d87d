//! Examines a setup: its cases, and the environment around them, such as settings of insta, `cargo insta`, version control
//! and leftover files.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use walkdir::{DirEntry, WalkDir};

use super::cases;
use super::health::{Complaint, ComplaintKind, Health, Setup};
use crate::case::{Goldens, absolute};
use crate::error::Result;
use crate::fs::{Lookup, TEXT_LIMIT, leftovers, read_regular};
use crate::run::Executor;
use crate::snapshot::{Recorder, cargo_insta, in_ci};
use crate::tensor::is_tensor_file;

/// The first version of `cargo insta` that supports `INSTA_PENDING_DIR` and only treats insta's own files as snapshots.
const CARGO_INSTA: (u64, u64) = (1, 46);

/// The maximum number of files and folders to search for pending snapshots of assertions.
const LIMIT: usize = 100_000;

/// Finds everything that would make a run in CI fail and that can be found without running a checkpoint. `executor` is
/// what would run the cases, if known.
///
/// # Errors
///
/// Returns [`Error::Usage`](crate::Error::Usage) if the root cannot be read.
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
    check_environment(&setup, &mut health);
    health.complaints.sort_by_key(|complaint| complaint.kind);
    Ok(health)
}

fn check_environment(setup: &Setup<'_>, health: &mut Health) {
    let Setup { goldens, recorder, .. } = *setup;
    health.add_files(ComplaintKind::PendingAssertion, pending_assertions(setup));
    health.add_files(ComplaintKind::Leftover, leftovers(&[&goldens.root, recorder.snapshots()]));
    if let Err(error) = recorder.check_settings() {
        health.add(Complaint::with_text(ComplaintKind::Disarmed, error.to_string()));
    }
    if recorder.in_cargo_project() {
        match cargo_insta_version() {
            None => health.add(Complaint::new(ComplaintKind::NoCargoInsta)),
            Some(version) if major_minor(&version).is_some_and(|number| number < CARGO_INSTA) => {
                let (major, minor) = CARGO_INSTA;
                let text = format!("cargo-insta is {version}, but karat needs {major}.{minor} or later");
                health.add(Complaint::with_text(ComplaintKind::OldCargoInsta, text));
            }
            Some(_) => {}
        }
    }
    if in_ci() {
        health.add(Complaint::new(ComplaintKind::Ci));
    }
    let folders = [goldens.selected(), recorder.snapshots().join(&goldens.below)];
    let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).filter(|folder| folder.is_dir()).collect();
    match untracked_files(&goldens.root, &["--ignored"], &folders) {
        Err(error) => health.add(Complaint::with_text(ComplaintKind::Unversioned, error)),
        Ok(ignored) => {
            health.add_files(ComplaintKind::Ignored, ignored);
            let untracked = untracked_files(&goldens.root, &[], &folders).unwrap_or_default();
            health.add_files(ComplaintKind::Untracked, untracked);
        }
    }
}

/// Returns the pending snapshots of `assert_summary!`, which are next to the tests of a cargo package. Returns none if only
/// a part of the goldens is examined. Does not follow links.
fn pending_assertions(Setup { goldens, recorder, .. }: &Setup<'_>) -> Vec<PathBuf> {
    if !recorder.in_cargo_project() || !goldens.below.as_os_str().is_empty() {
        return Vec::new();
    }
    let case_folders = [&*goldens.root, recorder.snapshots()];
    let is_searched =
        |entry: &DirEntry| entry.depth() == 0 || may_contain_sources(entry) && !case_folders.contains(&entry.path());
    let walk = WalkDir::new(recorder.workspace()).sort_by_file_name().into_iter().filter_entry(is_searched);
    walk.take(LIMIT).filter_map(Result::ok).map(DirEntry::into_path).filter(|file| is_pending(file)).collect()
}

/// Whether an entry is neither a hidden folder nor a folder of build artifacts.
fn may_contain_sources(entry: &DirEntry) -> bool {
    let is_built = || entry.file_name() == "target" || entry.path().join("CACHEDIR.TAG").is_file();
    !entry.file_type().is_dir() || !(entry.file_name().to_string_lossy().starts_with('.') || is_built())
}

/// Whether a file is a pending snapshot of `assert_summary!`, not of insta's own assertions.
fn is_pending(file: &Path) -> bool {
    let is_in_snapshots = file.parent().is_some_and(|folder| folder.ends_with("snapshots"));
    if !is_in_snapshots || !file.to_string_lossy().ends_with(".snap.new") {
        return false;
    }
    let Ok(Lookup::File(text)) = read_regular(file, TEXT_LIMIT) else { return false };
    String::from_utf8_lossy(&text).contains("\n---\nkarat: ")
}

/// Returns the version that `cargo insta` prints, or `None` if it is not installed.
fn cargo_insta_version() -> Option<String> {
    let mut command = Command::new(cargo_insta()?);
    let output = command.args(["insta", "--version"]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).split_whitespace().nth(1).unwrap_or_default().to_owned())
}

/// Parses the major and minor number of a version.
fn major_minor(version: &str) -> Option<(u64, u64)> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

/// Returns the files below `folders` that another clone needs and that git does not track, sorted: with `--ignored` those
/// that git ignores, otherwise the others. The error is the one that git prints.
fn untracked_files(root: &Path, options: &[&str], folders: &[&Path]) -> Result<Vec<PathBuf>, String> {
    let mut git = Command::new("git");
    git.arg("-C").arg(root).args(["ls-files", "--others", "--exclude-standard", "-z"]);
    git.args(options).arg("--").args(folders).stdin(Stdio::null());
    let output = git.output().map_err(|error| format!("cannot run git: {error}"))?;
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

/// Whether another clone needs the file: not pending snapshots, nor files of an editor.
fn is_needed(file: &Path) -> bool {
    let is_named = file.file_name().is_some_and(|name| name == "case.json" || name == "suite.json");
    is_named || is_tensor_file(file) || file.extension().is_some_and(|extension| extension == "snap")
}
