//! Extremes, distances in units in the last place, and what is counted of a pair of blocks: all that needs no arithmetic.
//!
//! Taken of the integers that stand in the order of the elements, which are shorter than doubles, and more of which fit a register.

use std::iter::zip;

use half::{bf16, f16};

/// What a pair of blocks has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends<N> {
    /// The smallest and the largest; of two zeros either.
    pub(crate) actual: [N; 2],
    pub(crate) reference: [N; 2],
    /// The largest distance in steps from one value to the next: in units in the last place, of a float.
    pub(crate) furthest: u64,
    /// Elements that are not equal.
    pub(crate) differing: u64,
    /// References that are 0.
    pub(crate) zeros: u64,
}

/// An element in the order of integers, one a step. None is NaN.
pub(crate) trait Ordered: Copy + PartialEq + Default {
    /// A signed integer of the size of the element.
    type Key: Copy + Ord;

    fn key(self) -> Self::Key;

    fn from_key(key: Self::Key) -> Self;

    /// The distance of two, which an unsigned integer of that size holds.
    fn steps(left: Self::Key, right: Self::Key) -> u64;
}

/// What is found as keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyEnds<K> {
    pub(super) actual: [K; 2],
    pub(super) reference: [K; 2],
    pub(super) furthest: u64,
    pub(super) differing: u64,
    pub(super) zeros: u64,
}

/// Of a pair of blocks of one length, which are not empty.
#[inline]
pub(super) fn ends<N: Ordered>(actual: &[N], reference: &[N]) -> Ends<N> {
    let mut found = KeyEnds::new::<N>(actual[0].key(), reference[0].key());
    found.add(actual, reference);
    found.ends()
}

impl<K: Copy + Ord> KeyEnds<K> {
    fn new<N: Ordered<Key = K>>(actual: K, reference: K) -> KeyEnds<K> {
        KeyEnds { actual: [actual; 2], reference: [reference; 2], furthest: 0, differing: 0, zeros: 0 }
    }

    /// Takes more pairs into account.
    #[inline]
    pub(super) fn add<N: Ordered<Key = K>>(&mut self, actual: &[N], reference: &[N]) {
        let zero = N::default().key();
        for (a, r) in zip(actual, reference) {
            let (a, r) = (a.key(), r.key());
            self.actual = [self.actual[0].min(a), self.actual[1].max(a)];
            self.reference = [self.reference[0].min(r), self.reference[1].max(r)];
            self.furthest = self.furthest.max(N::steps(a, r));
            self.differing += u64::from(a != r);
            self.zeros += u64::from(r == zero);
        }
    }

    pub(super) fn ends<N: Ordered<Key = K>>(self) -> Ends<N> {
        let KeyEnds { actual, reference, furthest, differing, zeros } = self;
        Ends { actual: actual.map(N::from_key), reference: reference.map(N::from_key), furthest, differing, zeros }
    }
}

macro_rules! ordered {
    ($($type:ty, $int:ty, $unsigned:ty, $bits:expr, $from:expr;)*) => {$(
        impl Ordered for $type {
            type Key = $int;

            #[inline(always)]
            fn key(self) -> $int {
                let bits: fn($type) -> $int = $bits;
                bits(self)
            }

            fn from_key(key: $int) -> $type {
                let from: fn($int) -> $type = $from;
                from(key)
            }

            #[inline(always)]
            fn steps(left: $int, right: $int) -> u64 {
                // The difference of two signed integers may need all bits of an unsigned one.
                (left.max(right).wrapping_sub(left.min(right)) as $unsigned).into()
            }
        }
    )*};
}

/// Sign and magnitude as a number, or back. Both zeros are 0.
macro_rules! flip {
    ($bits:expr, $int:ty) => {{
        let bits: $int = $bits;
        if bits < 0 { <$int>::MIN.wrapping_sub(bits) } else { bits }
    }};
}

ordered! {
    f64, i64, u64, |x| flip!(x.to_bits() as i64, i64), |key| f64::from_bits(flip!(key, i64) as u64);
    f32, i32, u32, |x| flip!(x.to_bits() as i32, i32), |key| f32::from_bits(flip!(key, i32) as u32);
    f16, i16, u16, |x| flip!(x.to_bits() as i16, i16), |key| f16::from_bits(flip!(key, i16) as u16);
    bf16, i16, u16, |x| flip!(x.to_bits() as i16, i16), |key| bf16::from_bits(flip!(key, i16) as u16);
    i32, i32, u32, |x| x, |key| key;
    i64, i64, u64, |x| x, |key| key;
    u64, i64, u64, |x| (x as i64) ^ i64::MIN, |key| (key ^ i64::MIN) as u64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_the_values_and_lead_back_to_them() {
        let mut halves: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).filter(|x| !x.is_nan()).collect();
        halves.sort_by(f16::total_cmp);
        for pair in halves.windows(2) {
            // -0 and 0 are neighbours, and equal.
            assert_eq!(f16::steps(pair[0].key(), pair[1].key()), u64::from(pair[0] != pair[1]), "{pair:?}");
            assert_eq!(f16::from_key(pair[0].key()), pair[0]);
        }
        assert_eq!(f64::steps(f64::MAX.key(), f64::MIN.key()), 2 * f64::MAX.to_bits());
        assert_eq!(i32::steps(i32::MIN, i32::MAX), u64::from(u32::MAX));
        assert_eq!(u64::steps(0u64.key(), u64::MAX.key()), u64::MAX);
    }
}
