//! What describes one tensor, and how much may differ from it, as JSON.

use serde::{Deserialize, Serialize};

use super::element::{Element, ElementType, Float};
use super::nullable::nullable;
use super::words::JsonDType;
use crate::compare::{NonFinite, Summary, Tolerance};

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub(super) struct JsonSummary {
    dtype: JsonDType,
    shape: Vec<usize>,
    elements: u64,
    left_out: u64,
    non_finite: JsonNonFinite,
    #[serde(deserialize_with = "nullable")]
    min: Option<Element>,
    #[serde(deserialize_with = "nullable")]
    max: Option<Element>,
    #[serde(deserialize_with = "nullable")]
    mean: Option<Float>,
    #[serde(deserialize_with = "nullable")]
    std: Option<Float>,
    #[serde(deserialize_with = "nullable")]
    l2: Option<Float>,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub(super) struct JsonNonFinite {
    nan: u64,
    pos_inf: u64,
    neg_inf: u64,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub(super) struct JsonTolerance {
    atol: Float,
    rtol: Float,
    outliers: u64,
    #[serde(deserialize_with = "nullable")]
    max_ulps: Option<u64>,
    #[serde(deserialize_with = "nullable")]
    max_rel_rms: Option<Float>,
}

impl From<&Summary> for JsonSummary {
    fn from(summary: &Summary) -> Self {
        let Summary { shape, dtype, elements, left_out, non_finite, min, max, mean, std, l2 } = summary;
        JsonSummary {
            dtype: JsonDType(*dtype),
            shape: shape.clone(),
            elements: *elements,
            left_out: *left_out,
            non_finite: (*non_finite).into(),
            min: min.map(Element::from),
            max: max.map(Element::from),
            mean: mean.map(Float),
            std: std.map(Float),
            l2: l2.map(Float),
        }
    }
}

impl From<NonFinite> for JsonNonFinite {
    fn from(NonFinite { nan, pos_inf, neg_inf }: NonFinite) -> Self {
        JsonNonFinite { nan, pos_inf, neg_inf }
    }
}

impl From<&Tolerance> for JsonTolerance {
    fn from(tolerance: &Tolerance) -> Self {
        let Tolerance { atol, rtol, outliers, max_ulps, max_rel_rms } = *tolerance;
        JsonTolerance { atol: Float(atol), rtol: Float(rtol), outliers, max_ulps, max_rel_rms: max_rel_rms.map(Float) }
    }
}

impl TryFrom<JsonSummary> for Summary {
    type Error = String;

    fn try_from(json: JsonSummary) -> Result<Self, String> {
        let JsonSummary { dtype, shape, elements, left_out, non_finite, min, max, mean, std, l2 } = json;
        let dtype = dtype.0;
        let of = ElementType::of_summary(dtype);
        let extreme = |json: Option<Element>| json.map(|json| json.value(of)).transpose();
        Ok(Summary {
            shape,
            dtype,
            elements,
            left_out,
            non_finite: non_finite.into(),
            min: extreme(min)?,
            max: extreme(max)?,
            mean: mean.map(|x| x.0),
            std: std.map(|x| x.0),
            l2: l2.map(|x| x.0),
        })
    }
}

impl From<JsonNonFinite> for NonFinite {
    fn from(JsonNonFinite { nan, pos_inf, neg_inf }: JsonNonFinite) -> Self {
        NonFinite { nan, pos_inf, neg_inf }
    }
}

impl From<JsonTolerance> for Tolerance {
    fn from(JsonTolerance { atol, rtol, outliers, max_ulps, max_rel_rms }: JsonTolerance) -> Self {
        Tolerance { atol: atol.0, rtol: rtol.0, outliers, max_ulps, max_rel_rms: max_rel_rms.map(|x| x.0) }
    }
}
