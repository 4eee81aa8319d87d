//! An LSTM, running sums, and what one function does to a matrix.

use karat::explain::Hypothesis::{self, *};

use super::dice::Dice;
use super::material::Array;
use super::ports::{Fault, half, matmul, normal, rows, sigmoid, softmax};

const STEPS: usize = 10;
const BATCH: usize = 4;
const SIZE: usize = 16;

#[derive(Clone)]
struct How {
    /// Where the gates of input, forgetting, cell and output are.
    gates: [usize; 4],
    forget: f64,
    recurs: bool,
    keeps: bool,
    sigmoid: fn(f64) -> f64,
    tanh: fn(f64) -> f64,
    backwards: bool,
    start: f64,
    first: f64,
}

impl Default for How {
    fn default() -> How {
        How {
            gates: [0, 1, 2, 3],
            forget: 0.0,
            recurs: true,
            keeps: true,
            sigmoid,
            tanh: f64::tanh,
            backwards: false,
            start: 0.0,
            first: 1.0,
        }
    }
}

/// The projections of the input, and what comes out, both `[steps, batch, ..]`.
fn lstm(x: &Array, input: &Array, state: &Array, how: &How) -> [Array; 2] {
    let projected = matmul(x, input).map(|x| x * how.first);
    let (mut h, mut c) = (vec![how.start; BATCH * SIZE], vec![how.start; BATCH * SIZE]);
    let mut steps = vec![Vec::new(); STEPS];
    let order: Vec<usize> = if how.backwards { (0..STEPS).rev().collect() } else { (0..STEPS).collect() };
    for step in order {
        let recurrent = matmul(&Array::new(&[BATCH, SIZE], h.clone()), state);
        for (row, at) in (0..BATCH * SIZE).map(|place| (place / SIZE, place % SIZE)) {
            let gate = |which: usize| {
                let column = how.gates[which] * SIZE + at;
                projected.at(&[step, row, column]) + if how.recurs { recurrent.at(&[row, column]) } else { 0.0 }
            };
            let (i, f, o) = ((how.sigmoid)(gate(0)), (how.sigmoid)(gate(1) + how.forget), (how.sigmoid)(gate(3)));
            let place = row * SIZE + at;
            c[place] = if how.keeps { f * c[place] } else { 0.0 } + i * (how.tanh)(gate(2));
            h[place] = o * (how.tanh)(c[place]);
        }
        steps[step] = h.clone();
    }
    [projected, Array::new(&[STEPS, BATCH, SIZE], steps.concat())]
}

fn scan(x: &Array, mut f: impl FnMut(f64, f64) -> f64) -> Array {
    let width = x.shape[1];
    let mut values = x.values.clone();
    for at in width..values.len() {
        values[at] = f(values[at - width], values[at]);
    }
    Array::new(&x.shape, values)
}

pub(crate) fn faults(dice: &mut Dice) -> Vec<Fault> {
    let mut faults = recurrent(dice);
    faults.extend(functions(dice));
    faults
}

