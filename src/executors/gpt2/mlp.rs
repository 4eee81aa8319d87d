//! The two layers between attention and attention.

use ndarray::{Array, Array3, ArrayView, ArrayView3, Dimension};

use super::gelu::{Gelu, activate};
use super::matmul::Conv1d;
use super::shape::{Within, expect};
use crate::error::Result;

/// Widens each position, applies the GELU and narrows it again.
///
/// `y = gelu(x c_fc) c_proj`, each layer with its bias: Radford et al. 2019, `GPT2MLP.forward` of HuggingFace
/// transformers.
///
/// Shapes: `x` and `y` are `[batch, seq, n]`, `c_fc` is `[n, m]` with bias `[m]`, `c_proj` is `[m, n]` with bias
/// `[n]`; in GPT-2 m is 4 n.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) where a shape is another.
pub fn mlp(x: ArrayView3<'_, f32>, c_fc: Conv1d<'_>, c_proj: Conv1d<'_>, gelu: Gelu) -> Result<Array3<f32>> {
    let hidden = activate(c_fc.apply(x).within("c_fc")?, gelu)?;
    let y = c_proj.apply(hidden.view()).within("c_proj")?;
    expect("c_proj.weight", c_proj.weight.shape(), &[hidden.dim().2, x.dim().2], format_args!("x {:?}", x.shape()))?;
    Ok(y)
}

/// Adds what a sublayer found to what went into it.
///
/// `y = x + update`: He et al. 2015, equation 1; twice in `GPT2Block.forward` of HuggingFace transformers.
///
/// Shapes: `x`, `update` and `y` are one shape. Nothing is broadcast.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) where the shapes differ.
pub fn residual<D: Dimension>(x: ArrayView<'_, f32, D>, update: ArrayView<'_, f32, D>) -> Result<Array<f32, D>> {
    expect("update", update.shape(), x.shape(), format_args!("x {:?}", x.shape()))?;
    Ok(&x + &update)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, arr1, arr2, arr3};

    use super::*;

    #[test]
    fn the_gelu_stands_between_the_layers() {
        let (fc, fc_bias) = (arr2(&[[1.0, -1.0]]), arr1(&[0.0, 1.0]));
        let (proj, proj_bias) = (arr2(&[[10.0], [100.0]]), arr1(&[0.5]));
        let c_fc = Conv1d { weight: fc.view(), bias: fc_bias.view() };
        let c_proj = Conv1d { weight: proj.view(), bias: proj_bias.view() };
        let y = mlp(arr3(&[[[2.0]]]).view(), c_fc, c_proj, Gelu::Exact).unwrap();
        let expected = 10.0 * Gelu::Exact.at(2.0) + 100.0 * Gelu::Exact.at(-1.0) + 0.5;
        assert!((y[[0, 0, 0]] - expected).abs() < 2e-6, "{y} is not {expected}");
    }

    #[test]
    fn wrong_shapes_are_refused_by_layer() {
        let (x, square, wide) = (Array3::zeros((1, 2, 3)), Array2::zeros((3, 3)), Array2::zeros((3, 4)));
        let (three, four) = (Array1::zeros(3), Array1::zeros(4));
        let good = Conv1d { weight: square.view(), bias: three.view() };
        let error = |c_fc, c_proj| mlp(x.view(), c_fc, c_proj, Gelu::Tanh).unwrap_err().to_string();
        let upright = Conv1d { weight: wide.t(), bias: three.view() };
        assert_eq!(error(upright, good), "c_fc: weight is [4, 3]; for x [1, 2, 3] it must be [3, 3]");
        assert_eq!(error(good, upright), "c_proj: weight is [4, 3]; for x [1, 2, 3] it must be [3, 3]");
        let wide = Conv1d { weight: wide.view(), bias: four.view() };
        assert_eq!(error(good, wide), "c_proj.weight is [3, 4]; for x [1, 2, 3] it must be [3, 3]");
    }

    #[test]
    fn nothing_is_broadcast() {
        let x = arr2(&[[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(residual(x.view(), x.view()).unwrap(), arr2(&[[2.0, 4.0], [6.0, 8.0]]));
        let error = residual(x.view(), arr2(&[[1.0, 2.0]]).view()).unwrap_err();
        assert_eq!(error.to_string(), "update is [1, 2]; for x [2, 2] it must be [2, 2]");
    }
}
