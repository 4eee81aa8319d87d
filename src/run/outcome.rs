//! Outcomes of runs, cases and outputs: verdicts, measurements and times. Used by the code that runs cases and by reports.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::chain::{ChainOutcome, Difference};
use super::partition::Partition;
use crate::case::CaseId;
use crate::compare::{Comparison, Mismatch, Picture, Summary, Tolerance, Vacuous};
use crate::error::Error;
use crate::explain::Explanation;
use crate::snapshot::Drift;
use crate::tensor::value::{Float, nullable};
use crate::text::word::words;

/// The verdict on an output, a case or a run, ordered from worst to best: a case has the minimum of its outputs' verdicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The check could not be completed: an error, a panic, bad files.
    Broken,
    /// A tensor that `case.json` names does not exist.
    Missing,
    /// Outside tolerance, or a different shape, dtype or NaN position.
    Mismatch,
    /// A snapshot without a case.
    Orphaned,
    /// A case without a snapshot.
    Unrecorded,
    /// Within tolerance, but the summary has left the accepted snapshot's band.
    Drift,
    /// Not run, for a stated reason.
    Skipped,
    /// Within tolerance and within the snapshot's band.
    #[default]
    Pass,
}

/// The outcome of a run: every selected case and every orphaned snapshot, sorted by id.
#[derive(Clone, Debug, Deserialize)]
#[must_use]
#[non_exhaustive]
pub struct RunOutcome {
    /// The goldens root.
    pub root: PathBuf,
    /// The snapshots folder.
    pub snapshots: PathBuf,
    /// The name of the executor.
    pub executor: String,
    /// What the outputs were compared with.
    pub gates: Gates,
    /// One entry per selected case and per snapshot folder without a case, sorted by id.
    pub cases: Vec<CaseOutcome>,
    /// One entry per chain; `None` unless the run was chained.
    #[serde(deserialize_with = "nullable")]
    pub chains: Option<Vec<ChainOutcome>>,
    /// The number of cases that the filter excluded.
    pub filtered_out: usize,
    /// The part of the cases that this run covers, if they are split across several runs.
    #[serde(deserialize_with = "nullable")]
    pub partition: Option<Partition>,
    /// The number of selected cases that did not run because the run stopped early. If it is not 0, the run has not passed.
    pub not_run: usize,
    /// Decides which cases fail the run.
    pub gate: Gate,
    /// The name of the signal that interrupted the run, such as `SIGINT`. An interrupted run has not passed.
    #[serde(deserialize_with = "nullable")]
    pub interrupted: Option<String>,
    /// The wall time of the run.
    #[serde(rename = "elapsed_seconds", with = "Seconds")]
    pub elapsed: Duration,
}

/// What outputs are compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gates {
    /// Accuracy and drift: references within tolerances, then accepted snapshots within bands.
    #[default]
    Both,
    /// Accuracy only: no snapshot is read or written. For executors other than the default one, since only the default one
    /// has snapshots, and for goldens that are not under version control.
    Accuracy,
}

words!(Gates, "kind of gates", word, { Both: "both", Accuracy: "accuracy" });

/// Decides which cases fail a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Gate {
    /// Whether this is CI, where a skipped case fails unless its skip is allowed by name.
    pub ci: bool,
    /// The ids of the cases whose skip is allowed in CI.
    pub allowed_skips: Vec<String>,
    /// Whether `cargo insta test` started this run and reviews drift and unrecorded cases afterwards.
    pub reviewed: bool,
    /// What else fails a case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Deny>,
}

/// A reason to fail a case that would otherwise pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Deny {
    /// A comparison is [vacuous](crate::compare::vacuous()).
    Vacuous,
}

