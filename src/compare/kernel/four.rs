//! Four doubles at a time.

use std::array;

use super::number::Number;
use crate::compare::lanes::LANES;

/// Four doubles, one a running sum. Each operation is that of `f64`, rounded as `f64` rounds.
pub(crate) trait Four: Copy {
    /// Whether a remainder is rounded once.
    const EXACT_REMAINDERS: bool;

    fn splat(x: f64) -> Self;

    fn from_singles(x: &[f32; LANES]) -> Self;

    fn from_doubles(x: &[f64; LANES]) -> Self;

    fn from_integers(x: &[i32; LANES]) -> Self;

    /// Each to the nearest.
    fn from_signed(x: &[i64; LANES]) -> Self;

    /// Each to the nearest.
    fn from_unsigned(x: &[u64; LANES]) -> Self;

    /// `x - y`, exactly, and then to the nearest.
    fn signed_difference(x: &[i64; LANES], y: &[i64; LANES]) -> Self;

    /// `x - y`, exactly, and then to the nearest.
    fn unsigned_difference(x: &[u64; LANES], y: &[u64; LANES]) -> Self;

    fn lanes(self) -> [f64; LANES];

    fn plus(self, other: Self) -> Self;

    fn minus(self, other: Self) -> Self;

    fn times(self, other: Self) -> Self;

    fn over(self, other: Self) -> Self;

    /// `self * factor + term`; whether the product is rounded is left open.
    fn fused(self, factor: Self, term: Self) -> Self;

    /// `self - factor * by`, rounded once where there is an instruction for it.
    fn remainder(self, factor: Self, by: Self) -> Self;

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

    /// The smaller of two numbers that are not negative, unless `x` is 0; of `x` the number below it will do.
    fn least_but_zero(self, x: Self) -> Self;

    /// An infinity where a lane is 0, and else the lane.
    fn without_zeros(self) -> Self;
}

/// What every target has. The compiler makes vectors of it where it can.
impl Four for [f64; LANES] {
    const EXACT_REMAINDERS: bool = false;

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
    fn from_integers(x: &[i32; LANES]) -> Self {
        x.map(f64::from)
    }

    #[inline(always)]
    fn from_signed(x: &[i64; LANES]) -> Self {
        x.map(|x| x as f64)
    }

    #[inline(always)]
    fn from_unsigned(x: &[u64; LANES]) -> Self {
        x.map(|x| x as f64)
    }

    #[inline(always)]
    fn signed_difference(x: &[i64; LANES], y: &[i64; LANES]) -> Self {
        array::from_fn(|lane| x[lane].minus(y[lane]))
    }

    #[inline(always)]
    fn unsigned_difference(x: &[u64; LANES], y: &[u64; LANES]) -> Self {
        array::from_fn(|lane| x[lane].minus(y[lane]))
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
    fn remainder(self, factor: Self, by: Self) -> Self {
        self.minus(factor.times(by))
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
    fn least_but_zero(self, x: Self) -> Self {
        zip(self, x, |least, x| if x > 0.0 && x < least { x } else { least })
    }

    #[inline(always)]
    fn without_zeros(self) -> Self {
        self.map(|x| if x == 0.0 { f64::INFINITY } else { x })
    }
}

/// `f` of each lane of two.
#[inline(always)]
pub(super) fn zip<T: Copy + Default, const N: usize>(left: [T; N], right: [T; N], f: impl Fn(T, T) -> T) -> [T; N] {
    let mut out = [T::default(); N];
    for lane in 0..N {
        out[lane] = f(left[lane], right[lane]);
    }
    out
}
