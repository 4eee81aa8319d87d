//! Everything that is measured of a pair, in one pass over it.

use super::compare::{Comparison, Form, Mismatch, check_structure, judge};
use super::pass::{By, Described, Measured, describe, measure as pass};
use super::rules::{Pair, Rules};
use super::summary::Summary;
use crate::error::Result;
use crate::tensor::source::Source;
use crate::tensor::tensor::Tensor;

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

/// Measures a pair and judges it by the rules: what [`compare`](super::compare()) and, of either side,
/// [`summarize`](super::summarize()) say, in one pass over both. A mask that does not fit masks nothing.
///
/// ```
/// # use karat::{Tensor, Tolerance, numeric::{Pair, Rules, compare, measure, summarize}};
/// let actual = Tensor::new(&[3], vec![1.0f32, 2.0, 3.5])?;
/// let reference = Tensor::new(&[3], vec![1.0f32, 2.0, 3.0])?;
/// let (pair, rules) = (Pair::new(&actual, &reference), Rules::new(Tolerance::new(0.1, 0.0)?));
/// let measurement = measure(pair, &rules);
/// assert_eq!(measurement.comparison, compare(pair, &rules));
/// assert_eq!((measurement.actual, measurement.reference), (summarize(&actual, None), summarize(&reference, None)));
/// # Ok::<(), karat::Error>(())
/// ```
#[must_use]
pub fn measure(pair: Pair<'_>, rules: &Rules) -> Measurement {
    let Pair { actual, reference, mask } = pair;
    measure_by([actual, reference], mask, rules, By::best(), Limit::None).expect("a tensor has its elements in memory")
}

/// Measures two sources, neither of which has to fit into memory, in one pass over both. Where their structure forbids it, the
/// elements of a source of more than 64 MiB are not read, and its summary is of 0 elements.
///
/// # Errors
///
/// What the sources say.
pub fn measure_sources(actual: &dyn Source, reference: &dyn Source, rules: &Rules) -> Result<Measurement> {
    measure_by([actual, reference], None, rules, By::best(), Limit::Large)
}

/// Which sources are not read that no comparison needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// Those that are large.
    Large,
    /// None is left unread.
    None,
}

pub(super) fn measure_by(
    [actual, reference]: [&dyn Source; 2],
    mask: Option<&Tensor>,
    rules: &Rules,
    by: By,
    limit: Limit,
) -> Result<Measurement> {
    let forms = [actual, reference].map(Form::of);
    if let Err(mismatch) = check_structure(forms[0], forms[1], mask.map(|mask| Form::of(mask)), rules) {
        let summary = |source| match limit == Limit::Large && Form::of(source).is_large() {
            true => Ok(Summary::of_form(Form::of(source))),
            false => Ok(Summary::new(source, describe(source, None, by)?)),
        };
        return Ok(Measurement { comparison: Err(mismatch), actual: summary(actual)?, reference: summary(reference)? });
    }
    let measured = pass(actual, reference, mask.and_then(Tensor::as_slice), rules, by)?;
    let comparison = judge(actual, reference, rules, &measured);
    let Measured { found, tally } = measured;
    let elements = found.elements;
    Ok(Measurement {
        comparison,
        actual: Summary::new(actual, Described { elements, seen: found.actual, moments: tally.actual }),
        reference: Summary::new(reference, Described { elements, seen: found.reference, moments: tally.reference }),
    })
}
