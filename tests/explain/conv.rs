//! A convolution, a batch norm, an activation and a pooling: `[batch, channels, height, width]`.

use karat::explain::Hypothesis::{self, *};

use super::dice::Dice;
use super::material::Array;
use super::ports::{Fault, normal};

const SIDE: usize = 8;
const CHANNELS: usize = 5;

#[derive(Clone)]
struct How {
    flipped: bool,
    transposed: bool,
    padding: fn(i64) -> Option<usize>,
    dilation: i64,
    bias: bool,
    eps: f64,
    deviation: bool,
    own: bool,
    gamma: bool,
    beta: bool,
    mean: bool,
    activation: fn(f64) -> f64,
    first: bool,
    pool: fn(&[f64]) -> f64,
    image: fn(&[usize]) -> Vec<usize>,
    pixel: fn(f64) -> f64,
    output: fn(&[usize]) -> Vec<usize>,
}

fn zeros(at: i64) -> Option<usize> {
    (0..SIDE as i64).contains(&at).then_some(at as usize)
}

impl Default for How {
    fn default() -> How {
        How {
            flipped: false,
            transposed: false,
            padding: zeros,
            dilation: 1,
            bias: true,
            eps: 1e-5,
            deviation: false,
            own: false,
            gamma: true,
            beta: true,
            mean: true,
            activation: |x| x.max(0.0),
            first: false,
            pool: |x| x.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            image: |index| index.to_vec(),
            pixel: |x| x,
            output: |index| index.to_vec(),
        }
    }
}

struct Weights {
    image: Array,
    kernel: Array,
    bias: Vec<f64>,
    mean: Vec<f64>,
    variance: Vec<f64>,
    gamma: Vec<f64>,
    beta: Vec<f64>,
}

const OUTPUTS: [&str; 5] = ["image", "conv", "norm", "activation", "pool"];

fn block(w: &Weights, how: &How) -> Vec<Array> {
    let image = w.image.with_index(|index, _| (how.pixel)(w.image.at(&(how.image)(index))));
    let shape = [2, CHANNELS, SIDE, SIDE];
    let empty = Array::new(&shape, vec![0.0; 2 * CHANNELS * SIDE * SIDE]);
    let conv = empty.with_index(|index, _| {
        let mut sum = if how.bias { w.bias[index[1]] } else { 0.0 };
        for (channel, row, column) in (0..3 * 9).map(|at| (at / 9, at / 3 % 3, at % 3)) {
            let place = |at: usize, step: usize| (how.padding)(at as i64 + how.dilation * (step as i64 - 1));
            let (Some(y), Some(x)) = (place(index[2], row), place(index[3], column)) else { continue };
            let (row, column) = if how.flipped { (2 - row, 2 - column) } else { (row, column) };
            let (row, column) = if how.transposed { (column, row) } else { (row, column) };
            sum += image.at(&[index[0], channel, y, x]) * w.kernel.at(&[index[1], channel, row, column]);
        }
        sum
    });
    let of = |channel: usize| {
        let mut values = Vec::new();
        conv.with_index(|index, x| {
            if index[1] == channel {
                values.push(x);
            }
            x
        });
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (mean, values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64)
    };
    let own: Vec<(f64, f64)> = (0..CHANNELS).map(of).collect();
    let norm = conv.with_index(|index, x| {
        let channel = index[1];
        let x = if how.first { (how.activation)(x) } else { x };
        let (mean, variance) = if how.own { own[channel] } else { (w.mean[channel], w.variance[channel]) };
        let mean = if how.mean { mean } else { 0.0 };
        let spread = if how.deviation { variance } else { (variance + how.eps).sqrt() };
        let y = (x - mean) / spread * if how.gamma { w.gamma[channel] } else { 1.0 };
        y + if how.beta { w.beta[channel] } else { 0.0 }
    });
    let activation = if how.first { norm.clone() } else { norm.map(how.activation) };
    let activation = activation.with_index(|index, _| activation.at(&(how.output)(index)));
    let pooled = [2, CHANNELS, SIDE / 2, SIDE / 2];
    let pool = Array::new(&pooled, vec![0.0; 2 * CHANNELS * SIDE * SIDE / 4]).with_index(|index, _| {
        let at = |y: usize, x: usize| activation.at(&[index[0], index[1], 2 * index[2] + y, 2 * index[3] + x]);
        (how.pool)(&[at(0, 0), at(0, 1), at(1, 0), at(1, 1)])
    });
    vec![image, conv, norm, activation, pool]
}

