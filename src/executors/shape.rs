//! The model structure and the checks of shapes, tokens and params that both executors share.

use std::fmt;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::run::Inputs;

/// A GELU formula (Hendrycks and Gimpel 2016). The two differ by up to 5e-4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gelu {
    /// `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`: `NewGELUActivation` (`gelu_new`) of HuggingFace
    /// transformers, used by GPT-2.
    Tanh,
    /// `0.5 x (1 + erf(x / sqrt(2)))`: `GELUActivation` (`gelu`) of HuggingFace transformers, used by BERT.
    Exact,
}

/// The fields of GPT-2's `config.json` that do not follow from its weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// The number of heads, `n_head`.
    pub n_head: usize,
    /// The eps that is added to a variance, `layer_norm_epsilon`.
    pub eps: f64,
    /// The activation, `activation_function`.
    pub gelu: Gelu,
}

/// The layers of a block, by their names in HuggingFace transformers.
pub(super) const LAYERS: [&str; 6] = ["ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"];

impl Config {
    /// Reads the configuration from the params of a case.
    pub(super) fn read(case: &Inputs) -> Result<Config> {
        Ok(Config { n_head: case.param("n_head")?, eps: case.param("eps")?, gelu: case.param("gelu")? })
    }
}

/// The weights of one block, by their names in HuggingFace transformers; n is the width.
#[derive(Clone, Copy, Debug)]
pub struct Block<Norm, Linear> {
    /// `ln_1`, each `[n]`.
    pub ln_1: Norm,
    /// `attn.c_attn`, `[n, 3 n]`.
    pub c_attn: Linear,
    /// `attn.c_proj`, `[n, n]`.
    pub attn_c_proj: Linear,
    /// `ln_2`, each `[n]`.
    pub ln_2: Norm,
    /// `mlp.c_fc`, `[n, 4 n]`.
    pub c_fc: Linear,
    /// `mlp.c_proj`, `[4 n, n]`.
    pub mlp_c_proj: Linear,
}

impl<Norm, Linear> Block<Norm, Linear> {
    /// Reads the block whose weights have this prefix, with functions that read a layer by its prefix.
    pub(super) fn read(
        prefix: &str,
        norm: impl Fn(&str) -> Result<Norm>,
        linear: impl Fn(&str) -> Result<Linear>,
    ) -> Result<Block<Norm, Linear>> {
        let [ln_1, c_attn, attn_c_proj, ln_2, c_fc, mlp_c_proj] = LAYERS.map(|layer| format!("{prefix}{layer}."));
        Ok(Block {
            ln_1: norm(&ln_1)?,
            c_attn: linear(&c_attn)?,
            attn_c_proj: linear(&attn_c_proj)?,
            ln_2: norm(&ln_2)?,
            c_fc: linear(&c_fc)?,
            mlp_c_proj: linear(&mlp_c_proj)?,
        })
    }
}

/// A GPT-2 model: its weights and its configuration.
#[derive(Clone, Debug)]
pub struct Model<Table, Norm, Linear> {
    /// The token embedding, `[vocab, n]`.
    pub wte: Table,
    /// The position embedding, `[positions, n]`.
    pub wpe: Table,
    /// The blocks, first to last.
    pub blocks: Vec<Block<Norm, Linear>>,
    /// The final norm.
    pub ln_f: Norm,
    /// The weight of the logits, `[vocab, n]`: the token embedding, unless the model has a separate one.
    pub lm_head: Table,
    /// The number of heads, the eps of the norms, and the activation.
    pub config: Config,
}

impl<Table: Clone, Norm, Linear> Model<Table, Norm, Linear> {
    /// Reads a model with as many blocks as there are weights for.
    pub(super) fn read(
        has: impl Fn(&str) -> bool,
        table: impl Fn(&str) -> Result<Table>,
        norm: impl Fn(&str) -> Result<Norm>,
        linear: impl Fn(&str) -> Result<Linear>,
        config: Config,
    ) -> Result<Model<Table, Norm, Linear>> {
        let wte = table("wte.weight")?;
        let exists = |block: &usize| {
            let parts = LAYERS.iter().flat_map(|layer| [(layer, "weight"), (layer, "bias")]);
            *block == 0 || parts.into_iter().any(|(layer, part)| has(&format!("h.{block}.{layer}.{part}")))
        };
        let blocks = (0..).take_while(exists).map(|block| Block::read(&format!("h.{block}."), &norm, &linear));
        Ok(Model {
            blocks: blocks.collect::<Result<_>>()?,
            wpe: table("wpe.weight")?,
            ln_f: norm("ln_f.")?,
            lm_head: if has("lm_head.weight") { table("lm_head.weight")? } else { wte.clone() },
            wte,
            config,
        })
    }
}

/// Checks the shape of a tensor. `given` is the tensor that determines the needed shape.
pub(super) fn expect(name: &str, actual: &[usize], needed: &[usize], given: impl fmt::Display) -> Result<()> {
    if actual == needed {
        return Ok(());
    }
    refuse(format!("{name} is {actual:?}; for {given} it must be {needed:?}"))
}

/// Returns an [`Error::Checkpoint`] with this text.
pub(super) fn refuse<T>(what: String) -> Result<T> {
    Err(Error::Checkpoint(what))
}

/// Checks that a tensor of this shape fits into memory, and that its strides do not overflow. They are products of extents even if
/// another extent is 0.
pub(super) fn check_size(shape: &[usize], what: &str) -> Result<()> {
    let multiply = |count: isize, &extent: &usize| count.checked_mul(extent.max(1).try_into().ok()?);
    let fits = |count: isize| shape.contains(&0) || Vec::<f32>::new().try_reserve_exact(count as usize).is_ok();
    match shape.iter().try_fold(1, multiply).is_some_and(fits) {
        true => Ok(()),
        false => refuse(format!("{what} {shape:?}, which does not fit into memory")),
    }
}

