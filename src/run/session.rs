//! A run: discovers nothing, prints nothing; runs the selected cases of a tree, and adds its problems and orphaned snapshots.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::chain::ChainOutcome;
use super::checkpoint::Executor;
use super::options::{GRACE, Options};
use super::outcome::{CaseOutcome, Gate, Gates, OutputOutcome, Problem, RunOutcome, Verdict};
use super::partition::{Filter, Selection};
use super::running::running;
use crate::case::{CaseId, Goldens, Suites, Tree, parallel_map};
use crate::error::{Error, Result};
use crate::fs::remove_leftovers;
use crate::snapshot::{Orphan, Recorder, Shelf, in_ci};

/// How much longer than their grace cases are waited for after an interrupt: those in processes of their own report it
/// themselves.
const MARGIN: Duration = Duration::from_millis(500);

/// The stack of the thread that runs cases: as much as that of a main thread.
const STACK: usize = 8 << 20;

/// What is asked of a case besides its outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ask {
    /// Whether nothing is recorded or kept, because the case is reported elsewhere.
    pub(super) aside: bool,
    /// Whether the tensors are wanted that it returned.
    pub(super) outputs: bool,
}

/// Everything that a run needs besides the list of cases.
///
/// It sees suites and snapshots as they were when it first looked, and lives no longer than one run.
pub struct Session {
    pub(super) goldens: Goldens,
    pub(super) executor: Executor,
    recorder: Recorder,
    pub(super) options: Options,
    gate: Gate,
    /// Where actual tensors of outputs that did not pass are kept.
    pub(super) keep: PathBuf,
    /// Whether an earlier run may have kept one.
    pub(super) has_kept: bool,
    /// The suites above the cases.
    pub(crate) suites: Suites,
    /// Every snapshot; not read where only one case runs.
    shelf: OnceLock<Shelf>,
}

impl Session {
    /// A session over those goldens with that executor.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] where a setting of insta would turn the gate off or is invalid.
    pub fn new(goldens: Goldens, executor: Executor, options: Options) -> Result<Arc<Session>> {
        let mut recorder = Recorder::new(&goldens.root, &goldens.snapshots, options.caller)?;
        if options.ci || options.looks_back {
            recorder.assume_ci();
        }
        if options.gates == Gates::Both {
            recorder.check_settings()?;
        }
        let gate = Gate {
            ci: options.ci || in_ci(),
            allowed_skips: options.allowed_skips.clone(),
            reviewed: recorder.is_reviewed(),
            deny_vacuous: options.deny_vacuous,
        };
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        let target = recorder.workspace().join(target);
        check_target(&target, &goldens)?;
        // A run of another executor leaves what the gate has kept.
        let mut folder = match options.gates {
            Gates::Both => "karat".to_owned(),
            Gates::Accuracy => format!("karat-{}", executor.name()),
        };
        // Members of a workspace share one target folder, and may have cases of one name: `karat+crates+port`.
        recorder.member().iter().for_each(|part| folder.extend(["+", &part.to_string_lossy()]));
        let keep = target.join(folder);
        let (has_kept, suites, shelf) = (keep.exists(), Suites::new(&goldens.root), OnceLock::new());
        Ok(Arc::new(Session { goldens, executor, recorder, options, gate, keep, has_kept, suites, shelf }))
    }

    /// The goldens it runs over.
    #[must_use]
    pub fn goldens(&self) -> &Goldens {
        &self.goldens
    }

    /// The recorder: where snapshots go, and how they are accepted.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// What the run lets through besides a pass.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// What holds summaries against snapshots, where drift is a gate.
    pub(super) fn drift_gate(&self, ask: Ask) -> Option<&Recorder> {
        Some(&self.recorder).filter(|_| self.options.gates == Gates::Both && !ask.aside)
    }

    /// What shows drift where it is no gate, if that is wanted.
    pub(super) fn past(&self, ask: Ask) -> Option<&Recorder> {
        Some(&self.recorder).filter(|_| self.options.looks_back && !ask.aside)
    }

