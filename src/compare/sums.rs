//! The sums from which the means, the norms and the angle between two tensors come.

use super::kernel::PairSums;
use super::lanes::{dot, largest, sum};
use super::scaled::{Scaled, tame};
use super::wide::Wide;
use crate::tensor::value::modulus;

/// Sums over the numbers of both sides. Complex numbers count as vectors of two components.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    difference: Scaled,
    /// The other component of the difference, of complex numbers.
    imaginary_difference: Option<Scaled>,
    pub(crate) distance: Scaled,
    pub(crate) squared_distance: Scaled,
    squared_actual: Scaled,
    squared_reference: Scaled,
    product: Scaled,
}

impl Sums {
    /// Of the numbers of a block, which are as many on both sides.
    pub(crate) fn of<W: Wide>(actual: &[W], reference: &[W]) -> Sums {
        let count = actual.len();
        let mut actuals = column(actual.iter().map(|x| x.parts()));
        let mut references = column(reference.iter().map(|x| x.parts()));
        let mut differences = column(actual.iter().zip(reference).map(|(actual, reference)| actual.minus(*reference)));
        let overflows = largest(&differences) == f64::INFINITY;
        if overflows {
            // The difference of the halves is finite.
            differences = actuals.iter().zip(&references).map(|(a, r)| 0.5 * a - 0.5 * r).collect();
        }
        let in_actual = tame(&mut actuals);
        let in_reference = tame(&mut references);
        let in_difference = tame(&mut differences) + i32::from(overflows);
        let (first, second) = differences.split_at(count);
        let distances: Vec<f64> = match W::IS_COMPLEX {
            false => first.iter().map(|x| x.abs()).collect(),
            true => first.iter().zip(second).map(|(&re, &im)| modulus(re, im)).collect(),
        };
        Sums {
            difference: Scaled::new(sum(first), in_difference),
            imaginary_difference: W::IS_COMPLEX.then(|| Scaled::new(sum(second), in_difference)),
            distance: Scaled::new(sum(&distances), in_difference),
            squared_distance: Scaled::new(dot(&differences, &differences), 2 * in_difference),
            squared_actual: Scaled::new(dot(&actuals, &actuals), 2 * in_actual),
            squared_reference: Scaled::new(dot(&references, &references), 2 * in_reference),
            product: Scaled::new(dot(&actuals, &references), in_actual + in_reference),
        }
    }

    /// Of the numbers of both.
    pub(crate) fn join(self, later: Sums) -> Sums {
        Sums {
            difference: self.difference + later.difference,
            imaginary_difference: match (self.imaginary_difference, later.imaginary_difference) {
                (Some(earlier), Some(later)) => Some(earlier + later),
                (earlier, later) => earlier.or(later),
            },
            distance: self.distance + later.distance,
            squared_distance: self.squared_distance + later.squared_distance,
            squared_actual: self.squared_actual + later.squared_actual,
            squared_reference: self.squared_reference + later.squared_reference,
            product: self.product + later.product,
        }
    }

    /// The sum of the differences; of complex ones its modulus.
    pub(crate) fn difference(&self) -> Scaled {
        match self.imaginary_difference {
            None => self.difference,
            Some(imaginary) => (self.difference * self.difference + imaginary * imaginary).sqrt(),
        }
    }

    /// The norm of the difference over the norm of the reference; `None` where the reference is 0.
    pub(crate) fn rel_rms(&self) -> Option<f64> {
        if self.squared_reference.is_zero() {
            return None;
        }
        Some((self.squared_distance / self.squared_reference).sqrt().to_f64())
    }

    /// The factor that least squares give; `None` where the reference is 0.
    pub(crate) fn scale(&self) -> Option<f64> {
        if self.squared_reference.is_zero() {
            return None;
        }
        Some((self.product / self.squared_reference).to_f64())
    }

    /// The cosine of the angle between both; `None` where one is 0. Rounding does not carry it beyond 1.
    pub(crate) fn cosine(&self) -> Option<f64> {
        if self.squared_actual.is_zero() || self.squared_reference.is_zero() {
            return None;
        }
        Some((self.product / (self.squared_actual * self.squared_reference).sqrt()).to_f64().clamp(-1.0, 1.0))
    }
}

/// The real parts of all numbers, then the imaginary ones.
fn column(parts: impl Iterator<Item = [f64; 2]>) -> Vec<f64> {
    let (mut real, imaginary): (Vec<f64>, Vec<f64>) = parts.map(|[re, im]| (re, im)).unzip();
    real.extend(imaginary);
    real
}

impl From<&PairSums> for Sums {
    /// Nothing of it was scaled.
    fn from(sums: &PairSums) -> Sums {
        let unscaled = |sum| Scaled::new(sum, 0);
        Sums {
            difference: unscaled(sums.difference),
            imaginary_difference: None,
            distance: unscaled(sums.distance),
            squared_distance: unscaled(sums.squared_distance),
            squared_actual: unscaled(sums.squared_actual),
            squared_reference: unscaled(sums.squared_reference),
            product: unscaled(sums.product),
        }
    }
}
