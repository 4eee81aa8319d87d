//! What was measured between two tensors, as JSON.

use serde::{Deserialize, Serialize};

use super::element::{Element, ElementType, Float, JsonTypes};
use super::measured::JsonNonFinite;
use super::nullable::nullable;
use super::words::{JsonDType, JsonVacuous};
use crate::compare::{Comparison, Extreme, Mismatch};

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct JsonExtreme {
    value: Float,
    index: Vec<usize>,
    actual: Element,
    reference: Element,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub(super) struct JsonComparison {
    /// What the elements in it are; `null` where there is none.
    #[serde(deserialize_with = "nullable")]
    types: Option<JsonTypes>,
    elements: u64,
    left_out: u64,
    differing: u64,
    outside: u64,
    /// The index of the first number outside; there only where one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_outside: Option<Vec<usize>>,
    non_finite_mismatches: u64,
    #[serde(deserialize_with = "nullable")]
    first_non_finite_mismatch: Option<JsonExtreme>,
    #[serde(deserialize_with = "nullable")]
    max_abs_diff: Option<JsonExtreme>,
    #[serde(deserialize_with = "nullable")]
    max_rel_diff: Option<JsonExtreme>,
    #[serde(deserialize_with = "nullable")]
    max_ulp_diff: Option<JsonExtreme>,
    #[serde(deserialize_with = "nullable")]
    worst: Option<JsonExtreme>,
    zero_references: u64,
    #[serde(deserialize_with = "nullable")]
    mean_abs_diff: Option<Float>,
    #[serde(deserialize_with = "nullable")]
    rmse: Option<Float>,
    #[serde(deserialize_with = "nullable")]
    rel_rms: Option<Float>,
    #[serde(deserialize_with = "nullable")]
    bias: Option<Float>,
    #[serde(deserialize_with = "nullable")]
    scale: Option<Float>,
    #[serde(deserialize_with = "nullable")]
    cosine: Option<Float>,
    tolerance_used: Float,
    #[serde(deserialize_with = "nullable")]
    smallest_atol: Option<Float>,
    actual_non_finite: JsonNonFinite,
    reference_non_finite: JsonNonFinite,
    /// What else would have passed; there only where something would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vacuous: Option<JsonVacuous>,
    mismatches: Vec<JsonMismatch>,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum JsonMismatch {
    Dtype { actual: JsonDType, required: JsonDType },
    Shape { actual: Vec<usize>, reference: Vec<usize> },
    Mask { dtype: JsonDType, shape: Vec<usize>, reference: Vec<usize> },
    Empty,
    NonFinite { count: u64 },
    Outside { count: u64 },
    Ulps { ulps: u64, allowed: u64 },
    NoUlps { actual: JsonDType, reference: JsonDType },
    RelRms { rel_rms: Float, allowed: Float },
}

impl JsonMismatch {
    /// The kinds there are.
    pub(super) const KINDS: [&str; 9] =
        ["dtype", "shape", "mask", "empty", "non_finite", "outside", "ulps", "no_ulps", "rel_rms"];
}

impl From<&Extreme> for JsonExtreme {
    fn from(Extreme { value, index, actual, reference }: &Extreme) -> Self {
        JsonExtreme {
            value: Float(*value),
            index: index.clone(),
            actual: (*actual).into(),
            reference: (*reference).into(),
        }
    }
}

impl From<&Comparison> for JsonComparison {
    fn from(comparison: &Comparison) -> Self {
        let Comparison {
            elements,
            left_out,
            differing,
            outside,
            first_outside,
            non_finite_mismatches,
            first_non_finite_mismatch,
            max_abs_diff,
            max_rel_diff,
            max_ulp_diff,
            worst,
            zero_references,
            mean_abs_diff,
            rmse,
            rel_rms,
            bias,
            scale,
            cosine,
            tolerance_used,
            smallest_atol,
            actual_non_finite,
            reference_non_finite,
            vacuous,
            mismatches,
        } = comparison;
        let extremes = [first_non_finite_mismatch, max_abs_diff, max_rel_diff, max_ulp_diff, worst];
        JsonComparison {
            types: extremes.into_iter().flatten().next().map(|extreme| JsonTypes {
                actual: ElementType::of(extreme.actual),
                reference: ElementType::of(extreme.reference),
            }),
            elements: *elements,
            left_out: *left_out,
            differing: *differing,
            outside: *outside,
            first_outside: first_outside.clone(),
            non_finite_mismatches: *non_finite_mismatches,
            first_non_finite_mismatch: first_non_finite_mismatch.as_ref().map(JsonExtreme::from),
            max_abs_diff: max_abs_diff.as_ref().map(JsonExtreme::from),
            max_rel_diff: max_rel_diff.as_ref().map(JsonExtreme::from),
            max_ulp_diff: max_ulp_diff.as_ref().map(JsonExtreme::from),
            worst: worst.as_ref().map(JsonExtreme::from),
            zero_references: *zero_references,
            mean_abs_diff: mean_abs_diff.map(Float),
            rmse: rmse.map(Float),
            rel_rms: rel_rms.map(Float),
            bias: bias.map(Float),
            scale: scale.map(Float),
            cosine: cosine.map(Float),
            tolerance_used: Float(*tolerance_used),
            smallest_atol: smallest_atol.map(Float),
            actual_non_finite: (*actual_non_finite).into(),
            reference_non_finite: (*reference_non_finite).into(),
            vacuous: vacuous.map(JsonVacuous),
            mismatches: mismatches.iter().map(JsonMismatch::from).collect(),
        }
    }
}

impl From<&Mismatch> for JsonMismatch {
    fn from(mismatch: &Mismatch) -> Self {
        match mismatch {
            Mismatch::Dtype { actual, required } => {
                JsonMismatch::Dtype { actual: JsonDType(*actual), required: JsonDType(*required) }
            }
            Mismatch::Shape { actual, reference } => {
                JsonMismatch::Shape { actual: actual.clone(), reference: reference.clone() }
            }
            Mismatch::Mask { dtype, shape, reference } => {
                JsonMismatch::Mask { dtype: JsonDType(*dtype), shape: shape.clone(), reference: reference.clone() }
            }
            Mismatch::Empty => JsonMismatch::Empty,
            Mismatch::NonFinite { count } => JsonMismatch::NonFinite { count: *count },
            Mismatch::Outside { count } => JsonMismatch::Outside { count: *count },
            Mismatch::Ulps { ulps, allowed } => JsonMismatch::Ulps { ulps: *ulps, allowed: *allowed },
            Mismatch::NoUlps { actual, reference } => {
                JsonMismatch::NoUlps { actual: JsonDType(*actual), reference: JsonDType(*reference) }
            }
            Mismatch::RelRms { rel_rms, allowed } => {
                JsonMismatch::RelRms { rel_rms: Float(*rel_rms), allowed: Float(*allowed) }
            }
        }
    }
}

impl TryFrom<JsonComparison> for Comparison {
    type Error = String;

    fn try_from(json: JsonComparison) -> Result<Self, String> {
        let JsonComparison {
            types,
            elements,
            left_out,
            differing,
            outside,
            first_outside,
            non_finite_mismatches,
            first_non_finite_mismatch,
            max_abs_diff,
            max_rel_diff,
            max_ulp_diff,
            worst,
            zero_references,
            mean_abs_diff,
            rmse,
            rel_rms,
            bias,
            scale,
            cosine,
            tolerance_used,
            smallest_atol,
            actual_non_finite,
            reference_non_finite,
            vacuous,
            mismatches,
        } = json;
        let extreme = |json: Option<JsonExtreme>| json.map(|json| json.read(types)).transpose();
        Ok(Comparison {
            elements,
            left_out,
            differing,
            outside,
            first_outside,
            non_finite_mismatches,
            first_non_finite_mismatch: extreme(first_non_finite_mismatch)?,
            max_abs_diff: extreme(max_abs_diff)?,
            max_rel_diff: extreme(max_rel_diff)?,
            max_ulp_diff: extreme(max_ulp_diff)?,
            worst: extreme(worst)?,
            zero_references,
            mean_abs_diff: mean_abs_diff.map(|x| x.0),
            rmse: rmse.map(|x| x.0),
            rel_rms: rel_rms.map(|x| x.0),
            bias: bias.map(|x| x.0),
            scale: scale.map(|x| x.0),
            cosine: cosine.map(|x| x.0),
            tolerance_used: tolerance_used.0,
            smallest_atol: smallest_atol.map(|x| x.0),
            actual_non_finite: actual_non_finite.into(),
            reference_non_finite: reference_non_finite.into(),
            vacuous: vacuous.map(|vacuous| vacuous.0),
            mismatches: mismatches.into_iter().map(Mismatch::from).collect(),
        })
    }
}

impl JsonExtreme {
    fn read(self, types: Option<JsonTypes>) -> Result<Extreme, String> {
        let JsonExtreme { value, index, actual, reference } = self;
        let types = types.ok_or("comparison.types is null, and there are elements in the comparison")?;
        let (actual, reference) = (actual.value(types.actual)?, reference.value(types.reference)?);
        Ok(Extreme { value: value.0, index, actual, reference })
    }
}

impl From<JsonMismatch> for Mismatch {
    fn from(json: JsonMismatch) -> Self {
        match json {
            JsonMismatch::Dtype { actual, required } => Mismatch::Dtype { actual: actual.0, required: required.0 },
            JsonMismatch::Shape { actual, reference } => Mismatch::Shape { actual, reference },
            JsonMismatch::Mask { dtype, shape, reference } => Mismatch::Mask { dtype: dtype.0, shape, reference },
            JsonMismatch::Empty => Mismatch::Empty,
            JsonMismatch::NonFinite { count } => Mismatch::NonFinite { count },
            JsonMismatch::Outside { count } => Mismatch::Outside { count },
            JsonMismatch::Ulps { ulps, allowed } => Mismatch::Ulps { ulps, allowed },
            JsonMismatch::NoUlps { actual, reference } => Mismatch::NoUlps { actual: actual.0, reference: reference.0 },
            JsonMismatch::RelRms { rel_rms, allowed } => Mismatch::RelRms { rel_rms: rel_rms.0, allowed: allowed.0 },
        }
    }
}
