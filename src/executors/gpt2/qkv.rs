//! The projection to query, key and value, split into heads.

use ndarray::{Array4, ArrayView1, ArrayView2, ArrayView3, s};

use super::heads::{check_count, split};
use super::matmul::Conv1d;
use super::shape::expect;
use crate::error::Result;

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
/// [`Error::Checkpoint`](crate::Error::Checkpoint) where a shape is another, or `n_head` does not divide `n`.
pub fn qkv(
    x: ArrayView3<'_, f32>,
    weight: ArrayView2<'_, f32>,
    bias: ArrayView1<'_, f32>,
    n_head: usize,
) -> Result<Qkv> {
    let width = x.dim().2;
    expect("weight", weight.shape(), &[width, width.saturating_mul(3)], format_args!("x {:?}", x.shape()))?;
    check_count(n_head, width, "x")?;
    let projected = Conv1d { weight, bias }.apply(x)?;
    let third = |place: usize| split(projected.slice(s![.., .., place * width..(place + 1) * width]), n_head);
    Ok(Qkv { q: third(0), k: third(1), v: third(2) })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, Array3, arr2};

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
