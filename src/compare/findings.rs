//! The findings of a pass over a branch: counts, and the largest value of every measure with its position.

use std::cmp::Ordering;

use super::comparison::NonFinite;
use super::moments::Moments;
use super::rules::Rules;
use super::sums::Sums;
use super::wide::{Gap, Wide};
use crate::tensor::{Slice, Value};

/// Consecutive elements of both sides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'a> {
    pub(crate) actual: Slice<'a>,
    pub(crate) reference: Slice<'a>,
    /// The mask of these elements.
    pub(crate) mask: Option<&'a [bool]>,
    /// The position of the first element in C order.
    pub(crate) start: usize,
}

/// A position, and both values there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    /// The position in C order.
    pub(crate) position: usize,
    pub(crate) actual: Value,
    pub(crate) reference: Value,
}

/// A largest value, and the first position that has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peak<V> {
    pub(crate) value: V,
    pub(crate) spot: Spot,
}

/// The findings about one side.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SideFindings {
    pub(crate) non_finite: NonFinite,
    /// The smallest and the largest finite element, the first of each; for complex numbers the modulus.
    pub(crate) extremes: Option<[Value; 2]>,
}

/// The findings so far. Peaks are over the numbers: the pairs with two finite values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    pub(crate) elements: u64,
    pub(crate) left_out: u64,
    pub(crate) numbers: u64,
    pub(crate) differing: u64,
    pub(crate) numbers_outside: u64,
    /// The position of the first number outside.
    pub(crate) first_outside: Option<usize>,
    pub(crate) zero_references: u64,
    pub(crate) non_finite_mismatches: u64,
    pub(crate) first_non_finite_mismatch: Option<Spot>,
    pub(crate) distance: Option<Peak<f64>>,
    pub(crate) relative: Option<Peak<f64>>,
    pub(crate) ulps: Option<Peak<u64>>,
    pub(crate) share: Option<Peak<f64>>,
    pub(crate) required_atols: RequiredAtols,
    pub(crate) actual: SideFindings,
    pub(crate) reference: SideFindings,
}

/// The sums over some blocks of a pair, and the moments of each side. The order of joining affects the last bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    pub(crate) sums: Sums,
    pub(crate) actual: Option<Moments>,
    pub(crate) reference: Option<Moments>,
}

impl<'a> Block<'a> {
    /// Returns the elements from one offset to another.
    pub(crate) fn part(&self, from: usize, to: usize) -> Block<'a> {
        Block {
            actual: self.actual.part(from..to),
            reference: self.reference.part(from..to),
            // A mask without `false` is dropped.
            mask: self.mask.map(|mask| &mask[from..to]).filter(|mask| mask.contains(&false)),
            start: self.start + from,
        }
    }

    /// Returns whether the mask includes the element at that offset.
    pub(crate) fn includes(&self, offset: usize) -> bool {
        self.mask.is_none_or(|mask| mask[offset])
    }

    /// Returns the position and the values at that offset.
    pub(crate) fn spot(&self, offset: usize) -> Spot {
        Spot {
            position: self.start + offset,
            actual: self.actual.value(offset),
            reference: self.reference.value(offset),
        }
    }
}

impl Findings {
    pub(crate) fn new(rules: &Rules) -> Findings {
        Findings { required_atols: RequiredAtols::new(rules.tolerance.outliers), ..Findings::default() }
    }

    /// Compares two numbers by the tolerance, and updates the peaks that depend on it.
    #[inline]
    pub(crate) fn add_numbers<W: Wide>(
        &mut self,
        actual: W,
        reference: W,
        rules: &Rules,
        spot: impl Fn() -> Spot,
    ) -> Gap {
        let gap = Gap::between(actual, reference, &rules.tolerance);
        raise(&mut self.share, gap.share, &spot);
        if gap.magnitude > 0.0 {
            raise(&mut self.relative, gap.distance / gap.magnitude, &spot);
        }
        self.required_atols.add(actual, reference, rules.tolerance.rtol * gap.magnitude);
        gap
    }

    /// Combines the findings of two ranges; `self` is the earlier one in C order.
    pub(crate) fn join(self, later: Findings) -> Findings {
        Findings {
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
            required_atols: self.required_atols.join(later.required_atols),
            actual: self.actual.join(later.actual),
            reference: self.reference.join(later.reference),
        }
    }
}

impl Tally {
    /// Combines the tallies of two ranges; `self` is the earlier one in C order.
    pub(crate) fn join(self, later: Tally) -> Tally {
        Tally {
            sums: self.sums.join(later.sums),
            actual: Moments::join_some(self.actual, later.actual),
            reference: Moments::join_some(self.reference, later.reference),
        }
    }
}

impl SideFindings {
    /// Combines the findings of two ranges; `self` is the earlier one in C order.
    fn join(mut self, later: SideFindings) -> SideFindings {
        later.extremes.into_iter().flatten().for_each(|extreme| self.add_finite(extreme));
        SideFindings { non_finite: self.non_finite.join(later.non_finite), ..self }
    }

    /// Adds a finite element, which is later in C order.
    pub(crate) fn add_finite(&mut self, value: Value) {
        let [least, most] = self.extremes.get_or_insert([value; 2]);
        if order(value, *least).is_lt() {
            *least = value;
        }
        if order(value, *most).is_gt() {
            *most = value;
        }
    }
}

