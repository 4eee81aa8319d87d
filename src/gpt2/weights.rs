//! Weights from tensors by name, without a copy.

use ndarray::{ArrayView, Dimension, IxDyn};

use super::matmul::Conv1d;
use super::shape::refuse;
use crate::error::Result;
use crate::numeric::{Element, Tensor};

/// Tensors by name: how the weights of a model are found, wherever they are.
pub(super) struct Weights<'a, F: Fn(&str) -> Result<&'a Tensor>>(pub(super) F);

impl<'a, F: Fn(&str) -> Result<&'a Tensor>> Weights<'a, F> {
    /// The tensor of that name, with the dtype and the number of axes that the caller needs.
    pub(super) fn view<T: Element, D: Dimension>(&self, name: &str) -> Result<ArrayView<'a, T, D>> {
        let tensor = (self.0)(name)?;
        let Some(elements) = tensor.as_slice() else {
            return refuse(format!("input `{name}` is {}, and the checkpoint reads {}", tensor.dtype(), T::DTYPE));
        };
        let view = ArrayView::from_shape(IxDyn(tensor.shape()), elements).ok();
        match view.and_then(|view| view.into_dimensionality().ok()) {
            Some(view) => Ok(view),
            None => refuse(format!(
                "input `{name}` is {:?}, and the checkpoint needs {} axes",
                tensor.shape(),
                D::NDIM.map_or("ordinary".to_owned(), |axes| axes.to_string())
            )),
        }
    }

    /// The weight, `[in, out]`, and bias below that name.
    pub(super) fn conv1d(&self, name: &str) -> Result<Conv1d<'a>> {
        Ok(Conv1d { weight: self.view(&format!("{name}.weight"))?, bias: self.view(&format!("{name}.bias"))? })
    }
}
