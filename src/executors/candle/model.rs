//! GPT-2 whole: tokens to states and back, one block, all of them, and greedy generation; and what only BERT and sentence
//! embeddings have.

use candle_core::{D, DType, Device, Tensor};
use candle_nn::{Embedding, Module};

use super::attention::{Cache, kv_cache, output, qkv, scores};
use super::layers::{Layer, activate, dims, flat, from_candle, linear, mlp, produce, read, residual, softmax};
use crate::error::Result;
use crate::executors::shape::{
    Config, Gelu, Within, check_binary, check_positions, check_prompt, check_tokens, count_blocks, expect, refuse,
};
use crate::run::Inputs;

/// What a sentence without tokens is divided by, as sentence-transformers clamps it.
const NO_TOKENS: f64 = 1e-9;

/// The weights of one block.
pub(super) struct Block {
    ln_1: Layer,
    c_attn: Layer,
    attn_c_proj: Layer,
    ln_2: Layer,
    c_fc: Layer,
    mlp_c_proj: Layer,
}

/// A GPT-2.
pub(super) struct Model {
    wte: Tensor,
    wpe: Tensor,
    blocks: Vec<Block>,
    ln_f: Layer,
    lm_head: Tensor,
    config: Config,
}

/// [`Embedding`] of the tokens plus rows `offset..` of `wpe`.
pub(super) fn embeddings(ids: &Tensor, wte: &Tensor, wpe: &Tensor, offset: usize) -> Result<Tensor> {
    let ([batch, seq], [vocab, width]) = (dims(ids), dims(wte));
    check_positions(ids.dims(), wte.dims(), wpe.dims(), offset)?;
    // candle takes the largest `i64` for a row of zeros.
    check_tokens(&flat(ids)?, seq, vocab)?;
    produce(&[batch, seq, width], DType::F32, || {
        let tokens = Embedding::new(wte.clone(), width).forward(ids)?;
        tokens.broadcast_add(&wpe.narrow(0, offset, seq)?)
    })
}

/// A linear layer without a bias: `[batch, seq, n]` with `[vocab, n]`.
pub(super) fn logits(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let ([.., width], [vocab, _]) = (dims::<3>(x), dims(weight));
    expect("weight", weight.dims(), &[vocab, width], format_args!("x {:?}", x.dims()))?;
    linear(x, weight, None)
}

/// The last row of `[batch, seq, vocab]`.
pub(super) fn selected_logits(x: &Tensor) -> Result<Tensor> {
    let [batch, seq, vocab] = dims(x);
    match seq.checked_sub(1) {
        Some(last) => produce(&[batch, vocab], DType::F32, || x.narrow(1, last, 1)?.squeeze(1)?.contiguous()),
        None => refuse(format!("x is {:?}; it has no last row", x.dims())),
    }
}

/// `argmax` of each row: the first of the largest. Where there is NaN candle may choose another than torch, for which
/// NaN is the largest.
pub(super) fn argmax(x: &Tensor) -> Result<Tensor> {
    let [batch, vocab] = dims(x);
    if vocab == 0 {
        return refuse(format!("x is {:?}; there is no token to choose", x.dims()));
    }
    produce(&[batch], DType::I64, || x.argmax(D::Minus1)?.to_dtype(DType::I64))
}

/// The sum of the rows that are no padding, over their number. A product with the mask would let the NaN of a padded
/// row through.
pub(super) fn mean_pooling(x: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let [batch, seq, width] = dims(x);
    expect("mask", mask.dims(), &[batch, seq], format_args!("x {:?}", x.dims()))?;
    check_binary(&flat(mask)?, seq)?;
    produce(&[batch, width], DType::F32, || {
        if seq == 0 {
            return Tensor::zeros((batch, width), DType::F32, &Device::Cpu);
        }
        let tokens = mask.unsqueeze(2)?;
        let kept = tokens.broadcast_as(x.shape())?.where_cond(x, &x.zeros_like()?)?;
        let count = tokens.to_dtype(DType::F32)?.sum(1)?.maximum(NO_TOKENS)?;
        kept.sum(1)?.broadcast_div(&count)
    })
}

