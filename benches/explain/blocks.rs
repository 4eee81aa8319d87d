//! Faults inside of a transformer's blocks: another eps, another mask, another activation.

use karat::DType;
use karat::explain::Hypothesis::{CausalMask, Eps, GeluVariant};
use serde_json::json;

use super::dice::Dice;
use super::faults::{Planted, planted};
use super::material::{Array, Material};

fn normalise(x: &[f64], eps: f64, weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let width = weight.len();
    let row = |x: &[f64]| {
        let mean = x.iter().sum::<f64>() / width as f64;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
        let spread = (variance + eps).sqrt();
        x.iter().zip(weight).zip(bias).map(|((x, w), b)| (x - mean) / spread * w + b).collect::<Vec<f64>>()
    };
    x.chunks(width).flat_map(row).collect()
}

/// The eps of another model in a LayerNorm: that of the goldens, or one of random numbers.
pub(crate) fn eps(m: &Material, dice: &mut Dice, dtype: DType) -> Option<Planted> {
    let shape = m.reference.shape.clone();
    let width = *shape.last()?;
    let mut material = m.clone();
    let is_golden = m.checkpoint == "layer_norm";
    if !is_golden {
        if !m.inputs.is_empty() || shape.len() < 2 || m.reference.len() / width < 4 || m.mask.is_some() {
            return None;
        }
        // Rows of several sizes, as activations are.
        let size: Vec<f64> = (0..m.reference.len() / width).map(|_| 0.3 * dice.normal().exp()).collect();
        let values = dice.normals(m.reference.len()).iter().enumerate().map(|(at, x)| x * size[at / width]).collect();
        material.inputs.insert("x".into(), Array::new(&shape, values));
        let has_weights = dice.share() < 0.7;
        if has_weights {
            let vector = |dice: &mut Dice, centre: f64| {
                Array::new(&[width], dice.normals(width).iter().map(|x| centre + 0.3 * x).collect())
            };
            material.inputs.insert("weight".into(), vector(dice, 1.0));
            material.inputs.insert("bias".into(), vector(dice, 0.0));
        }
        if dice.share() < 0.7 {
            material.params.insert("eps".into(), json!(1e-5));
        }
    }
    let before = material.params.get("eps").and_then(serde_json::Value::as_f64).unwrap_or(1e-5);
    let x = material.inputs.get("x")?;
    let flat = |name: &str, value: f64| {
        material.inputs.get(name).map_or_else(|| vec![value; width], |array| array.values.clone())
    };
    let (weight, bias) = (flat("weight", 1.0), flat("bias", 0.0));
    let after = if dtype.eps() > 1e-5 { dice.pick(&[0.1, 0.3]) } else { dice.pick(&[1e-3, 1e-2, 1e-1]) };
    let make = |eps: f64| Array::new(&shape, normalise(&x.values, eps, &weight, &bias));
    let (reference, actual) = (make(before), make(after));
    material.reference = reference;
    planted(&material, actual, &[&[Eps]])
}

