//! Floats with a separate exponent, for sums of squares that would overflow or underflow `f64`.

use std::ops::{Add, Div, Mul};

use super::lanes::largest;
use crate::tensor::value::{exponent, is_squarable, ldexp};

/// The number `value * 2^exponent`. Its range is large enough for the square of every `f64`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ScaledFloat {
    value: f64,
    exponent: i32,
}

impl ScaledFloat {
    pub(crate) fn new(value: f64, exponent: i32) -> ScaledFloat {
        ScaledFloat { value, exponent }
    }

    pub(crate) fn is_zero(self) -> bool {
        self.value == 0.0
    }

    /// Returns the square root; NaN for a negative number.
    pub(crate) fn sqrt(self) -> ScaledFloat {
        let ScaledFloat { value, exponent } = self.normal();
        ScaledFloat { value: value.sqrt(), exponent: exponent / 2 }
    }

    /// Converts to the nearest `f64`; infinity if the number is too large.
    pub(crate) fn to_f64(self) -> f64 {
        ldexp(self.value, self.exponent)
    }

    /// Normalizes to a value in 1..4 and an even exponent, so that values can be multiplied and divided without overflow.
    fn normal(self) -> ScaledFloat {
        if self.value == 0.0 || !self.value.is_finite() {
            return ScaledFloat { exponent: 0, ..self };
        }
        let shift = exponent(self.value);
        let shift = shift - (shift + self.exponent).rem_euclid(2);
        ScaledFloat { value: ldexp(self.value, -shift), exponent: self.exponent + shift }
    }
}

impl Add for ScaledFloat {
    type Output = ScaledFloat;

    fn add(self, other: ScaledFloat) -> ScaledFloat {
        // The exponent of a zero is meaningless.
        if self.is_zero() || other.is_zero() {
            return if self.is_zero() { other } else { self };
        }
        // The common case: blocks are joined very often, and few are scaled.
        if self.exponent == other.exponent {
            return ScaledFloat { value: self.value + other.value, ..self };
        }
        let exponent = self.exponent.max(other.exponent);
        let value = ldexp(self.value, self.exponent - exponent) + ldexp(other.value, other.exponent - exponent);
        ScaledFloat { value, exponent }
    }
}

impl Mul for ScaledFloat {
    type Output = ScaledFloat;

    fn mul(self, other: ScaledFloat) -> ScaledFloat {
        let (left, right) = (self.normal(), other.normal());
        ScaledFloat { value: left.value * right.value, exponent: left.exponent + right.exponent }
    }
}

impl Div for ScaledFloat {
    type Output = ScaledFloat;

    fn div(self, other: ScaledFloat) -> ScaledFloat {
        let (left, right) = (self.normal(), other.normal());
        ScaledFloat { value: left.value / right.value, exponent: left.exponent - right.exponent }
    }
}

impl Div<u64> for ScaledFloat {
    type Output = ScaledFloat;

    fn div(self, count: u64) -> ScaledFloat {
        ScaledFloat { value: self.value / count as f64, ..self }
    }
}

/// Scales the column by a power of two if its squares would overflow or underflow, and returns the exponent that was removed: 0
/// for every value of 32 bits.
pub(crate) fn make_squarable(column: &mut [f64]) -> i32 {
    let largest = largest(column);
    if is_squarable(largest) {
        return 0;
    }
    let exponent = exponent(largest);
    column.iter_mut().for_each(|x| *x = ldexp(*x, -exponent));
    exponent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_works_beyond_the_range_of_f64() {
        let big = ScaledFloat::new(3.0, 1500);
        let small = ScaledFloat::new(5.0, -1501);
        assert_eq!((big * small).to_f64(), 7.5);
        assert_eq!((big / big).to_f64(), 1.0);
        assert_eq!(((big * big).sqrt() / big).to_f64(), 1.0);
        assert_eq!(((big + big) / big).to_f64(), 2.0);
        assert_eq!(((big + small) / big).to_f64(), 1.0);
        // Adding a zero changes nothing, whatever its exponent.
        let least = small * small;
        assert_eq!(((ScaledFloat::default() + least) / least).to_f64(), 1.0);
        assert_eq!(((least + ScaledFloat::new(0.0, 2000)) / least).to_f64(), 1.0);
        assert_eq!(ScaledFloat::new(9.0, -2).sqrt().to_f64(), 1.5);
        assert_eq!(ScaledFloat::new(2.0, 3).sqrt().to_f64(), 4.0);
    }
}
