//! What is found in a branch as it goes by: counts, and the largest of everything with the place where it stands.

use std::cmp::Ordering;

use super::excess::Excess;
use super::moments::Moments;
use super::rules::Rules;
use super::summary::NonFinite;
use super::sums::Sums;
use super::vacuous::Slack;
use super::wide::{Gap, Wide};
use crate::tensor::{Slice, Value};

/// Some elements of both sides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'a> {
    pub(crate) actual: Slice<'a>,
    pub(crate) reference: Slice<'a>,
    /// Of these elements.
    pub(crate) mask: Option<&'a [bool]>,
    /// The position of the first in C order.
    pub(crate) start: usize,
}

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
#[derive(Clone, Debug, Default)]
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

/// The sums over some blocks of a pair, and the moments of either side: the order in which they are joined shows in the last bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    pub(crate) sums: Sums,
    pub(crate) actual: Option<Moments>,
    pub(crate) reference: Option<Moments>,
}

impl<'a> Block<'a> {
    /// The elements from one place to another.
    pub(crate) fn part(&self, from: usize, to: usize) -> Block<'a> {
        Block {
            actual: self.actual.part(from..to),
            reference: self.reference.part(from..to),
            // A mask that keeps all is none.
            mask: self.mask.map(|mask| &mask[from..to]).filter(|mask| mask.contains(&false)),
            start: self.start + from,
        }
    }

    pub(crate) fn keeps(&self, place: usize) -> bool {
        self.mask.is_none_or(|mask| mask[place])
    }

    /// What stands at that place.
    pub(crate) fn spot(&self, place: usize) -> Spot {
        Spot { position: self.start + place, actual: self.actual.value(place), reference: self.reference.value(place) }
    }
}

impl Found {
    pub(crate) fn new(rules: &Rules) -> Found {
        Found { excess: Excess::new(rules.tolerance.outliers), ..Found::default() }
    }

    /// Holds two numbers that stand at that spot against the tolerance.
    #[inline]
    pub(crate) fn judge<W: Wide>(&mut self, actual: W, reference: W, rules: &Rules, spot: impl Fn() -> Spot) -> Gap {
        let gap = Gap::between(actual, reference, &rules.tolerance);
        raise(&mut self.share, gap.share, &spot);
        if gap.magnitude > 0.0 {
            raise(&mut self.relative, gap.distance / gap.magnitude, &spot);
        }
        self.excess.add(actual, reference, rules.tolerance.rtol * gap.magnitude);
        gap
    }

    /// What was found in both, `self` first in C order.
    pub(crate) fn join(self, later: Found) -> Found {
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
            distance: higher(self.distance, later.distance),
            relative: higher(self.relative, later.relative),
            ulps: higher(self.ulps, later.ulps),
            share: higher(self.share, later.share),
            excess: self.excess.join(later.excess),
            actual: self.actual.join(later.actual),
            reference: self.reference.join(later.reference),
            slack: self.slack.join(later.slack),
        }
    }
}

impl Tally {
    /// Of the elements of both, `self` first in C order.
    pub(crate) fn join(self, later: Tally) -> Tally {
        Tally {
            sums: self.sums.join(later.sums),
            actual: Moments::join_some(self.actual, later.actual),
            reference: Moments::join_some(self.reference, later.reference),
        }
    }
}

impl Seen {
    /// What was seen in both, `self` first in C order.
    fn join(mut self, later: Seen) -> Seen {
        if let Some([smallest, largest]) = later.ends {
            self.widen(smallest);
            self.widen(largest);
        }
        Seen { non_finite: self.non_finite.join(later.non_finite), ..self }
    }

    /// Takes a later finite element into account.
    pub(crate) fn widen(&mut self, value: Value) {
        let [least, most] = self.ends.get_or_insert([value; 2]);
        if order(value, *least).is_lt() {
            *least = value;
        }
        if order(value, *most).is_gt() {
            *most = value;
        }
    }
}

/// Takes a later value in the place of the best, where it is higher.
#[inline]
pub(crate) fn raise<V: PartialOrd + Copy>(best: &mut Option<Peak<V>>, value: V, spot: impl FnOnce() -> Spot) {
    if best.is_none_or(|best| value > best.value) {
        *best = Some(Peak { value, spot: spot() });
    }
}

/// The higher of the two; the earlier where they are equal.
fn higher<V: PartialOrd + Copy>(earlier: Option<Peak<V>>, later: Option<Peak<V>>) -> Option<Peak<V>> {
    match (earlier, later) {
        (Some(earlier), Some(later)) if later.value > earlier.value => Some(later),
        (earlier, later) => earlier.or(later),
    }
}

/// The order of two finite numbers of one dtype: exact also of integers that no `f64` holds.
fn order(left: Value, right: Value) -> Ordering {
    match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => left.cmp(&right),
        (left, right) => left.to_f64().partial_cmp(&right.to_f64()).unwrap_or(Ordering::Equal),
    }
}
