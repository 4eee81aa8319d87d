//! A run from its parts: one case at a time, or all of them on a pool of threads.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::checkpoint::Executor;
use super::execute::{Executed, Gathered, execute, gather};
use super::explanation::Explain;
use super::judge::{Held, hold_all};
use super::outcome::{CaseOutcome, Gate, Gates, OutputOutcome, Problem, RunOutcome, Verdict};
use super::snapshot::{Caller, Orphan, Recorder, in_ci};
use crate::error::{Error, Result};
use crate::golden::{Case, CaseId, Goldens, Tree};

/// Everything that a run needs besides the list of cases.
#[derive(Debug)]
pub struct Session {
    goldens: Goldens,
    executor: Executor,
    recorder: Recorder,
    options: Options,
    gate: Gate,
    /// Where actual tensors of outputs that did not pass are kept.
    keep: PathBuf,
}

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many cases run at a time.
    pub jobs: NonZeroUsize,
    /// How often each checkpoint is called; all calls must agree bit for bit.
    pub repeats: NonZeroUsize,
    /// The ids of the cases that may be skipped in CI.
    pub allowed_skips: Vec<String>,
    /// Who calls: whether `cargo insta test` can be driving this process.
    pub caller: Caller,
    /// Whether cases with a `skip` run all the same.
    pub skips: Skips,
    /// What outputs are held against.
    pub gates: Gates,
    /// What finds the reason of a mismatch, where somebody wants to know.
    pub explain: Option<Explain>,
}

/// What becomes of a case with a written `skip`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Skips {
    /// It is not run.
    #[default]
    Honoured,
    /// It is run as if it had none.
    Ignored,
}

/// Which cases of a tree are run.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A case is selected if its id contains one of these; an empty list selects all.
    pub patterns: Vec<String>,
}

/// Why a case without a reference is not run where no snapshot is looked at: nothing would hold it.
const SNAPSHOT_ONLY: &str = "it names no reference: its snapshot alone holds it, and here no snapshot is looked at";

impl Filter {
    /// Whether that case is selected.
    #[must_use]
    pub fn selects(&self, id: &CaseId) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(|pattern| id.as_str().contains(pattern))
    }
}

impl Default for Options {
    /// As many jobs as there are processors, one call a checkpoint, no skip allowed in CI, called by a command line.
    fn default() -> Options {
        Options {
            jobs: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            repeats: NonZeroUsize::MIN,
            allowed_skips: Vec::new(),
            caller: Caller::default(),
            skips: Skips::default(),
            gates: Gates::default(),
            explain: None,
        }
    }
}

