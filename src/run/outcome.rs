//! What a run found out: verdicts, measurements and times, ready to be told. Below what makes it and what prints it.

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

/// What karat says of an output, a case or a run. Ordered from worst to best: the verdict of a whole is the least of
/// its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// karat could not find out: an error, a panic, bad files.
    Broken,
    /// A tensor that `case.json` names is not there.
    Missing,
    /// Outside tolerance, or another shape, dtype or NaN place.
    Mismatch,
    /// A snapshot without a case.
    Orphaned,
    /// A case without a snapshot.
    Unrecorded,
    /// Within tolerance, but the summary has left the accepted snapshot's band.
    Drift,
    /// Not run, for a written reason.
    Skipped,
    /// Within tolerance and within the snapshot's band.
    Pass,
}

/// A run: every case that was selected, in the order of their ids, and every orphaned snapshot.
#[derive(Clone, Debug, Deserialize)]
#[must_use]
#[non_exhaustive]
pub struct RunOutcome {
    /// The goldens root, as it was found.
    pub root: PathBuf,
    /// The snapshots folder.
    pub snapshots: PathBuf,
    /// The name of the executor.
    pub executor: String,
    /// What the outputs were held against.
    pub gates: Gates,
    /// One for each selected case, and one for each snapshot folder without a case, sorted by id.
    pub cases: Vec<CaseOutcome>,
    /// One for each chain; `None` where the run followed none.
    #[serde(deserialize_with = "nullable")]
    pub chains: Option<Vec<ChainOutcome>>,
    /// How many cases a filter left out.
    pub filtered_out: usize,
    /// Which part of the cases this is, where they are dealt out to several runs.
    #[serde(deserialize_with = "nullable")]
    pub partition: Option<Partition>,
    /// How many of the selected cases did not run, because the run ended early: then it has not passed.
    pub not_run: usize,
    /// What this run lets through besides a pass.
    pub gate: Gate,
    /// The name of the signal that stopped the run before its end, such as `SIGINT`; then it is no pass, whatever finished.
    #[serde(deserialize_with = "nullable")]
    pub interrupted: Option<String>,
    /// The wall time of the whole.
    #[serde(rename = "elapsed_seconds", with = "Seconds")]
    pub elapsed: Duration,
}

/// What outputs are held against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gates {
    /// Accuracy and drift: the references by their tolerances, then the accepted snapshots by their bands.
    #[default]
    Both,
    /// Accuracy alone: no snapshot is read or written. For executors besides the default one, which alone has snapshots,
    /// and for goldens that are not under version control.
    Accuracy,
}

words!(Gates, "kind of gates", word, { Both: "both", Accuracy: "accuracy" });

/// What a run lets through besides a pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Gate {
    /// Whether this is CI, where a skipped case fails unless it is allowed by name.
    pub ci: bool,
    /// The ids of the cases that may be skipped in CI.
    pub allowed_skips: Vec<String>,
    /// Whether `cargo insta test` drives this run and reviews drift and unrecorded cases afterwards.
    pub reviewed: bool,
    /// Whether a case fails whose comparison is [vacuous](crate::compare::vacuous()).
    #[serde(default, rename = "deny", with = "Denied", skip_serializing_if = "std::ops::Not::not")]
    pub deny_vacuous: bool,
}

/// What was found out about one case.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[must_use]
#[non_exhaustive]
pub struct CaseOutcome {
    /// Which case.
    pub id: CaseId,
    /// Its `case.json` (for an orphan, where it would be).
    #[serde(serialize_with = "path")]
    pub file: PathBuf,
    /// The `suite.json` that sets a field, for each that `case.json` does not set itself: `skip`, `outputs.y`, `tolerance.y`.
    #[serde(default, skip_serializing)]
    pub inherited: BTreeMap<String, PathBuf>,
    /// The checkpoint it names; `None` where `case.json` could not be read.
    #[serde(deserialize_with = "nullable")]
    pub checkpoint: Option<String>,
    /// The worst of its outputs and its own problem.
    pub verdict: Verdict,
    /// What is wrong with the case as a whole: it could not be run, or it was skipped.
    pub problems: Vec<Problem>,
    /// One for each output, sorted by name.
    pub outputs: Vec<OutputOutcome>,
    /// Whether `case.json` names no outputs, so that its snapshot alone holds it.
    pub snapshot_only: bool,
    /// The wall time of the checkpoint, all repeats.
    #[serde(rename = "elapsed_seconds", with = "Seconds")]
    pub elapsed: Duration,
}

