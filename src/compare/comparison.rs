//! The results: a comparison of two tensors, and a summary of one. Also the check of their structure.

use serde::{Deserialize, Serialize};

use super::rules::{Rules, Tolerance};
use super::wide::Wide;
use crate::tensor::value::{ElementType, Float, MaybeFloat, Types, nullable};
use crate::tensor::{DType, Source, Value};
use crate::text::word::words;

/// The number of elements that are not finite. A complex number counts as NaN if a component is NaN, otherwise by the sign of
/// its first infinite component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names say it")]
#[non_exhaustive]
pub struct NonFinite {
    pub nan: u64,
    pub pos_inf: u64,
    pub neg_inf: u64,
}

/// Statistics of one tensor, over the finite elements that the mask includes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Summary {
    /// The type of the elements.
    pub dtype: DType,
    /// The extent of each axis.
    pub shape: Vec<usize>,
    /// The number of summarised elements, finite or not.
    pub elements: u64,
    /// The number of elements that the mask (`where`) excludes.
    pub left_out: u64,
    /// The number of summarised elements that are not finite.
    pub non_finite: NonFinite,
    /// The smallest finite element (complex: the smallest modulus, a `Value::Float64`); `None` if there is none.
    #[serde(deserialize_with = "nullable")]
    pub min: Option<Value>,
    /// The largest finite element (complex: the largest modulus).
    #[serde(deserialize_with = "nullable")]
    pub max: Option<Value>,
    /// The arithmetic mean (complex: of the moduli).
    #[serde(with = "MaybeFloat")]
    pub mean: Option<f64>,
    /// The population standard deviation, which divides by the count as `numpy.std` does (complex: of the moduli).
    #[serde(with = "MaybeFloat")]
    pub std: Option<f64>,
    /// The Euclidean norm, `numpy.linalg.norm` of the flattened tensor. Infinity if it overflows `f64`.
    #[serde(with = "MaybeFloat")]
    pub l2: Option<f64>,
}

impl NonFinite {
    /// Returns the sum of the counts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.nan.saturating_add(self.pos_inf).saturating_add(self.neg_inf)
    }

    /// Counts an element that is not finite.
    pub(crate) fn add<W: Wide>(&mut self, element: W) {
        let [first, second] = element.parts();
        let is_positive = first == f64::INFINITY || first.is_finite() && second > 0.0;
        let count = match element.is_nan() {
            true => &mut self.nan,
            false if is_positive => &mut self.pos_inf,
            false => &mut self.neg_inf,
        };
        *count += 1;
    }

    /// Adds the counts of two sets of elements.
    pub(crate) fn join(self, other: NonFinite) -> NonFinite {
        NonFinite {
            nan: self.nan + other.nan,
            pos_inf: self.pos_inf + other.pos_inf,
            neg_inf: self.neg_inf + other.neg_inf,
        }
    }
}

impl Summary {
    /// Restores the exact types of the values after reading JSON.
    #[cfg(feature = "harness")]
    pub(crate) fn restore(&mut self) -> Result<(), String> {
        let of = ElementType::of_summary(self.dtype);
        [&mut self.min, &mut self.max].into_iter().flatten().try_for_each(|extreme| of.restore(extreme))
    }

    /// Returns whether no element was read, because the structure already differs.
    #[cfg(feature = "harness")]
    pub(crate) fn is_unread(&self) -> bool {
        self.elements + self.left_out != self.shape.iter().product::<usize>() as u64
    }
}

/// A largest difference, and its position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Extreme {
    /// The difference, in the unit of the measure.
    #[serde(with = "Float")]
    pub value: f64,
    /// The index, one number per axis; the first in C order if several are equal.
    pub index: Vec<usize>,
    /// The element of the actual tensor there.
    pub actual: Value,
    /// The element of the reference there.
    pub reference: Value,
}

