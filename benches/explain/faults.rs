//! Faults, planted as they come about: by what a program does, not by what karat looks for.

use karat::DType;
use karat::explain::Hypothesis::{self, *};
use serde_json::json;

use super::dice::Dice;
use super::material::{Array, Material};

/// What a fault made of a material.
pub(crate) struct Planted {
    /// The material, which a fault may bring along itself: a normalisation with its input.
    pub(crate) material: Material,
    pub(crate) actual: Array,
    /// What has to be said: one of each group. Empty where nothing fits.
    pub(crate) expected: Vec<Vec<Hypothesis>>,
}

/// Plants a fault where the material can have it.
pub(crate) type Plant = fn(&Material, &mut Dice, DType) -> Option<Planted>;

/// What any name for another order of the elements counts as, where two are the same.
const ORDERS: [Hypothesis; 3] = [Transpose, PermuteAxes, ReshapeOrder];

pub(crate) const SINGLE: &[(&str, Plant)] = &[
    ("transpose", transpose),
    ("permute-axes", permute_axes),
    ("reshape-order: split", split),
    ("reshape-order: merge", merge),
    ("reshape-order: interleave", interleave),
    ("swapped-outputs", swapped),
    ("scale", scale),
    ("scale: root", scale_root),
    ("negated", negated),
    ("bias: scalar", bias_scalar),
    ("bias: vector", bias_vector),
    ("bias: input", bias_input),
    ("shift", shift),
    ("eps", eps),
    ("causal-mask", causal),
    ("gelu-variant", gelu),
    ("gelu-variant: mlp", gelu_mlp),
    ("rounded-bf16", rounded_bf16),
    ("rounded-f16", rounded_f16),
    ("nan-region", nan),
    ("constant-output", constant),
    ("stale-position", stale),
    ("outliers", outliers),
];

pub(crate) const PAIRS: &[(&str, Plant)] = &[
    ("scale + shift", |m, d, t| two(m, d, t, shift, scale)),
    ("scale + transpose", |m, d, t| two(m, d, t, transpose, scale)),
    ("scale + permute-axes", |m, d, t| two(m, d, t, permute_axes, scale)),
    ("scale + reshape-order", |m, d, t| two(m, d, t, interleave, scale)),
    ("scale + swapped-outputs", |m, d, t| two(m, d, t, swapped, scale)),
    ("scale + bias", |m, d, t| two(m, d, t, scale, bias_vector)),
    ("scale + outliers", |m, d, t| two(m, d, t, scale, outliers)),
    ("scale + nan-region", |m, d, t| two(m, d, t, scale, nan)),
    ("scale + stale-position", |m, d, t| two(m, d, t, scale, stale)),
    ("negated + shift", |m, d, t| two(m, d, t, shift, negated)),
    ("negated + transpose", |m, d, t| two(m, d, t, transpose, negated)),
    ("bias + transpose", |m, d, t| two(m, d, t, transpose, bias_scalar)),
    ("bias + shift", |m, d, t| two(m, d, t, shift, bias_vector)),
    ("bias + outliers", |m, d, t| two(m, d, t, bias_vector, outliers)),
    ("transpose + outliers", |m, d, t| two(m, d, t, transpose, outliers)),
    ("shift + nan-region", |m, d, t| two(m, d, t, shift, nan)),
    ("scale + rounded-bf16", |m, d, t| two(m, d, t, scale, rounded_bf16)),
    ("transpose + rounded-f16", |m, d, t| two(m, d, t, transpose, rounded_f16)),
    ("eps + scale", |m, d, t| two(m, d, t, eps, scale)),
];

