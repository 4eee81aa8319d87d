//! Eight singles in a register of AVX2.

use std::arch::x86_64::*;

use half::{bf16, f16};

use super::super::eight::{EIGHT, Eight};

/// Eight singles, which are used as [`Doubles`](super::Doubles) are.
#[derive(Clone, Copy)]
pub(in super::super) struct Singles(__m256);

impl Default for Singles {
    #[inline(always)]
    fn default() -> Singles {
        Singles::splat(0.0)
    }
}

impl Eight for Singles {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        Singles(avx2!(_mm256_set1_ps(x)))
    }

    #[inline(always)]
    fn from_singles(x: &[f32; EIGHT]) -> Self {
        Singles(avx2!(_mm256_loadu_ps(x.as_ptr())))
    }

    #[inline(always)]
    fn from_halves(x: &[f16; EIGHT]) -> Self {
        Singles(avx2!(_mm256_cvtph_ps(_mm_loadu_si128(x.as_ptr().cast()))))
    }

    #[inline(always)]
    fn from_brains(x: &[bf16; EIGHT]) -> Self {
        // Each is the upper half of a single.
        let bits = avx2!(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(x.as_ptr().cast()))));
        Singles(avx2!(_mm256_castsi256_ps(bits)))
    }

    #[inline(always)]
    fn lanes(self) -> [f32; EIGHT] {
        let mut lanes = [0.0; EIGHT];
        avx2!(_mm256_storeu_ps(lanes.as_mut_ptr(), self.0));
        lanes
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        Singles(avx2!(_mm256_sub_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn fused(self, factor: Self, term: Self) -> Self {
        Singles(avx2!(_mm256_fmadd_ps(self.0, factor.0, term.0)))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Singles(avx2!(_mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0)))
    }

    #[inline(always)]
    fn least(self, other: Self) -> Self {
        Singles(avx2!(_mm256_min_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn most(self, other: Self) -> Self {
        Singles(avx2!(_mm256_max_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn where_equal(self, other: Self, value: Self) -> Self {
        Singles(avx2!(_mm256_and_ps(_mm256_cmp_ps::<_CMP_EQ_OQ>(self.0, other.0), value.0)))
    }

    #[inline(always)]
    fn mark_above(self, x: Self, y: Self) -> Self {
        Singles(avx2!(_mm256_or_ps(self.0, _mm256_cmp_ps::<_CMP_GT_OQ>(x.0, y.0))))
    }

    #[inline(always)]
    fn count_above(self, x: Self, y: Self) -> Self {
        // A lane that holds has all bits set, which is -1.
        let above = avx2!(_mm256_castps_si256(_mm256_cmp_ps::<_CMP_GT_OQ>(x.0, y.0)));
        Singles(avx2!(_mm256_castsi256_ps(_mm256_sub_epi32(_mm256_castps_si256(self.0), above))))
    }
}
