//! The sums for the means, the norms and the angle between two tensors.

use super::kernel::PairSums;
use super::lanes::{dot, largest, sum};
use super::scaling::{ScaledFloat, make_squarable};
use super::wide::Wide;
use crate::tensor::value::modulus;

/// Sums over the numbers of both sides. A complex number counts as two components.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    difference: ScaledFloat,
    /// The imaginary part of the difference of complex numbers.
    imaginary_difference: Option<ScaledFloat>,
    pub(crate) distance: ScaledFloat,
    pub(crate) squared_distance: ScaledFloat,
    squared_actual: ScaledFloat,
    squared_reference: ScaledFloat,
    product: ScaledFloat,
}

impl Sums {
    /// Sums the numbers of a block. Both sides have the same length.
    pub(crate) fn of<W: Wide>(actual: &[W], reference: &[W]) -> Sums {
        let count = actual.len();
        let mut actuals = column(actual.iter().map(|x| x.parts()));
        let mut references = column(reference.iter().map(|x| x.parts()));
        let mut differences = column(actual.iter().zip(reference).map(|(actual, reference)| actual.minus(*reference)));
        let overflows = largest(&differences) == f64::INFINITY;
        if overflows {
            // The difference of the halved values is finite.
            differences = actuals.iter().zip(&references).map(|(a, r)| 0.5 * a - 0.5 * r).collect();
        }
        let in_actual = make_squarable(&mut actuals);
        let in_reference = make_squarable(&mut references);
        let in_difference = make_squarable(&mut differences) + i32::from(overflows);
        let (first, second) = differences.split_at(count);
        let distances: Vec<f64> = match W::IS_COMPLEX {
            false => first.iter().map(|x| x.abs()).collect(),
            true => first.iter().zip(second).map(|(&re, &im)| modulus(re, im)).collect(),
        };
        Sums {
            difference: ScaledFloat::new(sum(first), in_difference),
            imaginary_difference: W::IS_COMPLEX.then(|| ScaledFloat::new(sum(second), in_difference)),
            distance: ScaledFloat::new(sum(&distances), in_difference),
            squared_distance: ScaledFloat::new(dot(&differences, &differences), 2 * in_difference),
            squared_actual: ScaledFloat::new(dot(&actuals, &actuals), 2 * in_actual),
            squared_reference: ScaledFloat::new(dot(&references, &references), 2 * in_reference),
            product: ScaledFloat::new(dot(&actuals, &references), in_actual + in_reference),
        }
    }

    /// Adds the sums of two sets of numbers.
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

    /// Returns the sum of the differences; for complex numbers its modulus.
    pub(crate) fn difference(&self) -> ScaledFloat {
        match self.imaginary_difference {
            None => self.difference,
            Some(imaginary) => (self.difference * self.difference + imaginary * imaginary).sqrt(),
        }
    }

    /// Returns the norm of the difference over the norm of the reference; `None` if the reference is all zeros.
    pub(crate) fn rel_rms(&self) -> Option<f64> {
        let ratio = || (self.squared_distance / self.squared_reference).sqrt().to_f64();
        (!self.squared_reference.is_zero()).then(ratio)
    }

    /// Returns the least-squares factor; `None` if the reference is all zeros.
    pub(crate) fn scale(&self) -> Option<f64> {
        (!self.squared_reference.is_zero()).then(|| (self.product / self.squared_reference).to_f64())
    }

    /// Returns the cosine of the angle between both, clamped to -1..1; `None` if either is all zeros.
    pub(crate) fn cosine(&self) -> Option<f64> {
        let cosine =
            || (self.product / (self.squared_actual * self.squared_reference).sqrt()).to_f64().clamp(-1.0, 1.0);
        (!self.squared_actual.is_zero() && !self.squared_reference.is_zero()).then(cosine)
    }
}

/// Collects the real parts of all numbers, then the imaginary parts.
fn column(parts: impl Iterator<Item = [f64; 2]>) -> Vec<f64> {
    let (mut real, imaginary): (Vec<f64>, Vec<f64>) = parts.map(|[re, im]| (re, im)).unzip();
    real.extend(imaginary);
    real
}

impl From<&PairSums> for Sums {
    /// Converts sums that were not scaled.
    fn from(sums: &PairSums) -> Sums {
        let unscaled = |sum| ScaledFloat::new(sum, 0);
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