/// `x / max(|x|, eps)` of each row.
pub(super) fn normalize(x: &Tensor, eps: f64) -> Result<Tensor> {
    produce(x.dims(), DType::F32, || {
        let norm = x.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?;
        x.broadcast_div(&norm.maximum(eps)?)
    })
}

/// `layer_norm(x dense + skip)`.
pub(super) fn dense_residual_norm(x: &Tensor, skip: &Tensor, dense: &Layer, norm: &Layer, eps: f64) -> Result<Tensor> {
    let update = dense.dense(x).within("dense")?;
    expect("residual", skip.dims(), update.dims(), format_args!("x {:?} through dense", x.dims()))?;
    norm.norm(&residual(&update, skip)?, eps).within("LayerNorm")
}

/// `gelu(x dense)`.
pub(super) fn dense_gelu(x: &Tensor, dense: &Layer, gelu: Gelu) -> Result<Tensor> {
    activate(&dense.dense(x).within("dense")?, gelu)
}

impl Block {
    /// The block whose weights' names all begin so.
    pub(super) fn read(case: &Inputs, prefix: &str) -> Result<Block> {
        let norm = |name: &str| Layer::read_norm(case, &format!("{prefix}{name}."));
        let linear = |name: &str| Layer::read_linear(case, &format!("{prefix}{name}."));
        Ok(Block {
            ln_1: norm("ln_1")?,
            c_attn: linear("attn.c_attn")?,
            attn_c_proj: linear("attn.c_proj")?,
            ln_2: norm("ln_2")?,
            c_fc: linear("mlp.c_fc")?,
            mlp_c_proj: linear("mlp.c_proj")?,
        })
    }

    /// `h = x + attention(ln_1(x))`, `h + mlp(ln_2(h))`, and the keys and values of `past` and of `x`.
    pub(super) fn apply(&self, x: &Tensor, config: Config, past: Option<&Cache>) -> Result<(Tensor, Cache)> {
        let Config { n_head, eps, gelu } = config;

        let normal = self.ln_1.norm(x, eps).within("ln_1")?;
        let [q, k, v] = qkv(&normal, &self.c_attn, n_head).within("attn.c_attn")?;
        let mut cache = Cache { k, v };
        if let Some(past) = past {
            cache = kv_cache(past, &cache)?;
        }
        let probabilities = softmax(&scores(&q, &cache.k, true, None)?)?;
        let update = output(&probabilities, &cache.v, &self.attn_c_proj).within("attn.c_proj")?;
        let h = residual(x, &update)?;

        let normal = self.ln_2.norm(&h, eps).within("ln_2")?;
        let update = mlp(&normal, &self.c_fc, &self.mlp_c_proj, gelu).within("mlp")?;
        Ok((residual(&h, &update)?, cache))
    }
}

impl Model {
    /// The model whose weights are inputs of a case; there are as many blocks as are found.
    pub(super) fn read(case: &Inputs) -> Result<Model> {
        let wte = read::<f32>(case, "wte.weight", 2)?;
        let blocks = 0..count_blocks(|name| case.tensor(name).is_ok());
        let has_head = case.tensor("lm_head.weight").is_ok();
        Ok(Model {
            blocks: blocks.map(|block| Block::read(case, &format!("h.{block}."))).collect::<Result<_>>()?,
            lm_head: if has_head { read::<f32>(case, "lm_head.weight", 2)? } else { wte.clone() },
            wte,
            wpe: read::<f32>(case, "wpe.weight", 2)?,
            ln_f: Layer::read_norm(case, "ln_f.")?,
            config: Config::read(case)?,
        })
    }

    /// What comes out of the final norm for new tokens, and the cache of every block, which was empty or grows.
    fn hidden(&self, ids: &Tensor, caches: &mut Vec<Cache>) -> Result<Tensor> {
        let known = caches.first().map_or(0, |cache| dims::<4>(&cache.k)[2]);
        let mut x = embeddings(ids, &self.wte, &self.wpe, known)?;
        let mut grown = Vec::with_capacity(self.blocks.len());
        for (place, block) in self.blocks.iter().enumerate() {
            let (y, cache) = block.apply(&x, self.config, caches.get(place)).within(&format!("h.{place}"))?;
            x = y;
            grown.push(cache);
        }
        *caches = grown;
        self.ln_f.norm(&x, self.config.eps).within("ln_f")
    }

