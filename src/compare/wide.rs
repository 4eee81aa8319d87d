//! The four number types that measurements are taken in, each wide enough to hold its dtypes exactly.

use num_complex::Complex;

use super::class::Class;
use super::rules::NanRule;
use super::scaled::modulus;
use crate::tensor::tensor::Value;

/// A number of a measurement: `i128` for integers, `f64` for floats, `Complex<f64>`, and [`Split`] where a cast holds
/// integers against floats.
pub(crate) trait Wide: Copy + PartialEq + Send + Sync {
    /// Real components: 2 for complex numbers.
    const PARTS: usize = 1;

    /// The element, exactly (but an integer held against complex numbers is taken in `f64`).
    fn from_value(value: Value) -> Self;

    /// Whether it is a number.
    fn class(self) -> Class;

    /// Whether it is a finite number.
    fn is_finite(self) -> bool {
        self.class() == Class::Finite
    }

    /// Whether two elements match of which one at least is not finite.
    fn matches(self, reference: Self, nan: NanRule) -> bool;

    /// The absolute value of a finite number, to the nearest `f64`, which is finite too.
    fn magnitude(self) -> f64;

    /// `|self - reference|`, to the nearest `f64`.
    fn distance(self, reference: Self) -> f64;

    /// Whether `|self - reference| <= allowed`. A difference that overflows is never within.
    fn is_within(self, reference: Self, allowed: f64) -> bool {
        let distance = self.distance(reference);
        distance <= allowed && distance < f64::INFINITY
    }

    /// A real component, to the nearest `f64`.
    fn part(self, part: usize) -> f64;

    /// The difference of that component, to the nearest `f64`.
    fn part_difference(self, reference: Self, part: usize) -> f64;
}

impl Wide for f64 {
    #[inline]
    fn from_value(value: Value) -> f64 {
        value.to_f64()
    }

    #[inline]
    fn class(self) -> Class {
        Class::of(self)
    }

    #[inline]
    fn is_finite(self) -> bool {
        f64::is_finite(self)
    }

    fn matches(self, reference: f64, nan: NanRule) -> bool {
        self == reference || (nan == NanRule::Match && self.is_nan() && reference.is_nan())
    }

    #[inline]
    fn magnitude(self) -> f64 {
        self.abs()
    }

    #[inline]
    fn distance(self, reference: f64) -> f64 {
        (self - reference).abs()
    }

    #[inline]
    fn part(self, _: usize) -> f64 {
        self
    }

    #[inline]
    fn part_difference(self, reference: f64, _: usize) -> f64 {
        self - reference
    }
}

impl Wide for i128 {
    #[inline]
    fn from_value(value: Value) -> i128 {
        match value {
            Value::Bool(x) => x.into(),
            Value::Integer(x) => x,
            _ => unreachable!("floats are never measured as integers"),
        }
    }

    #[inline]
    fn class(self) -> Class {
        Class::Finite
    }

    fn matches(self, reference: i128, _: NanRule) -> bool {
        self == reference
    }

    #[inline]
    fn magnitude(self) -> f64 {
        nearest(self).abs()
    }

    #[inline]
    fn distance(self, reference: i128) -> f64 {
        nearest(self - reference).abs()
    }

    #[inline]
    fn is_within(self, reference: i128, allowed: f64) -> bool {
        // A whole number is within a bound if it is within the bound's whole part; the conversions saturate, and would
        // make 0 of NaN and of negative bounds.
        let distance = (self - reference).unsigned_abs();
        allowed >= 0.0
            && match u64::try_from(distance) {
                Ok(distance) => distance <= allowed as u64,
                Err(_) => distance <= allowed as u128,
            }
    }

    #[inline]
    fn part(self, _: usize) -> f64 {
        nearest(self)
    }

    #[inline]
    fn part_difference(self, reference: i128, _: usize) -> f64 {
        nearest(self - reference)
    }
}

/// The integer to the nearest `f64`: by the machine's own instruction where 64 bits are enough.
#[inline]
pub(crate) fn nearest(x: i128) -> f64 {
    // Not inline: the compiler would convert both ways and then choose, and this one takes long.
    #[cold]
    #[inline(never)]
    fn beyond(x: i128) -> f64 {
        x as f64
    }
    i64::try_from(x).map_or_else(|_| beyond(x), |x| x as f64)
}

impl Wide for Complex<f64> {
    const PARTS: usize = 2;

    #[inline]
    fn from_value(value: Value) -> Complex<f64> {
        match value {
            Value::Complex(x) => x,
            real => Complex::new(real.to_f64(), 0.0),
        }
    }

    #[inline]
    fn class(self) -> Class {
        match (Class::of(self.re), Class::of(self.im)) {
            (Class::Nan, _) | (_, Class::Nan) => Class::Nan,
            (Class::Finite, im) => im,
            (re, _) => re,
        }
    }

    fn matches(self, reference: Complex<f64>, nan: NanRule) -> bool {
        self.re.matches(reference.re, nan) && self.im.matches(reference.im, nan)
    }

    #[inline]
    fn magnitude(self) -> f64 {
        modulus(self.re, self.im).min(f64::MAX)
    }

    #[inline]
    fn distance(self, reference: Complex<f64>) -> f64 {
        modulus(self.re - reference.re, self.im - reference.im)
    }

    #[inline]
    fn part(self, part: usize) -> f64 {
        if part == 0 { self.re } else { self.im }
    }

    #[inline]
    fn part_difference(self, reference: Complex<f64>, part: usize) -> f64 {
        self.part(part) - reference.part(part)
    }
}

/// A real number in two parts, `high + low`: a 64-bit integer and every float fit exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Split {
    high: f64,
    low: f64,
}

impl Split {
    /// `self - reference`. Where the two are close the first subtraction is exact, so that nothing gets lost.
    #[inline]
    fn minus(self, reference: Split) -> f64 {
        (self.high - reference.high) + (self.low - reference.low)
    }
}

impl Wide for Split {
    #[inline]
    fn from_value(value: Value) -> Split {
        let high = value.to_f64();
        match value {
            Value::Integer(x) => Split { high, low: (x - high as i128) as f64 },
            _ => Split { high, low: 0.0 },
        }
    }

    #[inline]
    fn class(self) -> Class {
        self.high.class()
    }

    fn matches(self, reference: Split, nan: NanRule) -> bool {
        self.high.matches(reference.high, nan)
    }

    #[inline]
    fn magnitude(self) -> f64 {
        self.high.abs()
    }

    #[inline]
    fn distance(self, reference: Split) -> f64 {
        self.minus(reference).abs()
    }

    #[inline]
    fn part(self, _: usize) -> f64 {
        self.high
    }

    #[inline]
    fn part_difference(self, reference: Split, _: usize) -> f64 {
        self.minus(reference)
    }
}
