//! Bases: tensors that the actual one may be a multiple of.

use ndarray::ArrayViewD;

use super::explanation::{Details, Hypothesis, Other, Question};
use super::formula;
use super::order::Screen;
use super::parts::{Base, Part, describe_sum, format_distinct, format_exact};
use super::sides::{Sample, Sides, min_max, to_f64};
use crate::tensor::Tensor;

/// Proposes the bases that keep the order of the elements and fit a sample, without the reference itself.
pub(super) fn propose_bases(question: &Question<'_>, sides: &Sides, sample: &Sample) -> Vec<Base> {
    let mut bases = Vec::new();
    if sides.is_aligned() {
        bases.extend(formula::causal_mask(question, sides));
        bases.extend(formula::other_eps(question, sides));
        bases.extend(formula::other_gelu_in_mlp(question, sides));
        bases.extend(question.inputs.iter().filter_map(|(name, input)| add_input(sides, sample, name, input)));
    }
    bases.extend(formula::other_gelu(sides, &sample.positions));
    bases.extend(question.others.iter().filter_map(|other| other_output(sides, sample, other)));
    bases
}

/// Proposes the reference of another output.
fn other_output(sides: &Sides, sample: &Sample, other: &Other<'_>) -> Option<Base> {
    let [reference, actual] =
        [Some(other.reference), other.actual].map(|side| side.filter(|side| side.len() == sides.len()).map(to_f64));
    let values = reference?;
    Screen::new(&sides.actual, &values, sample).similarity(Some)?;
    let is_swapped = actual.is_some_and(|actual| {
        let pairs = actual.iter().zip(&sides.reference).filter(|(a, r)| !(**a - **r).is_nan());
        let (left, all) = pairs.fold((0.0, 0.0), |(left, all), (a, r)| (left + (a - r) * (a - r), all + r * r));
        left <= 0.01 * all
    });
    let name = other.name;
    let evidence = match is_swapped {
        true => format!("two outputs are swapped: this is `{name}`, and `{name}` is this one"),
        false => format!("actual is the reference of the output `{name}`"),
    };
    let details = Details { name: Some(name.to_owned()), ..Details::default() };
    Some(Base::new(Part::new(Hypothesis::SwappedOutputs, evidence, details), values, 0))
}

/// Proposes the reference plus or minus an input: only one side adds it, or both with opposite signs.
fn add_input(sides: &Sides, sample: &Sample, name: &str, input: &Tensor) -> Option<Base> {
    let values = to_f64(input);
    // A constant bias is found without its input.
    let view = ArrayViewD::from_shape(input.shape(), &values).ok().filter(|view| view.len() > 1)?;
    let addend: Vec<f64> = view.broadcast(sides.shape.as_slice())?.iter().copied().collect();
    let [mut run, mut rise, mut squares, mut shared, mut reference] = [0.0; 5];
    for &position in &sample.positions {
        let (x, r, difference) = (addend[position], sides.reference[position], sides.difference(position));
        if !(x + difference).is_nan() {
            (run, rise, squares) = (run + x * x, rise + x * difference, squares + difference * difference);
            (shared, reference) = (shared + x * r, reference + r * r);
        }
    }
    // If the reference is a multiple of the input, a factor is the simpler explanation.
    let is_multiple = shared * shared > 0.999 * run * reference;
    if is_multiple || run == 0.0 || squares == 0.0 || rise * rise < 0.5 * run * squares {
        return None;
    }
    let times = [-1.0, 1.0, -2.0].into_iter().find(|times| (rise / run / times - 1.0).abs() < 0.3)?;
    let values = sides.reference.iter().zip(&addend).map(|(r, x)| r + times * x).collect();
    let details = Details { name: Some(name.to_owned()), ..Details::default() };
    Some(Base::new(Part::new(Hypothesis::Bias, describe_sum("reference", times, name), details), values, 0))
}

/// The number of elements that a clamp has to change, and the number that it has to leave unchanged, at least.
const ELEMENTS: usize = 8;

/// The smallest number of elements in a slice.
const SLICE: usize = 4;

/// The largest number of slices that are matched with each other.
const SLICES: usize = 1 << 14;

/// Proposes bases that must fit every element: a clamp, a factor for each index of an axis, slices in another order.
pub(super) fn exact_bases(question: &Question<'_>, sides: &Sides) -> Vec<Base> {
    if !sides.is_aligned() || !sides.non_finite.is_empty() {
        return Vec::new();
    }
    let mut bases = propose_clamps(sides);
    bases.extend(sides.axes().filter_map(|axis| scale_indices(question, sides, axis)));
    bases.extend(sides.axes().filter_map(|axis| reorder_slices(sides, axis)));
    bases.retain(|base| fits_exactly(sides, base));
    bases
}

/// Whether the base equals the actual tensor up to rounding, at every element and far better than the reference does.
fn fits_exactly(sides: &Sides, base: &Base) -> bool {
    let mut squares = 0.0;
    let pairs = base.actual.as_deref().unwrap_or(&sides.actual).iter().zip(&base.values);
    let is_close = pairs.filter(|(a, b)| !(**a - **b).is_nan()).all(|(a, b)| {
        squares += (a - b) * (a - b);
        is_equal(sides, *a, *b)
    });
    is_close && squares <= 1e-4 * sides.squares
}

