//! An operation by another formula: a normalisation with another eps, another GELU, another causal mask.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use ndarray::{Array1, Array2};

use super::exceptions::is_attention;
use super::explanation::{Details, Hypothesis, Question};
use super::parts::{Base, Part, apart, short};
use super::sides::{Sides, extremes, quantile, widen};
use crate::tensor::Tensor;

/// The sides with the mask that one of them has on both, where the last two axes are query and key: one side sees the future,
/// the other does not.
pub(super) fn masked(question: &Question<'_>, sides: &Sides) -> Option<Base> {
    let [.., queries, keys] = sides.shape[..] else { return None };
    if queries < 2 || keys < queries {
        return None;
    }
    // By how many places the key at a position comes after its query.
    let ahead = |position: usize| (position % keys).saturating_sub(position / keys % queries + keys - queries);
    let is_compared = |p: usize| !sides.difference(p).is_nan() || sides.lost.binary_search(&p).is_ok();
    let future: Vec<usize> = (0..sides.len()).filter(|&p| ahead(p) > 0 && is_compared(p)).collect();
    let is_same = |x: f64, value: f64| x == value || x.is_nan() && value.is_nan();
    // The one value that a side has in the future: 0 after a softmax, a large negative one before it, NaN for an infinity.
    let value = |side: &[f64]| {
        let first = side[*future.first()?];
        future.iter().all(|&position| is_same(side[position], first)).then_some(first)
    };
    let (of_actual, of_reference) = (value(&sides.actual), value(&sides.reference));
    let (closed, open, value) = match (of_actual, of_reference) {
        (None, Some(value)) => (&sides.reference, &sides.actual, value),
        (Some(value), None) => (&sides.actual, &sides.reference, value),
        // Two values that fill the same places mask the same.
        _ => return None,
    };
    let sums = closed.chunks(keys).map(|row| row.iter().sum::<f64>()).filter(|sum| !sum.is_nan());
    let room = (8.0 * sides.noise.eps).max(1e-3);
    let is_probability = value == 0.0 && sums.clone().count() > 0 && sums.clone().all(|sum| (sum - 1.0).abs() < room);
    let is_zero_or_one = || sides.actual.iter().chain(&sides.reference).all(|x| *x == 0.0 || *x == 1.0);
    // A triangle of zeros is one half of a matrix as well: only of probabilities, or by its name, it is a mask.
    let is_half = value == 0.0 && !is_probability && !is_attention(question) && !is_zero_or_one();
    // Of fewer any fault may hit all.
    if is_half || future.len() < 6 {
        return None;
    }
    let seen: Vec<usize> = future.iter().copied().filter(|&p| !is_same(open[p], value)).map(ahead).collect();
    let furthest = seen.iter().copied().max()?;
    // What both sides fill is not compared.
    let last = if sides.filled > 0 { keys - 1 } else { future.iter().copied().map(ahead).max()? };
    // Single elements are another fault.
    if seen.len() * 10 < future.iter().filter(|&&position| ahead(position) <= furthest).count() * 9 {
        return None;
    }
    let evidence = match (of_reference.is_some(), furthest) {
        (true, _) if furthest == last => {
            "the mask is missing: actual sees the future, the reference does not".to_owned()
        }
        (true, 1) => "the mask is off by one: actual sees 1 position ahead".to_owned(),
        (true, places) => format!("the mask is off by {places}: actual sees {places} positions ahead"),
        (false, _) if furthest == last => "actual masks the future, the reference does not".to_owned(),
        (false, _) => return None,
    };
    let mut undone = open.clone();
    (0..sides.len()).filter(|&position| ahead(position) > 0).for_each(|position| undone[position] = value);
    // Of probabilities what is left shares the whole again.
    for row in undone.chunks_mut(keys).filter(|_| is_probability) {
        let sum: f64 = row.iter().filter(|x| !x.is_nan()).sum();
        row.iter_mut().for_each(|x| *x /= if sum > 0.0 { sum } else { 1.0 });
    }
    let tells_lost = sides.lost.iter().all(|&position| ahead(position) > 0);
    let part = Part::new(Hypothesis::CausalMask, evidence, Details::default());
    Some(match of_reference {
        Some(_) => Base { actual: Some(undone), tells_lost, ..Base::new(part, sides.reference.clone(), 0) },
        None => Base { tells_lost, ..Base::new(part, undone, 0) },
    })
}

