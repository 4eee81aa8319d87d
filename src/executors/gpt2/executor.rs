//! The built-in executor: which checkpoint runs which function, on which inputs.

use ndarray::{ArrayView, Dimension, IxDyn};

use super::block::Config;
use super::weights::Weights;
use super::{KvCache, Mask, Model, Qkv};
use crate::error::Result;
use crate::outputs;
use crate::run::{CheckpointResult, Executor, Inputs};
use crate::tensor::{Element, Tensor};

type Function = fn(&Inputs) -> CheckpointResult;

/// Every checkpoint, in the order of the computation. Names, inputs and params are those of the capture tool.
const CHECKPOINTS: &[(&str, Function)] = &[
    ("embeddings", embeddings),
    ("layer_norm", layer_norm),
    ("qkv", qkv),
    ("kv_cache", kv_cache),
    ("attention_scores", attention_scores),
    ("softmax", softmax),
    ("attention_output", attention_output),
    ("residual", residual),
    ("mlp", mlp),
    ("block", block),
    ("logits", logits),
    ("selected_logits", selected_logits),
    ("argmax", argmax),
    ("generate", generate),
    ("bert_qkv", bert_qkv),
    ("attention_context", attention_context),
    ("dense_residual_norm", dense_residual_norm),
    ("dense_gelu", dense_gelu),
    ("mean_pooling", mean_pooling),
    ("normalize", normalize),
];

/// The built-in executor: the checkpoints of GPT-2, and those of BERT and of sentence embeddings that GPT-2 has not.
#[must_use]
pub fn executor() -> Executor {
    CHECKPOINTS.iter().fold(Executor::new("builtin"), |executor, (name, function)| executor.checkpoint(name, *function))
}

fn embeddings(case: &Inputs) -> CheckpointResult {
    let (wte, wpe) = (view(case, "wte.weight")?, view(case, "wpe.weight")?);
    Ok(outputs! { "y" => super::embeddings(view(case, "ids")?, wte, wpe, case.param("offset")?)? })
}

fn layer_norm(case: &Inputs) -> CheckpointResult {
    let x = view::<f32, IxDyn>(case, "x")?;
    Ok(outputs! { "y" => super::layer_norm(x, view(case, "weight")?, view(case, "bias")?, case.param("eps")?)? })
}

fn qkv(case: &Inputs) -> CheckpointResult {
    let (x, weight, bias) = (view(case, "x")?, view(case, "weight")?, view(case, "bias")?);
    let Qkv { q, k, v } = super::qkv(x, weight, bias, case.param("n_head")?)?;
    Ok(outputs! { "q" => q, "k" => k, "v" => v })
}

fn kv_cache(case: &Inputs) -> CheckpointResult {
    let (past_k, past_v) = (view(case, "past_k")?, view(case, "past_v")?);
    let KvCache { k, v } = super::kv_cache(past_k, past_v, view(case, "new_k")?, view(case, "new_v")?)?;
    Ok(outputs! { "k" => k, "v" => v })
}

fn attention_scores(case: &Inputs) -> CheckpointResult {
    let mut mask = if case.param("causal")? { Mask::causal() } else { Mask::none() };
    if case.tensor("mask").is_ok() {
        mask = mask.with_padding(view(case, "mask")?);
    }
    Ok(outputs! { "y" => super::attention_scores(view(case, "q")?, view(case, "k")?, mask)? })
}

fn softmax(case: &Inputs) -> CheckpointResult {
    Ok(outputs! { "y" => super::softmax(view::<f32, IxDyn>(case, "x")?)? })
}

fn attention_output(case: &Inputs) -> CheckpointResult {
    let (probabilities, v) = (view(case, "probabilities")?, view(case, "v")?);
    Ok(outputs! { "y" => super::attention_output(probabilities, v, view(case, "weight")?, view(case, "bias")?)? })
}

fn attention_context(case: &Inputs) -> CheckpointResult {
    Ok(outputs! { "y" => super::attention_context(view(case, "probabilities")?, view(case, "v")?)? })
}

fn residual(case: &Inputs) -> CheckpointResult {
    Ok(outputs! { "y" => super::residual(view::<f32, IxDyn>(case, "x")?, view(case, "update")?)? })
}

fn mlp(case: &Inputs) -> CheckpointResult {
    let (c_fc, c_proj) = (weights(case).conv1d("c_fc")?, weights(case).conv1d("c_proj")?);
    Ok(outputs! { "y" => super::mlp(view(case, "x")?, c_fc, c_proj, case.param("gelu")?)? })
}

fn block(case: &Inputs) -> CheckpointResult {
    let (y, _) = super::block(view(case, "x")?, &weights(case).block("")?, config(case)?, None)?;
    Ok(outputs! { "y" => y })
}

fn logits(case: &Inputs) -> CheckpointResult {
    Ok(outputs! { "y" => super::logits(view(case, "x")?, view(case, "weight")?)? })
}

fn selected_logits(case: &Inputs) -> CheckpointResult {
    Ok(outputs! { "y" => super::selected_logits(view(case, "x")?)? })
}

fn argmax(case: &Inputs) -> CheckpointResult {
    Ok(outputs! { "y" => super::argmax(view(case, "x")?)? })
}

fn generate(case: &Inputs) -> CheckpointResult {
    let model = Model::from_tensors(|name| case.tensor(name), config(case)?)?;
    Ok(outputs! { "tokens" => super::generate(&model, view(case, "ids")?, case.param("new_tokens")?)? })
}

fn bert_qkv(case: &Inputs) -> CheckpointResult {
    let weights = weights(case);
    let (query, key, value) = (weights.dense("query")?, weights.dense("key")?, weights.dense("value")?);
    let Qkv { q, k, v } = super::bert_qkv(view(case, "x")?, query, key, value, case.param("n_head")?)?;
    Ok(outputs! { "q" => q, "k" => k, "v" => v })
}

fn dense_residual_norm(case: &Inputs) -> CheckpointResult {
    let (dense, norm) = (weights(case).dense("dense")?, weights(case).norm("LayerNorm")?);
    let (x, residual) = (view(case, "x")?, view(case, "residual")?);
    Ok(outputs! { "y" => super::dense_residual_norm(x, residual, dense, norm, case.param("eps")?)? })
}

fn dense_gelu(case: &Inputs) -> CheckpointResult {
    Ok(outputs! { "y" => super::dense_gelu(view(case, "x")?, weights(case).dense("dense")?, case.param("gelu")?)? })
}

fn mean_pooling(case: &Inputs) -> CheckpointResult {
    Ok(outputs! { "y" => super::mean_pooling(view(case, "x")?, view(case, "mask")?)? })
}

fn normalize(case: &Inputs) -> CheckpointResult {
    Ok(outputs! { "y" => super::normalize(view(case, "x")?, case.param("eps")?)? })
}

/// The input of that name, with the dtype and the number of axes that the caller needs; nothing is copied.
fn view<'a, T: Element, D: Dimension>(case: &'a Inputs, name: &str) -> Result<ArrayView<'a, T, D>> {
    weights(case).view(name)
}

/// The inputs as weights by name.
fn weights<'a>(case: &'a Inputs) -> Weights<'a, impl Fn(&str) -> Result<&'a Tensor>> {
    Weights(|name| case.tensor(name))
}

fn config(case: &Inputs) -> Result<Config> {
    Ok(Config { n_head: case.param("n_head")?, eps: case.param("eps")?, gelu: case.param("gelu")? })
}
