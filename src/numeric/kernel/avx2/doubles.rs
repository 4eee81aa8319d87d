//! Four doubles in a register of AVX2.
//!
//! Written out, since compilers keep the eight sums of a pair in their registers only if told so: left to itself the same loop
//! takes five times as long.

use std::arch::x86_64::*;

use super::super::four::Four;
use crate::numeric::lanes::LANES;

/// Four doubles. Whoever uses them has found that the machine has AVX2, FMA and F16C: [`Kernel`](super::super::Kernel) alone does.
#[derive(Clone, Copy)]
pub(in super::super) struct Doubles(__m256d);

impl Default for Doubles {
    #[inline(always)]
    fn default() -> Doubles {
        Doubles::splat(0.0)
    }
}

impl Four for Doubles {
    #[inline(always)]
    fn splat(x: f64) -> Self {
        Doubles(avx2!(_mm256_set1_pd(x)))
    }

    #[inline(always)]
    fn from_singles(x: &[f32; LANES]) -> Self {
        Doubles(avx2!(_mm256_cvtps_pd(_mm_loadu_ps(x.as_ptr()))))
    }

    #[inline(always)]
    fn from_doubles(x: &[f64; LANES]) -> Self {
        Doubles(avx2!(_mm256_loadu_pd(x.as_ptr())))
    }

    #[inline(always)]
    fn from_integers(x: &[i32; LANES]) -> Self {
        Doubles(avx2!(_mm256_cvtepi32_pd(_mm_loadu_si128(x.as_ptr().cast()))))
    }

    #[inline(always)]
    fn lanes(self) -> [f64; LANES] {
        let mut lanes = [0.0; LANES];
        avx2!(_mm256_storeu_pd(lanes.as_mut_ptr(), self.0));
        lanes
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Doubles(avx2!(_mm256_add_pd(self.0, other.0)))
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        Doubles(avx2!(_mm256_sub_pd(self.0, other.0)))
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        Doubles(avx2!(_mm256_mul_pd(self.0, other.0)))
    }

    #[inline(always)]
    fn over(self, other: Self) -> Self {
        Doubles(avx2!(_mm256_div_pd(self.0, other.0)))
    }

    #[inline(always)]
    fn fused(self, factor: Self, term: Self) -> Self {
        Doubles(avx2!(_mm256_fmadd_pd(self.0, factor.0, term.0)))
    }

    #[inline(always)]
    fn remainder(self, factor: Self, by: Self) -> Option<Self> {
        Some(Doubles(avx2!(_mm256_fnmadd_pd(factor.0, by.0, self.0))))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Doubles(avx2!(_mm256_andnot_pd(_mm256_set1_pd(-0.0), self.0)))
    }

    #[inline(always)]
    fn least(self, other: Self) -> Self {
        Doubles(avx2!(_mm256_min_pd(self.0, other.0)))
    }

    #[inline(always)]
    fn most(self, other: Self) -> Self {
        Doubles(avx2!(_mm256_max_pd(self.0, other.0)))
    }

    #[inline(always)]
    fn above(self, other: Self) -> Self {
        Doubles(avx2!(_mm256_and_pd(_mm256_cmp_pd::<_CMP_GT_OQ>(self.0, other.0), _mm256_set1_pd(1.0))))
    }

    #[inline(always)]
    fn mark_above(self, x: Self, y: Self) -> Self {
        Doubles(avx2!(_mm256_or_pd(self.0, _mm256_cmp_pd::<_CMP_GT_OQ>(x.0, y.0))))
    }

    #[inline(always)]
    fn least_but_zero(self, x: Self) -> Self {
        // The bits below those of 0 are NaN, of which the other is taken.
        let below = avx2!(_mm256_add_epi64(_mm256_castpd_si256(x.0), _mm256_set1_epi64x(-1)));
        Doubles(avx2!(_mm256_min_pd(_mm256_castsi256_pd(below), self.0)))
    }

    #[inline(always)]
    fn without_zeros(self) -> Self {
        Doubles(avx2!({
            let zero = _mm256_cmp_pd::<_CMP_EQ_OQ>(self.0, _mm256_setzero_pd());
            _mm256_blendv_pd(self.0, _mm256_set1_pd(f64::INFINITY), zero)
        }))
    }
}
