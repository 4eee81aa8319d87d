//! The four number types that measurements are taken in, each wide enough to hold its dtypes exactly.

use num_complex::Complex;

use super::rules::{NanRule, Tolerance};
use crate::tensor::Value;
use crate::tensor::value::{modulus, nearest};

/// A number of a measurement: `i128` for integers, `f64` for floats, `Complex<f64>`, and [`Split`] where a cast holds
/// integers against floats.
pub(crate) trait Wide: Copy + PartialEq {
    /// Whether it has an imaginary part.
    const IS_COMPLEX: bool = false;

    /// The element, exactly (but an integer held against complex numbers is taken in `f64`).
    fn from_value(value: Value) -> Self;

    /// The real and the imaginary part, each to the nearest `f64`.
    fn parts(self) -> [f64; 2];

    /// `self - reference`, each part to the nearest `f64`.
    fn minus(self, reference: Self) -> [f64; 2];

    fn is_finite(self) -> bool {
        self.parts().into_iter().all(f64::is_finite)
    }

    fn is_nan(self) -> bool {
        self.parts().into_iter().any(f64::is_nan)
    }

    /// Whether two elements match of which one at least is not finite.
    fn matches(self, reference: Self, nan: NanRule) -> bool {
        let is_match = |(x, y): (f64, f64)| x == y || nan == NanRule::Match && x.is_nan() && y.is_nan();
        self.parts().into_iter().zip(reference.parts()).all(is_match)
    }

    /// The absolute value of a finite number, to the nearest `f64`, which is finite too.
    fn magnitude(self) -> f64 {
        size::<Self>(self.parts()).min(f64::MAX)
    }

    /// `|self - reference|`, to the nearest `f64`.
    fn distance(self, reference: Self) -> f64 {
        size::<Self>(self.minus(reference))
    }

    /// Whether `|self - reference| <= allowed`. A difference that overflows is never within.
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
        [nearest(self), 0.0]
    }

    fn minus(self, reference: i128) -> [f64; 2] {
        [nearest(self - reference), 0.0]
    }

    fn is_within(self, reference: i128, allowed: f64) -> bool {
        // A whole number is within a bound if it is within the bound's whole part; the conversion saturates, and would
        // make 0 of NaN and of negative bounds.
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

/// A real number in two parts, `high + low`: a 64-bit integer and every float fit exactly.
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

    /// Where the two are close the first subtraction is exact, so that nothing gets lost.
    fn minus(self, reference: Split) -> [f64; 2] {
        [(self.high - reference.high) + (self.low - reference.low), 0.0]
    }
}

/// Runs one expression with the type that numbers of two kinds are measured in.
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

/// How far apart two finite numbers are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gap {
    pub(crate) distance: f64,
    /// The magnitude of the reference.
    pub(crate) magnitude: f64,
    /// What the tolerance allows.
    pub(crate) allowed: f64,
    pub(crate) is_within: bool,
    /// The share of the tolerance that is used: more than 1 if and only if it is outside.
    pub(crate) share: f64,
}

impl Gap {
    #[inline]
    pub(crate) fn between<W: Wide>(actual: W, reference: W, tolerance: &Tolerance) -> Gap {
        let (distance, magnitude) = (actual.distance(reference), reference.magnitude());
        let allowed = tolerance.atol + tolerance.rtol * magnitude;
        let is_within = actual.is_within(reference, allowed);
        // The quotient of a 64-bit integer may round down to 1, and of two infinities there is none.
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
