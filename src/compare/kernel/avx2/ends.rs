//! Extremes and counts, a register of keys at a time.

use std::arch::x86_64::*;
use std::iter::zip;

use half::{bf16, f16};

use super::super::ends::{Ends, KeyEnds, Ordered};
use super::super::prefetch::Ahead;

/// An element with a loop of its own.
pub(crate) trait Row: Ordered {
    /// What [`ends`](super::super::ends::ends()) finds.
    ///
    /// # Safety
    ///
    /// The machine has AVX2.
    unsafe fn ends(actual: &[Self], reference: &[Self], ahead: Ahead) -> Ends<Self>;
}

macro_rules! rows {
    ($($type:ty, $width:literal, $int:ty, $unsigned:ty, $key:ident, $min:ident, $max:ident, $subtract:ident, $equal:ident,
        $furthest:ident;)*) => {$(
        impl Row for $type {
            #[target_feature(enable = "avx2")]
            unsafe fn ends(actual: &[$type], reference: &[$type], ahead: Ahead) -> Ends<$type> {
                let zero = _mm256_setzero_si256();
                let zero_key = $key(zero);
                let (actual, actual_rest) = actual.as_chunks::<$width>();
                let (reference, reference_rest) = reference.as_chunks::<$width>();
                let (Some(first_actual), Some(first_reference)) = (actual.first(), reference.first()) else {
                    return super::super::ends::ends(actual_rest, reference_rest);
                };
                // SAFETY: a reference to as many bytes as are loaded.
                let load = |x: &[$type; $width]| $key(unsafe { _mm256_loadu_si256(x.as_ptr().cast()) });
                let (mut least_actual, mut least_reference) = (load(first_actual), load(first_reference));
                let (mut most_actual, mut most_reference) = (least_actual, least_reference);
                let (mut furthest, mut equal, mut zeros) = (zero, zero, zero);
                for (place, (a, r)) in zip(actual, reference).enumerate() {
                    ahead.prefetch::<$type>(place * $width, $width);
                    let (a, r) = (load(a), load(r));
                    least_actual = $min(a, least_actual);
                    most_actual = $max(a, most_actual);
                    least_reference = $min(r, least_reference);
                    most_reference = $max(r, most_reference);
                    furthest = $furthest(furthest, $subtract($max(a, r), $min(a, r)));
                    // A lane that holds has all bits set, which is -1. A block is shorter than the shortest integer counts.
                    equal = $subtract(equal, $equal(a, r));
                    zeros = $subtract(zeros, $equal(r, zero_key));
                }
                let unsigned = |row: __m256i| {
                    let mut lanes: [$unsigned; $width] = [0; $width];
                    // SAFETY: the array has room for the register.
                    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), row) };
                    lanes
                };
                let keys = |row: __m256i| unsigned(row).map(|key| key as $int);
                let total = |row: __m256i| unsigned(row).into_iter().map(u64::from).sum::<u64>();
                let [least_actual, most_actual, least_reference, most_reference] =
                    [least_actual, most_actual, least_reference, most_reference].map(keys);
                let least = |keys: [$int; $width]| keys.into_iter().fold(keys[0], |least, key| least.min(key));
                let most = |keys: [$int; $width]| keys.into_iter().fold(keys[0], |most, key| most.max(key));
                let mut found = KeyEnds {
                    actual: [least(least_actual), most(most_actual)],
                    reference: [least(least_reference), most(most_reference)],
                    furthest: unsigned(furthest).into_iter().max().unwrap_or_default().into(),
                    differing: (actual.len() * $width) as u64 - total(equal),
                    zeros: total(zeros),
                };
                found.add(actual_rest, reference_rest);
                found.ends()
            }
        }
    )*};
}

rows! {
    f64, 4, i64, u64, key_64, min_64, max_64, _mm256_sub_epi64, _mm256_cmpeq_epi64, max_unsigned_64;
    f32, 8, i32, u32, key_32, _mm256_min_epi32, _mm256_max_epi32, _mm256_sub_epi32, _mm256_cmpeq_epi32, _mm256_max_epu32;
    f16, 16, i16, u16, key_16, _mm256_min_epi16, _mm256_max_epi16, _mm256_sub_epi16, _mm256_cmpeq_epi16, _mm256_max_epu16;
    bf16, 16, i16, u16, key_16, _mm256_min_epi16, _mm256_max_epi16, _mm256_sub_epi16, _mm256_cmpeq_epi16, _mm256_max_epu16;
    i32, 8, i32, u32, itself, _mm256_min_epi32, _mm256_max_epi32, _mm256_sub_epi32, _mm256_cmpeq_epi32, _mm256_max_epu32;
    i64, 4, i64, u64, itself, min_64, max_64, _mm256_sub_epi64, _mm256_cmpeq_epi64, max_unsigned_64;
    u64, 4, i64, u64, flip_64, min_64, max_64, _mm256_sub_epi64, _mm256_cmpeq_epi64, max_unsigned_64;
}

/// Sign and magnitude, as signed numbers: the sign bit chooses.
#[target_feature(enable = "avx2")]
fn key_64(bits: __m256i) -> __m256i {
    let negated = _mm256_sub_epi64(_mm256_set1_epi64x(i64::MIN), bits);
    choose_64(bits, negated, bits)
}

#[target_feature(enable = "avx2")]
fn key_32(bits: __m256i) -> __m256i {
    let negated = _mm256_sub_epi32(_mm256_set1_epi32(i32::MIN), bits);
    let key = _mm256_blendv_ps(_mm256_castsi256_ps(bits), _mm256_castsi256_ps(negated), _mm256_castsi256_ps(bits));
    _mm256_castps_si256(key)
}

#[target_feature(enable = "avx2")]
fn key_16(bits: __m256i) -> __m256i {
    let negated = _mm256_sub_epi16(_mm256_set1_epi16(i16::MIN), bits);
    _mm256_blendv_epi8(bits, negated, _mm256_srai_epi16::<15>(bits))
}

#[target_feature(enable = "avx2")]
fn itself(bits: __m256i) -> __m256i {
    bits
}

/// Unsigned numbers in the order of signed ones.
#[target_feature(enable = "avx2")]
fn flip_64(bits: __m256i) -> __m256i {
    _mm256_xor_si256(bits, _mm256_set1_epi64x(i64::MIN))
}

/// What there is no instruction for: 64-bit integers are only compared, and as signed numbers.
#[target_feature(enable = "avx2")]
fn min_64(left: __m256i, right: __m256i) -> __m256i {
    choose_64(left, right, _mm256_cmpgt_epi64(left, right))
}

#[target_feature(enable = "avx2")]
fn max_64(left: __m256i, right: __m256i) -> __m256i {
    choose_64(right, left, _mm256_cmpgt_epi64(left, right))
}

#[target_feature(enable = "avx2")]
fn max_unsigned_64(left: __m256i, right: __m256i) -> __m256i {
    let sign = _mm256_set1_epi64x(i64::MIN);
    choose_64(right, left, _mm256_cmpgt_epi64(_mm256_xor_si256(left, sign), _mm256_xor_si256(right, sign)))
}

/// The other where the sign bit of the condition is set.
#[target_feature(enable = "avx2")]
fn choose_64(one: __m256i, other: __m256i, condition: __m256i) -> __m256i {
    let double = |x| _mm256_castsi256_pd(x);
    _mm256_castpd_si256(_mm256_blendv_pd(double(one), double(other), double(condition)))
}
