//! Being asked to stop: what a signal leaves, and what the run says of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::signal;

/// How long cases that run already may go on when the run is asked to stop.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// What asks a run to stop; until then nothing. Its clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicUsize>);

impl Interrupt {
    /// Where a signal's handler leaves the number of the signal.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.0)
    }

    /// The number of the signal that asked to stop, if one did.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        i32::try_from(self.0.load(Ordering::SeqCst)).ok().filter(|&signal| signal > 0)
    }

    /// Its name.
    pub(super) fn name(&self) -> Option<String> {
        self.signal().map(signal::name)
    }
}
