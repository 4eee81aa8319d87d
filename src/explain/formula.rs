//! Bases computed by another formula: another eps in a normalisation, another GELU, another causal mask.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use ndarray::{Array1, Array2};

use super::exceptions::is_attention;
use super::explanation::{Details, Hypothesis, Question};
use super::parts::{Base, Part, format_distinct, format_short};
use super::sides::{Sides, min_max, quantile, to_f64};
use crate::tensor::Tensor;

/// Proposes that only one side has a causal mask, if the last two axes are query and key, and applies the mask to both.
pub(super) fn causal_mask(question: &Question<'_>, sides: &Sides) -> Option<Base> {
    let [.., queries, keys] = sides.shape[..] else { return None };
    if queries < 2 || keys < queries {
        return None;
    }
    // The number of positions by which the key comes after its query.
    let ahead = |position: usize| (position % keys).saturating_sub(position / keys % queries + keys - queries);
    let is_compared = |p: usize| !sides.difference(p).is_nan() || sides.non_finite.binary_search(&p).is_ok();
    let future: Vec<usize> = (0..sides.len()).filter(|&p| ahead(p) > 0 && is_compared(p)).collect();
    let is_same = |x: f64, value: f64| x == value || x.is_nan() && value.is_nan();
    // The value of all future positions of a side, if it is the same: 0 after a softmax, a large negative number before it, NaN
    // for an infinity.
    let value = |side: &[f64]| {
        let first = side[*future.first()?];
        future.iter().all(|&position| is_same(side[position], first)).then_some(first)
    };
    let (of_actual, of_reference) = (value(&sides.actual), value(&sides.reference));
    let (masked, unmasked, value) = match (of_actual, of_reference) {
        (None, Some(value)) => (&sides.reference, &sides.actual, value),
        (Some(value), None) => (&sides.actual, &sides.reference, value),
        // If both sides have a single value there, both are masked.
        _ => return None,
    };
    let sums = masked.chunks(keys).map(|row| row.iter().sum::<f64>()).filter(|sum| !sum.is_nan());
    let precision = (8.0 * sides.noise.eps).max(1e-3);
    let is_probability =
        value == 0.0 && sums.clone().count() > 0 && sums.clone().all(|sum| (sum - 1.0).abs() < precision);
    let is_zero_or_one = || sides.actual.iter().chain(&sides.reference).all(|x| *x == 0.0 || *x == 1.0);
    // A triangle of zeros may also be half of a matrix. It is a mask for probabilities, or if a name hints at attention.
    let is_half_matrix = value == 0.0 && !is_probability && !is_attention(question) && !is_zero_or_one();
    // Any fault may hit all of a few elements.
    if is_half_matrix || future.len() < 6 {
        return None;
    }
    let seen: Vec<usize> = future.iter().copied().filter(|&p| !is_same(unmasked[p], value)).map(ahead).collect();
    let furthest = seen.iter().copied().max()?;
    // Masked places of both sides are not compared.
    let last = if sides.fill_count > 0 { keys - 1 } else { future.iter().copied().map(ahead).max()? };
    // If only single elements differ, it is another fault.
    if seen.len() * 10 < future.iter().filter(|&&position| ahead(position) <= furthest).count() * 9 {
        return None;
    }
    let evidence = match (of_reference.is_some(), furthest) {
        (true, _) if furthest == last => {
            "the causal mask is missing: actual sees future positions, the reference does not".to_owned()
        }
        (true, 1) => "the causal mask is off by one: actual sees 1 position ahead".to_owned(),
        (true, count) => format!("the causal mask is off by {count}: actual sees {count} positions ahead"),
        (false, _) if furthest == last => "actual masks future positions, the reference does not".to_owned(),
        (false, _) => return None,
    };
    let mut remasked = unmasked.clone();
    (0..sides.len()).filter(|&position| ahead(position) > 0).for_each(|position| remasked[position] = value);
    // The remaining probabilities have to add up to 1 again.
    for row in remasked.chunks_mut(keys).filter(|_| is_probability) {
        let sum: f64 = row.iter().filter(|x| !x.is_nan()).sum();
        row.iter_mut().for_each(|x| *x /= if sum > 0.0 { sum } else { 1.0 });
    }
    let explains_non_finite = sides.non_finite.iter().all(|&position| ahead(position) > 0);
    let part = Part::new(Hypothesis::CausalMask, evidence, Details::default());
    let base = match of_reference {
        Some(_) => Base { actual: Some(remasked), ..Base::new(part, sides.reference.clone(), 0) },
        None => Base::new(part, remasked, 0),
    };
    Some(Base { explains_non_finite, ..base })
}

