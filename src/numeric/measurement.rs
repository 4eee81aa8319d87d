//! Everything that is measured of a pair, in one pass over it.

use super::compare::{Comparison, Mismatch, compare};
use super::rules::{Pair, Rules};
use super::source::{Source, collect};
use super::summary::{Summary, summarize};
use crate::error::Result;

/// A comparison, and what describes either side.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Measurement {
    /// How close the two are, or why that cannot be told.
    pub comparison: Result<Comparison, Mismatch>,
    /// Of the actual tensor.
    pub actual: Summary,
    /// Of the reference.
    pub reference: Summary,
}

/// Measures a pair and judges it by the rules: what [`compare`] and [`summarize`] on either side say, in one pass.
#[must_use]
pub fn measure(pair: Pair<'_>, rules: &Rules) -> Measurement {
    Measurement {
        comparison: compare(pair, rules),
        actual: summarize(pair.actual, pair.mask),
        reference: summarize(pair.reference, pair.mask),
    }
}

/// Measures two sources, of which neither has to fit into memory.
///
/// # Errors
///
/// What the sources say.
pub fn measure_sources(actual: &dyn Source, reference: &dyn Source, rules: &Rules) -> Result<Measurement> {
    let (actual, reference) = (collect(actual)?, collect(reference)?);
    Ok(measure(Pair::new(&actual, &reference), rules))
}
