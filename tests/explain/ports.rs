//! Ports of a LLaMA layer, of a convolutional block, of an LSTM, of sums and of a transform, written here and apart from karat,
//! each with the faults that real ports have. No rule was made for these: what is named must be what was planted, or nothing.

use karat::explain::Hypothesis;

use super::dice::Dice;
use super::material::Array;

/// A fault in a port: what came out of it, what should have, and what may be said of it.
pub(crate) struct Fault {
    pub(crate) name: String,
    pub(crate) actual: Array,
    pub(crate) reference: Array,
    pub(crate) inputs: Vec<(&'static str, Array)>,
    pub(crate) eps: Option<f64>,
    pub(crate) checkpoint: &'static str,
    /// What is true of it: the fault itself, or what it comes to in these tensors. Empty where nothing that karat knows is.
    pub(crate) allowed: Vec<Hypothesis>,
}

/// All of them for a seed.
pub(crate) fn all(seed: u64) -> Vec<Fault> {
    let mut dice = Dice::new("ports", seed);
    let mut faults = super::llama::faults(&mut dice);
    faults.extend(super::conv::faults(&mut dice));
    faults.extend(super::steps::faults(&mut dice));
    faults
}

pub(crate) fn normal(dice: &mut Dice, shape: &[usize], size: f64) -> Array {
    let count = shape.iter().product();
    Array::new(shape, dice.normals(count).iter().map(|x| size * x).collect())
}

/// `[rows, inner] x [inner, outer]`, over all axes but the last.
pub(crate) fn matmul(x: &Array, weight: &Array) -> Array {
    let [inner, outer] = weight.shape[..] else { panic!("a matrix") };
    let mut shape = x.shape.clone();
    *shape.last_mut().expect("an axis") = outer;
    let mut y = Vec::new();
    for row in x.values.chunks(inner) {
        y.extend(
            (0..outer).map(|o| row.iter().enumerate().map(|(i, x)| x * weight.values[i * outer + o]).sum::<f64>()),
        );
    }
    Array::new(&shape, y)
}

pub(crate) fn zip(x: &Array, y: &Array, f: impl Fn(f64, f64) -> f64) -> Array {
    assert_eq!(x.shape, y.shape);
    Array::new(&x.shape, x.values.iter().zip(&y.values).map(|(x, y)| f(*x, *y)).collect())
}

/// Each row of the last axis by itself.
pub(crate) fn rows(x: &Array, f: impl Fn(&[f64]) -> Vec<f64>) -> Array {
    let width = *x.shape.last().expect("an axis");
    Array::new(&x.shape, x.values.chunks(width).flat_map(f).collect())
}

pub(crate) fn softmax(row: &[f64]) -> Vec<f64> {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = row.iter().map(|x| (x - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|x| x / sum).collect()
}

pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

pub(crate) fn half(x: f64) -> f64 {
    half::f16::from_f64(x).to_f64()
}