/// A formula of the GELU, and what it is called.
type Gelu = (&'static str, fn(f64) -> f64);

const GELUS: [Gelu; 3] = [
    // `x * Phi(x)` with the normal distribution: `torch.nn.GELU()`.
    ("exact", |x| 0.5 * x * (1.0 + libm::erf(x * FRAC_1_SQRT_2))),
    // `approximate="tanh"`, "gelu_new".
    ("tanh", |x| 0.5 * x * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044715 * x * x * x)).tanh())),
    // "quick_gelu".
    ("quick (sigmoid)", |x| x / (1.0 + (-1.702 * x).exp())),
];

/// Beyond it no two formulas differ by what single precision could show.
const FAR: f64 = 12.0;

/// Every change from the formula of the reference to another.
fn changes() -> impl Iterator<Item = [Gelu; 2]> {
    GELUS.into_iter().flat_map(|from| GELUS.into_iter().filter(move |to| to.0 != from.0).map(move |to| [from, to]))
}

/// What a change is called.
fn gelu([reference, actual]: [Gelu; 2]) -> Part {
    let evidence = format!("actual has the {} GELU, the reference the {}", actual.0, reference.0);
    Part::new(Hypothesis::GeluVariant, evidence, Details::default())
}

/// Where a GELU is lowest.
fn lowest((_, gelu): Gelu) -> f64 {
    let (mut low, mut high) = (-2.0, 0.0);
    for _ in 0..200 {
        let (left, right) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if gelu(left) < gelu(right) { high = right } else { low = left }
    }
    (low + high) / 2.0
}

/// What the second formula makes of that value of the first, whose argument is between where that is lowest and `far`.
fn change([(_, from), (_, to)]: [Gelu; 2], value: f64, lowest: f64, mut far: f64) -> f64 {
    let mut near = lowest;
    for _ in 0..50 {
        let middle = (near + far) / 2.0;
        if from(middle) < value { near = middle } else { far = middle }
    }
    // A value that noise carried below the lowest is moved as that is.
    value + to(near) - from(near)
}

/// The reference as another GELU would make it, where it can be the output of one itself.
pub(super) fn gelus(sides: &Sides, positions: &[usize]) -> Vec<Base> {
    let sides_at = |&p: &usize| (sides.actual[p], sides.reference[p]);
    let here: Vec<(f64, f64)> = positions.iter().map(sides_at).filter(|(a, r)| !(a - r).is_nan()).collect();
    let is_outside = here.iter().any(|(a, r)| a.min(*r) < -0.18) || here.iter().all(|(_, r)| *r >= 0.0);
    // No two formulas are further apart than 0.021.
    let is_far = here.iter().filter(|(a, r)| (a - r).abs() > 0.03).count() * 50 > here.len();
    if sides.squares == 0.0 || is_outside || is_far || here.len() < 16 {
        return Vec::new();
    }
    let base = |gelus: [Gelu; 2]| {
        let lowest = lowest(gelus[0]);
        // A negative value has two arguments; the one is meant that fits.
        let predict = |(actual, reference): (f64, f64)| {
            let [one, other] = [FAR, -FAR].map(|far| {
                if far > 0.0 || reference < 0.0 { change(gelus, reference, lowest, far) } else { f64::INFINITY }
            });
            if (actual - other).abs() < (actual - one).abs() { other } else { one }
        };
        // What is above 0 alone decides: there is no choice there.
        let (mut left, mut all) = (0.0, 0.0);
        for &(a, r) in here.iter().filter(|(_, r)| *r > 0.0) {
            left += (a - predict((a, r))).powi(2).min(1e-3);
            all += (a - r).powi(2).min(1e-3);
        }
        let pairs = sides.actual.iter().copied().zip(sides.reference.iter().copied());
        (left <= 0.04 * all).then(|| Base::new(gelu(gelus), pairs.map(predict).collect(), 0))
    };
    changes().filter_map(base).collect()
}

/// Multiplications that are worth an answer.
const LIMIT: usize = 1 << 30;

