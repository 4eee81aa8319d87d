//! What a chained run found out.

use crate::case::CaseId;
use crate::compare::{Comparison, Mismatch};
use crate::run::outcome::{CaseOutcome, larger};

/// Cases that `from` links, in the order of the computation.
///
/// Where a tensor is the reference of several cases, the one with the fewest inputs comes first: the parts before the whole.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainOutcome {
    /// What the ids of its cases begin with, or the first of them.
    pub name: String,
    /// One for each case.
    pub steps: Vec<Step>,
    /// Where it leaves its reference.
    pub finding: Finding,
}

/// What one case does in its chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Which case.
    pub id: CaseId,
    /// The checkpoint it names; `None` where `case.json` could not be read.
    pub checkpoint: Option<String>,
    /// How far its outputs are from the references on golden inputs; `None` where nothing was measured.
    pub own: Option<Difference>,
    /// How far they are on what the cases before it produced; `None` where nothing was measured.
    pub propagated: Option<Difference>,
    /// The propagated difference of its outputs over the largest of its inputs, each relative to the RMS of its reference;
    /// `None` where one of them is 0 or unknown.
    pub amplification: Option<f64>,
    /// What it has to do with a divergence.
    pub part: Part,
}

/// How far the outputs of a case are from their references: the largest of all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Difference {
    /// The largest absolute difference.
    pub max_abs_diff: Option<f64>,
    /// The largest share of the tolerance that an element uses.
    pub tolerance_used: f64,
    /// The largest RMSE over the RMS of the reference.
    pub rel_rms: Option<f64>,
    /// Whether every output is within its tolerance.
    pub is_close: bool,
}

/// What a case has to do with a divergence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// Within tolerance, chained or not.
    Sound,
    /// The first whose own difference is outside tolerance, or whose own summary drifted.
    Diverges,
    /// Outside tolerance or drifted by itself too, after the first.
    AtFaultToo,
    /// Within tolerance by itself, and outside on what an earlier fault made of its inputs.
    PassesOn,
    /// Within tolerance by itself as all before it are, and outside on what came of them together.
    Accumulates,
    /// It did not run, for that reason: nothing is claimed past it.
    Hole(String),
    /// That case before it is a hole.
    PastHole(CaseId),
}

/// Where a chain leaves its reference.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Finding {
    /// Nowhere.
    Sound,
    /// At that case, and not before.
    Divergence(CaseId),
    /// Every own difference is inside tolerance, and an end of the chain outside.
    Accumulation {
        /// The end.
        end: CaseId,
        /// The case on the way there that amplified most, and how much.
        amplifier: Option<(CaseId, f64)>,
    },
    /// Nowhere before a hole; past it nothing is claimed.
    Unknown(CaseId),
}

impl Difference {
    /// The largest of several comparisons; a structure that forbids one is not close. `None` where there is none.
    #[must_use]
    pub fn of<'a>(found: impl IntoIterator<Item = &'a Result<Comparison, Mismatch>>) -> Option<Difference> {
        found.into_iter().map(Difference::one).reduce(|one, other| Difference {
            max_abs_diff: larger(one.max_abs_diff, other.max_abs_diff),
            tolerance_used: one.tolerance_used.max(other.tolerance_used),
            rel_rms: larger(one.rel_rms, other.rel_rms),
            is_close: one.is_close && other.is_close,
        })
    }

    /// That of a case on golden inputs.
    pub(in crate::run) fn own(case: &CaseOutcome) -> Option<Difference> {
        let comparisons = case.outputs.iter().filter_map(|output| output.comparison.clone()).map(Ok);
        Difference::of(&comparisons.collect::<Vec<_>>())
    }

    fn one(found: &Result<Comparison, Mismatch>) -> Difference {
        match found {
            Err(_) => Difference { tolerance_used: f64::INFINITY, ..Difference::default() },
            Ok(measured) => Difference {
                max_abs_diff: measured.max_abs_diff.as_ref().map(|extreme| extreme.value),
                tolerance_used: measured.tolerance_used,
                // Both sides 0 throughout are no distance apart, whatever it is relative to.
                rel_rms: measured.rel_rms.or((measured.rmse == Some(0.0)).then_some(0.0)),
                is_close: measured.is_close(),
            },
        }
    }
}

impl Step {
    /// Whether the case did not run, or nothing is claimed because one before it did not.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self.part, Part::Hole(_) | Part::PastHole(_))
    }
}
