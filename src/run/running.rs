//! Which cases run in this process at this moment: for who is told that it ends.

use std::sync::{Mutex, PoisonError};

use crate::case::CaseId;

static RUNNING: Mutex<Vec<CaseId>> = Mutex::new(Vec::new());

/// A case that runs as long as this lives.
pub(super) struct Mark {
    id: CaseId,
    #[cfg(unix)]
    _name: super::crash::Name,
}

/// Says that a case begins to run.
#[must_use]
pub(super) fn begin(id: &CaseId) -> Mark {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).push(id.clone());
    Mark {
        id: id.clone(),
        #[cfg(unix)]
        _name: super::crash::Name::keep(id),
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = running.iter().position(|id| *id == self.id) {
            running.swap_remove(at);
        }
    }
}

/// The cases that run now, sorted; those of another process are not among them.
#[must_use]
pub(crate) fn running() -> Vec<CaseId> {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).clone();
    running.sort();
    running.dedup();
    running
}