/// What was found out about one output of a case.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[must_use]
#[non_exhaustive]
pub struct OutputOutcome {
    /// The name of the output.
    pub name: String,
    /// What karat says of it.
    pub verdict: Verdict,
    /// What is wrong with it, in the order in which to read it; empty on pass and drift.
    pub problems: Vec<Problem>,
    /// The summary of the actual tensor, where there is one.
    #[serde(deserialize_with = "nullable")]
    pub summary: Option<Summary>,
    /// The tolerance it was held to; `None` without a reference.
    #[serde(deserialize_with = "nullable")]
    pub tolerance: Option<Tolerance>,
    /// What was measured; `None` where structure forbids it or there is no reference.
    #[serde(deserialize_with = "nullable")]
    pub comparison: Option<Comparison>,
    /// What else would pass what the case allows in a chained run (`chained`), where something would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chained_vacuous: Option<Vacuous>,
    /// Which lines of the snapshot left their band; with verdict drift.
    pub drift: Vec<Drift>,
    /// Which lines are much better than their snapshot; with verdict pass.
    pub improved: Vec<Drift>,
    /// The file that keeps the actual tensor, where it did not pass.
    #[serde(serialize_with = "kept", deserialize_with = "nullable")]
    pub kept: Option<PathBuf>,
    /// The file of the reference that it was held against, as the case names it (`y.npy`, `all.npz#y`), where there is one.
    #[serde(deserialize_with = "nullable")]
    pub reference: Option<String>,
    /// The files of the other references that the case accepts as well: `or` in `case.json`.
    #[serde(rename = "or")]
    pub alternatives: Vec<String>,
    /// Why it is not its reference, best first; empty where nothing fits, where it is, and where nobody asked.
    pub explanations: Vec<Explanation>,
    /// Where it differs from its reference, where somebody asked and the two can be laid on each other.
    #[serde(deserialize_with = "nullable")]
    pub picture: Option<Picture>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[serde(expecting = "this is no problem of a kind that karat knows, with the fields of that kind")]
#[non_exhaustive]
pub enum Problem {
    /// karat could not find out; the error's text.
    Error {
        /// The text.
        text: String,
    },
    /// A tensor that the case names is not there; the error's text.
    Missing {
        /// The text.
        text: String,
    },
    /// The checkpoint panicked, with that message.
    Panicked {
        /// The message.
        text: String,
    },
    /// The checkpoint returned an error, with that text.
    Failed {
        /// The text.
        text: String,
    },
    /// A signal ended the process of the case.
    Crashed {
        /// The name of the signal, such as `SIGSEGV`.
        signal: String,
        /// The last lines that the process printed.
        printed: Vec<String>,
    },
    /// The process of the case ended itself before the case was done.
    Exited {
        /// Its exit status.
        status: i32,
        /// The last lines that the process printed.
        printed: Vec<String>,
    },
    /// The case took longer than it may.
    TimedOut {
        /// How long it may take.
        #[serde(rename = "limit_seconds", with = "Seconds")]
        limit: Duration,
        /// The last lines that the process printed.
        printed: Vec<String>,
    },
    /// The process of the case got no more memory.
    OutOfMemory {
        /// How many bytes it may take; `None` where the system had no more.
        #[serde(rename = "limit_bytes", deserialize_with = "nullable")]
        limit: Option<u64>,
        /// The last lines that the process printed.
        printed: Vec<String>,
    },
    /// The run was interrupted while the case ran.
    Interrupted {
        /// The name of the signal, such as `SIGINT`.
        signal: String,
    },
    /// Nobody registered the checkpoint.
    UnknownCheckpoint {
        /// The name in `case.json`.
        name: String,
        /// The names that the executor has.
        known: Vec<String>,
    },
    /// The checkpoint returned an output that `case.json` does not name.
    ExtraOutput {
        /// The outputs that `case.json` names.
        known: Vec<String>,
    },
    /// The checkpoint did not return an output that `case.json` names.
    LeftOut {
        /// The outputs that it did return.
        returned: Vec<String>,
    },
    /// A later repeat of the checkpoint returned other bits than the first.
    NotRepeatable {
        /// Which repeat, counted from 1.
        repeat: usize,
    },
    /// On what the cases before it produced, the output is outside what the case allows there (`chained`).
    ChainedOutside {
        /// What was measured; `None` where structure forbids it.
        #[serde(deserialize_with = "nullable")]
        comparison: Option<Box<Comparison>>,
        /// What the case allows.
        tolerance: Tolerance,
    },
    /// The case has a tolerance for a chained run, and could not be followed to, for that reason.
    NotChained {
        /// The reason.
        why: String,
    },
    /// There is a snapshot, but no such case or output.
    Orphaned {
        /// The `.snap` file.
        snapshot: PathBuf,
    },
    /// The case is not run, for that written reason.
    Skipped {
        /// The reason.
        reason: String,
    },
    /// The actual tensor is not its reference.
    #[serde(untagged)]
    Mismatch(Mismatch),
}

/// A field that is a time, in seconds to the nanosecond.
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

/// A field that is a list of what a run is told to fail for.
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Deny {
    Vacuous,
}

#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(transparent))]
struct Denied(#[cfg_attr(feature = "cli", schemars(with = "Vec<Deny>"))] ());

impl Denied {
    fn serialize<S: Serializer>(is_denied: &bool, serializer: S) -> Result<S::Ok, S::Error> {
        Vec::from_iter(is_denied.then_some(Deny::Vacuous)).serialize(serializer)
    }

    fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
        Vec::<Deny>::deserialize(deserializer).map(|denied| !denied.is_empty())
    }
}

/// Writes a path that may not be UTF-8.
fn path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

fn kept<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(serializer)
}

