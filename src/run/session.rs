//! A run from its parts: the cases of a tree, its problems, the snapshots that belong to nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::chain::{ChainOutcome, follow};
use super::checkpoint::Executor;
use super::interrupt::Interrupt;
use super::journal::Journal;
use super::options::{Filter, Following, Options, Stop};
use super::outcome::{CaseOutcome, Gate, Gates, OutputOutcome, Problem, RunOutcome, Verdict};
use super::partition::Selection;
use super::survey::Survey;
use crate::case::{Case, CaseId, Goldens, Tree};
use crate::error::{Error, Result};
use crate::fs::sweep;
use crate::run::examine::Examiner;
use crate::snapshot::{Orphan, Recorder, Shelf, in_ci};

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
        // A run of another executor leaves what the gate has kept.
        let folder = match options.gates {
            Gates::Both => "karat".to_owned(),
            Gates::Accuracy => format!("karat-{}", executor.name()),
        };
        // Members of a workspace share one target folder, and may have cases of one name: `karat+crates+port`.
        let member = recorder.member();
        let member: String = member.iter().map(|part| format!("+{}", part.to_string_lossy())).collect();
        let target = recorder.workspace().join(target);
        check_target(&target, &goldens)?;
        let keep = target.join(folder + &member);
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
    /// [`Error::NoCases`] where there is no case; [`Error::Usage`] where none is selected, naming root and filter.
    pub fn run(&self, tree: &Tree, filter: &Filter, progress: impl Fn(&CaseOutcome) + Sync) -> Result<RunOutcome> {
        self.run_into(&Journal::default(), tree, filter, progress)
    }

    /// The same; what is done so far is in the journal, until the outcome of the whole is made of it.
    pub(super) fn run_into(
        &self,
        journal: &Journal,
        tree: &Tree,
        filter: &Filter,
        progress: impl Fn(&CaseOutcome) + Sync,
    ) -> Result<RunOutcome> {
        let started = Instant::now();
        // What a run before this one was writing when it was killed.
        sweep(&[&self.keep]);
        let selection = filter.select(tree);
        let ids = &selection.cases;
        let report = |outcome: CaseOutcome| {
            progress(&outcome);
            journal.add(outcome);
        };
        let survey = self.survey();
        let chains = match self.options.following {
            Following::Isolated => {
                self.isolated(&survey, ids, &report);
                None
            }
            Following::Chained => {
                let note = |outcome: CaseOutcome| {
                    report(outcome.clone());
                    outcome
                };
                let is_selected = |id: &CaseId| ids.binary_search(&id).is_ok();
                let (cases, chains) = follow(&self.examiner(&survey), &tree.cases, is_selected, &note);
                // What was found out since they were reported is in these.
                journal.replace(cases);
                chains
            }
        };
        selection.problems.iter().for_each(|(id, what)| report(self.problem(id, what)));
        let orphans = self.orphans_in(&survey, tree, filter);
        if selection.is_empty && orphans.is_empty() {
            return Err(nothing_selected(&self.goldens, tree, filter));
        }
        if selection.holds_the_rest() {
            orphans.into_iter().for_each(report);
        }
        let cases = journal.take().unwrap_or_default();
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
    fn isolated(&self, survey: &Survey, ids: &[&CaseId], report: &(impl Fn(CaseOutcome) + Sync)) {
        let is_over = AtomicBool::new(false);
        let examiner = self.examiner(survey);
        let run = |id: &&CaseId| {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            let (case, _) = examiner.examine(id);
            let is_last = self.options.stop == Stop::AtFirstFailure && self.gate.fails(&case);
            report(case);
            if is_last {
                is_over.store(true, Ordering::Relaxed);
            }
        };
        examiner.share(ids, run);
    }

    /// Follows every chain, and returns the cases that are outside their tolerance for a chained run, or that have one and
    /// could not be followed to. It looks at no snapshot.
    pub fn chained(&self, tree: &Tree) -> Vec<CaseOutcome> {
        // Each case records and keeps by itself.
        let survey = self.survey();
        let (cases, _) = follow(&self.examiner(&survey).aside(), &tree.cases, |_| true, &|case| case);
        let is_chained =
            |problem: &Problem| matches!(problem, Problem::ChainedOutside { .. } | Problem::NotChained { .. });
        let of = |case: &CaseOutcome| {
            case.problems.iter().chain(case.outputs.iter().flat_map(|output| &output.problems)).any(is_chained)
        };
        cases.into_iter().filter(of).collect()
    }

    /// Looks up what the cases of one run have in common.
    pub(crate) fn survey(&self) -> Survey {
        Survey::of_run(&self.goldens, &self.keep)
    }

    /// Runs one case.
    pub fn case(&self, id: &CaseId) -> CaseOutcome {
        self.case_in(&Survey::of_one(&self.goldens), id)
    }

    /// Runs one case of many.
    pub(crate) fn case_in(&self, survey: &Survey, id: &CaseId) -> CaseOutcome {
        self.examiner(survey).examine(id).0
    }

    /// Runs one case in this process, whatever the options say.
    pub fn here(&self, id: &CaseId) -> CaseOutcome {
        let survey = Survey::of_one(&self.goldens);
        Examiner { isolation: None, ..self.examiner(&survey) }.examine(id).0
    }

    /// The outcome of a case that takes longer than that, from another thread than that which runs it.
    pub fn timed_out(&self, id: &CaseId, limit: Duration) -> CaseOutcome {
        let case = Case::load(&self.goldens.root, id).ok();
        let (checkpoint, inherited) = case.map(|case| (case.checkpoint, case.inherited)).unzip();
        let problems = vec![Problem::TimedOut { limit, printed: Vec::new() }];
        let outcome = self.examiner(&Survey::of_one(&self.goldens)).stopped(id, checkpoint, problems);
        CaseOutcome { inherited: inherited.unwrap_or_default(), ..outcome }
    }

    /// What runs one case.
    pub(super) fn examiner<'a>(&'a self, survey: &'a Survey) -> Examiner<'a> {
        let Session { goldens, executor, recorder: _, options, gate: _, keep } = self;
        let isolation = options.isolation.as_ref();
        let recorder = self.holding();
        let past = Some(&self.recorder).filter(|_| options.looks_back);
        Examiner { goldens, survey, executor, options, recorder, past, keep: Some(keep), isolation, yields: false }
    }

    /// What holds summaries against snapshots, where drift is a gate.
    fn holding(&self) -> Option<&Recorder> {
        Some(&self.recorder).filter(|_| self.options.gates == Gates::Both)
    }

    /// The outcome of what could not be walked, or may not be a case.
    pub fn problem(&self, id: &CaseId, what: &str) -> CaseOutcome {
        let survey = Survey::of_one(&self.goldens);
        let outcome = self.examiner(&survey).stopped(id, None, vec![Problem::Error { text: what.to_owned() }]);
        let place = id.below(&self.goldens.root);
        // A suite, which is no folder.
        CaseOutcome { file: if place.is_file() { place } else { outcome.file.clone() }, ..outcome }
    }

    /// Every snapshot without a case, among what the filter selects, a case outcome for each folder; or a broken one where
    /// the snapshots folder cannot be searched. None where accuracy alone is a gate, and where `cargo insta test --unreferenced` sees to them.
    pub fn orphans(&self, tree: &Tree, filter: &Filter) -> Vec<CaseOutcome> {
        self.orphans_in(&self.survey(), tree, filter)
    }

    /// The same, where somebody has looked already at which snapshots there are.
    pub(crate) fn orphans_in(&self, survey: &Survey, tree: &Tree, filter: &Filter) -> Vec<CaseOutcome> {
        let Some(recorder) = self.holding().filter(|recorder| !recorder.leaves_orphans()) else {
            return Vec::new();
        };
        // What a known case does not produce any more is found when the case runs.
        let is_known = |id: &CaseId, _: &str| tree.cases.binary_search(id).is_ok() || tree.problems.contains_key(id);
        let own;
        let shelf = match survey.whole(recorder) {
            Some(shelf) => shelf,
            None => {
                own = Shelf::read(recorder.snapshots());
                &own
            }
        };
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
        for orphan in shelf.orphans(recorder.snapshots(), is_known) {
            let is_in_root = orphan.is_in_root(recorder.snapshots());
            let Orphan { id, output, path } = orphan;
            if id.below(&self.goldens.root).starts_with(&selected) && filter.selects(&id) {
                folders.entry((id, is_in_root)).or_default().push(OutputOutcome::orphaned(output, path));
            }
        }
        let found = folders.into_iter().map(|((id, is_in_root), outputs)| CaseOutcome {
            file: match is_in_root {
                true => self.goldens.snapshots.clone(),
                false => id.below(&self.goldens.root).join("case.json"),
            },
            id,
            inherited: BTreeMap::new(),
            checkpoint: None,
            verdict: Verdict::Orphaned,
            problems: Vec::new(),
            outputs,
            snapshot_only: false,
            elapsed: Duration::ZERO,
        });
        outcomes.extend(found);
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
