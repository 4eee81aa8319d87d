//! The building blocks of BERT that GPT-2 does not have.

use candle_core::Tensor;

use super::layer::{Dense, Gelu, Norm, residual};
use super::shape::{Within, expect};
use crate::error::Result;

/// `layer_norm(x dense + skip)`.
pub(super) fn dense_residual_norm(x: &Tensor, skip: &Tensor, dense: &Dense, norm: &Norm, eps: f64) -> Result<Tensor> {
    let update = dense.apply(x).within("dense")?;
    expect("residual", skip, update.dims(), format_args!("x {:?} through dense", x.dims()))?;
    norm.apply(&residual(&update, skip)?, eps).within("LayerNorm")
}

/// `gelu(x dense)`.
pub(super) fn dense_gelu(x: &Tensor, dense: &Dense, gelu: Gelu) -> Result<Tensor> {
    gelu.apply(&dense.apply(x).within("dense")?)
}
