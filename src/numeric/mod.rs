//! Measuring: tensors, their summaries, and how close two of them are. Pure: no files, no printing.

#[cfg(feature = "harness")]
mod audit;
mod best;
mod blocks;
mod class;
mod compare;
mod dtype;
mod excess;
mod fast;
mod found;
mod kernel;
mod lanes;
mod measurement;
mod moments;
mod pass;
#[cfg(feature = "harness")]
mod picture;
mod plain;
mod rules;
mod scaled;
mod scratch;
mod source;
mod summary;
mod sums;
mod tally;
mod tensor;
#[cfg(test)]
mod tests;
mod threads;
mod tolerance;
mod twin;
mod ulp;
mod vacuous;
mod whole;
mod wide;

pub use class::NonFinite;
pub use compare::{Comparison, Extreme, Mismatch, compare};
#[cfg(feature = "harness")]
pub(crate) use compare::{Form, LARGE, check_structure};
pub use dtype::{DType, Element, F8E4M3, F8E5M2, Kind};
pub use measurement::{Measurement, measure, measure_sources};
#[cfg(feature = "harness")]
pub use picture::{Decade, HeatMap, Picture, Size, WorstElement};
pub use rules::{NanRule, Pair, Rules};
pub use source::{Access, Slice, Source};
pub use summary::{Summary, summarize};
pub(crate) use tensor::dispatch;
pub use tensor::{Data, Tensor, Value};
pub use tolerance::Tolerance;
pub use ulp::ulp_distance;
pub use vacuous::{Vacuous, vacuous};
