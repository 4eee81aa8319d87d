//! One case: read, run, judged.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::checkpoint::{Executor, Inputs};
use super::execute::{Executed, Gathered, execute, gather};
use super::isolate::Isolation;
use super::judge::{Held, hold_all, keep_actual};
use super::options::{Options, Skips};
use super::outcome::{CaseOutcome, OutputOutcome, Problem, Verdict};
use super::running::begin;
use super::survey::Survey;
use crate::case::{Case, CaseId, Goldens};
use crate::snapshot::Recorder;
use crate::tensor::Tensor;

/// Everything that one case needs to be run.
#[derive(Clone, Copy)]
pub(super) struct Examiner<'a> {
    pub(super) goldens: &'a Goldens,
    pub(super) survey: &'a Survey,
    pub(super) executor: &'a Executor,
    pub(super) options: &'a Options,
    /// What holds summaries against snapshots, where drift is a gate.
    pub(super) recorder: Option<&'a Recorder>,
    /// Where accuracy alone is a gate and drift is told all the same.
    pub(super) past: Option<&'a Recorder>,
    /// Where actual tensors of outputs that did not pass are kept, where they are.
    pub(super) keep: Option<&'a Path>,
    /// How cases are given a process of their own, where they are.
    pub(super) isolation: Option<&'a Isolation>,
    /// Whether somebody asks for what came out, besides what is said of it.
    pub(super) yields: bool,
}

/// What a case that ran was given, and what came out.
pub(super) struct Ran {
    pub(super) case: Case,
    pub(super) inputs: Inputs,
    pub(super) outputs: BTreeMap<String, Tensor>,
}

/// Why a case without a reference is not run where no snapshot is looked at: nothing would hold it.
const SNAPSHOT_ONLY: &str = "it names no reference: its snapshot alone holds it, and here no snapshot is looked at";

impl Examiner<'_> {
    /// The same, which records nothing and keeps nothing: for a case that somebody else tells of.
    pub(super) fn aside(&self) -> Self {
        Examiner { recorder: None, past: None, keep: None, ..*self }
    }

    /// Makes of an output that passed by itself one that does not: nothing of it is left for review, and the actual tensor
    /// that is outside is kept.
    pub(super) fn spoil(&self, id: &CaseId, output: &mut OutputOutcome, actual: &Tensor) {
        if let Some(Err(error)) = self.recorder.map(|recorder| recorder.touch(id, &output.name)) {
            let problem = Problem::from_error("", &error);
            output.verdict = output.verdict.min(problem.verdict());
            output.problems.push(problem);
        }
        if let Some(keep) = self.keep {
            keep_actual(keep, id, output, actual);
        }
    }

    /// Runs one case, and returns what it was given and what came out, where it ran.
    pub(super) fn examine(&self, id: &CaseId) -> (CaseOutcome, Option<Ran>) {
        let case = match self.survey.suites.case(id) {
            Ok(case) => case,
            Err(error) => {
                return (self.stopped(id, None, vec![Problem::from_error("", &error)]), None);
            }
        };
        let inherited = case.inherited.clone();
        let (outcome, ran) = self.take(case);
        (CaseOutcome { inherited, ..outcome }, ran)
    }

    /// Runs a case that was read.
    fn take(&self, case: Case) -> (CaseOutcome, Option<Ran>) {
        let id = &case.id;
        let stopped = |problems| (self.stopped(id, Some(case.checkpoint.clone()), problems), None);
        if let (Some(reason), Skips::Honoured) = (&case.skip, self.options.skips) {
            return stopped(vec![Problem::Skipped { reason: reason.clone() }]);
        }
        if case.outputs.is_empty() && self.recorder.is_none() {
            return stopped(vec![Problem::Skipped { reason: SNAPSHOT_ONLY.to_owned() }]);
        }
        if let Some(isolation) = self.isolation(&case) {
            return self.apart(isolation, case);
        }
        let _running = begin(id);
        let Gathered { inputs, digests } = match gather(self.goldens, &self.survey.suites, &case) {
            Ok(gathered) => gathered,
            Err(problems) => return stopped(problems),
        };
        match execute(self.executor, &case, &inputs, self.options.repeats.get()) {
            Err(problem) => stopped(vec![problem]),
            Ok(Executed { outputs, unstable, elapsed }) => {
                let held = Held {
                    case: &case,
                    inputs: &inputs,
                    digests: &digests,
                    unstable: &unstable,
                    survey: self.survey,
                    recorder: self.recorder,
                    past: self.past,
                    keep: self.keep,
                    explain: self.options.explain,
                    pictures: self.options.pictures,
                };
                (self.finish(&case, hold_all(&held, &outputs), elapsed), Some(Ran { case, inputs, outputs }))
            }
        }
    }

    /// The outcome of a case that could not run; its snapshots count as referenced all the same.
    pub(super) fn stopped(&self, id: &CaseId, checkpoint: Option<String>, mut problems: Vec<Problem>) -> CaseOutcome {
        if let Some(Err(error)) = self.recorder.map(|recorder| recorder.touch_all(id)) {
            problems.push(Problem::from_error("", &error));
        }
        CaseOutcome::whole(id, id.below(&self.goldens.root).join("case.json"), checkpoint, problems)
    }

    /// The outcome of a case that ran.
    fn finish(&self, case: &Case, outputs: Vec<OutputOutcome>, elapsed: Duration) -> CaseOutcome {
        let problems = match outputs.is_empty() {
            true => {
                vec![Problem::Failed { text: "the checkpoint returned no output, and the case names none".to_owned() }]
            }
            false => Vec::new(),
        };
        let worst = outputs.iter().map(|output| output.verdict).min();
        CaseOutcome {
            id: case.id.clone(),
            file: case.file.clone(),
            inherited: BTreeMap::new(),
            checkpoint: Some(case.checkpoint.clone()),
            verdict: worst.unwrap_or(Verdict::Broken),
            problems,
            outputs,
            snapshot_only: case.outputs.is_empty(),
            elapsed,
        }
    }

    /// Does that work for each of those cases, as many at a time as there are jobs, and begins none once the run is
    /// interrupted.
    ///
    /// On threads of their own, not on rayon's: a checkpoint that waits for rayon inside a lock would be handed another
    /// case to run meanwhile, on the thread that holds the lock.
    pub(super) fn share<I: Sync, O: Send>(&self, cases: &[I], work: impl Fn(&I) -> O + Sync) -> Vec<O> {
        let next = AtomicUsize::new(0);
        let some = || {
            let interrupt = &self.options.interrupt;
            let take = || cases.get(next.fetch_add(1, Ordering::Relaxed)).filter(|_| interrupt.signal().is_none());
            let cases = std::iter::from_fn(take);
            cases.map(&work).collect::<Vec<_>>()
        };
        thread::scope(|scope| {
            let jobs = self.options.jobs.get().min(cases.len()).max(1);
            let threads: Vec<_> = (1..jobs).map(|_| scope.spawn(some)).collect();
            let mut done = some();
            for thread in threads {
                // A checkpoint's panic is caught; this would be karat's own.
                done.extend(thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
            done
        })
    }
}
