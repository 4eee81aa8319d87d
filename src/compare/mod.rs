//! Comparing two tensors by a tolerance, and summarizing each. No file access and no printing.

mod blocks;
mod comparison;
mod findings;
mod kernel;
mod lanes;
mod measure;
pub(crate) mod mismatch;
mod moments;
#[cfg(feature = "harness")]
mod picture;
mod rules;
mod scalar;
mod scaling;
mod sums;
#[cfg(test)]
mod tests;
mod ulp;
mod vacuous;
mod vector;
mod wide;

pub use comparison::{Comparison, Extreme, Mismatch, NonFinite, Summary, Vacuous};
#[cfg(feature = "harness")]
pub(crate) use comparison::{Form, check_structure};
#[cfg(feature = "harness")]
pub(crate) use measure::LARGE;
pub use measure::{Measurement, compare, measure, summarize};
#[cfg(feature = "harness")]
pub use picture::{Decade, HeatMap, Picture, Size, WorstElement};
pub use rules::{NanRule, Pair, Rules, Tolerance};
pub use ulp::ulp_distance;
pub use vacuous::vacuous;
