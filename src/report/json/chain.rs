//! The chains of `karat run --chained --json`.

use serde::Serialize;

use super::measured::Float;
use crate::run::{ChainOutcome, Difference, Finding, Part, Step};

#[derive(Serialize)]
pub(super) struct JsonChain<'a> {
    name: &'a str,
    finding: JsonFinding<'a>,
    steps: Vec<JsonStep<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum JsonFinding<'a> {
    Sound,
    Divergence { id: &'a str },
    Accumulation { end: &'a str, amplifier: Option<JsonAmplifier<'a>> },
    Unknown { hole: &'a str },
}

#[derive(Serialize)]
struct JsonAmplifier<'a> {
    id: &'a str,
    amplification: Float,
}

#[derive(Serialize)]
struct JsonStep<'a> {
    id: &'a str,
    checkpoint: Option<&'a str>,
    part: &'static str,
    /// The reason of a hole, or the hole that it is past.
    why: Option<&'a str>,
    own: Option<JsonDifference>,
    propagated: Option<JsonDifference>,
    amplification: Option<Float>,
}

#[derive(Serialize)]
struct JsonDifference {
    max_abs_diff: Option<Float>,
    tolerance_used: Float,
    rel_rms: Option<Float>,
    is_close: bool,
}

impl<'a> From<&'a ChainOutcome> for JsonChain<'a> {
    fn from(ChainOutcome { name, steps, finding }: &'a ChainOutcome) -> Self {
        JsonChain { name, finding: finding.into(), steps: steps.iter().map(JsonStep::from).collect() }
    }
}

impl<'a> From<&'a Finding> for JsonFinding<'a> {
    fn from(finding: &'a Finding) -> Self {
        match finding {
            Finding::Sound => JsonFinding::Sound,
            Finding::Divergence(id) => JsonFinding::Divergence { id: id.as_str() },
            Finding::Accumulation { end, amplifier } => JsonFinding::Accumulation {
                end: end.as_str(),
                amplifier: amplifier
                    .as_ref()
                    .map(|(id, times)| JsonAmplifier { id: id.as_str(), amplification: Float(*times) }),
            },
            Finding::Unknown(hole) => JsonFinding::Unknown { hole: hole.as_str() },
        }
    }
}

impl<'a> From<&'a Step> for JsonStep<'a> {
    fn from(Step { id, checkpoint, own, propagated, amplification, part }: &'a Step) -> Self {
        let (part, why) = match part {
            Part::Sound => ("sound", None),
            Part::Diverges => ("diverges", None),
            Part::AtFaultToo => ("at_fault_too", None),
            Part::PassesOn => ("passes_on", None),
            Part::Accumulates => ("accumulates", None),
            Part::Hole(why) => ("hole", Some(why.as_str())),
            Part::PastHole(hole) => ("past_hole", Some(hole.as_str())),
        };
        JsonStep {
            id: id.as_str(),
            checkpoint: checkpoint.as_deref(),
            part,
            why,
            own: own.as_ref().map(JsonDifference::from),
            propagated: propagated.as_ref().map(JsonDifference::from),
            amplification: amplification.map(Float),
        }
    }
}

impl From<&Difference> for JsonDifference {
    fn from(Difference { max_abs_diff, tolerance_used, rel_rms, is_close }: &Difference) -> Self {
        JsonDifference {
            max_abs_diff: max_abs_diff.map(Float),
            tolerance_used: Float(*tolerance_used),
            rel_rms: rel_rms.map(Float),
            is_close: *is_close,
        }
    }
}