/// The reference with another GELU between the two products of an MLP, `gelu(x first + bias) second`, where the case has its input
/// and both weights.
pub(super) fn mlp(question: &Question<'_>, sides: &Sides) -> Option<Base> {
    let width = sides.shape.last().copied().filter(|width| *width > 0)?;
    let shape = (sides.len() / width, width);
    let reference = Array2::from_shape_vec(shape, sides.reference.clone()).ok()?;
    let difference = Array2::from_shape_vec(shape, sides.actual.clone()).ok()? - &reference;
    let squares = |x: &Array2<f64>| x.iter().filter(|x| !x.is_nan()).map(|x| x * x).sum::<f64>();
    let all = squares(&difference);
    // A constant that is off by a tenth leaves a hundredth.
    let rounding = (4.0 * sides.noise.eps * sides.rms).powi(2) * sides.len() as f64;
    let most = (0.04 * all).min((1e-3 * all).max(rounding));
    products(question, shape).into_iter().filter(|_| all > 0.0).find_map(|(hidden, second)| {
        let tried = changes().map(|gelus @ [(_, from), (_, to)]| {
            let added = hidden.mapv(|x| to(x) - from(x)).dot(&second);
            (squares(&(&difference - &added)), gelus, added)
        });
        let (_, gelus, added) =
            tried.filter(|(left, ..)| *left <= most).min_by(|one, other| one.0.total_cmp(&other.0))?;
        Some(Base::new(gelu(gelus), (added + &reference).into_iter().collect(), 0))
    })
}

/// What goes into the GELU, and the second weight, for every way to read the inputs as an MLP with an output of that shape.
fn products(question: &Question<'_>, (rows, width): (usize, usize)) -> Vec<(Array2<f64>, Array2<f64>)> {
    // A weight as `[inner, hidden]`.
    let oriented = |weight: &Tensor, inner: usize| {
        let &[height, columns] = weight.shape() else { return None };
        let weight = Array2::from_shape_vec((height, columns), widen(weight)).ok()?;
        if height == inner { Some(weight) } else { (columns == inner).then(|| weight.reversed_axes()) }
    };
    let inputs: Vec<&Tensor> = question.inputs.values().copied().collect();
    let mut found = Vec::new();
    for x in inputs.iter().filter(|x| x.shape().len() >= 2 && x.len() >= rows) {
        let inner = x.shape()[x.shape().len() - 1];
        for (at, weight) in inputs.iter().enumerate().filter(|_| inner * rows == x.len()) {
            let Some(first) = oriented(weight, inner) else { continue };
            let bias = inputs.iter().find(|input| input.shape() == [first.ncols()]);
            for (_, second) in inputs.iter().enumerate().filter(|(other, _)| *other != at) {
                let Some(second) = oriented(second, width).filter(|second| second.ncols() == first.ncols()) else {
                    continue;
                };
                if rows * first.ncols() * (inner + width) <= LIMIT {
                    let x = Array2::from_shape_vec((rows, inner), widen(x)).expect("the rows are as many as they are");
                    let bias = bias.map_or_else(|| Array1::zeros(first.ncols()), |bias| widen(bias).into());
                    found.push((x.dot(&first) + bias, second.reversed_axes()));
                }
            }
        }
    }
    found
}

/// A row of the last axis: its variance, or mean of squares, and by which factor actual is off around the bias.
#[derive(Clone, Copy)]
struct Row {
    spread: f64,
    factor: f64,
}

/// The reference as another eps would make it, for each way to normalise that fits: `y = (x - mean) / sqrt(variance + eps) *
/// weight + bias`, or without the mean.
pub(super) fn norms(question: &Question<'_>, sides: &Sides) -> Vec<Base> {
    let Some(&width) = sides.shape.last().filter(|width| **width > 1) else { return Vec::new() };
    let vectors = question.inputs.values().filter(|input| input.shape() == [width]);
    let biases: Vec<Vec<f64>> = std::iter::once(vec![0.0; width]).chain(vectors.map(|input| widen(input))).collect();
    let hint = question.params.iter().find(|(name, _)| name.contains("eps")).and_then(|(_, value)| value.as_f64());
    // The case says one eps, and not of which side it is: its params are what actual was made with, and should be what the
    // reference was.
    let known = hint.map_or(vec![None], |eps| vec![Some((eps, -2)), Some((eps, 2))]);
    let mut bases = Vec::new();
    for x in question.inputs.values().filter(|input| input.shape() == sides.shape).map(|input| widen(input)) {
        for bias in &biases {
            let Some((factors, scale)) = factors(sides, width, bias) else { continue };
            for has_mean in [true, false] {
                let rows = x.chunks(width).zip(&factors).map(|(x, &factor)| {
                    let mean = if has_mean { x.iter().sum::<f64>() / width as f64 } else { 0.0 };
                    Row { spread: x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / width as f64, factor }
                });
                let rows: Vec<Row> = rows.collect();
                bases.extend(known.iter().filter_map(|known| norm(sides, bias, &rows, scale, *known)));
            }
        }
    }
    bases
}

