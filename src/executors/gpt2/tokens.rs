//! The first and last steps of a model: embeddings, logits, the best token, and sentence embeddings.

use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayView2, ArrayView3, Axis, s};

use super::layers::{affine, rewrite, zeros};
use crate::error::Result;
use crate::executors::shape::{check_binary, check_positions, check_tokens, expect, refuse};

/// Adds the embedding of each token to that of its position.
///
/// `y[b, i] = wte[ids[b, i]] + wpe[offset + i]`: Radford et al. 2018, equation 2; `GPT2Model.forward` of HuggingFace
/// transformers up to the first block. `offset` is the number of earlier positions, which are in the cache.
///
/// Shapes: `ids` is `[batch, seq]`, `wte` is `[vocab, n]`, `wpe` is `[positions, n]`, `y` is `[batch, seq, n]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) if a shape does not fit, a token is not in the vocabulary, or a position is not in
/// `wpe`.
///
/// ```
/// use ndarray::{arr2, arr3};
/// let (wte, wpe) = (arr2(&[[1.0, 2.0], [3.0, 4.0]]), arr2(&[[10.0, 10.0], [20.0, 20.0], [30.0, 30.0]]));
/// let y = karat::executors::gpt2::embeddings(arr2(&[[1, 0]]).view(), wte.view(), wpe.view(), 1)?;
/// assert_eq!(y, arr3(&[[[23.0, 24.0], [31.0, 32.0]]]));
/// # Ok::<(), karat::Error>(())
/// ```
pub fn embeddings(
    ids: ArrayView2<'_, i64>,
    wte: ArrayView2<'_, f32>,
    wpe: ArrayView2<'_, f32>,
    offset: usize,
) -> Result<Array3<f32>> {
    let ((batch, seq), (vocab, width)) = (ids.dim(), wte.dim());
    check_positions(ids.shape(), wte.shape(), wpe.shape(), offset)?;
    check_tokens(ids, seq, vocab)?;
    let mut y = zeros((batch, seq, width))?;
    for ((sequence, place), &id) in ids.indexed_iter() {
        let sum = &wte.row(id as usize) + &wpe.row(offset + place);
        y.index_axis_mut(Axis(0), sequence).row_mut(place).assign(&sum);
    }
    Ok(y)
}

/// Scores every token of the vocabulary at every position.
///
/// `y = x weight^T`: `lm_head` of `GPT2LMHeadModel.forward` of HuggingFace transformers, whose weight is the token
/// embedding (Radford et al. 2018, equation 2).
///
/// Shapes: `x` is `[batch, seq, n]`, `weight` is `[vocab, n]`, `y` is `[batch, seq, vocab]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) if a shape does not fit.
pub fn logits(x: ArrayView3<'_, f32>, weight: ArrayView2<'_, f32>) -> Result<Array3<f32>> {
    let needed = [weight.nrows(), x.dim().2];
    expect("weight", weight.shape(), &needed, format_args!("x {:?}", x.shape()))?;
    affine(x, weight.t(), None)
}

/// Selects the last row, which predicts the next token.
///
/// `y[b] = x[b, seq - 1]`: `outputs.logits[:, -1, :]` in `GenerationMixin._sample` of HuggingFace transformers.
///
/// Shapes: `x` is `[batch, seq, vocab]`, `y` is `[batch, vocab]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) if there is no row.
pub fn selected_logits(x: ArrayView3<'_, f32>) -> Result<Array2<f32>> {
    match x.len_of(Axis(1)).checked_sub(1) {
        Some(last) => Ok(x.slice(s![.., last, ..]).to_owned()),
        None => refuse(format!("x is {:?}; it has no last row", x.shape())),
    }
}

/// Finds the best token: the first one with the largest score.
///
/// Like `torch.argmax(x, -1)`, which treats NaN as larger than any number.
///
/// Shapes: `x` is `[batch, vocab]`, `y` is `[batch]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) if the vocabulary is empty.
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

/// The smallest divisor, for a sentence without tokens, as in sentence-transformers.
const NO_TOKENS: f64 = 1e-9;

