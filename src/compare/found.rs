//! What is found in a branch as it goes by: counts, and the largest of everything with the place where it stands.

use std::cmp::Ordering;

use super::comparison::NonFinite;
use super::moments::Moments;
use super::rules::Rules;
use super::sums::Sums;
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

/// The largest of the smallest atols that single elements need: as many as outliers are allowed, and one more, which is
/// what the whole needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Excess {
    outliers: usize,
    /// At most one more than outliers after [`prune`](Excess::prune), in no order.
    atols: Vec<f64>,
    /// More elements than outliers need at least this much, so that one that needs no more changes nothing.
    floor: f64,
}

impl Excess {
    pub(crate) fn new(outliers: u64) -> Excess {
        Excess { outliers: usize::try_from(outliers).unwrap_or(usize::MAX), ..Excess::default() }
    }

    /// Takes one pair into account, with `relative` allowed by rtol.
    #[inline]
    pub(crate) fn add<W: Wide>(&mut self, actual: W, reference: W, relative: f64) {
        if !actual.is_within(reference, self.floor + relative) {
            self.atols.push(smallest_atol(actual, reference, relative));
            if self.atols.len() / 2 > self.outliers {
                self.prune();
            }
        }
    }

    /// That of two sets of elements together.
    pub(crate) fn join(mut self, later: Excess) -> Excess {
        self.atols.extend(later.atols);
        self.floor = self.floor.max(later.floor);
        self.prune();
        self
    }

    /// Drops what cannot matter.
    pub(crate) fn prune(&mut self) {
        if self.atols.len() > self.outliers {
            let descending = |left: &f64, right: &f64| right.total_cmp(left);
            let (_, lowest, _) = self.atols.select_nth_unstable_by(self.outliers, descending);
            self.floor = self.floor.max(*lowest);
            self.atols.truncate(self.outliers + 1);
        }
    }

    pub(crate) fn floor(&self) -> f64 {
        self.floor
    }

    /// The smallest atol with which no more elements are outside than are allowed; `None` where no finite one does.
    pub(crate) fn smallest_atol(mut self) -> Option<f64> {
        self.prune();
        self.floor.is_finite().then_some(self.floor)
    }
}

/// The smallest `f64` with which this pair is within `atol + relative` as [`compare`](super::compare()) rounds it; an infinity
/// where there is none.
///
/// `|actual - reference| - relative` is only a guess: the addition rounds, and may hide many values of atol.
fn smallest_atol<W: Wide>(actual: W, reference: W, relative: f64) -> f64 {
    let passes = |bits: u64| actual.is_within(reference, f64::from_bits(bits) + relative);
    let guess = actual.distance(reference) - relative;
    // Where the share of a huge reference overflows, a difference that does not is within it.
    if guess.is_nan() || guess == f64::INFINITY || !passes(f64::MAX.to_bits()) {
        return f64::INFINITY;
    }
    // The bits of numbers from 0 up are in their order. Bracket the place where it begins to pass, then halve.
    let guess = guess.max(0.0).to_bits();
    let (mut fails, mut passing) = (guess, guess);
    let mut step = 1;
    while passes(fails) {
        if fails == 0 {
            return 0.0;
        }
        (passing, fails) = (fails, fails.saturating_sub(step));
        step *= 2;
    }
    while !passes(passing) {
        (fails, passing) = (passing, (passing + step).min(f64::MAX.to_bits()));
        step *= 2;
    }
    while passing - fails > 1 {
        let middle = fails + (passing - fails) / 2;
        if passes(middle) { passing = middle } else { fails = middle }
    }
    f64::from_bits(passing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_atol_that_rounding_hides_is_found() {
        // 1 - 2^-53 + atol rounds up to 1 from the tie at 2^-54 on, 2^52 doubles below the plain difference of 2^-53.
        let relative = 1.0f64.next_down();
        assert_eq!(smallest_atol(2.0, 1.0, relative), 2f64.powi(-54));
    }

    #[test]
    fn an_overflowing_difference_has_no_atol() {
        assert_eq!(smallest_atol(f64::MAX, f64::MIN, 0.0), f64::INFINITY);
        assert_eq!(smallest_atol(f64::MAX, f64::MIN, f64::INFINITY), f64::INFINITY);
    }

    #[test]
    fn a_share_that_overflows_needs_no_atol() {
        assert_eq!(smallest_atol(1e308, 1.1e308, f64::INFINITY), 0.0);
    }

    #[test]
    fn an_integer_difference_between_two_doubles_needs_the_upper() {
        let difference = (1i128 << 53) + 1;
        assert_eq!(smallest_atol(difference, 0, 0.0), 2f64.powi(53) + 2.0);
    }

    #[test]
    fn the_largest_are_kept_in_whatever_order_they_come() {
        let excess = |atols: &[f64]| {
            let mut excess = Excess::new(2);
            atols.iter().for_each(|&x| excess.add(x, 0.0, 0.0));
            excess
        };
        assert_eq!(excess(&[3.0, 1.0, 5.0, 4.0, 2.0, 0.5, 6.0]).smallest_atol(), Some(4.0));
        assert_eq!(excess(&[3.0, 0.0, 5.0]).smallest_atol(), Some(0.0));
        let joined = excess(&[4.5, 0.5]).join(excess(&[3.0, 1.0, 5.0, 4.0]));
        assert_eq!(joined.join(excess(&[9.0])).smallest_atol(), Some(4.5));
    }

    proptest! {
        #[test]
        fn the_smallest_atol_passes_and_the_next_smaller_does_not(
            actual in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO,
            steps in -3i64..3,
            far in proptest::num::f64::NORMAL | proptest::num::f64::ZERO,
            near in any::<bool>(),
            rtol in prop_oneof![Just(0.0), Just(1e-16), Just(1e-5), 0.0..2.0],
        ) {
            let reference = if near { f64::from_bits(actual.to_bits().saturating_add_signed(steps)) } else { far };
            prop_assume!(reference.is_finite());
            let relative = rtol * reference.abs();
            let atol = smallest_atol(actual, reference, relative);
            if atol == f64::INFINITY {
                prop_assert!(!actual.is_within(reference, f64::MAX + relative));
            } else {
                prop_assert!(actual.is_within(reference, atol + relative));
                prop_assert!(atol == 0.0 || !actual.is_within(reference, atol.next_down() + relative));
            }
        }
    }
}
