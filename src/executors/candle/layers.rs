//! Tensors in and out, and the layers: norm, the two layouts of a linear layer, softmax, GELU, residual.

use candle_core::{DType, Device, Tensor, WithDType};
use candle_nn::{Activation, LayerNorm, Linear, Module, ops};

use crate::error::{Error, Result};
use crate::executors::shape::{Gelu, Within, expect, refuse};
use crate::run::Inputs;
use crate::tensor::{self, Element};

/// The input of that name, with the dtype and number of axes that the caller needs.
pub(super) fn read<T: Element + WithDType>(case: &Inputs, name: &str, axes: usize) -> Result<Tensor> {
    let tensor = read_any::<T>(case, name)?;
    if tensor.rank() == axes {
        return Ok(tensor);
    }
    refuse(format!("input `{name}` is {:?}, and the checkpoint needs {axes} axes", tensor.dims()))
}

/// The input of that name, with the dtype that the caller needs and any number of axes.
pub(super) fn read_any<T: Element + WithDType>(case: &Inputs, name: &str) -> Result<Tensor> {
    let tensor = case.tensor(name)?;
    let Some(elements) = tensor.as_slice::<T>() else {
        let dtype = <T as Element>::DTYPE;
        return refuse(format!("input `{name}` is {}, and the checkpoint reads {dtype}", tensor.dtype()));
    };
    check_size(tensor.shape(), &format!("input `{name}` is"))?;
    Tensor::from_slice(elements, tensor.shape(), &Device::Cpu).map_err(from_candle)
}

/// What candle computed, as an output.
pub(super) fn write(tensor: &Tensor) -> Result<tensor::Tensor> {
    fn elements<T: Element + WithDType>(tensor: &Tensor) -> Result<tensor::Tensor> {
        tensor::Tensor::new(tensor.dims(), flat::<T>(tensor)?)
    }
    match tensor.dtype() {
        DType::I64 => elements::<i64>(tensor),
        _ => elements::<f32>(tensor),
    }
}

/// The elements in C order.
pub(super) fn flat<T: WithDType>(tensor: &Tensor) -> Result<Vec<T>> {
    tensor.flatten_all().and_then(|flat| flat.to_vec1()).map_err(from_candle)
}

/// The extents of a tensor whose number of axes was checked when it was read, or follows from how it was computed.
pub(super) fn dims<const AXES: usize>(tensor: &Tensor) -> [usize; AXES] {
    tensor.dims().try_into().expect("the number of axes was checked")
}

/// Has candle compute a tensor of that shape.
///
/// Some of candle's operations panic at tensors without elements, and every one at more than memory holds: neither
/// reaches it.
pub(super) fn produce(
    shape: &[usize],
    dtype: DType,
    compute: impl FnOnce() -> candle_core::Result<Tensor>,
) -> Result<Tensor> {
    check_size(shape, "an output would be")?;
    if shape.contains(&0) { Tensor::zeros(shape, dtype, &Device::Cpu) } else { compute() }.map_err(from_candle)
}

/// Checks that memory can hold a tensor of that shape, and candle count it: its strides are products even where
/// another extent is 0.
fn check_size(shape: &[usize], what: &str) -> Result<()> {
    let count = shape.iter().try_fold(1usize, |count, &extent| count.checked_mul(extent.max(1)));
    let fits = |count: usize| shape.contains(&0) || Vec::<f32>::new().try_reserve_exact(count).is_ok();
    if count.is_some_and(fits) { Ok(()) } else { refuse(format!("{what} {shape:?}, which no memory holds")) }
}

/// What candle refuses after all.
pub(super) fn from_candle(error: candle_core::Error) -> Error {
    Error::Checkpoint(format!("candle: {error}"))
}

/// The weight and bias of a norm, each `[n]`, or of a linear layer.
pub(super) struct Layer {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
}

impl Layer {
    /// The norm whose inputs' names begin so.
    pub(super) fn read_norm(case: &Inputs, prefix: &str) -> Result<Layer> {
        Layer::read(case, prefix, 1)
    }

    /// The linear layer whose inputs' names begin so.
    pub(super) fn read_linear(case: &Inputs, prefix: &str) -> Result<Layer> {
        Layer::read(case, prefix, 2)
    }

    fn read(case: &Inputs, prefix: &str, axes: usize) -> Result<Layer> {
        let weight = read::<f32>(case, &format!("{prefix}weight"), axes)?;
        Ok(Layer { weight, bias: read::<f32>(case, &format!("{prefix}bias"), 1)? })
    }

    /// [`LayerNorm`] over the last axis. Of a contiguous tensor candle takes the variance as the mean of the squares less
    /// the square of the mean, in `f32`: where the mean is large beside the deviation, that cancels.
    pub(super) fn norm(&self, x: &Tensor, eps: f64) -> Result<Tensor> {
        let Some(&width) = x.dims().last() else { return refuse("x is a scalar; it needs an axis".to_owned()) };
        for (name, vector) in [("weight", &self.weight), ("bias", &self.bias)] {
            expect(name, vector.dims(), &[width], format_args!("x {:?}", x.dims()))?;
        }
        let norm = LayerNorm::new(self.weight.clone(), self.bias.clone(), eps);
        produce(x.dims(), DType::F32, || norm.forward(x))
    }

    /// [`Linear`] with the weight as GPT-2 stores it, transformers' `Conv1D`: it is `[in, out]`.
    pub(super) fn conv1d(&self, x: &Tensor) -> Result<Tensor> {
        let ([.., inner], [_, outer]) = (dims::<3>(x), dims(&self.weight));
        expect("weight", self.weight.dims(), &[inner, outer], format_args!("x {:?}", x.dims()))?;
        expect("bias", self.bias.dims(), &[outer], format_args!("weight {:?}", self.weight.dims()))?;
        linear(x, &self.weight.t().map_err(from_candle)?, Some(&self.bias))
    }