/// A GELU formula and its name.
type Gelu = (&'static str, fn(f64) -> f64);

const GELUS: [Gelu; 3] = [
    // `x * Phi(x)` with the normal distribution: `torch.nn.GELU()`.
    ("exact", |x| 0.5 * x * (1.0 + libm::erf(x * FRAC_1_SQRT_2))),
    // `torch.nn.GELU(approximate="tanh")`, `gelu_new` in transformers.
    ("tanh", |x| 0.5 * x * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044715 * x * x * x)).tanh())),
    // `quick_gelu` in transformers.
    ("quick (sigmoid)", |x| x / (1.0 + (-1.702 * x).exp())),
];

/// Arguments beyond this have the same value in all formulas, in single precision.
const MAX_ARGUMENT: f64 = 12.0;

/// Returns every pair of different formulas: that of the reference and that of actual.
fn gelu_pairs() -> impl Iterator<Item = [Gelu; 2]> {
    GELUS.into_iter().flat_map(|from| GELUS.into_iter().filter(move |to| to.0 != from.0).map(move |to| [from, to]))
}

fn gelu_part([reference, actual]: [Gelu; 2]) -> Part {
    let evidence = format!("actual uses the {} GELU, the reference the {} GELU", actual.0, reference.0);
    Part::new(Hypothesis::GeluVariant, evidence, Details::default())
}

/// Returns the argument at which a GELU has its minimum.
fn minimum((_, gelu): Gelu) -> f64 {
    let (mut low, mut high) = (-2.0, 0.0);
    for _ in 0..200 {
        let (left, right) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if gelu(left) < gelu(right) { high = right } else { low = left }
    }
    (low + high) / 2.0
}

/// Converts a value of the first formula to the second. Its argument is between that of the minimum and `far`.
fn convert([(_, from), (_, to)]: [Gelu; 2], value: f64, minimum: f64, mut far: f64) -> f64 {
    let mut near = minimum;
    for _ in 0..50 {
        let middle = (near + far) / 2.0;
        if from(middle) < value { near = middle } else { far = middle }
    }
    // A value that is below the minimum because of noise changes by as much as the minimum.
    value + to(near) - from(near)
}

/// Proposes the reference with another GELU, if it may be the output of a GELU.
pub(super) fn other_gelu(sides: &Sides, positions: &[usize]) -> Vec<Base> {
    let pair = |&p: &usize| (sides.actual[p], sides.reference[p]);
    let pairs: Vec<(f64, f64)> = positions.iter().map(pair).filter(|(a, r)| !(a - r).is_nan()).collect();
    let is_outside = pairs.iter().any(|(a, r)| a.min(*r) < -0.18) || pairs.iter().all(|(_, r)| *r >= 0.0);
    // The formulas differ by at most 0.021.
    let is_far = pairs.iter().filter(|(a, r)| (a - r).abs() > 0.03).count() * 50 > pairs.len();
    if sides.squares == 0.0 || is_outside || is_far || pairs.len() < 16 {
        return Vec::new();
    }
    let base = |gelus: [Gelu; 2]| {
        let minimum = minimum(gelus[0]);
        // A negative value has two arguments; the one that fits better is used.
        let predict = |(actual, reference): (f64, f64)| {
            let one = convert(gelus, reference, minimum, MAX_ARGUMENT);
            let other = match reference < 0.0 {
                true => convert(gelus, reference, minimum, -MAX_ARGUMENT),
                false => f64::INFINITY,
            };
            if (actual - other).abs() < (actual - one).abs() { other } else { one }
        };
        // Only positive values decide, because they have a single argument.
        let (mut left, mut all) = (0.0, 0.0);
        for &(a, r) in pairs.iter().filter(|(_, r)| *r > 0.0) {
            left += (a - predict((a, r))).powi(2).min(1e-3);
            all += (a - r).powi(2).min(1e-3);
        }
        let all_pairs = sides.actual.iter().copied().zip(sides.reference.iter().copied());
        (left <= 0.04 * all).then(|| Base::new(gelu_part(gelus), all_pairs.map(predict).collect(), 0))
    };
    gelu_pairs().filter_map(base).collect()
}

