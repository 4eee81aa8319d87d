//! Runs the selected cases of a tree, and reports orphaned snapshots. Prints nothing.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::chain::ChainOutcome;
use super::checkpoint::Executor;
use super::options::{GRACE, Options};
use super::outcome::{CaseOutcome, Deny, Gate, Gates, OutputOutcome, Problem, RunOutcome, Verdict};
use super::partition::{Filter, Selection};
use super::registry::running_cases;
use crate::case::{CaseId, Goldens, Suites, Tree, parallel_map};
use crate::error::{Error, Result};
use crate::fs::remove_leftovers;
use crate::snapshot::{Orphan, Recorder, SnapshotIndex, in_ci};

/// How much longer than [`GRACE`] the run waits after an interrupt, so that isolated cases can report it themselves.
const MARGIN: Duration = Duration::from_millis(500);

/// The stack size of the thread that runs cases: that of a main thread.
const STACK_SIZE: usize = 8 << 20;

/// How a case is run.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct RunMode {
    /// Whether this run of the case is not reported: snapshots are neither read nor written, and no tensor is saved.
    pub(super) is_unreported: bool,
    /// Whether the caller needs the output tensors.
    pub(super) keeps_outputs: bool,
}

/// A run of cases: the goldens, the executor and the options.
///
/// Suites and snapshots are read once and cached, so use a new session for each run.
pub struct Session {
    pub(super) goldens: Goldens,
    pub(super) executor: Executor,
    recorder: Recorder,
    pub(super) options: Options,
    gate: Gate,
    /// The folder where the actual tensors of outputs that did not pass are saved.
    pub(super) artifacts: PathBuf,
    /// Whether the folder existed before this run.
    pub(super) has_artifacts: bool,
    /// The suites above the cases.
    pub(crate) suites: Suites,
    /// All snapshots; not read if only one case runs.
    index: OnceLock<SnapshotIndex>,
}

impl Session {
    /// Creates a session.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if a setting of insta is invalid or would make drift pass.
    pub fn new(goldens: Goldens, executor: Executor, options: Options) -> Result<Arc<Session>> {
        let mut recorder = Recorder::new(&goldens.root, &goldens.snapshots, options.caller)?;
        if options.ci || options.previews_drift {
            recorder.assume_ci();
        }
        if options.gates == Gates::Both {
            recorder.check_settings()?;
        }
        let gate = Gate {
            ci: options.ci || in_ci(),
            allowed_skips: options.allowed_skips.clone(),
            reviewed: recorder.is_reviewed(),
            deny: Vec::from_iter(options.deny_vacuous.then_some(Deny::Vacuous)),
        };
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        let target = recorder.workspace().join(target);
        check_target(&target, &goldens)?;
        // Runs with other executors use a separate folder, so that they do not delete these files.
        let mut folder = match options.gates {
            Gates::Both => "karat".to_owned(),
            Gates::Accuracy => format!("karat-{}", executor.name()),
        };
        // Members of a workspace share a target folder, and their cases may have the same ids: `karat+crates+port`.
        recorder.package_folder().iter().for_each(|part| folder.extend(["+", &part.to_string_lossy()]));
        let artifacts = target.join(folder);
        Ok(Arc::new(Session {
            has_artifacts: artifacts.exists(),
            suites: Suites::new(&goldens.root),
            index: OnceLock::new(),
            goldens,
            executor,
            recorder,
            options,
            gate,
            artifacts,
        }))
    }

    /// Returns the goldens.
    #[must_use]
    pub fn goldens(&self) -> &Goldens {
        &self.goldens
    }

    /// Returns the recorder, which reads, writes and accepts snapshots.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Returns which verdicts fail the run.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Returns the recorder if drift can fail this run of a case.
    pub(super) fn drift_gate(&self, mode: RunMode) -> Option<&Recorder> {
        Some(&self.recorder).filter(|_| self.options.gates == Gates::Both && !mode.is_unreported)
    }

    /// Returns the recorder if drift is reported for this run of a case without failing it.
    pub(super) fn drift_preview(&self, mode: RunMode) -> Option<&Recorder> {
        Some(&self.recorder).filter(|_| self.options.previews_drift && !mode.is_unreported)
    }

    /// Lists all snapshots, once. Not worth it for a single case, which looks for its own snapshots only.
    pub(crate) fn load_snapshot_index(&self) -> &SnapshotIndex {
        self.index.get_or_init(|| SnapshotIndex::read(self.recorder.snapshots()))
    }

    /// Returns all snapshots, if they were listed without an error.
    pub(super) fn known_snapshots(&self) -> Option<&SnapshotIndex> {
        self.index.get().filter(|index| index.check().is_ok())
    }

    /// Returns the names of the outputs of a case that have a snapshot, sorted.
    pub(super) fn recorded_outputs(&self, id: &CaseId) -> Result<Vec<String>> {
        let outputs = self.known_snapshots().and_then(|index| index.recorded_outputs(id));
        // If it is not on the index, the folder may still exist in another spelling.
        outputs.map_or_else(|| self.recorder.recorded_outputs(id), Ok)
    }

