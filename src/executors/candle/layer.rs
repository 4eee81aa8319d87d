//! The layers: norm, the two layouts of a linear layer, softmax, GELU, residual.

use candle_core::{DType, Tensor};
use candle_nn::{Activation, LayerNorm, Linear, Module, ops};
use serde::Deserialize;

use super::shape::{Within, dims, expect, produce, refuse};
use crate::error::Result;

/// The weight and bias of a layer normalisation, each `[n]`.
pub(super) struct Norm {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
}

/// A linear layer as GPT-2 stores it, transformers' `Conv1D`: the weight is `[in, out]`.
pub(super) struct Conv1d {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
}

/// A linear layer as BERT stores it, `torch.nn.Linear`: the weight is `[out, in]`.
pub(super) struct Dense {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
}

/// Which GELU: by tanh, as GPT-2 has it, or exact, as BERT has it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Gelu {
    Tanh,
    Exact,
}

impl Norm {
    /// [`LayerNorm`] over the last axis. Of a contiguous tensor candle takes the variance as the mean of the squares less
    /// the square of the mean, in `f32`: where the mean is large beside the deviation, that cancels.
    pub(super) fn apply(&self, x: &Tensor, eps: f64) -> Result<Tensor> {
        let Some(&width) = x.dims().last() else { return refuse("x is a scalar; it needs an axis".to_owned()) };
        for (name, vector) in [("weight", &self.weight), ("bias", &self.bias)] {
            expect(name, vector, &[width], format_args!("x {:?}", x.dims()))?;
        }
        let norm = LayerNorm::new(self.weight.clone(), self.bias.clone(), eps);
        produce(x.dims(), DType::F32, || norm.forward(x))
    }
}

impl Conv1d {
    /// [`Linear`] with the weight transposed: `[batch, seq, in]` to `[batch, seq, out]`.
    pub(super) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let ([.., inner], [_, outer]) = (dims::<3>(x), dims(&self.weight));
        expect("weight", &self.weight, &[inner, outer], format_args!("x {:?}", x.dims()))?;
        expect("bias", &self.bias, &[outer], format_args!("weight {:?}", self.weight.dims()))?;
        linear(x, outer, || Ok(Linear::new(self.weight.t()?, Some(self.bias.clone()))))
    }
}

impl Dense {
    /// [`Linear`]: `[batch, seq, in]` to `[batch, seq, out]`.
    pub(super) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let ([.., inner], [outer, _]) = (dims::<3>(x), dims(&self.weight));
        expect("weight", &self.weight, &[outer, inner], format_args!("x {:?}", x.dims()))?;
        expect("bias", &self.bias, &[outer], format_args!("weight {:?}", self.weight.dims()))?;
        linear(x, outer, || Ok(Linear::new(self.weight.clone(), Some(self.bias.clone()))))
    }
}

impl Gelu {
    /// [`Activation::NewGelu`] or [`Activation::Gelu`], by candle's names, which are those of transformers.
    pub(super) fn apply(self, x: &Tensor) -> Result<Tensor> {
        let activation = match self {
            Gelu::Tanh => Activation::NewGelu,
            Gelu::Exact => Activation::Gelu,
        };
        produce(x.dims(), DType::F32, || activation.forward(x))
    }
}

/// Applies a layer whose shapes fit: `[batch, seq, in]` to `[batch, seq, outer]`.
pub(super) fn linear(x: &Tensor, outer: usize, layer: impl FnOnce() -> candle_core::Result<Linear>) -> Result<Tensor> {
    let [batch, seq, inner] = dims(x);
    if inner == 0 {
        return refuse(format!("the last axis of x {:?} is empty", x.dims()));
    }
    produce(&[batch, seq, outer], DType::F32, || layer()?.forward(x))
}

/// `softmax_last_dim`.
pub(super) fn softmax(x: &Tensor) -> Result<Tensor> {
    if x.rank() == 0 {
        return refuse("x is a scalar; it needs an axis".to_owned());
    }
    produce(x.dims(), DType::F32, || ops::softmax_last_dim(x))
}

/// `x + update`; nothing is broadcast.
pub(super) fn residual(x: &Tensor, update: &Tensor) -> Result<Tensor> {
    expect("update", update, x.dims(), format_args!("x {:?}", x.dims()))?;
    produce(x.dims(), DType::F32, || x + update)
}

