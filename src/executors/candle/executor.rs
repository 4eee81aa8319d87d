//! The executor: which checkpoint runs which operation, on which inputs.

use candle_core::Tensor;

use super::attention::{self, Cache, Qkv};
use super::bert;
use super::block::{Block, Config};
use super::generate::Model;
use super::inputs::{conv1d, dense, norm, read, read_any, write};
use super::layer::{self, Conv1d, Norm};
use super::{embeddings as embed, logits as head, pooling};
use crate::error::Result;
use crate::outputs;
use crate::run::{CheckpointResult, Executor, Inputs};

/// The checkpoints of the built-in executor, by candle's operations. Its name is `candle`.
#[must_use]
pub fn executor() -> Executor {
    Executor::new("candle")
        .checkpoint("embeddings", embeddings)
        .checkpoint("layer_norm", layer_norm)
        .checkpoint("qkv", qkv)
        .checkpoint("kv_cache", kv_cache)
        .checkpoint("attention_scores", attention_scores)
        .checkpoint("softmax", softmax)
        .checkpoint("attention_output", attention_output)
        .checkpoint("residual", residual)
        .checkpoint("mlp", mlp)
        .checkpoint("block", block)
        .checkpoint("logits", logits)
        .checkpoint("selected_logits", selected_logits)
        .checkpoint("argmax", argmax)
        .checkpoint("generate", generate)
        .checkpoint("bert_qkv", bert_qkv)
        .checkpoint("attention_context", attention_context)
        .checkpoint("dense_residual_norm", dense_residual_norm)
        .checkpoint("dense_gelu", dense_gelu)
        .checkpoint("mean_pooling", mean_pooling)
        .checkpoint("normalize", normalize)
}

fn embeddings(case: &Inputs) -> CheckpointResult {
    let (wte, wpe) = (read::<f32>(case, "wte.weight", 2)?, read::<f32>(case, "wpe.weight", 2)?);
    y(embed::embeddings(&read::<i64>(case, "ids", 2)?, &wte, &wpe, case.param("offset")?))
}

fn layer_norm(case: &Inputs) -> CheckpointResult {
    let norm = Norm { weight: read::<f32>(case, "weight", 1)?, bias: read::<f32>(case, "bias", 1)? };
    y(norm.apply(&read_any::<f32>(case, "x")?, case.param("eps")?))
}

fn qkv(case: &Inputs) -> CheckpointResult {
    three(attention::qkv(&read::<f32>(case, "x", 3)?, &unnamed(case)?, case.param("n_head")?))
}

fn kv_cache(case: &Inputs) -> CheckpointResult {
    let past = Cache { k: read::<f32>(case, "past_k", 4)?, v: read::<f32>(case, "past_v", 4)? };
    let new = Cache { k: read::<f32>(case, "new_k", 4)?, v: read::<f32>(case, "new_v", 4)? };
    let Cache { k, v } = attention::kv_cache(&past, &new)?;
    Ok(outputs! { "k" => write(&k)?, "v" => write(&v)? })
}

fn attention_scores(case: &Inputs) -> CheckpointResult {
    let (q, k) = (read::<f32>(case, "q", 4)?, read::<f32>(case, "k", 4)?);
    let mask = case.tensor("mask").is_ok().then(|| read::<i64>(case, "mask", 2)).transpose()?;
    y(attention::scores(&q, &k, case.param("causal")?, mask.as_ref()))
}

fn softmax(case: &Inputs) -> CheckpointResult {
    y(layer::softmax(&read_any::<f32>(case, "x")?))
}

fn attention_output(case: &Inputs) -> CheckpointResult {
    let (probabilities, v) = (read::<f32>(case, "probabilities", 4)?, read::<f32>(case, "v", 4)?);
    y(attention::output(&probabilities, &v, &unnamed(case)?))
}

fn attention_context(case: &Inputs) -> CheckpointResult {
    y(attention::context(&read::<f32>(case, "probabilities", 4)?, &read::<f32>(case, "v", 4)?))
}

fn residual(case: &Inputs) -> CheckpointResult {
    y(layer::residual(&read_any::<f32>(case, "x")?, &read_any::<f32>(case, "update")?))
}

fn mlp(case: &Inputs) -> CheckpointResult {
    let (c_fc, c_proj) = (conv1d(case, "c_fc")?, conv1d(case, "c_proj")?);
    y(layer::mlp(&read::<f32>(case, "x", 3)?, &c_fc, &c_proj, case.param("gelu")?))
}

fn block(case: &Inputs) -> CheckpointResult {
    let block = Block::read(case, "")?;
    y(block.apply(&read::<f32>(case, "x", 3)?, Config::read(case)?, None).map(|(y, _)| y))
}

fn logits(case: &Inputs) -> CheckpointResult {
    y(head::logits(&read::<f32>(case, "x", 3)?, &read::<f32>(case, "weight", 2)?))
}

fn selected_logits(case: &Inputs) -> CheckpointResult {
    y(head::selected_logits(&read::<f32>(case, "x", 3)?))
}

fn argmax(case: &Inputs) -> CheckpointResult {
    y(head::argmax(&read::<f32>(case, "x", 2)?))
}

fn generate(case: &Inputs) -> CheckpointResult {
    let tokens = Model::read(case)?.generate(&read::<i64>(case, "ids", 2)?, case.param("new_tokens")?)?;
    Ok(outputs! { "tokens" => write(&tokens)? })
}

fn bert_qkv(case: &Inputs) -> CheckpointResult {
    let layers = [("query", dense(case, "query")?), ("key", dense(case, "key")?), ("value", dense(case, "value")?)];
    three(attention::bert_qkv(&read::<f32>(case, "x", 3)?, layers, case.param("n_head")?))
}

fn dense_residual_norm(case: &Inputs) -> CheckpointResult {
    let (dense, norm) = (dense(case, "dense")?, norm(case, "LayerNorm")?);
    let (x, skip) = (read::<f32>(case, "x", 3)?, read::<f32>(case, "residual", 3)?);
    y(bert::dense_residual_norm(&x, &skip, &dense, &norm, case.param("eps")?))
}

fn dense_gelu(case: &Inputs) -> CheckpointResult {
    y(bert::dense_gelu(&read::<f32>(case, "x", 3)?, &dense(case, "dense")?, case.param("gelu")?))
}

fn mean_pooling(case: &Inputs) -> CheckpointResult {
    y(pooling::mean_pooling(&read::<f32>(case, "x", 3)?, &read::<i64>(case, "mask", 2)?))
}

fn normalize(case: &Inputs) -> CheckpointResult {
    y(pooling::normalize(&read::<f32>(case, "x", 2)?, case.param("eps")?))
}

/// The layer whose inputs are `weight` and `bias`.
fn unnamed(case: &Inputs) -> Result<Conv1d> {
    Ok(Conv1d { weight: read::<f32>(case, "weight", 2)?, bias: read::<f32>(case, "bias", 1)? })
}

/// The one output of most checkpoints.
fn y(computed: Result<Tensor>) -> CheckpointResult {
    Ok(outputs! { "y" => write(&computed?)? })
}

fn three(computed: Result<Qkv>) -> CheckpointResult {
    let [q, k, v] = computed?;
    Ok(outputs! { "q" => write(&q)?, "k" => write(&k)?, "v" => write(&v)? })
}
