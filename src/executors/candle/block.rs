//! One layer of GPT-2.

use candle_core::Tensor;

use super::attention::{Cache, kv_cache, output, qkv, scores};
use super::inputs;
use super::layer::{Conv1d, Gelu, Norm, mlp, residual, softmax};
use super::shape::Within;
use crate::error::Result;
use crate::run::Inputs;

/// What GPT-2's `config.json` says that its weights do not.
#[derive(Clone, Copy)]
pub(super) struct Config {
    pub(super) n_head: usize,
    pub(super) eps: f64,
    pub(super) gelu: Gelu,
}

/// The weights of one block.
pub(super) struct Block {
    ln_1: Norm,
    c_attn: Conv1d,
    attn_c_proj: Conv1d,
    ln_2: Norm,
    c_fc: Conv1d,
    mlp_c_proj: Conv1d,
}

impl Config {
    /// The configuration from the params of a case.
    pub(super) fn read(case: &Inputs) -> Result<Config> {
        Ok(Config { n_head: case.param("n_head")?, eps: case.param("eps")?, gelu: case.param("gelu")? })
    }
}

impl Block {
    /// The block whose weights' names all begin so.
    pub(super) fn read(case: &Inputs, prefix: &str) -> Result<Block> {
        let named = |name: &str| format!("{prefix}{name}");
        Ok(Block {
            ln_1: inputs::norm(case, &named("ln_1"))?,
            c_attn: inputs::conv1d(case, &named("attn.c_attn"))?,
            attn_c_proj: inputs::conv1d(case, &named("attn.c_proj"))?,
            ln_2: inputs::norm(case, &named("ln_2"))?,
            c_fc: inputs::conv1d(case, &named("mlp.c_fc"))?,
            mlp_c_proj: inputs::conv1d(case, &named("mlp.c_proj"))?,
        })
    }

    /// Whether any weight of a block whose names begin so is there.
    pub(super) fn is_there(case: &Inputs, prefix: &str) -> bool {
        ["ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"]
            .iter()
            .any(|layer| ["weight", "bias"].iter().any(|part| case.tensor(&format!("{prefix}{layer}.{part}")).is_ok()))
    }

    /// `h = x + attention(ln_1(x))`, `h + mlp(ln_2(h))`, and the keys and values of `past` and of `x`.
    pub(super) fn apply(&self, x: &Tensor, config: Config, past: Option<&Cache>) -> Result<(Tensor, Cache)> {
        let Config { n_head, eps, gelu } = config;

        let normal = self.ln_1.apply(x, eps).within("ln_1")?;
        let [q, k, v] = qkv(&normal, &self.c_attn, n_head).within("attn.c_attn")?;
        let mut cache = Cache { k, v };
        if let Some(past) = past {
            cache = kv_cache(past, &cache)?;
        }
        let probabilities = softmax(&scores(&q, &cache.k, true, None)?)?;
        let update = output(&probabilities, &cache.v, &self.attn_c_proj).within("attn.c_proj")?;
        let h = residual(x, &update)?;

        let normal = self.ln_2.apply(&h, eps).within("ln_2")?;
        let update = mlp(&normal, &self.c_fc, &self.mlp_c_proj, gelu).within("mlp")?;
        Ok((residual(&h, &update)?, cache))
    }
}
