//! The steps of attention: query, key and value by heads, the cache, the mask, the scores, and the context.

use ndarray::{Array3, Array4, ArrayView1, ArrayView2, ArrayView3, ArrayView4, Axis, concatenate, s};

use super::layers::{Conv1d, Dense, by_head};
use crate::error::{Error, Result};
use crate::executors::shape::{Within, check_binary, check_cache, check_causal, check_heads, expect, refuse};

/// Query, key and value, each `[batch, heads, seq, head_dim]`: the inputs of the attention function.
#[derive(Clone, Debug, PartialEq)]
pub struct Qkv {
    /// The query.
    pub q: Array4<f32>,
    /// The key.
    pub k: Array4<f32>,
    /// The value.
    pub v: Array4<f32>,
}

/// Projects `x` to query, key and value and splits each into heads.
///
/// `[q | k | v] = x weight + bias` along the last axis, then `[batch, seq, heads x head_dim]` becomes
/// `[batch, heads, seq, head_dim]`: `GPT2Attention.forward` of HuggingFace transformers up to the attention function.
///
/// Shapes: `x` is `[batch, seq, n]`, `weight` is `[n, 3 n]`, `bias` is `[3 n]`.
///
/// # Errors
///
/// [`Error::Checkpoint`] if a shape does not fit, or `n_head` does not divide `n`.
pub fn qkv(
    x: ArrayView3<'_, f32>,
    weight: ArrayView2<'_, f32>,
    bias: ArrayView1<'_, f32>,
    n_head: usize,
) -> Result<Qkv> {
    let width = x.dim().2;
    expect("weight", weight.shape(), &[width, width.saturating_mul(3)], format_args!("x {:?}", x.shape()))?;
    check_heads(n_head, width)?;
    let projected = Conv1d { weight, bias }.conv1d(x)?;
    let third = |place: usize| split(projected.slice(s![.., .., place * width..(place + 1) * width]), n_head);
    Ok(Qkv { q: third(0), k: third(1), v: third(2) })
}

/// Projects `x` to query, key and value with separate layers, and splits each into heads.
///
/// `q = x query`, `k = x key`, `v = x value`, each with its bias, as `[batch, heads, seq, head_dim]`: Devlin et al.
/// 2018, `BertSelfAttention.forward` of HuggingFace transformers up to the attention function.
///
/// Shapes: `x` is `[batch, seq, n]`, each weight is `[n, n]` and each bias `[n]`.
///
/// # Errors
///
/// [`Error::Checkpoint`] if a shape does not fit, or `n_head` does not divide `n`.
pub fn bert_qkv(
    x: ArrayView3<'_, f32>,
    query: Dense<'_>,
    key: Dense<'_>,
    value: Dense<'_>,
    n_head: usize,
) -> Result<Qkv> {
    let width = x.dim().2;
    check_heads(n_head, width)?;
    let project = |layer: Dense<'_>, name| {
        expect("weight", layer.weight.shape(), &[width, width], format_args!("x {:?}", x.shape()))
            .and_then(|()| layer.dense(x))
            .within(name)
            .map(|projected| split(projected.view(), n_head))
    };
    Ok(Qkv { q: project(query, "query")?, k: project(key, "key")?, v: project(value, "value")? })
}

/// The keys and values of one layer for all positions so far, each `[batch, heads, t, head_dim]`.
#[derive(Clone, Debug, PartialEq)]
pub struct KvCache {
    /// The keys.
    pub k: Array4<f32>,
    /// The values.
    pub v: Array4<f32>,
}

