//! Snapshots without a case: what once was held, and no longer is by anything.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::record::Recorder;
use super::shelf::Shelf;
use crate::case::CaseId;
use crate::error::Result;
use crate::fs::{Found, TEXT_LIMIT, read_regular};
use crate::tensor::Pointer;

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
    /// [`Error::Snapshot`](crate::Error::Snapshot) where the snapshots folder is a file;
    /// [`Error::Read`](crate::Error::Read) where part of it cannot be read.
    pub fn orphans(&self, known: &BTreeMap<CaseId, Option<BTreeSet<String>>>) -> Result<Vec<Orphan>> {
        let shelf = Shelf::read(self.snapshots());
        shelf.check()?;
        Ok(shelf.orphans(self.snapshots(), |id, output| match known.get(id) {
            Some(Some(outputs)) => outputs.contains(output),
            Some(None) => true,
            None => false,
        }))
    }

    /// Whether the snapshot of that name in the folder of a case is karat's, and not one of another tool that lies there.
    pub(crate) fn owns(&self, id: &CaseId, output: &str) -> bool {
        is_ours(&id.below(self.snapshots()).join(format!("{output}.snap")))
    }
}

impl Shelf {
    /// The snapshots of karat's that belong to no known case and output, sorted; of what cannot be read none. Those in the root
    /// itself, where insta keeps those of ordinary tests, belong to no case whatever it is called.
    pub(crate) fn orphans(&self, root: &Path, is_known: impl Fn(&CaseId, &str) -> bool) -> Vec<Orphan> {
        let output = |name: &str| name.strip_suffix(".snap").map(str::to_owned);
        // An ending in capitals is none, but the name of no output either.
        let is_accepted = |name: &str| name.to_ascii_lowercase().ends_with(".snap");
        let below = self.files().filter(|(_, name)| is_accepted(name)).filter_map(|(id, name)| {
            let orphan = Orphan {
                id: id.clone(),
                output: output(name).unwrap_or_else(|| name.to_owned()),
                path: id.below(root).join(name),
            };
            let is_strange = output(name).is_none() || !is_known(id, &orphan.output);
            (is_strange && is_ours(&orphan.path)).then_some(orphan)
        });
        let loose = self.loose().filter(|name| is_accepted(name)).filter_map(|name| {
            let path = root.join(name);
            let output = output(name).unwrap_or_else(|| name.to_owned());
            names_case(&text(&path).ok()??).then(|| Orphan { id: Orphan::in_root(), output, path })
        });
        let mut orphans: Vec<Orphan> = below.chain(loose).collect();
        orphans.sort();
        orphans
    }
}

impl Orphan {
    /// The id under which orphans in the root of the snapshots are reported, which have none.
    pub(crate) fn in_root() -> CaseId {
        CaseId::new("snapshots").expect("a word is an id")
    }

    /// Whether it is in the root of the snapshots, where no case has any.
    pub(crate) fn is_in_root(&self, root: &Path) -> bool {
        self.path.parent() == Some(root)
    }
}

/// Whether karat wrote that snapshot, though a merge or a crash may have damaged it since: one line of its text is left, or
/// the header names a `case.json`; or nothing is left that says whose it was, as where it may not be read.
fn is_ours(path: &Path) -> bool {
    match text(path) {
        Ok(Some(raw)) => {
            let says_nothing = raw.trim().is_empty() || Pointer::of(raw.as_bytes()).is_some();
            says_nothing || names_case(&raw) || raw.lines().any(|line| line.starts_with("karat: "))
        }
        Ok(None) => false,
        Err(_) => true,
    }
}

/// Whether the header of a snapshot names a case.
fn names_case(raw: &str) -> bool {
    let is_source =
        |line: &str| line.starts_with("source:") && line.trim_end_matches(['"', '\r']).ends_with("case.json");
    raw.lines().any(is_source)
}

/// The text of a snapshot, whatever its encoding; `None` where there is no file.
fn text(path: &Path) -> io::Result<Option<String>> {
    Ok(match read_regular(path, TEXT_LIMIT)? {
        Found::File(raw) => Some(String::from_utf8_lossy(&raw).into_owned()),
        _ => None,
    })
}
