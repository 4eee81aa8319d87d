//! Mean, standard deviation and norm, in one pass over the blocks.
//!
//! Within a block they are calculated from the sum and the sum of squares if the spread is large enough compared with the squares;
//! otherwise from the deviations from the mean, in a second pass over the block. Blocks are joined by the formula of Chan, Golub and
//! LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979). Subtracting the square of the sum
//! from the sum of squares alone would cancel all digits of, for example, 1e8 plus a little noise.

use super::lanes::{dot, sum};
use super::scaling::{ScaledFloat, make_squarable};
use crate::tensor::value::{ldexp, nearest_f64};

/// The spread is calculated from the sum of squares if it is at least this fraction of it: the subtraction then costs at most three
/// of 53 bits.
const MIN_SPREAD: f64 = 0.125;

/// `f64` represents all integers up to this one exactly.
const MAX_EXACT: u128 = 1 << f64::MANTISSA_DIGITS;

/// The moments of one or more samples. All except the count are of the samples divided by `2^exponent`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    count: u64,
    exponent: i32,
    /// The mean is `base + rest`: two numbers, so that the difference of two close means is exact.
    base: f64,
    rest: f64,
    /// The sum of the squared deviations from the mean.
    deviation: f64,
    /// The sum of the squares.
    squares: f64,
}

impl Moments {
    /// Calculates the moments of one block of finite numbers; `None` if it is empty.
    pub(crate) fn of(mut samples: Vec<f64>) -> Option<Moments> {
        let exponent = make_squarable(&mut samples);
        let extremes = [samples.iter().copied().reduce(f64::min)?, samples.iter().copied().reduce(f64::max)?];
        let (sum, squares) = (sum(&samples), dot(&samples, &samples));
        let moments = Moments::of_sums(samples.len(), sum, squares, extremes, || samples.iter().copied());
        Some(Moments { exponent, ..moments })
    }

    /// Calculates the moments of one block of integers; `None` if it is empty.
    pub(crate) fn of_integers(samples: &[i128]) -> Option<Moments> {
        let values: Vec<f64> = samples.iter().map(|&x| nearest_f64(x)).collect();
        if samples.iter().all(|x| x.unsigned_abs() <= MAX_EXACT) {
            return Moments::of(values);
        }
        // An integer near the mean, so that the deviations are exact before they are rounded.
        let count = samples.len() as i128;
        let total: i128 = samples.iter().sum();
        let base = nearest_f64(total.div_euclid(count));
        let whole = base as i128;
        let deviations: Vec<f64> = samples.iter().map(|&x| nearest_f64(x - whole)).collect();
        let about = [nearest_f64(total - whole * count), dot(&deviations, &deviations)];
        Some(Moments::about(samples.len(), base, dot(&values, &values), about))
    }

    /// Calculates the moments of one block that is not empty from its sum, its sum of squares and its extremes. The squares must
    /// neither overflow nor underflow.
    pub(crate) fn of_sums<I: Iterator<Item = f64>>(
        count: usize,
        total: f64,
        squares: f64,
        [smallest, largest]: [f64; 2],
        samples: impl Fn() -> I,
    ) -> Moments {
        // Rounding may push the quotient out of the range; the mean of equal samples must be that sample.
        let base = (total / count as f64).clamp(smallest, largest);
        let spread = squares - total * (total / count as f64);
        if spread >= MIN_SPREAD * squares {
            return Moments { count: count as u64, exponent: 0, base, rest: 0.0, deviation: spread, squares };
        }
        let deviations: Vec<f64> = samples().map(|x| x - base).collect();
        Moments::about(count, base, squares, [sum(&deviations), dot(&deviations, &deviations)])
    }

    /// Calculates the moments of one block from the sums of the deviations from a base near the mean, and of their squares.
    fn about(count: usize, base: f64, squares: f64, [excess, squared]: [f64; 2]) -> Moments {
        let rest = excess / count as f64;
        // The second term corrects for the difference between base and mean.
        let deviation = (squared - excess * rest).max(0.0);
        Moments { count: count as u64, exponent: 0, base, rest, deviation, squares }
    }

    /// Combines the moments of two sets of samples.
    pub(crate) fn join(self, later: Moments) -> Moments {
        if self.exponent == later.exponent {
            return Moments::join_scaled(&self, &later);
        }
        // The exponent of zeros is meaningless.
        let exponent = match (self.squares == 0.0, later.squares == 0.0) {
            (true, _) => later.exponent,
            (_, true) => self.exponent,
            _ => self.exponent.max(later.exponent),
        };
        Moments::join_scaled(&self.rescale(exponent), &later.rescale(exponent))
    }

    /// Combines the moments of two sets of samples with the same exponent.
    fn join_scaled(left: &Moments, right: &Moments) -> Moments {
        let count = left.count + right.count;
        let distance = (right.base - left.base) + (right.rest - left.rest);
        // Nearly all joins are of equal halves: this avoids a division.
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

    /// Combines optional moments.
    pub(crate) fn join_some(earlier: Option<Moments>, later: Option<Moments>) -> Option<Moments> {
        match (earlier, later) {
            (Some(earlier), Some(later)) => Some(earlier.join(later)),
            (earlier, later) => earlier.or(later),
        }
    }

    /// Changes the exponent.
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

    /// Returns the arithmetic mean.
    pub(crate) fn mean(&self) -> f64 {
        ldexp(self.base + self.rest, self.exponent)
    }

    /// Returns the population standard deviation.
    pub(crate) fn std(&self) -> f64 {
        (ScaledFloat::new(self.deviation, 2 * self.exponent) / self.count).sqrt().to_f64()
    }

    /// Returns the Euclidean norm.
    pub(crate) fn l2(&self) -> f64 {
        ScaledFloat::new(self.squares, 2 * self.exponent).sqrt().to_f64()
    }
}

/// Returns the rounded sum and its exact rounding error: Knuth, "The Art of Computer Programming" 2, 4.2.2.
fn two_sum(left: f64, right: f64) -> (f64, f64) {
    let sum = left + right;
    let rounded_right = sum - left;
    (sum, (left - (sum - rounded_right)) + (right - rounded_right))
}