/// An output of which a comparison is vacuous, in a list of such: that of a chained run alone is said to be.
pub(crate) fn vacuous_name(case: &CaseId, output: &str, is_chained_alone: bool) -> String {
    format!("{case}:{output}{}", if is_chained_alone { " (chained)" } else { "" })
}

/// The larger of two, where there are two.
pub(crate) fn larger(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    [one, other].into_iter().flatten().reduce(f64::max)
}

/// How many cases have each verdict.
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
    /// How many have that verdict.
    #[must_use]
    pub fn of(mut self, verdict: Verdict) -> usize {
        *self.count(verdict)
    }

    /// Counts one more.
    pub(crate) fn add(&mut self, verdict: Verdict) {
        *self.count(verdict) += 1;
    }

    fn count(&mut self, verdict: Verdict) -> &mut usize {
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
    /// The problem of an error: *missing* or not, with a word of where if there is one.
    pub(crate) fn from_error(place: &str, error: &Error) -> Problem {
        let text = if place.is_empty() { error.to_string() } else { format!("{place}: {error}") };
        if error.is_missing() { Problem::Missing { text } } else { Problem::Error { text } }
    }

    fn restore(&mut self) -> Result<(), String> {
        match self {
            Problem::ChainedOutside { comparison: Some(comparison), .. } => comparison.restore(),
            _ => Ok(()),
        }
    }

    /// The verdict that the problem alone would give.
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
            Problem::Missing { .. } | Problem::LeftOut { .. } => Verdict::Missing,
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
    /// An output of which nothing is known yet: a pass until something is found.
    pub(crate) fn new(name: &str) -> OutputOutcome {
        OutputOutcome {
            name: name.to_owned(),
            verdict: Verdict::Pass,
            problems: Vec::new(),
            summary: None,
            tolerance: None,
            comparison: None,
            chained_vacuous: None,
            drift: Vec::new(),
            improved: Vec::new(),
            kept: None,
            reference: None,
            alternatives: Vec::new(),
            explanations: Vec::new(),
            picture: None,
        }
    }

    /// What else would have passed the comparison with the reference, or would pass it in a chained run, where something would.
    #[must_use]
    pub fn vacuous(&self) -> Option<Vacuous> {
        self.own_vacuous().or(self.chained_vacuous)
    }

    /// What else would have passed the comparison with the reference, where something would.
    #[must_use]
    pub fn own_vacuous(&self) -> Option<Vacuous> {
        self.comparison.as_ref()?.vacuous
    }

    /// Adds a problem.
    pub(super) fn add(&mut self, problem: Problem) {
        self.verdict = self.verdict.min(problem.verdict());
        self.problems.push(problem);
    }

    /// A snapshot whose case or output does not exist.
    pub(crate) fn orphaned(name: String, snapshot: PathBuf) -> OutputOutcome {
        let problems = vec![Problem::Orphaned { snapshot }];
        OutputOutcome { verdict: Verdict::Orphaned, problems, ..OutputOutcome::new(&name) }
    }

    /// Makes of an output that was read the one that was written.
    fn restore(&mut self) -> Result<(), String> {
        self.summary.iter_mut().try_for_each(Summary::restore)?;
        self.comparison.iter_mut().try_for_each(Comparison::restore)?;
        self.picture.iter_mut().try_for_each(Picture::restore)?;
        self.problems.iter_mut().try_for_each(Problem::restore)
    }
}

