//! Which blocks have an element above the line.

use std::iter::zip;

use super::eight::{EIGHT, Eight};
use super::fill::fill;
use super::four::Four;
use super::line::{Line, Lines, SLACK};
use super::number::Number;
use crate::compare::lanes::LANES;

/// Below this a distance of doubles may be lost in a product: far above where doubles lose digits.
pub(super) const LOST: f64 = f64::from_bits((1023 - 900) << 52);

#[inline(always)]
pub(super) fn may_matter<F: Four, N: Number>(actual: &[N], reference: &[N], line: &Line, _: F) -> bool {
    match line.doubles() {
        Lines { first: [first, second], third: Some(third) } => {
            above::<F, N, 3>(actual, reference, [first, second, third])
        }
        Lines { first, third: None } => above::<F, N, 2>(actual, reference, first),
    }
}

#[inline(always)]
fn above<F: Four, N: Number, const LINES: usize>(actual: &[N], reference: &[N], lines: [[f64; 2]; LINES]) -> bool {
    let (actual, actual_rest) = actual.as_chunks();
    let (reference, reference_rest) = reference.as_chunks();
    let mut screen = Screen::<F, LINES> {
        lines: lines.map(|line| line.map(F::splat)),
        above: F::splat(0.0),
        least: F::splat(f64::INFINITY),
    };
    for (a, r) in zip(actual, reference) {
        screen.add::<N>(a, r);
    }
    // Two zeros are above nothing that is not below 0.
    if !actual_rest.is_empty() {
        screen.add::<N>(&fill(actual_rest), &fill(reference_rest));
    }
    screen.above.is_marked() || screen.least.lanes().iter().any(|least| *least < LOST)
}

struct Screen<F, const LINES: usize> {
    lines: [[F; 2]; LINES],
    above: F,
    /// The smallest distance that is not 0, where some are small.
    least: F,
}

impl<F: Four, const LINES: usize> Screen<F, LINES> {
    #[inline(always)]
    fn add<N: Number>(&mut self, a: &[N; LANES], r: &[N; LANES]) {
        let (far, magnitude) = (N::difference::<F>(a, r).abs(), N::four::<F>(r).abs());
        let lines = self.lines.map(|[constant, slope]| magnitude.fused(slope, constant));
        self.above = self.above.mark_above(far, lines[1..].iter().fold(lines[0], |lowest, line| lowest.least(*line)));
        if N::SMALL {
            self.least = self.least.least_but_zero(far);
        }
    }
}

/// The same of singles, twice as fast: the line is lower by more.
#[inline(always)]
pub(super) fn may_matter_roughly<E: Eight>(actual: &[f32], reference: &[f32], line: &Line, _: E) -> bool {
    let Lines { first: [first, second], third } = line.singles();
    match (third, line.pair()) {
        (None, None) => roughly_above::<E, 2, false>(actual, reference, [first, second], [0.0; 2]),
        (None, Some(pair)) => roughly_above::<E, 2, true>(actual, reference, [first, second], pair),
        (Some(third), None) => roughly_above::<E, 3, false>(actual, reference, [first, second, third], [0.0; 2]),
        (Some(third), Some(pair)) => roughly_above::<E, 3, true>(actual, reference, [first, second, third], pair),
    }
}

#[inline(always)]
fn roughly_above<E: Eight, const LINES: usize, const PAIR: bool>(
    actual: &[f32],
    reference: &[f32],
    lines: [[f32; 2]; LINES],
    pair: [f32; 2],
) -> bool {
    let (actual, actual_rest) = actual.as_chunks();
    let (reference, reference_rest) = reference.as_chunks();
    let mut screen = RoughScreen::<E, LINES, PAIR> {
        lines: lines.map(|[constant, slope]| [constant - SLACK, slope].map(E::splat)),
        pair: pair.map(E::splat),
        above: E::splat(0.0),
    };
    for (a, r) in zip(actual, reference) {
        screen.add(a, r);
    }
    if !actual_rest.is_empty() {
        screen.add(&fill(actual_rest), &fill(reference_rest));
    }
    screen.above.is_marked()
}

struct RoughScreen<E, const LINES: usize, const PAIR: bool> {
    lines: [[E; 2]; LINES],
    /// What does not matter.
    pair: [E; 2],
    above: E,
}

impl<E: Eight, const LINES: usize, const PAIR: bool> RoughScreen<E, LINES, PAIR> {
    #[inline(always)]
    fn add(&mut self, a: &[f32; EIGHT], r: &[f32; EIGHT]) {
        let (a, r) = (E::from_singles(a), E::from_singles(r));
        let (far, magnitude) = (a.minus(r).abs(), r.abs());
        let lines = self.lines.map(|[constant, slope]| magnitude.fused(slope, constant));
        let line = lines[1..].iter().fold(lines[0], |lowest, line| lowest.least(*line));
        // A line that is below 0 because of what was taken off it is 0.
        let least = if PAIR { magnitude.where_equal(self.pair[0], self.pair[1]) } else { E::splat(0.0) };
        self.above = self.above.mark_above(far, line.most(least));
    }
}
