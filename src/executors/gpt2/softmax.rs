//! Softmax over the last axis.

use ndarray::{Array, ArrayView, Dimension};

use super::rows;
use crate::error::Result;

/// Turns each row of the last axis into probabilities.
///
/// `y = exp(x - max) / sum(exp(x - max))`, `torch.softmax(x, -1)`: the largest element is taken off first, so that
/// nothing overflows. Each row is computed in `f64` and rounded once. What a mask filled with the lowest `f32`
/// becomes 0; a row that is masked whole is uniform, as it is in transformers. A NaN or +infinity makes its row NaN.
///
/// Shapes: `x` and `y` are `[.., n]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) where `x` is a scalar.
///
/// ```
/// use ndarray::arr1;
/// let y = karat::executors::gpt2::softmax(arr1(&[1000.0f32, 1000.0, f32::MIN]).view())?;
/// assert_eq!(y, arr1(&[0.5, 0.5, 0.0]));
/// # Ok::<(), karat::Error>(())
/// ```
pub fn softmax<D: Dimension>(x: ArrayView<'_, f32, D>) -> Result<Array<f32, D>> {
    rows::rewrite(x.to_owned(), |row| {
        let max = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let exp = |x: f32| (f64::from(x) - max).exp();
        let sum: f64 = row.iter().map(|&x| exp(x)).sum();
        row.iter_mut().for_each(|x| *x = (exp(*x) / sum) as f32);
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{arr1, arr2};

    use super::*;

    #[test]
    fn odds_are_ratios_of_exponentials() {
        let ln = |x: f32| x.ln();
        let y = softmax(arr2(&[[ln(1.0), ln(2.0), ln(5.0)], [3.0, 3.0, f32::NEG_INFINITY]]).view()).unwrap();
        for (y, expected) in y.iter().zip([0.125, 0.25, 0.625, 0.5, 0.5, 0.0]) {
            assert!((y - expected).abs() < 1e-7, "{y} is not {expected}");
        }
    }

    #[test]
    fn a_row_that_is_masked_whole_is_uniform() {
        assert_eq!(softmax(arr1(&[f32::MIN; 4]).view()).unwrap(), arr1(&[0.25; 4]));
    }

    #[test]
    fn what_is_no_number_spoils_its_row_and_no_other() {
        for spoilt in [f32::NAN, f32::INFINITY] {
            let y = softmax(arr2(&[[0.0, spoilt], [0.0, 0.0]]).view()).unwrap();
            assert!(y.row(0).iter().all(|y| y.is_nan()));
            assert_eq!(y.row(1), arr1(&[0.5, 0.5]));
        }
    }
}
