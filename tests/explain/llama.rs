//! A LLaMA layer: RMSNorm, rotary embeddings, grouped attention, SwiGLU.

use karat::explain::Hypothesis::{self, *};

use super::dice::Dice;
use super::material::Array;
use super::ports::{Fault, half, matmul, normal, rows, sigmoid, softmax, zip};

const POSITIONS: usize = 10;
const HEADS: usize = 8;
const GROUPS: usize = 2;
const SIZE: usize = 8;
const WIDTH: usize = HEADS * SIZE;

/// How the layer is computed: right by default.
#[derive(Clone)]
struct How {
    eps: f64,
    weight: fn(f64) -> f64,
    mean: bool,
    theta: f64,
    rotated: bool,
    offset: usize,
    pairs: bool,
    backwards: bool,
    scale: f64,
    sees: fn(usize, usize) -> bool,
    /// The group of keys and values that a head uses.
    group: fn(usize) -> usize,
    keys_first: bool,
    short: bool,
    softmax: bool,
    cap: f64,
    merged: bool,
    gate: fn(f64) -> f64,
    exchanged: bool,
    residual: bool,
    /// From here on keys and values are what they were at the position before.
    cached: usize,
}

impl Default for How {
    fn default() -> How {
        How {
            eps: 1e-5,
            weight: |w| w,
            mean: false,
            theta: 10_000.0,
            rotated: true,
            offset: 0,
            pairs: false,
            backwards: false,
            scale: (SIZE as f64).sqrt().recip(),
            sees: |query, key| key <= query,
            group: |head| head / (HEADS / GROUPS),
            keys_first: false,
            short: false,
            softmax: true,
            cap: f64::INFINITY,
            merged: true,
            gate: |x| x * sigmoid(x),
            exchanged: false,
            residual: true,
            cached: POSITIONS,
        }
    }
}

struct Weights {
    x: Array,
    norm: Array,
    q: Array,
    k: Array,
    v: Array,
    o: Array,
    gate: Array,
    up: Array,
    down: Array,
}

/// What can be looked at.
const OUTPUTS: [&str; 6] = ["norm", "q", "scores", "probs", "attention", "layer"];

fn rms_norm(x: &Array, weight: &Array, how: &How) -> Array {
    rows(x, |row| {
        let count = row.len() as f64;
        let mean = if how.mean { row.iter().sum::<f64>() / count } else { 0.0 };
        let square = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        let factor = (square + how.eps).sqrt().recip();
        row.iter().zip(&weight.values).map(|(x, w)| (x - mean) * factor * (how.weight)(*w)).collect()
    })
}

/// `[positions, heads x size]` as `[heads, positions, size]`.
fn heads(x: &Array) -> Array {
    let count = x.shape[1] / SIZE;
    x.reshape(&[POSITIONS, count, SIZE]).permute(&[1, 0, 2])
}

fn rotate(x: &Array, how: &How) -> Array {
    if !how.rotated {
        return x.clone();
    }
    x.with_index(|index, value| {
        let (position, at) = (index[1] + how.offset, index[2]);
        let (pair, is_first, other) = match how.pairs {
            true => (at / 2, at % 2 == 0, at ^ 1),
            false => (at % (SIZE / 2), at < SIZE / 2, (at + SIZE / 2) % SIZE),
        };
        let angle = position as f64 / how.theta.powf(2.0 * pair as f64 / SIZE as f64);
        let sign = if is_first != how.backwards { -1.0 } else { 1.0 };
        value * angle.cos() + sign * x.at(&[index[0], index[1], other]) * angle.sin()
    })
}

