//! The checkpoints of the built-in executor, implemented with [candle](https://github.com/huggingface/candle) on the CPU.
//!
//! It uses candle's own layers, like a model written with candle (`LayerNorm`, `Linear`, `Embedding`, `softmax_last_dim`, `gelu`,
//! `gelu_erf`, `matmul`, `cat`, `argmax`), or else its tensor operations, all in `f32`. It shares no mathematics with
//! [`gpt2`](crate::executors::gpt2), so that the two can be compared with each other and with the same goldens.
//!
//! Names, inputs, params, outputs and checks are the same: a shape that does not fit is an [`Error::Checkpoint`] that names it.

use candle_core::{D, DType, Device, Tensor, WithDType};
use candle_nn::{Activation, Embedding, LayerNorm, Linear, Module, ops};

use super::shape::{
    self, Config, Gelu, Within, check_binary, check_cache, check_causal, check_heads, check_linear, check_norm,
    check_positions, check_prompt, check_size, check_tokens, expect, refuse,
};
use crate::error::{Error, Result};
use crate::outputs;
use crate::run::{CheckpointResult, Executor, Inputs};
use crate::tensor::{self, Element};

/// Returns the executor `candle`, with the checkpoints of the built-in executor.
#[must_use]
pub fn executor() -> Executor {
    Executor::new("candle")
        .checkpoint("embeddings", |case| {
            let (wte, wpe) = (float(case, "wte.weight", 2)?, float(case, "wpe.weight", 2)?);
            y(embeddings(&read::<i64>(case, "ids", Some(2))?, &wte, &wpe, case.param("offset")?))
        })
        .checkpoint("layer_norm", |case| {
            y(Layer::read_norm(case, "")?.norm(&read::<f32>(case, "x", None)?, case.param("eps")?))
        })
        .checkpoint("qkv", |case| {
            qkv_outputs(qkv(&float(case, "x", 3)?, &Layer::read_linear(case, "")?, case.param("n_head")?))
        })
        .checkpoint("kv_cache", |case| {
            let past = Cache { k: float(case, "past_k", 4)?, v: float(case, "past_v", 4)? };
            let new = Cache { k: float(case, "new_k", 4)?, v: float(case, "new_v", 4)? };
            let Cache { k, v } = kv_cache(&past, &new)?;
            Ok(outputs! { "k" => write(&k)?, "v" => write(&v)? })
        })
        .checkpoint("attention_scores", |case| {
            let (q, k) = (float(case, "q", 4)?, float(case, "k", 4)?);
            let mask = case.tensor("mask").is_ok().then(|| read::<i64>(case, "mask", Some(2))).transpose()?;
            y(scores(&q, &k, case.param("causal")?, mask.as_ref()))
        })
        .checkpoint("softmax", |case| y(softmax(&read::<f32>(case, "x", None)?)))
        .checkpoint("attention_output", |case| {
            let (probabilities, v) = (float(case, "probabilities", 4)?, float(case, "v", 4)?);
            y(output(&probabilities, &v, &Layer::read_linear(case, "")?))
        })
        .checkpoint("residual", |case| y(residual(&read::<f32>(case, "x", None)?, &read::<f32>(case, "update", None)?)))
        .checkpoint("mlp", |case| {
            let (c_fc, c_proj) = (Layer::read_linear(case, "c_fc.")?, Layer::read_linear(case, "c_proj.")?);
            y(mlp(&float(case, "x", 3)?, &c_fc, &c_proj, case.param("gelu")?))
        })
        .checkpoint("block", |case| {
            let block = Block::read("", |name| Layer::read_norm(case, name), |name| Layer::read_linear(case, name))?;
            y(block.apply(&float(case, "x", 3)?, Config::read(case)?, None).map(|(y, _)| y))
        })
        .checkpoint("logits", |case| y(logits(&float(case, "x", 3)?, &float(case, "weight", 2)?)))
        .checkpoint("selected_logits", |case| y(selected_logits(&float(case, "x", 3)?)))
        .checkpoint("argmax", |case| y(argmax(&float(case, "x", 2)?)))
        .checkpoint("generate", |case| {
            let model = Model::read(
                |name| case.tensor(name).is_ok(),
                |name| float(case, name, 2),
                |name| Layer::read_norm(case, name),
                |name| Layer::read_linear(case, name),
                Config::read(case)?,
            )?;
            let tokens = model.generate(&read::<i64>(case, "ids", Some(2))?, case.param("new_tokens")?)?;
            Ok(outputs! { "tokens" => write(&tokens)? })
        })
        .checkpoint("bert_qkv", |case| {
            let layer = |name| Layer::read_linear(case, &format!("{name}.")).map(|layer| (name, layer));
            let layers = [layer("query")?, layer("key")?, layer("value")?];
            qkv_outputs(bert_qkv(&float(case, "x", 3)?, layers, case.param("n_head")?))
        })
        .checkpoint("attention_context", |case| y(context(&float(case, "probabilities", 4)?, &float(case, "v", 4)?)))
        .checkpoint("dense_residual_norm", |case| {
            let (dense, norm) = (Layer::read_linear(case, "dense.")?, Layer::read_norm(case, "LayerNorm.")?);
            let (x, skip) = (float(case, "x", 3)?, float(case, "residual", 3)?);
            y(dense_residual_norm(&x, &skip, &dense, &norm, case.param("eps")?))
        })
        .checkpoint("dense_gelu", |case| {
            y(dense_gelu(&float(case, "x", 3)?, &Layer::read_linear(case, "dense.")?, case.param("gelu")?))
        })
        .checkpoint("mean_pooling", |case| y(mean_pooling(&float(case, "x", 3)?, &read::<i64>(case, "mask", Some(2))?)))
        .checkpoint("normalize", |case| y(normalize(&float(case, "x", 2)?, case.param("eps")?)))
}