    /// Runs the selected cases of a tree, and reports the selected orphaned snapshots. Calls `progress` with each case as it
    /// finishes.
    ///
    /// The cases run on other threads. If the run is interrupted and a case in this process does not finish, it is reported as
    /// interrupted and continues until the process exits.
    ///
    /// # Errors
    ///
    /// [`Error::NoCases`] if there is no case; [`Error::Usage`] with root and filter if none is selected; [`Error::Read`] if
    /// no thread can be started.
    pub fn run(
        self: &Arc<Session>,
        tree: &Tree,
        filter: &Filter,
        mut progress: impl FnMut(&CaseOutcome),
    ) -> Result<RunOutcome> {
        let started = Instant::now();
        // Removes temporary files of earlier runs that were killed.
        remove_leftovers(&[&self.artifacts]);
        let (sender, finished) = channel();
        let work = {
            let (session, tree, filter) = (Arc::clone(self), tree.clone(), filter.clone());
            move || session.run_all(&tree, &filter, &sender)
        };
        let thread = thread::Builder::new().stack_size(STACK_SIZE).spawn(work);
        let thread = thread.map_err(|error| Error::read("a thread", error))?;
        let selection = filter.select(tree);
        let (mut cases, mut interrupted) = (Vec::new(), None);
        let chains = loop {
            match finished.recv_timeout(Duration::from_millis(50)) {
                Ok(case) => {
                    progress(&case);
                    cases.push(case);
                }
                // The sender was dropped, so the thread is done.
                Err(RecvTimeoutError::Disconnected) => {
                    break thread.join().unwrap_or_else(|panic| resume_unwind(panic))?;
                }
                Err(RecvTimeoutError::Timeout) => {
                    let is_interrupted = self.options.interrupt.signal().is_some();
                    if is_interrupted && interrupted.get_or_insert_with(Instant::now).elapsed() >= GRACE + MARGIN {
                        self.add_interrupted(&mut cases, &selection);
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
                let all_shards = Filter { shard: None, ..filter.clone() };
                partition.with_contents(&self.goldens, &all_shards.select(tree))
            }),
            not_run,
            gate: self.gate.clone(),
            interrupted: self.options.interrupt.name(),
            elapsed: started.elapsed(),
        })
    }

    /// Runs the selected cases, and sends the outcome of each.
    fn run_all(&self, tree: &Tree, filter: &Filter, sender: &Sender<CaseOutcome>) -> Result<Option<Vec<ChainOutcome>>> {
        let selection = filter.select(tree);
        // After an interrupt the receiver may be gone.
        let report = |case: CaseOutcome| drop(sender.send(case));
        if self.options.gates == Gates::Both {
            self.load_snapshot_index();
        }
        let mut chains = None;
        if self.options.chained {
            let is_selected = |id: &CaseId| selection.cases.binary_search(&id).is_ok();
            chains = self.run_chained(&tree.cases, false, is_selected, report);
        } else {
            let is_stopped = AtomicBool::new(false);
            self.map_parallel(&selection.cases, |id| {
                if !is_stopped.load(Ordering::Relaxed) {
                    let case = self.run_case(id);
                    if self.options.fail_fast && self.gate.fails(&case) {
                        is_stopped.store(true, Ordering::Relaxed);
                    }
                    report(case);
                }
            });
        }
        selection.problems.iter().for_each(|(id, what)| report(self.problem_outcome(id, what)));
        let orphans = self.find_orphans(tree, filter);
        if selection.is_empty && orphans.is_empty() {
            return Err(empty_selection_error(&self.goldens, tree, filter));
        }
        if selection.includes_orphans() {
            orphans.into_iter().for_each(report);
        }
        Ok(chains)
    }

    /// Calls `work` with each item, on as many threads as there are jobs. Starts no more items after an interrupt.
    ///
    /// Does not use rayon's threads: a checkpoint that waits for rayon while holding a lock would be given another case to run
    /// on the same thread.
    pub(super) fn map_parallel<I: Sync, O: Send>(&self, items: &[I], work: impl Fn(&I) -> O + Sync) -> Vec<O> {
        let work = |item: &I| self.options.interrupt.signal().is_none().then(|| work(item));
        parallel_map(items, self.options.jobs.get(), work).into_iter().flatten().collect()
    }

    /// Adds the selected cases that are still running, as interrupted.
    fn add_interrupted(&self, cases: &mut Vec<CaseOutcome>, selection: &Selection<'_>) {
        let signal = self.options.interrupt.name().unwrap_or_default();
        for id in running_cases().into_iter().filter(|id| selection.cases.contains(&id)) {
            if !cases.iter().any(|case| case.id == id) {
                let mode = RunMode { is_unreported: true, keeps_outputs: false };
                cases.push(self.aborted(&id, mode, Problem::Interrupted { signal: signal.clone() }));
            }
        }
    }

