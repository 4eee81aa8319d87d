//! From the inputs of a case to its outputs, checkpoint by checkpoint.

use std::collections::BTreeMap;

use super::array::{Array, Fit, dot};
use super::attention::{axes, softmax};
use super::model::{best, last_rows};
use crate::fault::{FACTOR, Fault, Plant, bias_of};
use crate::suite::Golden;

/// The outputs of a case by name.
pub(crate) type Outputs = BTreeMap<String, Array>;

/// A case, and the fault with which it is computed.
pub(super) struct Plain<'a> {
    pub(super) golden: &'a Golden,
    plant: Option<&'a Plant>,
}

/// Computes a case, with a fault or without.
///
/// # Errors
///
/// Which shapes do not fit together.
pub(crate) fn compute(golden: &Golden, plant: Option<&Plant>) -> Fit<Outputs> {
    let case = Plain { golden, plant };
    let y = |y: Array| Ok(Outputs::from([("y".to_owned(), y)]));
    match golden.case.checkpoint.as_str() {
        "embeddings" => {
            let offset = golden.case.params["offset"].as_u64().expect("a number") as usize;
            y(case.embeddings(&case.tensor("ids"), offset)?)
        }
        "layer_norm" => y(case.norm(&case.tensor("x"), "")?),
        "qkv" => {
            let projected = case.conv1d(&case.tensor("x"), "")?;
            let [q, k, v] = case.thirds(&projected)?;
            Ok([("q", q), ("k", k), ("v", v)].map(|(name, part)| (name.to_owned(), part)).into())
        }
        "bert_qkv" => {
            let mut names = ["query.", "key.", "value."];
            if case.is(Fault::QueryKey) {
                names.swap(0, 1);
            }
            let x = case.tensor("x");
            let parts = ["q", "k", "v"].into_iter().zip(names);
            parts.map(|(part, name)| Ok((part.to_owned(), case.split(&case.dense(&x, name)?)?))).collect()
        }
        "kv_cache" => {
            let joined = |name: &str| {
                let (past, new) = (case.tensor(&format!("past_{name}")), case.tensor(&format!("new_{name}")));
                let ([b, h, t, d], s) = (axes(&past), new.shape[2]);
                let at = |[b, h, i, d]: [usize; 4]| match i < t {
                    true => past.at([b, h, i, d]),
                    false => new.at([b, h, i - t, d]),
                };
                (name.to_owned(), Array::from_fn([b, h, t + s, d], at))
            };
            Ok([joined("k"), joined("v")].into())
        }
        "attention_scores" => {
            let (mut q, mut k) = (case.tensor("q"), case.tensor("k"));
            if case.is(Fault::QueryKey) {
                std::mem::swap(&mut q, &mut k);
            }
            y(case.scores(&q, &k, golden.case.params["causal"] == true)?)
        }
        "softmax" => y(softmax(&case.tensor("x"))),
        "attention_context" => y(case.context(&case.tensor("probabilities"), &case.tensor("v"))),
        "attention_output" => {
            let context = case.context(&case.tensor("probabilities"), &case.tensor("v"));
            y(case.conv1d(&context, "")?)
        }
        "residual" => y(case.tensor("x").plus(&case.tensor("update"))),
        "mlp" => y(case.mlp(&case.tensor("x"), "")?),
        "block" => y(case.block(&case.tensor("x"), "")?),
        "logits" => y(case.tensor("x").dense(&case.tensor("weight"), None)?),
        "selected_logits" => {
            let x = case.tensor("x");
            y(last_rows(&x, if case.is(Fault::Positions) { 2 } else { 1 }))
        }
        "argmax" => y(best(&case.tensor("x"))),
        "generate" => Ok([("tokens".to_owned(), case.generate()?)].into()),
        "dense_residual_norm" => {
            let sum = case.dense(&case.tensor("x"), "dense.")?.plus(&case.tensor("residual"));
            y(case.norm(&sum, "LayerNorm.")?)
        }
        "dense_gelu" => y(case.gelu(case.dense(&case.tensor("x"), "dense.")?)),
        "mean_pooling" => y(case.pooled(&case.tensor("x"))),
        "normalize" => {
            let eps = case.number("eps");
            y(case.tensor("x").map_rows(|row| {
                let norm = dot(row, row).sqrt().max(eps);
                row.iter().map(|x| x / norm).collect()
            }))
        }
        other => panic!("{other} has no plain loops"),
    }
}

impl Plain<'_> {
    pub(super) fn is(&self, fault: Fault) -> bool {
        self.plant.is_some_and(|plant| plant.fault == fault)
    }

    /// The input of that name, faulty where that is the fault.
    pub(super) fn tensor(&self, name: &str) -> Array {
        let read = |name: &str| Array::of(&self.golden.inputs[name]);
        match self.plant {
            Some(Plant { fault: Fault::Swapped, place, .. }) if *place == name || bias_of(place) == name => {
                read(&bias_of(name))
            }
            Some(Plant { fault: Fault::Scaled, place, .. }) if place == name => read(name).map(|x| x * FACTOR),
            Some(Plant { fault: Fault::Transposed, place, .. }) if place == name => read(name).transposed(),
            Some(Plant { fault: Fault::Zeroed, place, .. }) if place == name => read(name).map(|_| 0.0),
            _ => read(name),
        }
    }

    pub(super) fn number(&self, param: &str) -> f64 {
        self.golden.case.params[param].as_f64().expect("a number")
    }

    /// Whether each key is a token, a row a sentence; `None` where all are.
    pub(super) fn mask(&self) -> Option<Vec<Vec<bool>>> {
        if self.is(Fault::Mask) || !self.golden.inputs.contains_key("mask") {
            return None;
        }
        let mut mask: Vec<Vec<bool>> =
            self.tensor("mask").rows().map(|row| row.iter().map(|&token| token == 1.0).collect()).collect();
        if self.is(Fault::Positions) {
            mask.iter_mut().for_each(|row| row.rotate_right(1));
        }
        Some(mask)
    }
}
