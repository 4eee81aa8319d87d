//! What a comparison and a summary hold, and which structure can be compared.

use serde::{Deserialize, Serialize};

use super::rules::{Rules, Tolerance};
use super::wide::Wide;
use crate::tensor::value::{ElementType, Float, MaybeFloat, Types, nullable};
use crate::tensor::{DType, Source, Value};
use crate::text::word::words;

/// How many elements are not finite. A complex number counts as NaN where a component is NaN, else by the sign of its
/// first infinite component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "each field is the count of its name")]
#[non_exhaustive]
pub struct NonFinite {
    pub nan: u64,
    pub pos_inf: u64,
    pub neg_inf: u64,
}

/// The numbers that describe one tensor. Statistics are over its finite elements that no mask leaves out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Summary {
    /// The type of the elements.
    pub dtype: DType,
    /// The extent of each axis.
    pub shape: Vec<usize>,
    /// How many elements were summarised, finite or not.
    pub elements: u64,
    /// How many elements a `where` left out.
    pub left_out: u64,
    /// How many of the summarised elements are not finite.
    pub non_finite: NonFinite,
    /// The smallest finite element (complex: the smallest modulus, a `Value::Float64`); `None` where there is none.
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
    /// The Euclidean norm, `numpy.linalg.norm` of the flattened tensor. An infinity where no `f64` is large enough.
    #[serde(with = "MaybeFloat")]
    pub l2: Option<f64>,
}

impl NonFinite {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.nan.saturating_add(self.pos_inf).saturating_add(self.neg_inf)
    }

    /// Counts one more element, which is not finite.
    pub(crate) fn add<W: Wide>(&mut self, element: W) {
        let [first, second] = element.parts();
        match () {
            () if element.is_nan() => self.nan += 1,
            () if first == f64::INFINITY || first.is_finite() && second > 0.0 => self.pos_inf += 1,
            () => self.neg_inf += 1,
        }
    }

    /// The counts of two sets of elements together.
    pub(crate) fn join(self, other: NonFinite) -> NonFinite {
        NonFinite {
            nan: self.nan + other.nan,
            pos_inf: self.pos_inf + other.pos_inf,
            neg_inf: self.neg_inf + other.neg_inf,
        }
    }
}

impl Summary {
    /// Makes of a summary that was read the one that was written.
    #[cfg(feature = "harness")]
    pub(crate) fn restore(&mut self) -> Result<(), String> {
        let of = ElementType::of_summary(self.dtype);
        [&mut self.min, &mut self.max].into_iter().flatten().try_for_each(|extreme| of.restore(extreme))
    }

    /// Whether no element was read: the structure said enough.
    #[cfg(feature = "harness")]
    pub(crate) fn is_unread(&self) -> bool {
        self.elements + self.left_out != self.shape.iter().product::<usize>() as u64
    }
}

/// A largest difference, and where it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Extreme {
    /// The difference, in the unit of the quantity that it is the largest of.
    #[serde(with = "Float")]
    pub value: f64,
    /// Its index, one number an axis; the first in C order where several are equal.
    pub index: Vec<usize>,
    /// The element of the actual tensor there.
    pub actual: Value,
    /// The element of the reference there.
    pub reference: Value,
}