/// Returns the only output of most checkpoints, `y`.
fn y(computed: Result<Tensor>) -> CheckpointResult {
    Ok(outputs! { "y" => write(&computed?)? })
}

fn qkv_outputs(computed: Result<Qkv>) -> CheckpointResult {
    let [q, k, v] = computed?;
    Ok(outputs! { "q" => write(&q)?, "k" => write(&k)?, "v" => write(&v)? })
}

/// Reads an input with the dtype, and the number of axes if given, that the caller needs.
fn read<T: Element + WithDType>(case: &Inputs, name: &str, axes: Option<usize>) -> Result<Tensor> {
    let tensor = case.tensor(name)?;
    let Some(elements) = tensor.as_slice::<T>() else {
        let dtype = <T as Element>::DTYPE;
        return refuse(format!("input `{name}` is {}, but the checkpoint needs {dtype}", tensor.dtype()));
    };
    check_size(tensor.shape(), &format!("input `{name}` is"))?;
    if let Some(axes) = axes.filter(|axes| *axes != tensor.shape().len()) {
        return refuse(format!("input `{name}` is {:?}, but the checkpoint needs {axes} axes", tensor.shape()));
    }
    Tensor::from_slice(elements, tensor.shape(), &Device::Cpu).map_err(from_candle)
}

fn float(case: &Inputs, name: &str, axes: usize) -> Result<Tensor> {
    read::<f32>(case, name, Some(axes))
}

/// Converts a tensor of candle to an output.
fn write(tensor: &Tensor) -> Result<tensor::Tensor> {
    fn elements<T: Element + WithDType>(tensor: &Tensor) -> Result<tensor::Tensor> {
        tensor::Tensor::new(tensor.dims(), flat::<T>(tensor)?)
    }
    match tensor.dtype() {
        DType::I64 => elements::<i64>(tensor),
        _ => elements::<f32>(tensor),
    }
}

/// Returns the elements in C order.
fn flat<T: WithDType>(tensor: &Tensor) -> Result<Vec<T>> {
    tensor.flatten_all().and_then(|flat| flat.to_vec1()).map_err(from_candle)
}

/// Returns the extents of a tensor whose number of axes is known.
fn dims<const AXES: usize>(tensor: &Tensor) -> [usize; AXES] {
    tensor.dims().try_into().expect("the number of axes was checked")
}