impl CaseOutcome {
    /// Makes of a case that was read the one that was written: its elements have the types that JSON does not say.
    pub(crate) fn restore(&mut self) -> Result<(), String> {
        self.problems.iter_mut().try_for_each(Problem::restore)?;
        let mut outputs = self.outputs.iter_mut();
        outputs.try_for_each(|output| output.restore().map_err(|what| format!("output {}: {what}", output.name)))
    }

    /// The file that sets a field of the case, or an entry of one (`outputs.y`), or else `case.json`, which may.
    #[must_use]
    pub fn set_in(&self, field: &str) -> &Path {
        self.inherited.get(field).unwrap_or(&self.file)
    }

    /// How far its outputs are from their references on golden inputs: the largest; `None` where nothing was measured.
    pub(super) fn own_difference(&self) -> Option<Difference> {
        let comparisons = self.outputs.iter().filter_map(|output| output.comparison.as_ref());
        comparisons.map(|comparison| Difference::of(Some(comparison))).reduce(Difference::join)
    }

    /// Whether a comparison of an output is [vacuous](crate::compare::vacuous()).
    #[must_use]
    pub fn is_vacuous(&self) -> bool {
        self.outputs.iter().any(|output| output.vacuous().is_some())
    }

    /// Adds a problem of the case as a whole.
    pub(crate) fn add(&mut self, problem: Problem) {
        self.verdict = self.verdict.min(problem.verdict());
        self.problems.push(problem);
    }

    /// A case that could not be run as a whole: the worst of its problems is its verdict.
    pub(crate) fn whole(id: &CaseId, file: PathBuf, checkpoint: Option<String>, problems: Vec<Problem>) -> CaseOutcome {
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
    /// Whether that case may be skipped by name.
    #[must_use]
    pub fn allows_skip(&self, case: &CaseOutcome) -> bool {
        self.allowed_skips.iter().any(|id| id == case.id.as_str())
    }

    /// Whether that case fails because a comparison of it is vacuous.
    #[must_use]
    pub fn denies(&self, case: &CaseOutcome) -> bool {
        self.deny_vacuous && case.is_vacuous()
    }

    /// Whether that case fails the gate.
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
    /// A run of nothing, for tests to fill.
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

    /// How many cases fail the gate.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.cases.iter().filter(|case| self.gate.fails(case)).count()
    }

    /// Whether the gate is open: every selected case ran, and none fails.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.not_run == 0 && self.interrupted.is_none() && self.failed() == 0
    }

    /// Every output of which a comparison is [vacuous](crate::compare::vacuous()), behind its case.
    pub fn vacuous(&self) -> impl Iterator<Item = (&CaseOutcome, &OutputOutcome)> {
        let outputs = self.cases.iter().flat_map(|case| case.outputs.iter().map(move |output| (case, output)));
        outputs.filter(|(_, output)| output.vacuous().is_some())
    }

    /// How many cases have each verdict.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.cases.iter().for_each(|case| counts.add(case.verdict));
        counts
    }

    /// The worst verdict of all; pass where there is no case, and broken where the run was interrupted.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let interrupted = self.interrupted.as_ref().map(|_| Verdict::Broken);
        self.cases.iter().map(|case| case.verdict).chain(interrupted).min().unwrap_or(Verdict::Pass)
    }
}