    /// The prompt, `[batch, seq]`, and the best token after it, `new_tokens` times; what was computed before is taken
    /// from the cache.
    pub(super) fn generate(&self, ids: &Tensor, new_tokens: usize) -> Result<Tensor> {
        let ([batch, seq], [positions, _]) = (dims(ids), dims(&self.wpe));
        check_prompt(ids.dims(), new_tokens, positions)?;
        let (mut tokens, mut new) = (ids.clone(), ids.clone());
        let mut caches = Vec::new();
        for length in seq + 1..=seq + new_tokens {
            let hidden = self.hidden(&new, &mut caches)?;
            let last = hidden.narrow(1, dims::<3>(&hidden)[1] - 1, 1).and_then(|last| last.contiguous());
            let scores = logits(&last.map_err(from_candle)?, &self.lm_head).within("lm_head")?;
            new = argmax(&selected_logits(&scores)?)?.unsqueeze(1).map_err(from_candle)?;
            tokens = produce(&[batch, length], DType::I64, || Tensor::cat(&[&tokens, &new], 1))?;
        }
        Ok(tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(ids: [[i64; 2]; 1], offset: usize) -> String {
        let zeros = |rows: usize| Tensor::zeros((rows, 4), DType::F32, &Device::Cpu).unwrap();
        let ids = Tensor::new(&ids, &Device::Cpu).unwrap();
        embeddings(&ids, &zeros(3), &zeros(8), offset).unwrap_err().to_string()
    }

    #[test]
    fn tokens_and_positions_that_are_not_there_are_refused() {
        assert_eq!(error([[0, 3]], 0), "ids holds 3 at [0, 1]; wte.weight has 3 tokens");
        assert_eq!(error([[-1, 0]], 0), "ids holds -1 at [0, 0]; wte.weight has 3 tokens");
        assert!(error([[i64::MAX, 0]], 0).contains("at [0, 0]"));
        assert_eq!(error([[0, 0]], 7), "ids [1, 2] from position 7 on go beyond wpe.weight [8, 4]");
        assert!(error([[0, 0]], usize::MAX).contains("go beyond"));
    }

    #[test]
    fn the_first_of_the_largest_is_the_best() {
        let x = Tensor::new(&[[1f32, 3.0, 3.0], [-2.0, -1.0, -2.0]], &Device::Cpu).unwrap();
        assert_eq!(argmax(&x).unwrap().to_vec1::<i64>().unwrap(), [1, 1]);
    }

    #[test]
    fn where_there_is_no_row_or_no_token_it_says_so() {
        let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        assert!(selected_logits(&zeros(&[2, 0, 3])).unwrap_err().to_string().contains("no last row"));
        assert!(argmax(&zeros(&[2, 0])).unwrap_err().to_string().contains("no token"));
    }

    #[test]
    fn padding_does_not_count() {
        let x = [[[1f32, 10.0], [3.0, 30.0]], [[5.0, 50.0], [f32::NAN, 7.0]], [[1.0, 1.0], [1.0, 1.0]]];
        let mask = Tensor::new(&[[1i64, 1], [1, 0], [0, 0]], &Device::Cpu).unwrap();
        let y = mean_pooling(&Tensor::new(&x, &Device::Cpu).unwrap(), &mask).unwrap();
        assert_eq!(y.to_vec2::<f32>().unwrap(), [[2.0, 20.0], [5.0, 50.0], [0.0, 0.0]]);
    }

    #[test]
    fn nan_spoils_its_row_and_a_short_row_is_not_blown_up() {
        let y = normalize(&Tensor::new(&[[f32::NAN, 1.0], [0.5, 0.0]], &Device::Cpu).unwrap(), 1.0).unwrap();
        let y = y.to_vec2::<f32>().unwrap();
        assert!(y[0].iter().all(|y| y.is_nan()));
        assert_eq!(y[1], [0.5, 0.0]);
    }
}