/// Lets candle compute a tensor of this shape.
///
/// Some operations of candle panic for tensors without elements, and all for tensors that do not fit into memory. Both are handled
/// here.
fn produce(shape: &[usize], dtype: DType, compute: impl FnOnce() -> candle_core::Result<Tensor>) -> Result<Tensor> {
    check_size(shape, "an output would be")?;
    if shape.contains(&0) { Tensor::zeros(shape, dtype, &Device::Cpu) } else { compute() }.map_err(from_candle)
}

/// Converts an error of candle.
fn from_candle(error: candle_core::Error) -> Error {
    Error::Checkpoint(format!("candle: {error}"))
}

/// The weight and bias of a norm, each `[n]`, or of a linear layer.
struct Layer {
    weight: Tensor,
    bias: Tensor,
}

impl Layer {
    /// Reads the norm whose inputs have this prefix.
    fn read_norm(case: &Inputs, prefix: &str) -> Result<Layer> {
        Layer::read(case, prefix, 1)
    }

    /// Reads the linear layer whose inputs have this prefix.
    fn read_linear(case: &Inputs, prefix: &str) -> Result<Layer> {
        Layer::read(case, prefix, 2)
    }

    fn read(case: &Inputs, prefix: &str, axes: usize) -> Result<Layer> {
        let weight = float(case, &format!("{prefix}weight"), axes)?;
        Ok(Layer { weight, bias: float(case, &format!("{prefix}bias"), 1)? })
    }

    /// Applies [`LayerNorm`] to the last axis. For a contiguous tensor, candle computes the variance as the mean of the squares minus
    /// the square of the mean, in `f32`, which loses precision if the mean is large compared with the deviation.
    fn norm(&self, x: &Tensor, eps: f64) -> Result<Tensor> {
        check_norm(x.dims(), self.weight.dims(), self.bias.dims())?;
        let norm = LayerNorm::new(self.weight.clone(), self.bias.clone(), eps);
        produce(x.dims(), DType::F32, || norm.forward(x))
    }

    /// Applies [`Linear`] with a weight in the layout of GPT-2, `Conv1D` in transformers: `[in, out]`.
    fn conv1d(&self, x: &Tensor) -> Result<Tensor> {
        check_linear(x.dims(), self.weight.dims(), self.bias.dims(), 1)?;
        linear(x, &self.weight.t().map_err(from_candle)?, Some(&self.bias))
    }

    /// Applies [`Linear`] with a weight in the layout of BERT, `torch.nn.Linear`: `[out, in]`.
    fn dense(&self, x: &Tensor) -> Result<Tensor> {
        check_linear(x.dims(), self.weight.dims(), self.bias.dims(), 0)?;
        linear(x, &self.weight, Some(&self.bias))
    }
}

/// Applies a layer whose weight fits: `[batch, seq, in]` by `[out, in]`.
fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let ([batch, seq, inner], [outer, _]) = (dims(x), dims(weight));
    if inner == 0 {
        return refuse(format!("the last axis of x {:?} is empty", x.dims()));
    }
    produce(&[batch, seq, outer], DType::F32, || Linear::new(weight.clone(), bias.cloned()).forward(x))
}

/// Applies [`Activation::NewGelu`] or [`Activation::Gelu`], which have the names of transformers.
fn activate(x: &Tensor, gelu: Gelu) -> Result<Tensor> {
    let activation = match gelu {
        Gelu::Tanh => Activation::NewGelu,
        Gelu::Exact => Activation::Gelu,
    };
    produce(x.dims(), DType::F32, || activation.forward(x))
}

/// Applies `softmax_last_dim`.
fn softmax(x: &Tensor) -> Result<Tensor> {
    if x.rank() == 0 {
        return refuse("x is a scalar; it needs an axis".to_owned());
    }
    produce(x.dims(), DType::F32, || ops::softmax_last_dim(x))
}

