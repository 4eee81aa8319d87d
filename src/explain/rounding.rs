//! Rounding: to 16 bits, on one side or all through a computation; and noise, which is no fault, but rounding that adds up
//! along sums.

use half::{bf16, f16};

use super::explanation::{Details, Hypothesis, Question};
use super::fit::{Tally, structure};
use super::parts::{Part, short};
use super::sides::{Sides, quantile};
use crate::tensor::DType;

/// A type of 16 bits.
#[derive(Clone, Copy, Debug)]
struct Short {
    id: Hypothesis,
    word: &'static str,
    /// The distance from 1 to the next number.
    eps: f64,
    /// The exponent of the smallest number with all bits of mantissa.
    least: i32,
    largest: f64,
}

const BF16: Short = Short {
    id: Hypothesis::RoundedBf16,
    word: "bf16",
    eps: 1.0 / 128.0,
    least: -126,
    largest: bf16::MAX.to_f64_const(),
};

const F16: Short =
    Short { id: Hypothesis::RoundedF16, word: "f16", eps: 1.0 / 1024.0, least: -14, largest: f16::MAX.to_f64_const() };

/// How the last bits go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Nearest,
    Cut,
}

/// How far rounding moves numbers at least, in steps and on average: a quarter where it is to the nearest. What is moved less
/// was there before, and is noise.
const LEAST_MOVED: f64 = 0.1;

/// The share of elements that may be rounded the other way: those that stood on the edge.
const EDGE: f64 = 0.02;

/// Whether one of two tensors is the other rounded to 16 bits, and the squares of what that leaves. `eps` is that of the finer
/// dtype; what `rounded` is called comes first in the evidence.
pub(super) fn find(rounded: &[f64], exact: &[f64], eps: f64, names: [&str; 2]) -> Option<(Part, f64)> {
    let step = (exact.len() / 4096).max(1);
    for short in Short::coarser(eps) {
        // What is rounded already says nothing.
        let numbers = exact.iter().step_by(step).filter(|x| x.is_finite() && **x != 0.0);
        let (fitting, all) = numbers.fold((0, 0), |(f, n), &x| (f + u32::from(short.holds(x)), n + 1));
        if all < 8 || fitting * 2 > all {
            continue;
        }
        let Some(word) = short.seen(rounded, exact, eps).filter(|_| !short.is_fixed(rounded, eps)) else { continue };
        for way in [Way::Nearest, Way::Cut] {
            if let Some(left) = left(rounded, exact, short, way, eps) {
                let how = if way == Way::Cut { "cut off" } else { "rounded" };
                let evidence = format!("{} is {} {how} to {word}", names[0], names[1]);
                return Some((Part::new(short.id, evidence, Details::default()), left));
            }
        }
    }
    None
}

/// What f16 has in common with TF32, which has the exponents of f32.
const MANTISSA: &str = "10 bits of mantissa";

/// Below it f16 has fewer bits of mantissa, and TF32 has not.
const LEAST_F16: f64 = 1.0 / 16384.0;

/// Steps of 16 bits that a computation in them may be off by.
const STEPS: f64 = 16.0;

/// Whether every number of the actual tensor is one of 16 bits, as those of the reference are not, a few steps from it: computed
/// in 16 bits. Not the other way round: a reference of 16 bits may be right. `eps` is that of the finer dtype, `rms` that of
/// the tensors.
pub(super) fn computed(short: &[f64], exact: &[f64], eps: f64, rms: f64) -> Option<Part> {
    let pairs = || pairs(short, exact);
    let count = pairs().count();
    let kind = Short::coarser(eps).find(|kind| {
        let is_near = |s: f64, x: f64| (s - x).abs() <= STEPS * kind.eps * (s.abs().max(x.abs()) + rms);
        let is_all = pairs().all(|(s, x)| kind.round(s, Way::Nearest) == s && is_near(s, x));
        let held = pairs().filter(|(_, x)| kind.round(*x, Way::Nearest) == *x).count();
        // Quarters and whole numbers are numbers of 16 bits as well, and leave most of the last bits 0.
        let round = pairs().filter(|(s, _)| s / kind.step(*s) % 8.0 == 0.0).count();
        count >= 64 && is_all && held * 4 <= count && round * 3 <= count && !kind.is_fixed(short, eps)
    })?;
    // Where numbers are so small that f16 has fewer bits for them they are among its own, or one would not be.
    let is_told = kind.id == Hypothesis::RoundedBf16 || short.iter().any(|x| *x != 0.0 && x.abs() < LEAST_F16);
    let (what, types, others) = match is_told {
        true => (format!("is one of {}", kind.word), kind.word, "are not"),
        false => (format!("has {MANTISSA}"), "f16 or TF32", "have more"),
    };
    let evidence =
        format!("every value of actual {what}, as where it is computed in {types}; those of the reference {others}");
    Some(Part::new(kind.id, evidence, Details::default()))
}