/// Averages the rows that are not padding.
///
/// `y[b] = sum_i mask[b, i] x[b, i] / sum_i mask[b, i]`: Reimers and Gurevych 2019, `Pooling.forward` of
/// sentence-transformers with `pooling_mode_mean_tokens`. Sums are in `f64` and rounded once. A sentence that is all
/// padding becomes 0.
///
/// Shapes: `x` is `[batch, seq, n]`, `mask` is `[batch, seq]`, 1 for a token and 0 for padding, `y` is `[batch, n]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) if a shape does not fit, or the mask has another value.
pub fn mean_pooling(x: ArrayView3<'_, f32>, mask: ArrayView2<'_, i64>) -> Result<Array2<f32>> {
    let (batch, seq, width) = x.dim();
    expect("mask", mask.shape(), &[batch, seq], format_args!("x {:?}", x.shape()))?;
    check_binary(mask, seq)?;
    let mut y = zeros((batch, width))?;
    for ((x, mask), mut y) in x.outer_iter().zip(mask.outer_iter()).zip(y.outer_iter_mut()) {
        let count = mask.iter().filter(|&&token| token == 1).count() as f64;
        for (column, y) in x.axis_iter(Axis(1)).zip(&mut y) {
            // Multiplying by 0 would keep the NaN of a padded row.
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
/// None for a matrix.
///
/// ```
/// use ndarray::arr2;
/// let y = karat::executors::gpt2::normalize(arr2(&[[3.0f32, 4.0], [0.0, 0.0]]).view(), 1e-12)?;
/// assert_eq!(y, arr2(&[[0.6, 0.8], [0.0, 0.0]]));
/// # Ok::<(), karat::Error>(())
/// ```
pub fn normalize(x: ArrayView2<'_, f32>, eps: f64) -> Result<Array2<f32>> {
    rewrite(x.to_owned(), |row| {
        let norm = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        // Unlike `f64::max`, this comparison keeps NaN.
        let norm = if norm < eps { eps } else { norm };
        row.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{arr2, arr3};

    use super::*;

    fn error(ids: [[i64; 2]; 1], wpe: (usize, usize), offset: usize) -> String {
        let wte = Array2::zeros((3, 4));
        embeddings(arr2(&ids).view(), wte.view(), Array2::zeros(wpe).view(), offset).unwrap_err().to_string()
    }

    #[test]
    fn unknown_tokens_and_positions_are_refused() {
        assert_eq!(error([[0, 3]], (8, 4), 0), "ids contains 3 at [0, 1]; wte.weight has 3 tokens");
        assert_eq!(error([[-1, 0]], (8, 4), 0), "ids contains -1 at [0, 0]; wte.weight has 3 tokens");
        assert_eq!(error([[0, 0]], (8, 4), 7), "ids [1, 2] from position 7 on go beyond wpe.weight [8, 4]");
        assert!(error([[0, 0]], (8, 4), usize::MAX).contains("go beyond"));
        assert_eq!(error([[0, 0]], (8, 5), 0), "wpe.weight is [8, 5]; for wte.weight [3, 4] it must be [8, 4]");
    }

    #[test]
    fn logits_are_products_with_every_token() {
        let x = arr3(&[[[1.0, 2.0], [0.0, 1.0]]]);
        let weight = arr2(&[[1.0, 1.0], [2.0, 0.0], [0.0, -1.0]]);
        assert_eq!(logits(x.view(), weight.view()).unwrap(), arr3(&[[[3.0, 2.0, -2.0], [1.0, 0.0, -1.0]]]));
        let error = logits(x.view(), weight.t()).unwrap_err();
        assert_eq!(error.to_string(), "weight is [2, 3]; for x [1, 2, 2] it must be [2, 2]");
    }

    #[test]
    fn the_last_row_of_every_sequence_is_selected() {
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
        assert_eq!(error, "mask contains -1 at [0, 1]; it must be 1 for a token and 0 for padding");
    }

    #[test]
    fn nan_affects_its_whole_row_and_a_row_shorter_than_eps_is_divided_by_eps() {
        let y = normalize(arr2(&[[f32::NAN, 1.0], [0.5, 0.0]]).view(), 1.0).unwrap();
        assert!(y.row(0).iter().all(|y| y.is_nan()));
        assert_eq!(y.row(1).to_vec(), [0.5, 0.0]);
    }
}
