//! The built-in executor: maps each checkpoint to its function and inputs.

use ndarray::{Array, ArrayView, Dimension, IxDyn};

use super::attention::{self, KvCache, Mask, Qkv};
use super::layers::Layer;
use super::model::{Block, Model};
use super::{layers, model, tokens};
use crate::error::Result;
use crate::executors::shape::Config;
use crate::outputs;
use crate::run::{CheckpointResult, Executor, Inputs};
use crate::tensor::Element;

/// Returns the built-in executor, with the checkpoints of GPT-2, and further ones of BERT and of sentence embeddings. Names, inputs and
/// params are those of the capture tool.
#[must_use]
pub fn executor() -> Executor {
    Executor::new("builtin")
        .checkpoint("embeddings", |case| {
            let (wte, wpe) = (view(case, "wte.weight")?, view(case, "wpe.weight")?);
            y(tokens::embeddings(view(case, "ids")?, wte, wpe, case.param("offset")?))
        })
        .checkpoint("layer_norm", |case| {
            let Layer { weight, bias } = layer(case, "")?;
            y(layers::layer_norm(view::<f32, IxDyn>(case, "x")?, weight, bias, case.param("eps")?))
        })
        .checkpoint("qkv", |case| {
            let Layer { weight, bias } = layer(case, "")?;
            qkv_outputs(attention::qkv(view(case, "x")?, weight, bias, case.param("n_head")?))
        })
        .checkpoint("kv_cache", |case| {
            let (past_k, past_v) = (view(case, "past_k")?, view(case, "past_v")?);
            let KvCache { k, v } = attention::kv_cache(past_k, past_v, view(case, "new_k")?, view(case, "new_v")?)?;
            Ok(outputs! { "k" => k, "v" => v })
        })
        .checkpoint("attention_scores", |case| {
            let mut mask = if case.param("causal")? { Mask::causal() } else { Mask::none() };
            if case.tensor("mask").is_ok() {
                mask = mask.with_padding(view(case, "mask")?);
            }
            y(attention::attention_scores(view(case, "q")?, view(case, "k")?, mask))
        })
        .checkpoint("softmax", |case| y(layers::softmax(view::<f32, IxDyn>(case, "x")?)))
        .checkpoint("attention_output", |case| {
            let Layer { weight, bias } = layer(case, "")?;
            y(attention::attention_output(view(case, "probabilities")?, view(case, "v")?, weight, bias))
        })
        .checkpoint("residual", |case| y(layers::residual(view::<f32, IxDyn>(case, "x")?, view(case, "update")?)))
        .checkpoint("mlp", |case| {
            y(layers::mlp(view(case, "x")?, layer(case, "c_fc.")?, layer(case, "c_proj.")?, case.param("gelu")?))
        })
        .checkpoint("block", |case| {
            let block = Block::read("", |prefix| layer(case, prefix), |prefix| layer(case, prefix))?;
            y(model::block(view(case, "x")?, &block, Config::read(case)?, None).map(|(y, _)| y))
        })
        .checkpoint("logits", |case| y(tokens::logits(view(case, "x")?, view(case, "weight")?)))
        .checkpoint("selected_logits", |case| y(tokens::selected_logits(view(case, "x")?)))
        .checkpoint("argmax", |case| y(tokens::argmax(view(case, "x")?)))
        .checkpoint("generate", |case| {
            let model = Model::from_tensors(|name| case.tensor(name), Config::read(case)?)?;
            Ok(outputs! { "tokens" => model::generate(&model, view(case, "ids")?, case.param("new_tokens")?)? })
        })
        .checkpoint("bert_qkv", |case| {
            let (query, key, value) = (layer(case, "query.")?, layer(case, "key.")?, layer(case, "value.")?);
            qkv_outputs(attention::bert_qkv(view(case, "x")?, query, key, value, case.param("n_head")?))
        })
        .checkpoint("attention_context", |case| {
            y(attention::attention_context(view(case, "probabilities")?, view(case, "v")?))
        })
        .checkpoint("dense_residual_norm", |case| {
            let (dense, norm) = (layer(case, "dense.")?, layer(case, "LayerNorm.")?);
            let (x, residual) = (view(case, "x")?, view(case, "residual")?);
            y(layers::dense_residual_norm(x, residual, dense, norm, case.param("eps")?))
        })
        .checkpoint("dense_gelu", |case| {
            y(layers::dense_gelu(view(case, "x")?, layer(case, "dense.")?, case.param("gelu")?))
        })
        .checkpoint("mean_pooling", |case| y(tokens::mean_pooling(view(case, "x")?, view(case, "mask")?)))
        .checkpoint("normalize", |case| y(tokens::normalize(view(case, "x")?, case.param("eps")?)))
}

/// Returns the only output of most checkpoints, `y`.
fn y<T: Element, D: Dimension>(computed: Result<Array<T, D>>) -> CheckpointResult {
    Ok(outputs! { "y" => computed? })
}

fn qkv_outputs(computed: Result<Qkv>) -> CheckpointResult {
    let Qkv { q, k, v } = computed?;
    Ok(outputs! { "q" => q, "k" => k, "v" => v })
}

/// Returns an input with the dtype and the number of axes that the caller needs.
fn view<'a, T: Element, D: Dimension>(case: &'a Inputs, name: &str) -> Result<ArrayView<'a, T, D>> {
    model::view(case.tensor(name)?, name)
}

/// Returns the layer whose inputs have this prefix.
fn layer<'a, D: Dimension>(case: &'a Inputs, prefix: &str) -> Result<Layer<'a, D>> {
    model::layer(|name| case.tensor(name), prefix)
}
