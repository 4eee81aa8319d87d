//! The building blocks of BERT that GPT-2 does not have: other weight layouts, and the norm behind the residual.

use ndarray::{Array3, ArrayView3};

use super::attention::{Qkv, split};
use super::layers::{Dense, Norm, activate, layer_norm, residual};
use crate::error::Result;
use crate::executors::shape::{Gelu, Within, check_heads, expect};

/// Projects `x` to query, key and value by a layer each, and splits each into heads.
///
/// `q = x query`, `k = x key`, `v = x value`, each with its bias, as `[batch, heads, seq, head_dim]`: Devlin et al.
/// 2018, `BertSelfAttention.forward` of HuggingFace transformers up to the attention function.
///
/// Shapes: `x` is `[batch, seq, n]`, each weight is `[n, n]` and each bias `[n]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) where a shape is another, or `n_head` does not divide `n`.
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
            .and_then(|()| layer.apply(x))
            .within(name)
            .map(|projected| split(projected.view(), n_head))
    };
    Ok(Qkv { q: project(query, "query")?, k: project(key, "key")?, v: project(value, "value")? })
}

/// Passes `x` through a layer, adds the residual and normalises.
///
/// `y = layer_norm(x dense + residual)`: Devlin et al. 2018, `BertSelfOutput.forward` and `BertOutput.forward` of
/// HuggingFace transformers.
///
/// Shapes: `x` is `[batch, seq, m]`, `residual` and `y` are `[batch, seq, n]`; `dense` has the weight `[n, m]` and
/// the bias `[n]`, `norm` has `[n]` each.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) where a shape is another.
pub fn dense_residual_norm(
    x: ArrayView3<'_, f32>,
    residual: ArrayView3<'_, f32>,
    dense: Dense<'_>,
    norm: Norm<'_>,
    eps: f64,
) -> Result<Array3<f32>> {
    let update = dense.apply(x).within("dense")?;
    expect("residual", residual.shape(), update.shape(), format_args!("x {:?} through dense", x.shape()))?;
    let sum = self::residual(update.view(), residual)?;
    layer_norm(sum.view(), norm.weight, norm.bias, eps).within("LayerNorm")
}

/// Passes `x` through a layer and applies the GELU.
///
/// `y = gelu(x dense)`: Devlin et al. 2018, `BertIntermediate.forward` of HuggingFace transformers.
///
/// Shapes: `x` is `[batch, seq, n]`, `dense` has the weight `[m, n]` and the bias `[m]`, `y` is `[batch, seq, m]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) where a shape is another.
pub fn dense_gelu(x: ArrayView3<'_, f32>, dense: Dense<'_>, gelu: Gelu) -> Result<Array3<f32>> {
    activate(dense.apply(x).within("dense")?, gelu)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, arr1, arr2, arr3};

    use super::*;

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
    fn the_residual_is_added_before_the_norm() {
        let (x, skip) = (arr3(&[[[1.0, 2.0, 3.0]]]), arr3(&[[[0.0, -2.0]]]));
        let (weight, bias) = (arr2(&[[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]), arr1(&[0.0, 0.0]));
        let dense = Dense { weight: weight.view(), bias: bias.view() };
        let (scale, shift) = (arr1(&[2.0, 3.0]), arr1(&[0.0, 1.0]));
        let norm = Norm { weight: scale.view(), bias: shift.view() };
        let y = dense_residual_norm(x.view(), skip.view(), dense, norm, 0.0).unwrap();
        assert_eq!(y, arr3(&[[[-2.0, 4.0]]]));
        let error = dense_residual_norm(x.view(), x.view(), dense, norm, 0.0).unwrap_err();
        assert_eq!(error.to_string(), "residual is [1, 1, 3]; for x [1, 1, 3] through dense it must be [1, 1, 2]");
    }

    #[test]
    fn the_activation_comes_last() {
        let (weight, bias) = (arr2(&[[1.0], [-1.0]]), arr1(&[0.0, 1.0]));
        let dense = Dense { weight: weight.view(), bias: bias.view() };
        let y = dense_gelu(arr3(&[[[2.0]]]).view(), dense, Gelu::Tanh).unwrap();
        assert_eq!(y, arr3(&[[[Gelu::Tanh.at(2.0), Gelu::Tanh.at(-1.0)]]]));
    }

    #[test]
    fn wrong_shapes_are_refused_by_layer() {
        let x = Array3::zeros((1, 2, 4));
        let (square, wide, bias) = (Array2::zeros((4, 4)), Array2::zeros((4, 8)), Array1::zeros(4));
        let good = Dense { weight: square.view(), bias: bias.view() };
        let bad = Dense { weight: wide.view(), bias: bias.view() };
        let error = bert_qkv(x.view(), good, bad, good, 2).unwrap_err().to_string();
        assert_eq!(error, "key: weight is [4, 8]; for x [1, 2, 4] it must be [4, 4]");
        assert!(bert_qkv(x.view(), good, good, good, 3).unwrap_err().to_string().contains("n_head 3"));
        let error = dense_gelu(x.view(), bad, Gelu::Exact).unwrap_err().to_string();
        assert_eq!(error, "dense: weight is [4, 8]; for x [1, 2, 4] it must be [4, 4]");
    }
}