fn layer(w: &Weights, how: &How) -> Vec<Array> {
    let normed = rms_norm(&w.x, &w.norm, how);
    let stale = |x: Array| {
        x.with_index(
            |index, value| {
                if index[1] >= how.cached { x.at(&[index[0], index[1] - 1, index[2]]) } else { value }
            },
        )
    };
    let q = rotate(&heads(&matmul(&normed, &w.q)), how);
    let k = stale(rotate(&heads(&matmul(&normed, &w.k)), how));
    let v = stale(heads(&matmul(&normed, &w.v)));
    let (k, v) = if how.keys_first { (v, k) } else { (k, v) };
    let empty = Array::new(&[HEADS, POSITIONS, POSITIONS], vec![0.0; HEADS * POSITIONS * POSITIONS]);
    let scores = empty.with_index(|index, _| {
        let [head, query, key] = index[..] else { unreachable!() };
        let sum: f64 = (0..SIZE).map(|at| q.at(&[head, query, at]) * k.at(&[(how.group)(head), key, at])).sum();
        let score = sum * how.scale;
        if how.cap.is_finite() { how.cap * (score / how.cap).tanh() } else { score }
    });
    let masked = scores.with_index(|index, x| if (how.sees)(index[1], index[2]) { x } else { f64::NEG_INFINITY });
    let masked = if how.short { masked.map(half) } else { masked };
    let probs = rows(&masked, |row| match (how.softmax, how.short) {
        (false, _) => row.iter().map(|x| x.exp()).collect(),
        (_, false) => softmax(row),
        _ => {
            let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let powers: Vec<f64> = row.iter().map(|x| half(half(x - most).exp())).collect();
            let sum = half(powers.iter().sum());
            powers.iter().map(|x| half(x / sum)).collect()
        }
    });
    let attention = Array::new(&[HEADS, POSITIONS, SIZE], vec![0.0; WIDTH * POSITIONS]).with_index(|index, _| {
        let [head, query, at] = index[..] else { unreachable!() };
        (0..POSITIONS).map(|key| probs.at(&[head, query, key]) * v.at(&[(how.group)(head), key, at])).sum()
    });
    let merged = if how.merged { attention.permute(&[1, 0, 2]) } else { attention }.reshape(&[POSITIONS, WIDTH]);
    let projected = matmul(&merged, &w.o);
    let after = if how.residual { zip(&w.x, &projected, |x, y| x + y) } else { projected };
    let normed_again = rms_norm(&after, &w.norm, how);
    let (gate, up) = if how.exchanged { (&w.up, &w.gate) } else { (&w.gate, &w.up) };
    let hidden = zip(&matmul(&normed_again, gate), &matmul(&normed_again, up), |g, u| (how.gate)(g) * u);
    let mlp = matmul(&hidden, &w.down);
    let layer = zip(&after, &mlp, |x, y| x + y);
    vec![normed, q, scores, probs, merged, layer]
}

