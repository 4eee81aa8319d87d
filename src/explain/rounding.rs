//! Rounding: one side rounded to 16 bits or computed in 16 bits; and rounding noise that accumulates in sums, which is not a fault.

use half::{bf16, f16};

use super::explanation::{Details, Hypothesis, Question};
use super::fit::{Residuals, structured_share};
use super::parts::{Part, format_short};
use super::sides::{Sides, quantile};
use crate::tensor::DType;

/// A 16-bit float format.
#[derive(Clone, Copy, Debug)]
struct Format {
    id: Hypothesis,
    name: &'static str,
    /// The machine epsilon.
    eps: f64,
    /// The exponent of the smallest normal number.
    min_exponent: i32,
    max: f64,
}

const BF16: Format = Format {
    id: Hypothesis::RoundedBf16,
    name: "bf16",
    eps: 1.0 / 128.0,
    min_exponent: -126,
    max: bf16::MAX.to_f64_const(),
};

const F16: Format = Format {
    id: Hypothesis::RoundedF16,
    name: "f16",
    eps: 1.0 / 1024.0,
    min_exponent: -14,
    max: f16::MAX.to_f64_const(),
};

/// A rounding mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rounding {
    Nearest,
    TowardZero,
}

/// The smallest average distance, in steps, by which rounding moves numbers: to the nearest it is a quarter. If they moved less,
/// they were rounded before, and the rest is noise.
const MIN_DISTANCE: f64 = 0.1;

/// The share of elements that may be rounded the other way, because they are close to the middle between two neighbours.
const TIES: f64 = 0.02;

/// Detects that `rounded` is `exact` rounded to 16 bits, and returns the squared difference that remains. `eps` is that of the
/// finer dtype; `names` are what the evidence calls `rounded` and `exact`.
pub(super) fn find_rounding(rounded: &[f64], exact: &[f64], eps: f64, names: [&str; 2]) -> Option<(Part, f64)> {
    let step = (exact.len() / 4096).max(1);
    for format in Format::coarser_than(eps) {
        // If most exact numbers have this format too, they are no evidence.
        let numbers = exact.iter().step_by(step).filter(|x| x.is_finite() && **x != 0.0);
        let (fitting, all) = numbers.fold((0, 0), |(f, n), &x| (f + u32::from(format.contains(x)), n + 1));
        if all < 8 || fitting * 2 > all {
            continue;
        }
        let Some(name) = format.describe(rounded, exact, eps).filter(|_| !format.is_fixed_point(rounded, eps)) else {
            continue;
        };
        for (mode, word) in [(Rounding::Nearest, "rounded"), (Rounding::TowardZero, "truncated")] {
            if let Some(left) = remaining_squares(rounded, exact, format, mode, eps) {
                let evidence = format!("{} is {} {word} to {name}", names[0], names[1]);
                return Some((Part::new(format.id, evidence, Details::default()), left));
            }
        }
    }
    None
}

/// What f16 and TF32 have in common; TF32 has the exponents of f32.
const MANTISSA: &str = "a 10-bit mantissa";

/// The smallest normal number of f16. Below it f16 has a shorter mantissa than TF32.
const MIN_F16: f64 = 1.0 / 16384.0;

/// The largest error of a computation in 16 bits, in steps.
const STEPS: f64 = 16.0;

/// Detects that actual was computed in 16 bits: all its numbers have a 16-bit format, those of the reference do not, and they are
/// a few steps apart. The opposite is not tried, because a 16-bit reference may be right. `eps` is that of the finer dtype,
/// `rms` that of the tensors.
pub(super) fn find_16_bit_computation(actual: &[f64], exact: &[f64], eps: f64, rms: f64) -> Option<Part> {
    let pairs = || pairs(actual, exact);
    let count = pairs().count();
    let format = Format::coarser_than(eps).find(|format| {
        let is_near = |a: f64, x: f64| (a - x).abs() <= STEPS * format.eps * (a.abs().max(x.abs()) + rms);
        let fits = pairs().all(|(a, x)| format.round(a, Rounding::Nearest) == a && is_near(a, x));
        let exact_fitting = pairs().filter(|(_, x)| format.round(*x, Rounding::Nearest) == *x).count();
        // Quarters and integers have a 16-bit format too, with zeros in most of the last bits.
        let short = pairs().filter(|(a, _)| a / format.step(*a) % 8.0 == 0.0).count();
        count >= 64 && fits && exact_fitting * 4 <= count && short * 3 <= count && !format.is_fixed_point(actual, eps)
    })?;
    // Only numbers below the normal range of f16 distinguish it from TF32.
    let is_certain = format.id == Hypothesis::RoundedBf16 || actual.iter().any(|x| *x != 0.0 && x.abs() < MIN_F16);
    let (what, formats, others) = match is_certain {
        true => (format!("is representable in {}", format.name), format.name, "are not"),
        false => (format!("has {MANTISSA}"), "f16 or TF32", "have more bits"),
    };
    let evidence =
        format!("every value of actual {what}, as if computed in {formats}; those of the reference {others}");
    Some(Part::new(format.id, evidence, Details::default()))
}

