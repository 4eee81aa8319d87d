//! Units in the last place, a register at a time.

use std::arch::x86_64::*;
use std::iter::zip;

use half::{bf16, f16};

use super::super::ulps::Steps;
use crate::numeric::dtype::{F8E4M3, F8E5M2};

/// A float with a loop of its own, or with that of every machine.
pub(crate) trait StepRow: Steps {
    /// What [`furthest`](super::super::ulps::furthest()) finds.
    ///
    /// # Safety
    ///
    /// The machine has AVX2.
    unsafe fn furthest(actual: &[Self], reference: &[Self]) -> u64;
}

/// The larger of unsigned numbers of 64 bits, for which there is no instruction: signed ones have one for their order.
#[target_feature(enable = "avx2")]
fn max_u64(left: __m256i, right: __m256i) -> __m256i {
    let sign = _mm256_set1_epi64x(i64::MIN);
    let is_more = _mm256_cmpgt_epi64(_mm256_xor_si256(left, sign), _mm256_xor_si256(right, sign));
    _mm256_blendv_epi8(right, left, is_more)
}

/// The distance of signed numbers of 64 bits, unsigned.
#[target_feature(enable = "avx2")]
fn distance_64(left: __m256i, right: __m256i) -> __m256i {
    let is_more = _mm256_cmpgt_epi64(left, right);
    _mm256_blendv_epi8(_mm256_sub_epi64(right, left), _mm256_sub_epi64(left, right), is_more)
}

#[target_feature(enable = "avx2")]
fn distance_32(left: __m256i, right: __m256i) -> __m256i {
    _mm256_sub_epi32(_mm256_max_epi32(left, right), _mm256_min_epi32(left, right))
}

#[target_feature(enable = "avx2")]
fn distance_16(left: __m256i, right: __m256i) -> __m256i {
    _mm256_sub_epi16(_mm256_max_epi16(left, right), _mm256_min_epi16(left, right))
}

/// Sign and magnitude, as signed numbers.
#[target_feature(enable = "avx2")]
fn key_64(bits: __m256i) -> __m256i {
    let negated = _mm256_sub_epi64(_mm256_set1_epi64x(i64::MIN), bits);
    // The sign bit chooses.
    let key = _mm256_blendv_pd(_mm256_castsi256_pd(bits), _mm256_castsi256_pd(negated), _mm256_castsi256_pd(bits));
    _mm256_castpd_si256(key)
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

macro_rules! rows {
    ($($type:ty, $width:literal, $int:ty, $key:ident, $distance:ident, $max:ident;)*) => {$(
        impl StepRow for $type {
            #[target_feature(enable = "avx2")]
            unsafe fn furthest(actual: &[$type], reference: &[$type]) -> u64 {
                let (actual, actual_rest) = actual.as_chunks::<$width>();
                let (reference, reference_rest) = reference.as_chunks::<$width>();
                let mut furthest = _mm256_setzero_si256();
                for (a, r) in zip(actual, reference) {
                    // SAFETY: both are references to as many bytes as are loaded.
                    let (a, r) = unsafe { (_mm256_loadu_si256(a.as_ptr().cast()), _mm256_loadu_si256(r.as_ptr().cast())) };
                    furthest = $max(furthest, $distance($key(a), $key(r)));
                }
                let mut lanes: [$int; $width] = [0; $width];
                // SAFETY: the array has room for the register.
                unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), furthest) };
                let rest = zip(actual_rest, reference_rest).map(|(a, r)| a.distance(*r));
                lanes.into_iter().chain(rest).max().unwrap_or_default().into()
            }
        }
    )*};
}

rows! {
    f64, 4, u64, key_64, distance_64, max_u64;
    f32, 8, u32, key_32, distance_32, _mm256_max_epu32;
    f16, 16, u16, key_16, distance_16, _mm256_max_epu16;
    bf16, 16, u16, key_16, distance_16, _mm256_max_epu16;
}

macro_rules! portable {
    ($($type:ty),*) => {$(
        impl StepRow for $type {
            #[target_feature(enable = "avx2")]
            unsafe fn furthest(actual: &[$type], reference: &[$type]) -> u64 {
                super::super::ulps::furthest(actual, reference)
            }
        }
    )*};
}

portable!(F8E4M3, F8E5M2);