    /// Reads which snapshots there are, once, for many cases: one case would look only for its own.
    pub(crate) fn look_up(&self) -> &Shelf {
        self.shelf.get_or_init(|| Shelf::read(self.recorder.snapshots()))
    }

    /// Every snapshot, where they were looked up and all of the folder could be read.
    pub(super) fn shelf(&self) -> Option<&Shelf> {
        self.shelf.get().filter(|shelf| shelf.check().is_ok())
    }

    /// The outputs of a case that have a snapshot, sorted.
    pub(super) fn recorded(&self, id: &CaseId) -> Result<Vec<String>> {
        match self.shelf().and_then(|shelf| shelf.recorded(id)) {
            Some(outputs) => Ok(outputs),
            // The folder may be there by another spelling.
            None => self.recorder.recorded(id),
        }
    }

    /// Runs the cases of the tree that the filter selects, and looks for orphaned snapshots among what it selects.
    /// `progress` is called with each case as it finishes.
    ///
    /// The cases run on other threads. Where the run is interrupted and a case in this process does not end, the outcome is
    /// of what there is, and the case goes on until the process ends.
    ///
    /// # Errors
    ///
    /// [`Error::NoCases`] where there is no case; [`Error::Usage`] where none is selected, naming root and filter;
    /// [`Error::Read`] where no thread can be started.
    pub fn run(
        self: &Arc<Session>,
        tree: &Tree,
        filter: &Filter,
        mut progress: impl FnMut(&CaseOutcome),
    ) -> Result<RunOutcome> {
        let started = Instant::now();
        // What a run before this one was writing when it was killed.
        remove_leftovers(&[&self.keep]);
        let (sender, finished) = channel();
        let work = {
            let (session, tree, filter) = (Arc::clone(self), tree.clone(), filter.clone());
            move || session.run_all(&tree, &filter, &sender)
        };
        let thread = thread::Builder::new().stack_size(STACK).spawn(work);
        let thread = thread.map_err(|error| Error::read("a thread", error))?;
        let selection = filter.select(tree);
        let (mut cases, mut interrupted) = (Vec::new(), None);
        let chains = loop {
            match finished.recv_timeout(Duration::from_millis(50)) {
                Ok(case) => {
                    progress(&case);
                    cases.push(case);
                }
                // The sender is gone: it is done.
                Err(RecvTimeoutError::Disconnected) => {
                    break thread.join().unwrap_or_else(|panic| resume_unwind(panic))?;
                }
                Err(RecvTimeoutError::Timeout) => {
                    let is_asked = self.options.interrupt.signal().is_some();
                    if is_asked && interrupted.get_or_insert_with(Instant::now).elapsed() >= GRACE + MARGIN {
                        self.name_running(&mut cases, &selection);
                        break None;
                    }
                }
            }
        };
        cases.sort_by(|a, b| a.id.cmp(&b.id));
        let is_done = |id: &&&CaseId| cases.binary_search_by(|case| case.id.cmp(id)).is_ok();
        let not_run = selection.cases.len() - selection.cases.iter().filter(is_done).count();
        Ok(RunOutcome {
            root: self.goldens.root.clone(),
            snapshots: self.goldens.snapshots.clone(),
            executor: self.executor.name().to_owned(),
            gates: self.options.gates,
            cases,
            chains,
            filtered_out: selection.filtered_out,
            partition: selection.partition.map(|partition| {
                let whole = Filter { shard: None, ..filter.clone() };
                partition.with_contents(&self.goldens, &whole.select(tree))
            }),
            not_run,
            gate: self.gate.clone(),
            interrupted: self.options.interrupt.name(),
            elapsed: started.elapsed(),
        })
    }