/// Appends the keys and values of new positions to those of earlier ones. Elements are copied unchanged.
///
/// `DynamicCache.update` of HuggingFace transformers.
///
/// Shapes: `past_k` and `past_v` are `[batch, heads, p, head_dim]`, where p may be 0, `new_k` and `new_v` are
/// `[batch, heads, s, head_dim]`, and the cache is `[batch, heads, p + s, head_dim]`.
///
/// # Errors
///
/// [`Error::Checkpoint`] if a shape does not fit.
pub fn kv_cache(
    past_k: ArrayView4<'_, f32>,
    past_v: ArrayView4<'_, f32>,
    new_k: ArrayView4<'_, f32>,
    new_v: ArrayView4<'_, f32>,
) -> Result<KvCache> {
    check_cache(past_k.shape(), past_v.shape(), new_k.shape(), new_v.shape())?;
    let append = |past, new| {
        let refused =
            |error| Error::Checkpoint(format!("new_k {:?} cannot be appended to past_k: {error}", new_k.shape()));
        concatenate(Axis(2), &[past, new]).map_err(refused)
    };
    Ok(KvCache { k: append(past_k, new_k)?, v: append(past_v, new_v)? })
}

/// The value of a hidden score: the lowest `f32`, as in transformers, so that its softmax is 0.
pub const HIDDEN: f32 = f32::MIN;

/// The keys that a position may attend to.
///
/// ```
/// use ndarray::{Array4, arr2};
/// use karat::executors::gpt2::{Mask, attention_scores};
/// let (q, k) = (Array4::zeros((1, 1, 2, 8)), Array4::zeros((1, 1, 2, 8)));
/// let scores = attention_scores(q.view(), k.view(), Mask::causal())?;
/// assert_eq!(scores.into_raw_vec_and_offset().0, [0.0, f32::MIN, 0.0, 0.0]);
/// let second_is_padding = arr2(&[[1, 0]]);
/// let scores = attention_scores(q.view(), k.view(), Mask::none().with_padding(second_is_padding.view()))?;
/// assert_eq!(scores.into_raw_vec_and_offset().0, [0.0, f32::MIN, 0.0, f32::MIN]);
/// # Ok::<(), karat::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Mask<'a> {
    causal: bool,
    padding: Option<ArrayView2<'a, i64>>,
}

impl<'a> Mask<'a> {
    /// Lets every position attend to every key.
    #[must_use]
    pub fn none() -> Mask<'a> {
        Mask { causal: false, padding: None }
    }

    /// Prevents positions from attending to later ones. The queries belong to the last positions of the keys: row i of s attends to
    /// the first t - s + i + 1 of t keys.
    #[must_use]
    pub fn causal() -> Mask<'a> {
        Mask { causal: true, padding: None }
    }

    /// Also prevents positions from attending to padding: `mask` is `[batch, t]`, 1 for a token and 0 for padding.
    #[must_use]
    pub fn with_padding(self, mask: ArrayView2<'a, i64>) -> Mask<'a> {
        Mask { padding: Some(mask), ..self }
    }

    /// Hides the scores, `[batch, heads, s, t]`, that must not be attended to.
    fn hide(self, scores: &mut Array4<f32>) -> Result<()> {
        let (batch, _, rows, keys) = scores.dim();
        if self.causal {
            check_causal(rows, keys)?;
            let past = keys - rows;
            // Without scores there may still be an enormous number of rows.
            let rows = if scores.is_empty() { 0 } else { rows };
            for (row, mut scores) in scores.axis_iter_mut(Axis(2)).enumerate().take(rows) {
                scores.slice_mut(s![.., .., past + row + 1..]).fill(HIDDEN);
            }
        }
        if let Some(mask) = self.padding {
            expect("mask", mask.shape(), &[batch, keys], format_args!("k of {batch} sequences of {keys} positions"))?;
            check_binary(mask, keys)?;
            for ((sequence, key), _) in mask.indexed_iter().filter(|&(_, &token)| token == 0) {
                scores.slice_mut(s![sequence, .., .., key]).fill(HIDDEN);
            }
        }
        Ok(())
    }
}

