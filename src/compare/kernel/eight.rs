//! Eight singles at a time: twice as many as doubles, for what may be rounded.

use half::{bf16, f16};

use super::four::zip;

/// Singles in a register that holds [`LANES`](crate::compare::lanes::LANES) doubles.
pub(super) const EIGHT: usize = 8;

/// Eight singles. Each operation is that of `f32`.
pub(crate) trait Eight: Copy {
    fn splat(x: f32) -> Self;

    fn from_singles(x: &[f32; EIGHT]) -> Self;

    fn from_halves(x: &[f16; EIGHT]) -> Self;

    fn from_brains(x: &[bf16; EIGHT]) -> Self;

    fn lanes(self) -> [f32; EIGHT];

    fn minus(self, other: Self) -> Self;

    /// `self * factor + term`; whether the product is rounded is left open.
    fn fused(self, factor: Self, term: Self) -> Self;

    fn abs(self) -> Self;

    /// The smaller of two numbers, lane by lane; either where they are equal.
    fn least(self, other: Self) -> Self;

    /// The larger of two numbers, lane by lane; either where they are equal.
    fn most(self, other: Self) -> Self;

    /// `value` where a lane equals the other's, and else 0.
    fn where_equal(self, other: Self, value: Self) -> Self;

    /// Keeps what is not 0, and marks the lanes where `x` is larger than `y`.
    fn mark_above(self, x: Self, y: Self) -> Self;

    /// Whether a lane was marked.
    fn is_marked(self) -> bool {
        self.lanes().iter().any(|lane| lane.to_bits() != 0)
    }

    /// Counts, in the bits of each lane, where `x` is larger than `y`.
    fn count_above(self, x: Self, y: Self) -> Self;

    /// How many were counted in all lanes.
    fn counted(self) -> u64 {
        self.lanes().iter().map(|lane| u64::from(lane.to_bits())).sum()
    }
}

/// What every target has. The compiler makes vectors of it where it can.
impl Eight for [f32; EIGHT] {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        [x; EIGHT]
    }

    #[inline(always)]
    fn from_singles(x: &[f32; EIGHT]) -> Self {
        *x
    }

    #[inline(always)]
    fn from_halves(x: &[f16; EIGHT]) -> Self {
        x.map(f32::from)
    }

    #[inline(always)]
    fn from_brains(x: &[bf16; EIGHT]) -> Self {
        x.map(f32::from)
    }

    #[inline(always)]
    fn lanes(self) -> [f32; EIGHT] {
        self
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        zip(self, other, |x, y| x - y)
    }

    #[inline(always)]
    fn fused(self, factor: Self, term: Self) -> Self {
        zip(zip(self, factor, |x, y| x * y), term, |x, y| x + y)
    }

    #[inline(always)]
    fn abs(self) -> Self {
        self.map(f32::abs)
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
    fn where_equal(self, other: Self, value: Self) -> Self {
        let equal = zip(self, other, |x, y| f32::from(u8::from(x == y)));
        zip(equal, value, |equal, value| if equal > 0.0 { value } else { 0.0 })
    }

    #[inline(always)]
    fn mark_above(self, x: Self, y: Self) -> Self {
        let above = zip(x, y, |x, y| f32::from(u8::from(x > y)));
        zip(self, above, |mark, above| if above > 0.0 { above } else { mark })
    }

    #[inline(always)]
    fn count_above(self, x: Self, y: Self) -> Self {
        let above = zip(x, y, |x, y| f32::from_bits(u32::from(x > y)));
        zip(self, above, |count, one| f32::from_bits(count.to_bits() + one.to_bits()))
    }
}
