//! Rounding to 16 bits.

use half::{bf16, f16};
use rayon::prelude::*;

use super::parts::Part;
use super::sides::CHUNK;
use crate::explain::{Details, Hypothesis};

/// A type of 16 bits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Short {
    Bf16,
    F16,
}

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
    let sampled = |values: &[f64]| values.iter().step_by(step).copied().collect::<Vec<f64>>();
    let (some_rounded, some_exact) = (sampled(rounded), sampled(exact));
    for short in [Short::Bf16, Short::F16] {
        if short.eps() < 64.0 * eps {
            continue;
        }
        // What is rounded already says nothing.
        let numbers = some_exact.iter().filter(|x| x.is_finite() && **x != 0.0);
        let (fitting, all) = numbers.fold((0, 0), |(f, n), &x| (f + u32::from(short.holds(x)), n + 1));
        if all < 8 || fitting * 2 > all {
            continue;
        }
        let word = match short.seen(rounded, exact, eps) {
            Some(word) if !short.is_fixed(rounded, eps) => word,
            _ => continue,
        };
        for way in [Way::Nearest, Way::Cut] {
            if left(&some_rounded, &some_exact, short, way, eps).is_none() {
                continue;
            }
            if let Some(left) = left(rounded, exact, short, way, eps) {
                let how = if way == Way::Cut { "cut off" } else { "rounded" };
                let evidence = format!("{} is {} {how} to {word}", names[0], names[1]);
                return Some((Part { id: short.hypothesis(), evidence, details: Details::default() }, left));
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
    let pairs = || short.iter().zip(exact).filter(|(s, x)| !(**s - **x).is_nan() && (**s != 0.0 || **x != 0.0));
    let count = pairs().count();
    [Short::Bf16, Short::F16].into_iter().filter(|kind| kind.eps() >= 64.0 * eps).find_map(|kind| {
        let is_short = |x: f64| kind.round(x, Way::Nearest) == x;
        let is_near = |s: f64, x: f64| (s - x).abs() <= STEPS * kind.eps() * (s.abs().max(x.abs()) + rms);
        let is_all = pairs().all(|(&s, &x)| is_short(s) && is_near(s, x));
        let held = pairs().filter(|(_, x)| is_short(**x)).count();
        // Quarters and whole numbers are numbers of 16 bits as well, and leave most of the last bits 0.
        let round = pairs().filter(|(s, _)| **s / kind.step(**s) % 8.0 == 0.0).count();
        let is_short = count >= 64 && is_all && held * 4 <= count && round * 3 <= count && !kind.is_fixed(short, eps);
        is_short.then(|| {
            // Where numbers are so small that f16 has fewer bits for them they are among its own, or one would not be.
            let is_told = matches!(kind, Short::Bf16) || short.iter().any(|x| *x != 0.0 && x.abs() < LEAST_F16);
            let (what, types, others) = match is_told {
                true => (format!("is one of {}", kind.word()), kind.word(), "are not"),
                false => (format!("has {MANTISSA}"), "f16 or TF32", "have more"),
            };
            let evidence = format!(
                "every value of actual {what}, as where it is computed in {types}; those of the reference {others}"
            );
            Part { id: kind.hypothesis(), evidence, details: Details::default() }
        })
    })
}

/// Whether most of the numbers are ones of 16 bits, up to noise.
pub(super) fn is_possible(values: &[f64], eps: f64) -> bool {
    let some = || values.iter().step_by((values.len() / 1024).max(1)).filter(|x| x.is_finite() && **x != 0.0);
    [Short::Bf16, Short::F16].into_iter().filter(|short| short.eps() >= 64.0 * eps).any(|short| {
        let is_short = |x: &&f64| (**x - short.round(**x, Way::Nearest)).abs() <= 32.0 * eps * x.abs();
        some().filter(is_short).count() * 10 >= some().count() * 9
    })
}

/// The factor with which `rounded` can be `exact` rounded to 16 bits: every element limits it from both sides.
pub(super) fn factor(rounded: &[f64], exact: &[f64]) -> Option<f64> {
    [Short::Bf16, Short::F16].into_iter().find_map(|short| {
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        for (&r, &x) in rounded.iter().zip(exact).filter(|(r, x)| !(**r * **x).is_nan() && **x != 0.0 && **r != 0.0) {
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
    let parts: Vec<[f64; 6]> = rounded
        .par_chunks(CHUNK)
        .zip(exact.par_chunks(CHUNK))
        .map(|(rounded, exact)| {
            let mut sums = [0.0; 6];
            for (&r, &x) in
                rounded.iter().zip(exact).filter(|(r, x)| !(**r - **x).is_nan() && (**r != 0.0 || **x != 0.0))
            {
                let noise = 32.0 * eps * x.abs().max(r.abs());
                let (step, expected) = (short.step(x), short.round(x, way));
                let is_expected = (r - expected).abs() <= noise;
                // On the edge noise decides.
                let most = if way == Way::Nearest { 0.5 * step } else { step };
                let is_short = (r - short.round(r, Way::Nearest)).abs() <= noise;
                let is_edge = !is_expected && is_short && (r - x).abs() <= most + noise + 0.03 * step;
                sums[0] += 1.0;
                sums[1] += f64::from(u8::from(is_expected || is_edge));
                sums[2] += f64::from(u8::from(is_edge));
                if !short.holds(x) {
                    sums[4] += 1.0;
                    sums[5] += ((r - x).abs() / step).min(1.0);
                }
                sums[3] += if is_expected || is_edge { 0.0 } else { (r - expected) * (r - expected) };
            }
            sums
        })
        .collect();
    let [count, explained, edge, left, inexact, moved] =
        parts.into_iter().fold([0.0; 6], |all, part| std::array::from_fn(|at| all[at] + part[at]));
    let is_explained = count > 0.0 && explained >= (1.0 - EDGE) * count && edge <= 10.0 * EDGE * count;
    (is_explained && moved >= LEAST_MOVED * inexact).then_some(left)
}

impl Short {
    pub(super) fn word(self) -> &'static str {
        match self {
            Short::Bf16 => "bf16",
            Short::F16 => "f16",
        }
    }

    fn hypothesis(self) -> Hypothesis {
        match self {
            Short::Bf16 => Hypothesis::RoundedBf16,
            Short::F16 => Hypothesis::RoundedF16,
        }
    }

    fn eps(self) -> f64 {
        match self {
            Short::Bf16 => f64::from(bf16::EPSILON),
            Short::F16 => f64::from(f16::EPSILON),
        }
    }

    /// What the type is called that those numbers show: without small ones f16 is like any other of 10 bits. `None` where the
    /// small ones are not of the type.
    fn seen(self, rounded: &[f64], exact: &[f64], eps: f64) -> Option<String> {
        if matches!(self, Short::Bf16) {
            return Some(self.word().to_owned());
        }
        let is_small = |(_, x): &(&f64, &f64)| x.abs() < LEAST_F16 && !self.holds(**x);
        let small = rounded.iter().zip(exact).filter(is_small);
        let is_own = |r: f64| (r - self.round(r, Way::Nearest)).abs() <= 32.0 * eps * r.abs();
        let (own, all) = small.fold((0, 0), |(own, all), (&r, _)| (own + u64::from(is_own(r)), all + 1));
        match (own, all) {
            (_, 0) => Some(format!("{MANTISSA}, as f16 and TF32 have")),
            (own, all) => (own * 10 >= all * 9).then(|| self.word().to_owned()),
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
        let least: i64 = match self {
            Short::Bf16 => -126,
            Short::F16 => -14,
        };
        let exponent = ((x.abs().to_bits() >> 52) as i64 - 1023).max(least);
        self.eps() * f64::from_bits(((exponent + 1023) as u64) << 52)
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
        let largest = match self {
            Short::Bf16 => f64::from(bf16::MAX),
            Short::F16 => f64::from(f16::MAX),
        };
        if rounded.abs() > largest { f64::INFINITY.copysign(x) } else { rounded }
    }

    /// Whether it has that number.
    fn holds(self, x: f64) -> bool {
        self.round(x, Way::Cut) == x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_that_of_the_type() {
        for at in 0..20_000 {
            let x = f64::from((at as f32 * 0.37).sin() * 2f32.powi(at % 40 - 30));
            assert_eq!(Short::Bf16.round(x, Way::Nearest), f64::from(bf16::from_f32(x as f32)), "{x}");
            assert_eq!(Short::F16.round(x, Way::Nearest), f64::from(f16::from_f32(x as f32)), "{x}");
            assert_eq!(Short::Bf16.round(x, Way::Cut), f64::from(f32::from_bits((x as f32).to_bits() & 0xffff_0000)));
        }
        assert!(!Short::Bf16.holds(1.001) && Short::Bf16.holds(1.5) && Short::F16.holds(0.0));
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