/// By which factor each row of actual is off around that bias, and the factor of the bias itself, where there is one; `None`
/// where no factor explains the rows.
fn factors(sides: &Sides, width: usize, bias: &[f64]) -> Option<(Vec<f64>, Option<f64>)> {
    let has_bias = bias.iter().any(|b| *b != 0.0);
    let (mut left, mut all) = (0.0, 0.0);
    let (mut factors, mut scales) = (Vec::new(), Vec::new());
    for (actual, reference) in sides.actual.chunks(width).zip(sides.reference.chunks(width)) {
        // Least squares of actual by what stands around the bias, and by the bias.
        let [mut cc, mut cb, mut bb, mut ca, mut ba, mut aa] = [0.0; 6];
        for ((&a, &r), &b) in actual.iter().zip(reference).zip(bias).filter(|((a, r), _)| !(*a - *r).is_nan()) {
            let c = r - b;
            (cc, cb, bb) = (cc + c * c, cb + c * b, bb + b * b);
            (ca, ba, aa) = (ca + c * a, ba + b * a, aa + a * a);
            all += (a - r) * (a - r);
        }
        let divisor = cc * bb - cb * cb;
        let (around, of_bias) = match has_bias && divisor > 1e-9 * cc * bb {
            true => ((ca * bb - ba * cb) / divisor, (ba * cc - ca * cb) / divisor),
            false => (if cc > 0.0 { ca / cc } else { 1.0 }, 0.0),
        };
        scales.extend(has_bias.then_some(of_bias));
        factors.push(around);
        left += (aa - around * ca - of_bias * ba).max(0.0);
    }
    // The share of the squares; a tenth of the RMS.
    (left <= 0.01 * all).then(|| (factors, quantile(&mut scales, 0.5)))
}

/// The reference with the eps that fits those rows; `None` where none does. An eps is known with the power of a row's factor by
/// which it makes the other's square: that of the reference with -2, that of actual with 2.
fn norm(sides: &Sides, bias: &[f64], rows: &[Row], scale: Option<f64>, known: Option<(f64, i32)>) -> Option<Base> {
    let mut scaled: Vec<Row> = rows.iter().copied().filter(|row| row.factor != 0.0 && row.spread > 0.0).collect();
    // One row has one factor, and any eps makes it.
    if scaled.len() < 2 || scaled.len() * 2 <= rows.len() {
        return None;
    }
    // All of it may be scaled besides. Without a bias that shows only in how the factors change with the spread.
    let scale = scale.unwrap_or_else(|| match known {
        Some((eps, power)) => {
            let point = |row: &Row| ((row.spread + eps) * row.factor.powi(power), row.spread + eps);
            line(&scaled, point).0.powf(1.0 / f64::from(power))
        }
        None => 1.0,
    });
    // The factor of squares has no sign.
    let scale = if scale.is_finite() { scale.abs() } else { 1.0 };
    let scale = if (scale - 1.0).abs() < 5e-3 { 1.0 } else { scale } * scaled[0].factor.signum();
    scaled.iter_mut().for_each(|row| row.factor /= scale);
    let (least, most) = extremes(scaled.iter().map(|row| &row.factor));
    let change = (1.0 - least).abs().max((1.0 - most).abs());
    // One factor for all rows is a scale.
    if least <= 0.0 || most - least <= 0.02 * change {
        return None;
    }
    let precision = 8.0 * sides.noise.eps;
    let (before, after) = match known {
        Some((before, -2)) => (before, eps(&scaled, before, -2, precision)),
        Some((after, power)) => (eps(&scaled, after, power, precision), after),
        None => {
            // `(1 / factor^2 - 1) x spread = after - before / factor^2` is a line.
            let inverse = |row: &Row| row.factor.powi(-2);
            let (slope, after) = line(&scaled, |row| ((inverse(row) - 1.0) * row.spread, inverse(row)));
            // Where that of the reference is not to be told from none.
            let (_, alone) = line(&scaled, |row| ((inverse(row) - 1.0) * row.spread, 0.0));
            if slope < 0.0 && after >= 0.0 { (-slope, after) } else { (0.0, alone) }
        }
    };
    let (before, after) = (nice(before), nice(after));
    if !after.is_finite() || after < 0.0 || before < 0.0 || after == before {
        return None;
    }
    let factor = |spread: f64, more: f64| ((spread + before + more) / (spread + after + more)).sqrt();
    // Every row has to say so: another way to keep the divisor from 0 fits those of large spread.
    if scaled.iter().any(|row| (row.factor - factor(row.spread, 0.0)).abs() > precision + 0.03 * change) {
        return None;
    }
    let mut values = sides.reference.clone();
    for (row, reference) in rows.iter().zip(values.chunks_mut(bias.len())) {
        let factor = factor(row.spread, 0.0);
        reference.iter_mut().zip(bias).for_each(|(r, b)| *r = (*r - b) * factor + b);
    }
    let [least, most, _] = apart([least, most, 1.0]);
    let [one, other] = apart([before.min(after), before.max(after)]);
    // Beside a large spread only the difference of the two shows: with another on both sides the rows are the same.
    let is_pair = [-before.min(after), before.max(after)]
        .into_iter()
        .filter(|more| *more != 0.0)
        .all(|more| scaled.iter().any(|row| (factor(row.spread, more) - factor(row.spread, 0.0)).abs() > precision));
    let details = Details { eps: is_pair.then_some(after), ..Details::default() };
    // Which of them the code has is not to be seen: it may ignore what the case says.
    let by: f64 = format!("{:.1e}", (after - before).abs()).parse().unwrap_or_default();
    let pair = match is_pair {
        true => format!("{one} and {other} fit"),
        false if after > before => format!("that of actual is larger by {}", short(by)),
        false => format!("that of actual is smaller by {}", short(by)),
    };
    let evidence =
        format!("the two sides add different eps: {pair}; each row is off by its own factor, {least} to {most}");
    Some(Base::new(Part::new(Hypothesis::Eps, evidence, details), values, 1))
}

