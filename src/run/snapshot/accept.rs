//! Accepting what is pending: promotes files, runs nothing.

use std::path::{Path, PathBuf};

use super::orphan::files;
use super::record::Recorder;
use super::settings::in_ci;
use super::store::promote;
use crate::error::{Error, Result};

/// What became of the pending snapshots.
#[derive(Debug, Default)]
#[must_use]
pub struct Accepted {
    /// The snapshots that were written, sorted.
    pub written: Vec<PathBuf>,
    /// Why others were not, one for each; they are still pending.
    pub refused: Vec<Error>,
}

impl Recorder {
    /// Accepts every pending snapshot whose case id contains the filter, or all of them. Each is written whole or not at
    /// all, and one that is damaged keeps no other from being accepted. Nothing pending is no error.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] in CI, where nobody reviews, and where the filter matches nothing that is pending;
    /// [`Error::Read`] and [`Error::Snapshot`] where the folder cannot be searched.
    pub fn accept(&self, filter: Option<&str>) -> Result<Accepted> {
        if in_ci() {
            return Err(Error::Usage(
                "accepting is a review, and this is CI (CI or TF_BUILD is set): accept where you can look, and commit \
                 what was written"
                    .to_owned(),
            ));
        }
        let pending = files(&self.pending_folder(), ".snap.new")?;
        let is_selected = |id: &str| filter.is_none_or(|filter| id.contains(filter));
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
            let promoted = self.file(id, output).and_then(|snapshot| promote(new, &snapshot).map(|()| snapshot));
            match promoted {
                Ok(snapshot) => accepted.written.push(snapshot),
                Err(error) => accepted.refused.push(error),
            }
        }
        Ok(accepted)
    }

    /// The folder that pending snapshots are below, in the tree of the snapshots.
    fn pending_folder(&self) -> PathBuf {
        let probe = self.pending(&self.snapshots().join("x.snap"));
        probe.parent().map(Path::to_path_buf).unwrap_or_default()
    }
}
