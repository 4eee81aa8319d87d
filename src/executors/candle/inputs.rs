//! From the inputs of a case to candle's tensors, and back to outputs.

use candle_core::{DType, Device, Tensor, WithDType};

use super::layer::{Conv1d, Dense, Norm};
use super::shape::{check_size, from_candle, refuse};
use crate::error::Result;
use crate::run::Inputs;
use crate::tensor;
use crate::tensor::Element;

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

/// The weight and bias of a norm below that name.
pub(super) fn norm(case: &Inputs, name: &str) -> Result<Norm> {
    Ok(Norm {
        weight: read::<f32>(case, &format!("{name}.weight"), 1)?,
        bias: read::<f32>(case, &format!("{name}.bias"), 1)?,
    })
}

/// The weight, `[in, out]`, and bias of a layer below that name.
pub(super) fn conv1d(case: &Inputs, name: &str) -> Result<Conv1d> {
    Ok(Conv1d {
        weight: read::<f32>(case, &format!("{name}.weight"), 2)?,
        bias: read::<f32>(case, &format!("{name}.bias"), 1)?,
    })
}

/// The weight, `[out, in]`, and bias of a layer below that name.
pub(super) fn dense(case: &Inputs, name: &str) -> Result<Dense> {
    Ok(Dense {
        weight: read::<f32>(case, &format!("{name}.weight"), 2)?,
        bias: read::<f32>(case, &format!("{name}.bias"), 1)?,
    })
}

/// What candle computed, as an output.
pub(super) fn write(tensor: &Tensor) -> Result<tensor::Tensor> {
    fn elements<T: Element + WithDType>(tensor: &Tensor) -> Result<tensor::Tensor> {
        let elements = tensor.flatten_all().and_then(|flat| flat.to_vec1::<T>()).map_err(from_candle)?;
        tensor::Tensor::new(tensor.dims(), elements)
    }
    match tensor.dtype() {
        DType::I64 => elements::<i64>(tensor),
        _ => elements::<f32>(tensor),
    }
}
