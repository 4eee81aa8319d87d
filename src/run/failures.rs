//! The list of failed cases, saved for `--failed`.
//!
//! A case stays on the list until a run in which it does not fail; a run without the case does not change its entry.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::judge::remove_link;
use super::outcome::RunOutcome;
use super::partition::Filter;
use super::session::Session;
use crate::case::{CaseId, Tree};
use crate::error::{Error, Result};
use crate::fs::{AtomicFile, Lookup, Mode, TEXT_LIMIT, read_regular, write_atomic};

/// The name of the file in the artifacts folder.
const FILE: &str = "failed.json";

/// The contents of the file.
#[derive(Debug, Default, Deserialize, Serialize)]
struct FailureList {
    karat: u32,
    /// The ids of failed cases by goldens root, relative to the workspace if it is inside.
    roots: BTreeMap<String, BTreeSet<String>>,
}

/// The cases that failed last time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastFailures {
    /// Cases that can be re-run, and snapshots that are still orphaned.
    pub failed: BTreeSet<CaseId>,
    /// Cases that no longer exist.
    pub gone: Vec<CaseId>,
}

impl Session {
    /// Returns the cases that failed last time.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if the list is empty, or none of its cases are in the tree; [`Error::Read`] if the file cannot be
    /// read.
    pub fn last_failures(&self, tree: &Tree) -> Result<LastFailures> {
        let list = self.read_failures()?.unwrap_or_default();
        let ids = list.roots.get(&self.root_key()).into_iter().flatten();
        let ids: BTreeSet<CaseId> = ids.filter_map(|id| CaseId::new(id).ok()).collect();
        if ids.is_empty() {
            return Err(Error::Usage(format!(
                "{} lists no failure: the last run passed, or there was none; omit --failed",
                self.failure_file().display()
            )));
        }
        let filter = Filter { only: Some(ids.clone()), ..Filter::default() };
        let orphans: BTreeSet<CaseId> = self.find_orphans(tree, &filter).into_iter().map(|orphan| orphan.id).collect();
        let exists = |id: &CaseId| {
            tree.cases.binary_search(id).is_ok() || tree.problems.contains_key(id) || orphans.contains(id)
        };
        let (failed, absent): (BTreeSet<CaseId>, BTreeSet<CaseId>) = ids.into_iter().partition(exists);
        if failed.is_empty() {
            let absent: Vec<&str> = absent.iter().map(CaseId::as_str).collect();
            return Err(Error::Usage(format!(
                "none of the cases that failed in the last run is below {}: {}; omit --failed",
                self.goldens().selected().display(),
                absent.join(", ")
            )));
        }
        Ok(LastFailures { failed, gone: absent.into_iter().filter(|id| !self.is_on_disk(id)).collect() })
    }

    /// Updates the list of failed cases after a run.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if it cannot be saved.
    pub fn save_failures(&self, filter: &Filter, run: &RunOutcome) -> Result<()> {
        let file = self.failure_file();
        // A file that cannot be read is replaced.
        let mut list = self.read_failures().ok().flatten().unwrap_or_default();
        let executed: BTreeSet<&str> = run.cases.iter().map(|case| case.id.as_str()).collect();
        let is_full_run = filter.patterns.is_empty()
            && filter.only.is_none()
            && filter.shard.is_none()
            && self.goldens().below.as_os_str().is_empty();
        let mut failed = list.roots.remove(&self.root_key()).unwrap_or_default();
        failed.retain(|id| {
            !executed.contains(id.as_str()) && CaseId::new(id).is_ok_and(|id| !is_full_run || self.is_on_disk(&id))
        });
        let failing = run.cases.iter().filter(|case| run.gate.fails(case));
        failed.extend(failing.map(|case| case.id.to_string()));
        if !failed.is_empty() {
            list.roots.insert(self.root_key(), failed);
        }
        if list.roots.is_empty() {
            // The file may not exist.
            let _ = fs::remove_file(file);
            return Ok(());
        }
        list.karat = 1;
        remove_link(&self.artifacts, &file)?;
        let write = |out: &mut AtomicFile| {
            serde_json::to_writer_pretty(&mut *out, &list)?;
            out.write_all(b"\n")
        };
        fs::create_dir_all(&self.artifacts)
            .and_then(|()| write_atomic(&file, Mode::Replace, write))
            .map_err(|error| Error::write(&file, error))
    }

    /// Reads the lists of all goldens roots.
    fn read_failures(&self) -> Result<Option<FailureList>> {
        let file = self.failure_file();
        let error = |what: String| Error::Usage(format!("{} {what}; delete it and re-run", file.display()));
        match read_regular(&file, TEXT_LIMIT) {
            Ok(Lookup::File(text)) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|cause| error(format!("is not a valid list of failures: {cause}"))),
            Ok(Lookup::Unusable(what)) => Err(error(what.to_string())),
            Ok(Lookup::Missing) => Ok(None),
            Err(error) => Err(Error::read(file, error)),
        }
    }

    fn failure_file(&self) -> PathBuf {
        self.artifacts.join(FILE)
    }

    /// Returns the name of the goldens root in the file.
    fn root_key(&self) -> String {
        let root = &self.goldens().root;
        let relative = root.strip_prefix(self.recorder().workspace()).unwrap_or(root);
        relative.to_string_lossy().replace('\\', "/")
    }

    fn is_on_disk(&self, id: &CaseId) -> bool {
        id.below(&self.goldens().root).join("case.json").exists()
    }
}
