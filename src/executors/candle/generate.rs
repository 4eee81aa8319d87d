//! GPT-2 whole, and greedy generation.

use candle_core::{DType, Tensor};

use super::attention::Cache;
use super::block::{Block, Config};
use super::embeddings::embeddings;
use super::inputs;
use super::layer::Norm;
use super::logits::{argmax, logits, selected_logits};
use super::shape::{Within, dims, from_candle, produce, refuse};
use crate::error::Result;
use crate::run::Inputs;

/// A GPT-2.
pub(super) struct Model {
    wte: Tensor,
    wpe: Tensor,
    blocks: Vec<Block>,
    ln_f: Norm,
    lm_head: Tensor,
    config: Config,
}

impl Model {
    /// The model whose weights are inputs of a case; there are as many blocks as are found.
    pub(super) fn read(case: &Inputs) -> Result<Model> {
        let wte = inputs::read::<f32>(case, "wte.weight", 2)?;
        let mut blocks = vec![Block::read(case, "h.0.")?];
        while Block::is_there(case, &format!("h.{}.", blocks.len())) {
            blocks.push(Block::read(case, &format!("h.{}.", blocks.len()))?);
        }
        let has_head = case.tensor("lm_head.weight").is_ok();
        Ok(Model {
            lm_head: if has_head { inputs::read::<f32>(case, "lm_head.weight", 2)? } else { wte.clone() },
            wte,
            wpe: inputs::read::<f32>(case, "wpe.weight", 2)?,
            blocks,
            ln_f: inputs::norm(case, "ln_f")?,
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
        self.ln_f.apply(&x, self.config.eps).within("ln_f")
    }

    /// The prompt, `[batch, seq]`, and the best token after it, `new_tokens` times; what was computed before is taken
    /// from the cache.
    pub(super) fn generate(&self, ids: &Tensor, new_tokens: usize) -> Result<Tensor> {
        let ([batch, seq], [positions, _]) = (dims(ids), dims(&self.wpe));
        if seq == 0 {
            return refuse(format!("ids is {:?}; there is no prompt to go on from", ids.dims()));
        }
        // The last token is chosen and never read, so it needs no position.
        if seq.checked_add(new_tokens).is_none_or(|end| end - 1 > positions) {
            return refuse(format!(
                "{new_tokens} tokens after ids {:?} go beyond the {positions} positions",
                ids.dims()
            ));
        }
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