/// The largest number of multiplications that are spent on an MLP.
const MAX_MULTIPLICATIONS: usize = 1 << 30;

/// Proposes the reference with another GELU inside an MLP, `gelu(x first + bias) second`, if the case has its input and both weights.
pub(super) fn other_gelu_in_mlp(question: &Question<'_>, sides: &Sides) -> Option<Base> {
    let width = sides.shape.last().copied().filter(|width| *width > 0)?;
    let shape = (sides.len() / width, width);
    let reference = Array2::from_shape_vec(shape, sides.reference.clone()).ok()?;
    let difference = Array2::from_shape_vec(shape, sides.actual.clone()).ok()? - &reference;
    let squares = |x: &Array2<f64>| x.iter().filter(|x| !x.is_nan()).map(|x| x * x).sum::<f64>();
    let all = squares(&difference);
    // A constant of the formula that is off by a tenth leaves a hundredth.
    let rounding = (4.0 * sides.noise.eps * sides.rms).powi(2) * sides.len() as f64;
    let most = (0.04 * all).min((1e-3 * all).max(rounding));
    mlp_candidates(question, shape).into_iter().filter(|_| all > 0.0).find_map(|(hidden, second)| {
        let tried = gelu_pairs().map(|gelus @ [(_, from), (_, to)]| {
            let added = hidden.mapv(|x| to(x) - from(x)).dot(&second);
            (squares(&(&difference - &added)), gelus, added)
        });
        let (_, gelus, added) =
            tried.filter(|(left, ..)| *left <= most).min_by(|one, other| one.0.total_cmp(&other.0))?;
        Some(Base::new(gelu_part(gelus), (added + &reference).into_iter().collect(), 0))
    })
}

/// Returns the input of the GELU and the second weight, for every way to interpret the inputs as an MLP with an output of this shape.
fn mlp_candidates(question: &Question<'_>, (rows, width): (usize, usize)) -> Vec<(Array2<f64>, Array2<f64>)> {
    // Returns a weight as `[inner, hidden]`.
    let oriented = |weight: &Tensor, inner: usize| {
        let &[height, columns] = weight.shape() else { return None };
        let weight = Array2::from_shape_vec((height, columns), to_f64(weight)).ok()?;
        if height == inner { Some(weight) } else { (columns == inner).then(|| weight.reversed_axes()) }
    };
    let inputs: Vec<&Tensor> = question.inputs.values().copied().collect();
    let mut candidates = Vec::new();
    for x in inputs.iter().filter(|x| x.shape().len() >= 2 && x.len() >= rows) {
        let inner = x.shape()[x.shape().len() - 1];
        for (at, weight) in inputs.iter().enumerate().filter(|_| inner * rows == x.len()) {
            let Some(first) = oriented(weight, inner) else { continue };
            let bias = inputs.iter().find(|input| input.shape() == [first.ncols()]);
            for (_, second) in inputs.iter().enumerate().filter(|(other, _)| *other != at) {
                let Some(second) = oriented(second, width).filter(|second| second.ncols() == first.ncols()) else {
                    continue;
                };
                if rows * first.ncols() * (inner + width) <= MAX_MULTIPLICATIONS {
                    let x = Array2::from_shape_vec((rows, inner), to_f64(x)).expect("the length was checked");
                    let bias = bias.map_or_else(|| Array1::zeros(first.ncols()), |bias| to_f64(bias).into());
                    candidates.push((x.dot(&first) + bias, second.reversed_axes()));
                }
            }
        }
    }
    candidates
}

/// A row of the last axis.
#[derive(Clone, Copy)]
struct Row {
    /// Its variance, or its mean square for a norm without a mean.
    variance: f64,
    /// The factor between actual and reference, both without the bias.
    factor: f64,
}

