//! The GPT-2 model: weights by name, a block, the forward pass, and greedy generation.

use ndarray::{Array2, Array3, ArrayView, ArrayView2, ArrayView3, Axis, Dimension, IxDyn, concatenate, s};

use super::attention::{KvCache, Mask, Qkv, attention_output, attention_scores, kv_cache, qkv};
use super::layers::{Conv1d, Layer, Norm, layer_norm, mlp, residual, softmax};
use super::tokens::{argmax, embeddings, logits, selected_logits};
use crate::error::{Error, Result};
use crate::executors::shape::{self, Config, Within, check_prompt, refuse};
use crate::tensor::{Element, Tensor};

/// The weights of one block.
pub type Block<'a> = shape::Block<Norm<'a>, Conv1d<'a>>;

/// A GPT-2 model with borrowed weights.
pub type Model<'a> = shape::Model<ArrayView2<'a, f32>, Norm<'a>, Conv1d<'a>>;

/// Runs one block, and returns its keys and values for later positions.
///
/// `h = x + attention(ln_1(x))`, `y = h + mlp(ln_2(h))`: Radford et al. 2019, section 2.3; `GPT2Block.forward` of
/// HuggingFace transformers. `past` has the keys and values of the positions before `x`, if there are any.
///
/// Shapes: `x` and `y` are `[batch, seq, n]`; `past` is `[batch, heads, p, n / heads]`, and the returned cache is
/// `[batch, heads, p + seq, n / heads]`.
///
/// # Errors
///
/// [`Error::Checkpoint`] if a shape does not fit; it names the layer of the block.
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

/// Returns a view of a tensor with the dtype and the number of axes that the caller needs.
pub(super) fn view<'a, T: Element, D: Dimension>(tensor: &'a Tensor, name: &str) -> Result<ArrayView<'a, T, D>> {
    let Some(elements) = tensor.as_slice() else {
        return refuse(format!("input `{name}` is {}, but the checkpoint needs {}", tensor.dtype(), T::DTYPE));
    };
    let view = ArrayView::from_shape(IxDyn(tensor.shape()), elements).and_then(ArrayView::into_dimensionality);
    let axes = D::NDIM.unwrap_or_default();
    view.or_else(|_| refuse(format!("input `{name}` is {:?}, but the checkpoint needs {axes} axes", tensor.shape())))
}

/// Returns the layer whose tensors have this prefix.
pub(super) fn layer<'a, D: Dimension>(find: impl Fn(&str) -> Result<&'a Tensor>, prefix: &str) -> Result<Layer<'a, D>> {
    let [weight, bias] = ["weight", "bias"].map(|part| format!("{prefix}{part}"));
    Ok(Layer { weight: view(find(&weight)?, &weight)?, bias: view(find(&bias)?, &bias)? })
}

impl<'a> Model<'a> {
    /// Builds a model from tensors with the names of HuggingFace transformers below `transformer` (`wte.weight`,
    /// `h.0.ln_1.weight`, .., `ln_f.bias`), and `lm_head.weight` if it exists. It has as many blocks as there are weights for.
    ///
    /// # Errors
    ///
    /// The error of `find` for a missing tensor, and [`Error::Checkpoint`] if a tensor is not `f32` or has the wrong number of axes.
    pub fn from_tensors(find: impl Fn(&str) -> Result<&'a Tensor>, config: Config) -> Result<Model<'a>> {
        Model::read(
            |name| find(name).is_ok(),
            |name| view(find(name)?, name),
            |prefix| layer(&find, prefix),
            |prefix| layer(&find, prefix),
            config,
        )
    }

    /// Runs the model on new tokens, and returns the logits at every new position and the cache of every block.
    ///
    /// `GPT2LMHeadModel.forward` of HuggingFace transformers. `past` are the caches returned by the call for the previous positions,
    /// or empty.
    ///
    /// Shapes: `ids` is `[batch, seq]`, the logits are `[batch, seq, vocab]`.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if a shape does not fit, or the model lacks a token or position; it names the block.
    pub fn forward(&self, ids: ArrayView2<'_, i64>, past: &[KvCache]) -> Result<(Array3<f32>, Vec<KvCache>)> {
        let (hidden, caches) = self.hidden(ids, past)?;
        Ok((self.logits(hidden.view())?, caches))
    }

    /// Returns the output of the final norm, `[batch, seq, n]`, and the cache of every block.
    pub(super) fn hidden(&self, ids: ArrayView2<'_, i64>, past: &[KvCache]) -> Result<(Array3<f32>, Vec<KvCache>)> {
        if !past.is_empty() && past.len() != self.blocks.len() {
            return refuse(format!("past has {} caches, but the model has {} blocks", past.len(), self.blocks.len()));
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

    /// Returns the logits of these rows.
    pub(super) fn logits(&self, hidden: ArrayView3<'_, f32>) -> Result<Array3<f32>> {
        logits(hidden, self.lm_head).within("lm_head")
    }
}

/// Appends the best token, `new_tokens` times.
///
/// Greedy search: `generate(do_sample=False)` of HuggingFace transformers without an end token. Each step computes only the new
/// position, and takes the others from the cache.
///
/// Shapes: `ids` is `[batch, seq]`; the result, with the prompt, is `[batch, seq + new_tokens]`.
///
/// # Errors
///
/// [`Error::Checkpoint`] if the prompt is empty, the model has too few positions, or a shape does not fit.
pub fn generate(model: &Model<'_>, ids: ArrayView2<'_, i64>, new_tokens: usize) -> Result<Array2<i64>> {
    check_prompt(ids.shape(), new_tokens, model.wpe.nrows())?;
    let mut tokens = ids.to_owned();
    let mut caches = Vec::new();
    for _ in 0..new_tokens {
        let known = caches.first().map_or(0, |cache: &KvCache| cache.k.len_of(Axis(2)));
        let (hidden, grown) = model.hidden(tokens.slice(s![.., known..]), &caches)?;
        let last = hidden.slice(s![.., hidden.len_of(Axis(1)) - 1.., ..]);
        let next = argmax(selected_logits(model.logits(last)?.view())?.view())?;
        tokens = concatenate(Axis(1), &[tokens.view(), next.insert_axis(Axis(1)).view()])
            .map_err(|error| Error::Checkpoint(format!("no token can be appended: {error}")))?;
        caches = grown;
    }
    Ok(tokens)
}
