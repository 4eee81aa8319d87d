//! Sums of squares that neither overflow nor vanish: a value and a power of two.

use std::ops::{Add, Div, Mul};

use super::lanes::largest;

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

/// `sqrt(re^2 + im^2)`, without overflow between. The standard library's `hypot` is the platform's, and differs between
/// them in the last bit; a square root does not.
pub(crate) fn modulus(re: f64, im: f64) -> f64 {
    let largest = re.abs().max(im.abs());
    if is_tame(largest) {
        return (re * re + im * im).sqrt();
    }
    if re.is_infinite() || im.is_infinite() {
        return f64::INFINITY;
    }
    if re.is_nan() || im.is_nan() {
        return f64::NAN;
    }
    let exponent = exponent(largest);
    let (re, im) = (ldexp(re, -exponent), ldexp(im, -exponent));
    ldexp((re * re + im * im).sqrt(), exponent)
}

/// Whether squares of numbers up to that size can be summed as they are: 2^800 leaves room for 2^223 of them, and below
/// 2^-400 the smaller ones would lose digits that count.
#[inline]
pub(crate) fn is_tame(largest: f64) -> bool {
    const UPPER: f64 = f64::from_bits((1023 + 400) << 52);
    const LOWER: f64 = f64::from_bits((1023 - 400) << 52);
    (LOWER..=UPPER).contains(&largest) || largest == 0.0
}

/// The exponent of a finite number that is not 0: `2^exponent <= |x| < 2^(exponent + 1)`.
fn exponent(x: f64) -> i32 {
    const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    let magnitude = x.abs().to_bits();
    match (magnitude >> MANTISSA_BITS) as i32 {
        0 => -1074 + (63 - magnitude.leading_zeros() as i32),
        biased => biased - 1023,
    }
}

/// `x * 2^exponent`, rounded once; after musl's `scalbn`.
pub(crate) fn ldexp(mut x: f64, mut exponent: i32) -> f64 {
    const UP: f64 = f64::from_bits((1023 + 1023) << 52);
    // Not the smallest normal number, so that 53 bits are left for the one rounding at the end.
    const DOWN: f64 = f64::from_bits((1023 - 969) << 52);
    for _ in 0..2 {
        if exponent > 1023 {
            x *= UP;
            exponent -= 1023;
        } else if exponent < -1022 {
            x *= DOWN;
            exponent += 969;
        }
    }
    x * f64::from_bits(((1023 + exponent.clamp(-1022, 1023)) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: f64 = f64::from_bits(1);

    #[test]
    fn ldexp_reaches_from_the_smallest_to_the_largest_double() {
        assert_eq!(ldexp(1.0, -1074), TINY);
        assert_eq!(ldexp(TINY, 1074), 1.0);
        assert_eq!(ldexp(TINY, 1074 + 1023), 2f64.powi(1023));
        assert_eq!(ldexp(2f64.powi(1023), -1023 - 1074), TINY);
        assert_eq!(ldexp(1.0, 1024), f64::INFINITY);
        assert_eq!(ldexp(1.0, -1076), 0.0);
        assert_eq!(ldexp(3.0, -5000), 0.0);
        assert_eq!(ldexp(-3.0, 5000), f64::NEG_INFINITY);
    }

    #[test]
    fn ldexp_rounds_once() {
        // 1.5 + 2^-52 units of the smallest double: above the tie, so 2 units; rounding twice would first make it 1.5.
        assert_eq!(ldexp(1.5 + f64::EPSILON, -1074), 2.0 * TINY);
        assert_eq!(ldexp(2.5, -1074), 2.0 * TINY);
        assert_eq!(ldexp(2.5 + 2.0 * f64::EPSILON, -1074), 3.0 * TINY);
    }

    #[test]
    fn the_exponent_is_that_of_the_leading_bit() {
        for (x, expected) in [(1.0, 0), (1.99, 0), (2.0, 1), (-0.5, -1), (TINY, -1074), (3.0 * TINY, -1073)] {
            assert_eq!(exponent(x), expected, "{x}");
        }
        assert_eq!(exponent(f64::MIN_POSITIVE), -1022);
        assert_eq!(exponent(f64::MAX), 1023);
    }

    #[test]
    fn the_modulus_neither_overflows_nor_vanishes() {
        assert_eq!(modulus(3.0, -4.0), 5.0);
        assert_eq!(modulus(3e300, 4e300), 5e300);
        assert_eq!(modulus(0.0, TINY), TINY);
        assert_eq!(modulus(3.0 * TINY, 4.0 * TINY), 5.0 * TINY);
        assert_eq!(modulus(f64::INFINITY, f64::NAN), f64::INFINITY);
        assert!(modulus(f64::NAN, 0.0).is_nan());
    }

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