/// Proposes the reference with another eps, for each normalisation that fits: `y = (x - mean) / sqrt(variance + eps) * weight + bias`,
/// or without the mean.
pub(super) fn other_eps(question: &Question<'_>, sides: &Sides) -> Vec<Base> {
    let Some(&width) = sides.shape.last().filter(|width| **width > 1) else { return Vec::new() };
    let vectors = question.inputs.values().filter(|input| input.shape() == [width]);
    let biases: Vec<Vec<f64>> = std::iter::once(vec![0.0; width]).chain(vectors.map(|input| to_f64(input))).collect();
    let hint = question.params.iter().find(|(name, _)| name.contains("eps")).and_then(|(_, value)| value.as_f64());
    // The case names one eps, but not the side that uses it. It is paired with the power of a row's factor in the formula for
    // the other eps: -2 if it is that of the reference, 2 if it is that of actual.
    let known = hint.map_or(vec![None], |eps| vec![Some((eps, -2)), Some((eps, 2))]);
    let mut bases = Vec::new();
    for x in question.inputs.values().filter(|input| input.shape() == sides.shape).map(|input| to_f64(input)) {
        for bias in &biases {
            let Some((factors, scale)) = row_factors(sides, width, bias) else { continue };
            for has_mean in [true, false] {
                let rows = x.chunks(width).zip(&factors).map(|(x, &factor)| {
                    let mean = if has_mean { x.iter().sum::<f64>() / width as f64 } else { 0.0 };
                    Row { variance: x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / width as f64, factor }
                });
                let rows: Vec<Row> = rows.collect();
                bases.extend(known.iter().filter_map(|known| fit_eps(sides, bias, &rows, scale, *known)));
            }
        }
    }
    bases
}

