//! Sums of one block in four running sums, which a processor can add in parallel, joined in a fixed order.
//!
//! Element `i` is added to sum `i % 4`, whatever the width of the machine's vectors. Products are rounded before they are added: Rust
//! does not contract them into a fused multiply-add.

use std::ops::{Add, AddAssign, Mul, Sub};

/// The number of running sums. Four doubles are one vector of AVX2. Changing it changes the last bits of every sum.
pub(crate) const LANES: usize = 4;

/// Four doubles, which the compiler turns into a vector if the target has one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Four(pub(crate) [f64; LANES]);

impl Four {
    #[inline(always)]
    fn zip(self, other: Four, of: impl Fn(f64, f64) -> f64) -> Four {
        // Not `array::from_fn`, which the compiler does not vectorize.
        let mut out = Four::default();
        for lane in 0..LANES {
            out.0[lane] = of(self.0[lane], other.0[lane]);
        }
        out
    }

    #[inline(always)]
    pub(crate) fn abs(self) -> Four {
        Four(self.0.map(f64::abs))
    }

    /// Returns the larger of each pair; the first if either is NaN.
    #[inline(always)]
    pub(crate) fn max(self, other: Four) -> Four {
        self.zip(other, |x, y| if y > x { y } else { x })
    }

    /// Returns `self * factor + term`, rounded once if `FMA`, which is a slow function call on targets without the instruction.
    #[inline(always)]
    pub(crate) fn fused<const FMA: bool>(self, factor: Four, term: Four) -> Four {
        if !FMA {
            return self * factor + term;
        }
        let mut out = Four::default();
        for lane in 0..LANES {
            out.0[lane] = self.0[lane].mul_add(factor.0[lane], term.0[lane]);
        }
        out
    }

    /// Adds the running sums.
    pub(crate) fn join(self) -> f64 {
        let [a, b, c, d] = self.0;
        (a + c) + (b + d)
    }
}

macro_rules! lane_operators {
    ($($operator:ident $method:ident $symbol:tt)*) => {$(
        impl $operator for Four {
            type Output = Four;

            #[inline(always)]
            fn $method(self, other: Four) -> Four {
                self.zip(other, |x, y| x $symbol y)
            }
        }
    )*};
}

lane_operators! { Add add + Sub sub - Mul mul * }

impl AddAssign for Four {
    #[inline(always)]
    fn add_assign(&mut self, other: Four) {
        *self = *self + other;
    }
}

/// Returns the sum of a column.
pub(crate) fn sum(column: &[f64]) -> f64 {
    let (fours, rest) = column.as_chunks();
    let mut sums = Four::default();
    for four in fours {
        sums += Four(*four);
    }
    (sums + Four(pad(rest))).join()
}

/// Returns the dot product of two columns of the same length.
pub(crate) fn dot(left: &[f64], right: &[f64]) -> f64 {
    let ((left, left_rest), (right, right_rest)) = (left.as_chunks(), right.as_chunks());
    let mut sums = Four::default();
    for (left, right) in left.iter().zip(right) {
        sums += Four(*left) * Four(*right);
    }
    (sums + Four(pad(left_rest)) * Four(pad(right_rest))).join()
}

/// Returns the largest magnitude in a column without NaN; 0 if it is empty.
pub(crate) fn largest(column: &[f64]) -> f64 {
    column.iter().fold(0.0, |largest, x| largest.max(x.abs()))
}

/// Pads elements with zeros to a full vector. The zeros change no sum: a sum that started at 0 is never -0.
#[inline(always)]
pub(crate) fn pad<T: Copy + Default, const N: usize>(rest: &[T]) -> [T; N] {
    let mut padded = [T::default(); N];
    padded[..rest.len()].copy_from_slice(rest);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_summed_once() {
        for len in 0..40 {
            let column: Vec<f64> = (1..=len).map(f64::from).collect();
            assert_eq!(sum(&column), f64::from(len * (len + 1) / 2));
            assert_eq!(dot(&column, &column), f64::from(len * (len + 1) * (2 * len + 1) / 6));
        }
    }

    #[test]
    fn the_largest_magnitude_can_have_either_sign() {
        assert_eq!(largest(&[]), 0.0);
        for place in 0..19 {
            let mut column = [1.0; 19];
            column[place] = -2.0;
            assert_eq!(largest(&column), 2.0);
        }
    }
}
