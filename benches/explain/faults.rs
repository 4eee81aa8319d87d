//! Faults, planted as they come about: by what a program does, not by what karat looks for.

use super::blocks::{causal, eps, gelu, gelu_mlp};
use super::dice::Dice;
use super::material::{Array, Material};
use karat::DType;
use karat::explain::Hypothesis::{self, *};

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
    ("flip", flip),
    ("slice-order", slice_order),
    ("clamp", clamp),
    ("scale: by index", scale_index),
    ("negated: by index", negated_index),
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

/// Rounding noise alone, which the measurement adds itself.
pub(crate) fn nothing(material: &Material, _: &mut Dice, _: DType) -> Option<Planted> {
    planted(material, material.reference.clone(), &[])
}

pub(crate) fn planted(material: &Material, actual: Array, expected: &[&[Hypothesis]]) -> Option<Planted> {
    let expected = expected.iter().map(|any| any.to_vec()).collect();
    Some(Planted { material: material.clone(), actual, expected })
}

pub(crate) fn fits_nothing(material: &Material, actual: Array) -> Option<Planted> {
    planted(material, actual, &[])
}

/// The axes longer than 1.
fn long(shape: &[usize]) -> Vec<usize> {
    (0..shape.len()).filter(|&axis| shape[axis] > 1).collect()
}

/// Whether elements may move: a mask stays where it is, and what it hides would move out.
fn can_move(m: &Material) -> bool {
    m.mask.is_none() && m.reference.values.iter().all(|x| x.abs() < 1e9)
}

pub(crate) fn transpose(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
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

pub(crate) fn permute_axes(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
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
pub(crate) fn interleave(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
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

pub(crate) fn swapped(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
    let others: Vec<&Array> = m.others.values().filter(|other| other.shape == m.reference.shape).collect();
    let other = (!others.is_empty()).then(|| dice.pick(&others))?;
    planted(m, other.clone(), &[&[SwappedOutputs]])
}

pub(crate) fn scale(m: &Material, dice: &mut Dice, dtype: DType) -> Option<Planted> {
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

pub(crate) fn negated(m: &Material, _: &mut Dice, _: DType) -> Option<Planted> {
    planted(m, m.reference.map(|x| -x), &[&[Negated, Scale]])
}

pub(crate) fn bias_scalar(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
    let value = m.reference.rms() * dice.pick(&[0.1, -0.5, 1.0, 3.0]);
    planted(m, m.reference.map(|x| x + value), &[&[Bias]])
}

/// A value for each index of one axis.
pub(crate) fn bias_vector(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
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
pub(crate) fn shift(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
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

/// An axis read from its other end. Of two indices that is a move, and an exchange.
fn flip(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
    let shape = &m.reference.shape;
    let axes: Vec<usize> = long(shape).into_iter().filter(|&axis| shape[axis] >= 3).collect();
    if axes.is_empty() || !can_move(m) {
        return None;
    }
    let axis = dice.pick(&axes);
    let actual = m.reference.with_index(|index, _| {
        let mut index = index.to_vec();
        index[axis] = shape[axis] - 1 - index[axis];
        m.reference.at(&index)
    });
    planted(m, actual, &[&[Flip]])
}

/// The slices of an axis in random order.
fn slice_order(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
    let shape = &m.reference.shape;
    let axes: Vec<usize> =
        long(shape).into_iter().filter(|&axis| shape[axis] > 6 && m.reference.len() / shape[axis] >= 8).collect();
    if axes.is_empty() || !can_move(m) {
        return None;
    }
    let axis = dice.pick(&axes);
    let mut order: Vec<usize> = (0..shape[axis]).collect();
    dice.shuffle(&mut order);
    let actual = m.reference.with_index(|index, _| {
        let mut index = index.to_vec();
        index[axis] = order[index[axis]];
        m.reference.at(&index)
    });
    planted(m, actual, &[&[SliceOrder]])
}

/// A ReLU too many.
fn clamp(m: &Material, _: &mut Dice, _: DType) -> Option<Planted> {
    let cut = m.reference.values.iter().filter(|x| **x < 0.0).count();
    let is_shown = cut >= 8 && (m.reference.len() - cut) * 10 >= m.reference.len() && can_move(m);
    is_shown.then(|| planted(m, m.reference.map(|x| x.max(0.0)), &[&[Clamp]])).flatten()
}

/// A factor for each index of the last axis, as of a weight that is not applied.
fn scale_index(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
    let width = *m.reference.shape.last()?;
    let factors: Vec<f64> = (0..width).map(|_| dice.between(0.5, 2.0)).collect();
    let axis = m.reference.shape.len() - 1;
    // With a few numbers an index has too little to tell.
    let is_shown = m.reference.len() / width >= 16 && can_move(m) && m.mask.is_none();
    is_shown.then(|| planted(m, m.reference.with_index(|index, x| x * factors[index[axis]]), &[&[Scale]])).flatten()
}

/// Some indices of an axis with the other sign.
fn negated_index(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
    let shape = &m.reference.shape;
    let axes: Vec<usize> =
        long(shape).into_iter().filter(|&axis| shape[axis] > 3 && m.reference.len() / shape[axis] >= 16).collect();
    if axes.is_empty() || !can_move(m) {
        return None;
    }
    let (axis, every) = (dice.pick(&axes), dice.pick(&[2, 3]));
    planted(m, m.reference.with_index(|index, x| if index[axis] % every == 1 { -x } else { x }), &[&[Negated]])
}

fn rounded(m: &Material, dtype: DType, short: DType, expected: Hypothesis) -> Option<Planted> {
    let is_finer = matches!(dtype, DType::F32 | DType::F64);
    is_finer.then(|| planted(m, Array::of(&m.reference.tensor(short)), &[&[expected]])).flatten()
}

pub(crate) fn rounded_bf16(m: &Material, _: &mut Dice, dtype: DType) -> Option<Planted> {
    rounded(m, dtype, DType::BF16, RoundedBf16)
}

pub(crate) fn rounded_f16(m: &Material, _: &mut Dice, dtype: DType) -> Option<Planted> {
    let fits = m.reference.values.iter().all(|x| x.abs() < 6e4);
    if fits { rounded(m, dtype, DType::F16, RoundedF16) } else { None }
}

/// A block of NaN, or single infinities.
pub(crate) fn nan(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
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
pub(crate) fn stale(m: &Material, dice: &mut Dice, _: DType) -> Option<Planted> {
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

pub(crate) fn outliers(m: &Material, dice: &mut Dice, dtype: DType) -> Option<Planted> {
    let count = 1 + dice.below((m.reference.len() / 150).clamp(1, 5));
    let rms = m.reference.rms();
    let mut actual = m.reference.clone();
    let seen: Vec<usize> = (0..m.reference.len())
        .filter(|&at| m.mask.as_ref().is_none_or(|mask| mask[at]) && m.reference.values[at].abs() < 1e9)
        .collect();
    if seen.is_empty() {
        return None;
    }
    // Half precision ends at 65,504.
    let sizes = if dtype == DType::F16 { [3.0, -10.0, 30.0, -100.0] } else { [3.0, -10.0, 100.0, 1e4] };
    for _ in 0..count {
        let at = dice.pick(&seen);
        actual.values[at] += rms * dice.pick(&sizes);
    }
    planted(m, actual, &[&[Outliers]])
}