/// Computes `x + update` without broadcasting.
fn residual(x: &Tensor, update: &Tensor) -> Result<Tensor> {
    expect("update", update.dims(), x.dims(), format_args!("x {:?}", x.dims()))?;
    produce(x.dims(), DType::F32, || x + update)
}

/// Computes `gelu(x c_fc) c_proj`, each layer with its bias.
fn mlp(x: &Tensor, c_fc: &Layer, c_proj: &Layer, gelu: Gelu) -> Result<Tensor> {
    let ([.., width], [_, wide]) = (dims::<3>(x), dims(&c_fc.weight));
    let hidden = activate(&c_fc.conv1d(x).within("c_fc")?, gelu)?;
    expect("c_proj.weight", c_proj.weight.dims(), &[wide, width], format_args!("x {:?}", x.dims()))?;
    c_proj.conv1d(&hidden).within("c_proj")
}

/// The value of a hidden score: the lowest `f32`.
const HIDDEN: f32 = f32::MIN;

/// Query, key and value, each `[batch, heads, seq, head_dim]`.
type Qkv = [Tensor; 3];

/// The keys and values of one layer for all positions so far, each `[batch, heads, t, head_dim]`.
#[derive(Clone)]
struct Cache {
    k: Tensor,
    v: Tensor,
}

/// Projects `x` with one layer, whose columns are q, k and v: `[batch, seq, n]` by `[n, 3 n]`.
fn qkv(x: &Tensor, layer: &Layer, n_head: usize) -> Result<Qkv> {
    let [_, _, width] = dims(x);
    expect("weight", layer.weight.dims(), &[width, width.saturating_mul(3)], format_args!("x {:?}", x.dims()))?;
    check_heads(n_head, width)?;
    let projected = layer.conv1d(x)?;
    let third = |place: usize| {
        let columns = projected.narrow(D::Minus1, place * width, width).and_then(|third| third.contiguous());
        split(&columns.map_err(from_candle)?, n_head)
    };
    Ok([third(0)?, third(1)?, third(2)?])
}

/// Projects `x` with separate layers: `[batch, seq, n]` by `[n, n]`.
fn bert_qkv(x: &Tensor, layers: [(&str, Layer); 3], n_head: usize) -> Result<Qkv> {
    let [_, _, width] = dims(x);
    check_heads(n_head, width)?;
    let project = |(name, layer): &(&str, Layer)| {
        expect("weight", layer.weight.dims(), &[width, width], format_args!("x {:?}", x.dims()))
            .and_then(|()| layer.dense(x))
            .within(name)
            .and_then(|projected| split(&projected, n_head))
    };
    let [query, key, value] = &layers;
    Ok([project(query)?, project(key)?, project(value)?])
}

/// Splits `[batch, seq, heads x head_dim]` into `[batch, heads, seq, head_dim]`. The number of heads must divide the width.
fn split(x: &Tensor, n_head: usize) -> Result<Tensor> {
    let [batch, seq, width] = dims(x);
    let head_dim = width / n_head;
    produce(&[batch, n_head, seq, head_dim], DType::F32, || {
        x.reshape((batch, seq, n_head, head_dim))?.transpose(1, 2)?.contiguous()
    })
}

/// Concatenates earlier and new positions.
fn kv_cache(past: &Cache, new: &Cache) -> Result<Cache> {
    check_cache(past.k.dims(), past.v.dims(), new.k.dims(), new.v.dims())?;
    let ([batch, heads, known, head_dim], [_, _, seq, _]) = (dims(&past.k), dims(&new.k));
    let Some(whole) = known.checked_add(seq) else {
        return refuse(format!("new_k {:?} cannot be appended to past_k: there are too many positions", new.k.dims()));
    };
    let append = |past, new| {
        produce(&[batch, heads, whole, head_dim], DType::F32, || Tensor::cat(&[past, new], 2)?.contiguous())
    };
    Ok(Cache { k: append(&past.k, &new.k)?, v: append(&past.v, &new.v)? })
}

