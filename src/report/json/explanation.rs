//! Why a tensor is not its reference, as JSON.

use serde::Serialize;

use super::measured::Float;
use crate::run::{Details, Explanation};

#[derive(Serialize)]
pub(super) struct JsonExplanation<'a> {
    id: &'static str,
    removes: Float,
    evidence: &'a str,
    with: Vec<&'static str>,
    factor: Option<Float>,
    axes: Option<&'a [usize]>,
    by: Option<i64>,
    position: Option<usize>,
    eps: Option<Float>,
    name: Option<&'a str>,
    elements: Option<u64>,
}

impl<'a> From<&'a Explanation> for JsonExplanation<'a> {
    fn from(explanation: &'a Explanation) -> Self {
        let Explanation { id, removes, evidence, with, details } = explanation;
        let Details { factor, axes, by, position, eps, name, elements } = details;
        JsonExplanation {
            id: id.word(),
            removes: Float(*removes),
            evidence,
            with: with.iter().map(|id| id.word()).collect(),
            factor: factor.map(Float),
            axes: axes.as_deref(),
            by: *by,
            position: *position,
            eps: eps.map(Float),
            name: name.as_deref(),
            elements: *elements,
        }
    }
}
