//! Noise: no fault, but rounding that adds up along sums.

use super::exact::structure;
use super::fit::Tally;
use super::parts::Part;
use super::sample::quantile;
use super::sides::Sides;
use super::words::number;
use crate::explain::{Details, Hypothesis, Question};
use crate::tensor::DType;

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
    let is_noise = is_noise && !is_apart(sides) && !is_curve(sides);
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

/// Whether few elements carry most of the difference, each far off beside its own row while the others are not: another formula
/// for some values.
fn is_apart(sides: &Sides) -> bool {
    let width = sides.shape.last().copied().unwrap_or(1).max(1);
    let rows = sides.actual.chunks(width).zip(sides.reference.chunks(width));
    let mut off: Vec<(f64, f64)> = Vec::with_capacity(sides.len());
    for (actual, reference) in rows {
        let row = (reference.iter().map(|r| r * r).filter(|x| !x.is_nan()).sum::<f64>() / width as f64).sqrt();
        let pairs = actual.iter().zip(reference).filter(|(a, r)| !(**a - **r).is_nan() && row > 0.0);
        off.extend(pairs.map(|(a, r)| ((a - r).abs() / (sides.noise.eps * (r.abs() + row)), (a - r).powi(2))));
    }
    let usual = quantile(&mut off.iter().map(|(off, _)| *off).collect::<Vec<f64>>(), 0.9).unwrap_or(0.0);
    let apart: f64 = off.iter().filter(|(off, _)| *off > (8.0 * usual).max(16.0)).map(|(_, square)| square).sum();
    apart > 0.5 * sides.squares
}

/// Whether the difference is a curve over the values: neighbours by value differ alike, as roundings do not.
fn is_curve(sides: &Sides) -> bool {
    /// Values that are looked at.
    const VALUES: usize = 1 << 14;
    let step = sides.len().div_ceil(VALUES).max(1);
    let pairs = sides.actual.iter().zip(&sides.reference).step_by(step).map(|(a, r)| (*r, a - r));
    let mut pairs: Vec<(f64, f64)> = pairs.filter(|(_, d)| !d.is_nan()).collect();
    pairs.sort_by(|one, other| one.0.total_cmp(&other.0));
    // The same twice is one.
    pairs.dedup_by_key(|(r, _)| *r);
    if pairs.len() < 64 {
        return false;
    }
    let mean = pairs.iter().map(|(_, d)| d).sum::<f64>() / pairs.len() as f64;
    let squares: f64 = pairs.iter().map(|(_, d)| (d - mean).powi(2)).sum();
    let products: f64 = pairs.windows(2).map(|pair| (pair[0].1 - mean) * (pair[1].1 - mean)).sum();
    products > 0.3 * squares
}

/// The length of the longest sum that the shapes suggest.
fn length(question: &Question<'_>) -> usize {
    let tensors = question.inputs.values().copied().chain([question.pair.reference]);
    let extents =
        tensors.filter(|tensor| tensor.shape().len() >= 2).flat_map(|tensor| tensor.shape().iter().rev().take(2));
    // What the shapes do not show is no longer than an embedding, most often.
    extents.copied().max().unwrap_or(1).clamp(64, 4096)
}
