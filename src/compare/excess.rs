//! The atol that would have been enough.

use super::wide::Wide;

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