/// `gelu(x c_fc) c_proj`, each layer with its bias.
pub(super) fn mlp(x: &Tensor, c_fc: &Conv1d, c_proj: &Conv1d, gelu: Gelu) -> Result<Tensor> {
    let ([.., width], [_, wide]) = (dims::<3>(x), dims(&c_fc.weight));
    let hidden = gelu.apply(&c_fc.apply(x).within("c_fc")?)?;
    expect("c_proj.weight", &c_proj.weight, &[wide, width], format_args!("x {:?}", x.dims()))?;
    c_proj.apply(&hidden).within("c_proj")
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn tensor(shape: &[usize], elements: &[f32]) -> Tensor {
        Tensor::from_slice(elements, shape, &Device::Cpu).unwrap()
    }

    fn elements(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn both_layouts_of_a_weight_are_the_same_layer() {
        let x = tensor(&[1, 2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let (weight, bias) = (tensor(&[2, 3], &[1.0, 0.0, 2.0, 0.0, 1.0, -1.0]), tensor(&[3], &[10.0, 20.0, 30.0]));
        let expected = [11.0, 22.0, 30.0, 13.0, 24.0, 32.0];
        let dense = Dense { weight: weight.t().unwrap().contiguous().unwrap(), bias: bias.clone() };
        assert_eq!(elements(&dense.apply(&x).unwrap()), expected);
        assert_eq!(elements(&Conv1d { weight, bias }.apply(&x).unwrap()), expected);
    }

    #[test]
    fn the_two_gelus_are_told_apart() {
        let x = tensor(&[1], &[1.0]);
        assert!((elements(&Gelu::Exact.apply(&x).unwrap())[0] - 0.841_344_8).abs() < 2e-7);
        assert!((elements(&Gelu::Tanh.apply(&x).unwrap())[0] - 0.841_192).abs() < 2e-7);
    }

    /// A known weakness, which a golden with such a row would show; where this test fails, candle has become better.
    #[test]
    fn a_norm_of_a_row_far_from_0_loses_its_digits() {
        let norm = |width: usize| Norm {
            weight: tensor(&[width], &vec![1.0; width]),
            bias: tensor(&[width], &vec![0.0; width]),
        };
        let y = elements(&norm(2).apply(&tensor(&[1, 2], &[9999.0, 10001.0]), 1e-5).unwrap());
        assert!(y[1] > 1.1 || y[1] < 0.9, "{y:?} is no longer far from -1 and 1");
        let y = elements(&norm(384).apply(&tensor(&[1, 384], &[3000.1; 384]), 1e-12).unwrap());
        assert!(y[0].is_nan(), "{} where all are equal is no longer NaN", y[0]);
    }

    #[test]
    fn nothing_is_broadcast_and_a_scalar_has_no_rows() {
        let (x, row) = (tensor(&[2, 2], &[1.0; 4]), tensor(&[1, 2], &[1.0, 2.0]));
        assert_eq!(residual(&x, &row).unwrap_err().to_string(), "update is [1, 2]; for x [2, 2] it must be [2, 2]");
        assert!(softmax(&tensor(&[], &[1.0])).unwrap_err().to_string().contains("scalar"));
    }

    #[test]
    fn wrong_shapes_are_refused_by_layer() {
        let x = tensor(&[1, 2, 3], &[0.0; 6]);
        let square = || Conv1d { weight: tensor(&[3, 3], &[0.0; 9]), bias: tensor(&[3], &[0.0; 3]) };
        let upright = || Conv1d { weight: tensor(&[4, 3], &[0.0; 12]), bias: tensor(&[3], &[0.0; 3]) };
        let error = |c_fc: Conv1d, c_proj: Conv1d| mlp(&x, &c_fc, &c_proj, Gelu::Tanh).unwrap_err().to_string();
        assert_eq!(error(upright(), square()), "c_fc: weight is [4, 3]; for x [1, 2, 3] it must be [3, 3]");
        assert_eq!(error(square(), upright()), "c_proj.weight is [4, 3]; for x [1, 2, 3] it must be [3, 3]");
    }
}
