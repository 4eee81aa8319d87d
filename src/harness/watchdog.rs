//! The end of a case that takes longer than it may, where it has a process of its own: `--exact`, as nextest starts it.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;

use super::main::FAILED;
use super::trial::{Shared, message};
use crate::case::{Case, CaseId};
use crate::cli;
use crate::run::CaseOutcome;

/// Runs the case. Where it takes longer than its `timeout`, the process ends with the message of that.
pub(super) fn watch(shared: &Arc<Shared>, id: &CaseId) -> CaseOutcome {
    let session = &shared.session;
    let limit = Case::load(&session.goldens().root, id).ok().and_then(|case| case.timeout);
    let Some(limit) = limit else { return session.case(id) };
    let (ended, waits) = channel();
    let watched = (Arc::clone(shared), id.clone());
    thread::spawn(move || {
        let (shared, id) = watched;
        if waits.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            let outcome = shared.session.timed_out(&id, limit);
            eprintln!("{}", message(&shared, &outcome));
            cli::disarm();
            std::process::exit(FAILED);
        }
    });
    let outcome = session.case(id);
    // It may have been too late, and the process about to end.
    ended.send(()).ok();
    outcome
}