impl Session {
    /// A session over those goldens with that executor.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] where a setting of insta would turn the gate off or is invalid.
    pub fn new(goldens: Goldens, executor: Executor, options: Options) -> Result<Session> {
        let recorder = Recorder::new(&goldens.root, &goldens.snapshots, options.caller)?;
        if options.gates == Gates::Both {
            recorder.check_settings()?;
        }
        let gate = Gate { ci: in_ci(), allowed_skips: options.allowed_skips.clone(), reviewed: recorder.is_reviewed() };
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        // A run of another executor leaves what the gate has kept.
        let folder = match options.gates {
            Gates::Both => "karat".to_owned(),
            Gates::Accuracy => format!("karat-{}", executor.name()),
        };
        let keep = recorder.workspace().join(target).join(folder);
        Ok(Session { goldens, executor, recorder, options, gate, keep })
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

    /// Runs the cases of the tree that the filter selects, and looks for orphaned snapshots among what it selects.
    ///
    /// `progress` is called once a case as it finishes, from any thread.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] where nothing is selected, naming root and filter.
    pub fn run(&self, tree: &Tree, filter: &Filter, progress: impl Fn(&CaseOutcome) + Sync) -> Result<RunOutcome> {
        let started = Instant::now();
        let ids: Vec<&CaseId> = tree.cases.iter().filter(|id| filter.selects(id)).collect();
        let report = |outcome: CaseOutcome| {
            progress(&outcome);
            outcome
        };
        let mut cases = self.each(&ids, &report);
        cases.extend(self.tree_problems(tree, filter).into_iter().map(report));
        cases.extend(self.orphans(tree, filter).into_iter().map(report));
        if cases.is_empty() {
            return Err(nothing_selected(&self.goldens, tree, filter));
        }
        cases.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(RunOutcome {
            root: self.goldens.root.clone(),
            snapshots: self.goldens.snapshots.clone(),
            executor: self.executor.name().to_owned(),
            gates: self.options.gates,
            cases,
            filtered_out: tree.cases.len() - ids.len(),
            gate: self.gate.clone(),
            elapsed: started.elapsed(),
        })
    }

    /// Runs those cases, as many at a time as there are jobs.
    ///
    /// On threads of their own, not on rayon's: a checkpoint that waits for rayon inside a lock would be handed another
    /// case to run meanwhile, on the thread that holds the lock.
    fn each(&self, ids: &[&CaseId], report: &(impl Fn(CaseOutcome) -> CaseOutcome + Sync)) -> Vec<CaseOutcome> {
        let next = AtomicUsize::new(0);
        let work = || {
            let ids = std::iter::from_fn(|| ids.get(next.fetch_add(1, Ordering::Relaxed)));
            ids.map(|id| report(self.case(id))).collect::<Vec<_>>()
        };
        thread::scope(|scope| {
            let jobs = self.options.jobs.get().min(ids.len()).max(1);
            let threads: Vec<_> = (1..jobs).map(|_| scope.spawn(work)).collect();
            let mut cases = work();
            for thread in threads {
                // A checkpoint's panic is caught; this would be karat's own.
                cases.extend(thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
            cases
        })
    }

    /// Runs one case.
    pub fn case(&self, id: &CaseId) -> CaseOutcome {
        let case = match Case::load(&self.goldens.root, id) {
            Ok(case) => case,
            Err(error) => {
                return self.stopped(id, None, vec![Problem::from_error("", &error)]);
            }
        };
        let stopped = |problems| self.stopped(id, Some(case.checkpoint.clone()), problems);
        if let (Some(reason), Skips::Honoured) = (&case.skip, self.options.skips) {
            return stopped(vec![Problem::Skipped(reason.clone())]);
        }
        if case.outputs.is_empty() && self.options.gates == Gates::Accuracy {
            return stopped(vec![Problem::Skipped(SNAPSHOT_ONLY.to_owned())]);
        }
        let Gathered { inputs, digests } = match gather(&self.goldens, &case) {
            Ok(gathered) => gathered,
            Err(problems) => return stopped(problems),
        };
        match execute(&self.executor, &case, &inputs, self.options.repeats.get()) {
            Err(problem) => stopped(vec![problem]),
            Ok(Executed { outputs, unstable, elapsed }) => {
                let held = Held {
                    case: &case,
                    inputs: &inputs,
                    digests: &digests,
                    unstable: &unstable,
                    recorder: self.gating_recorder(),
                    keep: &self.keep,
                    explain: self.options.explain,
                };
                self.finish(&case, hold_all(&held, &outputs), elapsed)
            }
        }
    }

    /// The recorder where drift is a gate.
    fn gating_recorder(&self) -> Option<&Recorder> {
        Some(&self.recorder).filter(|_| self.options.gates == Gates::Both)
    }

    /// The outcome of a case that could not run; its snapshots count as referenced all the same.
    fn stopped(&self, id: &CaseId, checkpoint: Option<String>, mut problems: Vec<Problem>) -> CaseOutcome {
        if let Some(Err(error)) = self.gating_recorder().map(|recorder| recorder.touch_all(id)) {
            problems.push(Problem::from_error("", &error));
        }
        CaseOutcome::whole(id, self.file(id), checkpoint, problems)
    }

    /// The outcome of a case that ran.
    fn finish(&self, case: &Case, outputs: Vec<OutputOutcome>, elapsed: Duration) -> CaseOutcome {
        let problems = match outputs.is_empty() {
            true => vec![Problem::Failed("the checkpoint returned no output, and case.json names none".to_owned())],
            false => Vec::new(),
        };
        let worst = outputs.iter().map(|output| output.verdict).min();
        CaseOutcome {
            id: case.id.clone(),
            file: case.file.clone(),
            checkpoint: Some(case.checkpoint.clone()),
            verdict: worst.unwrap_or(Verdict::Broken),
            problems,
            outputs,
            snapshot_only: case.outputs.is_empty(),
            elapsed,
        }
    }

    /// What could not be walked, or may not be a case, among what the filter selects.
    fn tree_problems(&self, tree: &Tree, filter: &Filter) -> Vec<CaseOutcome> {
        tree.problems.iter().filter(|(id, _)| filter.selects(id)).map(|(id, what)| self.problem(id, what)).collect()
    }

    /// The outcome of what could not be walked, or may not be a case.
    pub fn problem(&self, id: &CaseId, what: &str) -> CaseOutcome {
        self.stopped(id, None, vec![Problem::Error(what.to_owned())])
    }

    /// Every snapshot without a case, among what the filter selects, a case outcome for each folder; or a broken one where
    /// the snapshots folder cannot be searched. None where accuracy alone is a gate, and where `cargo insta test --unreferenced` sees to them.
    pub fn orphans(&self, tree: &Tree, filter: &Filter) -> Vec<CaseOutcome> {
        let Some(recorder) = self.gating_recorder().filter(|recorder| !recorder.leaves_orphans()) else {
            return Vec::new();
        };
        // What a known case does not produce any more is found when the case runs.
        let known = tree.cases.iter().chain(tree.problems.keys()).map(|id| (id.clone(), None)).collect();
        let orphans = match recorder.orphans(&known) {
            Ok(orphans) => orphans,
            // Every case that looks for its snapshot there says so itself.
            Err(Error::Snapshot { .. }) if !tree.cases.is_empty() => return Vec::new(),
            Err(error) => {
                let id = CaseId::new("snapshots").expect("a word is an id");
                let problems = vec![Problem::from_error("", &error)];
                return vec![CaseOutcome::whole(&id, self.goldens.snapshots.clone(), None, problems)];
            }
        };
        let mut folders: BTreeMap<CaseId, Vec<OutputOutcome>> = BTreeMap::new();
        let selected = self.goldens.selected();
        for Orphan { id, output, path } in orphans {
            if id.below(&self.goldens.root).starts_with(&selected) && filter.selects(&id) {
                folders.entry(id).or_default().push(OutputOutcome::orphaned(output, path));
            }
        }
        folders
            .into_iter()
            .map(|(id, outputs)| CaseOutcome {
                file: self.file(&id),
                id,
                checkpoint: None,
                verdict: Verdict::Orphaned,
                problems: Vec::new(),
                outputs,
                snapshot_only: false,
                elapsed: Duration::ZERO,
            })
            .collect()
    }

    fn file(&self, id: &CaseId) -> PathBuf {
        id.below(&self.goldens.root).join("case.json")
    }
}

/// The error of a run that would have run nothing.
pub(crate) fn nothing_selected(goldens: &Goldens, tree: &Tree, filter: &Filter) -> Error {
    let place = goldens.selected();
    Error::Usage(if tree.cases.is_empty() {
        format!("no case below {}: a case is a folder that holds a case.json", place.display())
    } else {
        let patterns = filter.patterns.join("`, `");
        format!("the filter `{patterns}` selects none of the {} cases below {}", tree.cases.len(), place.display())
    })
}
