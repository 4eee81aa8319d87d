//! What a chained run found out.

use serde::{Deserialize, Serialize};

use crate::case::CaseId;
use crate::compare::{Comparison, Mismatch};
use crate::run::outcome::{CaseOutcome, larger};
use crate::tensor::json::{Float, MaybeFloat, nullable};

/// Cases that `from` links, in the order of the computation.
///
/// Where a tensor is the reference of several cases, the one with the fewest inputs comes first: the parts before the whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct ChainOutcome {
    /// What the ids of its cases begin with, or the first of them.
    pub name: String,
    /// Where it leaves its reference.
    pub finding: Finding,
    /// One for each case.
    pub steps: Vec<Step>,
}

/// What one case does in its chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Step {
    /// Which case.
    pub id: CaseId,
    /// The checkpoint it names; `None` where `case.json` could not be read.
    #[serde(deserialize_with = "nullable")]
    pub checkpoint: Option<String>,
    /// What it has to do with a divergence.
    pub part: Part,
    /// Why it is a hole, or the id of the hole that it is past; `None` where it is neither.
    #[serde(deserialize_with = "nullable")]
    pub why: Option<String>,
    /// How far its outputs are from the references on golden inputs; `None` where nothing was measured.
    #[serde(deserialize_with = "nullable")]
    pub own: Option<Difference>,
    /// How far they are on what the cases before it produced; `None` where nothing was measured.
    #[serde(deserialize_with = "nullable")]
    pub propagated: Option<Difference>,
    /// The propagated difference of its outputs over the largest of its inputs, each relative to the RMS of its reference;
    /// `None` where one of them is 0 or unknown.
    #[serde(with = "MaybeFloat")]
    pub amplification: Option<f64>,
}

/// How far the outputs of a case are from their references: the largest of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Difference {
    /// The largest absolute difference.
    #[serde(with = "MaybeFloat")]
    pub max_abs_diff: Option<f64>,
    /// The largest share of the tolerance that an element uses.
    #[serde(with = "Float")]
    pub tolerance_used: f64,
    /// The largest RMSE over the RMS of the reference.
    #[serde(with = "MaybeFloat")]
    pub rel_rms: Option<f64>,
    /// Whether every output is within its tolerance.
    pub is_close: bool,
}

/// What a case has to do with a divergence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
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
    /// It did not run: nothing is claimed past it.
    Hole,
    /// A case before it is a hole.
    PastHole,
}

/// Where a chain leaves its reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// Nowhere.
    Sound,
    /// At that case, and not before.
    Divergence {
        /// The case.
        id: CaseId,
    },
    /// Every own difference is inside tolerance, and an end of the chain outside.
    Accumulation {
        /// The end.
        end: CaseId,
        /// The case on the way there that amplified most.
        #[serde(deserialize_with = "nullable")]
        amplifier: Option<Amplifier>,
    },
    /// Nowhere before a hole; past it nothing is claimed.
    Unknown {
        /// The hole.
        hole: CaseId,
    },
}

/// A case that amplifies the difference of its inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Amplifier {
    /// Which case.
    pub id: CaseId,
    /// By how much.
    #[serde(with = "Float")]
    pub amplification: f64,
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
        matches!(self.part, Part::Hole | Part::PastHole)
    }
}