/// The eps of one side, given that of the other and the power that the factors have in its square: rows of small spread tell most.
/// 0 where it is not to be told from none.
fn eps(rows: &[Row], other: f64, power: i32, precision: f64) -> f64 {
    let (sum, weights) = rows.iter().fold((0.0, 0.0), |(sum, weights), row| {
        let total = row.spread + other;
        let weight = 1.0 / (total * total);
        (sum + weight * (total * row.factor.powi(power) - row.spread), weights + weight)
    });
    let (eps, error) = (sum / weights, precision / f64::sqrt(weights));
    if eps.abs() <= error { 0.0 } else { eps }
}

/// The slope and the value at 0 of a line through points `(y, x)`, of which those of small spread are the surest.
fn line(rows: &[Row], point: impl Fn(&Row) -> (f64, f64)) -> (f64, f64) {
    let points: Vec<(f64, (f64, f64))> = rows.iter().map(|row| (row.spread.powi(-2), point(row))).collect();
    let weights: f64 = points.iter().map(|(weight, _)| weight).sum();
    let sum = |of: &dyn Fn(f64, f64) -> f64| points.iter().map(|&(weight, (y, x))| weight * of(y, x)).sum::<f64>();
    let (y, x) = (sum(&|y, _| y) / weights, sum(&|_, x| x) / weights);
    let (rise, run) = (sum(&|py, px| (px - x) * (py - y)), sum(&|_, px| (px - x) * (px - x)));
    let slope = if run > 0.0 { rise / run } else { 0.0 };
    (slope, y - slope * x)
}

/// The round number that is meant, where it is one.
fn nice(x: f64) -> f64 {
    if x <= 0.0 {
        return x;
    }
    let decade = 10f64.powf(x.log10().floor());
    // Through text: 1e-5 and not 1.0000000000000001e-5.
    let round =
        [1.0, 2.0, 3.0, 5.0, 10.0].map(|digit| format!("{:.0e}", digit * decade).parse().unwrap_or(digit * decade));
    round.into_iter().find(|round: &f64| (x / round - 1.0).abs() <= 0.02).unwrap_or(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_one_gelu_becomes_that_of_another() {
        for gelus @ [from, to] in changes() {
            let lowest = lowest(from);
            for x in (0..2000).map(|at| lowest + f64::from(at) * 0.002) {
                let (changed, expected) = (change(gelus, from.1(x), lowest, FAR), to.1(x));
                assert!((changed - expected).abs() < 1e-6, "{} to {} at {x}: {changed} for {expected}", from.0, to.0);
            }
        }
    }
}
