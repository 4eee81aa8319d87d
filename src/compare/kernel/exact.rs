//! Whether an element of a block is larger than what is known, without dividing and without missing one or taking one too many.
//! Not for integers of 64 bits: what is rounded before has no exact remainder.

use std::iter::zip;

use super::fill::fill;
use super::four::Four;
use super::number::Number;
use super::screen::LOST;
use crate::compare::lanes::LANES;

/// What a quotient has to be to matter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) value: f64,
    /// Whether it has to be larger; else it may be equal.
    pub(crate) is_passed: bool,
}

/// What an element has to have to matter: a larger share of the tolerance, a larger relative difference, or need of an atol above
/// the floor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    pub(crate) atol: f64,
    pub(crate) rtol: f64,
    pub(crate) floor: f64,
    pub(crate) share: Mark,
    pub(crate) relative: Mark,
}

impl Mark {
    /// The value, and how far above it a quotient is before it is rounded that matters.
    ///
    /// What rounds to a larger double is more than half a step above the value; no quotient of two doubles lies in the middle. The
    /// remainder is rounded once, which may carry it to that border, so that this is a little less. For those that may be equal it
    /// is a whole step below.
    fn split(self) -> [f64; 2] {
        const LOWER: f64 = 1.0 - 1.0 / (1u64 << 50) as f64;
        let step = self.value.next_up() - self.value;
        [self.value, if self.is_passed { step * 0.5 * LOWER } else { -step }]
    }
}

#[inline(always)]
pub(super) fn matters<F: Four, N: Number>(actual: &[N], reference: &[N], marks: &Marks, _: F) -> bool {
    let zero = F::splat(0.0);
    // What equals an infinity has no remainder.
    let may_be_infinite = [marks.share, marks.relative].iter().any(|mark| !mark.is_passed && mark.value.is_infinite());
    if may_be_infinite || !F::EXACT_REMAINDERS {
        return true;
    }
    let (actual, actual_rest) = actual.as_chunks();
    let (reference, reference_rest) = reference.as_chunks();
    let mut check = Check::<F> {
        tolerance: [marks.atol, marks.rtol].map(F::splat),
        floor: F::splat(marks.floor),
        share: marks.share.split().map(F::splat),
        relative: marks.relative.split().map(F::splat),
        found: zero,
        least: F::splat(f64::INFINITY),
    };
    for (a, r) in zip(actual, reference) {
        check.add::<N>(a, r);
    }
    if !actual_rest.is_empty() {
        check.add::<N>(&fill(actual_rest), &fill(reference_rest));
    }
    check.found.is_marked() || check.least.lanes().iter().any(|least| *least < LOST)
}

struct Check<F> {
    tolerance: [F; 2],
    floor: F,
    share: [F; 2],
    relative: [F; 2],
    found: F,
    /// The smallest distance that is not 0, where some are small.
    least: F,
}

impl<F: Four> Check<F> {
    #[inline(always)]
    fn add<N: Number>(&mut self, a: &[N; LANES], r: &[N; LANES]) {
        let (far, magnitude) = (N::difference::<F>(a, r).abs(), N::four::<F>(r).abs());
        let [atol, rtol] = self.tolerance;
        let of_reference = magnitude.times(rtol);
        for (divisor, [value, above]) in
            [(atol.plus(of_reference), self.share), (magnitude.without_zeros(), self.relative)]
        {
            let remainder = far.remainder(divisor, value);
            self.found = self.found.mark_above(remainder, divisor.times(above));
        }
        self.found = self.found.mark_above(far, self.floor.plus(of_reference));
        if N::SMALL {
            self.least = self.least.least_but_zero(far);
        }
    }
}
