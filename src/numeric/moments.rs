//! Mean, standard deviation and norm, in one pass, blocks at a time.
//!
//! Within a block twice over the data, first for the mean, then for the deviations from it; between blocks by the formula of
//! Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979). The sum of
//! squares minus the square of the sum, in contrast, leaves nothing of 1e8 and a little noise.

use super::lanes::{dot, sum};
use super::scaled::{Scaled, ldexp, tame};
use super::wide::nearest;

/// A type that moments are taken of: exact differences, and a mean of its own with a rest.
pub(crate) trait Sample: Copy + PartialOrd + Send {
    /// The element to the nearest `f64`.
    fn to_f64(self) -> f64;

    /// `self - base`.
    fn minus(self, base: Self) -> f64;

    /// An element close to the mean of these, which are at least one.
    fn centre(samples: &[Self]) -> Self;

    /// An element close to `self + step`, and what is left to it.
    fn step(self, step: f64) -> (Self, f64);

    /// Scales by a power of two where squares would overflow or vanish, and returns the exponent that was taken out.
    fn tame(samples: &mut [Self]) -> i32;

    /// `self * 2^exponent`.
    fn ldexp(self, exponent: i32) -> Self;
}

/// The moments of some samples, which are at least one. All but the count are of the samples divided by `2^exponent`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments<S> {
    count: u64,
    exponent: i32,
    /// The mean is `base + rest`: two numbers, so that the distance of two means is exact where the means are close.
    base: S,
    rest: f64,
    /// The sum of the squared deviations from the mean.
    deviation: f64,
    /// The sum of the squares.
    squares: f64,
}

impl<S: Sample> Moments<S> {
    /// Of one block; `None` where it is empty.
    pub(crate) fn of(mut samples: Vec<S>) -> Option<Moments<S>> {
        if samples.is_empty() {
            return None;
        }
        let count = samples.len() as f64;
        let exponent = S::tame(&mut samples);
        let values: Vec<f64> = samples.iter().map(|x| x.to_f64()).collect();
        let base = S::centre(&samples);
        let deviations: Vec<f64> = samples.iter().map(|x| x.minus(base)).collect();
        let excess = sum(&deviations);
        Some(Moments {
            count: samples.len() as u64,
            exponent,
            base,
            rest: excess / count,
            // The second term corrects for the base not being the mean.
            deviation: (dot(&deviations, &deviations) - excess * excess / count).max(0.0),
            squares: dot(&values, &values),
        })
    }

    /// Of the samples of both.
    pub(crate) fn join(self, later: Moments<S>) -> Moments<S> {
        // Zeros have no magnitude that could matter.
        let exponent = match (self.squares == 0.0, later.squares == 0.0) {
            (true, _) => later.exponent,
            (_, true) => self.exponent,
            _ => self.exponent.max(later.exponent),
        };
        let (left, right) = (self.rescale(exponent), later.rescale(exponent));
        let count = left.count + right.count;
        let distance = right.base.minus(left.base) + (right.rest - left.rest);
        let weight = right.count as f64 / count as f64;
        let (base, rest) = left.base.step(left.rest + distance * weight);
        Moments {
            count,
            exponent,
            base,
            rest,
            deviation: left.deviation + right.deviation + distance * distance * (left.count as f64 * weight),
            squares: left.squares + right.squares,
        }
    }

    /// The same with another exponent.
    fn rescale(self, exponent: i32) -> Moments<S> {
        let down = self.exponent - exponent;
        if down == 0 {
            return self;
        }
        Moments {
            count: self.count,
            exponent,
            base: self.base.ldexp(down),
            rest: ldexp(self.rest, down),
            deviation: ldexp(self.deviation, 2 * down),
            squares: ldexp(self.squares, 2 * down),
        }
    }

    /// The arithmetic mean.
    pub(crate) fn mean(&self) -> f64 {
        ldexp(self.base.to_f64() + self.rest, self.exponent)
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

impl Sample for f64 {
    fn to_f64(self) -> f64 {
        self
    }

    fn minus(self, base: f64) -> f64 {
        self - base
    }

    fn centre(samples: &[f64]) -> f64 {
        let (smallest, largest) =
            samples.iter().fold((samples[0], samples[0]), |(smallest, largest), &x| (x.min(smallest), x.max(largest)));
        // Rounding may carry the quotient out of the range: of equal samples the mean is the sample.
        (sum(samples) / samples.len() as f64).clamp(smallest, largest)
    }

    fn step(self, step: f64) -> (f64, f64) {
        // Knuth's two-sum: the sum and what rounding took from it, exactly.
        let sum = self + step;
        let kept = sum - self;
        (sum, (self - (sum - kept)) + (step - kept))
    }

    fn tame(samples: &mut [f64]) -> i32 {
        tame(samples)
    }

    fn ldexp(self, exponent: i32) -> f64 {
        ldexp(self, exponent)
    }
}

impl Sample for i128 {
    fn to_f64(self) -> f64 {
        nearest(self)
    }

    fn minus(self, base: i128) -> f64 {
        nearest(self - base)
    }

    fn centre(samples: &[i128]) -> i128 {
        samples.iter().sum::<i128>().div_euclid(samples.len() as i128)
    }

    fn step(self, step: f64) -> (i128, f64) {
        (self + step.floor() as i128, step - step.floor())
    }

    fn tame(_: &mut [i128]) -> i32 {
        0
    }

    fn ldexp(self, _: i32) -> i128 {
        self
    }
}
