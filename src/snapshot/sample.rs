//! Hand-made facts for the tests of this folder.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::text::{Facts, text};
use crate::compare::{Comparison, Extreme, NonFinite, Rules, Summary, Tolerance};
use crate::tensor::{DType, Value};

/// Facts that own what they hold: 64 `f32` of root mean square 1, largest magnitude 4.
#[derive(Clone)]
pub(super) struct Sample {
    pub checkpoint: String,
    pub params: BTreeMap<String, Json>,
    pub inputs: BTreeMap<String, String>,
    pub reference: Option<String>,
    pub alternatives: Vec<String>,
    pub mask: Option<String>,
    pub rules: Option<Rules>,
    pub chained: Option<Tolerance>,
    pub summary: Summary,
    pub comparison: Option<Comparison>,
}

/// 64 eps of `f32`, which is 2^-17: a band at root mean square 1.
pub(super) const BAND: f64 = 64.0 * f32::EPSILON as f64;

pub(super) fn sample() -> Sample {
    let rules = Rules::new(Tolerance::new(1e-5, 0.0).expect("a tolerance"));
    Sample {
        checkpoint: "layer_norm".to_owned(),
        params: BTreeMap::from([("eps".to_owned(), Json::from(1e-5))]),
        inputs: BTreeMap::from([("x".to_owned(), "ab".repeat(32))]),
        reference: Some("cd".repeat(32)),
        alternatives: Vec::new(),
        mask: None,
        rules: Some(rules),
        chained: None,
        summary: Summary {
            shape: vec![1, 8, 8],
            dtype: DType::F32,
            elements: 64,
            left_out: 0,
            non_finite: NonFinite::default(),
            min: Some(Value::Float32(-4.0)),
            max: Some(Value::Float32(2.5)),
            mean: Some(0.0),
            std: Some(1.0),
            l2: Some(8.0),
        },
        comparison: Some(comparison(5.960_464_477_539_063e-8, 1e-8)),
    }
}

pub(super) fn comparison(max_abs_diff: f64, rmse: f64) -> Comparison {
    let zero = Value::Float32(0.0);
    Comparison {
        types: None,
        elements: 64,
        left_out: 0,
        differing: 1,
        outside: 0,
        first_outside: None,
        non_finite_mismatches: 0,
        first_non_finite_mismatch: None,
        max_abs_diff: Some(Extreme { value: max_abs_diff, index: vec![0, 0, 0], actual: zero, reference: zero }),
        max_rel_diff: None,
        max_ulp_diff: None,
        worst: None,
        zero_references: 0,
        mean_abs_diff: None,
        rmse: Some(rmse),
        rel_rms: None,
        bias: None,
        scale: None,
        cosine: None,
        tolerance_used: 0.0,
        smallest_atol: None,
        actual_non_finite: NonFinite::default(),
        reference_non_finite: NonFinite::default(),
        vacuous: None,
        mismatches: Vec::new(),
    }
}

impl Sample {
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            checkpoint: &self.checkpoint,
            params: &self.params,
            inputs: &self.inputs,
            reference: self.reference.as_deref(),
            alternatives: &self.alternatives,
            mask: self.mask.as_deref(),
            rules: self.rules.as_ref(),
            chained: self.chained.as_ref(),
            summary: &self.summary,
            comparison: self.comparison.as_ref(),
        }
    }

    pub(super) fn text(&self) -> String {
        text(&self.facts())
    }

    /// The sample after a change.
    pub(super) fn with(&self, change: impl FnOnce(&mut Sample)) -> Sample {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }
}
