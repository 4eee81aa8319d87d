//! Sums of one block: four running sums, so that a processor can keep several at once, joined in a fixed order.
//!
//! Element `i` goes to sum `i % 4`, whatever the width of the machine's vectors. Products are rounded before they are
//! added: Rust contracts nothing into a fused multiply-add.

/// How many running sums a sum has. Four doubles are a vector of AVX2, and eight different sums of them fit its registers.
/// Another number changes the last bits of every sum.
pub(crate) const LANES: usize = 4;

/// The sum of the column.
pub(crate) fn sum(column: &[f64]) -> f64 {
    let (chunks, rest) = column.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            sums[lane] += chunk[lane];
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum += x;
    }
    join(sums)
}

/// The sum of the products of two columns of one length.
pub(crate) fn dot(left: &[f64], right: &[f64]) -> f64 {
    let (left, left_rest) = left.as_chunks::<LANES>();
    let (right, right_rest) = right.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (left, right) in left.iter().zip(right) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    for (sum, (left, right)) in sums.iter_mut().zip(left_rest.iter().zip(right_rest)) {
        *sum += left * right;
    }
    join(sums)
}

/// The sum of the running sums.
pub(crate) fn join([a, b, c, d]: [f64; LANES]) -> f64 {
    (a + c) + (b + d)
}

/// The largest magnitude in the column, which holds no NaN; 0 where it is empty.
pub(crate) fn largest(column: &[f64]) -> f64 {
    highest(column, 0.0, f64::abs)
}

/// The largest number of the column that is not below 0, and the first place where it stands. There is no NaN in it.
pub(crate) fn peak(column: &[f64]) -> Option<(f64, usize)> {
    let peak = highest(column, -1.0, |x| x);
    column.iter().position(|&x| x == peak && x >= 0.0).map(|place| (peak, place))
}

/// The largest of the column's values, but no less than the least.
fn highest(column: &[f64], least: f64, value: impl Fn(f64) -> f64) -> f64 {
    // A plain comparison, unlike `f64::max`, is one instruction.
    let higher = |left: f64, right: f64| if right > left { right } else { left };
    let (chunks, rest) = column.as_chunks::<LANES>();
    let mut highest = [least; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            highest[lane] = higher(highest[lane], value(chunk[lane]));
        }
    }
    let rest = rest.iter().fold(least, |highest, x| higher(highest, value(*x)));
    highest.into_iter().fold(rest, higher)
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
    fn the_largest_magnitude_has_either_sign() {
        assert_eq!(largest(&[]), 0.0);
        for place in 0..19 {
            let mut column = [1.0; 19];
            column[place] = -2.0;
            assert_eq!(largest(&column), 2.0);
        }
    }

    #[test]
    fn the_peak_is_the_first_of_the_largest() {
        assert_eq!(peak(&[]), None);
        assert_eq!(peak(&[-1.0, -1.0]), None);
        assert_eq!(peak(&[0.0; 20]), Some((0.0, 0)));
        let mut column = vec![1.0; 30];
        for place in [29, 24, 17, 8, 3] {
            column[place] = f64::INFINITY;
            assert_eq!(peak(&column), Some((f64::INFINITY, place)));
        }
    }
}
