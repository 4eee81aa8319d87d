//! The built-in executor: which checkpoint runs which function, on which inputs.

use ndarray::{Array, ArrayView, Dimension, IxDyn};

use super::attention::{self, KvCache, Mask, Qkv};
use super::model::{Model, Weights};
use super::{bert, layers, model, tokens};
use crate::error::Result;
use crate::executors::shape::Config;
use crate::outputs;
use crate::run::{CheckpointResult, Executor, Inputs};
use crate::tensor::{Element, Tensor};

/// The built-in executor: the checkpoints of GPT-2, and those of BERT and of sentence embeddings that GPT-2 has not. Names,
/// inputs and params are those of the capture tool.
#[must_use]
pub fn executor() -> Executor {
    Executor::new("builtin")
        .checkpoint("embeddings", |case| {
            let (wte, wpe) = (view(case, "wte.weight")?, view(case, "wpe.weight")?);
            y(tokens::embeddings(view(case, "ids")?, wte, wpe, case.param("offset")?))
        })
        .checkpoint("layer_norm", |case| {
            let (weight, bias) = (view(case, "weight")?, view(case, "bias")?);
            y(layers::layer_norm(view::<f32, IxDyn>(case, "x")?, weight, bias, case.param("eps")?))
        })
        .checkpoint("qkv", |case| {
            let (weight, bias) = (view(case, "weight")?, view(case, "bias")?);
            three(attention::qkv(view(case, "x")?, weight, bias, case.param("n_head")?))
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
            let (weight, bias) = (view(case, "weight")?, view(case, "bias")?);
            y(attention::attention_output(view(case, "probabilities")?, view(case, "v")?, weight, bias))
        })
        .checkpoint("residual", |case| y(layers::residual(view::<f32, IxDyn>(case, "x")?, view(case, "update")?)))
        .checkpoint("mlp", |case| {
            let (c_fc, c_proj) = (weights(case).conv1d("c_fc")?, weights(case).conv1d("c_proj")?);
            y(layers::mlp(view(case, "x")?, c_fc, c_proj, case.param("gelu")?))
        })
        .checkpoint("block", |case| {
            y(model::block(view(case, "x")?, &weights(case).block("")?, Config::read(case)?, None).map(|(y, _)| y))
        })
        .checkpoint("logits", |case| y(tokens::logits(view(case, "x")?, view(case, "weight")?)))
        .checkpoint("selected_logits", |case| y(tokens::selected_logits(view(case, "x")?)))
        .checkpoint("argmax", |case| y(tokens::argmax(view(case, "x")?)))
        .checkpoint("generate", |case| {
            let model = Model::from_tensors(|name| case.tensor(name), Config::read(case)?)?;
            Ok(outputs! { "tokens" => model::generate(&model, view(case, "ids")?, case.param("new_tokens")?)? })
        })
        .checkpoint("bert_qkv", |case| {
            let layer = |name| weights(case).dense(name);
            let (query, key, value) = (layer("query")?, layer("key")?, layer("value")?);
            three(bert::bert_qkv(view(case, "x")?, query, key, value, case.param("n_head")?))
        })
        .checkpoint("attention_context", |case| {
            y(attention::attention_context(view(case, "probabilities")?, view(case, "v")?))
        })
        .checkpoint("dense_residual_norm", |case| {
            let (dense, norm) = (weights(case).dense("dense")?, weights(case).norm("LayerNorm")?);
            let (x, residual) = (view(case, "x")?, view(case, "residual")?);
            y(bert::dense_residual_norm(x, residual, dense, norm, case.param("eps")?))
        })
        .checkpoint("dense_gelu", |case| {
            y(bert::dense_gelu(view(case, "x")?, weights(case).dense("dense")?, case.param("gelu")?))
        })
        .checkpoint("mean_pooling", |case| y(tokens::mean_pooling(view(case, "x")?, view(case, "mask")?)))
        .checkpoint("normalize", |case| y(tokens::normalize(view(case, "x")?, case.param("eps")?)))
}

/// The one output of most checkpoints.
fn y<T: Element, D: Dimension>(computed: Result<Array<T, D>>) -> CheckpointResult {
    Ok(outputs! { "y" => computed? })
}

fn three(computed: Result<Qkv>) -> CheckpointResult {
    let Qkv { q, k, v } = computed?;
    Ok(outputs! { "q" => q, "k" => k, "v" => v })
}

/// The input of that name, with the dtype and the number of axes that the caller needs; nothing is copied.
fn view<'a, T: Element, D: Dimension>(case: &'a Inputs, name: &str) -> Result<ArrayView<'a, T, D>> {
    weights(case).view(name)
}

/// The inputs as weights by name.
fn weights<'a>(case: &'a Inputs) -> Weights<'a, impl Fn(&str) -> Result<&'a Tensor>> {
    Weights(|name| case.tensor(name))
}
