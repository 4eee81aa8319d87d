//! GPT-2 whole: embeddings, blocks, final norm and logits.

use ndarray::{Array3, ArrayView2, ArrayView3, Axis};

use super::block::{Block, Config, block};
use super::cache::KvCache;
use super::embeddings::embeddings;
use super::layer_norm::{Norm, layer_norm};
use super::logits::logits;
use super::shape::{Within, refuse};
use super::weights::Weights;
use crate::error::Result;
use crate::tensor::Tensor;

/// A GPT-2: its weights, which it borrows, and what its configuration says besides.
#[derive(Clone, Debug)]
pub struct Model<'a> {
    /// The token embedding, `[vocab, n]`.
    pub wte: ArrayView2<'a, f32>,
    /// The position embedding, `[positions, n]`.
    pub wpe: ArrayView2<'a, f32>,
    /// The blocks, first to last.
    pub blocks: Vec<Block<'a>>,
    /// The final norm.
    pub ln_f: Norm<'a>,
    /// What the logits are products with, `[vocab, n]`: the token embedding unless the model has another.
    pub lm_head: ArrayView2<'a, f32>,
    /// The number of heads, the norms' eps, the activation.
    pub config: Config,
}

impl<'a> Model<'a> {
    /// A model from tensors by the names that HuggingFace transformers gives them below `transformer` (`wte.weight`,
    /// `h.0.ln_1.weight`, .., `ln_f.bias`), and `lm_head.weight` where there is one. There are as many blocks as are
    /// found.
    ///
    /// # Errors
    ///
    /// What `find` returns for a tensor that is not there, and [`Error::Checkpoint`](crate::Error::Checkpoint) where
    /// one is not `f32` or has another number of axes.
    pub fn from_tensors(find: impl Fn(&str) -> Result<&'a Tensor>, config: Config) -> Result<Model<'a>> {
        let weights = Weights(find);
        let wte = weights.view("wte.weight")?;
        let mut blocks = vec![weights.block("h.0.")?];
        while weights.has_block(&format!("h.{}.", blocks.len())) {
            blocks.push(weights.block(&format!("h.{}.", blocks.len()))?);
        }
        Ok(Model {
            wte,
            wpe: weights.view("wpe.weight")?,
            blocks,
            ln_f: weights.norm("ln_f")?,
            lm_head: if (weights.0)("lm_head.weight").is_ok() { weights.view("lm_head.weight")? } else { wte },
            config,
        })
    }

    /// Runs the model on new tokens, and returns the logits at every new position and the cache of every block.
    ///
    /// `GPT2LMHeadModel.forward` of HuggingFace transformers. `past` is what the call for the positions before
    /// returned, and empty for the first.
    ///
    /// Shapes: `ids` is `[batch, seq]`, the logits are `[batch, seq, vocab]`.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`](crate::Error::Checkpoint) where a shape does not fit, or a token or position is not in the
    /// model; it names the block.
    pub fn forward(&self, ids: ArrayView2<'_, i64>, past: &[KvCache]) -> Result<(Array3<f32>, Vec<KvCache>)> {
        let (hidden, caches) = self.hidden(ids, past)?;
        Ok((self.logits(hidden.view())?, caches))
    }

    /// What comes out of the final norm, `[batch, seq, n]`, and the cache of every block.
    pub(super) fn hidden(&self, ids: ArrayView2<'_, i64>, past: &[KvCache]) -> Result<(Array3<f32>, Vec<KvCache>)> {
        if !past.is_empty() && past.len() != self.blocks.len() {
            return refuse(format!("past holds {} caches, and the model has {} blocks", past.len(), self.blocks.len()));
        }
        let offset = past.first().map_or(0, |cache| cache.k.len_of(Axis(2)));
        let mut x = embeddings(ids, self.wte, self.wpe, offset)?;
        let mut caches = Vec::with_capacity(self.blocks.len());
        for (place, weights) in self.blocks.iter().enumerate() {
            let (y, cache) = block(x.view(), weights, self.config, past.get(place)).within(&format!("h.{place}"))?;
            x = y;
            caches.push(cache);
        }
        let hidden = layer_norm(x.view(), self.ln_f.weight, self.ln_f.bias, self.config.eps).within("ln_f")?;
        Ok((hidden, caches))
    }

    /// The logits of those rows.
    pub(super) fn logits(&self, hidden: ArrayView3<'_, f32>) -> Result<Array3<f32>> {
        logits(hidden, self.lm_head).within("lm_head")
    }
}
