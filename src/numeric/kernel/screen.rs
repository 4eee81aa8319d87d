//! Which blocks have an element above the line.

use std::iter::zip;

use super::eight::{EIGHT, Eight};
use super::fill::fill;
use super::four::Four;
use super::line::{Factors, Line, SLACK};
use super::number::Number;
use crate::numeric::lanes::LANES;

/// Below this a distance of doubles may be lost in a product: far above where doubles lose digits.
const LOST: f64 = f64::from_bits((1023 - 900) << 52);

#[inline(always)]
pub(super) fn may_matter<F: Four, N: Number>(actual: &[N], reference: &[N], line: &Line, _: F) -> bool {
    let (actual, actual_rest) = actual.as_chunks();
    let (reference, reference_rest) = reference.as_chunks();
    let mut screen = Screen::<F>::new(line);
    for (a, r) in zip(actual, reference) {
        screen.add::<N>(a, r);
    }
    // Two zeros are above nothing that is not below 0.
    if !actual_rest.is_empty() {
        screen.add::<N>(&fill(actual_rest), &fill(reference_rest));
    }
    screen.above.is_marked() || screen.least.lanes().iter().any(|least| *least < LOST)
}

struct Screen<F> {
    excess: [F; 2],
    share: [F; 2],
    relative: F,
    above: F,
    /// The smallest distance that is not 0, where some are small.
    least: F,
}

impl<F: Four> Screen<F> {
    #[inline(always)]
    fn new(line: &Line) -> Screen<F> {
        let Factors { excess, share, relative } = line.doubles();
        Screen {
            excess: excess.map(F::splat),
            share: share.map(F::splat),
            relative: F::splat(relative),
            above: F::splat(0.0),
            least: F::splat(f64::INFINITY),
        }
    }

    #[inline(always)]
    fn add<N: Number>(&mut self, a: &[N; LANES], r: &[N; LANES]) {
        let (far, magnitude) = (N::difference::<F>(a, r).abs(), N::four::<F>(r).abs());
        let excess = magnitude.fused(self.excess[1], self.excess[0]);
        let share = magnitude.fused(self.share[1], self.share[0]);
        self.above = self.above.mark_above(far, excess.least(share).least(magnitude.times(self.relative)));
        if N::SMALL {
            self.least = self.least.least_but_zero(far);
        }
    }
}

/// The same of singles, twice as fast: the line is lower by more.
#[inline(always)]
pub(super) fn may_matter_roughly<E: Eight>(actual: &[f32], reference: &[f32], line: &Line, _: E) -> bool {
    let (actual, actual_rest) = actual.as_chunks();
    let (reference, reference_rest) = reference.as_chunks();
    let mut screen = RoughScreen::<E>::new(line);
    for (a, r) in zip(actual, reference) {
        screen.add(a, r);
    }
    if !actual_rest.is_empty() {
        screen.add(&fill(actual_rest), &fill(reference_rest));
    }
    screen.above.is_marked()
}

struct RoughScreen<E> {
    lines: [[E; 2]; 3],
    pair: [E; 2],
    above: E,
}

impl<E: Eight> RoughScreen<E> {
    #[inline(always)]
    fn new(line: &Line) -> RoughScreen<E> {
        let Factors { excess, share, relative } = line.singles();
        let lines = [[excess[0] - SLACK, excess[1]], [share[0] - SLACK, share[1]], [-SLACK, relative]];
        RoughScreen {
            lines: lines.map(|line| line.map(E::splat)),
            pair: line.pair().map(E::splat),
            above: E::splat(0.0),
        }
    }

    #[inline(always)]
    fn add(&mut self, a: &[f32; EIGHT], r: &[f32; EIGHT]) {
        let (a, r) = (E::from_singles(a), E::from_singles(r));
        let (far, magnitude) = (a.minus(r).abs(), r.abs());
        let [excess, share, relative] = self.lines.map(|[constant, slope]| magnitude.fused(slope, constant));
        let line = excess.least(share).least(relative);
        // A line that is below 0 because of what was taken off it is 0.
        let line = line.most(magnitude.where_equal(self.pair[0], self.pair[1]));
        self.above = self.above.mark_above(far, line);
    }
}