/// Returns the factor by which `exact` was multiplied before it was rounded to 16 bits: every element bounds it on both sides.
pub(super) fn find_factor(rounded: &[f64], exact: &[f64]) -> Option<f64> {
    [BF16, F16].into_iter().find_map(|format| {
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        for (r, x) in pairs(rounded, exact).filter(|(r, x)| *x != 0.0 && *r != 0.0) {
            // A little more than half, for noise before the rounding.
            let half = 0.5005 * format.step(r) + 4e-6 * r.abs();
            let (one, other) = ((r - half) / x, (r + half) / x);
            low = low.max(one.min(other));
            high = high.min(one.max(other));
        }
        // Wide bounds determine nothing.
        (low <= high && high - low < 0.01 * high.abs()).then_some((low + high) / 2.0)
    })
}

/// Returns the squared difference that rounding leaves, or `None` if it does not explain the elements.
fn remaining_squares(rounded: &[f64], exact: &[f64], format: Format, mode: Rounding, eps: f64) -> Option<f64> {
    let (mut count, mut explained, mut ties, mut inexact) = (0.0, 0.0, 0.0, 0.0);
    let (mut left, mut distance) = (0.0, 0.0);
    for (r, x) in pairs(rounded, exact) {
        let noise = 32.0 * eps * x.abs().max(r.abs());
        let (step, expected) = (format.step(x), format.round(x, mode));
        // Close to a tie, noise decides.
        let max_distance = if mode == Rounding::Nearest { 0.5 * step } else { step };
        let is_representable = (r - format.round(r, Rounding::Nearest)).abs() <= noise;
        count += 1.0;
        if (r - expected).abs() <= noise {
            explained += 1.0;
        } else if is_representable && (r - x).abs() <= max_distance + noise + 0.03 * step {
            explained += 1.0;
            ties += 1.0;
        } else {
            left += (r - expected) * (r - expected);
        }
        if !format.contains(x) {
            inexact += 1.0;
            distance += ((r - x).abs() / step).min(1.0);
        }
    }
    let is_explained = count > 0.0 && explained >= (1.0 - TIES) * count && ties <= 10.0 * TIES * count;
    (is_explained && distance >= MIN_DISTANCE * inexact).then_some(left)
}

/// Returns the pairs of numbers that are not both 0.
fn pairs(rounded: &[f64], exact: &[f64]) -> impl Iterator<Item = (f64, f64)> {
    let pairs = rounded.iter().zip(exact).map(|(r, x)| (*r, *x));
    pairs.filter(|(r, x)| !(r - x).is_nan() && (*r != 0.0 || *x != 0.0))
}

impl Format {
    /// The formats that are far coarser than a dtype with this eps.
    fn coarser_than(eps: f64) -> impl Iterator<Item = Format> {
        [BF16, F16].into_iter().filter(move |format| format.eps >= 64.0 * eps)
    }

    /// Names the format as precisely as the numbers allow: only numbers below the normal range of f16 distinguish it from TF32.
    /// Returns `None` if those do not have the format.
    fn describe(self, rounded: &[f64], exact: &[f64], eps: f64) -> Option<String> {
        if self.id == Hypothesis::RoundedBf16 {
            return Some(self.name.to_owned());
        }
        let is_small = |(_, x): &(&f64, &f64)| x.abs() < MIN_F16 && !self.contains(**x);
        let small = rounded.iter().zip(exact).filter(is_small);
        let fits = |r: f64| (r - self.round(r, Rounding::Nearest)).abs() <= 32.0 * eps * r.abs();
        let (fitting, all) = small.fold((0, 0), |(fitting, all), (&r, _)| (fitting + u64::from(fits(r)), all + 1));
        match all {
            0 => Some(format!("{MANTISSA}, as in f16 and TF32")),
            all => (fitting * 10 >= all * 9).then(|| self.name.to_owned()),
        }
    }