pub(crate) const UNCOVERED: &[(&str, Plant)] = &[
    ("another tensor", |m, d, _| {
        let rms = m.reference.rms();
        fits_nothing(m, m.reference.map(|_| rms * d.normal()))
    }),
    ("tanh for gelu", |m, d, t| {
        let planted = gelu(m, d, t)?;
        let before =
            Array::new(&planted.material.reference.shape, planted.material.inputs.get("before")?.values.clone());
        let mut material = planted.material;
        material.inputs.clear();
        fits_nothing(&material, before.map(f64::tanh))
    }),
    ("elements in random order", |m, d, _| {
        let mut actual = m.reference.clone();
        d.shuffle(&mut actual.values);
        fits_nothing(m, actual)
    }),
    ("smooth factor", |m, d, _| {
        let (phase, step, size) = (d.share() * 6.0, d.between(0.01, 0.2), d.between(0.01, 0.5));
        let mut at = 0.0;
        fits_nothing(
            m,
            m.reference.map(|x| {
                at += step;
                x * (1.0 + size * (phase + at).sin())
            }),
        )
    }),
    ("one head of another layer", |m, d, _| {
        let [_, heads, _, _] = m.reference.shape[..] else { return None };
        let (head, rms) = (d.below(heads), m.reference.rms());
        let actual = m.reference.with_index(|index, x| if index[1] == head { rms * d.normal() } else { x });
        (heads > 2).then(|| fits_nothing(m, actual)).flatten()
    }),
    ("noise of a thousandth", |m, d, t| {
        let rms = m.reference.rms();
        let size = if t.eps() > 1e-5 { 0.2 } else { d.between(1e-3, 1e-1) };
        fits_nothing(m, m.reference.map(|x| x + size * rms * d.normal()))
    }),
    ("a tenth of the elements", |m, d, _| {
        let rms = m.reference.rms();
        fits_nothing(m, m.reference.map(|x| if d.share() < 0.1 { x + rms * d.normal() } else { x }))
    }),
    ("a factor for each row", |m, d, _| {
        let width = *m.reference.shape.last()?;
        let factors: Vec<f64> = (0..m.reference.len() / width).map(|_| d.between(0.5, 1.5)).collect();
        let actual = m.reference.with_index(|_, x| x);
        let values = actual.values.iter().enumerate().map(|(at, x)| x * factors[at / width]).collect();
        (factors.len() > 2).then(|| fits_nothing(m, Array::new(&m.reference.shape, values))).flatten()
    }),
    ("rows in random order", |m, d, _| {
        let width = *m.reference.shape.last()?;
        let mut rows: Vec<usize> = (0..m.reference.len() / width).collect();
        d.shuffle(&mut rows);
        // A first row that stays is right up to a position.
        if rows[0] == 0 {
            let last = rows.len() - 1;
            rows.swap(0, last);
        }
        let values = rows.iter().flat_map(|row| m.reference.values[row * width..][..width].to_vec()).collect();
        (rows.len() > 6).then(|| fits_nothing(m, Array::new(&m.reference.shape, values))).flatten()
    }),
    ("signs at random", |m, d, _| fits_nothing(m, m.reference.map(|x| if d.share() < 0.5 { -x } else { x }))),
    ("absolute values", |m, _, _| fits_nothing(m, m.reference.map(f64::abs))),
    ("squares", |m, _, _| fits_nothing(m, m.reference.map(|x| x * x))),
    ("another position", |m, d, _| {
        // One position in the middle, as a wrong index into a cache.
        let at = m.reference.shape.len().checked_sub(2)?;
        let (extent, rms) = (m.reference.shape[at], m.reference.rms());
        let wrong = 1 + d.below(extent.checked_sub(2).filter(|n| *n > 0)?);
        // More than a few elements, and not the last position of all.
        let actual = m.reference.with_index(|index, x| if index[at] == wrong { rms * d.normal() } else { x });
        (extent < 90).then(|| fits_nothing(m, actual)).flatten()
    }),
];

/// Rounding noise alone, which the measurement adds itself.
pub(crate) fn nothing(material: &Material, _: &mut Dice, _: DType) -> Option<Planted> {
    planted(material, material.reference.clone(), &[])
}

