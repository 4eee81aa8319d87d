//! Attention in its steps: scores, and what the probabilities gather.

use ndarray::{Array3, Array4, ArrayView1, ArrayView2, ArrayView4, Axis};

use super::heads::merge;
use super::mask::Mask;
use super::matmul::{Conv1d, by_head};
use super::shape::{expect, refuse};
use crate::error::Result;

/// Scores how much each position attends to each key.
///
/// `y = q k^T / sqrt(head_dim)`, and the lowest `f32` where the mask hides a key: Vaswani et al. 2017, equation 1, up
/// to the softmax; `eager_attention_forward` of HuggingFace transformers up to there, which adds `finfo.min`, and
/// every score of ordinary size is lost beside it.
///
/// Shapes: `q` is `[batch, heads, s, head_dim]`, `k` is `[batch, heads, t, head_dim]`, `y` is `[batch, heads, s, t]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) where a shape is another, or the mask does not fit.
pub fn attention_scores(q: ArrayView4<'_, f32>, k: ArrayView4<'_, f32>, mask: Mask<'_>) -> Result<Array4<f32>> {
    let ((batch, heads, _, head_dim), keys) = (q.dim(), k.dim().2);
    expect("k", k.shape(), &[batch, heads, keys, head_dim], format_args!("q {:?}", q.shape()))?;
    let scale = 1.0 / (head_dim as f64).sqrt();
    let mut scores = by_head(q, k.permuted_axes([0, 1, 3, 2]), scale as f32)?;
    mask.hide(&mut scores)?;
    Ok(scores)
}

/// Gathers the values by their probabilities and lays the heads side by side.
///
/// `y = probabilities v`: Vaswani et al. 2017, equation 1, from the softmax on; then the transposition and reshape
/// behind `eager_attention_forward` of HuggingFace transformers.
///
/// Shapes: `probabilities` is `[batch, heads, s, t]`, `v` is `[batch, heads, t, head_dim]`, `y` is
/// `[batch, s, heads x head_dim]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) where a shape is another.
pub fn attention_context(probabilities: ArrayView4<'_, f32>, v: ArrayView4<'_, f32>) -> Result<Array3<f32>> {
    let ((batch, heads, _, keys), head_dim) = (probabilities.dim(), v.len_of(Axis(3)));
    let needed = [batch, heads, keys, head_dim];
    expect("v", v.shape(), &needed, format_args!("probabilities {:?}", probabilities.shape()))?;
    Ok(merge(by_head(probabilities, v, 1.0)?.view()))
}

/// Gathers the values by their probabilities and projects them.
///
/// [`attention_context`] through the layer `c_proj`: the end of `GPT2Attention.forward` of HuggingFace transformers.
///
/// Shapes: `probabilities` is `[batch, heads, s, t]`, `v` is `[batch, heads, t, head_dim]`; with `n = heads x
/// head_dim`, `weight` is `[n, n]`, `bias` is `[n]` and `y` is `[batch, s, n]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) where a shape is another.
pub fn attention_output(
    probabilities: ArrayView4<'_, f32>,
    v: ArrayView4<'_, f32>,
    weight: ArrayView2<'_, f32>,
    bias: ArrayView1<'_, f32>,
) -> Result<Array3<f32>> {
    let context = attention_context(probabilities, v)?;
    let width = context.dim().2;
    if weight.dim() != (width, width) {
        return refuse(format!("weight is {:?}; for v {:?} it must be [{width}, {width}]", weight.shape(), v.shape()));
    }
    Conv1d { weight, bias }.apply(context.view())
}

#[cfg(test)]
mod tests {
    use ndarray::{Array, Array1, Array2, arr1, arr2, arr3};

    use super::*;

    fn one_head(rows: &[[f32; 2]]) -> Array4<f32> {
        arr2(rows).insert_axis(Axis(0)).insert_axis(Axis(0))
    }

    #[test]
    fn scores_are_scaled_products() {
        let q = Array::from_shape_vec((1, 1, 2, 4), vec![1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 1.0]).unwrap();
        let k = Array::from_shape_vec((1, 1, 2, 4), vec![1.0, 1.0, 1.0, 1.0, 2.0, 0.0, 0.0, 4.0]).unwrap();
        let y = attention_scores(q.view(), k.view(), Mask::none()).unwrap();
        assert_eq!(y.into_raw_vec_and_offset().0, [5.0, 9.0, 0.5, 2.0]);
    }

    #[test]
    fn values_are_gathered_by_their_probabilities() {
        let probabilities = one_head(&[[1.0, 0.0], [0.25, 0.75]]);
        let v = one_head(&[[4.0, 8.0], [0.0, -4.0]]);
        let context = attention_context(probabilities.view(), v.view()).unwrap();
        assert_eq!(context, arr3(&[[[4.0, 8.0], [1.0, -1.0]]]));
        let (weight, bias) = (arr2(&[[0.0, 1.0], [1.0, 0.0]]), arr1(&[100.0, 200.0]));
        let y = attention_output(probabilities.view(), v.view(), weight.view(), bias.view()).unwrap();
        assert_eq!(y, arr3(&[[[108.0, 204.0], [99.0, 201.0]]]));
    }

    #[test]
    fn the_heads_stand_side_by_side() {
        let probabilities = Array4::ones((1, 2, 1, 1));
        let v = Array::from_shape_vec((1, 2, 1, 2), vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let context = attention_context(probabilities.view(), v.view()).unwrap();
        assert_eq!(context, arr3(&[[[1.0, 2.0, 3.0, 4.0]]]));
    }

    #[test]
    fn wrong_shapes_are_refused_by_name() {
        let (q, k) = (Array4::zeros((1, 2, 3, 4)), Array4::zeros((1, 2, 3, 5)));
        let error = attention_scores(q.view(), k.view(), Mask::none()).unwrap_err();
        assert_eq!(error.to_string(), "k is [1, 2, 3, 5]; for q [1, 2, 3, 4] it must be [1, 2, 3, 4]");
        let error = attention_context(q.view(), k.view()).unwrap_err();
        assert_eq!(error.to_string(), "v is [1, 2, 3, 5]; for probabilities [1, 2, 3, 4] it must be [1, 2, 4, 5]");
        let (probabilities, weight) = (Array4::zeros((1, 2, 3, 3)), Array2::zeros((10, 9)));
        let error = attention_output(probabilities.view(), k.view(), weight.view(), Array1::zeros(9).view());
        assert_eq!(error.unwrap_err().to_string(), "weight is [10, 9]; for v [1, 2, 3, 5] it must be [10, 10]");
        let nothing = Array4::zeros((1, 2, 3, 0));
        assert!(attention_scores(nothing.view(), nothing.view(), Mask::none()).is_err());
    }
}