    /// Whether the numbers are also multiples of one fixed step, as from a converter or a division of integers.
    fn is_fixed_point(self, rounded: &[f64], eps: f64) -> bool {
        let numbers = || rounded.iter().copied().filter(|x| x.is_finite() && *x != 0.0);
        // The largest number may have been rounded up to a power of two.
        let step = self.step(numbers().fold(0.0, |most, x| x.abs().max(most))) / 2.0;
        let is_off = |x: &f64| ((x / step).round() * step - x).abs() > 32.0 * eps * x.abs();
        numbers().filter(is_off).count() * 100 <= numbers().count()
    }

    /// The distance between neighbouring numbers near x.
    fn step(self, x: f64) -> f64 {
        let exponent = ((x.abs().to_bits() >> 52) as i32 - 1023).max(self.min_exponent);
        self.eps * 2f64.powi(exponent)
    }

    /// Rounds a number to this format.
    fn round(self, x: f64, mode: Rounding) -> f64 {
        let step = self.step(x);
        // The step is a power of two, so that the quotient is exact.
        let steps = x / step;
        let rounded = step
            * match mode {
                Rounding::Nearest => steps.round_ties_even(),
                Rounding::TowardZero => steps.trunc(),
            };
        if rounded.abs() > self.max { f64::INFINITY.copysign(x) } else { rounded }
    }

    /// Whether the number has this format.
    fn contains(self, x: f64) -> bool {
        self.round(x, Rounding::TowardZero) == x
    }
}

/// Whether the difference is so small that only noise is considered, as between correct implementations of a checkpoint.
pub(super) fn is_far_below_limit(sides: &Sides) -> bool {
    sides.noise.eps > 0.0 && sides.non_finite.is_empty() && sides.rmse() <= sides.noise.limit(sides.rms) / 8.0
}

/// Explains the difference as rounding noise, if it is nothing else.
pub(super) fn explain_noise(question: &Question<'_>, sides: &Sides, residuals: &Residuals) -> Option<Part> {
    let eps = sides.noise.eps;
    let size = sides.rmse() / (eps * sides.rms);
    let length = sum_length(question);
    // The rounding errors of a sum are a random walk with steps of a few tenths of an eps; other operations add a few eps.
    let explained = match question.pair.reference.dtype() {
        DType::F32 | DType::F64 => 4.0 + (length as f64).sqrt(),
        _ => sides.noise.limit(1.0) / eps,
    };
    let is_small = eps > 0.0 && size <= explained && residuals.wrong == 0 && sides.finite_count > 0;
    let is_noise = is_small
        && !is_flushed(sides)
        && (size <= ALWAYS_NOISE || structured_share(sides) <= MAX_STRUCTURE)
        && !is_concentrated(sides)
        && !is_function_of_value(sides);
    is_noise.then(|| {
        let [size, explained] = [(size * 100.0).round() / 100.0, explained.round()].map(format_short);
        let evidence = format!(
            "rounding noise: its RMS is {size} eps of the RMS of the values, and sums of {length} terms explain {explained}"
        );
        Part::new(Hypothesis::Accumulation, evidence, Details::default())
    })
}

/// The RMS, in eps, up to which noise may have structure: the factor of a row is rounded once.
const ALWAYS_NOISE: f64 = 2.0;

/// The share of larger noise that a factor for each slice may explain.
const MAX_STRUCTURE: f64 = 0.25;

/// Whether an element differs that is too small to result from a sum of the others, such as one that was flushed to 0.
fn is_flushed(sides: &Sides) -> bool {
    let least = 1e-3 * sides.noise.eps * sides.rms;
    sides.actual.iter().zip(&sides.reference).any(|(a, r)| {
        let size = a.abs().max(r.abs());
        size <= least && (a - r).abs() > 32.0 * sides.noise.eps * size
    })
}