fn recurrent(dice: &mut Dice) -> Vec<Fault> {
    let x = normal(dice, &[STEPS, BATCH, SIZE], 1.0);
    let (input, state) = (normal(dice, &[SIZE, 4 * SIZE], 0.3), normal(dice, &[SIZE, 4 * SIZE], 0.3));
    let right = How::default;
    let hard = |x: f64| (0.2 * x + 0.5).clamp(0.0, 1.0);
    let table: Vec<(&str, How)> = vec![
        ("gates of another library", How { gates: [0, 1, 3, 2], ..right() }),
        ("cell before forgetting", How { gates: [0, 2, 1, 3], ..right() }),
        ("a bias for forgetting", How { forget: 1.0, ..right() }),
        ("no recurrent weights", How { recurs: false, ..right() }),
        ("no memory", How { keeps: false, ..right() }),
        ("a hard sigmoid", How { sigmoid: hard, ..right() }),
        ("a ReLU for tanh", How { tanh: |x| x.max(0.0), ..right() }),
        ("backwards", How { backwards: true, ..right() }),
        ("a start of ones", How { start: 1.0, ..right() }),
    ];
    let [_, reference] = lstm(&x, &input, &state, &right());
    let mut faults: Vec<Fault> = table
        .into_iter()
        .map(|(name, how)| {
            let [_, actual] = lstm(&x, &input, &state, &how);
            fault(&format!("lstm: {name}"), actual, &reference, &[])
        })
        .collect();
    // What only the layout of the weights or of the answer is wrong in.
    let gates = |order: [usize; 4]| {
        let [projected, _] = lstm(&x, &input, &state, &right());
        projected.with_index(|i, _| projected.at(&[i[0], i[1], order[i[2] / SIZE] * SIZE + i[2] % SIZE]))
    };
    let projected = gates([0, 1, 2, 3]);
    faults.push(fault(
        "lstm: projections with gates exchanged",
        gates([0, 1, 3, 2]),
        &projected,
        &[SliceOrder, ReshapeOrder],
    ));
    faults.push(fault("lstm: projections with gates turned", gates([3, 0, 1, 2]), &projected, &[SliceOrder, Shift]));
    let back = reference.with_index(|i, _| reference.at(&[STEPS - 1 - i[0], i[1], i[2]]));
    faults.push(fault("lstm: answers from last to first", back, &reference, &[Flip]));
    let batch_first = reference.permute(&[1, 0, 2]);
    faults.push(fault("lstm: batch first", batch_first.clone(), &reference, &[PermuteAxes]));
    faults.push(fault(
        "lstm: batch first under the same shape",
        batch_first.reshape(&reference.shape),
        &reference,
        &[ReshapeOrder],
    ));
    let late = reference.with_index(|i, _| if i[0] == 0 { 0.0 } else { reference.at(&[i[0] - 1, i[1], i[2]]) });
    faults.push(fault("lstm: the state before the step", late, &reference, &[Shift]));
    let last = reference.with_index(|i, _| reference.at(&[STEPS - 1, i[1], i[2]]));
    faults.push(fault("lstm: the last state everywhere", last, &reference, &[]));
    let padded = reference.with_index(|i, x| if i[0] >= 7 { 0.0 } else { x });
    faults.push(fault("lstm: no answer after a length", padded, &reference, &[ConstantOutput, StalePosition]));
    let lost = reference.with_index(|i, x| if i[1] == 2 { f64::NAN } else { x });
    faults.push(fault("lstm: NaN in a sequence", lost, &reference, &[NanRegion]));
    faults
}