    /// Runs every chain without snapshots, and returns the cases with a tolerance for chained runs that are outside of it or
    /// could not be run chained.
    pub fn check_chains(&self, tree: &Tree) -> Vec<CaseOutcome> {
        let is_chained =
            |problem: &Problem| matches!(problem, Problem::ChainedOutside { .. } | Problem::NotChained { .. });
        let cases = Mutex::new(Vec::new());
        let report = |case: CaseOutcome| {
            if case.problems.iter().chain(case.outputs.iter().flat_map(|output| &output.problems)).any(is_chained) {
                cases.lock().unwrap_or_else(PoisonError::into_inner).push(case);
            }
        };
        self.run_chained(&tree.cases, true, |_| true, report);
        let mut cases = cases.into_inner().unwrap_or_else(PoisonError::into_inner);
        cases.sort_by(|a, b| a.id.cmp(&b.id));
        cases
    }

    /// Runs one case.
    pub fn run_case(&self, id: &CaseId) -> CaseOutcome {
        self.run_in_mode(id, RunMode::default()).0
    }

    /// Returns the outcome of a case that exceeded its time limit while it still runs on another thread.
    pub fn timeout_outcome(&self, id: &CaseId, limit: Duration) -> CaseOutcome {
        self.aborted(id, RunMode::default(), Problem::TimedOut { limit, printed: Vec::new() })
    }

    /// Returns the outcome of a case that was aborted while it ran.
    fn aborted(&self, id: &CaseId, mode: RunMode, problem: Problem) -> CaseOutcome {
        let outcome = self.incomplete(id, mode, vec![problem]);
        match self.suites.case(id) {
            Ok(case) => CaseOutcome { checkpoint: Some(case.checkpoint), inherited: case.inherited, ..outcome },
            Err(_) => outcome,
        }
    }

    /// Returns the outcome of a file or folder of the tree that cannot be read or is not a valid case.
    pub fn problem_outcome(&self, id: &CaseId, what: &str) -> CaseOutcome {
        let mut outcome = self.incomplete(id, RunMode::default(), vec![Problem::Error { text: what.to_owned() }]);
        // For a suite the id is the path of its file.
        let place = id.below(&self.goldens.root);
        if place.is_file() {
            outcome.file = place;
        }
        outcome
    }

    /// Finds the selected snapshots without a case. Returns an outcome for each folder, or a broken one if the snapshots folder
    /// cannot be searched. Finds nothing if only accuracy is checked, or if `cargo insta test --unreferenced` handles orphans.
    pub fn find_orphans(&self, tree: &Tree, filter: &Filter) -> Vec<CaseOutcome> {
        let Some(recorder) = self.drift_gate(RunMode::default()).filter(|recorder| !recorder.leaves_orphans_to_insta())
        else {
            return Vec::new();
        };
        // Snapshots of outputs that a known case no longer has are found when the case runs.
        let is_known = |id: &CaseId, _: &str| tree.cases.binary_search(id).is_ok() || tree.problems.contains_key(id);
        let index = self.load_snapshot_index();
        let mut outcomes = Vec::new();
        match index.check() {
            Ok(()) => {}
            // Every case reports this error when it looks for its snapshot.
            Err(Error::Snapshot { .. }) if !tree.cases.is_empty() => {}
            Err(error) => {
                let problems = vec![Problem::from_error(&error)];
                outcomes.push(CaseOutcome::new(&Orphan::root_id(), self.goldens.snapshots.clone(), None, problems));
            }
        }
        let mut folders: BTreeMap<(CaseId, bool), Vec<OutputOutcome>> = BTreeMap::new();
        let selected = self.goldens.selected();
        for orphan in index.orphans(is_known) {
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
            CaseOutcome { verdict: Verdict::Orphaned, outputs, ..CaseOutcome::new(&id, file, None, Vec::new()) }
        }));
        outcomes
    }
}

/// Rejects a target folder inside goldens or snapshots, directly or through a link: actual tensors would be written there.
fn check_target(target: &Path, goldens: &Goldens) -> Result<()> {
    let real = |folder: &Path| folder.canonicalize().ok();
    let contains_target = |folder: &Path| {
        let is_linked = || real(target).zip(real(folder)).is_some_and(|(target, folder)| target.starts_with(folder));
        target.starts_with(folder) || is_linked()
    };
    let Some(folder) = [&goldens.root, &goldens.snapshots].into_iter().find(|folder| contains_target(folder)) else {
        return Ok(());
    };
    let remedy = if target.starts_with(folder) { "move that folder" } else { "remove the link" };
    Err(Error::Usage(format!(
        "the target folder {} is inside {}, where a run must not write; {remedy}, or set CARGO_TARGET_DIR to another folder",
        target.display(),
        folder.display()
    )))
}

/// Returns the error of a run that selects no case.
pub(crate) fn empty_selection_error(goldens: &Goldens, tree: &Tree, filter: &Filter) -> Error {
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
