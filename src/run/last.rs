//! What failed in the runs before this one, kept for `--failed`.
//!
//! A case is on the list from a run in which it fails to a run in which it does not; what a run leaves out stays as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::judge::unlink;
use super::outcome::RunOutcome;
use super::partition::Filter;
use super::session::Session;
use crate::case::{CaseId, Tree};
use crate::error::{Error, Result};
use crate::fs::{AtomicFile, Lookup, Mode, TEXT_LIMIT, read_regular, write_atomic};

/// The file, below the folder where actual tensors are kept.
const FILE: &str = "failed.json";

/// What the file holds.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Kept {
    karat: u32,
    /// The ids of what failed, by goldens root, relative to the project where it is below it.
    roots: BTreeMap<String, BTreeSet<String>>,
}

/// What failed last time, as the tree has it now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recalled {
    /// What can be run again, and snapshots that still belong to no case.
    pub failed: BTreeSet<CaseId>,
    /// What is not there any more.
    pub gone: Vec<CaseId>,
}

impl Session {
    /// What failed in the last run.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] where nothing is kept, or nothing of it is left in the tree; [`Error::Read`] where the file cannot
    /// be read.
    pub fn recall(&self, tree: &Tree) -> Result<Recalled> {
        let file = self.failed_file();
        let kept = self.kept()?.unwrap_or_default();
        let ids = kept.roots.get(&self.failed_key()).cloned().unwrap_or_default();
        let ids: BTreeSet<CaseId> = ids.iter().filter_map(|id| CaseId::new(id).ok()).collect();
        if ids.is_empty() {
            let what =
                "no failure is kept in {}: nothing failed in the last run, or there was none; leave out --failed";
            return Err(Error::Usage(what.replace("{}", &file.display().to_string())));
        }
        let filter = Filter { only: Some(ids.clone()), ..Filter::default() };
        let orphans: BTreeSet<CaseId> = self.orphans(tree, &filter).into_iter().map(|orphan| orphan.id).collect();
        let is_there = |id: &CaseId| {
            tree.cases.binary_search(id).is_ok() || tree.problems.contains_key(id) || orphans.contains(id)
        };
        let (failed, absent): (BTreeSet<CaseId>, BTreeSet<CaseId>) = ids.into_iter().partition(is_there);
        if failed.is_empty() {
            let place = self.goldens().selected();
            let many = absent.iter().map(CaseId::as_str).collect::<Vec<_>>().join(", ");
            return Err(Error::Usage(format!(
                "of what failed in the last run nothing is below {}: {many}; leave out --failed",
                place.display()
            )));
        }
        Ok(Recalled { failed, gone: absent.into_iter().filter(|id| !self.is_on_disk(id)).collect() })
    }

    /// Keeps what failed in a run for the next one.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] where it cannot be kept.
    pub fn remember(&self, filter: &Filter, run: &RunOutcome) -> Result<()> {
        let file = self.failed_file();
        // What cannot be read was nothing of ours.
        let mut kept = self.kept().ok().flatten().unwrap_or_default();
        let ran: BTreeSet<&str> = run.cases.iter().map(|case| case.id.as_str()).collect();
        let is_whole = filter.patterns.is_empty() && filter.only.is_none() && filter.shard.is_none();
        let is_whole = is_whole && self.goldens().below.as_os_str().is_empty();
        let mut failed = kept.roots.remove(&self.failed_key()).unwrap_or_default();
        failed.retain(|id| {
            let is_kept = |id| !is_whole || self.is_on_disk(&id);
            !ran.contains(id.as_str()) && CaseId::new(id).is_ok_and(is_kept)
        });
        let failing = run.cases.iter().filter(|case| run.gate.fails(case));
        failed.extend(failing.map(|case| case.id.as_str().to_owned()));
        if !failed.is_empty() {
            kept.roots.insert(self.failed_key(), failed);
        }
        if kept.roots.is_empty() {
            // There may be none.
            let _ = fs::remove_file(file);
            return Ok(());
        }
        kept.karat = 1;
        unlink(&self.keep, &file)?;
        let wrong = |error| Error::write(&file, error);
        let folder = file.parent().expect("a file is in a folder");
        fs::create_dir_all(folder).map_err(wrong)?;
        let write = |out: &mut AtomicFile| {
            serde_json::to_writer_pretty(&mut *out, &kept)?;
            out.write_all(b"\n")
        };
        write_atomic(&file, Mode::Replace, write).map_err(wrong)
    }

    /// What earlier runs kept, of every root.
    fn kept(&self) -> Result<Option<Kept>> {
        let file = self.failed_file();
        let text = match read_regular(&file, TEXT_LIMIT) {
            Ok(Lookup::File(text)) => text,
            Ok(Lookup::Unusable(what)) => {
                return Err(Error::Usage(format!("{} {what}; delete it and run again", file.display())));
            }
            Ok(Lookup::Missing) => return Ok(None),
            Err(error) => return Err(Error::read(file, error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            Error::Usage(format!("{} does not say what failed: {error}; delete it and run again", file.display()))
        })
    }

    fn failed_file(&self) -> PathBuf {
        self.keep.join(FILE)
    }

    /// The root as the file names it.
    fn failed_key(&self) -> String {
        let root = &self.goldens().root;
        let shown = root.strip_prefix(self.recorder().workspace()).unwrap_or(root);
        shown.to_string_lossy().replace('\\', "/")
    }

    fn is_on_disk(&self, id: &CaseId) -> bool {
        id.below(&self.goldens().root).join("case.json").exists()
    }
}
