//! Tests that every executor of the built-in checkpoints fulfils the contract of names, shapes and params in `docs/capture.md`.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::case::CaseId;
use crate::run::{CheckpointResult, Executor, Inputs, Outputs};
use crate::tensor::Tensor;

/// The names and shapes of tensors, in order.
type Shapes = Vec<(String, Vec<usize>)>;

/// A checkpoint with its params, and the names and shapes of its inputs and outputs.
struct Row {
    checkpoint: &'static str,
    params: Value,
    inputs: Shapes,
    outputs: Shapes,
}

/// The extents for the letters of the contract. All are different, so that none can be mistaken for another.
const EXTENTS: &[(&str, usize)] = &[
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

/// The inputs of dtype `i64`.
const INTEGERS: &[&str] = &["ids", "mask"];

const BLOCK: &str = "ln_1.weight e, ln_1.bias e, attn.c_attn.weight e 3e, attn.c_attn.bias 3e, attn.c_proj.weight e e, \
                     attn.c_proj.bias e, ln_2.weight e, ln_2.bias e, mlp.c_fc.weight e 4e, mlp.c_fc.bias 4e, \
                     mlp.c_proj.weight 4e e, mlp.c_proj.bias e";

#[rustfmt::skip]
fn contract() -> Vec<Row> {
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

/// Parses names and shapes: `x b s e, weight e 3e`.
fn shapes(text: &str) -> Shapes {
    let extent = |letter: &str| EXTENTS.iter().find(|(known, _)| *known == letter).expect("a letter of the contract").1;
    text.split(", ")
        .map(|tensor| {
            let (name, shape) = tensor.split_once(' ').expect("a name and a shape");
            (name.to_owned(), shape.split(' ').map(extent).collect())
        })
        .collect()
}

/// Returns a valid tensor for an input. Tokens and masks are 0 or 1.
fn tensor(name: &str, shape: &[usize]) -> Tensor {
    let places = 0..if shape.contains(&0) { 0 } else { shape.iter().product::<usize>() };
    if INTEGERS.contains(&name) {
        return Tensor::new(shape, places.map(|place| i64::from(place % 3 == 0)).collect()).unwrap();
    }
    Tensor::new(shape, places.map(|place| (place as f32 * 0.7).sin()).collect()).unwrap()
}

impl Row {
    /// Returns tensors with the shapes of its inputs.
    fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.inputs.iter().map(|(name, shape)| (name.clone(), tensor(name, shape))).collect()
    }

    /// Runs its checkpoint on these tensors.
    fn run(&self, executor: &Executor, tensors: BTreeMap<String, Tensor>) -> CheckpointResult {
        let checkpoint = executor.get(self.checkpoint).expect("it is registered");
        let params = self.params.as_object().expect("params are an object").clone().into_iter().collect();
        checkpoint(&Inputs::new(CaseId::new("a").unwrap(), params, tensors))
    }
}

/// A row of the contract, and tensors with possibly different shapes.
#[derive(Debug)]
struct AnyInputs {
    row: usize,
    tensors: BTreeMap<String, Tensor>,
}

/// Checks that the executor has exactly the checkpoints of the contract, with their inputs and outputs.
fn check_contract(executor: &Executor) {
    let contract = contract();
    let names: BTreeSet<&str> = contract.iter().map(|row| row.checkpoint).collect();
    assert!(executor.names().eq(names), "{executor:?} does not have the checkpoints of the contract");
    for row in &contract {
        let outputs = row.run(executor, row.tensors()).unwrap_or_else(|error| panic!("{}: {error}", row.checkpoint));
        assert_eq!(shapes_of(outputs), row.outputs, "{}", row.checkpoint);
    }
}

fn shapes_of(outputs: Outputs) -> Shapes {
    let outputs = outputs.into_map().unwrap();
    outputs.into_iter().map(|(name, tensor)| (name, tensor.shape().to_vec())).collect()
}

/// Checks that an input which is missing, or has the wrong dtype or number of axes, is an error that names it.
fn check_wrong_inputs(executor: &Executor) {
    for row in &contract() {
        for (name, shape) in &row.inputs {
            let error = |wrong: Option<Tensor>| {
                let mut tensors = row.tensors();
                tensors.remove(name);
                tensors.extend(wrong.map(|wrong| (name.clone(), wrong)));
                let result = row.run(executor, tensors);
                result.err().unwrap_or_else(|| panic!("{} accepts a wrong {name}", row.checkpoint)).to_string()
            };
            // The mask is optional.
            if !(row.checkpoint == "attention_scores" && name == "mask") {
                assert!(error(None).contains(&format!("no input `{name}`")), "{}", error(None));
            }
            let halves = vec![half::f16::ONE; shape.iter().product()];
            let wrong = error(Some(Tensor::new(shape, halves).unwrap()));
            assert!(wrong.contains(&format!("input `{name}` is f16, but the checkpoint needs")), "{wrong}");
            if !matches!(row.checkpoint, "layer_norm" | "softmax" | "residual") {
                let wrong = error(Some(tensor(name, &[1; 5])));
                assert!(wrong.contains(&format!("input `{name}` is [1, 1, 1, 1, 1], but")), "{wrong}");
            }
        }
    }
}

/// Checks that a param which is missing or invalid is an error that names it.
fn check_wrong_params(executor: &Executor) {
    for row in contract() {
        let names: Vec<String> = row.params.as_object().expect("params are an object").keys().cloned().collect();
        for name in names {
            for wrong in [None, Some(json!("relu")), Some(json!(-1.5)), Some(json!([]))] {
                if name == "eps" && wrong == Some(json!(-1.5)) {
                    continue;
                }
                let mut params = row.params.clone();
                let fields = params.as_object_mut().expect("params are an object");
                fields.remove(&name);
                fields.extend(wrong.map(|wrong| (name.clone(), wrong)));
                let changed = Row { params, inputs: row.inputs.clone(), outputs: Vec::new(), ..row };
                let error = changed.run(executor, changed.tensors()).expect_err(&name).to_string();
                assert!(error.contains(&format!("param `{name}`")), "{}: {error}", row.checkpoint);
            }
        }
    }
}

/// Checks that an incomplete layer is an error, and that an `lm_head.weight` is used if there is one.
fn check_incomplete_layer_and_lm_head(executor: &Executor) {
    let row = contract().into_iter().find(|row| row.checkpoint == "generate").unwrap();
    let mut without = row.tensors();
    without.remove("h.1.ln_1.weight");
    assert!(row.run(executor, without).unwrap_err().to_string().contains("no input `h.1.ln_1.weight`"));

    let generated = |tensors| row.run(executor, tensors).unwrap().into_map().unwrap()["tokens"].clone();
    let tied = generated(row.tensors());
    let mut flipped = row.tensors();
    let negated: Vec<f32> = flipped["wte.weight"].as_slice::<f32>().unwrap().iter().map(|x| -x).collect();
    flipped.insert("lm_head.weight".to_owned(), Tensor::new(row.inputs[1].1.as_slice(), negated).unwrap());
    assert_ne!(tied.as_slice::<i64>(), generated(flipped).as_slice::<i64>());
}

/// Generates inputs of any shapes, for a test that no checkpoint panics.
fn any_inputs() -> impl Strategy<Value = AnyInputs> {
    // Replaces an extent everywhere, so that the shapes still agree.
    let everywhere = prop::collection::vec((any::<Index>(), prop::sample::select(&[0, 1, 9, 1 << 40][..])), 0..3);
    // Replaces the extent of one axis of one input, so that they do not.
    let somewhere = prop::collection::vec((any::<Index>(), any::<Index>(), 0usize..8), 0..3);
    let axes = prop::option::weighted(0.1, (any::<Index>(), prop::bool::ANY));
    (any::<Index>(), everywhere, somewhere, axes).prop_map(|(row, everywhere, somewhere, axes)| {
        let contract = contract();
        let row = row.index(contract.len());
        let mut inputs = contract[row].inputs.clone();
        for (before, after) in everywhere {
            let (_, before) = EXTENTS[before.index(EXTENTS.len())];
            let extents = inputs.iter_mut().flat_map(|(_, shape)| shape);
            extents.filter(|extent| **extent == before).for_each(|extent| *extent = after);
        }
        let count = inputs.len();
        for (input, axis, extent) in somewhere {
            let shape = &mut inputs[input.index(count)].1;
            let axis = axis.index(shape.len());
            shape[axis] = extent;
        }
        if let Some((input, grow)) = axes {
            let shape = &mut inputs[input.index(count)].1;
            if grow { shape.push(1) } else { shape.truncate(shape.len() - 1) }
        }
        let tensors = inputs.iter_mut().map(|(name, shape)| {
            // Only an empty tensor may have a huge extent; any other must fit into memory.
            if !shape.contains(&0) && shape.contains(&(1 << 40)) {
                shape[0] = 0;
            }
            // A shape whose product overflows before the 0 is not valid.
            let overflows = shape.iter().try_fold(1usize, |count, &extent| count.checked_mul(extent)).is_none();
            (name.clone(), tensor(name, if overflows { &[0] } else { shape }))
        });
        AnyInputs { row, tensors: tensors.collect() }
    })
}

impl AnyInputs {
    /// Runs the checkpoint of the row on the tensors.
    fn run(self, executor: &Executor) -> CheckpointResult {
        contract()[self.row].run(executor, self.tensors)
    }
}

/// The tests of one executor.
macro_rules! contract_tests {
    ($name:ident) => {
        mod $name {
            use super::*;
            use crate::executors::$name::executor;

            #[test]
            fn every_checkpoint_fulfils_the_contract() {
                check_contract(&executor());
            }

            #[test]
            fn an_input_that_is_missing_or_has_the_wrong_dtype_or_number_of_axes_is_named() {
                check_wrong_inputs(&executor());
            }

            #[test]
            fn a_param_that_is_missing_or_invalid_is_named() {
                check_wrong_params(&executor());
            }

            #[test]
            fn an_incomplete_layer_is_an_error_and_an_lm_head_is_used() {
                check_incomplete_layer_and_lm_head(&executor());
            }

            proptest! {
                #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

                #[test]
                fn no_shape_makes_a_checkpoint_panic(inputs in any_inputs()) {
                    let _ = inputs.run(&executor());
                }
            }
        }
    };
}

#[cfg(feature = "candle")]
contract_tests!(candle);
#[cfg(feature = "gpt2")]
contract_tests!(gpt2);
