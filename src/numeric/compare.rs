//! What "close" means, and everything that is measured besides.

use super::dtype::DType;
use super::tensor::{Tensor, Value};
use super::tolerance::Tolerance;

/// The two tensors of a comparison, by name: the golden is always the reference.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// What this run produced.
    pub actual: &'a Tensor,
    /// What it is held against.
    pub reference: &'a Tensor,
    /// A boolean tensor of the same shape; elements where it is false are neither compared nor summarised.
    pub mask: Option<&'a Tensor>,
}

/// Whether a NaN may match a NaN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NanRule {
    /// A NaN matches nothing.
    #[default]
    Mismatch,
    /// A NaN matches a NaN.
    Match,
}

/// What counts as close for one output.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rules {
    /// How far elements may be apart.
    pub tolerance: Tolerance,
    /// Whether NaN may match NaN.
    pub nan: NanRule,
    /// The dtype that the actual tensor must have where it is declared to differ from the reference's.
    pub cast: Option<DType>,
    /// Whether the case declares that the tensor is empty.
    pub empty: bool,
}

/// How many elements are not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the count of its name")]
pub struct NonFinite {
    pub nan: u64,
    pub pos_inf: u64,
    pub neg_inf: u64,
}

/// A largest difference, and where it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Extreme {
    /// The difference, in the unit of the quantity that it is the largest of.
    pub value: f64,
    /// Its index, one number an axis; the first in C order where several are equal.
    pub index: Vec<usize>,
    /// The element of the actual tensor there.
    pub actual: Value,
    /// The element of the reference there.
    pub reference: Value,
}

/// Everything that is measured between two tensors of one shape.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// Elements compared.
    pub elements: u64,
    /// Elements that a `where` left out.
    pub left_out: u64,
    /// Elements that are not equal (-0 equals 0; NaN equals NaN only by rule).
    pub differing: u64,
    /// Elements outside the tolerance, those of `non_finite_mismatches` among them.
    pub outside: u64,
    /// Elements where one side at least is not finite and the two do not match.
    pub non_finite_mismatches: u64,
    /// The first such place.
    pub first_non_finite_mismatch: Option<Extreme>,
    /// The largest absolute difference between finite elements; `None` where none were compared.
    pub max_abs_diff: Option<Extreme>,
    /// The largest relative difference, where the reference is not 0.
    pub max_rel_diff: Option<Extreme>,
    /// The largest difference in units in the last place, for floats of one dtype.
    pub max_ulp_diff: Option<Extreme>,
    /// The element that uses most of its tolerance.
    pub worst: Option<Extreme>,
    /// Finite references that are 0, which have no relative difference.
    pub zero_references: u64,
    /// The mean of the absolute differences.
    pub mean_abs_diff: Option<f64>,
    /// The root of the mean squared difference.
    pub rmse: Option<f64>,
    /// `rmse` over the root mean square of the reference; `None` where the reference is 0 throughout.
    pub rel_rms: Option<f64>,
    /// The mean of `actual - reference`.
    pub bias: Option<f64>,
    /// The factor that maps the reference closest onto the actual, by least squares.
    pub scale: Option<f64>,
    /// The cosine of the angle between the two as vectors; `None` where one is 0.
    pub cosine: Option<f64>,
    /// The largest share of the tolerance that an element uses: 1 is just inside; 0 where both are 0.
    pub tolerance_used: f64,
    /// The smallest atol that would have passed at this rtol; `None` where none would.
    pub smallest_atol: Option<f64>,
    /// Of the actual tensor.
    pub actual_non_finite: NonFinite,
    /// Of the reference.
    pub reference_non_finite: NonFinite,
    /// Why it is not close, in the order in which to read it; empty where it is.
    pub mismatches: Vec<Mismatch>,
}

/// One way in which an actual tensor is not its reference, structure before values.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Mismatch {
    /// The dtypes differ, and the case declares no cast, or another.
    Dtype {
        /// Of the actual tensor.
        actual: DType,
        /// What it should be.
        expected: DType,
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
    /// Elements outside the tolerance, more than the outliers allowed.
    Outside {
        /// How many.
        count: u64,
    },
    /// The largest ULP difference is more than the case allows.
    Ulps {
        /// What it is.
        ulps: u64,
        /// What is allowed.
        allowed: u64,
    },
    /// The RMSE as a share of the reference's RMS is more than the case allows.
    RelRms {
        /// What it is.
        rel_rms: f64,
        /// What is allowed.
        allowed: f64,
    },
}

impl Rules {
    /// That tolerance; NaN matches nothing; no cast; not empty.
    #[must_use]
    pub fn new(tolerance: Tolerance) -> Rules {
        Rules { tolerance, nan: NanRule::Mismatch, cast: None, empty: false }
    }
}

impl Comparison {
    /// Whether nothing is outside the rules.
    #[must_use]
    pub fn is_close(&self) -> bool {
        self.mismatches.is_empty()
    }
}

/// Measures the pair and judges it by the rules.
///
/// # Errors
///
/// The structural [`Mismatch`] that makes the values incomparable: dtype, shape, mask, or nothing to compare.
pub fn compare(pair: Pair<'_>, rules: &Rules) -> Result<Comparison, Mismatch> {
    let _ = (pair, rules);
    todo!()
}