pub(crate) fn faults(dice: &mut Dice) -> Vec<Fault> {
    let positive = |dice: &mut Dice| -> Vec<f64> { dice.normals(CHANNELS).iter().map(|x| (0.5 * x).exp()).collect() };
    let w = Weights {
        image: normal(dice, &[2, 3, SIDE, SIDE], 1.0),
        kernel: normal(dice, &[CHANNELS, 3, 3, 3], 0.2),
        bias: dice.normals(CHANNELS),
        mean: dice.normals(CHANNELS),
        variance: positive(dice),
        gamma: positive(dice),
        beta: dice.normals(CHANNELS),
    };
    let right = How::default;
    type CommandOutput = &'static [(&'static str, &'static [Hypothesis])];
    let table: Vec<(&str, How, CommandOutput)> = vec![
        ("a flipped kernel", How { flipped: true, ..right() }, &[]),
        ("a transposed kernel", How { transposed: true, ..right() }, &[]),
        ("padding by the edge", How { padding: |at| Some(at.clamp(0, SIDE as i64 - 1) as usize), ..right() }, &[]),
        ("padding around", How { padding: |at| Some(at.rem_euclid(SIDE as i64) as usize), ..right() }, &[]),
        ("dilation", How { dilation: 2, ..right() }, &[]),
        ("no bias of the convolution", How { bias: false, ..right() }, &[("conv", &[Bias]), ("norm", &[Bias])]),
        ("eps of 1e-3", How { eps: 1e-3, ..right() }, &[]),
        ("variance for deviation", How { deviation: true, ..right() }, &[]),
        ("statistics of the batch", How { own: true, ..right() }, &[]),
        ("no gamma", How { gamma: false, ..right() }, &[]),
        ("no beta", How { beta: false, ..right() }, &[("norm", &[Bias])]),
        ("no mean", How { mean: false, ..right() }, &[("norm", &[Bias])]),
        ("no activation", How { activation: |x| x, ..right() }, &[("activation", &[Clamp]), ("pool", &[Clamp])]),
        (
            "a leaky ReLU",
            How { activation: |x| x.max(0.01 * x), ..right() },
            &[("activation", &[Clamp]), ("pool", &[Clamp])],
        ),
        (
            "ReLU6 cut at 1",
            How { activation: |x| x.clamp(0.0, 1.0), ..right() },
            &[("activation", &[Clamp]), ("pool", &[Clamp])],
        ),
        ("softplus", How { activation: |x| x.exp().ln_1p(), ..right() }, &[]),
        ("absolute values", How { activation: f64::abs, ..right() }, &[]),
        ("activation before the norm", How { first: true, ..right() }, &[]),
        ("the mean pooled", How { pool: |x| x.iter().sum::<f64>() / 4.0, ..right() }, &[]),
        ("the sum pooled", How { pool: |x| x.iter().sum::<f64>(), ..right() }, &[]),
        ("the first pooled", How { pool: |x| x[0], ..right() }, &[]),
        ("blue for red", How { image: |i| vec![i[0], 2 - i[1], i[2], i[3]], ..right() }, &[("image", &[Flip])]),
        (
            "red for green",
            How { image: |i| vec![i[0], [1, 0, 2][i[1]], i[2], i[3]], ..right() },
            &[("image", &[SliceOrder])],
        ),
        ("upside down", How { image: |i| vec![i[0], i[1], SIDE - 1 - i[2], i[3]], ..right() }, &[("image", &[Flip])]),
        ("mirrored", How { image: |i| vec![i[0], i[1], i[2], SIDE - 1 - i[3]], ..right() }, &[("image", &[Flip])]),
        (
            "turned by 180 degrees",
            How { image: |i| vec![i[0], i[1], SIDE - 1 - i[2], SIDE - 1 - i[3]], ..right() },
            &[("image", &[Flip])],
        ),
        ("turned by 90 degrees", How { image: |i| vec![i[0], i[1], i[3], SIDE - 1 - i[2]], ..right() }, &[]),
        ("columns for rows", How { image: |i| vec![i[0], i[1], i[3], i[2]], ..right() }, &[("image", &[Transpose])]),
        (
            "pixels of 255",
            How { pixel: |x| x * 255.0, ..right() },
            &[("image", &[Scale]), ("conv", &[Scale, Bias]), ("norm", &[Scale, Bias])],
        ),
        ("pixels around 0.5", How { pixel: |x| (x - 0.5) / 0.5, ..right() }, &[("image", &[Scale, Bias])]),
        ("pixels not below 0", How { pixel: |x| x.max(0.0), ..right() }, &[("image", &[Clamp])]),
        ("pixels of 8 bits", How { pixel: |x| (x * 32.0).round() / 32.0, ..right() }, &[]),
        ("a gamma of 2.2", How { pixel: |x| x.abs().powf(1.0 / 2.2).copysign(x), ..right() }, &[]),
        ("saturated", How { pixel: |x| 30.0 * (x / 30.0).tanh(), ..right() }, &[]),
        (
            "a batch in another order",
            How { image: |i| vec![1 - i[0], i[1], i[2], i[3]], ..right() },
            &[
                ("image", &[Shift, Flip, SliceOrder]),
                ("conv", &[Shift, Flip, SliceOrder]),
                ("norm", &[Shift, Flip, SliceOrder]),
                ("activation", &[Shift, Flip, SliceOrder]),
                ("pool", &[Shift, Flip, SliceOrder]),
            ],
        ),
        (
            "channels last",
            How {
                output: |i| {
                    let at = (i[1] * SIDE + i[2]) * SIDE + i[3];
                    vec![i[0], at % CHANNELS, at / CHANNELS / SIDE, at / CHANNELS % SIDE]
                },
                ..right()
            },
            &[("activation", &[ReshapeOrder, PermuteAxes])],
        ),
        (
            "a row too late",
            How { output: |i| vec![i[0], i[1], i[2].saturating_sub(1), i[3]], ..right() },
            &[("activation", &[Shift])],
        ),
        (
            "one channel left out",
            How { activation: |x| x.max(0.0), output: |i| vec![i[0], i[1].min(CHANNELS - 2), i[2], i[3]], ..right() },
            &[],
        ),
    ];
    let reference = block(&w, &right());
    let mut faults = Vec::new();
    for (name, how, said) in table {
        let actual = block(&w, &how);
        for ((output, actual), reference) in OUTPUTS.into_iter().zip(actual).zip(&reference) {
            let allowed = said.iter().find(|(at, _)| *at == output).map_or(&[][..], |(_, said)| said);
            faults.push(Fault {
                name: format!("conv: {name}, at {output}"),
                actual,
                reference: reference.clone(),
                inputs: Vec::new(),
                eps: None,
                checkpoint: "conv_block",
                allowed: allowed.to_vec(),
            });
        }
    }
    faults
}
