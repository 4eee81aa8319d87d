//! What the reference would have to become: the tensors that a model is tried on.

use ndarray::ArrayViewD;

use super::explanation::{Details, Hypothesis, Other, Question};
use super::formula;
use super::order::Screen;
use super::parts::{Base, Part, apart, exactly, plus_input};
use super::sides::{Sample, Sides, extremes, widen};
use crate::tensor::Tensor;

/// Every base in the reference's own order but the reference itself, those that look right on a sample.
pub(super) fn bases(question: &Question<'_>, sides: &Sides, sample: &Sample) -> Vec<Base> {
    let mut bases = Vec::new();
    if sides.is_aligned() {
        bases.extend(formula::masked(question, sides));
        bases.extend(formula::norms(question, sides));
        bases.extend(formula::mlp(question, sides));
        bases.extend(question.inputs.iter().filter_map(|(name, input)| with_input(sides, sample, name, input)));
    }
    bases.extend(formula::gelus(sides, &sample.positions));
    bases.extend(question.others.iter().filter_map(|other| swapped(sides, sample, other)));
    bases
}

/// The reference of another output.
fn swapped(sides: &Sides, sample: &Sample, other: &Other<'_>) -> Option<Base> {
    let [reference, actual] =
        [Some(other.reference), other.actual].map(|side| side.filter(|side| side.len() == sides.len()).map(widen));
    let values = reference?;
    Screen::new(&sides.actual, &values, sample).alike(Some)?;
    let is_both = actual.is_some_and(|actual| {
        let pairs = actual.iter().zip(&sides.reference).filter(|(a, r)| !(**a - **r).is_nan());
        let (left, all) = pairs.fold((0.0, 0.0), |(left, all), (a, r)| (left + (a - r) * (a - r), all + r * r));
        left <= 0.01 * all
    });
    let name = other.name;
    let evidence = match is_both {
        true => format!("it is the output `{name}`, and `{name}` is this one: the two are exchanged"),
        false => format!("it is the reference of the output `{name}`"),
    };
    let details = Details { name: Some(name.to_owned()), ..Details::default() };
    Some(Base::new(Part::new(Hypothesis::SwappedOutputs, evidence, details), values, 0))
}

/// The reference plus or minus an input: one that only one side adds, or with the other sign.
fn with_input(sides: &Sides, sample: &Sample, name: &str, input: &Tensor) -> Option<Base> {
    let values = widen(input);
    // A single number beside every element is found without its input.
    let view = ArrayViewD::from_shape(input.shape(), &values).ok().filter(|view| view.len() > 1)?;
    let beside: Vec<f64> = view.broadcast(sides.shape.as_slice())?.iter().copied().collect();
    let [mut run, mut rise, mut squares, mut shared, mut reference] = [0.0; 5];
    for &position in &sample.positions {
        let (x, r, difference) = (beside[position], sides.reference[position], sides.difference(position));
        if !(x + difference).is_nan() {
            (run, rise, squares) = (run + x * x, rise + x * difference, squares + difference * difference);
            (shared, reference) = (shared + x * r, reference + r * r);
        }
    }
    // Where the reference is a multiple of the input, a factor says the same and claims less.
    let is_multiple = shared * shared > 0.999 * run * reference;
    if is_multiple || run == 0.0 || squares == 0.0 || rise * rise < 0.5 * run * squares {
        return None;
    }
    let times = [-1.0, 1.0, -2.0].into_iter().find(|times| (rise / run / times - 1.0).abs() < 0.3)?;
    let moved = sides.reference.iter().zip(&beside).map(|(r, x)| r + times * x).collect();
    let details = Details { name: Some(name.to_owned()), ..Details::default() };
    Some(Base::new(Part::new(Hypothesis::Bias, plus_input("reference", times, name), details), moved, 0))
}

/// Elements that a rule has to move at least, and as many that it has to leave.
const ELEMENTS: usize = 8;

/// Elements that a slice has at least.
const SLICE: usize = 4;

/// Slices that are matched with each other at most.
const SLICES: usize = 1 << 14;

/// Rules that hold of every element or are not told: a clamp, a factor for each index of an axis, slices in another order.
/// [`holds`] decides.
pub(super) fn exact(question: &Question<'_>, sides: &Sides) -> Vec<Base> {
    if !sides.is_aligned() || !sides.lost.is_empty() {
        return Vec::new();
    }
    let mut bases = clamps(sides);
    bases.extend(sides.axes().filter_map(|axis| factors(question, sides, axis)));
    bases.extend(sides.axes().filter_map(|axis| order(sides, axis)));
    bases.retain(|base| holds(sides, base));
    bases
}