    /// Runs what the filter selects, and sends the outcome of each case.
    fn run_all(&self, tree: &Tree, filter: &Filter, sender: &Sender<CaseOutcome>) -> Result<Option<Vec<ChainOutcome>>> {
        let selection = filter.select(tree);
        // After an interrupt nobody may be waiting any more.
        let report = |case: CaseOutcome| drop(sender.send(case));
        if self.options.gates == Gates::Both {
            self.look_up();
        }
        let mut chains = None;
        if self.options.chained {
            let is_selected = |id: &CaseId| selection.cases.binary_search(&id).is_ok();
            chains = self.follow(&tree.cases, false, is_selected, report);
        } else {
            let is_over = AtomicBool::new(false);
            self.share(&selection.cases, |id| {
                if !is_over.load(Ordering::Relaxed) {
                    let case = self.case(id);
                    if self.options.fail_fast && self.gate.fails(&case) {
                        is_over.store(true, Ordering::Relaxed);
                    }
                    report(case);
                }
            });
        }
        selection.problems.iter().for_each(|(id, what)| report(self.problem(id, what)));
        let orphans = self.orphans(tree, filter);
        if selection.is_empty && orphans.is_empty() {
            return Err(nothing_selected(&self.goldens, tree, filter));
        }
        if selection.holds_the_rest() {
            orphans.into_iter().for_each(report);
        }
        Ok(chains)
    }

    /// Does that work for each of those cases, as many at a time as there are jobs, and begins none once the run is
    /// interrupted.
    ///
    /// On threads of its own, not on rayon's: a checkpoint that waits for rayon inside a lock would be handed another case to
    /// run meanwhile, on the thread that holds the lock.
    pub(super) fn share<I: Sync, O: Send>(&self, cases: &[I], work: impl Fn(&I) -> O + Sync) -> Vec<O> {
        let work = |case: &I| self.options.interrupt.signal().is_none().then(|| work(case));
        parallel_map(cases, self.options.jobs.get(), work).into_iter().flatten().collect()
    }

    /// Adds the selected cases that still run, each as interrupted.
    fn name_running(&self, cases: &mut Vec<CaseOutcome>, selection: &Selection<'_>) {
        let signal = self.options.interrupt.name().unwrap_or_default();
        for id in running().into_iter().filter(|id| selection.cases.contains(&id)) {
            if !cases.iter().any(|case| case.id == id) {
                let ask = Ask { aside: true, ..Ask::default() };
                cases.push(self.ended(&id, ask, Problem::Interrupted { signal: signal.clone() }));
            }
        }
    }

    /// Follows every chain, and returns the cases that are outside their tolerance for a chained run, or that have one and
    /// could not be followed to. It looks at no snapshot.
    pub fn chained(&self, tree: &Tree) -> Vec<CaseOutcome> {
        let is_chained =
            |problem: &Problem| matches!(problem, Problem::ChainedOutside { .. } | Problem::NotChained { .. });
        let cases = Mutex::new(Vec::new());
        // Each case records and keeps by itself.
        self.follow(
            &tree.cases,
            true,
            |_| true,
            |case| {
                if case.problems.iter().chain(case.outputs.iter().flat_map(|output| &output.problems)).any(is_chained) {
                    cases.lock().unwrap_or_else(PoisonError::into_inner).push(case);
                }
            },
        );
        let mut cases = cases.into_inner().unwrap_or_else(PoisonError::into_inner);
        cases.sort_by(|a, b| a.id.cmp(&b.id));
        cases
    }

    /// Runs one case.
    pub fn case(&self, id: &CaseId) -> CaseOutcome {
        self.examine(id, Ask::default()).0
    }

    /// The outcome of a case that takes longer than that, from another thread than that which runs it.
    pub fn timed_out(&self, id: &CaseId, limit: Duration) -> CaseOutcome {
        self.ended(id, Ask::default(), Problem::TimedOut { limit, printed: Vec::new() })
    }

    /// The outcome of a case that is ended from outside.
    fn ended(&self, id: &CaseId, ask: Ask, problem: Problem) -> CaseOutcome {
        let outcome = self.stopped(id, ask, vec![problem]);
        match self.suites.case(id) {
            Ok(case) => CaseOutcome { checkpoint: Some(case.checkpoint), inherited: case.inherited, ..outcome },
            Err(_) => outcome,
        }
    }