fn functions(dice: &mut Dice) -> Vec<Fault> {
    let x = normal(dice, &[24, 40], 1.0);
    let sums = scan(&x, |sum, x| sum + x);
    let cast = |x: &Array| x.map(half);
    let mut dropped = Dice::new("dropped", dice.below(1000) as u64);
    let mut random = Dice::new("signs", dice.below(1000) as u64);
    let probs = rows(&x, softmax);
    let columns = |x: &Array, f: &dyn Fn(&[f64]) -> Vec<f64>| rows(&x.permute(&[1, 0]), f).permute(&[1, 0]);
    let weighted = |scale: &dyn Fn(usize) -> f64| x.with_index(|i, x| x * scale(i[1]));
    let ranks = |x: &Array| {
        rows(x, |row| {
            let mut row = row.to_vec();
            row.sort_by(f64::total_cmp);
            row
        })
    };
    let unit = |row: &[f64]| {
        let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        row.iter().map(|x| x / norm).collect::<Vec<f64>>()
    };
    let hann = |at: usize| 0.54 - 0.46 * (std::f64::consts::TAU * at as f64 / 39.0).cos();
    let square = x.values[..24 * 24].to_vec();
    let square = Array::new(&[24, 24], square);
    let lower = square.with_index(|i, x| if i[1] <= i[0] { x } else { 0.0 });
    let table: Vec<(&str, Array, Array, &[Hypothesis])> = vec![
        ("no running sum", x.clone(), sums.clone(), &[]),
        ("a running product", scan(&x, |p, x| p * x), sums.clone(), &[]),
        ("a running sum that forgets", scan(&x, |sum, x| 0.9 * sum + x), sums.clone(), &[]),
        ("a running mean", sums.with_index(|i, x| x / (1.0 + i[0] as f64)), sums.clone(), &[]),
        ("a running maximum", scan(&x, f64::max), sums.clone(), &[]),
        ("a sum without itself", sums.with_index(|i, y| y - x.at(i)), sums.clone(), &[Shift]),
        ("a sum from the end", x.with_index(|i, _| (i[0]..24).map(|row| x.at(&[row, i[1]])).sum()), sums.clone(), &[]),
        ("a sum along the other axis", scan(&x.permute(&[1, 0]), |s, x| s + x).permute(&[1, 0]), sums.clone(), &[]),
        ("a sum in f16", scan(&cast(&x), |s, x| half(s + x)), sums.clone(), &[RoundedF16]),
        ("softmax of columns", columns(&x, &softmax), probs.clone(), &[]),
        ("log of softmax", probs.map(f64::ln), probs.clone(), &[]),
        ("softmax of doubles", rows(&x.map(|x| 2.0 * x), softmax), probs.clone(), &[]),
        ("softmax not divided", x.map(f64::exp), probs.clone(), &[]),
        ("sigmoid for softmax", x.map(sigmoid), probs.clone(), &[]),
        ("not of unit length", x.clone(), rows(&x, unit), &[]),
        ("columns of unit length", columns(&x, &unit), rows(&x, unit), &[]),
        ("a window left out", x.clone(), weighted(&hann), &[Scale]),
        ("a window twice", weighted(&|at| hann(at) * hann(at)), weighted(&hann), &[Scale]),
        ("signs of odd columns", weighted(&|at| if at % 2 == 1 { -1.0 } else { 1.0 }), x.clone(), &[Negated]),
        ("signs at random", x.map(|x| if random.share() < 0.5 { -x } else { x }), x.clone(), &[]),
        ("dropout left on", x.map(|x| if dropped.share() < 0.1 { 0.0 } else { x / 0.9 }), x.clone(), &[]),
        ("dropout without its factor", x.map(|x| if dropped.share() < 0.3 { 0.0 } else { x }), x.clone(), &[]),
        ("not sorted", x.clone(), ranks(&x), &[]),
        ("sorted from above", ranks(&x.map(|x| -x)).map(|x| -x), ranks(&x), &[Flip]),
        ("rows in another order", x.with_index(|i, _| x.at(&[i[0] * 7 % 24, i[1]])), x.clone(), &[SliceOrder]),
        ("one row twice", x.with_index(|i, _| x.at(&[i[0].max(1), i[1]])), x.clone(), &[]),
        ("square roots of squares", x.map(f64::abs), x.clone(), &[]),
        ("floor for truncation", x.map(|x| (4.0 * x).floor()), x.map(|x| (4.0 * x).trunc()), &[]),
        ("rounded to quarters", x.map(|x| (4.0 * x).round() / 4.0), x.clone(), &[]),
        ("degrees for radians", x.map(f64::to_degrees), x.clone(), &[Scale]),
        ("the sine of degrees", x.map(|x| x.to_radians().sin()), x.map(f64::sin), &[]),
        ("the sine for the angle", x.map(|x| (0.2 * x).sin()), x.map(|x| 0.2 * x), &[]),
        (
            "decibels by 20",
            x.map(|x| 20.0 * (1.0 + x.abs()).log10()),
            x.map(|x| 10.0 * (1.0 + x.abs()).log10()),
            &[Scale],
        ),
        ("log of 10", x.map(|x| (1.0 + x.abs()).log10()), x.map(|x| (1.0 + x.abs()).ln()), &[Scale]),
        ("log without 1", x.map(|x| x.abs().ln()), x.map(|x| x.abs().ln_1p()), &[]),
        ("not triangular", square.clone(), lower.clone(), &[CausalMask]),
        ("the upper triangle", square.with_index(|i, x| if i[1] >= i[0] { x } else { 0.0 }), lower.clone(), &[]),
        ("a ReLU too many", x.map(|x| x.max(0.0)), x.clone(), &[Clamp]),
        ("cut off at 1", x.map(|x| x.clamp(-1.0, 1.0)), x.clone(), &[Clamp]),
        (
            "two rows exchanged",
            x.with_index(|i, _| x.at(&[[0, 9, 2, 3, 4, 5, 6, 7, 8, 1].get(i[0]).copied().unwrap_or(i[0]), i[1]])),
            x.clone(),
            &[SliceOrder],
        ),
        ("bytes of 8 bits", x.map(|x| f64::from((x * 100.0) as i8)), x.map(|x| x * 100.0), &[]),
    ];
    table
        .into_iter()
        .map(|(name, actual, reference, allowed)| fault(&format!("functions: {name}"), actual, &reference, allowed))
        .collect()
}

fn fault(name: &str, actual: Array, reference: &Array, allowed: &[Hypothesis]) -> Fault {
    Fault {
        name: name.to_owned(),
        actual,
        reference: reference.clone(),
        inputs: Vec::new(),
        eps: None,
        checkpoint: "port",
        allowed: allowed.to_vec(),
    }
}
