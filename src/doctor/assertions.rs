//! Pending snapshots of `assert_summary!`, which lie beside the tests of a cargo package and not with those of cases.

use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::complaint::{Ailment, Complaint, Health};
use crate::case::Goldens;
use crate::fs::{Found, TEXT_LIMIT, read_regular};
use crate::snapshot::Recorder;

/// How many files and folders are looked at.
const LIMIT: usize = 100_000;

/// Looks for them in the project, links not followed, where the whole root is examined.
pub(crate) fn check(goldens: &Goldens, recorder: &Recorder, health: &mut Health) {
    if !recorder.in_cargo_project() || !goldens.below.as_os_str().is_empty() {
        return;
    }
    let others = [&*goldens.root, recorder.snapshots()];
    let is_looked_into = |entry: &DirEntry| entry.depth() == 0 || is_source(entry) && !others.contains(&entry.path());
    let walk = WalkDir::new(recorder.workspace()).sort_by_file_name().into_iter().filter_entry(is_looked_into);
    let files = walk.take(LIMIT).filter_map(Result::ok).map(DirEntry::into_path);
    let files: Vec<PathBuf> = files.filter(|file| is_pending(file)).collect();
    if !files.is_empty() {
        health.complain(Complaint { files, ..Complaint::of(Ailment::PendingAssertion) });
    }
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
    let Ok(Found::File(text)) = read_regular(file, TEXT_LIMIT) else { return false };
    String::from_utf8_lossy(&text).contains("\n---\nkarat: ")
}
