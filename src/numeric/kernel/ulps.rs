//! Units in the last place, for many elements at a time.

use std::iter::zip;

use half::{bf16, f16};

use crate::numeric::dtype::{F8E4M3, F8E5M2};

/// Elements at a time: a register of AVX2 holds as many singles.
const WIDTH: usize = 8;

/// A real float, by the integer that stands in the order of its values, one a step. None is NaN.
pub(crate) trait Steps: Copy {
    /// An unsigned integer that holds every distance.
    type Distance: Copy + Ord + Default + Into<u64>;

    fn distance(self, other: Self) -> Self::Distance;
}

macro_rules! steps {
    ($($type:ty, $int:ty, $distance:ty, $bits:expr;)*) => {$(
        impl Steps for $type {
            type Distance = $distance;

            #[inline(always)]
            fn distance(self, other: Self) -> $distance {
                let bits: fn($type) -> $int = $bits;
                // Sign and magnitude, as a number. Both zeros are 0.
                let key = |x: $int| if x < 0 { <$int>::MIN.wrapping_sub(x) } else { x };
                let (left, right) = (key(bits(self)), key(bits(other)));
                // The difference of two signed numbers may need all bits of an unsigned one.
                left.max(right).wrapping_sub(left.min(right)) as $distance
            }
        }
    )*};
}

steps! {
    f64, i64, u64, |x| x.to_bits() as i64;
    f32, i32, u32, |x| x.to_bits() as i32;
    f16, i16, u16, |x| x.to_bits() as i16;
    bf16, i16, u16, |x| x.to_bits() as i16;
    F8E4M3, i8, u8, |x| x.0 as i8;
    F8E5M2, i8, u8, |x| x.0 as i8;
}

#[inline]
pub(super) fn furthest<T: Steps>(actual: &[T], reference: &[T]) -> u64 {
    let (actual, actual_rest) = actual.as_chunks::<WIDTH>();
    let (reference, reference_rest) = reference.as_chunks::<WIDTH>();
    let mut furthest = [T::Distance::default(); WIDTH];
    for (a, r) in zip(actual, reference) {
        for lane in 0..WIDTH {
            furthest[lane] = furthest[lane].max(a[lane].distance(r[lane]));
        }
    }
    let rest = zip(actual_rest, reference_rest).map(|(a, r)| a.distance(*r));
    rest.chain(furthest).max().unwrap_or_default().into()
}
