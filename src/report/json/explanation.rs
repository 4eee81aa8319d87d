//! Why a tensor is not its reference, as JSON.

use serde::{Deserialize, Serialize};

use super::element::Float;
use super::nullable::nullable;
use super::words::JsonHypothesis;
use crate::explain::{Details, Explanation};

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub(super) struct JsonExplanation {
    id: JsonHypothesis,
    removes: Float,
    evidence: String,
    with: Vec<JsonHypothesis>,
    #[serde(deserialize_with = "nullable")]
    factor: Option<Float>,
    #[serde(deserialize_with = "nullable")]
    axes: Option<Vec<usize>>,
    #[serde(deserialize_with = "nullable")]
    by: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    position: Option<usize>,
    #[serde(deserialize_with = "nullable")]
    eps: Option<Float>,
    #[serde(deserialize_with = "nullable")]
    name: Option<String>,
    #[serde(deserialize_with = "nullable")]
    elements: Option<u64>,
}

impl From<&Explanation> for JsonExplanation {
    fn from(explanation: &Explanation) -> Self {
        let Explanation { id, removes, evidence, with, details } = explanation;
        let Details { factor, axes, by, position, eps, name, elements } = details;
        JsonExplanation {
            id: JsonHypothesis(*id),
            removes: Float(*removes),
            evidence: evidence.clone(),
            with: with.iter().copied().map(JsonHypothesis).collect(),
            factor: factor.map(Float),
            axes: axes.clone(),
            by: *by,
            position: *position,
            eps: eps.map(Float),
            name: name.clone(),
            elements: *elements,
        }
    }
}

impl From<JsonExplanation> for Explanation {
    fn from(json: JsonExplanation) -> Self {
        let JsonExplanation { id, removes, evidence, with, factor, axes, by, position, eps, name, elements } = json;
        let (factor, eps) = (factor.map(|x| x.0), eps.map(|x| x.0));
        Explanation {
            id: id.0,
            removes: removes.0,
            evidence,
            with: with.into_iter().map(|id| id.0).collect(),
            details: Details { factor, axes, by, position, eps, name, elements },
        }
    }
}
