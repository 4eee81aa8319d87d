//! The atol that would have done.

use super::wide::Wide;

/// The largest of the smallest atols that single elements need, largest first: as many as outliers are allowed, and one
/// more, which is what the whole needs.
#[derive(Clone, Debug)]
pub(crate) struct Excess {
    limit: usize,
    largest_first: Vec<f64>,
}

impl Excess {
    pub(crate) fn new(outliers: u64) -> Excess {
        let limit = usize::try_from(outliers).unwrap_or(usize::MAX).saturating_add(1);
        Excess { limit, largest_first: Vec::new() }
    }

    /// Takes one pair into account, with `relative` allowed by rtol.
    #[inline]
    pub(crate) fn add<W: Wide>(&mut self, actual: W, reference: W, relative: f64) {
        let known = if self.largest_first.len() < self.limit { 0.0 } else { self.largest_first[self.limit - 1] };
        if !actual.is_within(reference, known + relative) {
            self.insert(smallest_atol(actual, reference, relative));
        }
    }

    fn insert(&mut self, atol: f64) {
        let place = self.largest_first.partition_point(|&larger| larger >= atol);
        self.largest_first.insert(place, atol);
        self.largest_first.truncate(self.limit);
    }

    /// That of two sets of elements together.
    pub(crate) fn join(mut self, mut other: Excess) -> Excess {
        if self.largest_first.len() < other.largest_first.len() {
            std::mem::swap(&mut self, &mut other);
        }
        if self.limit == 1 || other.largest_first.len() == 1 {
            other.largest_first.iter().for_each(|&atol| self.insert(atol));
        } else if !other.largest_first.is_empty() {
            self.largest_first.append(&mut other.largest_first);
            self.largest_first.sort_unstable_by(|left, right| right.total_cmp(left));
            self.largest_first.truncate(self.limit);
        }
        self
    }

    /// The smallest atol with which no more elements are outside than are allowed; `None` where no finite one does.
    pub(crate) fn smallest_atol(&self) -> Option<f64> {
        let atol = if self.largest_first.len() < self.limit { 0.0 } else { self.largest_first[self.limit - 1] };
        atol.is_finite().then_some(atol)
    }
}

/// The smallest `f64` with which this pair is within `atol + relative` as [`compare`](super::compare) rounds it; an infinity
/// where there is none.
///
/// `|actual - reference| - relative` is only a guess: the addition rounds, and may hide many values of atol.
fn smallest_atol<W: Wide>(actual: W, reference: W, relative: f64) -> f64 {
    let passes = |bits: u64| actual.is_within(reference, f64::from_bits(bits) + relative);
    let guess = actual.distance(reference) - relative;
    if !guess.is_finite() {
        return f64::INFINITY;
    }
    // The bits of numbers from 0 up are in their order. Bracket the place where it begins to pass, then halve.
    let guess = guess.max(0.0).to_bits();
    let (mut fails, mut passing);
    let mut step = 1;
    if passes(guess) {
        passing = guess;
        loop {
            if passing == 0 {
                return 0.0;
            }
            fails = passing.saturating_sub(step);
            if !passes(fails) {
                break;
            }
            passing = fails;
            step *= 2;
        }
    } else {
        fails = guess;
        loop {
            passing = (fails + step).min(f64::MAX.to_bits());
            if passes(passing) {
                break;
            }
            if passing == f64::MAX.to_bits() {
                return f64::INFINITY;
            }
            fails = passing;
            step *= 2;
        }
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
    fn an_integer_difference_between_two_doubles_needs_the_upper() {
        let difference = (1i128 << 53) + 1;
        assert_eq!(smallest_atol(difference, 0, 0.0), 2f64.powi(53) + 2.0);
    }

    #[test]
    fn the_largest_are_kept_in_whatever_order_they_come() {
        let mut excess = Excess::new(2);
        [3.0, 1.0, 5.0, 4.0, 2.0].iter().for_each(|&x| excess.add(x, 0.0, 0.0));
        assert_eq!(excess.largest_first, [5.0, 4.0, 3.0]);
        let mut other = Excess::new(2);
        [4.5, 0.5].iter().for_each(|&x| other.add(x, 0.0, 0.0));
        assert_eq!(other.smallest_atol(), Some(0.0));
        assert_eq!(other.join(excess).largest_first, [5.0, 4.5, 4.0]);
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
