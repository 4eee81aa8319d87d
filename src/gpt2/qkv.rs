//! The projection to query, key and value, split into heads.

use ndarray::{Array2, Array4, ArrayView1, ArrayView2, ArrayView3, s};

use crate::error::{Error, Result};

/// Query, key and value, each `[batch, heads, seq, head_dim]`, as the attention function receives them.
#[derive(Clone, Debug, PartialEq)]
pub struct Qkv {
    /// What each position asks for.
    pub q: Array4<f32>,
    /// What each position offers to be found by.
    pub k: Array4<f32>,
    /// What each position gives.
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
/// [`Error::Checkpoint`] where a shape is another, or `n_head` does not divide `n`.
pub fn qkv(
    x: ArrayView3<'_, f32>,
    weight: ArrayView2<'_, f32>,
    bias: ArrayView1<'_, f32>,
    n_head: usize,
) -> Result<Qkv> {
    let (batch, seq, width) = x.dim();
    if weight.dim() != (width, 3 * width) || bias.len() != 3 * width {
        return Err(Error::Checkpoint(format!(
            "weight is {:?} and bias {:?}; for x {:?} they must be [{width}, {}] and [{}]",
            weight.shape(),
            bias.shape(),
            x.shape(),
            3 * width,
            3 * width
        )));
    }
    if n_head == 0 || !width.is_multiple_of(n_head) {
        return Err(Error::Checkpoint(format!("n_head {n_head} does not divide the width {width} of x")));
    }
    let rows = x.to_shape((batch * seq, width)).expect("the element count is the same");
    let projected = rows.dot(&weight) + bias;
    let heads =
        |third: usize| split(projected.slice(s![.., third * width..(third + 1) * width]).to_owned(), batch, n_head);
    Ok(Qkv { q: heads(0), k: heads(1), v: heads(2) })
}

/// `[batch x seq, heads x head_dim]` to `[batch, heads, seq, head_dim]`, in C order.
fn split(rows: Array2<f32>, batch: usize, n_head: usize) -> Array4<f32> {
    let (positions, width) = rows.dim();
    let seq = positions / batch.max(1);
    rows.into_shape_with_order((batch, seq, n_head, width / n_head))
        .expect("the element count is the same")
        .permuted_axes([0, 2, 1, 3])
        .as_standard_layout()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array3, arr2};

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
}
