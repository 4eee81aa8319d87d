//! Mean, standard deviation and norm, in one pass, blocks at a time.
//!
//! Within a block from the sum and the sum of squares, where the spread is a good part of the squares; else once more over the
//! data, from the deviations from its mean. Between blocks by the formula of Chan, Golub and LeVeque, "Updating formulae and a
//! pairwise algorithm for computing sample variances" (1979). The sum of squares minus the square of the sum alone leaves
//! nothing of 1e8 and a little noise.

use super::lanes::{dot, sum};
use super::scaled::{Scaled, tame};
use crate::tensor::value::{ldexp, nearest};

/// The spread is taken from the sum of squares where it is at least this share of it: the difference costs three bits of 53.
const ENOUGH: f64 = 0.125;

/// The largest integer up to which `f64` holds every one.
const EXACT: u128 = 1 << f64::MANTISSA_DIGITS;

/// The moments of some samples, which are at least one. All but the count are of the samples divided by `2^exponent`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    count: u64,
    exponent: i32,
    /// The mean is `base + rest`: two numbers, so that the distance of two means is exact where the means are close.
    base: f64,
    rest: f64,
    /// The sum of the squared deviations from the mean.
    deviation: f64,
    /// The sum of the squares.
    squares: f64,
}

impl Moments {
    /// Of one block of finite numbers; `None` where it is empty.
    pub(crate) fn of(mut samples: Vec<f64>) -> Option<Moments> {
        let exponent = tame(&mut samples);
        let ends = [samples.iter().copied().reduce(f64::min)?, samples.iter().copied().reduce(f64::max)?];
        let (sum, squares) = (sum(&samples), dot(&samples, &samples));
        let moments = Moments::of_sums(samples.len(), sum, squares, ends, || samples.iter().copied());
        Some(Moments { exponent, ..moments })
    }

    /// Of one block of integers; `None` where it is empty.
    pub(crate) fn of_integers(samples: &[i128]) -> Option<Moments> {
        let values: Vec<f64> = samples.iter().map(|&x| nearest(x)).collect();
        if samples.iter().all(|x| x.unsigned_abs() <= EXACT) {
            return Moments::of(values);
        }
        // An integer near the mean, so that every deviation is exact before it is rounded.
        let count = samples.len() as i128;
        let total: i128 = samples.iter().sum();
        let base = nearest(total.div_euclid(count));
        let whole = base as i128;
        let deviations: Vec<f64> = samples.iter().map(|&x| nearest(x - whole)).collect();
        let about = [nearest(total - whole * count), dot(&deviations, &deviations)];
        Some(Moments::about(samples.len(), base, dot(&values, &values), about))
    }

    /// Of one block that is not empty, by its sum, the sum of its squares, and its extremes. The squares neither overflow nor vanish.
    pub(crate) fn of_sums<I: Iterator<Item = f64>>(
        count: usize,
        total: f64,
        squares: f64,
        [smallest, largest]: [f64; 2],
        samples: impl Fn() -> I,
    ) -> Moments {
        // Rounding may carry the quotient out of the range: of equal samples the mean is the sample.
        let base = (total / count as f64).clamp(smallest, largest);
        let spread = squares - total * (total / count as f64);
        if spread >= ENOUGH * squares {
            return Moments { count: count as u64, exponent: 0, base, rest: 0.0, deviation: spread, squares };
        }
        let deviations: Vec<f64> = samples().map(|x| x - base).collect();
        Moments::about(count, base, squares, [sum(&deviations), dot(&deviations, &deviations)])
    }

    /// Of one block, by the sum of the deviations from a base near its mean, and of their squares.
    fn about(count: usize, base: f64, squares: f64, [excess, squared]: [f64; 2]) -> Moments {
        let rest = excess / count as f64;
        // The second term corrects for the base not being the mean.
        let deviation = (squared - excess * rest).max(0.0);
        Moments { count: count as u64, exponent: 0, base, rest, deviation, squares }
    }

    /// Of the samples of both.
    pub(crate) fn join(self, later: Moments) -> Moments {
        if self.exponent == later.exponent {
            return Moments::join_scaled(&self, &later);
        }
        // Zeros have no magnitude that could matter.
        let exponent = match (self.squares == 0.0, later.squares == 0.0) {
            (true, _) => later.exponent,
            (_, true) => self.exponent,
            _ => self.exponent.max(later.exponent),
        };
        Moments::join_scaled(&self.rescale(exponent), &later.rescale(exponent))
    }

    /// Of the samples of both, which have one exponent.
    fn join_scaled(left: &Moments, right: &Moments) -> Moments {
        let count = left.count + right.count;
        let distance = (right.base - left.base) + (right.rest - left.rest);
        // Halves have half the weight, and nearly all are: that division is not worth its time.
        let weight = if left.count == right.count { 0.5 } else { right.count as f64 / count as f64 };
        let (base, rest) = two_sum(left.base, left.rest + distance * weight);
        Moments {
            count,
            exponent: left.exponent,
            base,
            rest,
            deviation: left.deviation + right.deviation + distance * distance * (left.count as f64 * weight),
            squares: left.squares + right.squares,
        }
    }

    /// The moments of both, where there are any.
    pub(crate) fn join_some(earlier: Option<Moments>, later: Option<Moments>) -> Option<Moments> {
        match (earlier, later) {
            (Some(earlier), Some(later)) => Some(earlier.join(later)),
            (earlier, later) => earlier.or(later),
        }
    }

    /// The same with another exponent.
    fn rescale(self, exponent: i32) -> Moments {
        let down = self.exponent - exponent;
        Moments {
            count: self.count,
            exponent,
            base: ldexp(self.base, down),
            rest: ldexp(self.rest, down),
            deviation: ldexp(self.deviation, 2 * down),
            squares: ldexp(self.squares, 2 * down),
        }
    }

    /// The arithmetic mean.
    pub(crate) fn mean(&self) -> f64 {
        ldexp(self.base + self.rest, self.exponent)
    }

    /// The population standard deviation.
    pub(crate) fn std(&self) -> f64 {
        (Scaled::new(self.deviation, 2 * self.exponent) / self.count).sqrt().to_f64()
    }

    /// The Euclidean norm.
    pub(crate) fn l2(&self) -> f64 {
        Scaled::new(self.squares, 2 * self.exponent).sqrt().to_f64()
    }
}

/// The sum and what rounding took from it, exactly: Knuth, "The Art of Computer Programming" 2, 4.2.2.
fn two_sum(left: f64, right: f64) -> (f64, f64) {
    let sum = left + right;
    let kept = sum - left;
    (sum, (left - (sum - kept)) + (right - kept))
}