    /// The outcome of what could not be walked, or may not be a case.
    pub fn problem(&self, id: &CaseId, what: &str) -> CaseOutcome {
        let mut outcome = self.stopped(id, Ask::default(), vec![Problem::Error { text: what.to_owned() }]);
        // A suite is no folder.
        let place = id.below(&self.goldens.root);
        if place.is_file() {
            outcome.file = place;
        }
        outcome
    }

    /// Every snapshot without a case, among what the filter selects, a case outcome for each folder; or a broken one where
    /// the snapshots folder cannot be searched. None where accuracy alone is a gate, and where `cargo insta test --unreferenced` sees to them.
    pub fn orphans(&self, tree: &Tree, filter: &Filter) -> Vec<CaseOutcome> {
        let Some(recorder) = self.drift_gate(Ask::default()).filter(|recorder| !recorder.leaves_orphans()) else {
            return Vec::new();
        };
        // What a known case does not produce any more is found when the case runs.
        let is_known = |id: &CaseId, _: &str| tree.cases.binary_search(id).is_ok() || tree.problems.contains_key(id);
        let shelf = self.look_up();
        let mut outcomes = Vec::new();
        match shelf.check() {
            Ok(()) => {}
            // Every case that looks for its snapshot there says so itself.
            Err(Error::Snapshot { .. }) if !tree.cases.is_empty() => {}
            Err(error) => {
                let problems = vec![Problem::from_error("", &error)];
                outcomes.push(CaseOutcome::whole(&Orphan::in_root(), self.goldens.snapshots.clone(), None, problems));
            }
        }
        let mut folders: BTreeMap<(CaseId, bool), Vec<OutputOutcome>> = BTreeMap::new();
        let selected = self.goldens.selected();
        for orphan in shelf.orphans(is_known) {
            let is_in_root = orphan.is_in_root(recorder.snapshots());
            let Orphan { id, output, path } = orphan;
            if id.below(&self.goldens.root).starts_with(&selected) && filter.selects(&id) {
                folders.entry((id, is_in_root)).or_default().push(OutputOutcome::orphaned(output, path));
            }
        }
        outcomes.extend(folders.into_iter().map(|((id, is_in_root), outputs)| {
            let file = match is_in_root {
                true => self.goldens.snapshots.clone(),
                false => id.below(&self.goldens.root).join("case.json"),
            };
            let whole = CaseOutcome::whole(&id, file, None, Vec::new());
            CaseOutcome { verdict: Verdict::Orphaned, outputs, ..whole }
        }));
        outcomes
    }
}

/// Refuses a target folder that is in goldens or snapshots, through a link or not: actual tensors would be written among them.
fn check_target(target: &Path, goldens: &Goldens) -> Result<()> {
    let real = |folder: &Path| folder.canonicalize().ok();
    let leads_in =
        |folder: &Path| real(target).zip(real(folder)).is_some_and(|(target, folder)| target.starts_with(folder));
    let is_in = |folder: &Path| target.starts_with(folder) || leads_in(folder);
    let Some(folder) = [&goldens.root, &goldens.snapshots].into_iter().find(|folder| is_in(folder)) else {
        return Ok(());
    };
    let remedy = match target.starts_with(folder) {
        true => "name another folder for that",
        false => "remove the link",
    };
    Err(Error::Usage(format!(
        "{} is a folder in {}, where nothing of a run is written; {remedy}, or set CARGO_TARGET_DIR to another folder",
        target.display(),
        folder.display()
    )))
}

/// The error of a run that would have run nothing.
pub(crate) fn nothing_selected(goldens: &Goldens, tree: &Tree, filter: &Filter) -> Error {
    let place = goldens.selected();
    if tree.cases.is_empty() {
        return Error::NoCases { place, exists: true };
    }
    let patterns = filter.patterns.join("`, `");
    Error::Usage(format!(
        "the filter `{patterns}` selects none of the {} cases below {}",
        tree.cases.len(),
        place.display()
    ))
}