/// Whether two numbers are equal up to rounding.
fn is_equal(sides: &Sides, a: f64, b: f64) -> bool {
    (a - b).abs() <= sides.noise.slack(a.abs().max(b.abs()), 0.0).max(sides.noise.limit(sides.rms))
}

/// Proposes that one side is the other, clamped to its own minimum or maximum.
fn propose_clamps(sides: &Sides) -> Vec<Base> {
    let of_reference = clamp(&sides.actual, &sides.reference, ["actual", "reference"]);
    let of_actual = clamp(&sides.reference, &sides.actual, ["reference", "actual"]);
    let undone = of_actual.map(|base| Base { actual: Some(base.values), values: sides.reference.clone(), ..base });
    of_reference.into_iter().chain(undone).collect()
}

/// Clamps `free` if `clamped` has its minimum or maximum wherever `free` is beyond it.
fn clamp(clamped: &[f64], free: &[f64], [clamped_name, free_name]: [&str; 2]) -> Option<Base> {
    let pairs = || clamped.iter().zip(free).filter(|(c, f)| !(**c - **f).is_nan());
    let (low, high) = min_max(pairs().map(|(c, _)| c));
    let below = pairs().filter(|(c, f)| **c == low && **f < low).count();
    let above = pairs().filter(|(c, f)| **c == high && **f > high).count();
    let within = pairs().filter(|(_, f)| (low..=high).contains(*f)).count();
    if below + above < ELEMENTS || within < ELEMENTS || within * 20 < below + above || low >= high {
        return None;
    }
    // A single element may be the maximum by chance, or be wrong.
    let (formula, from, to) = match (below >= ELEMENTS / 2, above >= ELEMENTS / 2) {
        (true, false) if low == 0.0 => (format!("max({free_name}, 0), like a ReLU"), low, f64::INFINITY),
        (true, false) => (format!("max({free_name}, {})", format_exact(low)), low, f64::INFINITY),
        (false, true) => (format!("min({free_name}, {})", format_exact(high)), f64::NEG_INFINITY, high),
        (true, true) => {
            let [from, to] = format_distinct([low, high]);
            (format!("{free_name} clamped to [{from}, {to}]"), low, high)
        }
        (false, false) => return None,
    };
    let evidence = format!("{clamped_name} = {formula}");
    let details = Details { elements: Some((below + above) as u64), ..Details::default() };
    // NaN stays NaN.
    let values = free.iter().map(|x| x.clamp(from, to)).collect();
    Some(Base::new(Part::new(Hypothesis::Clamp, evidence, details), values, 1))
}

/// Proposes a factor for each index of the axis. Signs are tried on any axis, other factors only on channel axes: rows have
/// different factors for many reasons, such as a norm.
fn scale_indices(question: &Question<'_>, sides: &Sides, axis: usize) -> Option<Base> {
    let extent = sides.shape[axis];
    let at = sides.index_on(axis);
    let mut sums = vec![[0.0f64; 3]; extent];
    for position in (0..sides.len()).filter(|&position| !sides.difference(position).is_nan()) {
        let (a, r) = (sides.actual[position], sides.reference[position]);
        let [count, rise, run] = &mut sums[at(position)];
        (*count, *rise, *run) = (*count + if r != 0.0 { 1.0 } else { 0.0 }, *rise + a * r, *run + r * r);
    }
    let factors: Vec<f64> = sums.iter().map(|[_, rise, run]| if *run > 0.0 { rise / run } else { 1.0 }).collect();
    let precision = (64.0 * sides.noise.eps).max(1e-9);
    let is_sign = |factor: &f64| (factor.abs() - 1.0).abs() <= precision;
    // Every index needs enough elements to determine its factor.
    if sums.iter().any(|[count, ..]| *count < SLICE as f64) || factors.iter().any(|factor| factor.abs() < 1e-6) {
        return None;
    }
    let values =
        |factors: &[f64]| sides.reference.iter().enumerate().map(|(p, r)| r * factors[at(p)]).collect::<Vec<f64>>();
    let details = Details { axes: Some(vec![axis]), ..Details::default() };
    if factors.iter().all(is_sign) {
        let negative: Vec<usize> = (0..extent).filter(|&index| factors[index] < 0.0).collect();
        if negative.is_empty() || negative.len() == extent {
            return None;
        }
        let evidence = format!("actual = -reference at {}; the rest is right", describe_indices(&negative, axis));
        let signs: Vec<f64> = factors.iter().map(|factor| factor.signum()).collect();
        return Some(Base::new(Part::new(Hypothesis::Negated, evidence, details), values(&signs), extent));
    }
    let is_channel = axis + 1 == sides.shape.len() || axis == 1 && sides.shape.len() >= 4;
    let (least, most) = min_max(&factors);
    if !is_channel || most - least <= precision * most.abs().max(least.abs()) {
        return None;
    }
    let [least, most] = format_distinct([least, most]);
    let input = question.inputs.iter().find_map(|(name, input)| {
        let input = Some(to_f64(input)).filter(|values| values.len() == extent)?;
        // Nearly equal values resemble any factors near 1: they have to agree far more closely than they vary.
        let precision = (0.02 * variation(&input).min(variation(&factors))).min(1e-3);
        let is = |power: i32| factors.iter().zip(&input).all(|(f, x)| (f / x.powi(power) - 1.0).abs() <= precision);
        let what = if is(-1) { "is not applied" } else { is(1).then_some("is applied twice")? };
        Some(((*name).to_owned(), what))
    });
    let evidence = match &input {
        Some((name, what)) => format!("the input `{name}` {what}: each index of axis {axis} is off by that factor"),
        None => format!("each index of axis {axis} is off by its own factor, {least} to {most}"),
    };
    let name = input.map(|(name, _)| name);
    let details = Details { name, ..details };
    Some(Base::new(Part::new(Hypothesis::Scale, evidence, details), values(&factors), extent))
}