/// The factor with which `rounded` can be `exact` rounded to 16 bits: every element limits it from both sides.
pub(super) fn factor(rounded: &[f64], exact: &[f64]) -> Option<f64> {
    [BF16, F16].into_iter().find_map(|short| {
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        for (r, x) in pairs(rounded, exact).filter(|(r, x)| *x != 0.0 && *r != 0.0) {
            // A little more, for noise before the rounding.
            let half = 0.5005 * short.step(r) + 4e-6 * r.abs();
            let (one, other) = ((r - half) / x, (r + half) / x);
            low = low.max(one.min(other));
            high = high.min(one.max(other));
        }
        // A bound that is wide says nothing.
        (low <= high && high - low < 0.01 * high.abs()).then_some((low + high) / 2.0)
    })
}

/// The squares of what rounding leaves; `None` where it does not explain the elements.
fn left(rounded: &[f64], exact: &[f64], short: Short, way: Way, eps: f64) -> Option<f64> {
    let (mut count, mut explained, mut edge, mut inexact) = (0.0, 0.0, 0.0, 0.0);
    let (mut left, mut moved) = (0.0, 0.0);
    for (r, x) in pairs(rounded, exact) {
        let noise = 32.0 * eps * x.abs().max(r.abs());
        let (step, expected) = (short.step(x), short.round(x, way));
        let is_expected = (r - expected).abs() <= noise;
        // On the edge noise decides.
        let most = if way == Way::Nearest { 0.5 * step } else { step };
        let is_short = (r - short.round(r, Way::Nearest)).abs() <= noise;
        let is_edge = !is_expected && is_short && (r - x).abs() <= most + noise + 0.03 * step;
        count += 1.0;
        match (is_expected, is_edge) {
            (false, false) => left += (r - expected) * (r - expected),
            (_, is_edge) => (explained, edge) = (explained + 1.0, edge + f64::from(u8::from(is_edge))),
        }
        if !short.holds(x) {
            inexact += 1.0;
            moved += ((r - x).abs() / step).min(1.0);
        }
    }
    let is_explained = count > 0.0 && explained >= (1.0 - EDGE) * count && edge <= 10.0 * EDGE * count;
    (is_explained && moved >= LEAST_MOVED * inexact).then_some(left)
}

/// Both numbers wherever they are, and not both 0.
fn pairs(rounded: &[f64], exact: &[f64]) -> impl Iterator<Item = (f64, f64)> {
    let pairs = rounded.iter().zip(exact).map(|(r, x)| (*r, *x));
    pairs.filter(|(r, x)| !(r - x).is_nan() && (*r != 0.0 || *x != 0.0))
}

impl Short {
    /// Those that are far coarser than a type of that eps.
    fn coarser(eps: f64) -> impl Iterator<Item = Short> {
        [BF16, F16].into_iter().filter(move |short| short.eps >= 64.0 * eps)
    }

    /// What the type is called that those numbers show: without small ones f16 is like any other of 10 bits. `None` where the
    /// small ones are not of the type.
    fn seen(self, rounded: &[f64], exact: &[f64], eps: f64) -> Option<String> {
        if self.id == Hypothesis::RoundedBf16 {
            return Some(self.word.to_owned());
        }
        let is_small = |(_, x): &(&f64, &f64)| x.abs() < LEAST_F16 && !self.holds(**x);
        let small = rounded.iter().zip(exact).filter(is_small);
        let is_own = |r: f64| (r - self.round(r, Way::Nearest)).abs() <= 32.0 * eps * r.abs();
        let (own, all) = small.fold((0, 0), |(own, all), (&r, _)| (own + u64::from(is_own(r)), all + 1));
        match (own, all) {
            (_, 0) => Some(format!("{MANTISSA}, as f16 and TF32 have")),
            (own, all) => (own * 10 >= all * 9).then(|| self.word.to_owned()),
        }
    }