/// Everything that is measured between two tensors of one shape.
///
/// Differences, means and shares are over the *numbers*: the elements of which both sides are finite. Complex numbers differ
/// by the modulus of their difference, and count as vectors of two components where vectors are meant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Comparison {
    /// What the elements in it are; `None` where there is none.
    #[serde(deserialize_with = "nullable")]
    pub(crate) types: Option<Types>,
    /// Elements compared, finite or not.
    pub elements: u64,
    /// Elements that a `where` left out.
    pub left_out: u64,
    /// Elements that are not equal (-0 equals 0; NaN equals NaN only by rule).
    pub differing: u64,
    /// Elements outside the tolerance, those of `non_finite_mismatches` among them.
    pub outside: u64,
    /// The index of the first number outside the tolerance; `None` where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_outside: Option<Vec<usize>>,
    /// Elements where one side at least is not finite and the two do not match.
    pub non_finite_mismatches: u64,
    /// The first such place; its difference is an infinity.
    #[serde(deserialize_with = "nullable")]
    pub first_non_finite_mismatch: Option<Extreme>,
    /// The largest absolute difference; `None` where there are no numbers, an infinity where the difference overflows.
    #[serde(deserialize_with = "nullable")]
    pub max_abs_diff: Option<Extreme>,
    /// The largest relative difference, `|actual - reference| / |reference|` where the reference is not 0.
    #[serde(deserialize_with = "nullable")]
    pub max_rel_diff: Option<Extreme>,
    /// The largest difference in units in the last place, for real floats of one dtype: see
    /// [`ulp_distance`](super::ulp_distance).
    #[serde(deserialize_with = "nullable")]
    pub max_ulp_diff: Option<Extreme>,
    /// The number that uses most of its tolerance, and the share that it uses.
    #[serde(deserialize_with = "nullable")]
    pub worst: Option<Extreme>,
    /// Numbers with a reference of 0, which have no relative difference.
    pub zero_references: u64,
    /// The mean of the absolute differences.
    #[serde(with = "MaybeFloat")]
    pub mean_abs_diff: Option<f64>,
    /// The root of the mean squared difference.
    #[serde(with = "MaybeFloat")]
    pub rmse: Option<f64>,
    /// `rmse` over the root mean square of the reference, which is `norm(actual - reference) / norm(reference)`; `None`
    /// where the reference is 0 throughout.
    #[serde(with = "MaybeFloat")]
    pub rel_rms: Option<f64>,
    /// The mean of `actual - reference` (complex: its modulus).
    #[serde(with = "MaybeFloat")]
    pub bias: Option<f64>,
    /// The real factor that maps the reference closest onto the actual, by least squares:
    /// `dot(actual, reference) / dot(reference, reference)`. `None` where the reference is 0 throughout.
    #[serde(with = "MaybeFloat")]
    pub scale: Option<f64>,
    /// The cosine of the angle between the two as vectors,
    /// `dot(actual, reference) / (norm(actual) * norm(reference))`; `None` where one is 0.
    #[serde(with = "MaybeFloat")]
    pub cosine: Option<f64>,
    /// The largest share of the tolerance that an element uses, `|actual - reference| / (atol + rtol * |reference|)`: at
    /// most 1 within it; 0 where both are 0; an infinity where nothing may differ and something does, and where an element
    /// is not finite and does not match.
    #[serde(with = "Float")]
    pub tolerance_used: f64,
    /// The smallest atol that would have passed at this rtol with these outliers, exactly: the next smaller `f64` would not
    /// have. `None` where none would.
    #[serde(with = "MaybeFloat")]
    pub smallest_atol: Option<f64>,
    /// Of the actual tensor.
    pub actual_non_finite: NonFinite,
    /// Of the reference.
    pub reference_non_finite: NonFinite,
    /// What else would have passed, where this did: see [`vacuous`](super::vacuous()).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vacuous: Option<Vacuous>,
    /// Why it is not close, in the order in which to read it; empty where it is.
    pub mismatches: Vec<Mismatch>,
}

/// What passes a comparison besides the right output, where that is more than the tolerance is meant to let through.
///
/// See `docs/json.md` for the rule of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Vacuous {
    /// Everything: the mask leaves out every element.
    Masked,
    /// Every tensor of this shape and dtype whose elements are finite, where those of the reference are.
    Anything,
    /// Zeros, where the reference is finite, although it has a number that is not 0.
    Zeros,
    /// Zeros, because the numbers of the reference, two or more floats, are all 0: so is an output that was never written.
    ZeroReference,
    /// NaN alone, because the reference is NaN throughout and NaN matches NaN.
    NanReference,
}

words!(Vacuous, "kind of vacuous pass", word, {
    Masked: "masked",
    Anything: "anything",
    Zeros: "zeros",
    ZeroReference: "zero_reference",
    NanReference: "nan_reference",
});