/// Scores how much each position attends to each key.
///
/// `y = q k^T / sqrt(head_dim)`, and the lowest `f32` where the mask hides a key: Vaswani et al. 2017, equation 1, up to the softmax.
/// `eager_attention_forward` of HuggingFace transformers adds `finfo.min` instead, with the same result for scores of ordinary size.
///
/// Shapes: `q` is `[batch, heads, s, head_dim]`, `k` is `[batch, heads, t, head_dim]`, `y` is `[batch, heads, s, t]`.
///
/// # Errors
///
/// [`Error::Checkpoint`] if a shape or the mask does not fit.
pub fn attention_scores(q: ArrayView4<'_, f32>, k: ArrayView4<'_, f32>, mask: Mask<'_>) -> Result<Array4<f32>> {
    let ((batch, heads, _, head_dim), keys) = (q.dim(), k.dim().2);
    expect("k", k.shape(), &[batch, heads, keys, head_dim], format_args!("q {:?}", q.shape()))?;
    let scale = 1.0 / (head_dim as f64).sqrt();
    let mut scores = by_head(q, k.permuted_axes([0, 1, 3, 2]), scale as f32)?;
    mask.hide(&mut scores)?;
    Ok(scores)
}

/// Sums the values weighted by their probabilities, and concatenates the heads.
///
/// `y = probabilities v`: Vaswani et al. 2017, equation 1, from the softmax on; then the transposition and reshape
/// after `eager_attention_forward` of HuggingFace transformers.
///
/// Shapes: `probabilities` is `[batch, heads, s, t]`, `v` is `[batch, heads, t, head_dim]`, `y` is
/// `[batch, s, heads x head_dim]`.
///
/// # Errors
///
/// [`Error::Checkpoint`] if a shape does not fit.
pub fn attention_context(probabilities: ArrayView4<'_, f32>, v: ArrayView4<'_, f32>) -> Result<Array3<f32>> {
    let ((batch, heads, _, keys), head_dim) = (probabilities.dim(), v.len_of(Axis(3)));
    let needed = [batch, heads, keys, head_dim];
    expect("v", v.shape(), &needed, format_args!("probabilities {:?}", probabilities.shape()))?;
    Ok(merge(by_head(probabilities, v, 1.0)?.view()))
}

/// Sums the values weighted by their probabilities, and projects the result.
///
/// [`attention_context`], followed by the layer `c_proj`: the end of `GPT2Attention.forward` of HuggingFace transformers.
///
/// Shapes: `probabilities` is `[batch, heads, s, t]`, `v` is `[batch, heads, t, head_dim]`; with `n = heads x
/// head_dim`, `weight` is `[n, n]`, `bias` is `[n]` and `y` is `[batch, s, n]`.
///
/// # Errors
///
/// [`Error::Checkpoint`] if a shape does not fit.
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
    Conv1d { weight, bias }.conv1d(context.view())
}

/// Splits `[batch, seq, heads x head_dim]` into `[batch, heads, seq, head_dim]`, in C order. A head consists of consecutive columns. The
/// number of heads must divide the width.
fn split(x: ArrayView3<'_, f32>, n_head: usize) -> Array4<f32> {
    let (batch, seq, width) = x.dim();
    let by_head = x.to_shape((batch, seq, n_head, width / n_head)).expect("the element count is the same");
    by_head.view().permuted_axes([0, 2, 1, 3]).as_standard_layout().into_owned()
}

/// Merges `[batch, heads, seq, head_dim]` into `[batch, seq, heads x head_dim]`.
fn merge(x: ArrayView4<'_, f32>) -> Array3<f32> {
    let (batch, heads, seq, head_dim) = x.dim();
    let rows = x.permuted_axes([0, 2, 1, 3]).as_standard_layout().into_owned();
    rows.into_shape_with_order((batch, seq, heads * head_dim)).expect("the element count is the same")
}

#[cfg(test)]
mod tests {
    use ndarray::{Array, Array1, Array2, arr1, arr2, arr3};

    use super::*;

