//! Accepting what is pending: promotes files, runs nothing.

use std::path::{Path, PathBuf};

use super::record::Recorder;
use super::shelf::Shelf;
use crate::case::{CaseId, Goldens};
use crate::error::{Error, Result};
use crate::fs::sweep;
use crate::snapshot::settings::in_ci;
use crate::snapshot::store::promote::promote;

/// What became of the pending snapshots.
#[derive(Debug, Default)]
#[must_use]
pub struct Accepted {
    /// The snapshots that were written, sorted.
    pub written: Vec<PathBuf>,
    /// Why others were not, one for each. They are still pending, but for those that were cut short: these are dropped.
    pub refused: Vec<Error>,
}

impl Recorder {
    /// Accepts every pending snapshot below the selected part of the goldens whose case id contains the filter, or all of
    /// them; of the case alone whose id the filter is. Each is written whole or not at all, and one that is damaged, or whose
    /// case is gone, keeps no other from being accepted. Nothing pending is no error. Half-written files that a killed karat left
    /// below goldens and snapshots are removed.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] in CI, where nobody reviews, and where the filter matches nothing that is pending;
    /// [`Error::Read`] and [`Error::Snapshot`] where the folder cannot be searched.
    pub fn accept(&self, goldens: &Goldens, filter: Option<&str>) -> Result<Accepted> {
        if in_ci() {
            return Err(Error::Usage(
                "accepting is a review, and this is CI (CI or TF_BUILD is set): accept where you can look, and commit \
                 what was written"
                    .to_owned(),
            ));
        }
        let mut pending = self.pending_files()?;
        pending.retain(|(id, ..)| id.below(&goldens.root).starts_with(goldens.selected()));
        // Whoever accepts `h.1` has not looked at `h.10`.
        let whole = filter.filter(|filter| self.knows(filter, &pending));
        let is_selected = |id: &str| match whole {
            Some(whole) => id == whole,
            None => filter.is_none_or(|filter| id.contains(filter)),
        };
        if let Some(filter) =
            filter.filter(|_| !pending.is_empty() && !pending.iter().any(|(id, ..)| is_selected(id.as_str())))
        {
            let mut ids: Vec<&str> = pending.iter().map(|(id, ..)| id.as_str()).collect();
            ids.dedup();
            return Err(Error::Usage(format!(
                "no pending snapshot has {filter:?} in its case id; pending are {}",
                ids.join(", ")
            )));
        }
        let mut accepted = Accepted::default();
        for (id, output, new) in pending.iter().filter(|(id, ..)| is_selected(id.as_str())) {
            let promoted = check_case(goldens, id, new)
                .and_then(|()| self.file(id, output))
                .and_then(|snapshot| self.holder.check_folder(&snapshot).map(|()| snapshot))
                .and_then(|snapshot| promote(new, &snapshot, self.workspace()).map(|()| snapshot));
            match promoted {
                Ok(snapshot) => accepted.written.push(snapshot),
                Err(error) => accepted.refused.push(error),
            }
        }
        sweep(&[&goldens.root, self.snapshots()]);
        Ok(accepted)
    }

    /// Whether a filter is the whole id of a case that has snapshots, pending or accepted.
    fn knows(&self, filter: &str, pending: &[(CaseId, String, PathBuf)]) -> bool {
        let is_recorded = |id: CaseId| self.recorded(&id).is_ok_and(|outputs| !outputs.is_empty());
        pending.iter().any(|(id, ..)| id.as_str() == filter) || CaseId::new(filter).is_ok_and(is_recorded)
    }

    /// Every pending snapshot, with the case and output that it is of, sorted.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] and [`Error::Snapshot`] where the folder cannot be searched.
    pub fn pending_files(&self) -> Result<Vec<(CaseId, String, PathBuf)>> {
        let folder = self.pending_folder();
        let shelf = Shelf::read(&folder);
        shelf.check()?;
        let named =
            shelf.files().filter_map(|(id, name)| Some((id.clone(), name.strip_suffix(".snap.new")?.to_owned())));
        let place = |id: &CaseId, output: &str| id.below(&folder).join(format!("{output}.snap.new"));
        let mut pending: Vec<_> = named.map(|(id, output)| (id.clone(), output.clone(), place(&id, &output))).collect();
        pending.sort();
        Ok(pending)
    }

    /// The folder that pending snapshots are below, in the tree of the snapshots.
    fn pending_folder(&self) -> PathBuf {
        let probe = self.holder.pending(&self.snapshots().join("x.snap"));
        probe.parent().map(Path::to_path_buf).unwrap_or_default()
    }
}

/// Refuses what is pending for a case that is gone: accepted, it would be orphaned at once.
fn check_case(goldens: &Goldens, id: &CaseId, pending: &Path) -> Result<()> {
    if id.below(&goldens.root).join("case.json").exists() {
        return Ok(());
    }
    let what = format!("its case {id} is gone; restore the case, or delete this file");
    Err(Error::Snapshot { path: pending.to_path_buf(), what })
}
