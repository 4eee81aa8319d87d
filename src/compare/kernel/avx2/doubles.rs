//! Four doubles in a register of AVX2.
//!
//! Written out, since compilers keep the eight sums of a pair in their registers only if told so: left to itself the same loop
//! takes five times as long.

use std::arch::x86_64::*;

use super::super::four::Four;
use crate::compare::lanes::LANES;

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
    const EXACT_REMAINDERS: bool = true;

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
    fn from_signed(x: &[i64; LANES]) -> Self {
        // The upper half in the order of unsigned numbers, so that 2^63 has to come off as well.
        Doubles(from_halves(load(x), UPPER ^ 1 << 31, 2f64.powi(84) + 2f64.powi(63) + 2f64.powi(52)))
    }

    #[inline(always)]
    fn from_unsigned(x: &[u64; LANES]) -> Self {
        Doubles(from_halves(load(x), UPPER, 2f64.powi(84) + 2f64.powi(52)))
    }

    #[inline(always)]
    fn signed_difference(x: &[i64; LANES], y: &[i64; LANES]) -> Self {
        let (x, y) = (load(x), load(y));
        avx2!(difference(x, y, _mm256_cmpgt_epi64(y, x)))
    }

    #[inline(always)]
    fn unsigned_difference(x: &[u64; LANES], y: &[u64; LANES]) -> Self {
        let (x, y) = (load(x), load(y));
        avx2!({
            let sign = _mm256_set1_epi64x(i64::MIN);
            difference(x, y, _mm256_cmpgt_epi64(_mm256_xor_si256(y, sign), _mm256_xor_si256(x, sign)))
        })
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
    fn remainder(self, factor: Self, by: Self) -> Self {
        Doubles(avx2!(_mm256_fnmadd_pd(factor.0, by.0, self.0)))
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

/// The bits of 2^52 and of 2^84: a double of that size is an integer, or one times 2^32, and its lower bits are its own.
const LOWER: i64 = (1023 + 52) << 52;
const UPPER: i64 = (1023 + 84) << 52;

#[inline(always)]
fn load<T>(x: &[T; LANES]) -> __m256i {
    const { assert!(size_of::<T>() == 8) };
    avx2!(_mm256_loadu_si256(x.as_ptr().cast()))
}

/// Integers of 64 bits to the nearest, by halves: there is no instruction for it. The upper ones are put into those bits, and what
/// that adds comes off. Only the last step rounds.
#[inline(always)]
fn from_halves(x: __m256i, upper: i64, surplus: f64) -> __m256d {
    avx2!({
        let low = _mm256_blend_epi32::<0b1010_1010>(x, _mm256_set1_epi64x(LOWER));
        let high = _mm256_xor_si256(_mm256_srli_epi64::<32>(x), _mm256_set1_epi64x(upper));
        _mm256_add_pd(_mm256_sub_pd(_mm256_castsi256_pd(high), _mm256_set1_pd(surplus)), _mm256_castsi256_pd(low))
    })
}

/// `x - y`: the distance, which 64 bits hold without a sign, and the sign where `y` is larger.
#[inline(always)]
fn difference(x: __m256i, y: __m256i, negative: __m256i) -> Doubles {
    avx2!({
        let distance = _mm256_sub_epi64(_mm256_xor_si256(_mm256_sub_epi64(x, y), negative), negative);
        let distance = from_halves(distance, UPPER, 2f64.powi(84) + 2f64.powi(52));
        let sign = _mm256_and_pd(_mm256_castsi256_pd(negative), _mm256_set1_pd(-0.0));
        Doubles(_mm256_or_pd(distance, sign))
    })
}
