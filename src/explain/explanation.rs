//! Questions about a mismatch, and explanations of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::compare::Pair;
use crate::tensor::Tensor;
use crate::tensor::value::{Float, MaybeFloat, nullable};
use crate::text::word::words;

/// A mismatch, and everything known about its case that may explain it.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The two tensors. Their shapes may differ; a mask has the shape of the reference.
    pub pair: Pair<'a>,
    /// The inputs of the checkpoint.
    pub inputs: BTreeMap<&'a str, &'a Tensor>,
    /// The other outputs of the case.
    pub others: Vec<Other<'a>>,
    /// The parameters of the case, as hints.
    pub params: BTreeMap<&'a str, &'a Value>,
    /// The name of the checkpoint, as a hint.
    pub checkpoint: Option<&'a str>,
}

/// Another output of the same case.
#[derive(Clone, Copy, Debug)]
pub struct Other<'a> {
    /// Its name.
    pub name: &'a str,
    /// The tensor that the checkpoint returned, if it is known.
    pub actual: Option<&'a Tensor>,
    /// The tensor that it should have returned.
    pub reference: &'a Tensor,
}

impl<'a> Question<'a> {
    /// Asks about two tensors, without further hints.
    #[must_use]
    pub fn new(pair: Pair<'a>) -> Question<'a> {
        Question { pair, inputs: BTreeMap::new(), others: Vec::new(), params: BTreeMap::new(), checkpoint: None }
    }

    /// Adds an input.
    #[must_use]
    pub fn with_input(mut self, name: &'a str, tensor: &'a Tensor) -> Question<'a> {
        self.inputs.insert(name, tensor);
        self
    }

    /// Adds another output.
    #[must_use]
    pub fn with_other(mut self, other: Other<'a>) -> Question<'a> {
        self.others.push(other);
        self
    }

    /// Adds a parameter.
    #[must_use]
    pub fn with_param(mut self, name: &'a str, value: &'a Value) -> Question<'a> {
        self.params.insert(name, value);
        self
    }

    /// Sets the name of the checkpoint.
    #[must_use]
    pub fn with_checkpoint(mut self, name: &'a str) -> Question<'a> {
        self.checkpoint = Some(name);
        self
    }
}

/// A known kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Hypothesis {
    /// The last two axes are swapped.
    Transpose,
    /// The axes are in a different order.
    PermuteAxes,
    /// The elements are in a different order under the same shape: heads split or merged wrongly, interleaving.
    ReshapeOrder,
    /// Actual is another output of the case.
    SwappedOutputs,
    /// Actual is the reference times a factor.
    Scale,
    /// Actual is the reference plus a bias that is constant along axes.
    Bias,
    /// Actual is the reference with the opposite sign.
    Negated,
    /// Actual is the reference shifted along an axis.
    Shift,
    /// Actual is the reference with one or more axes reversed.
    Flip,
    /// Actual is the reference with the slices of one axis in a different order.
    SliceOrder,
    /// One side is the other clamped to a minimum or a maximum, as by a ReLU.
    Clamp,
    /// Actual is the complex conjugate of the reference.
    Conjugate,
    /// The two sides normalise with different eps.
    Eps,
    /// One side sees future positions, the other does not.
    CausalMask,
    /// The two sides use different GELU formulas.
    GeluVariant,
    /// One side is rounded to bfloat16, or actual is computed in bfloat16.
    RoundedBf16,
    /// One side is rounded to half precision, or actual is computed in half precision.
    RoundedF16,
    /// Some elements are NaN or infinite.
    NanRegion,
    /// Actual has a single value, everywhere or in the whole region where it differs.
    ConstantOutput,
    /// Actual is right up to a position and wrong after it. This is a location, not a cause.
    StalePosition,
    /// A few elements account for the whole difference.
    Outliers,
    /// The difference is rounding noise, as large as the dtype and the length of the sums explain.
    Accumulation,
}

/// A hypothesis that fits, and the evidence for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Explanation {
    /// The hypothesis.
    pub id: Hypothesis,
    /// The share of the difference that undoing the fault removes, together with those in `with`, between 0 and 1:
    /// `1 - rms(residual) / rms(difference)`, over the compared elements. The residual is the actual tensor minus the prediction of
    /// the hypothesis; it is 0 for an element that the hypothesis only calls wrong (an outlier, a NaN, an element after a
    /// position). A NaN opposite a number counts as a difference of the size of that number, or of the RMS of the reference if
    /// that is larger.
    #[serde(with = "Float")]
    pub removes: f64,
    /// The evidence, in one line of text.
    pub evidence: String,
    /// The other hypotheses, if it takes several to explain the difference. Each has its own explanation, with the same share.
    pub with: Vec<Hypothesis>,
    /// The numbers in the evidence.
    #[serde(flatten)]
    pub details: Details,
}

/// The numbers of an explanation. A field that does not apply to the hypothesis is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Details {
    /// The factor of `scale`, actual divided by reference. `None` if each index of an axis has its own.
    #[serde(with = "MaybeFloat")]
    pub factor: Option<f64>,
    /// Axes of the reference, counted from 0: those of `shift`, `flip`, `slice-order` and `stale-position`, those along which a
    /// `bias` is constant, the order of `permute-axes`, or the axis with a factor (`scale`) or sign (`negated`) for each index.
    #[serde(deserialize_with = "nullable")]
    pub axes: Option<Vec<usize>>,
    /// The number of positions that it is shifted by.
    #[serde(deserialize_with = "nullable")]
    pub by: Option<i64>,
    /// The first wrong position.
    #[serde(deserialize_with = "nullable")]
    pub position: Option<usize>,
    /// One of the two eps that fit. The tensors do not show which side uses it.
    #[serde(with = "MaybeFloat")]
    pub eps: Option<f64>,
    /// The name of an input or output.
    #[serde(deserialize_with = "nullable")]
    pub name: Option<String>,
    /// The number of elements that are wrong.
    #[serde(deserialize_with = "nullable")]
    pub elements: Option<u64>,
}

impl Hypothesis {
    /// Whether it only locates the wrong elements, without a cause.
    #[must_use]
    pub fn is_location(self) -> bool {
        matches!(self, Hypothesis::NanRegion | Hypothesis::Outliers | Hypothesis::StalePosition)
    }
}

words!(Hypothesis, "hypothesis", word, {
    Transpose: "transpose",
    PermuteAxes: "permute-axes",
    ReshapeOrder: "reshape-order",
    SwappedOutputs: "swapped-outputs",
    Scale: "scale",
    Bias: "bias",
    Negated: "negated",
    Shift: "shift",
    Flip: "flip",
    SliceOrder: "slice-order",
    Clamp: "clamp",
    Conjugate: "conjugate",
    Eps: "eps",
    CausalMask: "causal-mask",
    GeluVariant: "gelu-variant",
    RoundedBf16: "rounded-bf16",
    RoundedF16: "rounded-f16",
    NanRegion: "nan-region",
    ConstantOutput: "constant-output",
    StalePosition: "stale-position",
    Outliers: "outliers",
    Accumulation: "accumulation",
});