/// Computes `q k^T / sqrt(head_dim)`, and the lowest `f32` where a causal mask or padding hides a key.
fn scores(q: &Tensor, k: &Tensor, causal: bool, padding: Option<&Tensor>) -> Result<Tensor> {
    let ([batch, heads, seq, head_dim], [_, _, keys, _]) = (dims(q), dims(k));
    expect("k", k.dims(), &[batch, heads, keys, head_dim], format_args!("q {:?}", q.dims()))?;
    if head_dim == 0 {
        return refuse(format!("the last axis of q {:?} is empty", q.dims()));
    }
    if causal {
        check_causal(seq, keys)?;
    }
    if let Some(mask) = padding {
        expect("mask", mask.dims(), &[batch, keys], format_args!("k of {batch} sequences of {keys} positions"))?;
        check_binary(&flat(mask)?, keys)?;
    }
    produce(&[batch, heads, seq, keys], DType::F32, || {
        let mut scores = (q.matmul(&k.t()?)? / (head_dim as f64).sqrt())?;
        if causal {
            let later: Vec<u8> =
                (0..seq).flat_map(|row| (0..keys).map(move |key| u8::from(key > keys - seq + row))).collect();
            scores = hide(&scores, &Tensor::from_vec(later, (1, 1, seq, keys), &Device::Cpu)?)?;
        }
        if let Some(mask) = padding {
            scores = hide(&scores, &mask.eq(0i64)?.reshape((batch, 1, 1, keys))?)?;
        }
        Ok(scores)
    })
}

/// Replaces the scores by the lowest `f32` where `hidden` is not 0.
fn hide(scores: &Tensor, hidden: &Tensor) -> candle_core::Result<Tensor> {
    let lowest = Tensor::new(HIDDEN, &Device::Cpu)?.broadcast_as(scores.shape())?;
    hidden.broadcast_as(scores.shape())?.where_cond(&lowest, scores)
}

/// Computes `probabilities v` and concatenates the heads: `[batch, seq, heads x head_dim]`.
fn context(probabilities: &Tensor, v: &Tensor) -> Result<Tensor> {
    let ([batch, heads, seq, keys], [.., head_dim]) = (dims(probabilities), dims::<4>(v));
    expect("v", v.dims(), &[batch, heads, keys, head_dim], format_args!("probabilities {:?}", probabilities.dims()))?;
    if keys == 0 {
        return refuse(format!("the last axis of probabilities {:?} is empty", probabilities.dims()));
    }
    let Some(width) = heads.checked_mul(head_dim) else {
        return refuse(format!("the heads of v {:?} are too many to be concatenated", v.dims()));
    };
    produce(&[batch, seq, width], DType::F32, || probabilities.matmul(v)?.transpose(1, 2)?.reshape((batch, seq, width)))
}

/// Computes [`context`] and applies the layer `c_proj`.
fn output(probabilities: &Tensor, v: &Tensor, c_proj: &Layer) -> Result<Tensor> {
    let context = context(probabilities, v)?;
    let [_, _, width] = dims(&context);
    expect("weight", c_proj.weight.dims(), &[width, width], format_args!("v {:?}", v.dims()))?;
    c_proj.conv1d(&context)
}

/// The smallest divisor, for a sentence without tokens, as in sentence-transformers.
const NO_TOKENS: f64 = 1e-9;

type Block = shape::Block<Layer, Layer>;

/// A GPT-2 model.
type Model = shape::Model<Tensor, Layer, Layer>;

/// Computes the [`Embedding`] of the tokens plus the rows of `wpe` from `offset` on.
fn embeddings(ids: &Tensor, wte: &Tensor, wpe: &Tensor, offset: usize) -> Result<Tensor> {
    let ([batch, seq], [vocab, width]) = (dims(ids), dims(wte));
    check_positions(ids.dims(), wte.dims(), wpe.dims(), offset)?;
    // candle treats the largest `i64` as a row of zeros.
    check_tokens(&flat(ids)?, seq, vocab)?;
    produce(&[batch, seq, width], DType::F32, || {
        let tokens = Embedding::new(wte.clone(), width).forward(ids)?;
        tokens.broadcast_add(&wpe.narrow(0, offset, seq)?)
    })
}

