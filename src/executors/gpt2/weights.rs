//! Weights from tensors by name, without a copy.

use ndarray::{ArrayView, Dimension, IxDyn};

use super::block::Block;
use super::layer_norm::Norm;
use super::matmul::{Conv1d, Dense};
use super::shape::refuse;
use crate::error::Result;
use crate::tensor::{Element, Tensor};

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

    /// The weight and bias below that name.
    pub(super) fn norm(&self, name: &str) -> Result<Norm<'a>> {
        Ok(Norm { weight: self.view(&format!("{name}.weight"))?, bias: self.view(&format!("{name}.bias"))? })
    }

    /// The weight, `[in, out]`, and bias below that name.
    pub(super) fn conv1d(&self, name: &str) -> Result<Conv1d<'a>> {
        Ok(Conv1d { weight: self.view(&format!("{name}.weight"))?, bias: self.view(&format!("{name}.bias"))? })
    }

    /// The weight, `[out, in]`, and bias below that name.
    pub(super) fn dense(&self, name: &str) -> Result<Dense<'a>> {
        Ok(Dense { weight: self.view(&format!("{name}.weight"))?, bias: self.view(&format!("{name}.bias"))? })
    }

    /// The weights of a block, whose names all begin so.
    pub(super) fn block(&self, prefix: &str) -> Result<Block<'a>> {
        let named = |name: &str| format!("{prefix}{name}");
        Ok(Block {
            ln_1: self.norm(&named("ln_1"))?,
            c_attn: self.conv1d(&named("attn.c_attn"))?,
            attn_c_proj: self.conv1d(&named("attn.c_proj"))?,
            ln_2: self.norm(&named("ln_2"))?,
            c_fc: self.conv1d(&named("mlp.c_fc"))?,
            mlp_c_proj: self.conv1d(&named("mlp.c_proj"))?,
        })
    }

    /// Whether any tensor of a block whose names begin so is there.
    pub(super) fn has_block(&self, prefix: &str) -> bool {
        ["ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"]
            .iter()
            .any(|layer| ["weight", "bias"].iter().any(|part| (self.0)(&format!("{prefix}{layer}.{part}")).is_ok()))
    }
}
