//! The numbers that describe one tensor.

use super::compare::NonFinite;
use super::dtype::DType;
use super::tensor::{Tensor, Value};

/// The numbers that describe one tensor. Statistics are over its finite elements that no mask leaves out.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The extent of each axis.
    pub shape: Vec<usize>,
    /// The type of the elements.
    pub dtype: DType,
    /// How many elements were summarised, finite or not.
    pub elements: u64,
    /// How many elements a `where` left out.
    pub left_out: u64,
    /// How many of the summarised elements are not finite.
    pub non_finite: NonFinite,
    /// The smallest finite element (complex: the smallest modulus); `None` where there is none.
    pub min: Option<Value>,
    /// The largest finite element (complex: the largest modulus).
    pub max: Option<Value>,
    /// The arithmetic mean (complex: of the moduli).
    pub mean: Option<f64>,
    /// The population standard deviation (complex: of the moduli).
    pub std: Option<f64>,
    /// The Euclidean norm.
    pub l2: Option<f64>,
}

/// Summarises the elements where `mask` is true, or all of them.
///
/// # Panics
///
/// Where the mask has another shape, or is not boolean.
#[must_use]
pub fn summarize(tensor: &Tensor, mask: Option<&Tensor>) -> Summary {
    let _ = (tensor, mask);
    todo!()
}
