//! Four doubles at a time.

#[cfg(target_arch = "x86_64")]
use super::avx2::Row;
use crate::numeric::lanes::LANES;
#[cfg(not(target_arch = "x86_64"))]
use Copy as Row;

/// Four doubles, one a running sum. Each operation is that of `f64`, rounded as `f64` rounds.
pub(crate) trait Four: Copy {
    fn splat(x: f64) -> Self;

    fn from_singles(x: &[f32; LANES]) -> Self;

    fn from_doubles(x: &[f64; LANES]) -> Self;

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

/// A number of a block: `f32`, which also stands for everything that it holds exactly, or `f64`.
pub(crate) trait Number: Row + PartialOrd + Default + Send + Sync {
    /// Whether `f64` holds every product of two exactly, so that it makes no difference whether it is rounded.
    const EXACT_PRODUCTS: bool;

    fn widen(self) -> f64;

    fn four<F: Four>(x: &[Self; LANES]) -> F;
}

impl Number for f32 {
    const EXACT_PRODUCTS: bool = true;

    #[inline(always)]
    fn widen(self) -> f64 {
        self.into()
    }

    #[inline(always)]
    fn four<F: Four>(x: &[f32; LANES]) -> F {
        F::from_singles(x)
    }
}

impl Number for f64 {
    const EXACT_PRODUCTS: bool = false;

    #[inline(always)]
    fn widen(self) -> f64 {
        self
    }

    #[inline(always)]
    fn four<F: Four>(x: &[f64; LANES]) -> F {
        F::from_doubles(x)
    }
}