/// Applies a linear layer without a bias: `[batch, seq, n]` by `[vocab, n]`.
fn logits(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let ([.., width], [vocab, _]) = (dims::<3>(x), dims(weight));
    expect("weight", weight.dims(), &[vocab, width], format_args!("x {:?}", x.dims()))?;
    linear(x, weight, None)
}

/// Selects the last row of `[batch, seq, vocab]`.
fn selected_logits(x: &Tensor) -> Result<Tensor> {
    let [batch, seq, vocab] = dims(x);
    match seq.checked_sub(1) {
        Some(last) => produce(&[batch, vocab], DType::F32, || x.narrow(1, last, 1)?.squeeze(1)?.contiguous()),
        None => refuse(format!("x is {:?}; it has no last row", x.dims())),
    }
}

/// Computes the `argmax` of each row: the first of the largest elements. With NaN, candle may choose another element than torch, which
/// treats NaN as the largest.
fn argmax(x: &Tensor) -> Result<Tensor> {
    let [batch, vocab] = dims(x);
    if vocab == 0 {
        return refuse(format!("x is {:?}; there is no token to choose", x.dims()));
    }
    produce(&[batch], DType::I64, || x.argmax(D::Minus1)?.to_dtype(DType::I64))
}

/// Averages the rows that are not padding. Multiplying by the mask would keep the NaN of a padded row.
fn mean_pooling(x: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let [batch, seq, width] = dims(x);
    expect("mask", mask.dims(), &[batch, seq], format_args!("x {:?}", x.dims()))?;
    check_binary(&flat(mask)?, seq)?;
    produce(&[batch, width], DType::F32, || {
        if seq == 0 {
            return Tensor::zeros((batch, width), DType::F32, &Device::Cpu);
        }
        let tokens = mask.unsqueeze(2)?;
        let rows = tokens.broadcast_as(x.shape())?.where_cond(x, &x.zeros_like()?)?;
        let count = tokens.to_dtype(DType::F32)?.sum(1)?.maximum(NO_TOKENS)?;
        rows.sum(1)?.broadcast_div(&count)
    })
}

/// Computes `x / max(|x|, eps)` for each row.
fn normalize(x: &Tensor, eps: f64) -> Result<Tensor> {
    produce(x.dims(), DType::F32, || {
        let norm = x.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?;
        x.broadcast_div(&norm.maximum(eps)?)
    })
}

/// Computes `layer_norm(x dense + skip)`.
fn dense_residual_norm(x: &Tensor, skip: &Tensor, dense: &Layer, norm: &Layer, eps: f64) -> Result<Tensor> {
    let update = dense.dense(x).within("dense")?;
    expect("residual", skip.dims(), update.dims(), format_args!("x {:?} through dense", x.dims()))?;
    norm.norm(&residual(&update, skip)?, eps).within("LayerNorm")
}

/// Computes `gelu(x dense)`.
fn dense_gelu(x: &Tensor, dense: &Layer, gelu: Gelu) -> Result<Tensor> {
    activate(&dense.dense(x).within("dense")?, gelu)
}

