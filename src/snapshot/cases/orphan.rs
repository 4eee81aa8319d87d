//! Snapshots without a case: what once was held, and no longer is by anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::record::Recorder;
use super::shelf::Shelf;
use crate::error::{Error, Result};
use crate::golden::{CaseId, Pointer};

/// A snapshot whose case, or whose output, does not exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Orphan {
    /// The case that it would belong to.
    pub id: CaseId,
    /// The output that it would belong to.
    pub output: String,
    /// The `.snap` file.
    pub path: PathBuf,
}

impl Recorder {
    /// Finds the snapshots that belong to none of the known cases and their outputs, sorted. Where the outputs of a case are
    /// `None`, because its `case.json` is broken, nothing of it is an orphan.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] where the snapshots folder is a file; [`Error::Read`] where part of it cannot be read.
    pub fn orphans(&self, known: &BTreeMap<CaseId, Option<BTreeSet<String>>>) -> Result<Vec<Orphan>> {
        let has_case = |orphan: &Orphan| match known.get(&orphan.id) {
            Some(Some(outputs)) => outputs.contains(&orphan.output),
            Some(None) => true,
            None => false,
        };
        let mut orphans = Vec::new();
        for (id, output, path) in files(self.snapshots(), ".snap")? {
            let orphan = Orphan { id, output, path };
            if !has_case(&orphan) && is_ours(&orphan.path)? {
                orphans.push(orphan);
            }
        }
        orphans.sort();
        Ok(orphans)
    }
}

impl Shelf {
    /// The same as [`Recorder::orphans`], of a shelf, where nothing of a known case is one.
    pub(crate) fn orphans(&self, root: &Path, is_known: impl Fn(&CaseId) -> bool) -> Result<Vec<Orphan>> {
        let named = self.files().filter_map(|(id, name)| Some((id, name.strip_suffix(".snap")?)));
        let unknown = named.filter(|(id, _)| !is_known(id));
        let mut orphans: Vec<Orphan> = unknown
            .map(|(id, output)| Orphan {
                id: id.clone(),
                output: output.to_owned(),
                path: id.below(root).join(format!("{output}.snap")),
            })
            .collect();
        orphans.sort();
        let ours: Vec<bool> = orphans.iter().map(|orphan| is_ours(&orphan.path)).collect::<Result<_>>()?;
        let mut ours = ours.into_iter();
        orphans.retain(|_| ours.next() == Some(true));
        Ok(orphans)
    }
}

/// The files below `root` with that ending, as the case and output that they are of, sorted by path. Files in the root
/// itself belong to no case: insta keeps those of ordinary tests there.
pub(super) fn files(root: &Path, ending: &str) -> Result<Vec<(CaseId, String, PathBuf)>> {
    if root.exists() && !root.is_dir() {
        return Err(Error::Snapshot {
            path: root.to_path_buf(),
            what: "it is a file, where karat keeps a folder of snapshots; move it away".to_owned(),
        });
    }
    let mut files = Vec::new();
    for entry in WalkDir::new(root).min_depth(2).follow_links(true).sort_by_file_name() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => match error.io_error().map(std::io::Error::kind) {
                // A folder that is not there, a link that leads nowhere or back: no snapshot.
                None | Some(std::io::ErrorKind::NotFound) => continue,
                Some(_) => {
                    let path = error.path().unwrap_or(root).to_path_buf();
                    return Err(Error::Read { path, source: error.into() });
                }
            },
        };
        let below = entry.path().strip_prefix(root).expect("the walk stays below its root");
        // A name that cannot be an id was not written by karat.
        let id = below.parent().and_then(|folder| CaseId::from_path(folder).ok());
        let output = entry.file_name().to_str().and_then(|name| name.strip_suffix(ending));
        if let (Some(id), Some(output), true) = (id, output, entry.file_type().is_file()) {
            files.push((id, output.to_owned(), entry.path().to_path_buf()));
        }
    }
    Ok(files)
}

/// Whether karat wrote that snapshot, though a merge or a crash may have damaged it since: one line of its text is left, or
/// the header names a `case.json`; or nothing is left that says whose it was.
fn is_ours(path: &Path) -> Result<bool> {
    let raw = fs::read(path).map_err(|error| Error::read(path, error))?;
    let raw = String::from_utf8_lossy(&raw);
    let names_case =
        |line: &str| line.starts_with("source:") && line.trim_end_matches(['"', '\r']).ends_with("case.json");
    let says_nothing = raw.trim().is_empty() || Pointer::of(raw.as_bytes()).is_some();
    Ok(says_nothing || raw.lines().any(|line| line.starts_with("karat: ") || names_case(line)))
}