/// The outcome of one case.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[must_use]
#[non_exhaustive]
pub struct CaseOutcome {
    /// The id of the case.
    pub id: CaseId,
    /// Its `case.json`; for an orphan, where it would be.
    #[serde(serialize_with = "serialize_path")]
    pub file: PathBuf,
    /// The `suite.json` behind each inherited field, such as `skip`, `outputs.y` or `tolerance.y`.
    #[serde(default, skip_serializing)]
    pub inherited: BTreeMap<String, PathBuf>,
    /// The name of its checkpoint; `None` if `case.json` could not be read.
    #[serde(deserialize_with = "nullable")]
    pub checkpoint: Option<String>,
    /// The worst verdict of its outputs and its own problems.
    pub verdict: Verdict,
    /// Problems of the case as a whole: it could not be run, or it was skipped.
    pub problems: Vec<Problem>,
    /// One entry per output, sorted by name.
    pub outputs: Vec<OutputOutcome>,
    /// Whether `case.json` names no outputs, so that the case is compared with its snapshot only.
    pub snapshot_only: bool,
    /// The wall time of all calls of the checkpoint.
    #[serde(rename = "elapsed_seconds", with = "Seconds")]
    pub elapsed: Duration,
}

/// The outcome of one output of a case.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[must_use]
#[non_exhaustive]
pub struct OutputOutcome {
    /// The name of the output.
    pub name: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// Its problems, in reading order; empty on pass and drift.
    pub problems: Vec<Problem>,
    /// The summary of the actual tensor, if there is one.
    #[serde(deserialize_with = "nullable")]
    pub summary: Option<Summary>,
    /// The tolerance that applied; `None` without a reference.
    #[serde(deserialize_with = "nullable")]
    pub tolerance: Option<Tolerance>,
    /// The comparison with the reference; `None` without a reference or if dtype or shape do not match.
    #[serde(deserialize_with = "nullable")]
    pub comparison: Option<Comparison>,
    /// Set if the tolerance for chained runs (`chained`) is vacuous: which trivial output would pass it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chained_vacuous: Option<Vacuous>,
    /// The lines of the snapshot that left their band; with verdict drift.
    pub drift: Vec<Drift>,
    /// The lines that are much better than in the snapshot; with verdict pass.
    pub improved: Vec<Drift>,
    /// The file in which the actual tensor was saved, if the output did not pass.
    #[serde(rename = "kept", serialize_with = "serialize_optional_path", deserialize_with = "nullable")]
    pub actual_file: Option<PathBuf>,
    /// The reference that it was compared with, as written in the case (`y.npy`, `all.npz#y`), if there is one.
    #[serde(deserialize_with = "nullable")]
    pub reference: Option<String>,
    /// The other references that the case also accepts: `or` in `case.json`.
    #[serde(rename = "or")]
    pub alternatives: Vec<String>,
    /// Explanations of a mismatch, best first; empty if nothing fits, if there is no mismatch, or if none were requested.
    pub explanations: Vec<Explanation>,
    /// Where it differs from its reference, if a picture was requested and the shapes match.
    #[serde(deserialize_with = "nullable")]
    pub picture: Option<Picture>,
}

