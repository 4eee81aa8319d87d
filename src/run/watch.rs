//! A run that does not wait for ever: once it is interrupted, what goes on after a short grace is named, and left.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::interrupt::GRACE;
use super::journal::Journal;
use super::options::Filter;
use super::outcome::{CaseOutcome, Problem, RunOutcome};
use super::partition::Selection;
use super::running::running;
use super::session::Session;
use crate::case::{Case, CaseId, Tree};
use crate::error::{Error, Result};

/// How much longer than their grace cases are waited for: those with a process of their own say themselves that they were
/// interrupted.
const MARGIN: Duration = Duration::from_millis(500);

/// The stack of the thread that runs the first of all jobs: as much as that of a main thread.
const STACK: usize = 8 << 20;

impl Session {
    /// Runs as [`Session::run`] does, on other threads. Where the run is interrupted and a case of this process does not
    /// end, that goes on, and the outcome is of what there is: nothing but the end of the process ends it.
    ///
    /// # Errors
    ///
    /// As [`Session::run`]; [`Error::Read`] where no thread can be started.
    pub fn watched(
        self: &Arc<Session>,
        tree: &Tree,
        filter: &Filter,
        progress: impl Fn(&CaseOutcome) + Send + Sync + 'static,
    ) -> Result<RunOutcome> {
        let started = Instant::now();
        let journal: Arc<Journal> = Arc::default();
        let (sender, receiver) = channel();
        let run = {
            let (session, tree, filter, journal) = (Arc::clone(self), tree.clone(), filter.clone(), journal.clone());
            // Nobody may be waiting any more.
            move || sender.send(session.run_into(&journal, &tree, &filter, progress)).unwrap_or_default()
        };
        let thread = thread::Builder::new().stack_size(STACK).spawn(run);
        let thread = thread.map_err(|error| Error::read("a thread", error))?;
        let mut interrupted: Option<Instant> = None;
        loop {
            match receiver.recv_timeout(Duration::from_millis(50)) {
                Ok(outcome) => return outcome,
                Err(RecvTimeoutError::Disconnected) => match thread.join() {
                    Err(panic) => resume_unwind(panic),
                    Ok(()) => unreachable!("it sends before it ends"),
                },
                Err(RecvTimeoutError::Timeout) => {
                    let is_raised = self.interrupt().signal().is_some();
                    let is_late = is_raised && interrupted.get_or_insert_with(Instant::now).elapsed() >= GRACE + MARGIN;
                    // Where the run has taken it, it is about to end.
                    if let Some(mut done) = is_late.then(|| journal.take()).flatten() {
                        let selection = filter.select(tree);
                        self.name_running(&mut done, &selection);
                        return Ok(self.conclude(tree, filter, &selection, done, None, started));
                    }
                }
            }
        }
    }

    /// Adds the cases that go on, each as interrupted.
    fn name_running(&self, done: &mut Vec<CaseOutcome>, selection: &Selection<'_>) {
        let signal = self.interrupt().name().unwrap_or_default();
        let is_mine = |id: &CaseId| selection.cases.contains(&id);
        for id in running().into_iter().filter(is_mine) {
            if done.iter().any(|case| case.id == id) {
                continue;
            }
            let checkpoint = Case::load(&self.goldens().root, &id).ok().map(|case| case.checkpoint);
            let problems = vec![Problem::Interrupted { signal: signal.clone() }];
            let file = id.below(&self.goldens().root).join("case.json");
            done.push(CaseOutcome::whole(&id, file, checkpoint, problems));
        }
    }
}