/// The measures of the difference between two tensors of the same shape.
///
/// Differences, means and shares are over the *numbers*: the elements that are finite on both sides. The difference of complex
/// numbers is the modulus; in vector measures, a complex number counts as two components.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Comparison {
    /// The types of the values in it; `None` if it contains none.
    #[serde(deserialize_with = "nullable")]
    pub(crate) types: Option<Types>,
    /// The number of compared elements, finite or not.
    pub elements: u64,
    /// The number of elements that the mask (`where`) excludes.
    pub left_out: u64,
    /// The number of elements that are not equal (-0 equals 0; NaN equals NaN only if the rules say so).
    pub differing: u64,
    /// The number of elements outside the tolerance, including `non_finite_mismatches`.
    pub outside: u64,
    /// The index of the first number outside the tolerance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_outside: Option<Vec<usize>>,
    /// The number of elements that are not finite on at least one side and do not match.
    pub non_finite_mismatches: u64,
    /// The first of them; its difference is infinity.
    #[serde(deserialize_with = "nullable")]
    pub first_non_finite_mismatch: Option<Extreme>,
    /// The largest absolute difference; `None` if there are no numbers, infinity if the difference overflows.
    #[serde(deserialize_with = "nullable")]
    pub max_abs_diff: Option<Extreme>,
    /// The largest relative difference, `|actual - reference| / |reference|`, over references other than 0.
    #[serde(deserialize_with = "nullable")]
    pub max_rel_diff: Option<Extreme>,
    /// The largest difference in units in the last place, for real floats of the same dtype. See
    /// [`ulp_distance`](super::ulp_distance).
    #[serde(deserialize_with = "nullable")]
    pub max_ulp_diff: Option<Extreme>,
    /// The number that uses the largest share of its tolerance, and that share.
    #[serde(deserialize_with = "nullable")]
    pub worst: Option<Extreme>,
    /// The number of references that are 0, which have no relative difference.
    pub zero_references: u64,
    /// The mean of the absolute differences.
    #[serde(with = "MaybeFloat")]
    pub mean_abs_diff: Option<f64>,
    /// The root of the mean squared difference.
    #[serde(with = "MaybeFloat")]
    pub rmse: Option<f64>,
    /// `rmse` over the root mean square of the reference, which is `norm(actual - reference) / norm(reference)`; `None`
    /// if the reference is all zeros.
    #[serde(with = "MaybeFloat")]
    pub rel_rms: Option<f64>,
    /// The mean of `actual - reference` (complex: its modulus).
    #[serde(with = "MaybeFloat")]
    pub bias: Option<f64>,
    /// The real factor that maps the reference to the actual tensor with the least squared error:
    /// `dot(actual, reference) / dot(reference, reference)`. `None` if the reference is all zeros.
    #[serde(with = "MaybeFloat")]
    pub scale: Option<f64>,
    /// The cosine similarity, `dot(actual, reference) / (norm(actual) * norm(reference))`; `None` if either is all zeros.
    #[serde(with = "MaybeFloat")]
    pub cosine: Option<f64>,
    /// The largest share of the tolerance that an element uses, `|actual - reference| / (atol + rtol * |reference|)`: at most 1
    /// within the tolerance; 0 if both are 0; infinity if there is a difference where none is allowed, or a non-finite
    /// mismatch.
    #[serde(with = "Float")]
    pub tolerance_used: f64,
    /// The exact smallest atol that would have passed with this rtol and these outliers: the next smaller `f64` would have
    /// failed. `None` if there is none.
    #[serde(with = "MaybeFloat")]
    pub smallest_atol: Option<f64>,
    /// The non-finite elements of the actual tensor.
    pub actual_non_finite: NonFinite,
    /// The non-finite elements of the reference.
    pub reference_non_finite: NonFinite,
    /// Other outputs that would also have passed, if this one passed. See [`vacuous`](super::vacuous()).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vacuous: Option<Vacuous>,
    /// The reasons why the tensors are not close, the most important first; empty if they are close.
    pub mismatches: Vec<Mismatch>,
}

/// A wrong output that would also pass a comparison, although the tolerance is not meant to allow it.
///
/// `docs/json.md` documents each rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Vacuous {
    /// Everything: the mask excludes every element.
    Masked,
    /// Every tensor of this shape and dtype that is finite where the reference is.
    Anything,
    /// Zeros in place of all numbers, although the reference has a number that is not 0.
    Zeros,
    /// Zeros, because the reference is two or more floats that are all 0. An output that was never written is also all zeros.
    ZeroReference,
    /// NaN, because the reference is all NaN and NaN matches NaN.
    NanReference,
}

words!(Vacuous, "kind of vacuous pass", word, {
    Masked: "masked",
    Anything: "anything",
    Zeros: "zeros",
    ZeroReference: "zero_reference",
    NanReference: "nan_reference",
});

/// One reason why an actual tensor does not match its reference, structure before values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mismatch {
    /// The dtype is not the required one: the reference's, or that of a declared cast.
    Dtype {
        /// The dtype of the actual tensor.
        actual: DType,
        /// The required dtype.
        required: DType,
    },
    /// The shapes differ.
    Shape {
        /// The shape of the actual tensor.
        actual: Vec<usize>,
        /// The shape of the reference.
        reference: Vec<usize>,
    },
    /// The mask of the case is not a boolean tensor of the reference's shape.
    Mask {
        /// The dtype of the mask.
        dtype: DType,
        /// The shape of the mask.
        shape: Vec<usize>,
        /// The shape of the reference.
        reference: Vec<usize>,
    },
    /// There is nothing to compare: the tensor is empty, or its mask excludes every element.
    Empty,
    /// A NaN or an infinity does not match the other side.
    NonFinite {
        /// The number of elements.
        count: u64,
    },
    /// More numbers are outside the tolerance than the allowed outliers.
    Outside {
        /// The number of elements, excluding those that are not finite.
        count: u64,
    },
    /// The largest ULP difference exceeds the limit.
    Ulps {
        /// The largest difference.
        ulps: u64,
        /// The limit.
        allowed: u64,
    },
    /// The case limits the ULP difference, which exists only for real floats of the same dtype.
    NoUlps {
        /// The dtype of the actual tensor.
        actual: DType,
        /// The dtype of the reference.
        reference: DType,
    },
    /// The RMSE, as a fraction of the reference's RMS, exceeds the limit.
    RelRms {
        /// The fraction; infinity if the reference is all zeros and the actual tensor is not.
        #[serde(with = "Float")]
        rel_rms: f64,
        /// The limit.
        #[serde(with = "Float")]
        allowed: f64,
    },
}

