//! A setup and its problems.

use std::path::PathBuf;

use crate::case::{CaseId, Goldens};
use crate::run::Executor;
use crate::snapshot::Recorder;

/// The setup to examine, with the options of a run.
pub(super) struct Setup<'a> {
    pub(super) goldens: &'a Goldens,
    pub(super) recorder: &'a Recorder,
    /// The executor that would run the cases, if known.
    pub(super) executor: Option<&'a Executor>,
    /// The ids of the cases that may be skipped in CI.
    pub(super) allowed_skips: &'a [String],
}

/// The result of an examination.
#[derive(Clone, Debug)]
#[must_use]
pub struct Health {
    /// The goldens root.
    pub root: PathBuf,
    /// The number of cases.
    pub cases: usize,
    /// The number of accepted snapshots.
    pub snapshots: usize,
    /// The problems, by kind.
    pub complaints: Vec<Complaint>,
}

impl Health {
    /// Whether there are no faults.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.complaints.iter().all(|complaint| !complaint.kind.is_fault())
    }

    pub(super) fn add(&mut self, complaint: Complaint) {
        self.complaints.push(complaint);
    }

    /// Adds a complaint about files, if there are any.
    pub(super) fn add_files(&mut self, kind: ComplaintKind, files: Vec<PathBuf>) {
        if !files.is_empty() {
            self.add(Complaint { files, ..Complaint::new(kind) });
        }
    }
}

/// A problem of a setup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The kind of problem.
    pub kind: ComplaintKind,
    /// The details, if the kind alone does not describe the problem.
    pub text: Option<String>,
    /// The affected files, sorted.
    pub files: Vec<PathBuf>,
    /// The first affected case.
    pub case: Option<CaseId>,
}

impl Complaint {
    pub(super) fn new(kind: ComplaintKind) -> Complaint {
        Complaint { kind, text: None, files: Vec::new(), case: None }
    }

    pub(super) fn with_text(kind: ComplaintKind, text: String) -> Complaint {
        Complaint { text: Some(text), ..Complaint::new(kind) }
    }
}

/// The kinds of problems, in the order in which to fix them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ComplaintKind {
    /// There are no cases.
    Empty,
    /// A `case.json` or `suite.json` cannot be read, or an entry of the tree is not a case.
    Broken,
    /// Tensor files are pointers of Git LFS or git-annex.
    Pointers,
    /// A tensor does not exist.
    Missing,
    /// A tensor file or a snapshot is invalid.
    Damaged,
    /// A setting of insta makes drift pass or rewrites snapshots.
    Disarmed,
    /// Snapshots have no case.
    Orphaned,
    /// Snapshots wait for a review.
    Pending,
    /// Snapshots of `assert_summary!` wait for a review.
    PendingAssertion,
    /// Pending snapshots have no case or output.
    Stray,
    /// Outputs have no snapshot, accepted or pending.
    Unrecorded,
    /// Snapshots differ from what their cases declare.
    Drift,
    /// Skipped cases are not allowed by name, so they fail in CI.
    Skipped,
    /// The comparisons of outputs cannot fail, or cannot fail on zeros or NaN.
    Vacuous,
    /// Incomplete files remain from a karat process that was killed.
    Leftover,
    /// The project is not under version control.
    Unversioned,
    /// Version control ignores goldens or snapshots.
    Ignored,
    /// Goldens or snapshots are not committed.
    Untracked,
    /// `cargo insta` is not installed. `karat accept` works without it.
    NoCargoInsta,
    /// `cargo insta` is older than karat requires.
    OldCargoInsta,
    /// The environment variables of CI are set.
    Ci,
}

impl ComplaintKind {
    /// Returns the word for it in JSON and on screen.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ComplaintKind::Empty => "empty",
            ComplaintKind::Broken => "broken",
            ComplaintKind::Pointers => "pointers",
            ComplaintKind::Missing => "missing",
            ComplaintKind::Damaged => "damaged",
            ComplaintKind::Disarmed => "disarmed",
            ComplaintKind::Orphaned => "orphaned",
            ComplaintKind::Pending | ComplaintKind::PendingAssertion => "pending",
            ComplaintKind::Stray => "stray",
            ComplaintKind::Unrecorded => "unrecorded",
            ComplaintKind::Drift => "drift",
            ComplaintKind::Skipped => "skipped",
            ComplaintKind::Vacuous => "vacuous",
            ComplaintKind::Leftover => "leftover",
            ComplaintKind::Unversioned => "unversioned",
            ComplaintKind::Ignored => "ignored",
            ComplaintKind::Untracked => "untracked",
            ComplaintKind::NoCargoInsta => "no_cargo_insta",
            ComplaintKind::OldCargoInsta => "old_cargo_insta",
            ComplaintKind::Ci => "ci",
        }
    }

    /// Whether it is a fault; otherwise it is only a note.
    #[must_use]
    pub fn is_fault(self) -> bool {
        !matches!(self, ComplaintKind::Ci | ComplaintKind::NoCargoInsta | ComplaintKind::Vacuous)
    }
}
