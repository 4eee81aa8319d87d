//! From the states of a sentence's tokens to one vector.

use ndarray::{Array2, ArrayView2, ArrayView3, Axis};

use super::mask::check_binary;
use super::rows;
use super::shape::{expect, zeros};
use crate::error::Result;

/// What a sentence without tokens is divided by, as sentence-transformers clamps it.
const NO_TOKENS: f64 = 1e-9;

/// Averages the rows that are no padding.
///
/// `y[b] = sum_i mask[b, i] x[b, i] / sum_i mask[b, i]`: Reimers and Gurevych 2019, `Pooling.forward` of
/// sentence-transformers with `pooling_mode_mean_tokens`. Sums are in `f64` and rounded once; a sentence that is all
/// padding is 0.
///
/// Shapes: `x` is `[batch, seq, n]`, `mask` is `[batch, seq]`, 1 for a token and 0 for padding, `y` is `[batch, n]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) where a shape is another, or the mask holds anything else.
pub fn mean_pooling(x: ArrayView3<'_, f32>, mask: ArrayView2<'_, i64>) -> Result<Array2<f32>> {
    let (batch, seq, width) = x.dim();
    expect("mask", mask.shape(), &[batch, seq], format_args!("x {:?}", x.shape()))?;
    check_binary(mask)?;
    let mut y = zeros((batch, width))?;
    for ((x, mask), mut y) in x.outer_iter().zip(mask.outer_iter()).zip(y.outer_iter_mut()) {
        let count = mask.iter().filter(|&&token| token == 1).count() as f64;
        for (column, y) in x.axis_iter(Axis(1)).zip(&mut y) {
            // A product with 0 would let the NaN of a padded row through.
            let tokens = column.iter().zip(mask).filter(|&(_, &token)| token == 1);
            *y = (tokens.map(|(&x, _)| f64::from(x)).sum::<f64>() / count.max(NO_TOKENS)) as f32;
        }
    }
    Ok(y)
}

/// Scales each row to length 1.
///
/// `y = x / max(|x|, eps)` with the l2 norm: `torch.nn.functional.normalize`, `Normalize.forward` of
/// sentence-transformers. Each row is computed in `f64` and rounded once.
///
/// Shapes: `x` and `y` are `[batch, n]`.
///
/// # Errors
///
/// None that a matrix can cause.
///
/// ```
/// use ndarray::arr2;
/// let y = karat::executors::gpt2::normalize(arr2(&[[3.0f32, 4.0], [0.0, 0.0]]).view(), 1e-12)?;
/// assert_eq!(y, arr2(&[[0.6, 0.8], [0.0, 0.0]]));
/// # Ok::<(), karat::Error>(())
/// ```
pub fn normalize(x: ArrayView2<'_, f32>, eps: f64) -> Result<Array2<f32>> {
    rows::rewrite(x.to_owned(), |row| {
        let norm = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        // Unlike `f64::max`, the comparison keeps NaN.
        let norm = if norm < eps { eps } else { norm };
        row.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, arr2, arr3};

    use super::*;

    #[test]
    fn padding_does_not_count() {
        let x = arr3(&[[[1.0, 10.0], [3.0, 30.0]], [[5.0, 50.0], [f32::NAN, 7.0]], [[1.0, 1.0], [1.0, 1.0]]]);
        let y = mean_pooling(x.view(), arr2(&[[1, 1], [1, 0], [0, 0]]).view()).unwrap();
        assert_eq!(y, arr2(&[[2.0, 20.0], [5.0, 50.0], [0.0, 0.0]]));
    }

    #[test]
    fn a_mask_that_does_not_fit_is_refused() {
        let x = Array3::zeros((1, 2, 3));
        let error = |mask: [[i64; 2]; 2]| mean_pooling(x.view(), arr2(&mask).view()).unwrap_err().to_string();
        assert_eq!(error([[1, 1], [1, 1]]), "mask is [2, 2]; for x [1, 2, 3] it must be [1, 2]");
        let error = mean_pooling(x.view(), arr2(&[[1, -1]]).view()).unwrap_err().to_string();
        assert_eq!(error, "mask holds -1 at [0, 1]; it may hold 1 for a token and 0 for padding");
    }

    #[test]
    fn nan_spoils_its_row_and_a_short_row_is_not_blown_up() {
        let y = normalize(arr2(&[[f32::NAN, 1.0], [0.5, 0.0]]).view(), 1.0).unwrap();
        assert!(y.row(0).iter().all(|y| y.is_nan()));
        assert_eq!(y.row(1).to_vec(), [0.5, 0.0]);
    }
}
