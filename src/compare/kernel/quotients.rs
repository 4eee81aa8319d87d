//! Dividing: what a line only says there may be.

use std::iter::zip;

use super::fill::fill;
use super::four::Four;
use super::number::Number;
use crate::compare::lanes::LANES;

/// The largest quotients of a pair of blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quotients {
    /// Of the distance and what is allowed; 0 where both are 0.
    pub(crate) share: f64,
    /// Of the distance and the magnitude of the reference, where that is not 0; 0 where it is.
    pub(crate) relative: f64,
    /// Of the distance minus what a floor allows in the place of atol; -1 where all are less.
    pub(crate) excess: f64,
}

#[inline(always)]
pub(super) fn quotients<F: Four, N: Number>(actual: &[N], reference: &[N], limits: [f64; 3], _: F) -> Quotients {
    let (actual, actual_rest) = actual.as_chunks();
    let (reference, reference_rest) = reference.as_chunks();
    let zero = F::splat(0.0);
    let mut division = Division { limits: limits.map(F::splat), share: zero, relative: zero, excess: F::splat(-1.0) };
    for (a, r) in zip(actual, reference) {
        division.add::<N>(a, r);
    }
    // Two zeros raise nothing.
    if !actual_rest.is_empty() {
        division.add::<N>(&fill(actual_rest), &fill(reference_rest));
    }
    let largest = |lanes: F| lanes.lanes().into_iter().fold(-1.0, f64::max);
    Quotients { share: largest(division.share), relative: largest(division.relative), excess: largest(division.excess) }
}

struct Division<F> {
    /// Atol, rtol and the floor.
    limits: [F; 3],
    share: F,
    relative: F,
    excess: F,
}

impl<F: Four> Division<F> {
    #[inline(always)]
    fn add<N: Number>(&mut self, a: &[N; LANES], r: &[N; LANES]) {
        let [atol, rtol, floor] = self.limits;
        let (far, magnitude) = (N::difference::<F>(a, r).abs(), N::four::<F>(r).abs());
        let allowed = magnitude.times(rtol);
        // Of two zeros the quotient is NaN, which is passed over.
        self.share = far.over(atol.plus(allowed)).most(self.share);
        self.relative = far.over(magnitude.without_zeros()).most(self.relative);
        self.excess = far.minus(floor.plus(allowed)).most(self.excess);
    }
}