fn planted(material: &Material, actual: Array, expected: &[&[Hypothesis]]) -> Option<Planted> {
    let expected = expected.iter().map(|any| any.to_vec()).collect();
    Some(Planted { material: material.clone(), actual, expected })
}

fn fits_nothing(material: &Material, actual: Array) -> Option<Planted> {
    planted(material, actual, &[])
}

/// One fault after the other.
fn two(material: &Material, dice: &mut Dice, dtype: DType, first: Plant, second: Plant) -> Option<Planted> {
    let one = first(material, dice, dtype)?;
    let between = Material { reference: one.actual, inputs: Default::default(), ..one.material.clone() };
    let other = second(&between, dice, dtype)?;
    let expected = one.expected.into_iter().chain(other.expected).collect();
    // A mask is where it was: what moved under it is another thing.
    Some(Planted { material: one.material, actual: other.actual, expected })
}

/// The axes longer than 1.
fn long(shape: &[usize]) -> Vec<usize> {
    (0..shape.len()).filter(|&axis| shape[axis] > 1).collect()
}

/// Whether elements may move: a mask stays where it is, and what it hides would move out.
fn can_move(m: &Material) -> bool {
    m.mask.is_none() && m.reference.values.iter().all(|x| x.abs() < 1e9)
}

fn transpose(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
    let shape = &m.reference.shape;
    let count = shape.len();
    if count < 2 || !can_move(m) || shape[count - 1] == 1 || shape[count - 2] == 1 {
        return None;
    }
    let mut order: Vec<usize> = (0..count).collect();
    order.swap(count - 1, count - 2);
    let actual = m.reference.permute(&order);
    // A program may go on to call it what it should be.
    let is_relabelled = dice.share() < 0.3;
    let actual = if is_relabelled { actual.reshape(shape) } else { actual };
    planted(m, actual, &[if is_relabelled { &ORDERS } else { &[Transpose] }])
}

fn permute_axes(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
    let axes = long(&m.reference.shape);
    if axes.len() < 3 || !can_move(m) {
        return None;
    }
    let mut order: Vec<usize> = (0..m.reference.shape.len()).collect();
    let last = order.len() - 1;
    while order[..last - 1] == (0..last - 1).collect::<Vec<_>>()[..] {
        let mut moved = axes.clone();
        dice.shuffle(&mut moved);
        axes.iter().zip(moved).for_each(|(&axis, from)| order[axis] = from);
    }
    planted(m, m.reference.permute(&order), &[&[PermuteAxes]])
}

/// Heads split by a reshape, without moving the axis of positions back.
fn split(m: &Material, _: &mut Dice, _: DType) -> Option<Planted> {
    let [batch, heads, positions, width] = m.reference.shape[..] else { return None };
    if !can_move(m) || heads == 1 || positions == 1 {
        return None;
    }
    // What it would be before the split: heads side by side in each position.
    let before = m.reference.permute(&[0, 2, 1, 3]);
    let actual = before.reshape(&[batch, heads, positions, width]);
    // Of as many heads as positions it is the same as exchanging the axes.
    planted(m, actual, &[if heads == positions { &ORDERS } else { &[ReshapeOrder] }])
}

/// Heads merged by a reshape, without moving the axis of positions.
fn merge(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
    let [batch, positions, width] = m.reference.shape[..] else { return None };
    let heads = dice.pick(&[2, 4]);
    if !can_move(m) || positions == 1 || width % heads != 0 {
        return None;
    }
    let by_head = m.reference.reshape(&[batch, positions, heads, width / heads]).permute(&[0, 2, 1, 3]);
    planted(m, by_head.reshape(&m.reference.shape), &[&[ReshapeOrder]])
}

/// The last axis taken as pairs where it is two halves, or the other way round.
fn interleave(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
    let width = *m.reference.shape.last()?;
    let parts = dice.pick(&[2, 4]);
    if !can_move(m) || width % parts != 0 || width / parts < 2 {
        return None;
    }
    let rows = m.reference.len() / width;
    let halves = if dice.share() < 0.5 { [rows, parts, width / parts] } else { [rows, width / parts, parts] };
    let actual = m.reference.reshape(&halves).permute(&[0, 2, 1]).reshape(&m.reference.shape);
    planted(m, actual, &[if rows == 1 { &ORDERS } else { &[ReshapeOrder] }])
}

