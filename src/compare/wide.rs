//! The four number types used for measuring, each wide enough to represent its dtypes exactly.

use num_complex::Complex;

use super::rules::{NanRule, Tolerance};
use crate::tensor::Value;
use crate::tensor::value::{modulus, nearest_f64};

/// A number type for measuring: `i128` for integers, `f64` for floats, `Complex<f64>`, and [`Split`] for integers compared with
/// floats by a cast.
pub(crate) trait Wide: Copy + PartialEq {
    /// Whether there is an imaginary part.
    const IS_COMPLEX: bool = false;

    /// Converts an element, exactly (except for an integer compared with complex numbers, which is rounded to `f64`).
    fn from_value(value: Value) -> Self;

    /// Returns the real and the imaginary part, each rounded to `f64`.
    fn parts(self) -> [f64; 2];

    /// Returns `self - reference`, each part rounded to `f64`.
    fn minus(self, reference: Self) -> [f64; 2];

    fn is_finite(self) -> bool {
        self.parts().into_iter().all(f64::is_finite)
    }

    fn is_nan(self) -> bool {
        self.parts().into_iter().any(f64::is_nan)
    }

    /// Returns whether two elements match, at least one of which is not finite.
    fn matches(self, reference: Self, nan: NanRule) -> bool {
        let is_match = |(x, y): (f64, f64)| x == y || nan == NanRule::Match && x.is_nan() && y.is_nan();
        self.parts().into_iter().zip(reference.parts()).all(is_match)
    }

    /// Returns the absolute value of a finite number, rounded to a finite `f64`.
    fn magnitude(self) -> f64 {
        size::<Self>(self.parts()).min(f64::MAX)
    }

    /// Returns `|self - reference|`, rounded to `f64`.
    fn distance(self, reference: Self) -> f64 {
        size::<Self>(self.minus(reference))
    }

    /// Returns whether `|self - reference| <= allowed`. A difference that overflows is never within.
    fn is_within(self, reference: Self, allowed: f64) -> bool {
        let distance = self.distance(reference);
        distance <= allowed && distance < f64::INFINITY
    }
}

#[inline]
fn size<W: Wide>([re, im]: [f64; 2]) -> f64 {
    if W::IS_COMPLEX { modulus(re, im) } else { re.abs() }
}

impl Wide for f64 {
    fn from_value(value: Value) -> f64 {
        value.to_f64()
    }

    #[inline]
    fn parts(self) -> [f64; 2] {
        [self, 0.0]
    }

    #[inline]
    fn minus(self, reference: f64) -> [f64; 2] {
        [self - reference, 0.0]
    }
}

impl Wide for i128 {
    fn from_value(value: Value) -> i128 {
        match value {
            Value::Bool(x) => x.into(),
            Value::Integer(x) => x,
            _ => unreachable!("floats are never measured as integers"),
        }
    }

    fn parts(self) -> [f64; 2] {
        [nearest_f64(self), 0.0]
    }

    fn minus(self, reference: i128) -> [f64; 2] {
        [nearest_f64(self - reference), 0.0]
    }

    fn is_within(self, reference: i128, allowed: f64) -> bool {
        // Truncating the bound does not change the result for integers. The conversion saturates, and would turn NaN and negative
        // bounds into 0.
        allowed >= 0.0 && (self - reference).unsigned_abs() <= allowed as u128
    }
}

impl Wide for Complex<f64> {
    const IS_COMPLEX: bool = true;

    fn from_value(value: Value) -> Complex<f64> {
        match value {
            Value::Complex(x) => x,
            real => Complex::new(real.to_f64(), 0.0),
        }
    }

    fn parts(self) -> [f64; 2] {
        [self.re, self.im]
    }

    fn minus(self, reference: Complex<f64>) -> [f64; 2] {
        [self.re - reference.re, self.im - reference.im]
    }
}

/// A real number in two parts, `high + low`, which represents 64-bit integers and all floats exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Split {
    high: f64,
    low: f64,
}

impl Wide for Split {
    fn from_value(value: Value) -> Split {
        let high = value.to_f64();
        match value {
            Value::Integer(x) => Split { high, low: (x - high as i128) as f64 },
            _ => Split { high, low: 0.0 },
        }
    }

    fn parts(self) -> [f64; 2] {
        [self.high, 0.0]
    }

    /// If the two are close, the first subtraction is exact, so no digits are lost.
    fn minus(self, reference: Split) -> [f64; 2] {
        [(self.high - reference.high) + (self.low - reference.low), 0.0]
    }
}

/// Evaluates an expression with the type for measuring numbers of two kinds.
macro_rules! dispatch_wide {
    ($actual:expr, $reference:expr, $wide:ident => $body:expr) => {{
        use $crate::tensor::Kind::{Complex, Float, Integer};
        match ($actual, $reference) {
            (Integer, Integer) => {
                type $wide = i128;
                $body
            }
            (Float, Float) => {
                type $wide = f64;
                $body
            }
            (Complex, _) | (_, Complex) => {
                type $wide = num_complex::Complex<f64>;
                $body
            }
            (Integer, Float) | (Float, Integer) => {
                type $wide = $crate::compare::wide::Split;
                $body
            }
        }
    }};
}
pub(crate) use dispatch_wide;

/// The gap between two finite numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gap {
    pub(crate) distance: f64,
    /// The magnitude of the reference.
    pub(crate) magnitude: f64,
    /// The difference that the tolerance allows.
    pub(crate) allowed: f64,
    pub(crate) is_within: bool,
    /// The share of the tolerance that the difference uses: more than 1 if and only if it is outside.
    pub(crate) share: f64,
}

impl Gap {
    #[inline]
    pub(crate) fn between<W: Wide>(actual: W, reference: W, tolerance: &Tolerance) -> Gap {
        let (distance, magnitude) = (actual.distance(reference), reference.magnitude());
        let allowed = tolerance.atol + tolerance.rtol * magnitude;
        let is_within = actual.is_within(reference, allowed);
        // The quotient can round down to 1 for 64-bit integers, and is NaN for two infinities.
        let least = match is_within {
            true => 0.0,
            false if distance == f64::INFINITY => f64::INFINITY,
            false => 1.0 + f64::EPSILON,
        };
        let quotient = if distance == 0.0 { 0.0 } else { distance / allowed };
        let share = if quotient >= least { quotient } else { least };
        Gap { distance, magnitude, allowed, is_within, share }
    }
}
