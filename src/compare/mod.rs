//! Measuring: tensors, their summaries, and how close two of them are. Pure: no files, no printing.

#[cfg(feature = "harness")]
mod audit;
mod best;
mod blocks;
pub(crate) mod class;
mod compare;
mod excess;
mod fast;
mod found;
mod kernel;
mod lanes;
mod measurement;
pub(crate) mod mismatch;
mod moments;
mod pass;
#[cfg(feature = "harness")]
mod picture;
mod plain;
mod rules;
pub(crate) mod scaled;
mod scratch;
mod summary;
mod sums;
mod tally;
#[cfg(test)]
mod tests;
mod threads;
mod tolerance;
mod twin;
pub(crate) mod ulp;
mod vacuous;
mod whole;
pub(crate) mod wide;

pub use class::NonFinite;
pub use compare::{Comparison, Extreme, Mismatch, compare};
#[cfg(feature = "harness")]
pub(crate) use compare::{Form, LARGE, check_structure};
pub use measurement::{Measurement, measure, measure_sources};
#[cfg(feature = "harness")]
pub use picture::{Decade, HeatMap, Picture, Size, WorstElement};
pub use rules::{NanRule, Pair, Rules};
pub use summary::{Summary, summarize};
pub use tolerance::Tolerance;
pub use ulp::ulp_distance;
pub use vacuous::{Vacuous, vacuous};
