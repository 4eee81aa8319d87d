//! The distance in units in the last place.

use crate::tensor::{Element, Slice, dispatch};

/// Returns the number of steps between two floats, from one representable value to the next; `None` for NaN, and for integers,
/// booleans and complex numbers.
///
/// The bits of a float, read as a sign-magnitude integer, are in the order of the values. The distance is the difference of these
/// integers, as in Bruce Dawson's "Comparing floating point numbers". Both zeros are the same value, and infinity is the value after
/// the largest finite one. ([`compare`](super::compare()) does not measure distances from an infinity.)
///
/// ```
/// use half::{bf16, f16};
/// use karat::{F8E4M3, F8E5M2, ulp_distance};
///
/// assert_eq!(ulp_distance(1.0f32, 1.0 + f32::EPSILON), Some(1));
/// assert_eq!(ulp_distance(1.0f64, 1.0 - f64::EPSILON), Some(2)); // below 1 the steps are half as large
/// assert_eq!(ulp_distance(f16::ONE, f16::from_f32(1.5)), Some(512));
/// assert_eq!(ulp_distance(bf16::ONE, bf16::from_f32(1.5)), Some(64));
/// assert_eq!(ulp_distance(F8E4M3(0x38), F8E4M3(0x3a)), Some(2)); // 1 and 1.25
/// assert_eq!(ulp_distance(F8E5M2(0x3c), F8E5M2(0xbc)), Some(120)); // 1 and -1
///
/// assert_eq!(ulp_distance(0.0f32, -0.0), Some(0));
/// assert_eq!(ulp_distance(f32::from_bits(1), -f32::from_bits(1)), Some(2));
/// assert_eq!(ulp_distance(f32::INFINITY, f32::MAX), Some(1));
/// assert_eq!(ulp_distance(f64::INFINITY, f64::NEG_INFINITY), Some(2 * f64::INFINITY.to_bits()));
///
/// assert_eq!(ulp_distance(f32::NAN, f32::NAN), None);
/// assert_eq!(ulp_distance(1i32, 2), None);
/// ```
#[must_use]
pub fn ulp_distance<T: Element>(actual: T, reference: T) -> Option<u64> {
    Some(actual.ulp_key()?.abs_diff(reference.ulp_key()?))
}

/// Returns the integer of an element, as described at [`ulp_distance`].
pub(crate) fn key_at(elements: Slice<'_>, place: usize) -> Option<i64> {
    dispatch!(elements, elements => elements[place].ulp_key())
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    #[test]
    fn adjacent_f16_values_are_one_step_apart() {
        let mut values: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).filter(|x| !x.is_nan()).collect();
        values.sort_by(f16::total_cmp);
        for pair in values.windows(2) {
            let expected = u64::from(pair[0] != pair[1]); // -0 and 0 are adjacent, and equal
            assert_eq!(ulp_distance(pair[0], pair[1]), Some(expected), "{pair:?}");
        }
    }

    #[test]
    fn the_whole_range_of_f64_does_not_overflow() {
        assert_eq!(ulp_distance(f64::MAX, f64::MIN), Some(2 * f64::MAX.to_bits()));
    }
}