/// Checks the weight and bias of a norm of the last axis of `x`.
pub(super) fn check_norm(x: &[usize], weight: &[usize], bias: &[usize]) -> Result<()> {
    let Some(width) = x.last() else { return refuse("x is a scalar; it needs an axis".to_owned()) };
    expect("weight", weight, &[*width], format_args!("x {x:?}"))?;
    expect("bias", bias, &[*width], format_args!("x {x:?}"))
}

/// Checks the weight and bias of a linear layer of `x`, `[batch, seq, in]`; `out` is the axis of the weight for the outputs.
pub(super) fn check_linear(x: &[usize], weight: &[usize], bias: &[usize], out: usize) -> Result<()> {
    let mut needed = [x[2]; 2];
    needed[out] = weight[out];
    expect("weight", weight, &needed, format_args!("x {x:?}"))?;
    expect("bias", bias, &[weight[out]], format_args!("weight {weight:?}"))
}

/// Checks that `wpe` is as wide as `wte`, and that it has the positions from `offset` on.
pub(super) fn check_positions(ids: &[usize], wte: &[usize], wpe: &[usize], offset: usize) -> Result<()> {
    expect("wpe.weight", wpe, &[wpe[0], wte[1]], format_args!("wte.weight {wte:?}"))?;
    match offset.checked_add(ids[1]).is_some_and(|end| end <= wpe[0]) {
        true => Ok(()),
        false => refuse(format!("ids {ids:?} from position {offset} on go beyond wpe.weight {wpe:?}")),
    }
}

/// Checks that every token of `[.., columns]` is in the vocabulary.
pub(super) fn check_tokens<'a>(ids: impl IntoIterator<Item = &'a i64>, columns: usize, vocab: usize) -> Result<()> {
    let is_token = |id: i64| usize::try_from(id).is_ok_and(|id| id < vocab);
    check_all("ids", ids, columns, is_token, &format!("wte.weight has {vocab} tokens"))
}

/// Checks that a padding mask, `[.., columns]`, has only ones and zeros.
pub(super) fn check_binary<'a>(mask: impl IntoIterator<Item = &'a i64>, columns: usize) -> Result<()> {
    check_all("mask", mask, columns, |value| matches!(value, 0 | 1), "it must be 1 for a token and 0 for padding")
}

fn check_all<'a>(
    name: &str,
    values: impl IntoIterator<Item = &'a i64>,
    columns: usize,
    is_valid: impl Fn(i64) -> bool,
    rule: &str,
) -> Result<()> {
    match values.into_iter().enumerate().find(|(_, value)| !is_valid(**value)) {
        Some((at, value)) => refuse(format!("{name} contains {value} at [{}, {}]; {rule}", at / columns, at % columns)),
        None => Ok(()),
    }
}

/// Checks that the width of `x` is divisible by the number of heads.
pub(super) fn check_heads(n_head: usize, width: usize) -> Result<()> {
    if n_head == 0 || !width.is_multiple_of(n_head) {
        return refuse(format!("n_head {n_head} does not divide the width {width} of x"));
    }
    Ok(())
}

/// Checks that a causal mask has a key for every query.
pub(super) fn check_causal(queries: usize, keys: usize) -> Result<()> {
    if keys < queries {
        return refuse(format!(
            "a causal mask needs a key for every query; there are {queries} queries and {keys} keys"
        ));
    }
    Ok(())
}

/// Checks that new keys and values can be appended to those of earlier positions.
pub(super) fn check_cache(past_k: &[usize], past_v: &[usize], new_k: &[usize], new_v: &[usize]) -> Result<()> {
    expect("past_v", past_v, past_k, format_args!("past_k {past_k:?}"))?;
    expect("new_v", new_v, new_k, format_args!("new_k {new_k:?}"))?;
    expect("new_k", new_k, &[past_k[0], past_k[1], new_k[2], past_k[3]], format_args!("past_k {past_k:?}"))
}

/// Checks that there is a prompt, and a position for each token but the last, which is never an input.
pub(super) fn check_prompt(ids: &[usize], new_tokens: usize, positions: usize) -> Result<()> {
    if ids[1] == 0 {
        return refuse(format!("ids is {ids:?}; there is no prompt to continue"));
    }
    if ids[1].checked_add(new_tokens).is_none_or(|end| end - 1 > positions) {
        return refuse(format!("{new_tokens} tokens after ids {ids:?} go beyond the {positions} positions"));
    }
    Ok(())
}

/// Adds the layer to an error: `h.3: mlp.c_fc: weight is ..`.
pub(super) trait Within {
    fn within(self, layer: &str) -> Self;
}

impl<T> Within for Result<T> {
    fn within(self, layer: &str) -> Self {
        self.map_err(|error| match error {
            Error::Checkpoint(what) => Error::Checkpoint(format!("{layer}: {what}")),
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_layer_the_shape_and_the_needed_shape() {
        let error = expect("weight", &[12, 4], &[4, 12], "x [1, 2, 4]").within("c_attn").within("h.0").unwrap_err();
        assert_eq!(error.to_string(), "h.0: c_attn: weight is [12, 4]; for x [1, 2, 4] it must be [4, 12]");
    }

    #[test]
    fn a_number_of_heads_that_does_not_divide_the_width_is_refused() {
        assert!(check_heads(4, 64).is_ok());
        for n_head in [0, 3, 128] {
            let error = check_heads(n_head, 64).unwrap_err().to_string();
            assert!(error.starts_with(&format!("n_head {n_head} does")));
        }
    }
}
