//! The contract of names, shapes and params in `python/README.md`, as a table.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::case::CaseId;
use crate::run::{CheckpointResult, Executor, Inputs};
use crate::tensor::Tensor;

/// Tensors by name, in order: the shape of each.
pub(super) type Shapes = Vec<(String, Vec<usize>)>;

/// A checkpoint with its params, and the names and shapes of its inputs and outputs.
pub(super) struct Row {
    pub(super) checkpoint: &'static str,
    pub(super) params: Value,
    pub(super) inputs: Shapes,
    pub(super) outputs: Shapes,
}

/// The extents by the contract's letters; no two are the same, so that none can stand in for another.
pub(super) const EXTENTS: &[(&str, usize)] = &[
    ("1", 1),
    ("b", 2),
    ("s", 3),
    ("s+1", 4),
    ("s+2", 5),
    ("t", 6),
    ("h", 7),
    ("d", 8),
    ("vocab", 9),
    ("positions", 10),
    ("e", 7 * 8),
    ("3e", 3 * 7 * 8),
    ("4e", 4 * 7 * 8),
];

/// The inputs that hold `i64`.
const INTEGERS: &[&str] = &["ids", "mask"];

const BLOCK: &str = "ln_1.weight e, ln_1.bias e, attn.c_attn.weight e 3e, attn.c_attn.bias 3e, attn.c_proj.weight e e, \
                     attn.c_proj.bias e, ln_2.weight e, ln_2.bias e, mlp.c_fc.weight e 4e, mlp.c_fc.bias 4e, \
                     mlp.c_proj.weight 4e e, mlp.c_proj.bias e";

#[rustfmt::skip]
pub(super) fn contract() -> Vec<Row> {
    let row = |checkpoint, params, inputs: &str, outputs: &str| {
        Row { checkpoint, params, inputs: shapes(inputs), outputs: shapes(outputs) }
    };
    let layer = |layer: usize| BLOCK.split(", ").map(|weight| format!(", h.{layer}.{weight}")).collect::<String>();
    vec![
        row("embeddings", json!({ "offset": 7 }), "ids b s, wte.weight vocab e, wpe.weight positions e", "y b s e"),
        row("layer_norm", json!({ "eps": 1e-5 }), "x b s e, weight e, bias e", "y b s e"),
        row("qkv", json!({ "n_head": 7 }), "x b s e, weight e 3e, bias 3e", "k b h s d, q b h s d, v b h s d"),
        row("attention_scores", json!({ "causal": true }), "q b h s d, k b h t d", "y b h s t"),
        row("attention_scores", json!({ "causal": false }), "q b h s d, k b h t d, mask b t", "y b h s t"),
        row("softmax", json!({}), "x b h s t", "y b h s t"),
        row("attention_output", json!({}), "probabilities b h s t, v b h t d, weight e e, bias e", "y b s e"),
        row("residual", json!({}), "x b s e, update b s e", "y b s e"),
        row("mlp", json!({ "gelu": "tanh" }),
            "x b s e, c_fc.weight e 4e, c_fc.bias 4e, c_proj.weight 4e e, c_proj.bias e", "y b s e"),
        row("block", json!({ "eps": 1e-5, "n_head": 7, "gelu": "tanh" }), &format!("x b s e, {BLOCK}"), "y b s e"),
        row("logits", json!({}), "x b s e, weight vocab e", "y b s vocab"),
        row("selected_logits", json!({}), "x b s vocab", "y b vocab"),
        row("argmax", json!({}), "x b vocab", "y b"),
        row("kv_cache", json!({}), "past_k b h s d, past_v b h s d, new_k b h 1 d, new_v b h 1 d",
            "k b h s+1 d, v b h s+1 d"),
        row("generate", json!({ "new_tokens": 2, "eps": 1e-5, "n_head": 7, "gelu": "tanh" }),
            &format!("ids b s, wte.weight vocab e, wpe.weight positions e{}{}, ln_f.weight e, ln_f.bias e", layer(0), layer(1)),
            "tokens b s+2"),
        row("bert_qkv", json!({ "n_head": 7 }),
            "x b s e, query.weight e e, query.bias e, key.weight e e, key.bias e, value.weight e e, value.bias e",
            "k b h s d, q b h s d, v b h s d"),
        row("attention_context", json!({}), "probabilities b h s t, v b h t d", "y b s e"),
        row("dense_residual_norm", json!({ "eps": 1e-12 }),
            "x b s 4e, residual b s e, dense.weight e 4e, dense.bias e, LayerNorm.weight e, LayerNorm.bias e",
            "y b s e"),
        row("dense_gelu", json!({ "gelu": "exact" }), "x b s e, dense.weight 4e e, dense.bias 4e", "y b s 4e"),
        row("mean_pooling", json!({}), "x b s e, mask b s", "y b e"),
        row("normalize", json!({ "eps": 1e-12 }), "x b e", "y b e"),
    ]
}

/// Names and shapes from text: `x b s e, weight e 3e`.
fn shapes(text: &str) -> Shapes {
    let extent = |letter: &str| EXTENTS.iter().find(|(known, _)| *known == letter).expect("a letter of the contract").1;
    text.split(", ")
        .map(|tensor| {
            let (name, shape) = tensor.split_once(' ').expect("a name and a shape");
            (name.to_owned(), shape.split(' ').map(extent).collect())
        })
        .collect()
}

/// A tensor of that shape as the input of that name may be: tokens and masks are 0 and 1.
pub(super) fn tensor(name: &str, shape: &[usize]) -> Tensor {
    let places = 0..if shape.contains(&0) { 0 } else { shape.iter().product::<usize>() };
    if INTEGERS.contains(&name) {
        return Tensor::new(shape, places.map(|place| i64::from(place % 3 == 0)).collect()).unwrap();
    }
    Tensor::new(shape, places.map(|place| (place as f32 * 0.7).sin()).collect()).unwrap()
}

impl Row {
    /// Tensors of the shapes of its inputs.
    pub(super) fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.inputs.iter().map(|(name, shape)| (name.clone(), tensor(name, shape))).collect()
    }

    /// Has the executor run its checkpoint on those tensors.
    pub(super) fn run(&self, executor: &Executor, tensors: BTreeMap<String, Tensor>) -> CheckpointResult {
        let checkpoint = executor.get(self.checkpoint).expect("it is registered");
        let params = self.params.as_object().expect("params are an object").clone().into_iter().collect();
        checkpoint(&Inputs::new(CaseId::new("a").unwrap(), params, tensors))
    }
}
