//! Integers of 64 bits, of which doubles hold some exactly and others to the nearest.

use super::four::Four;
use super::number::Number;
use crate::compare::lanes::LANES;

/// An integer of 64 bits.
pub(crate) trait Whole: Number {
    /// Two parts, of which the first times 2^32 and the second make it up.
    fn halves(self) -> [i64; 2];

    /// `|self - other|`, exactly.
    fn distance(self, other: Self) -> u64;
}

macro_rules! whole {
    ($($type:ty, $from:ident, $difference:ident;)*) => {$(
        impl Number for $type {
            const EXACT_PRODUCTS: bool = false;
            const SMALL: bool = false;
            const ROUNDED: bool = true;

            #[inline(always)]
            fn double(self) -> f64 {
                self as f64
            }

            #[inline(always)]
            fn minus(self, other: $type) -> f64 {
                // The distance, unlike the difference, never overflows.
                let distance = self.abs_diff(other) as f64;
                if self < other { -distance } else { distance }
            }

            #[inline(always)]
            fn four<F: Four>(x: &[$type; LANES]) -> F {
                F::$from(x)
            }

            #[inline(always)]
            fn difference<F: Four>(x: &[$type; LANES], y: &[$type; LANES]) -> F {
                F::$difference(x, y)
            }
        }

        impl Whole for $type {
            #[inline(always)]
            fn halves(self) -> [i64; 2] {
                [(self >> 32) as i64, (self & 0xffff_ffff) as i64]
            }

            #[inline(always)]
            fn distance(self, other: $type) -> u64 {
                self.abs_diff(other)
            }
        }
    )*};
}

whole! {
    i64, from_signed, signed_difference;
    u64, from_unsigned, unsigned_difference;
}

/// The sum of a block, which is shorter than 2^31.
#[inline(always)]
pub(super) fn total<F, N: Whole>(block: &[N], _: F) -> i128 {
    let [mut upper, mut lower] = [0; 2];
    for x in block {
        let [high, low] = x.halves();
        upper += high;
        lower += low;
    }
    (i128::from(upper) << 32) + i128::from(lower)
}