/// Replaces the best by a later value if that is higher.
#[inline]
pub(crate) fn raise<V: PartialOrd + Copy>(best: &mut Option<Peak<V>>, value: V, spot: impl FnOnce() -> Spot) {
    if best.is_none_or(|best| value > best.value) {
        *best = Some(Peak { value, spot: spot() });
    }
}

/// Returns the higher of the two; the earlier one if they are equal.
fn higher<V: PartialOrd + Copy>(earlier: Option<Peak<V>>, later: Option<Peak<V>>) -> Option<Peak<V>> {
    match (earlier, later) {
        (Some(earlier), Some(later)) if later.value > earlier.value => Some(later),
        (earlier, later) => earlier.or(later),
    }
}

/// Compares two finite numbers of the same dtype, exactly, even integers that `f64` cannot represent.
fn order(left: Value, right: Value) -> Ordering {
    match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => left.cmp(&right),
        (left, right) => left.to_f64().partial_cmp(&right.to_f64()).unwrap_or(Ordering::Equal),
    }
}

/// The largest of the atols that single elements require: one more than the allowed outliers. The smallest of these is the atol
/// that the whole pair requires.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequiredAtols {
    outliers: usize,
    /// At most one more than the outliers after [`prune`](RequiredAtols::prune), in no order.
    atols: Vec<f64>,
    /// More elements than the allowed outliers require at least this atol, so an element that requires no more can be ignored.
    floor: f64,
}

impl RequiredAtols {
    pub(crate) fn new(outliers: u64) -> RequiredAtols {
        RequiredAtols { outliers: usize::try_from(outliers).unwrap_or(usize::MAX), ..RequiredAtols::default() }
    }

    /// Adds one pair, for which rtol allows `relative`.
    #[inline]
    pub(crate) fn add<W: Wide>(&mut self, actual: W, reference: W, relative: f64) {
        if !actual.is_within(reference, self.floor + relative) {
            self.atols.push(smallest_atol(actual, reference, relative));
            if self.atols.len() / 2 > self.outliers {
                self.prune();
            }
        }
    }

    /// Combines two sets of elements.
    pub(crate) fn join(mut self, later: RequiredAtols) -> RequiredAtols {
        self.atols.extend(later.atols);
        self.floor = self.floor.max(later.floor);
        self.prune();
        self
    }

    /// Drops the atols that cannot affect the result.
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

    /// Returns the smallest atol with which no more elements than the allowed outliers are outside; `None` if it is not finite.
    pub(crate) fn smallest_atol(mut self) -> Option<f64> {
        self.prune();
        self.floor.is_finite().then_some(self.floor)
    }
}

/// Returns the smallest atol for which this pair is within `atol + relative`, rounded as in [`compare`](super::compare());
/// infinity if there is none.
///
/// `|actual - reference| - relative` is only an approximation: because the addition rounds, many values of atol can give the same
/// sum.
fn smallest_atol<W: Wide>(actual: W, reference: W, relative: f64) -> f64 {
    let passes = |bits: u64| actual.is_within(reference, f64::from_bits(bits) + relative);
    let guess = actual.distance(reference) - relative;
    // If `relative` overflows, every finite difference is within the tolerance, and the guess is -inf.
    if guess.is_nan() || guess == f64::INFINITY || !passes(f64::MAX.to_bits()) {
        return f64::INFINITY;
    }
    // The bits of non-negative floats are in the order of their values. Find a bracket of the first passing one, then bisect.
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
    fn the_smallest_atol_is_found_despite_rounding() {
        // 1 - 2^-53 + atol rounds up to 1 for every atol from 2^-54, 2^52 doubles below the exact difference of 2^-53.
        let relative = 1.0f64.next_down();
        assert_eq!(smallest_atol(2.0, 1.0, relative), 2f64.powi(-54));
    }

    #[test]
    fn an_overflowing_difference_requires_an_infinite_atol() {
        assert_eq!(smallest_atol(f64::MAX, f64::MIN, 0.0), f64::INFINITY);
        assert_eq!(smallest_atol(f64::MAX, f64::MIN, f64::INFINITY), f64::INFINITY);
    }

    #[test]
    fn an_overflowing_relative_part_requires_no_atol() {
        assert_eq!(smallest_atol(1e308, 1.1e308, f64::INFINITY), 0.0);
    }

    #[test]
    fn an_integer_difference_between_two_doubles_requires_the_upper_one() {
        let difference = (1i128 << 53) + 1;
        assert_eq!(smallest_atol(difference, 0, 0.0), 2f64.powi(53) + 2.0);
    }

    #[test]
    fn the_largest_atols_are_stored_in_any_order() {
        let required = |atols: &[f64]| {
            let mut required = RequiredAtols::new(2);
            atols.iter().for_each(|&x| required.add(x, 0.0, 0.0));
            required
        };
        assert_eq!(required(&[3.0, 1.0, 5.0, 4.0, 2.0, 0.5, 6.0]).smallest_atol(), Some(4.0));
        assert_eq!(required(&[3.0, 0.0, 5.0]).smallest_atol(), Some(0.0));
        let joined = required(&[4.5, 0.5]).join(required(&[3.0, 1.0, 5.0, 4.0]));
        assert_eq!(joined.join(required(&[9.0])).smallest_atol(), Some(4.5));
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
