//! Four doubles at a time.

use half::{bf16, f16};

#[cfg(target_arch = "x86_64")]
use super::avx2::Row;
#[cfg(not(target_arch = "x86_64"))]
use super::ends::Ordered as Row;
use crate::numeric::lanes::LANES;

/// Four doubles, one a running sum. Each operation is that of `f64`, rounded as `f64` rounds.
pub(crate) trait Four: Copy {
    fn splat(x: f64) -> Self;

    fn from_singles(x: &[f32; LANES]) -> Self;

    fn from_doubles(x: &[f64; LANES]) -> Self;

    fn from_halves(x: &[f16; LANES]) -> Self;

    fn from_brains(x: &[bf16; LANES]) -> Self;

    fn from_integers(x: &[i32; LANES]) -> Self;

    fn lanes(self) -> [f64; LANES];

    fn plus(self, other: Self) -> Self;

    fn minus(self, other: Self) -> Self;

    fn times(self, other: Self) -> Self;

    fn over(self, other: Self) -> Self;

    /// `self * factor + term`; whether the product is rounded is left open.
    fn fused(self, factor: Self, term: Self) -> Self;

    fn abs(self) -> Self;

    /// The smaller of two numbers, lane by lane; either where they are equal.
    fn least(self, other: Self) -> Self;

    /// The larger; `other` where `self` is NaN.
    fn most(self, other: Self) -> Self;

    /// 1 where a lane is larger than the other's, and else 0.
    fn above(self, other: Self) -> Self;

    /// Keeps what is not 0, and marks the lanes where `x` is larger than `y`.
    fn mark_above(self, x: Self, y: Self) -> Self;

    /// Whether a lane was marked.
    fn is_marked(self) -> bool {
        self.lanes().iter().any(|lane| lane.to_bits() != 0)
    }

    /// An infinity where a lane is 0, and else the lane.
    fn without_zeros(self) -> Self;
}

/// What every target has. The compiler makes vectors of it where it can.
impl Four for [f64; LANES] {
    #[inline(always)]
    fn splat(x: f64) -> Self {
        [x; LANES]
    }

    #[inline(always)]
    fn from_singles(x: &[f32; LANES]) -> Self {
        x.map(f64::from)
    }

    #[inline(always)]
    fn from_doubles(x: &[f64; LANES]) -> Self {
        *x
    }

    #[inline(always)]
    fn from_halves(x: &[f16; LANES]) -> Self {
        x.map(f64::from)
    }

    #[inline(always)]
    fn from_brains(x: &[bf16; LANES]) -> Self {
        x.map(f64::from)
    }

    #[inline(always)]
    fn from_integers(x: &[i32; LANES]) -> Self {
        x.map(f64::from)
    }

    #[inline(always)]
    fn lanes(self) -> [f64; LANES] {
        self
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        zip(self, other, |x, y| x + y)
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        zip(self, other, |x, y| x - y)
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        zip(self, other, |x, y| x * y)
    }

    #[inline(always)]
    fn over(self, other: Self) -> Self {
        zip(self, other, |x, y| x / y)
    }

    #[inline(always)]
    fn fused(self, factor: Self, term: Self) -> Self {
        // Without an instruction for it a fused multiply-add is a call.
        self.times(factor).plus(term)
    }

    #[inline(always)]
    fn abs(self) -> Self {
        self.map(f64::abs)
    }

    #[inline(always)]
    fn least(self, other: Self) -> Self {
        zip(self, other, |x, y| if x < y { x } else { y })
    }

    #[inline(always)]
    fn most(self, other: Self) -> Self {
        zip(self, other, |x, y| if x > y { x } else { y })
    }

    #[inline(always)]
    fn above(self, other: Self) -> Self {
        zip(self, other, |x, y| f64::from(u8::from(x > y)))
    }

    #[inline(always)]
    fn mark_above(self, x: Self, y: Self) -> Self {
        zip(self, x.above(y), |mark, above| if above > 0.0 { above } else { mark })
    }

    #[inline(always)]
    fn without_zeros(self) -> Self {
        self.map(|x| if x == 0.0 { f64::INFINITY } else { x })
    }
}

#[inline(always)]
fn zip(left: [f64; LANES], right: [f64; LANES], f: impl Fn(f64, f64) -> f64) -> [f64; LANES] {
    let mut out = [0.0; LANES];
    for lane in 0..LANES {
        out[lane] = f(left[lane], right[lane]);
    }
    out
}

/// An element that the loops take as it is.
pub(crate) trait Number: Row + Copy + PartialEq + Default + Send + Sync {
    /// Whether `f64` holds every product of two exactly, so that it makes no difference whether it is rounded.
    const EXACT_PRODUCTS: bool;

    /// Whether products of some are so small that they lose digits.
    const SMALL: bool;

    /// The element, exactly.
    fn widen(self) -> f64;

    fn four<F: Four>(x: &[Self; LANES]) -> F;
}

macro_rules! numbers {
    ($($type:ty, $exact:literal, $small:literal, $from:ident, $widen:expr;)*) => {$(
        impl Number for $type {
            const EXACT_PRODUCTS: bool = $exact;
            const SMALL: bool = $small;

            #[inline(always)]
            fn widen(self) -> f64 {
                let widen: fn($type) -> f64 = $widen;
                widen(self)
            }

            #[inline(always)]
            fn four<F: Four>(x: &[$type; LANES]) -> F {
                F::$from(x)
            }
        }
    )*};
}

numbers! {
    f64, false, true, from_doubles, |x| x;
    f32, true, false, from_singles, f64::from;
    f16, true, false, from_halves, f64::from;
    bf16, true, false, from_brains, f64::from;
    i32, false, false, from_integers, f64::from;
}