/// A problem of a case or an output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[serde(expecting = "not a known kind of problem, or its fields do not fit its kind")]
#[non_exhaustive]
pub enum Problem {
    /// An error prevented the check.
    Error {
        /// The text of the error.
        text: String,
    },
    /// A tensor that the case names does not exist.
    Missing {
        /// The text of the error.
        text: String,
    },
    /// The checkpoint panicked.
    Panicked {
        /// The panic message.
        text: String,
    },
    /// The checkpoint returned an error.
    Failed {
        /// The text of the error.
        text: String,
    },
    /// A signal terminated the process of the case.
    Crashed {
        /// The name of the signal, such as `SIGSEGV`.
        signal: String,
        /// The last lines that the process printed.
        printed: Vec<String>,
    },
    /// The process of the case exited before the case was done.
    Exited {
        /// Its exit status.
        status: i32,
        /// The last lines that the process printed.
        printed: Vec<String>,
    },
    /// The case exceeded its time limit.
    TimedOut {
        /// The time limit.
        #[serde(rename = "limit_seconds", with = "Seconds")]
        limit: Duration,
        /// The last lines that the process printed.
        printed: Vec<String>,
    },
    /// The process of the case ran out of memory.
    OutOfMemory {
        /// The memory limit in bytes; `None` if the system itself ran out of memory.
        #[serde(rename = "limit_bytes", deserialize_with = "nullable")]
        limit: Option<u64>,
        /// The last lines that the process printed.
        printed: Vec<String>,
    },
    /// The run was interrupted while the case was running.
    Interrupted {
        /// The name of the signal, such as `SIGINT`.
        signal: String,
    },
    /// The executor has no checkpoint of that name.
    UnknownCheckpoint {
        /// The name in `case.json`.
        name: String,
        /// The checkpoints that the executor has.
        known: Vec<String>,
    },
    /// The checkpoint returned an output that `case.json` does not name.
    ExtraOutput {
        /// The outputs that `case.json` names.
        known: Vec<String>,
    },
    /// The checkpoint did not return an output that `case.json` names.
    #[serde(rename = "left_out")]
    MissingOutput {
        /// The outputs that it did return.
        returned: Vec<String>,
    },
    /// A repeated call of the checkpoint returned different bits than the first call.
    NotRepeatable {
        /// The call that differed, counted from 1.
        repeat: usize,
    },
    /// In a chained run, the output is outside the tolerance for chained runs (`chained`).
    ChainedOutside {
        /// The comparison with the reference; `None` if dtype or shape do not match.
        #[serde(deserialize_with = "nullable")]
        comparison: Option<Box<Comparison>>,
        /// The tolerance for chained runs.
        tolerance: Tolerance,
    },
    /// The case has a tolerance for chained runs but could not be run chained.
    NotChained {
        /// The reason.
        why: String,
    },
    /// A snapshot exists, but no such case or output.
    Orphaned {
        /// The `.snap` file.
        snapshot: PathBuf,
    },
    /// The case was not run.
    Skipped {
        /// The reason.
        reason: String,
    },
    /// The actual tensor does not match its reference.
    #[serde(untagged)]
    Mismatch(Mismatch),
}

/// Stores a duration in seconds, to the nanosecond.
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(transparent))]
pub(crate) struct Seconds(#[cfg_attr(feature = "cli", schemars(with = "Float"))] ());

impl Seconds {
    fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        Float::serialize(&time.as_secs_f64(), serializer)
    }

    fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let seconds = Float::deserialize(deserializer)?;
        Duration::try_from_secs_f64(seconds).map_err(|error| serde::de::Error::custom(format!("{seconds}: {error}")))
    }
}

/// Serializes a path that may not be UTF-8.
fn serialize_path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

fn serialize_optional_path<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(serializer)
}

/// Returns the name of an output in a list of vacuous ones: `case:output`, marked if only its chained comparison is vacuous.
pub(crate) fn vacuous_label(case: &CaseId, output: &str, is_chained_only: bool) -> String {
    format!("{case}:{output}{}", if is_chained_only { " (chained)" } else { "" })
}

/// The number of cases with each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "each field is the count of its verdict")]
pub struct Counts {
    pub broken: usize,
    pub missing: usize,
    pub mismatch: usize,
    pub orphaned: usize,
    pub unrecorded: usize,
    pub drift: usize,
    pub skipped: usize,
    pub pass: usize,
}

words!(Verdict, "verdict", word, {
    Broken: "broken",
    Missing: "missing",
    Mismatch: "mismatch",
    Orphaned: "orphaned",
    Unrecorded: "unrecorded",
    Drift: "drift",
    Skipped: "skipped",
    Pass: "pass",
});

impl Counts {
    /// Returns the count of a verdict.
    #[must_use]
    pub fn get(mut self, verdict: Verdict) -> usize {
        *self.count_mut(verdict)
    }

    /// Increments the count of a verdict.
    pub(crate) fn add(&mut self, verdict: Verdict) {
        *self.count_mut(verdict) += 1;
    }

    fn count_mut(&mut self, verdict: Verdict) -> &mut usize {
        match verdict {
            Verdict::Broken => &mut self.broken,
            Verdict::Missing => &mut self.missing,
            Verdict::Mismatch => &mut self.mismatch,
            Verdict::Orphaned => &mut self.orphaned,
            Verdict::Unrecorded => &mut self.unrecorded,
            Verdict::Drift => &mut self.drift,
            Verdict::Skipped => &mut self.skipped,
            Verdict::Pass => &mut self.pass,
        }
    }
}

