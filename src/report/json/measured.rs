//! Numbers, tensors and what was measured of them, as JSON.

use serde::{Serialize, Serializer};

use crate::numeric::{Comparison, Extreme, Mismatch, NonFinite, Summary, Tolerance, Value};

/// A float: a number with the fewest digits that read back the same, or a word where JSON has no number.
#[derive(Clone, Copy)]
pub(super) struct Float(pub(super) f64);

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            x if x.is_nan() => serializer.serialize_str("nan"),
            f64::INFINITY => serializer.serialize_str("inf"),
            f64::NEG_INFINITY => serializer.serialize_str("-inf"),
            x => serializer.serialize_f64(x),
        }
    }
}

/// One element of a tensor.
pub(super) struct Element(Value);

impl Serialize for Element {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Complex {
            re: Float,
            im: Float,
        }
        match self.0 {
            Value::Bool(x) => serializer.serialize_bool(x),
            Value::Integer(x) => serializer.serialize_i128(x),
            // As an f32, which has fewer digits than the same value as a double.
            Value::Float32(x) if x.is_finite() => serializer.serialize_f32(x),
            Value::Float32(x) => Float(x.into()).serialize(serializer),
            Value::Float64(x) => Float(x).serialize(serializer),
            Value::Complex(x) => Complex { re: Float(x.re), im: Float(x.im) }.serialize(serializer),
        }
    }
}

#[derive(Serialize)]
pub(super) struct JsonSummary<'a> {
    dtype: &'static str,
    shape: &'a [usize],
    elements: u64,
    left_out: u64,
    non_finite: JsonNonFinite,
    min: Option<Element>,
    max: Option<Element>,
    mean: Option<Float>,
    std: Option<Float>,
    l2: Option<Float>,
}

impl<'a> From<&'a Summary> for JsonSummary<'a> {
    fn from(summary: &'a Summary) -> Self {
        let Summary { shape, dtype, elements, left_out, non_finite, min, max, mean, std, l2 } = summary;
        JsonSummary {
            dtype: dtype.name(),
            shape,
            elements: *elements,
            left_out: *left_out,
            non_finite: (*non_finite).into(),
            min: min.map(Element),
            max: max.map(Element),
            mean: mean.map(Float),
            std: std.map(Float),
            l2: l2.map(Float),
        }
    }
}

#[derive(Serialize)]
pub(super) struct JsonNonFinite {
    nan: u64,
    pos_inf: u64,
    neg_inf: u64,
}

impl From<NonFinite> for JsonNonFinite {
    fn from(NonFinite { nan, pos_inf, neg_inf }: NonFinite) -> Self {
        JsonNonFinite { nan, pos_inf, neg_inf }
    }
}

#[derive(Serialize)]
pub(super) struct JsonTolerance {
    atol: Float,
    rtol: Float,
    outliers: u64,
    max_ulps: Option<u64>,
    max_rel_rms: Option<Float>,
}

impl From<&Tolerance> for JsonTolerance {
    fn from(tolerance: &Tolerance) -> Self {
        let Tolerance { atol, rtol, outliers, max_ulps, max_rel_rms } = *tolerance;
        JsonTolerance { atol: Float(atol), rtol: Float(rtol), outliers, max_ulps, max_rel_rms: max_rel_rms.map(Float) }
    }
}

#[derive(Serialize)]
struct JsonExtreme<'a> {
    value: Float,
    index: &'a [usize],
    actual: Element,
    reference: Element,
}

impl<'a> From<&'a Extreme> for JsonExtreme<'a> {
    fn from(Extreme { value, index, actual, reference }: &'a Extreme) -> Self {
        JsonExtreme { value: Float(*value), index, actual: Element(*actual), reference: Element(*reference) }
    }
}

#[derive(Serialize)]
pub(super) struct JsonComparison<'a> {
    elements: u64,
    left_out: u64,
    differing: u64,
    outside: u64,
    non_finite_mismatches: u64,
    first_non_finite_mismatch: Option<JsonExtreme<'a>>,
    max_abs_diff: Option<JsonExtreme<'a>>,
    max_rel_diff: Option<JsonExtreme<'a>>,
    max_ulp_diff: Option<JsonExtreme<'a>>,
    worst: Option<JsonExtreme<'a>>,
    zero_references: u64,
    mean_abs_diff: Option<Float>,
    rmse: Option<Float>,
    rel_rms: Option<Float>,
    bias: Option<Float>,
    scale: Option<Float>,
    cosine: Option<Float>,
    tolerance_used: Float,
    smallest_atol: Option<Float>,
    actual_non_finite: JsonNonFinite,
    reference_non_finite: JsonNonFinite,
    mismatches: Vec<JsonMismatch<'a>>,
}

impl<'a> From<&'a Comparison> for JsonComparison<'a> {
    fn from(comparison: &'a Comparison) -> Self {
        let Comparison {
            elements,
            left_out,
            differing,
            outside,
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
            mismatches,
        } = comparison;
        JsonComparison {
            elements: *elements,
            left_out: *left_out,
            differing: *differing,
            outside: *outside,
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
            mismatches: mismatches.iter().map(JsonMismatch::from).collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum JsonMismatch<'a> {
    Dtype { actual: &'static str, required: &'static str },
    Shape { actual: &'a [usize], reference: &'a [usize] },
    Mask { dtype: &'static str, shape: &'a [usize], reference: &'a [usize] },
    Empty,
    NonFinite { count: u64 },
    Outside { count: u64 },
    Ulps { ulps: u64, allowed: u64 },
    NoUlps { actual: &'static str, reference: &'static str },
    RelRms { rel_rms: Float, allowed: Float },
}

impl<'a> From<&'a Mismatch> for JsonMismatch<'a> {
    fn from(mismatch: &'a Mismatch) -> Self {
        match mismatch {
            Mismatch::Dtype { actual, required } => {
                JsonMismatch::Dtype { actual: actual.name(), required: required.name() }
            }
            Mismatch::Shape { actual, reference } => JsonMismatch::Shape { actual, reference },
            Mismatch::Mask { dtype, shape, reference } => JsonMismatch::Mask { dtype: dtype.name(), shape, reference },
            Mismatch::Empty => JsonMismatch::Empty,
            Mismatch::NonFinite { count } => JsonMismatch::NonFinite { count: *count },
            Mismatch::Outside { count } => JsonMismatch::Outside { count: *count },
            Mismatch::Ulps { ulps, allowed } => JsonMismatch::Ulps { ulps: *ulps, allowed: *allowed },
            Mismatch::NoUlps { actual, reference } => {
                JsonMismatch::NoUlps { actual: actual.name(), reference: reference.name() }
            }
            Mismatch::RelRms { rel_rms, allowed } => {
                JsonMismatch::RelRms { rel_rms: Float(*rel_rms), allowed: Float(*allowed) }
            }
        }
    }
}
