//! What is asked about a mismatch, and what is answered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::compare::Pair;
use crate::tensor::Tensor;
use crate::tensor::value::{Float, MaybeFloat, nullable};
use crate::text::word::words;

/// A mismatch, and everything around it that may tell why.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The two tensors. Their shapes may differ; a mask is one of the reference's shape.
    pub pair: Pair<'a>,
    /// What the checkpoint was given.
    pub inputs: BTreeMap<&'a str, &'a Tensor>,
    /// What else it returned.
    pub others: Vec<Other<'a>>,
    /// The parameters of the case: a hint.
    pub params: BTreeMap<&'a str, &'a Value>,
    /// The name of the checkpoint: a hint.
    pub checkpoint: Option<&'a str>,
}

/// Another output of the same case.
#[derive(Clone, Copy, Debug)]
pub struct Other<'a> {
    /// Its name.
    pub name: &'a str,
    /// What the checkpoint returned under that name, where it is known.
    pub actual: Option<&'a Tensor>,
    /// What it should have returned.
    pub reference: &'a Tensor,
}

impl<'a> Question<'a> {
    /// The two tensors alone.
    #[must_use]
    pub fn new(pair: Pair<'a>) -> Question<'a> {
        Question { pair, inputs: BTreeMap::new(), others: Vec::new(), params: BTreeMap::new(), checkpoint: None }
    }

    /// The same, with that input.
    #[must_use]
    pub fn with_input(mut self, name: &'a str, tensor: &'a Tensor) -> Question<'a> {
        self.inputs.insert(name, tensor);
        self
    }

    /// The same, with that other output.
    #[must_use]
    pub fn with_other(mut self, other: Other<'a>) -> Question<'a> {
        self.others.push(other);
        self
    }

    /// The same, with that parameter.
    #[must_use]
    pub fn with_param(mut self, name: &'a str, value: &'a Value) -> Question<'a> {
        self.params.insert(name, value);
        self
    }

    /// The same, with that checkpoint.
    #[must_use]
    pub fn of_checkpoint(mut self, name: &'a str) -> Question<'a> {
        self.checkpoint = Some(name);
        self
    }
}

/// A kind of fault that is known to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Hypothesis {
    /// The last two axes are exchanged.
    Transpose,
    /// The axes are in another order.
    PermuteAxes,
    /// The elements are in another order under the same shape: heads split or merged wrongly, interleaving.
    ReshapeOrder,
    /// It is another output's tensor.
    SwappedOutputs,
    /// It is the reference times a factor.
    Scale,
    /// It is the reference plus something that is constant along axes.
    Bias,
    /// It is the reference with the other sign.
    Negated,
    /// It is the reference moved along an axis.
    Shift,
    /// It is the reference with the indices of one or more axes in reverse.
    Flip,
    /// It is the reference with the slices of one axis in another order.
    SliceOrder,
    /// One side is the other cut off at a lowest or highest value, as a ReLU does.
    Clamp,
    /// It is the complex conjugate of the reference.
    Conjugate,
    /// The normalisation adds another eps.
    Eps,
    /// One side sees the future, the other does not.
    CausalMask,
    /// One side has another formula of the GELU.
    GeluVariant,
    /// One side is rounded to bfloat16, or actual is computed in it.
    RoundedBf16,
    /// One side is rounded to half precision, or actual is computed in it.
    RoundedF16,
    /// Some elements are NaN or infinite.
    NanRegion,
    /// It has one value throughout, or in the whole region where it differs.
    ConstantOutput,
    /// It is right up to a position and wrong after it: where, not why.
    StalePosition,
    /// A few elements carry the whole difference.
    Outliers,
    /// Noise of the size that the dtype and the length of the sums explain.
    Accumulation,
}

/// A hypothesis that fits, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Explanation {
    /// Which hypothesis.
    pub id: Hypothesis,
    /// The share of the difference that undoing it removes, with those of `with`: `1 - rms(left) / rms(difference)`, root
    /// mean squares over the compared elements. What is left is measured between the actual tensor and what the hypothesis
    /// makes of the reference; an element that it calls wrong as such (an outlier, a NaN, one after a position) leaves
    /// nothing. A NaN where the other side has a number counts as a difference of that number's size, or of the reference's
    /// RMS where that is more. Between 0 and 1.
    #[serde(with = "Float")]
    pub removes: f64,
    /// Why, in one line for a person.
    pub evidence: String,
    /// The hypotheses that hold at the same time, where it takes more than one. Each has an explanation of its own, with
    /// the same share.
    pub with: Vec<Hypothesis>,
    /// The numbers in it.
    #[serde(flatten)]
    pub details: Details,
}

/// The numbers of an explanation, those that its hypothesis has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Details {
    /// The factor of `scale`: actual over reference. `None` where each index of an axis has its own.
    #[serde(with = "MaybeFloat")]
    pub factor: Option<f64>,
    /// The axes of the reference that it is about, counted from 0: those of `shift`, `flip`, `slice-order` and
    /// `stale-position`, those along which a `bias` is constant, the order of `permute-axes`, the axis of which each index has
    /// a factor (`scale`) or a sign (`negated`) of its own.
    #[serde(deserialize_with = "nullable")]
    pub axes: Option<Vec<usize>>,
    /// By how many places it is shifted.
    #[serde(deserialize_with = "nullable")]
    pub by: Option<i64>,
    /// The first position that is wrong.
    #[serde(deserialize_with = "nullable")]
    pub position: Option<usize>,
    /// One of the two eps that fit. The tensors do not say which side has it.
    #[serde(with = "MaybeFloat")]
    pub eps: Option<f64>,
    /// The input or the output that it is about.
    #[serde(deserialize_with = "nullable")]
    pub name: Option<String>,
    /// How many elements it says are wrong as such.
    #[serde(deserialize_with = "nullable")]
    pub elements: Option<u64>,
}

impl Hypothesis {
    /// Whether it says where elements are wrong, and not why.
    #[must_use]
    pub fn is_place(self) -> bool {
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