    #[test]
    fn heads_are_consecutive_columns_of_their_third() {
        let x = Array3::from_shape_vec((1, 2, 2), vec![1.0, 0.0, 0.0, 1.0]).expect("four elements");
        let weight = arr2(&[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]]);
        let Qkv { q, k, v } = qkv(x.view(), weight.view(), Array1::zeros(6).view(), 2).expect("good shapes");
        assert_eq!(q.into_raw_vec_and_offset().0, [1.0, 10.0, 2.0, 20.0]);
        assert_eq!(k.into_raw_vec_and_offset().0, [3.0, 30.0, 4.0, 40.0]);
        assert_eq!(v.into_raw_vec_and_offset().0, [5.0, 50.0, 6.0, 60.0]);
    }

    #[test]
    fn a_transposed_weight_and_a_wrong_number_of_heads_are_refused_by_name() {
        let x = Array3::zeros((1, 2, 4));
        let bias = Array1::zeros(12);
        let transposed = Array2::zeros((12, 4));
        let weight = Array2::zeros((4, 12));
        assert!(qkv(x.view(), transposed.view(), bias.view(), 2).unwrap_err().to_string().contains("must be [4, 12]"));
        assert!(qkv(x.view(), weight.view(), bias.view(), 3).unwrap_err().to_string().contains("n_head 3"));
    }

    fn elements(array: &Array4<f32>) -> Vec<f32> {
        array.iter().copied().collect()
    }

    #[test]
    fn new_positions_come_last_in_every_head() {
        let past = Array::from_shape_vec((1, 2, 1, 2), vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let new = Array::from_shape_vec((1, 2, 1, 2), vec![5.0, 6.0, 7.0, 8.0]).unwrap();
        let KvCache { k, v } = kv_cache(past.view(), new.view(), new.view(), past.view()).unwrap();
        assert_eq!(k.shape(), [1, 2, 2, 2]);
        assert_eq!(elements(&k), [1.0, 2.0, 5.0, 6.0, 3.0, 4.0, 7.0, 8.0]);
        assert_eq!(elements(&v), [5.0, 6.0, 1.0, 2.0, 7.0, 8.0, 3.0, 4.0]);
    }

    #[test]
    fn new_positions_can_be_appended_to_an_empty_cache() {
        let (past, new) = (Array4::zeros((1, 2, 0, 3)), Array4::ones((1, 2, 4, 3)));
        let KvCache { k, v } = kv_cache(past.view(), past.view(), new.view(), new.view()).unwrap();
        assert!(k == new && v == new);
    }

    #[test]
    fn wrong_shapes_are_refused_by_name() {
        let (past, other) = (Array4::zeros((1, 2, 3, 4)), Array4::zeros((1, 2, 3, 5)));
        let error = |past_v, new_k, new_v| kv_cache(past.view(), past_v, new_k, new_v).unwrap_err().to_string();
        let (past, other) = (past.view(), other.view());
        assert_eq!(error(other, past, past), "past_v is [1, 2, 3, 5]; for past_k [1, 2, 3, 4] it must be [1, 2, 3, 4]");
        assert_eq!(error(past, past, other), "new_v is [1, 2, 3, 5]; for new_k [1, 2, 3, 4] it must be [1, 2, 3, 4]");
        assert_eq!(error(past, other, other), "new_k is [1, 2, 3, 5]; for past_k [1, 2, 3, 4] it must be [1, 2, 3, 4]");
    }

    fn hidden(mask: Mask<'_>, shape: (usize, usize, usize, usize)) -> Result<Vec<bool>> {
        let mut scores = Array4::ones(shape);
        mask.hide(&mut scores)?;
        Ok(scores.iter().map(|&score| score == HIDDEN).collect())
    }

    #[test]
    fn the_last_query_attends_to_every_key() {
        let no = false;
        assert_eq!(hidden(Mask::causal(), (1, 1, 3, 3)).unwrap(), [no, true, true, no, no, true, no, no, no]);
        assert_eq!(hidden(Mask::causal(), (1, 1, 2, 4)).unwrap(), [no, no, no, true, no, no, no, no]);
        assert_eq!(hidden(Mask::causal(), (1, 1, 1, 4)).unwrap(), [no; 4]);
        let error = hidden(Mask::causal(), (1, 1, 4, 2)).unwrap_err();
        assert_eq!(error.to_string(), "a causal mask needs a key for every query; there are 4 queries and 2 keys");
    }

    #[test]
    fn padding_is_hidden_from_every_row_of_every_head_of_its_sequence() {
        let mask = arr2(&[[1, 1], [1, 0]]);
        let (no, yes) = (false, true);
        let expected = [no, no, no, no, no, no, no, no, no, yes, no, yes, no, yes, no, yes];
        assert_eq!(hidden(Mask::none().with_padding(mask.view()), (2, 2, 2, 2)).unwrap(), expected);
        let both = Mask::causal().with_padding(mask.view());
        assert_eq!(hidden(both, (2, 1, 2, 2)).unwrap(), [no, yes, no, no, no, yes, no, yes]);
    }

    #[test]
    fn a_mask_that_does_not_fit_is_refused() {
        let mask = arr2(&[[1, 1, 2]]);
        let error = |keys| hidden(Mask::none().with_padding(mask.view()), (1, 1, 1, keys)).unwrap_err().to_string();
        assert_eq!(error(2), "mask is [1, 3]; for k of 1 sequences of 2 positions it must be [1, 2]");
        assert_eq!(error(3), "mask contains 2 at [0, 2]; it must be 1 for a token and 0 for padding");
    }

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
    fn values_are_weighted_by_their_probabilities() {
        let probabilities = one_head(&[[1.0, 0.0], [0.25, 0.75]]);
        let v = one_head(&[[4.0, 8.0], [0.0, -4.0]]);
        let context = attention_context(probabilities.view(), v.view()).unwrap();
        assert_eq!(context, arr3(&[[[4.0, 8.0], [1.0, -1.0]]]));
        let (weight, bias) = (arr2(&[[0.0, 1.0], [1.0, 0.0]]), arr1(&[100.0, 200.0]));
        let y = attention_output(probabilities.view(), v.view(), weight.view(), bias.view()).unwrap();
        assert_eq!(y, arr3(&[[[108.0, 204.0], [99.0, 201.0]]]));
    }

    #[test]
    fn heads_are_concatenated() {
        let probabilities = Array4::ones((1, 2, 1, 1));
        let v = Array::from_shape_vec((1, 2, 1, 2), vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let context = attention_context(probabilities.view(), v.view()).unwrap();
        assert_eq!(context, arr3(&[[[1.0, 2.0, 3.0, 4.0]]]));
    }

    #[test]
    fn wrong_shapes_of_heads_are_refused_by_name() {
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

    #[test]
    fn a_head_has_consecutive_columns_and_merging_is_the_inverse_of_splitting() {
        let x = arr3(&[[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]]);
        let heads = split(x.view(), 2);
        assert_eq!(heads.shape(), [1, 2, 2, 2]);
        assert_eq!(heads.iter().copied().collect::<Vec<f32>>(), [1.0, 2.0, 5.0, 6.0, 3.0, 4.0, 7.0, 8.0]);
        assert_eq!(merge(heads.view()), x);
    }

    #[test]
    fn every_projection_has_its_own_layer() {
        let x = arr3(&[[[1.0, 2.0]]]);
        let (weight, bias) = (arr2(&[[1.0, 10.0], [0.0, 1.0]]), arr1(&[0.5, 0.0]));
        let (one, none) = (Array2::eye(2), Array1::zeros(2));
        let plain = Dense { weight: one.view(), bias: none.view() };
        let Qkv { q, k, v } =
            bert_qkv(x.view(), plain, Dense { weight: weight.view(), bias: bias.view() }, plain, 2).unwrap();
        assert_eq!(q.shape(), [1, 2, 1, 1]);
        assert_eq!(q.into_raw_vec_and_offset().0, [1.0, 2.0]);
        assert_eq!(k.into_raw_vec_and_offset().0, [21.5, 2.0]);
        assert_eq!(v.into_raw_vec_and_offset().0, [1.0, 2.0]);
    }

    #[test]
    fn an_error_about_a_projection_names_it() {
        let x = Array3::zeros((1, 2, 4));
        let (square, wide, bias) = (Array2::zeros((4, 4)), Array2::zeros((4, 8)), Array1::zeros(4));
        let good = Dense { weight: square.view(), bias: bias.view() };
        let bad = Dense { weight: wide.view(), bias: bias.view() };
        let error = bert_qkv(x.view(), good, bad, good, 2).unwrap_err().to_string();
        assert_eq!(error, "key: weight is [4, 8]; for x [1, 2, 4] it must be [4, 4]");
        assert!(bert_qkv(x.view(), good, good, good, 3).unwrap_err().to_string().contains("n_head 3"));
    }
}
