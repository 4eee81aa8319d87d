//! What is compared, and by which rules.

use super::tolerance::Tolerance;
use crate::tensor::dtype::DType;
use crate::tensor::tensor::Tensor;

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
#[cfg_attr(feature = "harness", derive(serde::Deserialize, serde::Serialize), serde(rename_all = "lowercase"))]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub enum NanRule {
    /// A NaN matches nothing.
    #[default]
    Mismatch,
    /// A NaN matches a NaN, whatever their bits.
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
    /// Whether the case declares that there may be nothing to compare.
    pub empty: bool,
}

impl<'a> Pair<'a> {
    /// The two without a mask.
    #[must_use]
    pub fn new(actual: &'a Tensor, reference: &'a Tensor) -> Pair<'a> {
        Pair { actual, reference, mask: None }
    }

    /// The same, where the mask is true.
    #[must_use]
    pub fn within(self, mask: &'a Tensor) -> Pair<'a> {
        Pair { mask: Some(mask), ..self }
    }
}

impl Rules {
    /// That tolerance; NaN matches nothing; no cast; not empty.
    #[must_use]
    pub fn new(tolerance: Tolerance) -> Rules {
        Rules { tolerance, nan: NanRule::Mismatch, cast: None, empty: false }
    }

    /// The same, with that tolerance.
    #[must_use]
    pub fn with_tolerance(self, tolerance: Tolerance) -> Rules {
        Rules { tolerance, ..self }
    }

    /// The same, with that rule for NaN.
    #[must_use]
    pub fn with_nan(self, nan: NanRule) -> Rules {
        Rules { nan, ..self }
    }

    /// The same, with an actual tensor of that dtype.
    #[must_use]
    pub fn with_cast(self, dtype: DType) -> Rules {
        Rules { cast: Some(dtype), ..self }
    }

    /// The same, where there may be nothing to compare.
    #[must_use]
    pub fn with_empty(self) -> Rules {
        Rules { empty: true, ..self }
    }
}