/// One way in which an actual tensor is not its reference, structure before values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mismatch {
    /// The dtypes differ, and the case declares no cast, or another.
    Dtype {
        /// Of the actual tensor.
        actual: DType,
        /// What it should be.
        required: DType,
    },
    /// The shapes differ.
    Shape {
        /// Of the actual tensor.
        actual: Vec<usize>,
        /// Of the reference.
        reference: Vec<usize>,
    },
    /// The mask of the case is not a boolean tensor of the reference's shape.
    Mask {
        /// Of the mask.
        dtype: DType,
        /// Of the mask.
        shape: Vec<usize>,
        /// Of the reference.
        reference: Vec<usize>,
    },
    /// There is nothing to compare: the tensor is empty, or its mask leaves everything out.
    Empty,
    /// NaN, or an infinity, where the other side has something else.
    NonFinite {
        /// At how many elements.
        count: u64,
    },
    /// Numbers outside the tolerance, more than the outliers allowed.
    Outside {
        /// How many, without those that are not finite.
        count: u64,
    },
    /// The largest ULP difference is more than the case allows.
    Ulps {
        /// What it is.
        ulps: u64,
        /// What is allowed.
        allowed: u64,
    },
    /// The case limits the ULP difference, but these have none: they are no real floats of one dtype.
    NoUlps {
        /// Of the actual tensor.
        actual: DType,
        /// Of the reference.
        reference: DType,
    },
    /// The RMSE as a share of the reference's RMS is more than the case allows.
    RelRms {
        /// What it is; an infinity where the reference is 0 throughout and the actual is not.
        #[serde(with = "Float")]
        rel_rms: f64,
        /// What is allowed.
        #[serde(with = "Float")]
        allowed: f64,
    },
}

impl Comparison {
    /// Whether nothing is outside the rules.
    #[must_use]
    pub fn is_close(&self) -> bool {
        self.mismatches.is_empty()
    }

    /// Everything that a tolerance objects to in the figures. `ulps` is the ULP difference exactly, or the mismatch where a limit
    /// of it has no meaning.
    pub(crate) fn objections(&self, ulps: Result<Option<u64>, Mismatch>, tolerance: &Tolerance) -> Vec<Mismatch> {
        let non_finite = self.non_finite_mismatches;
        let outside = self.outside - non_finite;
        let ulps = tolerance.max_ulps.and_then(|allowed| match ulps {
            Err(no_ulps) => Some(no_ulps),
            Ok(ulps) => ulps.filter(|ulps| *ulps > allowed).map(|ulps| Mismatch::Ulps { ulps, allowed }),
        });
        let rel_rms = tolerance.max_rel_rms.and_then(|allowed| {
            let differs = self.max_abs_diff.as_ref().is_some_and(|largest| largest.value > 0.0);
            let rel_rms = self.rel_rms.unwrap_or(if differs { f64::INFINITY } else { 0.0 });
            // Should either be NaN, it is no pass.
            let is_within = rel_rms <= allowed;
            (!is_within).then_some(Mismatch::RelRms { rel_rms, allowed })
        });
        let non_finite = (non_finite > 0).then_some(Mismatch::NonFinite { count: non_finite });
        let outside = (outside > tolerance.outliers).then_some(Mismatch::Outside { count: outside });
        [non_finite, outside, ulps, rel_rms].into_iter().flatten().collect()
    }

    /// Refuses a comparison whose counts are impossible, or that is said to be close and is not, in words: for one that was read.
    #[cfg(feature = "harness")]
    pub(crate) fn check(&self, tolerance: &Tolerance) -> Result<(), String> {
        let non_finite = self.actual_non_finite.total().max(self.reference_non_finite.total());
        let are_possible = self.non_finite_mismatches <= self.outside
            && self.outside <= self.differing
            && self.differing.max(self.zero_references).max(non_finite) <= self.elements;
        if !are_possible {
            return Err("its comparison has counts that exclude each other".to_owned());
        }
        let ulps = self.max_ulp_diff.as_ref().map(|extreme| extreme.value as u64);
        if self.is_close() && !self.objections(Ok(ulps), tolerance).is_empty() {
            return Err("its comparison is said to be close, and is not".to_owned());
        }
        Ok(())
    }

    /// Makes of a comparison that was read the one that was written.
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

/// What is known of a tensor before its elements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form<'a> {
    pub(crate) dtype: DType,
    pub(crate) shape: &'a [usize],
}

impl<'a> Form<'a> {
    pub(crate) fn of(source: &'a dyn Source) -> Form<'a> {
        Form { dtype: source.dtype(), shape: source.shape() }
    }

    /// The number of elements.
    pub(crate) fn len(self) -> usize {
        self.shape.iter().product()
    }

    /// How many bytes the elements take.
    pub(crate) fn bytes(self) -> usize {
        self.len().saturating_mul(self.dtype.size())
    }
}

/// Whether there are two tensors of which the values can be compared.
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