fn softmax(scores: &[f64], keys: usize) -> Vec<f64> {
    let row = |row: &[f64]| {
        let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = row.iter().map(|x| (x - highest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.into_iter().map(|x| x / sum).collect::<Vec<f64>>()
    };
    scores.chunks(keys).flat_map(row).collect()
}

/// Probabilities or scores of attention without its causal mask, or with one too many.
pub(crate) fn causal(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
    let [.., queries, keys] = m.reference.shape[..] else { return None };
    if queries != keys || m.mask.is_some() || !m.inputs.is_empty() && m.checkpoint != "softmax" {
        return None;
    }
    let shape = m.reference.shape.clone();
    let mut at = 0;
    let is_future = |position: usize| position % keys > position / keys % queries;
    let scores: Vec<f64> = match m.checkpoint.as_str() {
        // Known below the diagonal only; what is above it is as large.
        "softmax" => m.reference.values.iter().map(|p| if *p > 0.0 { p.ln() } else { dice.normal() }).collect(),
        _ => m.reference.map(|x| x / m.reference.rms()).values,
    };
    let mut masked = scores.clone();
    let is_score = m.checkpoint != "softmax" && dice.share() < 0.3;
    let fill = if is_score { dice.pick(&[-1e9, -1e4, f64::from(f32::MIN)]) } else { f64::NEG_INFINITY };
    masked.iter_mut().for_each(|x| {
        *x = if is_future(at) { fill } else { *x };
        at += 1;
    });
    let make = |scores: Vec<f64>| Array::new(&shape, if is_score { scores } else { softmax(&scores, keys) });
    let (open, masked) = (make(scores), make(masked));
    let (reference, actual) = if dice.share() < 0.75 { (masked, open) } else { (open, masked) };
    let material = Material { reference, inputs: Default::default(), ..m.clone() };
    planted(&material, actual, &[&[CausalMask]])
}

fn gelu_of(x: f64, formula: usize) -> f64 {
    match formula {
        0 => x * 0.5 * libm::erfc(-x / 2f64.sqrt()),
        1 => x * 0.5 * (1.0 + (0.797_884_560_802_865_4 * (x + 0.044_715 * x.powi(3))).tanh()),
        _ => x / (1.0 + (-1.702 * x).exp()),
    }
}

fn formulas(dice: &mut Dice) -> (usize, usize) {
    dice.pick(&[(0, 1), (1, 0), (0, 1), (1, 0), (0, 2), (1, 2)])
}

/// Another GELU, seen right behind it.
pub(crate) fn gelu(m: &Material, dice: &mut Dice, dtype: DType) -> Option<Planted> {
    // 16 bits do not show it.
    if dtype.eps() > 1e-5 || m.mask.is_some() && m.checkpoint != "dense_gelu" {
        return None;
    }
    let mut material = m.clone();
    let shape = m.reference.shape.clone();
    let (from, to) = match m.checkpoint.as_str() {
        "dense_gelu" => (0, 1),
        _ => formulas(dice),
    };
    let before: Vec<f64> = match m.checkpoint.as_str() {
        "dense_gelu" => dense(&m.inputs["x"], &m.inputs["dense.weight"], true, &m.inputs["dense.bias"].values),
        _ if !m.inputs.is_empty() => return None,
        _ => m.reference.map(|x| 1.5 * x / m.reference.rms()).values,
    };
    let make = |formula| Array::new(&shape, before.iter().map(|&x| gelu_of(x, formula)).collect());
    if m.checkpoint != "dense_gelu" {
        material.reference = make(from);
    }
    let actual = make(to);
    // For the fault that replaces it altogether.
    material.inputs.insert("before".into(), Array::new(&[before.len()], before));
    planted(&material, actual, &[&[GeluVariant]])
}

/// `x weight + bias`, the weight `[out, in]` or `[in, out]`.
fn dense(x: &Array, weight: &Array, is_out_in: bool, bias: &[f64]) -> Vec<f64> {
    let (inner, outer) = (*x.shape.last().expect("an axis"), bias.len());
    let weight = if is_out_in { weight.permute(&[1, 0]) } else { weight.clone() };
    let mut y = Vec::with_capacity(x.len() / inner * outer);
    for row in x.values.chunks(inner) {
        let mut sums = bias.to_vec();
        for (x, weights) in row.iter().zip(weight.values.chunks(outer)) {
            sums.iter_mut().zip(weights).for_each(|(sum, w)| *sum += x * w);
        }
        y.extend(sums);
    }
    y
}

/// Another GELU inside of an MLP.
pub(crate) fn gelu_mlp(m: &Material, dice: &mut Dice, dtype: DType) -> Option<Planted> {
    let width = *m.reference.shape.last()?;
    if dtype.eps() > 1e-5 || m.mask.is_some() {
        return None;
    }
    let mut material = m.clone();
    let is_golden = m.checkpoint == "mlp";
    if !is_golden {
        if !m.inputs.is_empty() || m.reference.shape.len() != 3 {
            return None;
        }
        let mut normal = |shape: &[usize], size: f64| {
            let count = shape.iter().product();
            Array::new(shape, dice.normals(count).iter().map(|x| size * x).collect())
        };
        let size = (width as f64).sqrt().recip();
        material.inputs.insert("x".into(), normal(&m.reference.shape, 1.0));
        material.inputs.insert("c_fc.weight".into(), normal(&[width, 3 * width], size));
        material.inputs.insert("c_fc.bias".into(), normal(&[3 * width], 0.1));
        material.inputs.insert("c_proj.weight".into(), normal(&[3 * width, width], size));
        material.inputs.insert("c_proj.bias".into(), normal(&[width], 0.1));
    }
    let input = |name: &str| &material.inputs[name];
    let before = dense(input("x"), input("c_fc.weight"), false, &input("c_fc.bias").values);
    let hidden = Array::new(&[before.len() / input("c_fc.bias").len(), input("c_fc.bias").len()], before);
    let make = |formula: usize| {
        let hidden = hidden.map(|x| gelu_of(x, formula));
        Array::new(&m.reference.shape, dense(&hidden, input("c_proj.weight"), false, &input("c_proj.bias").values))
    };
    let (from, to) = if is_golden { (1, dice.pick(&[0, 2])) } else { formulas(dice) };
    let (reference, actual) = (make(from), make(to));
    material.reference = reference;
    planted(&material, actual, &[&[GeluVariant]])
}
