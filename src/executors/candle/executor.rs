//! The executor: which checkpoint runs which operation, on which inputs.

use candle_core::Tensor;

use super::attention::{self, Cache, Qkv};
use super::layers::{self, Layer, read, read_any, write};
use super::model::{self, Block, Model};
use crate::error::Result;
use crate::executors::shape::Config;
use crate::outputs;
use crate::run::{CheckpointResult, Executor, Inputs};

/// The checkpoints of the built-in executor, by candle's operations. Its name is `candle`.
#[must_use]
pub fn executor() -> Executor {
    Executor::new("candle")
        .checkpoint("embeddings", |case| {
            let (wte, wpe) = (float(case, "wte.weight", 2)?, float(case, "wpe.weight", 2)?);
            y(model::embeddings(&read::<i64>(case, "ids", 2)?, &wte, &wpe, case.param("offset")?))
        })
        .checkpoint("layer_norm", |case| {
            y(Layer::read_norm(case, "")?.norm(&read_any::<f32>(case, "x")?, case.param("eps")?))
        })
        .checkpoint("qkv", |case| {
            three(attention::qkv(&float(case, "x", 3)?, &Layer::read_linear(case, "")?, case.param("n_head")?))
        })
        .checkpoint("kv_cache", |case| {
            let past = Cache { k: float(case, "past_k", 4)?, v: float(case, "past_v", 4)? };
            let new = Cache { k: float(case, "new_k", 4)?, v: float(case, "new_v", 4)? };
            let Cache { k, v } = attention::kv_cache(&past, &new)?;
            Ok(outputs! { "k" => write(&k)?, "v" => write(&v)? })
        })
        .checkpoint("attention_scores", |case| {
            let (q, k) = (float(case, "q", 4)?, float(case, "k", 4)?);
            let mask = case.tensor("mask").is_ok().then(|| read::<i64>(case, "mask", 2)).transpose()?;
            y(attention::scores(&q, &k, case.param("causal")?, mask.as_ref()))
        })
        .checkpoint("softmax", |case| y(layers::softmax(&read_any::<f32>(case, "x")?)))
        .checkpoint("attention_output", |case| {
            let (probabilities, v) = (float(case, "probabilities", 4)?, float(case, "v", 4)?);
            y(attention::output(&probabilities, &v, &Layer::read_linear(case, "")?))
        })
        .checkpoint("residual", |case| {
            y(layers::residual(&read_any::<f32>(case, "x")?, &read_any::<f32>(case, "update")?))
        })
        .checkpoint("mlp", |case| {
            let (c_fc, c_proj) = (Layer::read_linear(case, "c_fc.")?, Layer::read_linear(case, "c_proj.")?);
            y(layers::mlp(&float(case, "x", 3)?, &c_fc, &c_proj, case.param("gelu")?))
        })
        .checkpoint("block", |case| {
            y(Block::read(case, "")?.apply(&float(case, "x", 3)?, Config::read(case)?, None).map(|(y, _)| y))
        })
        .checkpoint("logits", |case| y(model::logits(&float(case, "x", 3)?, &float(case, "weight", 2)?)))
        .checkpoint("selected_logits", |case| y(model::selected_logits(&float(case, "x", 3)?)))
        .checkpoint("argmax", |case| y(model::argmax(&float(case, "x", 2)?)))
        .checkpoint("generate", |case| {
            let tokens = Model::read(case)?.generate(&read::<i64>(case, "ids", 2)?, case.param("new_tokens")?)?;
            Ok(outputs! { "tokens" => write(&tokens)? })
        })
        .checkpoint("bert_qkv", |case| {
            let layer = |name| Layer::read_linear(case, &format!("{name}.")).map(|layer| (name, layer));
            let layers = [layer("query")?, layer("key")?, layer("value")?];
            three(attention::bert_qkv(&float(case, "x", 3)?, layers, case.param("n_head")?))
        })
        .checkpoint("attention_context", |case| {
            y(attention::context(&float(case, "probabilities", 4)?, &float(case, "v", 4)?))
        })
        .checkpoint("dense_residual_norm", |case| {
            let (dense, norm) = (Layer::read_linear(case, "dense.")?, Layer::read_norm(case, "LayerNorm.")?);
            let (x, skip) = (float(case, "x", 3)?, float(case, "residual", 3)?);
            y(model::dense_residual_norm(&x, &skip, &dense, &norm, case.param("eps")?))
        })
        .checkpoint("dense_gelu", |case| {
            y(model::dense_gelu(&float(case, "x", 3)?, &Layer::read_linear(case, "dense.")?, case.param("gelu")?))
        })
        .checkpoint("mean_pooling", |case| {
            y(model::mean_pooling(&float(case, "x", 3)?, &read::<i64>(case, "mask", 2)?))
        })
        .checkpoint("normalize", |case| y(model::normalize(&float(case, "x", 2)?, case.param("eps")?)))
}

/// The input of that name with so many axes.
fn float(case: &Inputs, name: &str, axes: usize) -> Result<Tensor> {
    read::<f32>(case, name, axes)
}

/// The one output of most checkpoints.
fn y(computed: Result<Tensor>) -> CheckpointResult {
    Ok(outputs! { "y" => write(&computed?)? })
}

fn three(computed: Result<Qkv>) -> CheckpointResult {
    let [q, k, v] = computed?;
    Ok(outputs! { "q" => write(&q)?, "k" => write(&k)?, "v" => write(&v)? })
}
