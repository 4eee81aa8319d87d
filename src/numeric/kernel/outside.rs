//! How many elements are outside.

use std::iter::zip;

use super::eight::{EIGHT, Eight};
use super::fill::fill;
use super::four::Four;
use super::line::{HIGHER_SINGLE, LOWER_SINGLE, SLACK, above, below};
use super::number::Number;
use crate::numeric::lanes::LANES;

#[inline(always)]
pub(super) fn outside<F: Four, N: Number>(actual: &[N], reference: &[N], tolerance: [f64; 2], _: F) -> u64 {
    let (actual, actual_rest) = actual.as_chunks();
    let (reference, reference_rest) = reference.as_chunks();
    let mut count = Count { tolerance: tolerance.map(F::splat), outside: F::splat(0.0) };
    for (a, r) in zip(actual, reference) {
        count.add::<N>(a, r);
    }
    // Two zeros are outside nothing.
    if !actual_rest.is_empty() {
        count.add::<N>(&fill(actual_rest), &fill(reference_rest));
    }
    count.outside.lanes().into_iter().sum::<f64>() as u64
}

struct Count<F> {
    tolerance: [F; 2],
    outside: F,
}

impl<F: Four> Count<F> {
    #[inline(always)]
    fn add<N: Number>(&mut self, a: &[N; LANES], r: &[N; LANES]) {
        let (a, r) = (N::four::<F>(a), N::four::<F>(r));
        let [atol, rtol] = self.tolerance;
        self.outside = self.outside.plus(a.minus(r).abs().above(atol.plus(rtol.times(r.abs()))));
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