    /// Whether the numbers are as well those of one fixed step, as of a converter or of whole numbers that were divided.
    fn is_fixed(self, rounded: &[f64], eps: f64) -> bool {
        let numbers = || rounded.iter().copied().filter(|x| x.is_finite() && *x != 0.0);
        // The largest may be the first of the next power of two.
        let step = self.step(numbers().fold(0.0, |most, x| x.abs().max(most))) / 2.0;
        let is_off = |x: &f64| ((x / step).round() * step - x).abs() > 32.0 * eps * x.abs();
        numbers().filter(is_off).count() * 100 <= numbers().count()
    }

    /// The distance between neighbours near x.
    fn step(self, x: f64) -> f64 {
        let exponent = ((x.abs().to_bits() >> 52) as i32 - 1023).max(self.least);
        self.eps * 2f64.powi(exponent)
    }

    /// The nearest number it has, or the one towards 0.
    fn round(self, x: f64, way: Way) -> f64 {
        let step = self.step(x);
        // A power of two: the quotient is exact.
        let steps = x / step;
        const WHOLE: f64 = (1u64 << 52) as f64;
        let nearest = match way {
            // Beyond it there are whole numbers alone, and the addition rounds to the nearest, ties to even.
            Way::Nearest => (steps.abs() + WHOLE - WHOLE).copysign(steps),
            Way::Cut => (steps as i64) as f64,
        };
        let rounded = nearest * step;
        if rounded.abs() > self.largest { f64::INFINITY.copysign(x) } else { rounded }
    }

    /// Whether it has that number.
    fn holds(self, x: f64) -> bool {
        self.round(x, Way::Cut) == x
    }
}

/// Noise below which nothing else is looked for, in eps times the RMS: honest implementations of one checkpoint.
pub(super) fn is_least(sides: &Sides) -> bool {
    sides.noise.eps > 0.0 && sides.lost.is_empty() && sides.rmse() <= sides.noise.limit(sides.rms) / 8.0
}

/// That the difference is noise, if it is no more.
pub(super) fn noise(question: &Question<'_>, sides: &Sides, tally: &Tally) -> Option<Part> {
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
    is_noise.then(|| {
        let [size, explained] = [(size * 100.0).round() / 100.0, explained.round()].map(short);
        let evidence = format!(
            "rounding noise: its rms is {size} eps of the values' rms, and sums of {length} explain {explained}"
        );
        Part::new(Hypothesis::Accumulation, evidence, Details::default())
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
    let mut pairs: Vec<(f64, f64)> =
        (0..sides.len()).step_by(step).map(|p| (sides.reference[p], sides.difference(p))).collect();
    pairs.retain(|(_, d)| !d.is_nan());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_that_of_the_type() {
        for at in 0..20_000 {
            let x = f64::from((at as f32 * 0.37).sin() * 2f32.powi(at % 40 - 30));
            assert_eq!(BF16.round(x, Way::Nearest), f64::from(bf16::from_f32(x as f32)), "{x}");
            assert_eq!(F16.round(x, Way::Nearest), f64::from(f16::from_f32(x as f32)), "{x}");
            assert_eq!(BF16.round(x, Way::Cut), f64::from(f32::from_bits((x as f32).to_bits() & 0xffff_0000)));
        }
        assert!(!BF16.holds(1.001) && BF16.holds(1.5) && F16.holds(0.0));
    }

    #[test]
    fn what_is_not_rounding_is_not_called_so() {
        let exact: Vec<f64> = (0..500).map(|x| (f64::from(x) * 0.7).sin()).collect();
        let rounded: Vec<f64> = exact.iter().map(|&x| f64::from(f16::from_f64(x))).collect();
        let names = ["actual", "the reference"];
        let found = |rounded: &[f64], exact: &[f64]| find(rounded, exact, 1e-7, names).map(|(part, _)| part.id);
        assert_eq!(found(&rounded, &exact), Some(Hypothesis::RoundedF16));
        // Noise of that size, and what is rounded on both sides.
        let noisy: Vec<f64> =
            exact.iter().enumerate().map(|(at, x)| x * (1.0 + 4e-4 * (at as f64 * 1.3).sin())).collect();
        assert_eq!(found(&noisy, &exact), None);
        assert_eq!(found(&rounded, &rounded), None);
        // Whole numbers beside themselves with a little noise: rounding takes it away, and did not make it.
        let whole: Vec<f64> = (0..500).map(|x| f64::from(x % 200)).collect();
        let noisy: Vec<f64> = whole.iter().enumerate().map(|(at, x)| x + 1e-3 * (at as f64 * 1.3).sin()).collect();
        assert_eq!(found(&whole, &noisy), None);
    }
}
