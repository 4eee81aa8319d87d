//! One layer of GPT-2.

use ndarray::{Array3, ArrayView3};

use super::attention::{attention_output, attention_scores};
use super::cache::{KvCache, kv_cache};
use super::gelu::Gelu;
use super::layer_norm::{Norm, layer_norm};
use super::mask::Mask;
use super::matmul::Conv1d;
use super::mlp::{mlp, residual};
use super::qkv::{Qkv, qkv};
use super::shape::Within;
use super::softmax::softmax;
use crate::error::Result;

/// What GPT-2's `config.json` says that its weights do not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// The number of heads, `n_head`.
    pub n_head: usize,
    /// What is added to a variance, `layer_norm_epsilon`.
    pub eps: f64,
    /// The activation, `activation_function`.
    pub gelu: Gelu,
}

/// The weights of one block, by their names in HuggingFace transformers; n is the width.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// `ln_1`, each `[n]`.
    pub ln_1: Norm<'a>,
    /// `attn.c_attn`, `[n, 3 n]`.
    pub c_attn: Conv1d<'a>,
    /// `attn.c_proj`, `[n, n]`.
    pub attn_c_proj: Conv1d<'a>,
    /// `ln_2`, each `[n]`.
    pub ln_2: Norm<'a>,
    /// `mlp.c_fc`, `[n, 4 n]`.
    pub c_fc: Conv1d<'a>,
    /// `mlp.c_proj`, `[4 n, n]`.
    pub mlp_c_proj: Conv1d<'a>,
}

/// Runs one block, and returns its keys and values for the positions to come.
///
/// `h = x + attention(ln_1(x))`, `y = h + mlp(ln_2(h))`: Radford et al. 2019, section 2.3; `GPT2Block.forward` of
/// HuggingFace transformers. Where the positions before `x` were computed already, `past` holds their keys and values.
///
/// Shapes: `x` and `y` are `[batch, seq, n]`; `past` is `[batch, heads, p, n / heads]`, and what is returned
/// `[batch, heads, p + seq, n / heads]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) where a shape is another; it names the layer of the block.
pub fn block(
    x: ArrayView3<'_, f32>,
    weights: &Block<'_>,
    config: Config,
    past: Option<&KvCache>,
) -> Result<(Array3<f32>, KvCache)> {
    let Block { ln_1, c_attn, attn_c_proj, ln_2, c_fc, mlp_c_proj } = *weights;
    let Config { n_head, eps, gelu } = config;

    let normal = layer_norm(x, ln_1.weight, ln_1.bias, eps).within("ln_1")?;
    let Qkv { q, k, v } = qkv(normal.view(), c_attn.weight, c_attn.bias, n_head).within("attn.c_attn")?;
    let cache = match past {
        Some(past) => kv_cache(past.k.view(), past.v.view(), k.view(), v.view())?,
        None => KvCache { k, v },
    };
    let scores = attention_scores(q.view(), cache.k.view(), Mask::causal())?;
    let probabilities = softmax(scores.view())?;
    let update = attention_output(probabilities.view(), cache.v.view(), attn_c_proj.weight, attn_c_proj.bias);
    let h = residual(x, update.within("attn.c_proj")?.view())?;

    let normal = layer_norm(h.view(), ln_2.weight, ln_2.bias, eps).within("ln_2")?;
    let update = mlp(normal.view(), c_fc, mlp_c_proj, gelu).within("mlp")?;
    Ok((residual(h.view(), update.view())?, cache))
}