/// Whether the base is the actual tensor up to rounding, at every element and by far more than the reference is.
fn holds(sides: &Sides, base: &Base) -> bool {
    let mut squares = 0.0;
    let pairs = base.actual.as_deref().unwrap_or(&sides.actual).iter().zip(&base.values);
    let is_close = pairs.filter(|(a, b)| !(**a - **b).is_nan()).all(|(a, b)| {
        squares += (a - b) * (a - b);
        is_equal(sides, *a, *b)
    });
    is_close && squares <= 1e-4 * sides.squares
}

/// Whether two numbers are the same up to rounding.
fn is_equal(sides: &Sides, a: f64, b: f64) -> bool {
    (a - b).abs() <= sides.noise.slack(a.abs().max(b.abs()), 0.0).max(sides.noise.limit(sides.rms))
}

/// One side is the other cut off at its own lowest or highest value.
fn clamps(sides: &Sides) -> Vec<Base> {
    let one = clamp(&sides.actual, &sides.reference, ["actual", "reference"]);
    let other = clamp(&sides.reference, &sides.actual, ["reference", "actual"]);
    let undone = other.map(|base| Base { actual: Some(base.values), values: sides.reference.clone(), ..base });
    one.into_iter().chain(undone).collect()
}

/// What cutting off makes of `free`, where `cut` has its lowest or highest value wherever `free` is beyond that.
fn clamp(cut: &[f64], free: &[f64], [cut_name, free_name]: [&str; 2]) -> Option<Base> {
    let pairs = || cut.iter().zip(free).filter(|(c, f)| !(**c - **f).is_nan());
    let (low, high) = extremes(pairs().map(|(c, _)| c));
    let below = pairs().filter(|(c, f)| **c == low && **f < low).count();
    let above = pairs().filter(|(c, f)| **c == high && **f > high).count();
    let within = pairs().filter(|(_, f)| (low..=high).contains(*f)).count();
    if below + above < ELEMENTS || within < ELEMENTS || within * 20 < below + above || low >= high {
        return None;
    }
    let [low_word, high_word] = apart([low, high]);
    // One element alone may be the highest by chance, and a whole one be off at an end.
    let (rule, from, to) = match (below >= ELEMENTS / 2, above >= ELEMENTS / 2) {
        (true, false) if low == 0.0 => {
            (format!("{cut_name} = max({free_name}, 0), as a ReLU makes it"), low, f64::INFINITY)
        }
        (true, false) => (format!("{cut_name} = max({free_name}, {})", exactly(low)), low, f64::INFINITY),
        (false, true) => (format!("{cut_name} = min({free_name}, {})", exactly(high)), f64::NEG_INFINITY, high),
        (true, true) => {
            (format!("{cut_name} = {free_name}, cut off below {low_word} and above {high_word}"), low, high)
        }
        (false, false) => return None,
    };
    let details = Details { elements: Some((below + above) as u64), ..Details::default() };
    // NaN stays what it is.
    let values = free.iter().map(|x| x.clamp(from, to)).collect();
    Some(Base::new(Part::new(Hypothesis::Clamp, rule, details), values, 1))
}

/// Each index of the axis has a factor of its own. A sign may be on any axis; other factors on those of channels alone: rows
/// have theirs for many reasons, a norm among them.
fn factors(question: &Question<'_>, sides: &Sides, axis: usize) -> Option<Base> {
    let extent = sides.shape[axis];
    let at = sides.along(axis);
    let mut sums = vec![[0.0f64; 3]; extent];
    for position in (0..sides.len()).filter(|&position| !sides.difference(position).is_nan()) {
        let (a, r) = (sides.actual[position], sides.reference[position]);
        let [count, rise, run] = &mut sums[at(position)];
        (*count, *rise, *run) = (*count + if r != 0.0 { 1.0 } else { 0.0 }, *rise + a * r, *run + r * r);
    }
    let factors: Vec<f64> = sums.iter().map(|[_, rise, run]| if *run > 0.0 { rise / run } else { 1.0 }).collect();
    let precision = (64.0 * sides.noise.eps).max(1e-9);
    let is_sign = |factor: &f64| (factor.abs() - 1.0).abs() <= precision;
    // Where an index has too little to tell, nothing is told.
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
        let evidence = format!("actual = -reference at {}; the others are right", indices(&negative, axis));
        let signs: Vec<f64> = factors.iter().map(|factor| factor.signum()).collect();
        return Some(Base::new(Part::new(Hypothesis::Negated, evidence, details), values(&signs), extent));
    }
    let is_channel = axis + 1 == sides.shape.len() || axis == 1 && sides.shape.len() >= 4;
    let (least, most) = extremes(&factors);
    if !is_channel || most - least <= precision * most.abs().max(least.abs()) {
        return None;
    }
    let [least, most] = apart([least, most]);
    let input = question.inputs.iter().find_map(|(name, input)| {
        let input = Some(widen(input)).filter(|values| values.len() == extent)?;
        // An input of equal values, or nearly, is like any factors near 1: it has to agree by far more than it varies.
        let room = (0.02 * varies(&input).min(varies(&factors))).min(1e-3);
        let is = |power: i32| factors.iter().zip(&input).all(|(f, x)| (f / x.powi(power) - 1.0).abs() <= room);
        let what = if is(-1) { "is not applied" } else { is(1).then_some("is applied twice")? };
        Some((
            (*name).to_owned(),
            format!("the input `{name}` {what}: each index of axis {axis} is off by that factor"),
        ))
    });
    let (name, evidence) = input.map_or_else(
        || (None, format!("each index of axis {axis} is off by a factor of its own, {least} to {most}")),
        |(name, evidence)| (Some(name), evidence),
    );
    let details = Details { name, ..details };
    Some(Base::new(Part::new(Hypothesis::Scale, evidence, details), values(&factors), extent))
}

