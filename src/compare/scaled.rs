//! Sums of squares that neither overflow nor vanish: a value and a power of two.

use std::ops::{Add, Div, Mul};

use super::lanes::largest;
use crate::tensor::value::{exponent, is_tame, ldexp};

/// The number `value * 2^exponent`. It reaches far beyond `f64`, so that the square of every `f64` has a place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scaled {
    value: f64,
    exponent: i32,
}

impl Scaled {
    pub(crate) fn new(value: f64, exponent: i32) -> Scaled {
        Scaled { value, exponent }
    }

    pub(crate) fn is_zero(self) -> bool {
        self.value == 0.0
    }

    /// The square root; NaN of a negative number.
    pub(crate) fn sqrt(self) -> Scaled {
        let Scaled { value, exponent } = self.normal();
        Scaled { value: value.sqrt(), exponent: exponent / 2 }
    }

    /// The nearest `f64`: an infinity where it is too large.
    pub(crate) fn to_f64(self) -> f64 {
        ldexp(self.value, self.exponent)
    }

    /// The same number with a value in 1..4 and an even exponent, so that values multiply and divide without overflow.
    fn normal(self) -> Scaled {
        if self.value == 0.0 || !self.value.is_finite() {
            return Scaled { exponent: 0, ..self };
        }
        let shift = exponent(self.value);
        let shift = shift - (shift + self.exponent).rem_euclid(2);
        Scaled { value: ldexp(self.value, -shift), exponent: self.exponent + shift }
    }
}

impl Add for Scaled {
    type Output = Scaled;

    fn add(self, other: Scaled) -> Scaled {
        // A zero has no magnitude to align to.
        if self.is_zero() || other.is_zero() {
            return if self.is_zero() { other } else { self };
        }
        // Hardly anything is ever scaled, and blocks are joined all the time.
        if self.exponent == other.exponent {
            return Scaled { value: self.value + other.value, ..self };
        }
        let exponent = self.exponent.max(other.exponent);
        let value = ldexp(self.value, self.exponent - exponent) + ldexp(other.value, other.exponent - exponent);
        Scaled { value, exponent }
    }
}

impl Mul for Scaled {
    type Output = Scaled;

    fn mul(self, other: Scaled) -> Scaled {
        let (left, right) = (self.normal(), other.normal());
        Scaled { value: left.value * right.value, exponent: left.exponent + right.exponent }
    }
}

impl Div for Scaled {
    type Output = Scaled;

    fn div(self, other: Scaled) -> Scaled {
        let (left, right) = (self.normal(), other.normal());
        Scaled { value: left.value / right.value, exponent: left.exponent - right.exponent }
    }
}

impl Div<u64> for Scaled {
    type Output = Scaled;

    fn div(self, count: u64) -> Scaled {
        Scaled { value: self.value / count as f64, ..self }
    }
}

/// Scales the column by a power of two where its squares would overflow or vanish, and returns the exponent that was
/// taken out: 0 for everything that 32 bits can hold.
pub(crate) fn tame(column: &mut [f64]) -> i32 {
    let largest = largest(column);
    if is_tame(largest) {
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
    fn scaled_numbers_calculate_beyond_the_range_of_doubles() {
        let big = Scaled::new(3.0, 1500);
        let small = Scaled::new(5.0, -1501);
        assert_eq!((big * small).to_f64(), 7.5);
        assert_eq!((big / big).to_f64(), 1.0);
        assert_eq!(((big * big).sqrt() / big).to_f64(), 1.0);
        assert_eq!(((big + big) / big).to_f64(), 2.0);
        assert_eq!(((big + small) / big).to_f64(), 1.0);
        // A zero takes nothing away, whatever its exponent.
        let least = small * small;
        assert_eq!(((Scaled::default() + least) / least).to_f64(), 1.0);
        assert_eq!(((least + Scaled::new(0.0, 2000)) / least).to_f64(), 1.0);
        assert_eq!(Scaled::new(9.0, -2).sqrt().to_f64(), 1.5);
        assert_eq!(Scaled::new(2.0, 3).sqrt().to_f64(), 4.0);
    }
}
