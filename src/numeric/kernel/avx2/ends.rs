//! Extremes and counts, a register at a time.

use std::arch::x86_64::*;
use std::iter::zip;

use super::super::ends::{Ends, higher, lower};

/// A number with a loop of its own.
pub(crate) trait Row: Copy {
    /// What [`ends`](super::super::ends::ends()) finds.
    ///
    /// # Safety
    ///
    /// The machine has AVX2.
    unsafe fn ends(actual: &[Self], reference: &[Self]) -> Ends<Self>;
}

macro_rules! rows {
    ($($type:ty, $width:literal, $load:ident, $store:ident, $splat:ident, $min:ident, $max:ident, $compare:ident, $bits:ident,
        $subtract:ident, $count:ty;)*) => {$(
        impl Row for $type {
            #[target_feature(enable = "avx2")]
            unsafe fn ends(actual: &[$type], reference: &[$type]) -> Ends<$type> {
                let (mut least_actual, mut most_actual) = ($splat(actual[0]), $splat(actual[0]));
                let (mut least_reference, mut most_reference) = ($splat(reference[0]), $splat(reference[0]));
                let (mut differing, mut zeros) = (_mm256_setzero_si256(), _mm256_setzero_si256());
                let (actual, actual_rest) = actual.as_chunks::<$width>();
                let (reference, reference_rest) = reference.as_chunks::<$width>();
                for (a, r) in zip(actual, reference) {
                    // SAFETY: both are references to as many numbers as are loaded.
                    let (a, r) = unsafe { ($load(a.as_ptr()), $load(r.as_ptr())) };
                    least_actual = $min(a, least_actual);
                    most_actual = $max(a, most_actual);
                    least_reference = $min(r, least_reference);
                    most_reference = $max(r, most_reference);
                    // A lane that holds has all bits set, which is -1.
                    differing = $subtract(differing, $bits($compare::<_CMP_NEQ_UQ>(a, r)));
                    zeros = $subtract(zeros, $bits($compare::<_CMP_EQ_OQ>(r, $splat(0.0))));
                }
                let lanes = |row| {
                    let mut lanes = [0.0; $width];
                    // SAFETY: the array has room for the register.
                    unsafe { $store(lanes.as_mut_ptr(), row) };
                    lanes
                };
                let total = |counts| {
                    let mut lanes: [$count; $width] = [0; $width];
                    // SAFETY: the array has room for the register.
                    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), counts) };
                    lanes.into_iter().map(u64::from).sum::<u64>()
                };
                let least = |row, rest: &[$type]| lanes(row).into_iter().chain(rest.iter().copied()).fold(lanes(row)[0], lower);
                let most = |row, rest: &[$type]| lanes(row).into_iter().chain(rest.iter().copied()).fold(lanes(row)[0], higher);
                let rest = || zip(actual_rest, reference_rest);
                Ends {
                    actual: [least(least_actual, actual_rest), most(most_actual, actual_rest)],
                    reference: [least(least_reference, reference_rest), most(most_reference, reference_rest)],
                    differing: total(differing) + rest().filter(|(a, r)| a != r).count() as u64,
                    zeros: total(zeros) + rest().filter(|(_, r)| **r == 0.0).count() as u64,
                }
            }
        }
    )*};
}

rows! {
    f32, 8, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps, _mm256_min_ps, _mm256_max_ps, _mm256_cmp_ps,
        _mm256_castps_si256, _mm256_sub_epi32, u32;
    f64, 4, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_set1_pd, _mm256_min_pd, _mm256_max_pd, _mm256_cmp_pd,
        _mm256_castpd_si256, _mm256_sub_epi64, u64;
}
