//! GPT-2's building blocks on ndarray, and the executor that has them as checkpoints.
//!
//! Each is a pure function: shapes in its docs, no state, the formula's source named. Weights are as GPT-2 stores them:
//! a linear layer's weight is `[in, out]` (transformers' `Conv1D`).

mod layer_norm;
mod qkv;

pub use layer_norm::layer_norm;
pub use qkv::{Qkv, qkv};

use ndarray::{Array, ArrayD, Dimension};

use crate::error::{Error, Result};
use crate::outputs;
use crate::run::{CheckpointResult, Executor, Inputs};

/// The built-in executor: the checkpoints `layer_norm` and `qkv`.
#[must_use]
pub fn executor() -> Executor {
    Executor::new("karat").checkpoint("layer_norm", run_layer_norm).checkpoint("qkv", run_qkv)
}

fn run_layer_norm(case: &Inputs) -> CheckpointResult {
    let x: ArrayD<f32> = case.input("x")?;
    let (weight, bias) = (shaped(case, "weight")?, shaped(case, "bias")?);
    Ok(outputs! { "y" => layer_norm(x.view(), weight.view(), bias.view(), case.param("eps")?)? })
}

fn run_qkv(case: &Inputs) -> CheckpointResult {
    let (x, weight, bias) = (shaped(case, "x")?, shaped(case, "weight")?, shaped(case, "bias")?);
    let Qkv { q, k, v } = qkv(x.view(), weight.view(), bias.view(), case.param("n_head")?)?;
    Ok(outputs! { "q" => q, "k" => k, "v" => v })
}

/// The `f32` input of that name with the number of axes that the caller needs.
fn shaped<D: Dimension>(case: &Inputs, name: &str) -> Result<Array<f32, D>> {
    let array: ArrayD<f32> = case.input(name)?;
    let shape = array.shape().to_vec();
    array.into_dimensionality().map_err(|_| {
        let axes = D::NDIM.expect("every caller has a fixed number of axes");
        Error::Checkpoint(format!("input `{name}` is {shape:?}, and the checkpoint needs {axes} axes"))
    })
}