impl Problem {
    /// Converts an error: a missing tensor becomes [`Problem::Missing`].
    pub(crate) fn from_error(error: &Error) -> Problem {
        Problem::new(error.to_string(), error.is_missing())
    }

    /// Builds the problem of an error with that text.
    pub(super) fn new(text: String, is_missing: bool) -> Problem {
        if is_missing { Problem::Missing { text } } else { Problem::Error { text } }
    }

    fn restore(&mut self) -> Result<(), String> {
        match self {
            Problem::ChainedOutside { comparison: Some(comparison), .. } => comparison.restore(),
            _ => Ok(()),
        }
    }

    /// Returns the verdict of an output that has only this problem.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Problem::Error { .. }
            | Problem::Panicked { .. }
            | Problem::Failed { .. }
            | Problem::Crashed { .. }
            | Problem::Exited { .. }
            | Problem::TimedOut { .. }
            | Problem::OutOfMemory { .. }
            | Problem::Interrupted { .. }
            | Problem::UnknownCheckpoint { .. }
            | Problem::NotChained { .. } => Verdict::Broken,
            Problem::Missing { .. } | Problem::MissingOutput { .. } => Verdict::Missing,
            Problem::ExtraOutput { .. }
            | Problem::Mismatch(_)
            | Problem::NotRepeatable { .. }
            | Problem::ChainedOutside { .. } => Verdict::Mismatch,
            Problem::Orphaned { .. } => Verdict::Orphaned,
            Problem::Skipped { .. } => Verdict::Skipped,
        }
    }
}

impl OutputOutcome {
    /// Creates the outcome of an output that has not been checked yet: a pass without problems.
    pub(crate) fn new(name: &str) -> OutputOutcome {
        OutputOutcome { name: name.to_owned(), ..OutputOutcome::default() }
    }

    /// Returns which trivial output would also have passed, isolated or chained, or `None` if none would.
    #[must_use]
    pub fn vacuous(&self) -> Option<Vacuous> {
        self.own_vacuous().or(self.chained_vacuous)
    }

    /// Returns which trivial output would also have passed in the isolated run, or `None` if none would.
    #[must_use]
    pub fn own_vacuous(&self) -> Option<Vacuous> {
        self.comparison.as_ref()?.vacuous
    }

    /// Adds a problem.
    pub(super) fn add_problem(&mut self, problem: Problem) {
        self.verdict = self.verdict.min(problem.verdict());
        self.problems.push(problem);
    }

    /// Creates the outcome of a snapshot whose case or output does not exist.
    pub(crate) fn orphaned(name: String, snapshot: PathBuf) -> OutputOutcome {
        let problems = vec![Problem::Orphaned { snapshot }];
        OutputOutcome { verdict: Verdict::Orphaned, problems, ..OutputOutcome::new(&name) }
    }

    /// Restores what JSON does not store: see [`CaseOutcome::restore`].
    fn restore(&mut self) -> Result<(), String> {
        self.summary.iter_mut().try_for_each(Summary::restore)?;
        self.comparison.iter_mut().try_for_each(Comparison::restore)?;
        self.picture.iter_mut().try_for_each(Picture::restore)?;
        self.problems.iter_mut().try_for_each(Problem::restore)
    }
}

impl CaseOutcome {
    /// Restores the element types of a deserialized case, which JSON does not store.
    pub(crate) fn restore(&mut self) -> Result<(), String> {
        self.problems.iter_mut().try_for_each(Problem::restore)?;
        let mut outputs = self.outputs.iter_mut();
        outputs.try_for_each(|output| output.restore().map_err(|what| format!("output {}: {what}", output.name)))
    }

    /// Returns the file that sets a field of the case or an entry of one (`outputs.y`): a `suite.json`, or `case.json`.
    #[must_use]
    pub fn set_in(&self, field: &str) -> &Path {
        self.inherited.get(field).unwrap_or(&self.file)
    }