fn swapped(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
    let others: Vec<&Array> = m.others.values().filter(|other| other.shape == m.reference.shape).collect();
    let other = (!others.is_empty()).then(|| dice.pick(&others))?;
    planted(m, other.clone(), &[&[SwappedOutputs]])
}

fn scale(m: &Material, dice: &mut Dice, dtype: DType) -> Option<Planted> {
    // Of 16 bits a hundredth is not to be seen.
    let small = if dtype.eps() > 1e-4 { 0.5 } else { 0.01 };
    let factor = dice.pick(&[0.5, 2.0, 3.7, 1.0 + small, 1.0 - small, 1e-3, -2.0]);
    planted(m, m.reference.map(|x| x * factor), &[&[Scale]])
}

fn scale_root(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
    let width = *m.reference.shape.last()? as f64;
    let factor = if dice.share() < 0.5 { width.sqrt() } else { 1.0 / width.sqrt() };
    planted(m, m.reference.map(|x| if x.abs() < 1e9 { x * factor } else { x }), &[&[Scale]])
}

fn negated(m: &Material, _: &mut Dice, _: DType) -> Option<Planted> {
    planted(m, m.reference.map(|x| -x), &[&[Negated, Scale]])
}

fn bias_scalar(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
    let value = m.reference.rms() * dice.pick(&[0.1, -0.5, 1.0, 3.0]);
    planted(m, m.reference.map(|x| x + value), &[&[Bias]])
}

/// A value for each index of one axis.
fn bias_vector(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
    let shape = &m.reference.shape;
    let axes: Vec<usize> = long(shape).into_iter().filter(|&axis| m.reference.len() / shape[axis] >= 6).collect();
    let axis = (!axes.is_empty()).then(|| dice.pick(&axes))?;
    let size = m.reference.rms() * dice.pick(&[0.1, 0.5, 2.0]);
    let values: Vec<f64> = dice.normals(shape[axis]).iter().map(|x| size * x).collect();
    planted(m, m.reference.with_index(|index, x| x + values[index[axis]]), &[&[Bias]])
}

/// A bias that the case has as an input, missing or added twice.
fn bias_input(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
    let width = *m.reference.shape.last()?;
    let mut material = m.clone();
    let named = |material: &Material| {
        let is_bias = |(name, array): &(&String, &Array)| name.ends_with("bias") && array.shape == [width];
        material.inputs.iter().find(is_bias).map(|(_, array)| array.clone())
    };
    let in_activation = ["dense_gelu", "mlp", "block"].contains(&m.checkpoint.as_str());
    let bias = match named(m) {
        Some(bias) if !in_activation => bias,
        _ if m.inputs.is_empty() => {
            let bias = Array::new(&[width], dice.normals(width));
            material.inputs.insert("bias".into(), bias.clone());
            bias
        }
        _ => return None,
    };
    let times = dice.pick(&[-1.0, 1.0]);
    let mut at = 0;
    let actual = m.reference.map(|x| {
        at += 1;
        x + times * bias.values[(at - 1) % width]
    });
    planted(&material, actual, &[&[Bias]])
}