    /// [`Linear`] with the weight as BERT stores it, `torch.nn.Linear`: it is `[out, in]`.
    pub(super) fn dense(&self, x: &Tensor) -> Result<Tensor> {
        let ([.., inner], [outer, _]) = (dims::<3>(x), dims(&self.weight));
        expect("weight", self.weight.dims(), &[outer, inner], format_args!("x {:?}", x.dims()))?;
        expect("bias", self.bias.dims(), &[outer], format_args!("weight {:?}", self.weight.dims()))?;
        linear(x, &self.weight, Some(&self.bias))
    }
}

/// Applies a layer whose weight fits: `[batch, seq, in]` with `[out, in]`.
pub(super) fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let ([batch, seq, inner], [outer, _]) = (dims(x), dims(weight));
    if inner == 0 {
        return refuse(format!("the last axis of x {:?} is empty", x.dims()));
    }
    produce(&[batch, seq, outer], DType::F32, || Linear::new(weight.clone(), bias.cloned()).forward(x))
}

/// [`Activation::NewGelu`] or [`Activation::Gelu`], by candle's names, which are those of transformers.
pub(super) fn activate(x: &Tensor, gelu: Gelu) -> Result<Tensor> {
    let activation = match gelu {
        Gelu::Tanh => Activation::NewGelu,
        Gelu::Exact => Activation::Gelu,
    };
    produce(x.dims(), DType::F32, || activation.forward(x))
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
    expect("update", update.dims(), x.dims(), format_args!("x {:?}", x.dims()))?;
    produce(x.dims(), DType::F32, || x + update)
}

/// `gelu(x c_fc) c_proj`, each layer with its bias.
pub(super) fn mlp(x: &Tensor, c_fc: &Layer, c_proj: &Layer, gelu: Gelu) -> Result<Tensor> {
    let ([.., width], [_, wide]) = (dims::<3>(x), dims(&c_fc.weight));
    let hidden = activate(&c_fc.conv1d(x).within("c_fc")?, gelu)?;
    expect("c_proj.weight", c_proj.weight.dims(), &[wide, width], format_args!("x {:?}", x.dims()))?;
    c_proj.conv1d(&hidden).within("c_proj")
}

#[cfg(test)]
mod tests {
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
        let dense = Layer { weight: weight.t().unwrap().contiguous().unwrap(), bias: bias.clone() };
        assert_eq!(elements(&dense.dense(&x).unwrap()), expected);
        assert_eq!(elements(&Layer { weight, bias }.conv1d(&x).unwrap()), expected);
    }

    #[test]
    fn the_two_gelus_are_told_apart() {
        let x = tensor(&[1], &[1.0]);
        assert!((elements(&activate(&x, Gelu::Exact).unwrap())[0] - 0.841_344_8).abs() < 2e-7);
        assert!((elements(&activate(&x, Gelu::Tanh).unwrap())[0] - 0.841_192).abs() < 2e-7);
    }

    /// A known weakness, which a golden with such a row would show; where this test fails, candle has become better.
    #[test]
    fn a_norm_of_a_row_far_from_0_loses_its_digits() {
        let norm = |width: usize| Layer {
            weight: tensor(&[width], &vec![1.0; width]),
            bias: tensor(&[width], &vec![0.0; width]),
        };
        let y = elements(&norm(2).norm(&tensor(&[1, 2], &[9999.0, 10001.0]), 1e-5).unwrap());
        assert!(y[1] > 1.1 || y[1] < 0.9, "{y:?} is no longer far from -1 and 1");
        let y = elements(&norm(384).norm(&tensor(&[1, 384], &[3000.1; 384]), 1e-12).unwrap());
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
        let square = || Layer { weight: tensor(&[3, 3], &[0.0; 9]), bias: tensor(&[3], &[0.0; 3]) };
        let upright = || Layer { weight: tensor(&[4, 3], &[0.0; 12]), bias: tensor(&[3], &[0.0; 3]) };
        let error = |c_fc: Layer, c_proj: Layer| mlp(&x, &c_fc, &c_proj, Gelu::Tanh).unwrap_err().to_string();
        assert_eq!(error(upright(), square()), "c_fc: weight is [4, 3]; for x [1, 2, 3] it must be [3, 3]");
        assert_eq!(error(square(), upright()), "c_proj.weight is [4, 3]; for x [1, 2, 3] it must be [3, 3]");
    }

    fn ones(shape: &[usize]) -> Tensor {
        Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap()
    }

    #[test]
    fn an_output_beyond_memory_is_refused_and_an_empty_one_not_computed() {
        for shape in [[1 << 40, 1 << 40], [1 << 31, 1 << 31]] {
            let error = produce(&shape, DType::F32, || unreachable!()).unwrap_err();
            assert!(error.to_string().contains("which no memory holds"), "{error}");
        }
        assert!(produce(&[0, usize::MAX, usize::MAX], DType::F32, || unreachable!()).is_err());
        assert_eq!(produce(&[2, 0], DType::I64, || unreachable!()).unwrap().dims(), [2, 0]);
    }

    #[test]
    fn what_candle_refuses_is_an_error_of_its_name() {
        let error = produce(&[2], DType::F32, || ones(&[2]).matmul(&ones(&[3]))).unwrap_err().to_string();
        assert!(error.starts_with("candle: shape mismatch in matmul"), "{error}");
    }
}
