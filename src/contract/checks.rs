//! An executor held to the table.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use super::table::{EXTENTS, Row, Shapes, contract, tensor};
use crate::run::{CheckpointResult, Executor, Outputs};
use crate::tensor::Tensor;

/// A row of the table, and tensors of which some have another shape than it says.
#[derive(Debug)]
pub(crate) struct AnyInputs {
    row: usize,
    tensors: BTreeMap<String, Tensor>,
}

/// Each checkpoint takes the inputs and returns the outputs of the table, and there is no other.
pub(crate) fn keeps_the_contract(executor: &Executor) {
    let contract = contract();
    let names: BTreeSet<&str> = contract.iter().map(|row| row.checkpoint).collect();
    assert!(executor.names().eq(names), "{executor:?} has other checkpoints than the contract");
    for row in &contract {
        let outputs = row.run(executor, row.tensors()).unwrap_or_else(|error| panic!("{}: {error}", row.checkpoint));
        assert_eq!(shapes_of(outputs), row.outputs, "{}", row.checkpoint);
    }
}

fn shapes_of(outputs: Outputs) -> Shapes {
    let outputs = outputs.into_map().unwrap();
    outputs.into_iter().map(|(name, tensor)| (name, tensor.shape().to_vec())).collect()
}

/// An input that is missing, or has another dtype or number of axes, is an error that names it.
pub(crate) fn names_wrong_inputs(executor: &Executor) {
    for row in &contract() {
        for (name, shape) in &row.inputs {
            let error = |wrong: Option<Tensor>| {
                let mut tensors = row.tensors();
                tensors.remove(name);
                tensors.extend(wrong.map(|wrong| (name.clone(), wrong)));
                let result = row.run(executor, tensors);
                result.err().unwrap_or_else(|| panic!("{} takes a wrong {name}", row.checkpoint)).to_string()
            };
            // Without a mask nothing is padding.
            if !(row.checkpoint == "attention_scores" && name == "mask") {
                assert!(error(None).contains(&format!("no input `{name}`")), "{}", error(None));
            }
            let halves = vec![half::f16::ONE; shape.iter().product()];
            let wrong = error(Some(Tensor::new(shape, halves).unwrap()));
            assert!(wrong.contains(&format!("input `{name}` is f16, and the checkpoint reads")), "{wrong}");
            if !matches!(row.checkpoint, "layer_norm" | "softmax" | "residual") {
                let wrong = error(Some(tensor(name, &[1; 5])));
                assert!(wrong.contains(&format!("input `{name}` is [1, 1, 1, 1, 1], and")), "{wrong}");
            }
        }
    }
}

/// A param that is missing or makes no sense is an error that names it.
pub(crate) fn names_wrong_params(executor: &Executor) {
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

/// A layer that is half there is an error, and an `lm_head.weight` is used where there is one.
pub(crate) fn knows_half_a_layer_and_an_lm_head(executor: &Executor) {
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

/// Inputs of any shapes, for a test that no checkpoint panics at them.
pub(crate) fn any_inputs() -> impl Strategy<Value = AnyInputs> {
    // An extent wherever it stands, so that the shapes still agree, and what it becomes.
    let everywhere = prop::collection::vec((any::<Index>(), prop::sample::select(&[0, 1, 9, 1 << 40][..])), 0..3);
    // One axis of one input, so that they do not.
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
            // An empty tensor may claim any other extent; one that is not must fit into memory.
            if !shape.contains(&0) && shape.contains(&(1 << 40)) {
                shape[0] = 0;
            }
            // A product that overflows before it meets the 0 is no shape of a tensor.
            let overflows = shape.iter().try_fold(1usize, |count, &extent| count.checked_mul(extent)).is_none();
            (name.clone(), tensor(name, if overflows { &[0] } else { shape }))
        });
        AnyInputs { row, tensors: tensors.collect() }
    })
}

impl AnyInputs {
    /// Has the executor run the checkpoint of the row on the tensors.
    pub(crate) fn run(self, executor: &Executor) -> CheckpointResult {
        contract()[self.row].run(executor, self.tensors)
    }
}
