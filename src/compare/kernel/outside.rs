//! How many elements are outside.

use std::iter::zip;

use super::eight::{EIGHT, Eight};
use super::fill::fill;
use super::four::Four;
use super::line::{HIGHER_SINGLE, LOWER_SINGLE, SLACK, above, below};
use super::number::Number;
use super::whole::Whole;
use crate::compare::lanes::LANES;

#[inline(always)]
pub(super) fn outside<F: Four, N: Number>(actual: &[N], reference: &[N], tolerance: [f64; 2], _: F) -> u64 {
    Count::<F>::of(actual, reference, tolerance).total()
}

/// The same of integers. Where a distance that is rounded equals what is allowed, doubles cannot tell: a distance is within a bound
/// if it is within the whole part of that.
#[inline(always)]
pub(super) fn outside_whole<F: Four, N: Whole>(actual: &[N], reference: &[N], tolerance: [f64; 2], _: F) -> u64 {
    let count = Count::<F>::of(actual, reference, tolerance);
    if !count.equal.is_marked() {
        return count.total();
    }
    let [atol, rtol] = tolerance;
    let is_outside = |(a, r): (&N, &N)| a.distance(*r) > (atol + rtol * r.double().abs()) as u64;
    zip(actual, reference).map(|pair| u64::from(is_outside(pair))).sum()
}

struct Count<F> {
    tolerance: [F; 2],
    outside: F,
    /// Marks where a rounded distance equals what is allowed.
    equal: F,
}

/// The largest whole number that is not rounded, nor are those below it.
const EXACT: f64 = ((1u64 << f64::MANTISSA_DIGITS) - 1) as f64;

impl<F: Four> Count<F> {
    #[inline(always)]
    fn of<N: Number>(actual: &[N], reference: &[N], tolerance: [f64; 2]) -> Count<F> {
        let (actual, actual_rest) = actual.as_chunks();
        let (reference, reference_rest) = reference.as_chunks();
        let zero = F::splat(0.0);
        let mut count = Count { tolerance: tolerance.map(F::splat), outside: zero, equal: zero };
        for (a, r) in zip(actual, reference) {
            count.add::<N>(a, r);
        }
        // Two zeros are outside nothing.
        if !actual_rest.is_empty() {
            count.add::<N>(&fill(actual_rest), &fill(reference_rest));
        }
        count
    }

    #[inline(always)]
    fn add<N: Number>(&mut self, a: &[N; LANES], r: &[N; LANES]) {
        let (far, magnitude) = (N::difference::<F>(a, r).abs(), N::four::<F>(r).abs());
        let [atol, rtol] = self.tolerance;
        let allowed = atol.plus(rtol.times(magnitude));
        self.outside = self.outside.plus(far.above(allowed));
        if N::ROUNDED {
            let beyond = far.most(F::splat(EXACT)).minus(allowed).without_zeros();
            self.equal = self.equal.mark_above(beyond, F::splat(f64::MAX));
        }
    }

    #[inline(always)]
    fn total(self) -> u64 {
        self.outside.lanes().into_iter().sum::<f64>() as u64
    }
}

/// The same of singles, twice as fast. Counted twice, outside a tolerance that is a little narrower and outside one that is a
/// little wider; `None` where one counts more than the other.
#[inline(always)]
pub(super) fn outside_surely<E: Eight>(actual: &[f32], reference: &[f32], tolerance: [f64; 2], _: E) -> Option<u64> {
    let (actual, actual_rest) = actual.as_chunks();
    let (reference, reference_rest) = reference.as_chunks();
    let mut count = SureCount::<E>::new(tolerance);
    for (a, r) in zip(actual, reference) {
        count.add(a, r);
    }
    if !actual_rest.is_empty() {
        count.add(&fill(actual_rest), &fill(reference_rest));
    }
    let [at_most, at_least] = count.outside.map(E::counted);
    (at_most == at_least).then_some(at_most)
}

struct SureCount<E> {
    narrower: [E; 2],
    wider: [E; 2],
    /// Of the narrower and of the wider.
    outside: [E; 2],
}

impl<E: Eight> SureCount<E> {
    #[inline(always)]
    fn new(tolerance: [f64; 2]) -> SureCount<E> {
        let [atol, rtol] = tolerance.map(|x| below(x * LOWER_SINGLE));
        let narrower = [atol - SLACK, rtol].map(E::splat);
        let [atol, rtol] = tolerance.map(|x| above(x * HIGHER_SINGLE));
        let wider = [atol + SLACK, rtol].map(E::splat);
        SureCount { narrower, wider, outside: [E::splat(0.0); 2] }
    }

    #[inline(always)]
    fn add(&mut self, a: &[f32; EIGHT], r: &[f32; EIGHT]) {
        let (a, r) = (E::from_singles(a), E::from_singles(r));
        let (far, magnitude) = (a.minus(r).abs(), r.abs());
        let [at_most, at_least] = self.outside;
        let [narrower, wider] = [self.narrower, self.wider].map(|[atol, rtol]| magnitude.fused(rtol, atol));
        self.outside = [at_most.count_above(far, narrower.most(E::splat(0.0))), at_least.count_above(far, wider)];
    }
}
