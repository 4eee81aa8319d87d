//! A run from its parts: the cases of a tree, its problems, the snapshots that belong to nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::chain::{ChainOutcome, follow};
use super::checkpoint::Executor;
use super::examine::Examiner;
use super::interrupt::Interrupt;
use super::options::{Filter, Following, Options, Stop};
use super::outcome::{CaseOutcome, Gate, Gates, OutputOutcome, Problem, RunOutcome, Verdict};
use super::partition::Selection;
use super::snapshot::{Orphan, Recorder, in_ci};
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

impl Session {
    /// A session over those goldens with that executor.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] where a setting of insta would turn the gate off or is invalid.
    pub fn new(goldens: Goldens, executor: Executor, options: Options) -> Result<Session> {
        let mut recorder = Recorder::new(&goldens.root, &goldens.snapshots, options.caller)?;
        if options.ci {
            recorder.assume_ci();
        }
        if options.gates == Gates::Both {
            recorder.check_settings()?;
        }
        let gate = Gate {
            ci: options.ci || in_ci(),
            allowed_skips: options.allowed_skips.clone(),
            reviewed: recorder.is_reviewed(),
        };
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

    /// Where actual tensors of outputs that did not pass are kept.
    pub(super) fn kept_folder(&self) -> &Path {
        &self.keep
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
        let selection = filter.select(tree);
        let ids = &selection.cases;
        let report = |outcome: CaseOutcome| {
            progress(&outcome);
            outcome
        };
        let (mut cases, chains) = match self.options.following {
            Following::Isolated => (self.isolated(ids, &report), None),
            Following::Chained => follow(&self.examiner(), &tree.cases, |id| ids.binary_search(&id).is_ok(), &report),
        };
        cases.extend(selection.problems.iter().map(|(id, what)| report(self.problem(id, what))));
        let orphans = self.orphans(tree, filter);
        if selection.is_empty && orphans.is_empty() {
            return Err(nothing_selected(&self.goldens, tree, filter));
        }
        if selection.holds_the_rest() {
            cases.extend(orphans.into_iter().map(report));
        }
        Ok(self.conclude(tree, filter, &selection, cases, chains, started))
    }

    /// The outcome of a run of which that was found out.
    pub(super) fn conclude(
        &self,
        tree: &Tree,
        filter: &Filter,
        selection: &Selection<'_>,
        mut cases: Vec<CaseOutcome>,
        chains: Option<Vec<ChainOutcome>>,
        started: Instant,
    ) -> RunOutcome {
        cases.sort_by(|a, b| a.id.cmp(&b.id));
        let is_done = |id: &&&CaseId| cases.binary_search_by(|case| case.id.cmp(id)).is_ok();
        let not_run = selection.cases.len() - selection.cases.iter().filter(is_done).count();
        RunOutcome {
            root: self.goldens.root.clone(),
            snapshots: self.goldens.snapshots.clone(),
            executor: self.executor.name().to_owned(),
            gates: self.options.gates,
            cases,
            chains,
            filtered_out: selection.filtered_out,
            partition: selection.partition.clone().map(|partition| {
                let whole = Filter { shard: None, ..filter.clone() };
                partition.with_contents(&self.goldens, &whole.select(tree))
            }),
            not_run,
            gate: self.gate.clone(),
            interrupted: self.interrupt().name(),
            elapsed: started.elapsed(),
        }
    }

    /// What stops the run before its end.
    pub(super) fn interrupt(&self) -> &Interrupt {
        &self.options.interrupt
    }

    /// Runs those cases; where the first failure ends the run, not those that were not started before it.
    fn isolated(&self, ids: &[&CaseId], report: &(impl Fn(CaseOutcome) -> CaseOutcome + Sync)) -> Vec<CaseOutcome> {
        let is_over = AtomicBool::new(false);
        let run = |id: &&CaseId| {
            if is_over.load(Ordering::Relaxed) {
                return None;
            }
            let case = report(self.case(id));
            if self.options.stop == Stop::AtFirstFailure && self.gate.fails(&case) {
                is_over.store(true, Ordering::Relaxed);
            }
            Some(case)
        };
        self.examiner().share(ids, run).into_iter().flatten().collect()
    }

    /// Follows every chain, and returns the cases that are outside their tolerance for a chained run, or that have one and
    /// could not be followed to. It looks at no snapshot.
    pub fn chained(&self, tree: &Tree) -> Vec<CaseOutcome> {
        // Each case records and keeps by itself.
        let (cases, _) = follow(&self.examiner().aside(), &tree.cases, |_| true, &|case| case);
        let is_chained =
            |problem: &Problem| matches!(problem, Problem::ChainedOutside { .. } | Problem::NotChained { .. });
        let of = |case: &CaseOutcome| {
            case.problems.iter().chain(case.outputs.iter().flat_map(|output| &output.problems)).any(is_chained)
        };
        cases.into_iter().filter(of).collect()
    }

    /// Runs one case.
    pub fn case(&self, id: &CaseId) -> CaseOutcome {
        self.examiner().examine(id).0
    }

    /// Runs one case in this process, whatever the options say.
    pub fn here(&self, id: &CaseId) -> CaseOutcome {
        Examiner { isolation: None, ..self.examiner() }.examine(id).0
    }

    /// The outcome of a case that takes longer than that, from another thread than that which runs it.
    pub fn timed_out(&self, id: &CaseId, limit: Duration) -> CaseOutcome {
        let checkpoint = Case::load(&self.goldens.root, id).ok().map(|case| case.checkpoint);
        self.examiner().stopped(id, checkpoint, vec![Problem::TimedOut { limit, printed: Vec::new() }])
    }

    /// What runs one case.
    pub(super) fn examiner(&self) -> Examiner<'_> {
        let Session { goldens, executor, recorder, options, gate: _, keep } = self;
        let recorder = Some(recorder).filter(|_| options.gates == Gates::Both);
        let isolation = options.isolation.as_ref();
        Examiner { goldens, executor, options, recorder, keep: Some(keep), isolation, yields: false }
    }

    /// The outcome of what could not be walked, or may not be a case.
    pub fn problem(&self, id: &CaseId, what: &str) -> CaseOutcome {
        let outcome = self.examiner().stopped(id, None, vec![Problem::Error(what.to_owned())]);
        let place = id.below(&self.goldens.root);
        // A suite, which is no folder.
        CaseOutcome { file: if place.is_file() { place } else { outcome.file.clone() }, ..outcome }
    }

    /// Every snapshot without a case, among what the filter selects, a case outcome for each folder; or a broken one where
    /// the snapshots folder cannot be searched. None where accuracy alone is a gate, and where `cargo insta test --unreferenced` sees to them.
    pub fn orphans(&self, tree: &Tree, filter: &Filter) -> Vec<CaseOutcome> {
        let Some(recorder) = self.examiner().recorder.filter(|recorder| !recorder.leaves_orphans()) else {
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
                file: id.below(&self.goldens.root).join("case.json"),
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
