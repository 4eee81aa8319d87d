//! The chains of `karat run --chained`, as JSON.

use serde::{Deserialize, Serialize};

use super::element::Float;
use super::nullable::nullable;
use crate::case::CaseId;
use crate::run::{ChainOutcome, Difference, Finding, Part, Step};

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub(super) struct JsonChain {
    name: String,
    finding: JsonFinding,
    steps: Vec<JsonStep>,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
enum JsonFinding {
    Sound,
    Divergence {
        id: String,
    },
    Accumulation {
        end: String,
        #[serde(deserialize_with = "nullable")]
        amplifier: Option<JsonAmplifier>,
    },
    Unknown {
        hole: String,
    },
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct JsonAmplifier {
    id: String,
    amplification: Float,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct JsonStep {
    id: String,
    #[serde(deserialize_with = "nullable")]
    checkpoint: Option<String>,
    part: JsonPart,
    /// The reason of a hole, or the hole that it is past.
    #[serde(deserialize_with = "nullable")]
    why: Option<String>,
    #[serde(deserialize_with = "nullable")]
    own: Option<JsonDifference>,
    #[serde(deserialize_with = "nullable")]
    propagated: Option<JsonDifference>,
    #[serde(deserialize_with = "nullable")]
    amplification: Option<Float>,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum JsonPart {
    Sound,
    Diverges,
    AtFaultToo,
    PassesOn,
    Accumulates,
    Hole,
    PastHole,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct JsonDifference {
    #[serde(deserialize_with = "nullable")]
    max_abs_diff: Option<Float>,
    tolerance_used: Float,
    #[serde(deserialize_with = "nullable")]
    rel_rms: Option<Float>,
    is_close: bool,
}

impl From<&ChainOutcome> for JsonChain {
    fn from(ChainOutcome { name, steps, finding }: &ChainOutcome) -> Self {
        JsonChain { name: name.clone(), finding: finding.into(), steps: steps.iter().map(JsonStep::from).collect() }
    }
}

impl From<&Finding> for JsonFinding {
    fn from(finding: &Finding) -> Self {
        match finding {
            Finding::Sound => JsonFinding::Sound,
            Finding::Divergence(id) => JsonFinding::Divergence { id: id.to_string() },
            Finding::Accumulation { end, amplifier } => JsonFinding::Accumulation {
                end: end.to_string(),
                amplifier: amplifier
                    .as_ref()
                    .map(|(id, times)| JsonAmplifier { id: id.to_string(), amplification: Float(*times) }),
            },
            Finding::Unknown(hole) => JsonFinding::Unknown { hole: hole.to_string() },
        }
    }
}

impl From<&Step> for JsonStep {
    fn from(Step { id, checkpoint, own, propagated, amplification, part }: &Step) -> Self {
        let (part, why) = match part {
            Part::Sound => (JsonPart::Sound, None),
            Part::Diverges => (JsonPart::Diverges, None),
            Part::AtFaultToo => (JsonPart::AtFaultToo, None),
            Part::PassesOn => (JsonPart::PassesOn, None),
            Part::Accumulates => (JsonPart::Accumulates, None),
            Part::Hole(why) => (JsonPart::Hole, Some(why.clone())),
            Part::PastHole(hole) => (JsonPart::PastHole, Some(hole.to_string())),
        };
        JsonStep {
            id: id.to_string(),
            checkpoint: checkpoint.clone(),
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

impl TryFrom<JsonChain> for ChainOutcome {
    type Error = String;

    fn try_from(JsonChain { name, finding, steps }: JsonChain) -> Result<Self, String> {
        Ok(ChainOutcome {
            name,
            steps: steps.into_iter().map(Step::try_from).collect::<Result<_, String>>()?,
            finding: finding.try_into()?,
        })
    }
}

impl TryFrom<JsonFinding> for Finding {
    type Error = String;

    fn try_from(finding: JsonFinding) -> Result<Self, String> {
        Ok(match finding {
            JsonFinding::Sound => Finding::Sound,
            JsonFinding::Divergence { id: case } => Finding::Divergence(id(&case)?),
            JsonFinding::Accumulation { end, amplifier } => Finding::Accumulation {
                end: id(&end)?,
                amplifier: amplifier
                    .map(|JsonAmplifier { id: case, amplification }| Ok::<_, String>((id(&case)?, amplification.0)))
                    .transpose()?,
            },
            JsonFinding::Unknown { hole } => Finding::Unknown(id(&hole)?),
        })
    }
}

impl TryFrom<JsonStep> for Step {
    type Error = String;

    fn try_from(step: JsonStep) -> Result<Self, String> {
        let JsonStep { id: case, checkpoint, part, why, own, propagated, amplification } = step;
        let reason = || why.clone().ok_or_else(|| format!("the step {case} of a chain has no `why`"));
        let part = match part {
            JsonPart::Sound => Part::Sound,
            JsonPart::Diverges => Part::Diverges,
            JsonPart::AtFaultToo => Part::AtFaultToo,
            JsonPart::PassesOn => Part::PassesOn,
            JsonPart::Accumulates => Part::Accumulates,
            JsonPart::Hole => Part::Hole(reason()?),
            JsonPart::PastHole => Part::PastHole(id(&reason()?)?),
        };
        Ok(Step {
            id: id(&case)?,
            checkpoint,
            own: own.map(Difference::from),
            propagated: propagated.map(Difference::from),
            amplification: amplification.map(|x| x.0),
            part,
        })
    }
}

impl From<JsonDifference> for Difference {
    fn from(JsonDifference { max_abs_diff, tolerance_used, rel_rms, is_close }: JsonDifference) -> Self {
        Difference {
            max_abs_diff: max_abs_diff.map(|x| x.0),
            tolerance_used: tolerance_used.0,
            rel_rms: rel_rms.map(|x| x.0),
            is_close,
        }
    }
}

/// The id of a case.
pub(super) fn id(text: &str) -> Result<CaseId, String> {
    CaseId::new(text).map_err(|error| error.to_string())
}