impl Block {
    /// Computes `h = x + attention(ln_1(x))` and `h + mlp(ln_2(h))`, and returns it with the keys and values of `past` and of `x`.
    fn apply(&self, x: &Tensor, config: Config, past: Option<&Cache>) -> Result<(Tensor, Cache)> {
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
    /// Returns the output of the final norm for new tokens, and extends the cache of every block.
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

    /// Appends the best token to the prompt, `[batch, seq]`, `new_tokens` times. Earlier positions are taken from the cache.
    fn generate(&self, ids: &Tensor, new_tokens: usize) -> Result<Tensor> {
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

    fn tensor(shape: &[usize], elements: &[f32]) -> Tensor {
        Tensor::from_slice(elements, shape, &Device::Cpu).unwrap()
    }

    fn elements(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn both_layouts_of_a_weight_are_the_same_layer() {
        let x = tensor(&[1, 2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let (weight, bias) = (tensor(&[2, 3], &[1.0, 0.0, 2.0, 0.0, 1.0, -1.0]), tensor(&[3], &[10.0, 20.0, 30.0]));
        let expected = [11.0, 22.0, 30.0, 13.0, 24.0, 32.0];
        let dense = Layer { weight: weight.t().unwrap().contiguous().unwrap(), bias: bias.clone() };
        assert_eq!(elements(&dense.dense(&x).unwrap()), expected);
        assert_eq!(elements(&Layer { weight, bias }.conv1d(&x).unwrap()), expected);
    }

    #[test]
    fn both_gelus_are_used() {
        let x = tensor(&[1], &[1.0]);
        assert!((elements(&activate(&x, Gelu::Exact).unwrap())[0] - 0.841_344_8).abs() < 2e-7);
        assert!((elements(&activate(&x, Gelu::Tanh).unwrap())[0] - 0.841_192).abs() < 2e-7);
    }

    /// A known weakness, which a golden with such a row would show. If this test fails, candle has improved.
    #[test]
    fn a_norm_of_a_row_far_from_0_loses_precision() {
        let norm = |width: usize| Layer {
            weight: tensor(&[width], &vec![1.0; width]),
            bias: tensor(&[width], &vec![0.0; width]),
        };
        let y = elements(&norm(2).norm(&tensor(&[1, 2], &[9999.0, 10001.0]), 1e-5).unwrap());
        assert!(y[1] > 1.1 || y[1] < 0.9, "{y:?} is no longer far from -1 and 1");
        let y = elements(&norm(384).norm(&tensor(&[1, 384], &[3000.1; 384]), 1e-12).unwrap());
        assert!(y[0].is_nan(), "{} where all are equal is no longer NaN", y[0]);
    }

    #[test]
    fn there_is_no_broadcasting_and_a_scalar_has_no_rows() {
        let (x, row) = (tensor(&[2, 2], &[1.0; 4]), tensor(&[1, 2], &[1.0, 2.0]));
        assert_eq!(residual(&x, &row).unwrap_err().to_string(), "update is [1, 2]; for x [2, 2] it must be [2, 2]");
        assert!(softmax(&tensor(&[], &[1.0])).unwrap_err().to_string().contains("scalar"));
    }

    #[test]
    fn an_error_about_an_mlp_names_the_layer() {
        let x = tensor(&[1, 2, 3], &[0.0; 6]);
        let square = || Layer { weight: tensor(&[3, 3], &[0.0; 9]), bias: tensor(&[3], &[0.0; 3]) };
        let upright = || Layer { weight: tensor(&[4, 3], &[0.0; 12]), bias: tensor(&[3], &[0.0; 3]) };
        let error = |c_fc: Layer, c_proj: Layer| mlp(&x, &c_fc, &c_proj, Gelu::Tanh).unwrap_err().to_string();
        assert_eq!(error(upright(), square()), "c_fc: weight is [4, 3]; for x [1, 2, 3] it must be [3, 3]");
        assert_eq!(error(square(), upright()), "c_proj.weight is [4, 3]; for x [1, 2, 3] it must be [3, 3]");
    }

    #[test]
    fn an_output_that_does_not_fit_into_memory_is_refused_and_an_empty_one_is_not_computed() {
        for shape in [[1 << 40, 1 << 40], [1 << 31, 1 << 31]] {
            let error = produce(&shape, DType::F32, || unreachable!()).unwrap_err();
            assert!(error.to_string().contains("which does not fit into memory"), "{error}");
        }
        assert!(produce(&[0, usize::MAX, usize::MAX], DType::F32, || unreachable!()).is_err());
        assert_eq!(produce(&[2, 0], DType::I64, || unreachable!()).unwrap().dims(), [2, 0]);
    }

    #[test]
    fn an_error_of_candle_names_candle() {
        let error = produce(&[2], DType::F32, || ones(&[2]).matmul(&ones(&[3]))).unwrap_err().to_string();
        assert!(error.starts_with("candle: shape mismatch in matmul"), "{error}");
    }

    fn ones(shape: &[usize]) -> Tensor {
        Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap()
    }

    fn hidden(scores: &Tensor) -> Vec<bool> {
        scores.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().map(|&score| score == HIDDEN).collect()
    }

    #[test]
    fn the_last_query_attends_to_every_key() {
        let (yes, no) = (true, false);
        let masked = |seq, keys| hidden(&scores(&ones(&[1, 1, seq, 4]), &ones(&[1, 1, keys, 4]), true, None).unwrap());
        assert_eq!(masked(3, 3), [no, yes, yes, no, no, yes, no, no, no]);
        assert_eq!(masked(2, 4), [no, no, no, yes, no, no, no, no]);
        let error = scores(&ones(&[1, 1, 4, 4]), &ones(&[1, 1, 2, 4]), true, None).unwrap_err();
        assert_eq!(error.to_string(), "a causal mask needs a key for every query; there are 4 queries and 2 keys");
    }

    #[test]
    fn padding_is_hidden_from_every_row_of_every_head_of_its_sequence() {
        let (yes, no) = (true, false);
        let mask = Tensor::new(&[[1i64, 1], [1, 0]], &Device::Cpu).unwrap();
        let masked = hidden(&scores(&ones(&[2, 2, 2, 4]), &ones(&[2, 2, 2, 4]), false, Some(&mask)).unwrap());
        let expected = [no, no, no, no, no, no, no, no, no, yes, no, yes, no, yes, no, yes];
        assert_eq!(masked, expected);
        let mask = Tensor::new(&[[1i64, 2]], &Device::Cpu).unwrap();
        let error = scores(&ones(&[1, 1, 1, 4]), &ones(&[1, 1, 2, 4]), false, Some(&mask)).unwrap_err();
        assert_eq!(error.to_string(), "mask contains 2 at [0, 1]; it must be 1 for a token and 0 for padding");
    }

    #[test]
    fn heads_are_concatenated() {
        let v = Tensor::new(&[1f32, 2.0, 3.0, 4.0], &Device::Cpu).unwrap().reshape((1, 2, 1, 2)).unwrap();
        let y = context(&ones(&[1, 2, 1, 1]), &v).unwrap();
        assert_eq!(y.to_vec3::<f32>().unwrap(), [[[1.0, 2.0, 3.0, 4.0]]]);
    }

    #[test]
    fn a_head_has_consecutive_columns_and_new_positions_come_last_in_every_head() {
        let x = Tensor::new(&[[[1f32, 2.0], [3.0, 4.0]]], &Device::Cpu).unwrap();
        let heads = split(&x, 2).unwrap();
        assert_eq!(heads.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [1.0, 3.0, 2.0, 4.0]);
        let cache = Cache { k: heads.clone(), v: heads };
        let grown = kv_cache(&cache, &cache).unwrap().k;
        assert_eq!(grown.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [1.0, 3.0, 1.0, 3.0, 2.0, 4.0, 2.0, 4.0]);
    }

    fn error(ids: [[i64; 2]; 1], offset: usize) -> String {
        let zeros = |rows: usize| Tensor::zeros((rows, 4), DType::F32, &Device::Cpu).unwrap();
        let ids = Tensor::new(&ids, &Device::Cpu).unwrap();
        embeddings(&ids, &zeros(3), &zeros(8), offset).unwrap_err().to_string()
    }

    #[test]
    fn unknown_tokens_and_positions_are_refused() {
        assert_eq!(error([[0, 3]], 0), "ids contains 3 at [0, 1]; wte.weight has 3 tokens");
        assert_eq!(error([[-1, 0]], 0), "ids contains -1 at [0, 0]; wte.weight has 3 tokens");
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
    fn a_missing_row_or_an_empty_vocabulary_is_an_error() {
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
    fn nan_affects_its_whole_row_and_a_row_shorter_than_eps_is_divided_by_eps() {
        let y = normalize(&Tensor::new(&[[f32::NAN, 1.0], [0.5, 0.0]], &Device::Cpu).unwrap(), 1.0).unwrap();
        let y = y.to_vec2::<f32>().unwrap();
        assert!(y[0].iter().all(|y| y.is_nan()));
        assert_eq!(y[1], [0.5, 0.0]);
    }
}
