//! What of a case has to change so that a sound checkpoint computes what a faulty one would.

use std::collections::BTreeMap;

use karat::Tensor;
use ndarray::{ArrayD, Axis, Slice, concatenate};
use serde_json::{Map, Value, json};

use crate::fault::{EPS, FACTOR, Fault, Plant, bias_of};
use crate::planted::CHECKPOINT;
use crate::suite::Golden;

/// What is changed in a case.
#[derive(Default)]
pub(crate) struct Change {
    pub(crate) params: Map<String, Value>,
    /// `None` where the input is taken away.
    pub(crate) inputs: BTreeMap<String, Option<Tensor>>,
    pub(crate) checkpoint: Option<&'static str>,
}

/// What of the case has to change.
pub(crate) fn change(golden: &Golden, Plant { fault, checkpoint, place }: &Plant) -> Change {
    let param = |name: &str, value: Value| Change {
        params: [(name.to_owned(), value)].into_iter().collect(),
        ..Change::default()
    };
    let inputs = |inputs: Vec<(&str, Tensor)>| Change {
        inputs: inputs.into_iter().map(|(name, tensor)| (name.to_owned(), Some(tensor))).collect(),
        ..Change::default()
    };
    let planted = || Change { checkpoint: Some(CHECKPOINT), ..Change::default() };
    let number = |name: &str| golden.case.params[name].as_u64().expect("a number");
    let read = |name: &str| floats(golden, name);
    let is_whole = matches!(checkpoint.as_str(), "block" | "generate");
    match fault {
        Fault::Eps => param("eps", json!(EPS)),
        Fault::Heads => param("n_head", json!(2 * number("n_head"))),
        Fault::Gelu => param("gelu", json!(if golden.case.params["gelu"] == "tanh" { "exact" } else { "tanh" })),
        Fault::Swapped => {
            let bias = bias_of(place);
            inputs(vec![(place, golden.inputs[&bias].clone()), (&bias, golden.inputs[place].clone())])
        }
        Fault::Scaled => inputs(vec![(place, (read(place) * FACTOR as f32).into())]),
        Fault::Transposed => inputs(vec![(place, read(place).reversed_axes().into())]),
        Fault::Zeroed => inputs(vec![(place, ArrayD::<f32>::zeros(read(place).raw_dim()).into())]),
        Fault::Mask if is_whole => planted(),
        Fault::Mask if golden.case.params.get("causal") == Some(&json!(true)) => param("causal", json!(false)),
        Fault::Mask if checkpoint == "mean_pooling" => {
            inputs(vec![("mask", Tensor::from(mask(golden).mapv(|_| 1i64)))])
        }
        Fault::Mask => Change { inputs: [("mask".to_owned(), None)].into(), ..Change::default() },
        Fault::QueryKey if checkpoint == "attention_scores" => {
            inputs(vec![("q", golden.inputs["k"].clone()), ("k", golden.inputs["q"].clone())])
        }
        Fault::QueryKey if checkpoint == "bert_qkv" => {
            let names = ["query.weight", "key.weight", "query.bias", "key.bias"];
            let others = ["key.weight", "query.weight", "key.bias", "query.bias"];
            inputs(names.into_iter().zip(others).map(|(name, other)| (name, golden.inputs[other].clone())).collect())
        }
        Fault::QueryKey => each_of(golden, &attention_inputs(golden), |projection| {
            let [q, k, v] = [0, 1, 2].map(|third| columns(projection, third));
            join(projection.ndim() - 1, &[k, q, v])
        }),
        Fault::Positions if checkpoint == "embeddings" => param("offset", json!(number("offset") + 1)),
        Fault::Positions if checkpoint == "generate" => {
            inputs(vec![("wpe.weight", rolled(&read("wpe.weight"), 0, 1).into())])
        }
        Fault::Positions if checkpoint == "selected_logits" => inputs(vec![("x", rolled(&read("x"), 1, -1).into())]),
        Fault::Positions => inputs(vec![("mask", rolled(&mask(golden), 1, -1).into())]),
        Fault::Unscaled if checkpoint == "attention_scores" => {
            let q = read("q");
            let size = *q.shape().last().expect("it has axes");
            inputs(vec![("q", (q * (size as f32).sqrt()).into())])
        }
        Fault::Unscaled => each_of(golden, &attention_inputs(golden), |projection| {
            let [q, k, v] = [0, 1, 2].map(|third| columns(projection, third));
            let size = q.shape().last().expect("it has axes") / number("n_head") as usize;
            join(projection.ndim() - 1, &[q * (size as f32).sqrt(), k, v])
        }),
        Fault::Merged if is_whole => {
            let names = ending(golden, "attn.c_proj.weight");
            // To take the heads in another order is to take the rows of the projection in another order.
            each_of(golden, &names, |weight| {
                let size = weight.shape()[0] / number("n_head") as usize;
                let heads: Vec<_> = weight.axis_chunks_iter(Axis(0), size).map(|head| head.to_owned()).collect();
                join(0, &heads.into_iter().rev().collect::<Vec<_>>())
            })
        }
        Fault::Merged => each_of(golden, &["probabilities".to_owned(), "v".to_owned()], |by_head| {
            by_head.slice_axis(Axis(1), Slice::new(0, None, -1)).to_owned()
        }),
        Fault::Nan | Fault::Empty | Fault::Truncated => planted(),
    }
}

fn each_of(golden: &Golden, names: &[String], function: impl Fn(&ArrayD<f32>) -> ArrayD<f32>) -> Change {
    let changed = names.iter().map(|name| (name.clone(), Some(function(&floats(golden, name)).into())));
    Change { inputs: changed.collect(), ..Change::default() }
}

/// The inputs of the projection to query, key and value.
fn attention_inputs(golden: &Golden) -> Vec<String> {
    if golden.case.checkpoint == "qkv" {
        return vec!["weight".to_owned(), "bias".to_owned()];
    }
    [ending(golden, "attn.c_attn.weight"), ending(golden, "attn.c_attn.bias")].concat()
}

fn ending(golden: &Golden, end: &str) -> Vec<String> {
    golden.inputs.keys().filter(|name| name.ends_with(end)).cloned().collect()
}

fn floats(golden: &Golden, name: &str) -> ArrayD<f32> {
    golden.inputs[name].to_array().expect("it is f32")
}

fn mask(golden: &Golden) -> ArrayD<i64> {
    golden.inputs["mask"].to_array().expect("it is i64")
}

/// A third of the columns.
fn columns(projection: &ArrayD<f32>, third: usize) -> ArrayD<f32> {
    let width = projection.shape().last().expect("it has axes") / 3;
    let axis = Axis(projection.ndim() - 1);
    projection.slice_axis(axis, Slice::from(third * width..(third + 1) * width)).to_owned()
}

fn join(axis: usize, parts: &[ArrayD<f32>]) -> ArrayD<f32> {
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    concatenate(Axis(axis), &views).expect("they fit along the other axes")
}

/// What was at `by` further along the axis, around the end.
fn rolled<T: Copy>(array: &ArrayD<T>, axis: usize, by: isize) -> ArrayD<T> {
    let extent = array.shape()[axis] as isize;
    let order: Vec<usize> = (0..extent).map(|place| (place + by).rem_euclid(extent) as usize).collect();
    array.select(Axis(axis), &order)
}
