//! What a run finds out once, where each of its cases would have to ask again.

use std::path::Path;
use std::sync::OnceLock;

use crate::case::{CaseId, Goldens, Suites};
use crate::error::Result;
use crate::snapshot::{Recorder, Shelf};

/// The disk as it was when a run began: what suites say, which snapshots there are.
///
/// It lives as long as one run, and no longer: what changes afterwards it does not see.
pub(crate) struct Survey {
    /// The suites above the cases.
    pub(crate) suites: Suites,
    /// Every snapshot; `None` where each case is to look for its own.
    shelf: OnceLock<Option<Shelf>>,
    /// Whether an earlier run may have kept an actual tensor.
    keeps: bool,
}

impl Survey {
    /// Of a run over many cases, which keeps actual tensors in that folder.
    pub(super) fn of_run(goldens: &Goldens, keep: &Path) -> Survey {
        Survey { suites: Suites::new(&goldens.root), shelf: OnceLock::new(), keeps: keep.exists() }
    }

    /// Of one case: to look at the whole tree would take longer.
    pub(super) fn of_one(goldens: &Goldens) -> Survey {
        Survey { suites: Suites::new(&goldens.root), shelf: OnceLock::from(None), keeps: true }
    }

    /// Whether an earlier run may have kept an actual tensor.
    pub(super) fn keeps(&self) -> bool {
        self.keeps
    }

    /// Every snapshot, where that was looked for and all of the folder could be read.
    pub(super) fn shelf(&self, recorder: &Recorder) -> Option<&Shelf> {
        self.whole(recorder).filter(|shelf| shelf.check().is_ok())
    }

    /// Every snapshot that could be read, where that was looked for.
    pub(super) fn whole(&self, recorder: &Recorder) -> Option<&Shelf> {
        self.shelf.get_or_init(|| Some(Shelf::read(recorder.snapshots()))).as_ref()
    }

    /// The outputs of a case that have a snapshot, sorted, as [`Recorder::recorded`] finds them.
    pub(super) fn recorded(&self, recorder: &Recorder, id: &CaseId) -> Result<Vec<String>> {
        match self.shelf(recorder).and_then(|shelf| shelf.recorded(id)) {
            Some(outputs) => Ok(outputs),
            // The folder may be there by another spelling.
            None => recorder.recorded(id),
        }
    }
}
