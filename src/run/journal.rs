//! The cases of a run that are done, for whoever may have to end it before the others are.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::outcome::CaseOutcome;

/// What is done so far, until somebody takes it to make the outcome of a run of it.
#[derive(Debug)]
pub(super) struct Journal(Mutex<Option<Vec<CaseOutcome>>>);

impl Journal {
    /// Adds a case that is done. Where the journal was taken, nobody waits for it any more.
    pub(super) fn add(&self, case: CaseOutcome) {
        if let Some(done) = self.lock().as_mut() {
            done.push(case);
        }
    }

    /// Has these cases in place of those that were added.
    pub(super) fn replace(&self, cases: Vec<CaseOutcome>) {
        if let Some(done) = self.lock().as_mut() {
            *done = cases;
        }
    }

    /// Takes all that was added; `None` where that was done before.
    pub(super) fn take(&self) -> Option<Vec<CaseOutcome>> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<CaseOutcome>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Journal {
    fn default() -> Journal {
        Journal(Mutex::new(Some(Vec::new())))
    }
}
