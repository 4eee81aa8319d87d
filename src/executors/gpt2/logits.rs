//! From the last hidden state to a token.

use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayView2, ArrayView3, Axis, s};

use super::matmul::affine;
use super::shape::{expect, refuse};
use crate::error::Result;

/// Scores every token of the vocabulary at every position.
///
/// `y = x weight^T`: `lm_head` of `GPT2LMHeadModel.forward` of HuggingFace transformers, whose weight is that of the
/// token embedding (Radford et al. 2018, equation 2).
///
/// Shapes: `x` is `[batch, seq, n]`, `weight` is `[vocab, n]`, `y` is `[batch, seq, vocab]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) where a shape is another.
pub fn logits(x: ArrayView3<'_, f32>, weight: ArrayView2<'_, f32>) -> Result<Array3<f32>> {
    let needed = [weight.nrows(), x.dim().2];
    expect("weight", weight.shape(), &needed, format_args!("x {:?}", x.shape()))?;
    affine(x, weight.t(), None)
}

/// Takes the last row, which says what comes next.
///
/// `y[b] = x[b, seq - 1]`: `outputs.logits[:, -1, :]` in `GenerationMixin._sample` of HuggingFace transformers.
///
/// Shapes: `x` is `[batch, seq, vocab]`, `y` is `[batch, vocab]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) where there is no row.
pub fn selected_logits(x: ArrayView3<'_, f32>) -> Result<Array2<f32>> {
    match x.len_of(Axis(1)).checked_sub(1) {
        Some(last) => Ok(x.slice(s![.., last, ..]).to_owned()),
        None => refuse(format!("x is {:?}; it has no last row", x.shape())),
    }
}

/// Finds the best token: the first of the largest.
///
/// As `torch.argmax(x, -1)`, for which NaN is larger than any number.
///
/// Shapes: `x` is `[batch, vocab]`, `y` is `[batch]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) where the vocabulary is empty.
///
/// ```
/// use ndarray::{arr1, arr2};
/// let y = karat::executors::gpt2::argmax(arr2(&[[1.0, 3.0, 3.0], [-2.0, -1.0, -2.0]]).view())?;
/// assert_eq!(y, arr1(&[1, 1]));
/// # Ok::<(), karat::Error>(())
/// ```
pub fn argmax(x: ArrayView2<'_, f32>) -> Result<Array1<i64>> {
    if x.ncols() == 0 {
        return refuse(format!("x is {:?}; there is no token to choose", x.shape()));
    }
    Ok(x.rows().into_iter().map(best).collect())
}

fn best(row: ArrayView1<'_, f32>) -> i64 {
    let mut best = 0;
    for (place, x) in row.iter().enumerate() {
        if *x > row[best] || (x.is_nan() && !row[best].is_nan()) {
            best = place;
        }
    }
    best as i64
}

#[cfg(test)]
mod tests {
    use ndarray::{arr2, arr3};

    use super::*;

    #[test]
    fn logits_are_products_with_every_token() {
        let x = arr3(&[[[1.0, 2.0], [0.0, 1.0]]]);
        let weight = arr2(&[[1.0, 1.0], [2.0, 0.0], [0.0, -1.0]]);
        assert_eq!(logits(x.view(), weight.view()).unwrap(), arr3(&[[[3.0, 2.0, -2.0], [1.0, 0.0, -1.0]]]));
        let error = logits(x.view(), weight.t()).unwrap_err();
        assert_eq!(error.to_string(), "weight is [2, 3]; for x [1, 2, 2] it must be [2, 2]");
    }

    #[test]
    fn the_last_row_of_every_sequence_is_taken() {
        let x = arr3(&[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]);
        assert_eq!(selected_logits(x.view()).unwrap(), arr2(&[[3.0, 4.0], [7.0, 8.0]]));
        assert!(selected_logits(Array3::zeros((2, 0, 3)).view()).unwrap_err().to_string().contains("no last row"));
    }

    #[test]
    fn nan_is_larger_than_any_number() {
        let x = arr2(&[[1.0, f32::NAN, 3.0, f32::NAN], [f32::NEG_INFINITY, f32::NEG_INFINITY, -1.0, 0.0]]);
        assert_eq!(argmax(x.view()).unwrap().to_vec(), [1, 3]);
        assert!(argmax(Array2::zeros((2, 0)).view()).unwrap_err().to_string().contains("no token"));
    }
}