impl Comparison {
    /// Returns whether there is no mismatch.
    #[must_use]
    pub fn is_close(&self) -> bool {
        self.mismatches.is_empty()
    }

    /// Returns the mismatches of the measures by a tolerance. `ulps` is the exact ULP difference, or the mismatch to return if there
    /// is a limit on it.
    pub(crate) fn find_mismatches(&self, ulps: Result<Option<u64>, Mismatch>, tolerance: &Tolerance) -> Vec<Mismatch> {
        let non_finite = self.non_finite_mismatches;
        let outside = self.outside - non_finite;
        let ulps = tolerance.max_ulps.and_then(|allowed| match ulps {
            Err(no_ulps) => Some(no_ulps),
            Ok(ulps) => ulps.filter(|ulps| *ulps > allowed).map(|ulps| Mismatch::Ulps { ulps, allowed }),
        });
        let rel_rms = tolerance.max_rel_rms.and_then(|allowed| {
            let differs = self.max_abs_diff.as_ref().is_some_and(|largest| largest.value > 0.0);
            let rel_rms = self.rel_rms.unwrap_or(if differs { f64::INFINITY } else { 0.0 });
            // NaN never passes.
            let is_within = rel_rms <= allowed;
            (!is_within).then_some(Mismatch::RelRms { rel_rms, allowed })
        });
        let non_finite = (non_finite > 0).then_some(Mismatch::NonFinite { count: non_finite });
        let outside = (outside > tolerance.outliers).then_some(Mismatch::Outside { count: outside });
        [non_finite, outside, ulps, rel_rms].into_iter().flatten().collect()
    }

    /// Checks a comparison that was read from JSON: its counts must be possible, and it must not claim to be close if it is not.
    #[cfg(feature = "harness")]
    pub(crate) fn check(&self, tolerance: &Tolerance) -> Result<(), String> {
        let non_finite = self.actual_non_finite.total().max(self.reference_non_finite.total());
        let are_possible = self.non_finite_mismatches <= self.outside
            && self.outside <= self.differing
            && self.differing.max(self.zero_references).max(non_finite) <= self.elements;
        if !are_possible {
            return Err("its comparison has contradictory counts".to_owned());
        }
        let ulps = self.max_ulp_diff.as_ref().map(|extreme| extreme.value as u64);
        if self.is_close() && !self.find_mismatches(Ok(ulps), tolerance).is_empty() {
            return Err("its comparison claims to be close but is not".to_owned());
        }
        Ok(())
    }

    /// Restores the exact types of the values after reading JSON.
    #[cfg(feature = "harness")]
    pub(crate) fn restore(&mut self) -> Result<(), String> {
        let places = [
            &mut self.first_non_finite_mismatch,
            &mut self.max_abs_diff,
            &mut self.max_rel_diff,
            &mut self.max_ulp_diff,
            &mut self.worst,
        ];
        let pairs = places.into_iter().flatten().map(|place| (&mut place.actual, &mut place.reference));
        Types::restore(self.types, "comparison", pairs)
    }
}

/// The dtype and shape of a tensor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form<'a> {
    pub(crate) dtype: DType,
    pub(crate) shape: &'a [usize],
}

impl<'a> Form<'a> {
    pub(crate) fn of(source: &'a dyn Source) -> Form<'a> {
        Form { dtype: source.dtype(), shape: source.shape() }
    }

    /// Returns the number of elements.
    pub(crate) fn len(self) -> usize {
        self.shape.iter().product()
    }

    /// Returns the number of bytes of the elements.
    pub(crate) fn bytes(self) -> usize {
        self.len().saturating_mul(self.dtype.size())
    }
}

/// Checks that the values of two tensors can be compared.
pub(crate) fn check_structure(
    actual: Form<'_>,
    reference: Form<'_>,
    mask: Option<Form<'_>>,
    rules: &Rules,
) -> Result<(), Mismatch> {
    let required = rules.cast.unwrap_or(reference.dtype);
    if actual.dtype != required {
        return Err(Mismatch::Dtype { actual: actual.dtype, required });
    }
    let shape = reference.shape.to_vec();
    if actual.shape != shape {
        return Err(Mismatch::Shape { actual: actual.shape.to_vec(), reference: shape });
    }
    match mask {
        Some(mask) if mask.dtype != DType::Bool || mask.shape != shape => {
            Err(Mismatch::Mask { dtype: mask.dtype, shape: mask.shape.to_vec(), reference: shape })
        }
        _ => Ok(()),
    }
}