/// Returns the largest ratio of two of the values, minus 1; infinity if their signs differ.
fn variation(values: &[f64]) -> f64 {
    let (least, most) = min_max(values);
    if least * most > 0.0 { (most / least).max(least / most) - 1.0 } else { f64::INFINITY }
}

/// Proposes the slices of the axis in another order.
fn reorder_slices(sides: &Sides, axis: usize) -> Option<Base> {
    let (extent, len) = (sides.shape[axis], sides.len());
    if extent > SLICES || len / extent < SLICE.max(if sides.noise.eps == 0.0 { ELEMENTS } else { 0 }) {
        return None;
    }
    let stride: usize = sides.shape[axis + 1..].iter().product();
    let places =
        |index: usize| (0..len / extent).map(move |at| at / stride * stride * extent + index * stride + at % stride);
    // A weighted sum of a slice, which does not depend on where the slice is.
    let checksum = |side: &[f64], index: usize| {
        places(index).enumerate().map(|(at, p)| side[p] * ((at as f64 * 0.754_877_666).fract() + 0.25)).sum::<f64>()
    };
    let mut checksums: Vec<(f64, usize)> =
        (0..extent).map(|index| (checksum(&sides.reference, index), index)).collect();
    if checksums.iter().any(|(checksum, _)| checksum.is_nan()) {
        return None;
    }
    checksums.sort_by(|a, b| a.0.total_cmp(&b.0));
    // If most slices are equal, they have no order.
    let distinct = checksums.windows(2).filter(|pair| pair[0].0 != pair[1].0).count() + 1;
    if distinct * 2 < extent {
        return None;
    }
    let mut is_free = vec![true; extent];
    let is_equal_slice = |index: usize, from: usize| {
        places(index).zip(places(from)).all(|(p, q)| is_equal(sides, sides.actual[p], sides.reference[q]))
    };
    let precision = sides.noise.limit(sides.rms) * (len / extent) as f64;
    let mut sources = Vec::with_capacity(extent);
    for index in 0..extent {
        let sum = checksum(&sides.actual, index);
        let from = checksums.partition_point(|(other, _)| *other < sum - precision);
        let near = checksums[from..].iter().take_while(|(other, _)| *other <= sum + precision).map(|(_, at)| *at);
        let mut near: Vec<usize> = near.filter(|&at| is_free[at]).collect();
        // Among equal slices, prefer the one at the same index.
        near.sort_by_key(|&at| (at != index, at));
        let source = near.into_iter().take(64).find(|&at| is_equal_slice(index, at))?;
        is_free[source] = false;
        sources.push(source);
    }
    let moved: Vec<usize> = (0..extent).filter(|&index| sources[index] != index).collect();
    let evidence = match moved[..] {
        [] => return None,
        [one, other] => format!("indices {one} and {other} of axis {axis} are swapped"),
        _ => format!("the indices of axis {axis} are in a different order: {}", describe_ranges(&sources)),
    };
    let values = (0..len).map(|p| {
        let index = p / stride % extent;
        sides.reference[p + sources[index] * stride - index * stride]
    });
    let details = Details { axes: Some(vec![axis]), ..Details::default() };
    Some(Base::new(Part::new(Hypothesis::SliceOrder, evidence, details), values.collect(), extent))
}

/// Formats the first numbers of a list, with consecutive ones as a range: `0..16, 32..48, 7, ..`.
fn describe_ranges(numbers: &[usize]) -> String {
    const MAX_RANGES: usize = 8;
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, end)) if *end == number => *end += 1,
            _ => ranges.push((number, number + 1)),
        }
    }
    let word = |&(from, to): &(usize, usize)| if to == from + 1 { from.to_string() } else { format!("{from}..{to}") };
    let shown: Vec<String> = ranges.iter().take(MAX_RANGES).map(word).collect();
    format!("{}{}", shown.join(", "), if ranges.len() > MAX_RANGES { ", .." } else { "" })
}

fn describe_indices(numbers: &[usize], axis: usize) -> String {
    let word = if numbers.len() == 1 { "index" } else { "indices" };
    format!("{word} {} of axis {axis}", describe_ranges(numbers))
}