/// Moved along an axis; at the edge what went out, zeros, or the edge again.
fn shift(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
    let shape = &m.reference.shape;
    let axes: Vec<usize> = long(shape).into_iter().filter(|&axis| shape[axis] >= 8).collect();
    if axes.is_empty() || !can_move(m) {
        return None;
    }
    let axis = dice.pick(&axes);
    let extent = shape[axis] as i64;
    let by = dice.pick(&[1, -1, 2, -2]);
    let edge = dice.below(3);
    let actual = m.reference.with_index(|index, _| {
        let from = index[axis] as i64 - by;
        let mut index = index.to_vec();
        let inside = (0..extent).contains(&from);
        index[axis] = if edge == 0 { from.rem_euclid(extent) } else { from.clamp(0, extent - 1) } as usize;
        if edge == 1 && !inside { 0.0 } else { m.reference.at(&index) }
    });
    planted(m, actual, &[&[Shift]])
}

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
fn eps(m: &Material, dice: &mut Dice, dtype: DType) -> Option<Planted> {
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
fn causal(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
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
fn gelu(m: &Material, dice: &mut Dice, dtype: DType) -> Option<Planted> {
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
fn gelu_mlp(m: &Material, dice: &mut Dice, dtype: DType) -> Option<Planted> {
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

fn rounded(m: &Material, dtype: DType, short: DType, expected: Hypothesis) -> Option<Planted> {
    let is_finer = matches!(dtype, DType::F32 | DType::F64);
    is_finer.then(|| planted(m, Array::of(&m.reference.tensor(short)), &[&[expected]])).flatten()
}

fn rounded_bf16(m: &Material, _: &mut Dice, dtype: DType) -> Option<Planted> {
    rounded(m, dtype, DType::BF16, RoundedBf16)
}

fn rounded_f16(m: &Material, _: &mut Dice, dtype: DType) -> Option<Planted> {
    let fits = m.reference.values.iter().all(|x| x.abs() < 6e4);
    if fits { rounded(m, dtype, DType::F16, RoundedF16) } else { None }
}

/// A block of NaN, or single infinities.
fn nan(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
    let axis = dice.pick(&long(&m.reference.shape));
    let wrong = dice.below(m.reference.shape[axis]);
    let is_block = dice.share() < 0.6;
    let value = dice.pick(&[f64::NAN, f64::INFINITY]);
    let mut count = 0;
    let actual = m.reference.with_index(|index, x| {
        let is_lost = if is_block { index[axis] == wrong } else { dice.share() < 0.05 };
        count += usize::from(is_lost);
        if is_lost { value } else { x }
    });
    let seen =
        actual.values.iter().enumerate().filter(|(at, x)| !x.is_finite() && m.mask.as_ref().is_none_or(|k| k[*at]));
    (seen.count() > 0 && count < m.reference.len()).then(|| planted(m, actual, &[&[NanRegion]])).flatten()
}

fn constant(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
    let value = dice.pick(&[0.0, 0.0, 1.0, m.reference.values[0]]);
    planted(m, m.reference.map(|_| value), &[&[ConstantOutput]])
}

/// From a position on what another step would have.
fn stale(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
    let axis = m.reference.shape.len().checked_sub(2)?;
    let extent = m.reference.shape[axis];
    if extent < 4 || m.reference.values.iter().any(|x| x.abs() > 1e9) || m.mask.is_some() {
        return None;
    }
    let from = 1 + dice.below(extent - 1);
    let rms = m.reference.rms();
    let actual = m.reference.with_index(|index, x| if index[axis] >= from { rms * dice.normal() } else { x });
    planted(m, actual, &[&[StalePosition]])
}

fn outliers(m: &Material, dice: &mut Dice, dtype: DType) -> Option<Planted> {
    let count = 1 + dice.below((m.reference.len() / 150).clamp(1, 5));
    let rms = m.reference.rms();
    let mut actual = m.reference.clone();
    let seen: Vec<usize> = (0..m.reference.len())
        .filter(|&at| m.mask.as_ref().is_none_or(|mask| mask[at]) && m.reference.values[at].abs() < 1e9)
        .collect();
    // Half precision ends at 65,504.
    let sizes = if dtype == DType::F16 { [3.0, -10.0, 30.0, -100.0] } else { [3.0, -10.0, 100.0, 1e4] };
    for _ in 0..count {
        let at = dice.pick(&seen);
        actual.values[at] += rms * dice.pick(&sizes);
    }
    planted(m, actual, &[&[Outliers]])
}
