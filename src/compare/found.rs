//! What is found in a branch as it goes by: counts, and the largest of everything with the place where it stands.

use std::cmp::Ordering;

use super::class::NonFinite;
use super::excess::{Excess, Floor};
use super::vacuous::Slack;
use crate::tensor::source::Slice;
use crate::tensor::tensor::Value;

/// A place, and what both sides have there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    /// In C order.
    pub(crate) position: usize,
    pub(crate) actual: Value,
    pub(crate) reference: Value,
}

/// A largest value, and the first place where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peak<V> {
    pub(crate) value: V,
    pub(crate) spot: Spot,
}

/// What one side has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) non_finite: NonFinite,
    /// The smallest and the largest finite element, the first of each; of complex numbers the modulus.
    pub(crate) ends: Option<[Value; 2]>,
}

/// What was found so far. Peaks are over the pairs of which both are finite: the numbers.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) elements: u64,
    pub(crate) left_out: u64,
    pub(crate) numbers: u64,
    pub(crate) differing: u64,
    pub(crate) numbers_outside: u64,
    /// The position of the first of them.
    pub(crate) first_outside: Option<usize>,
    pub(crate) zero_references: u64,
    pub(crate) non_finite_mismatches: u64,
    pub(crate) first_non_finite_mismatch: Option<Spot>,
    pub(crate) distance: Option<Peak<f64>>,
    pub(crate) relative: Option<Peak<f64>>,
    pub(crate) ulps: Option<Peak<u64>>,
    pub(crate) share: Option<Peak<f64>>,
    pub(crate) excess: Excess,
    pub(crate) actual: Seen,
    pub(crate) reference: Seen,
    pub(crate) slack: Slack,
}

/// What all branches know of the largest values that any of them has found: none looks for the place of a lower one.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) distance: Floor,
    pub(crate) relative: Floor,
    pub(crate) ulps: Floor,
    pub(crate) share: Floor,
    pub(crate) excess: Floor,
    /// Above 0 where it is settled that only the right output passes.
    pub(crate) slack: Floor,
}

/// Some elements of both sides, the first of which stands at `start`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sides<'a> {
    pub(crate) actual: Slice<'a>,
    pub(crate) reference: Slice<'a>,
    pub(crate) start: usize,
}

impl Sides<'_> {
    /// What stands at that position.
    pub(crate) fn spot(&self, position: usize) -> Spot {
        let at = position - self.start;
        Spot { position, actual: self.actual.value(at), reference: self.reference.value(at) }
    }
}

impl Found {
    pub(crate) fn nothing(excess: Excess) -> Found {
        Found {
            elements: 0,
            left_out: 0,
            numbers: 0,
            differing: 0,
            numbers_outside: 0,
            first_outside: None,
            zero_references: 0,
            non_finite_mismatches: 0,
            first_non_finite_mismatch: None,
            distance: None,
            relative: None,
            ulps: None,
            share: None,
            excess,
            actual: Seen::default(),
            reference: Seen::default(),
            slack: Slack::default(),
        }
    }

    /// Counts a block of numbers, of which so many differ, and so many references are 0.
    pub(crate) fn count(&mut self, numbers: usize, differing: u64, zeros: u64) {
        self.elements += numbers as u64;
        self.numbers += numbers as u64;
        self.differing += differing;
        self.zero_references += zeros;
    }

    /// Counts numbers of a block that are outside; where the first stands is looked for once in a branch.
    pub(crate) fn count_outside(&mut self, outside: u64, first: impl FnOnce() -> Option<usize>) {
        self.numbers_outside += outside;
        if outside > 0 && self.first_outside.is_none() {
            self.first_outside = first();
        }
    }

    /// Lets the other branches know.
    pub(crate) fn tell(&self, known: &Known) {
        let peaks = [(&known.distance, self.distance), (&known.relative, self.relative), (&known.share, self.share)];
        for (known, peak) in peaks {
            known.raise(peak.map_or(0.0, |peak| peak.value));
        }
        known.ulps.raise(self.ulps.map_or(0.0, |peak| peak.value as f64));
        known.excess.raise(self.excess.floor());
    }

    /// What was found in both, `self` first in C order.
    pub(crate) fn join(self, later: Found, known: &Known) -> Found {
        Found {
            elements: self.elements + later.elements,
            left_out: self.left_out + later.left_out,
            numbers: self.numbers + later.numbers,
            differing: self.differing + later.differing,
            numbers_outside: self.numbers_outside + later.numbers_outside,
            first_outside: self.first_outside.or(later.first_outside),
            zero_references: self.zero_references + later.zero_references,
            non_finite_mismatches: self.non_finite_mismatches + later.non_finite_mismatches,
            first_non_finite_mismatch: self.first_non_finite_mismatch.or(later.first_non_finite_mismatch),
            distance: Peak::higher(self.distance, later.distance),
            relative: Peak::higher(self.relative, later.relative),
            ulps: Peak::higher(self.ulps, later.ulps),
            share: Peak::higher(self.share, later.share),
            excess: self.excess.join(later.excess, &known.excess),
            actual: self.actual.join(later.actual),
            reference: self.reference.join(later.reference),
            slack: self.slack.join(later.slack),
        }
    }
}

impl<V: PartialOrd + Copy> Peak<V> {
    /// Takes a later value in the place of the best, where it is higher.
    pub(crate) fn raise(best: &mut Option<Peak<V>>, value: V, spot: impl FnOnce() -> Spot) {
        if best.is_none_or(|best| value > best.value) {
            *best = Some(Peak { value, spot: spot() });
        }
    }

    /// The higher of the two; the earlier where they are equal.
    fn higher(earlier: Option<Peak<V>>, later: Option<Peak<V>>) -> Option<Peak<V>> {
        match (earlier, later) {
            (Some(earlier), Some(later)) if later.value > earlier.value => Some(later),
            (earlier, later) => earlier.or(later),
        }
    }
}

impl Seen {
    /// What was seen in both, `self` first in C order.
    pub(crate) fn join(mut self, later: Seen) -> Seen {
        if let Some([smallest, largest]) = later.ends {
            self.widen(smallest, largest);
        }
        Seen { non_finite: self.non_finite.join(later.non_finite), ..self }
    }

    /// Takes later extremes into account.
    pub(crate) fn widen(&mut self, smallest: Value, largest: Value) {
        let [least, most] = self.ends.get_or_insert([smallest, largest]);
        if order(smallest, *least).is_lt() {
            *least = smallest;
        }
        if order(largest, *most).is_gt() {
            *most = largest;
        }
    }
}

/// The order of two finite numbers of one dtype: exact also of integers that no `f64` holds.
pub(crate) fn order(left: Value, right: Value) -> Ordering {
    match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => left.cmp(&right),
        (left, right) => left.to_f64().partial_cmp(&right.to_f64()).unwrap_or(Ordering::Equal),
    }
}