    /// Returns the largest difference of its outputs on golden inputs; `None` if nothing was measured.
    pub(super) fn own_difference(&self) -> Option<Difference> {
        let comparisons = self.outputs.iter().filter_map(|output| output.comparison.as_ref());
        comparisons.map(Difference::from).reduce(Difference::max)
    }

    /// Returns whether the comparison of an output is [vacuous](crate::compare::vacuous()).
    #[must_use]
    pub fn is_vacuous(&self) -> bool {
        self.outputs.iter().any(|output| output.vacuous().is_some())
    }

    /// Adds a problem of the case as a whole.
    pub(super) fn add_problem(&mut self, problem: Problem) {
        self.verdict = self.verdict.min(problem.verdict());
        self.problems.push(problem);
    }

    /// Creates the outcome of a case without outputs: its verdict is that of its worst problem.
    pub(crate) fn new(id: &CaseId, file: PathBuf, checkpoint: Option<String>, problems: Vec<Problem>) -> CaseOutcome {
        CaseOutcome {
            id: id.clone(),
            file,
            inherited: BTreeMap::new(),
            checkpoint,
            verdict: problems.iter().map(Problem::verdict).min().unwrap_or(Verdict::Pass),
            problems,
            outputs: Vec::new(),
            snapshot_only: false,
            elapsed: Duration::ZERO,
        }
    }
}

impl Gate {
    /// Returns whether the skip of a case is allowed by name.
    #[must_use]
    pub fn allows_skip(&self, case: &CaseOutcome) -> bool {
        self.allowed_skips.iter().any(|id| id == case.id.as_str())
    }

    /// Returns whether a vacuous comparison fails its case.
    #[must_use]
    pub fn denies_vacuous(&self) -> bool {
        self.deny.contains(&Deny::Vacuous)
    }

    /// Returns whether a case fails because a comparison of it is vacuous.
    #[must_use]
    pub fn denies(&self, case: &CaseOutcome) -> bool {
        self.denies_vacuous() && case.is_vacuous()
    }

    /// Returns whether a case fails the run.
    #[must_use]
    pub fn fails(&self, case: &CaseOutcome) -> bool {
        if self.denies(case) {
            return true;
        }
        match case.verdict {
            Verdict::Pass => false,
            Verdict::Skipped => self.ci && !self.allows_skip(case),
            Verdict::Drift | Verdict::Unrecorded => !self.reviewed,
            Verdict::Broken | Verdict::Missing | Verdict::Mismatch | Verdict::Orphaned => true,
        }
    }
}

impl RunOutcome {
    /// Creates the outcome of an empty run, for tests.
    #[cfg(all(test, feature = "harness"))]
    pub(crate) fn empty() -> RunOutcome {
        RunOutcome {
            root: "goldens".into(),
            snapshots: "snapshots".into(),
            executor: "builtin".into(),
            gates: Gates::Both,
            cases: Vec::new(),
            chains: None,
            filtered_out: 0,
            partition: None,
            not_run: 0,
            gate: Gate::default(),
            interrupted: None,
            elapsed: Duration::ZERO,
        }
    }

    /// Returns the number of cases that fail the run.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.cases.iter().filter(|case| self.gate.fails(case)).count()
    }

    /// Returns whether the run passed: every selected case ran and none failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.not_run == 0 && self.interrupted.is_none() && self.failed() == 0
    }

    /// Iterates over the outputs with a [vacuous](crate::compare::vacuous()) comparison, each with its case.
    pub fn vacuous(&self) -> impl Iterator<Item = (&CaseOutcome, &OutputOutcome)> {
        let outputs = self.cases.iter().flat_map(|case| case.outputs.iter().map(move |output| (case, output)));
        outputs.filter(|(_, output)| output.vacuous().is_some())
    }

    /// Counts the cases by verdict.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.cases.iter().for_each(|case| counts.add(case.verdict));
        counts
    }

    /// Returns the worst verdict of all cases: pass if there are none, broken if the run was interrupted.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let interrupted = self.interrupted.as_ref().map(|_| Verdict::Broken);
        self.cases.iter().map(|case| case.verdict).chain(interrupted).min().unwrap_or(Verdict::Pass)
    }
}
