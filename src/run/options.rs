//! How a run is run, and over which cases.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use super::interrupt::Interrupt;
use super::isolate::Isolation;
use super::outcome::{Gates, Verdict};
use super::partition::Shard;
use crate::case::CaseId;
use crate::explain::explanation::Explain;
use crate::snapshot::Caller;

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many cases run at a time.
    pub jobs: NonZeroUsize,
    /// How often each checkpoint is called; all calls must agree bit for bit.
    pub repeats: NonZeroUsize,
    /// The ids of the cases that may be skipped in CI.
    pub allowed_skips: Vec<String>,
    /// Whether a case fails whose comparison is [vacuous](crate::compare::vacuous()).
    pub deny_vacuous: bool,
    /// Who calls: whether `cargo insta test` can be driving this process.
    pub caller: Caller,
    /// Whether cases with a `skip` run all the same.
    pub skips: Skips,
    /// What outputs are held against.
    pub gates: Gates,
    /// Whether what is held to accuracy alone, and passes, is held against its snapshot besides: that nothing is written of.
    pub looks_back: bool,
    /// On what cases run.
    pub following: Following,
    /// What finds the reason of a mismatch, where somebody wants to know.
    pub explain: Option<Explain>,
    /// When a run ends early.
    pub stop: Stop,
    /// Whether this is CI, whatever the environment says.
    pub ci: bool,
    /// Of which outputs there is a picture.
    pub pictures: Pictures,
    /// How a case is given a process of its own; `None` where every case runs in this one.
    pub isolation: Option<Isolation>,
    /// What stops the run before its end.
    pub interrupt: Interrupt,
}

/// When a run ends before every case was run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// It does not.
    #[default]
    Never,
    /// No case is started after one that fails the gate.
    AtFirstFailure,
}

/// Of which outputs there is a [`Picture`](crate::compare::Picture) of where they differ from their references.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pictures {
    /// Of none.
    #[default]
    None,
    /// Of those that did not pass by themselves: a chained run adds none.
    NotPassed,
    /// Of all that have a reference.
    All,
}

impl Pictures {
    /// Whether there is one of an output with that verdict.
    #[must_use]
    pub fn wants(self, verdict: Verdict) -> bool {
        match self {
            Pictures::None => false,
            Pictures::NotPassed => verdict != Verdict::Pass,
            Pictures::All => true,
        }
    }
}

/// On what cases run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Following {
    /// On golden inputs alone: each has its own difference.
    #[default]
    Isolated,
    /// On golden inputs, and once more on what the cases before them really produced: each has a propagated difference too.
    Chained,
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
    /// Of these, only those with exactly one of these ids, where there is such a list.
    pub only: Option<BTreeSet<CaseId>>,
    /// Of what is left, only this part, where there is one: [`Filter::select`].
    pub shard: Option<Shard>,
}

impl Filter {
    /// Whether that case is selected, in one shard or another.
    #[must_use]
    pub fn selects(&self, id: &CaseId) -> bool {
        let is_listed = self.only.as_ref().is_none_or(|only| only.contains(id));
        is_listed && (self.patterns.is_empty() || self.patterns.iter().any(|pattern| id.as_str().contains(pattern)))
    }
}

impl Default for Options {
    /// As many jobs as there are processors, one call a checkpoint, no skip allowed in CI, called by a command line.
    fn default() -> Options {
        Options {
            jobs: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            repeats: NonZeroUsize::MIN,
            allowed_skips: Vec::new(),
            deny_vacuous: false,
            caller: Caller::default(),
            skips: Skips::default(),
            gates: Gates::default(),
            looks_back: false,
            following: Following::default(),
            explain: None,
            stop: Stop::default(),
            ci: false,
            pictures: Pictures::default(),
            isolation: None,
            interrupt: Interrupt::default(),
        }
    }
}