/// The largest ratio of two of the values, less 1.
fn varies(values: &[f64]) -> f64 {
    let (least, most) = extremes(values);
    // With two signs they are far from each other.
    if least * most > 0.0 { (most / least).max(least / most) - 1.0 } else { f64::INFINITY }
}

/// The slices of the axis in another order.
fn order(sides: &Sides, axis: usize) -> Option<Base> {
    let (extent, len) = (sides.shape[axis], sides.len());
    if extent > SLICES || len / extent < SLICE.max(if sides.noise.eps == 0.0 { ELEMENTS } else { 0 }) {
        return None;
    }
    let stride: usize = sides.shape[axis + 1..].iter().product();
    let places =
        |index: usize| (0..len / extent).map(move |at| at / stride * stride * extent + index * stride + at % stride);
    // A slice as a number: the same for the same elements, whatever their order among slices is.
    let mark = |side: &[f64], index: usize| {
        places(index).enumerate().map(|(at, p)| side[p] * ((at as f64 * 0.754_877_666).fract() + 0.25)).sum::<f64>()
    };
    let mut marks: Vec<(f64, usize)> = (0..extent).map(|index| (mark(&sides.reference, index), index)).collect();
    if marks.iter().any(|(mark, _)| mark.is_nan()) {
        return None;
    }
    marks.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Slices of which most are equal have no order.
    let distinct = marks.windows(2).filter(|pair| pair[0].0 != pair[1].0).count() + 1;
    if distinct * 2 < extent {
        return None;
    }
    let mut is_free = vec![true; extent];
    let is_slice = |index: usize, from: usize| {
        places(index).zip(places(from)).all(|(p, q)| is_equal(sides, sides.actual[p], sides.reference[q]))
    };
    let room = sides.noise.limit(sides.rms) * (len / extent) as f64;
    let mut sources = Vec::with_capacity(extent);
    for index in 0..extent {
        let mark = mark(&sides.actual, index);
        let from = marks.partition_point(|(other, _)| *other < mark - room);
        let near = marks[from..].iter().take_while(|(other, _)| *other <= mark + room).map(|(_, at)| *at);
        // Of equal ones that in its own place.
        let mut near: Vec<usize> = near.filter(|&at| is_free[at]).collect();
        near.sort_by_key(|&at| (at != index, at));
        let source = near.into_iter().take(64).find(|&at| is_slice(index, at))?;
        is_free[source] = false;
        sources.push(source);
    }
    let moved: Vec<usize> = (0..extent).filter(|&index| sources[index] != index).collect();
    let evidence = match moved[..] {
        [] => return None,
        [one, other] => format!("indices {one} and {other} of axis {axis} are exchanged"),
        _ => format!("the indices of axis {axis} are in another order: {}", runs(&sources)),
    };
    let values = (0..len).map(|p| {
        let index = p / stride % extent;
        sides.reference[p + sources[index] * stride - index * stride]
    });
    let details = Details { axes: Some(vec![axis]), ..Details::default() };
    Some(Base::new(Part::new(Hypothesis::SliceOrder, evidence, details), values.collect(), extent))
}

/// Numbers in a list, those that follow each other as a range: `0..16, 32..48, 7`, and no more than a few.
fn runs(numbers: &[usize]) -> String {
    const SHOWN: usize = 8;
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, end)) if *end == number => *end += 1,
            _ => runs.push((number, number + 1)),
        }
    }
    let word = |&(from, to): &(usize, usize)| if to == from + 1 { from.to_string() } else { format!("{from}..{to}") };
    let shown: Vec<String> = runs.iter().take(SHOWN).map(word).collect();
    format!("{}{}", shown.join(", "), if runs.len() > SHOWN { ", .." } else { "" })
}

fn indices(numbers: &[usize], axis: usize) -> String {
    let word = if numbers.len() == 1 { "index" } else { "indices" };
    format!("{word} {} of axis {axis}", runs(numbers))
}