pub(crate) fn faults(dice: &mut Dice) -> Vec<Fault> {
    let size = (WIDTH as f64).sqrt().recip();
    let w = Weights {
        // Positions of several sizes.
        x: normal(dice, &[POSITIONS, WIDTH], 1.0).with_index(|index, x| x * 0.02 * (1.0 + index[0] as f64)),
        norm: normal(dice, &[WIDTH], 0.3).map(|x| 1.0 + x),
        q: normal(dice, &[WIDTH, WIDTH], 2.0 * size),
        k: normal(dice, &[WIDTH, GROUPS * SIZE], 2.0 * size),
        v: normal(dice, &[WIDTH, GROUPS * SIZE], size),
        o: normal(dice, &[WIDTH, WIDTH], size),
        gate: normal(dice, &[WIDTH, 96], size),
        up: normal(dice, &[WIDTH, 96], size),
        down: normal(dice, &[96, WIDTH], size),
    };
    let right = How::default;
    let gelu = |x: f64| 0.5 * x * (1.0 + libm::erf(x / 2f64.sqrt()));
    // At which outputs more than the fault itself, seen from there, is true.
    type CommandOutput = &'static [(&'static str, &'static [Hypothesis])];
    let table: Vec<(&str, How, CommandOutput)> = vec![
        ("another theta", How { theta: 500_000.0, ..right() }, &[]),
        ("no rotation", How { rotated: false, ..right() }, &[]),
        ("positions from 1", How { offset: 1, ..right() }, &[]),
        ("rotation of neighbours", How { pairs: true, ..right() }, &[]),
        ("rotation backwards", How { backwards: true, ..right() }, &[]),
        ("no 1/sqrt(d)", How { scale: 1.0, ..right() }, &[("scores", &[Scale])]),
        ("1/d", How { scale: 1.0 / SIZE as f64, ..right() }, &[("scores", &[Scale])]),
        (
            "no mask",
            How { sees: |_, _| true, ..right() },
            &[("probs", &[CausalMask]), ("attention", &[CausalMask]), ("layer", &[CausalMask])],
        ),
        (
            "mask by one",
            How { sees: |q, k| k <= q + 1, ..right() },
            &[("probs", &[CausalMask]), ("attention", &[CausalMask]), ("layer", &[CausalMask])],
        ),
        // Right as far as the window reaches.
        (
            "a window",
            How { sees: |q, k| k <= q && q - k < 5, ..right() },
            &[("probs", &[StalePosition]), ("attention", &[StalePosition]), ("layer", &[StalePosition])],
        ),
        ("no window of others", How { sees: |q, k| k == q, ..right() }, &[]),
        ("groups side by side", How { group: |head| head % GROUPS, ..right() }, &[]),
        ("one group for all", How { group: |_| 0, ..right() }, &[]),
        ("keys for values", How { keys_first: true, ..right() }, &[]),
        ("softmax in f16", How { short: true, ..right() }, &[("probs", &[RoundedF16])]),
        ("no division in softmax", How { softmax: false, ..right() }, &[]),
        ("a cap on scores", How { cap: 5.0, ..right() }, &[]),
        ("heads merged without moving", How { merged: false, ..right() }, &[("attention", &[ReshapeOrder])]),
        ("LayerNorm for RMSNorm", How { mean: true, ..right() }, &[]),
        ("another eps", How { eps: 1e-3, ..right() }, &[("norm", &[Eps])]),
        ("eps of 1e-6", How { eps: 1e-6, ..right() }, &[("norm", &[Eps])]),
        ("no weight of the norm", How { weight: |_| 1.0, ..right() }, &[("norm", &[Scale])]),
        ("1 + weight", How { weight: |w| 1.0 + w, ..right() }, &[("norm", &[Scale])]),
        ("gelu for silu", How { gate: gelu, ..right() }, &[]),
        ("relu for silu", How { gate: |x| x.max(0.0), ..right() }, &[]),
        ("gate and up exchanged", How { exchanged: true, ..right() }, &[]),
        ("no residual", How { residual: false, ..right() }, &[]),
        (
            "a stale cache",
            How { cached: 7, ..right() },
            &[
                ("scores", &[]),
                ("probs", &[StalePosition]),
                ("attention", &[StalePosition]),
                ("layer", &[StalePosition]),
            ],
        ),
    ];
    let reference = layer(&w, &right());
    let mut faults = Vec::new();
    for (name, how, said) in table {
        let actual = layer(&w, &how);
        for ((output, actual), reference) in OUTPUTS.into_iter().zip(actual).zip(&reference) {
            let allowed = said.iter().find(|(at, _)| *at == output).map_or(&[][..], |(_, said)| said);
            let inputs =
                if output == "norm" { vec![("x", w.x.clone()), ("weight", w.norm.clone())] } else { Vec::new() };
            faults.push(Fault {
                name: format!("llama: {name}, at {output}"),
                actual,
                reference: reference.clone(),
                inputs,
                eps: (output == "norm").then_some(1e-5),
                checkpoint: if output == "attention" { "attention" } else { "decoder_layer" },
                allowed: allowed.to_vec(),
            });
        }
    }
    faults
}
