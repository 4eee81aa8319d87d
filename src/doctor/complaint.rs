//! A setup, and what is wrong with it.

use std::path::PathBuf;

use crate::case::{CaseId, Goldens};
use crate::run::Executor;
use crate::snapshot::Recorder;

/// What is looked at, and what a run of it would be given.
pub(super) struct Setup<'a> {
    pub(super) goldens: &'a Goldens,
    pub(super) recorder: &'a Recorder,
    /// What would run the cases, where that is known.
    pub(super) executor: Option<&'a Executor>,
    /// The ids of the cases that may be skipped in CI.
    pub(super) allowed_skips: &'a [String],
}

/// What was found out about a setup.
#[derive(Clone, Debug)]
#[must_use]
pub struct Health {
    /// The goldens root.
    pub root: PathBuf,
    /// How many cases there are.
    pub cases: usize,
    /// How many accepted snapshots there are.
    pub snapshots: usize,
    /// What is wrong, by kind.
    pub complaints: Vec<Complaint>,
}

impl Health {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.complaints.iter().all(|complaint| !complaint.kind.is_fault())
    }

    pub(super) fn add(&mut self, complaint: Complaint) {
        self.complaints.push(complaint);
    }

    /// Adds a complaint about files, if there are any.
    pub(super) fn list(&mut self, kind: ComplaintKind, files: Vec<PathBuf>) {
        if !files.is_empty() {
            self.add(Complaint { files, ..Complaint::of(kind) });
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// What kind of thing.
    pub kind: ComplaintKind,
    /// The words of what found it, where it has words of its own.
    pub text: Option<String>,
    /// The files that it is about, sorted.
    pub files: Vec<PathBuf>,
    /// The first case that it is about.
    pub case: Option<CaseId>,
}

impl Complaint {
    pub(super) fn of(kind: ComplaintKind) -> Complaint {
        Complaint { kind, text: None, files: Vec::new(), case: None }
    }

    pub(super) fn about(kind: ComplaintKind, text: String, files: Vec<PathBuf>) -> Complaint {
        Complaint { text: Some(text), files, ..Complaint::of(kind) }
    }
}

/// The kinds of things that are wrong, in the order in which to see to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ComplaintKind {
    /// There is no case.
    Empty,
    /// A `case.json` or `suite.json` that cannot be read, or something in the tree that is no case.
    Broken,
    /// Tensor files that are pointers of Git LFS or git-annex.
    Pointers,
    /// A tensor that is not there.
    Missing,
    /// A tensor file that does not hold what its format promises.
    Damaged,
    /// A setting of insta that makes drift pass or rewrites snapshots.
    Disarmed,
    /// Snapshots without a case.
    Orphaned,
    /// Snapshots that wait for a review.
    Pending,
    /// Snapshots of `assert_summary!` that wait for a review.
    PendingAssertion,
    /// Snapshots that wait for a review, and whose case or output does not exist.
    Stray,
    /// Outputs without a snapshot, accepted or pending.
    Unrecorded,
    /// Snapshots that hold something else than what their cases declare.
    Drift,
    /// Cases that are skipped, which CI refuses unless they are allowed by name.
    Skipped,
    /// Outputs whose comparison cannot fail, or not on zeros or NaN.
    Vacuous,
    /// Files that a karat was writing when it was killed.
    Leftover,
    /// The project is under no version control.
    Unversioned,
    /// Goldens or snapshots that version control is told to ignore.
    Ignored,
    /// Goldens or snapshots that are not committed.
    Untracked,
    /// `cargo insta` is not installed: `karat accept` does without it.
    NoCargoInsta,
    /// `cargo insta` is older than what karat needs.
    OldCargoInsta,
    /// The environment says that this is CI.
    Ci,
}

impl ComplaintKind {
    /// The word for it, in files.
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

    /// Whether something is wrong; else it is only good to know.
    #[must_use]
    pub fn is_fault(self) -> bool {
        !matches!(self, ComplaintKind::Ci | ComplaintKind::NoCargoInsta | ComplaintKind::Vacuous)
    }
}