/// Returns the factor between actual and reference of each row without the bias, and the factor of the bias, if there is one. Returns
/// `None` if such factors do not explain the difference.
fn row_factors(sides: &Sides, width: usize, bias: &[f64]) -> Option<(Vec<f64>, Option<f64>)> {
    let has_bias = bias.iter().any(|b| *b != 0.0);
    let (mut left, mut all) = (0.0, 0.0);
    let (mut factors, mut scales) = (Vec::new(), Vec::new());
    for (actual, reference) in sides.actual.chunks(width).zip(sides.reference.chunks(width)) {
        // Least squares of actual by the reference without the bias, and by the bias.
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
    // A hundredth of the squares is a tenth of the RMS.
    (left <= 0.01 * all).then(|| (factors, quantile(&mut scales, 0.5)))
}

/// Returns the reference with the eps that fits the rows, or `None` if none does.
fn fit_eps(sides: &Sides, bias: &[f64], rows: &[Row], scale: Option<f64>, known: Option<(f64, i32)>) -> Option<Base> {
    let mut scaled: Vec<Row> = rows.iter().copied().filter(|row| row.factor != 0.0 && row.variance > 0.0).collect();
    // For a single factor there is always an eps.
    if scaled.len() < 2 || scaled.len() * 2 <= rows.len() {
        return None;
    }
    // The rows may also have a common factor. Without a bias it shows only in how the factors depend on the variance.
    let scale = scale.unwrap_or_else(|| match known {
        Some((eps, power)) => {
            let point = |row: &Row| ((row.variance + eps) * row.factor.powi(power), row.variance + eps);
            fit_line(&scaled, point).0.powf(1.0 / f64::from(power))
        }
        None => 1.0,
    });
    // A factor that was estimated from squares has no sign.
    let scale = if scale.is_finite() { scale.abs() } else { 1.0 };
    let scale = if (scale - 1.0).abs() < 5e-3 { 1.0 } else { scale } * scaled[0].factor.signum();
    scaled.iter_mut().for_each(|row| row.factor /= scale);
    let (least, most) = min_max(scaled.iter().map(|row| &row.factor));
    let change = (1.0 - least).abs().max((1.0 - most).abs());
    // If all rows have the same factor, it is a scale.
    if least <= 0.0 || most - least <= 0.02 * change {
        return None;
    }
    let precision = 8.0 * sides.noise.eps;
    let (before, after) = match known {
        Some((before, -2)) => (before, estimate_eps(&scaled, before, -2, precision)),
        Some((after, power)) => (estimate_eps(&scaled, after, power, precision), after),
        None => {
            // `(1 / factor^2 - 1) x variance = after - before / factor^2` is a line.
            let inverse = |row: &Row| row.factor.powi(-2);
            let (slope, after) = fit_line(&scaled, |row| ((inverse(row) - 1.0) * row.variance, inverse(row)));
            // If the eps of the reference cannot be distinguished from 0.
            let (_, alone) = fit_line(&scaled, |row| ((inverse(row) - 1.0) * row.variance, 0.0));
            if slope < 0.0 && after >= 0.0 { (-slope, after) } else { (0.0, alone) }
        }
    };
    let (before, after) = (round_if_close(before), round_if_close(after));
    if !after.is_finite() || after < 0.0 || before < 0.0 || after == before {
        return None;
    }
    let factor = |variance: f64, more: f64| ((variance + before + more) / (variance + after + more)).sqrt();
    // Every row has to fit: other ways to keep the divisor from being 0 agree for large variances.
    if scaled.iter().any(|row| (row.factor - factor(row.variance, 0.0)).abs() > precision + 0.03 * change) {
        return None;
    }
    let mut values = sides.reference.clone();
    for (row, reference) in rows.iter().zip(values.chunks_mut(bias.len())) {
        let factor = factor(row.variance, 0.0);
        reference.iter_mut().zip(bias).for_each(|(r, b)| *r = (*r - b) * factor + b);
    }
    let [least, most, _] = format_distinct([least, most, 1.0]);
    let [one, other] = format_distinct([before.min(after), before.max(after)]);
    // If the variances are large, only the difference of the two eps shows: a third eps on both sides changes nothing.
    let is_pair = [-before.min(after), before.max(after)].into_iter().filter(|more| *more != 0.0).all(|more| {
        scaled.iter().any(|row| (factor(row.variance, more) - factor(row.variance, 0.0)).abs() > precision)
    });
    let details = Details { eps: is_pair.then_some(after), ..Details::default() };
    // The tensors do not show which side uses which eps: the code may ignore that of the case.
    let by: f64 = format!("{:.1e}", (after - before).abs()).parse().unwrap_or_default();
    let pair = match is_pair {
        true => format!("{one} and {other} fit"),
        false if after > before => format!("that of actual is larger by {}", format_short(by)),
        false => format!("that of actual is smaller by {}", format_short(by)),
    };
    let evidence =
        format!("the two sides add different eps: {pair}; each row is off by its own factor, {least} to {most}");
    Some(Base::new(Part::new(Hypothesis::Eps, evidence, details), values, 1))
}

/// Estimates the eps of one side from that of the other and the power of the factors. Rows of small variance count most. Returns 0 if
/// it cannot be distinguished from 0.
fn estimate_eps(rows: &[Row], other: f64, power: i32, precision: f64) -> f64 {
    let (sum, weights) = rows.iter().fold((0.0, 0.0), |(sum, weights), row| {
        let total = row.variance + other;
        let weight = 1.0 / (total * total);
        (sum + weight * (total * row.factor.powi(power) - row.variance), weights + weight)
    });
    let (eps, error) = (sum / weights, precision / f64::sqrt(weights));
    if eps.abs() <= error { 0.0 } else { eps }
}

/// Fits a line to points `(y, x)`, and returns its slope and its value at 0. Rows of small variance count most.
fn fit_line(rows: &[Row], point: impl Fn(&Row) -> (f64, f64)) -> (f64, f64) {
    let points: Vec<(f64, (f64, f64))> = rows.iter().map(|row| (row.variance.powi(-2), point(row))).collect();
    let weights: f64 = points.iter().map(|(weight, _)| weight).sum();
    let sum = |of: &dyn Fn(f64, f64) -> f64| points.iter().map(|&(weight, (y, x))| weight * of(y, x)).sum::<f64>();
    let (y, x) = (sum(&|y, _| y) / weights, sum(&|_, x| x) / weights);
    let (rise, run) = (sum(&|py, px| (px - x) * (py - y)), sum(&|_, px| (px - x) * (px - x)));
    let slope = if run > 0.0 { rise / run } else { 0.0 };
    (slope, y - slope * x)
}

/// Returns a round number if the value is close to one, else the value.
fn round_if_close(x: f64) -> f64 {
    if x <= 0.0 {
        return x;
    }
    let decade = 10f64.powf(x.log10().floor());
    // Text avoids 1.0000000000000001e-5.
    let round =
        [1.0, 2.0, 3.0, 5.0, 10.0].map(|digit| format!("{:.0e}", digit * decade).parse().unwrap_or(digit * decade));
    round.into_iter().find(|round: &f64| (x / round - 1.0).abs() <= 0.02).unwrap_or(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_one_gelu_is_converted_to_another() {
        for gelus @ [from, to] in gelu_pairs() {
            let minimum = minimum(from);
            for x in (0..2000).map(|at| minimum + f64::from(at) * 0.002) {
                let (changed, expected) = (convert(gelus, from.1(x), minimum, MAX_ARGUMENT), to.1(x));
                assert!((changed - expected).abs() < 1e-6, "{} to {} at {x}: {changed} for {expected}", from.0, to.0);
            }
        }
    }
}