/// Whether a few elements account for most of the difference, each far off compared with its row: a different formula for some
/// values.
fn is_concentrated(sides: &Sides) -> bool {
    let width = sides.shape.last().copied().unwrap_or(1).max(1);
    let rows = sides.actual.chunks(width).zip(sides.reference.chunks(width));
    let mut off: Vec<(f64, f64)> = Vec::with_capacity(sides.len());
    for (actual, reference) in rows {
        let row = (reference.iter().map(|r| r * r).filter(|x| !x.is_nan()).sum::<f64>() / width as f64).sqrt();
        let pairs = actual.iter().zip(reference).filter(|(a, r)| !(**a - **r).is_nan() && row > 0.0);
        off.extend(pairs.map(|(a, r)| ((a - r).abs() / (sides.noise.eps * (r.abs() + row)), (a - r).powi(2))));
    }
    let usual = quantile(&mut off.iter().map(|(off, _)| *off).collect::<Vec<f64>>(), 0.9).unwrap_or(0.0);
    let far: f64 = off.iter().filter(|(off, _)| *off > (8.0 * usual).max(16.0)).map(|(_, square)| square).sum();
    far > 0.5 * sides.squares
}

/// Whether the difference is a smooth function of the values: similar values have similar differences, unlike with rounding.
fn is_function_of_value(sides: &Sides) -> bool {
    /// The number of values that are sampled.
    const VALUES: usize = 1 << 14;
    let step = sides.len().div_ceil(VALUES).max(1);
    let mut pairs: Vec<(f64, f64)> =
        (0..sides.len()).step_by(step).map(|p| (sides.reference[p], sides.difference(p))).collect();
    pairs.retain(|(_, d)| !d.is_nan());
    pairs.sort_by(|one, other| one.0.total_cmp(&other.0));
    // Equal values count once.
    pairs.dedup_by_key(|(r, _)| *r);
    if pairs.len() < 64 {
        return false;
    }
    let mean = pairs.iter().map(|(_, d)| d).sum::<f64>() / pairs.len() as f64;
    let squares: f64 = pairs.iter().map(|(_, d)| (d - mean).powi(2)).sum();
    let products: f64 = pairs.windows(2).map(|pair| (pair[0].1 - mean) * (pair[1].1 - mean)).sum();
    products > 0.3 * squares
}

/// Returns the length of the longest sum that the shapes suggest.
fn sum_length(question: &Question<'_>) -> usize {
    let tensors = question.inputs.values().copied().chain([question.pair.reference]);
    let extents =
        tensors.filter(|tensor| tensor.shape().len() >= 2).flat_map(|tensor| tensor.shape().iter().rev().take(2));
    // Other sums are rarely longer than an embedding.
    extents.copied().max().unwrap_or(1).clamp(64, 4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_agrees_with_the_16_bit_types() {
        for at in 0..20_000 {
            let x = f64::from((at as f32 * 0.37).sin() * 2f32.powi(at % 40 - 30));
            assert_eq!(BF16.round(x, Rounding::Nearest), f64::from(bf16::from_f32(x as f32)), "{x}");
            assert_eq!(F16.round(x, Rounding::Nearest), f64::from(f16::from_f32(x as f32)), "{x}");
            assert_eq!(
                BF16.round(x, Rounding::TowardZero),
                f64::from(f32::from_bits((x as f32).to_bits() & 0xffff_0000))
            );
        }
        assert!(!BF16.contains(1.001) && BF16.contains(1.5) && F16.contains(0.0));
    }

    #[test]
    fn only_rounding_is_called_rounding() {
        let exact: Vec<f64> = (0..500).map(|x| (f64::from(x) * 0.7).sin()).collect();
        let rounded: Vec<f64> = exact.iter().map(|&x| f64::from(f16::from_f64(x))).collect();
        let names = ["actual", "the reference"];
        let find = |rounded: &[f64], exact: &[f64]| find_rounding(rounded, exact, 1e-7, names).map(|(part, _)| part.id);
        assert_eq!(find(&rounded, &exact), Some(Hypothesis::RoundedF16));
        // Noise of this size, and both sides rounded.
        let noisy: Vec<f64> =
            exact.iter().enumerate().map(|(at, x)| x * (1.0 + 4e-4 * (at as f64 * 1.3).sin())).collect();
        assert_eq!(find(&noisy, &exact), None);
        assert_eq!(find(&rounded, &rounded), None);
        // Integers, and the same with a little noise: rounding would remove the noise, but did not cause the difference.
        let whole: Vec<f64> = (0..500).map(|x| f64::from(x % 200)).collect();
        let noisy: Vec<f64> = whole.iter().enumerate().map(|(at, x)| x + 1e-3 * (at as f64 * 1.3).sin()).collect();
        assert_eq!(find(&whole, &noisy), None);
    }
}
