//! Noise: no fault, but rounding that adds up along sums.

use super::exact::structure;
use super::fit::Tally;
use super::parts::Part;
use super::sides::Sides;
use super::words::number;
use crate::numeric::DType;
use crate::run::{Details, Hypothesis, Question};

/// Noise below which nothing else is looked for, in eps times the RMS: honest implementations of one checkpoint.
pub(super) fn is_least(sides: &Sides) -> bool {
    sides.noise.eps > 0.0 && sides.lost.is_empty() && sides.rmse() <= sides.noise.limit(sides.rms) / 8.0
}

/// That the difference is noise, if it is no more.
pub(super) fn find(question: &Question<'_>, sides: &Sides, tally: &Tally) -> Option<Part> {
    let eps = sides.noise.eps;
    let size = sides.rmse() / (eps * sides.rms);
    let length = length(question);
    // The roundings of a sum are a random walk, of steps a few tenths of an eps; and some operations more than the sum.
    let explained = match question.pair.reference.dtype() {
        DType::F32 | DType::F64 => 4.0 + (length as f64).sqrt(),
        _ => sides.noise.limit(1.0) / eps,
    };
    let is_noise = eps > 0.0 && size <= explained && tally.beyond == 0 && sides.numbers > 0;
    let is_noise = is_noise && !is_flushed(sides) && (size <= PLAIN || structure(sides) <= STRUCTURE);
    is_noise.then(|| Part {
        id: Hypothesis::Accumulation,
        evidence: format!(
            "rounding noise: its rms is {} eps of the values' rms, and sums of {length} explain {}",
            number((size * 100.0).round() / 100.0),
            number(explained.round())
        ),
        details: Details::default(),
    })
}

/// The RMS, in eps, up to which rounding may have any structure: one factor for a row is rounded once.
const PLAIN: f64 = 2.0;

/// The share of the difference that a factor for each slice may explain beyond chance.
const STRUCTURE: f64 = 0.25;

/// Whether an element is too small to come from a sum of the others, and differs all the same: flushed to 0, for one.
fn is_flushed(sides: &Sides) -> bool {
    let least = 1e-3 * sides.noise.eps * sides.rms;
    sides.actual.iter().zip(&sides.reference).any(|(a, r)| {
        let size = a.abs().max(r.abs());
        size <= least && (a - r).abs() > 32.0 * sides.noise.eps * size
    })
}

/// The length of the longest sum that the shapes suggest.
fn length(question: &Question<'_>) -> usize {
    let tensors = question.inputs.values().copied().chain([question.pair.reference]);
    let extents =
        tensors.filter(|tensor| tensor.shape().len() >= 2).flat_map(|tensor| tensor.shape().iter().rev().take(2));
    // What the shapes do not show is no longer than an embedding, most often.
    extents.copied().max().unwrap_or(1).clamp(64, 4096)
}
