//! Where a model does not hold: at a few elements, after a position, wherever there is one value, or by rounding.

use rayon::prelude::*;

use super::fit::{Between, Fit};
use super::parts::Part;
use super::places::{region, share};
use super::rounding;
use super::sample::Sample;
use super::sides::CHUNK;
use super::sides::Sides;
use super::words::number;
use crate::run::{Details, Hypothesis, Question};

/// The share of elements that may be outliers.
const FEW: f64 = 0.01;

/// What the exceptions of a model are, and the squares of what is left of the others.
pub(super) struct Excused {
    pub(super) part: Part,
    pub(super) left: f64,
}

/// How much a model claims by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing: actual is the reference.
    Identity,
    /// A factor, or a bias.
    Scaled,
    /// That it is another tensor than the reference, or that in another order: some of that fits by chance.
    Moved,
}

/// Every way to excuse the elements that the model leaves with more than rounding explains.
pub(super) fn find(
    question: &Question<'_>,
    sides: &Sides,
    sample: &Sample,
    between: Between<'_>,
    fit: &Fit,
    kind: Kind,
    eps: f64,
) -> Vec<Excused> {
    let tally = fit.tally;
    let is_identity = kind == Kind::Identity;
    let mut excused = Vec::new();
    if tally.beyond == 0 && !is_identity {
        return excused;
    }
    let holds = tally.numbers - tally.beyond;
    let limit = between.noise.limit(between.rms);
    let is_clean_else = tally.rms_within() <= limit && holds > 0;
    // Under a model of its own the rest has to be evidence for it.
    let is_enough = is_identity || (holds >= 32 && holds as f64 >= between.noise.chance() * tally.numbers as f64);
    let mut predicted = None;
    // What is spread over everything needs no list of places.
    let is_placed = tally.beyond as f64 <= 2.0 * FEW * tally.numbers as f64 || is_ordered(between, sample, fit);
    if is_enough && tally.beyond > 0 && is_placed {
        let predicted = predicted.get_or_insert_with(|| fit.model.predict(between));
        let wrong = wrong(between, predicted);
        if sides.is_aligned() {
            // Not along an axis that has a bias for each position.
            let taken = fit.model.bias.as_ref().map_or(&[][..], |bias| bias.groups.axes());
            excused.extend(stale(sides, between, predicted, &wrong, kind, taken));
        }
        if is_clean_else {
            excused.extend(outliers(sides, &wrong).map(|part| Excused { part, left: tally.within }));
        }
        if is_clean_else && is_identity {
            excused.extend(constant(sides, &wrong).map(|part| Excused { part, left: tally.within }));
            excused.extend(unmasked(question, sides, &wrong).map(|part| Excused { part, left: tally.within }));
        }
    }
    let is_near = tally.rms() <= 0.01 * between.rms && rounding::is_possible(between.actual, eps);
    if is_near {
        let predicted = match (&fit.model.bias, fit.model.factor) {
            // Rounding blurs the factor, and the factor decides the rounding.
            (None, factor) if factor != 1.0 => {
                let times = rounding::factor(between.actual, between.base).unwrap_or(factor);
                predicted.insert(between.base.iter().map(|x| times * x).collect())
            }
            _ => predicted.get_or_insert_with(|| fit.model.predict(between)),
        };
        let found = rounding::find(between.actual, predicted, eps, ["actual", "the reference"]);
        excused.extend(found.map(|(part, left)| Excused { part, left }));
    }
    excused
}

/// Whether the wrong elements of the sample may be right up to a position along some axis, or of one value.
fn is_ordered(between: Between<'_>, sample: &Sample, fit: &Fit) -> bool {
    let Between { shape, actual, noise, rms, .. } = between;
    let here = |position: &&usize| !(actual[**position] - between.base[**position]).is_nan();
    let positions: Vec<usize> = sample.positions.iter().filter(here).copied().collect();
    let is_wrong = |position: usize| {
        let predicted = fit.model.predict_at(between, position);
        (actual[position] - predicted).abs() > noise.slack(actual[position].abs().max(predicted.abs()), rms)
    };
    let (wrong, right): (Vec<usize>, Vec<usize>) = positions.iter().partition(|&&position| is_wrong(position));
    let is_one_value =
        wrong.first().is_none_or(|&first| wrong.iter().all(|&position| actual[position] == actual[first]));
    is_one_value
        || (0..shape.len()).filter(|&axis| shape[axis] > 1).any(|axis| {
            let stride: usize = shape[axis + 1..].iter().product();
            let at = |position: &usize| position / stride % shape[axis];
            let first = wrong.iter().map(at).min().unwrap_or(0);
            let last = wrong.iter().map(at).max().unwrap_or(0);
            let late = right.iter().filter(|position| at(position) >= first).count();
            // Right before and wrong after; or, of a mask, the other way round.
            late <= wrong.len() && first > 0 || last + 2 == shape[axis]
        })
}

/// The positions of the elements that are left with more than rounding explains.
fn wrong(between: Between<'_>, predicted: &[f64]) -> Vec<usize> {
    let Between { actual, noise, rms, .. } = between;
    let is_wrong = |&position: &usize| {
        let (a, p) = (actual[position], predicted[position]);
        (a - p).abs() > noise.slack(a.abs().max(p.abs()), rms)
    };
    (0..actual.len()).into_par_iter().with_min_len(CHUNK).filter(is_wrong).collect()
}

fn outliers(sides: &Sides, wrong: &[usize]) -> Option<Part> {
    let limit = ((sides.numbers as f64 * FEW) as usize).max(match sides.numbers {
        32.. => 2,
        8.. => 1,
        _ => 0,
    });
    if wrong.len() > limit {
        return None;
    }
    let (region, _) = region(&sides.shape, wrong);
    let are = if wrong.len() == 1 { "carries" } else { "carry" };
    let within = if wrong.len() == 1 { "at" } else { "within" };
    Some(Part {
        id: Hypothesis::Outliers,
        evidence: format!("{} {are} it all, {within} {region}; the others are right", share(wrong.len(), sides)),
        details: Details { elements: Some(wrong.len() as u64), ..Details::default() },
    })
}

/// Right up to a position along an axis, wrong from there on.
fn stale(
    sides: &Sides,
    between: Between<'_>,
    predicted: &[f64],
    wrong: &[usize],
    kind: Kind,
    taken: &[usize],
) -> Option<Excused> {
    let shape = &sides.shape;
    // The axis of positions in [batch, position, width] and in [batch, head, position, width].
    let usual = shape.len().saturating_sub(2);
    // And in [batch, position, head, width]; of tokens and of a vector it is the last. Others have no order.
    let is_position = |axis: usize| {
        axis == usual
            || (shape.len() == 4 && axis == 1 && shape[1] > shape[2])
            || (shape.len() <= 2 && axis + 1 == shape.len())
    };
    let mut axes: Vec<usize> =
        (0..shape.len()).filter(|axis| shape[*axis] > 1 && is_position(*axis) && !taken.contains(axis)).collect();
    axes.sort_by_key(|&axis| (axis != usual, axis));
    axes.into_iter().find_map(|axis| {
        let extent = shape[axis];
        let stride: usize = shape[axis + 1..].iter().product();
        let at = |position: usize| position / stride % extent;
        let first = wrong.iter().map(|&position| at(position)).min()?;
        let mut counts = vec![(0u64, 0u64); extent];
        wrong.iter().for_each(|&position| counts[at(position)].0 += 1);
        let mut left = (0u64, 0.0);
        // A position is a run of neighbours.
        for (run, (actual, predicted)) in between.actual.chunks(stride).zip(predicted.chunks(stride)).enumerate() {
            let differences = actual.iter().zip(predicted).map(|(a, p)| a - p).filter(|d| !d.is_nan());
            let (count, squares) = differences.fold((0, 0.0), |(n, sum), d| (n + 1, sum + d * d));
            counts[run % extent].1 += count;
            if run % extent < first {
                left = (left.0 + count, left.1 + squares);
            }
        }
        let is_clean_before = (left.1 / left.0.max(1) as f64).sqrt() <= between.noise.limit(between.rms);
        let before = counts[..first].iter().filter(|(_, all)| *all > 0).count();
        let after = counts[first..].iter().filter(|(_, all)| *all > 0);
        let (bad, all) = after.clone().fold((0, 0), |(b, n), (bad, all)| (b + bad, n + all));
        let is_wrong_after = after.clone().all(|(bad, all)| *all < 4 || *bad as f64 >= 0.3 * *all as f64);
        let is_dense = bad as f64 >= if all / (extent - first) as u64 >= 4 { 0.5 } else { 0.9 } * all as f64;
        let is_usual = axis == usual && extent >= 3 && shape.len() > 1;
        // On another axis two of each: one head of four is no position.
        let least = if is_usual { 1 } else { 2 + usize::from(shape.len() == 1) * 2 };
        let is_long = before >= least && after.count() >= least;
        let is_evidence = match kind {
            Kind::Identity => true,
            // A factor of its own fits one position by chance.
            Kind::Scaled => left.0 >= 32 && before >= 2,
            Kind::Moved => before >= 8 && before * 2 >= extent,
        };
        let part = || Part {
            id: Hypothesis::StalePosition,
            evidence: format!("right up to position {} of axis {axis}, wrong from {first} on", first - 1),
            details: Details { axes: Some(vec![axis]), position: Some(first), ..Details::default() },
        };
        let holds = is_wrong_after && is_dense && is_long && is_evidence && is_clean_before;
        holds.then(|| Excused { part: part(), left: left.1 })
    })
}

/// One value wherever it differs.
fn constant(sides: &Sides, wrong: &[usize]) -> Option<Part> {
    let value = sides.actual[*wrong.first()?];
    // What fills a masked place is no output.
    let is_constant = wrong.len() >= 8
        && value.abs() < 1e4 * sides.rms_reference
        && wrong.iter().all(|&position| sides.actual[position] == value);
    let references = || wrong.iter().map(|&position| sides.reference[position]);
    // Where the reference has one value too, it is another fault.
    let varies = references().any(|x| x != sides.reference[wrong[0]]);
    (is_constant && varies).then(|| {
        let (region, is_full) = region(&sides.shape, wrong);
        let place = if is_full { "all of" } else { "within" };
        Part {
            id: Hypothesis::ConstantOutput,
            evidence: format!("{} {} wherever it differs, {place} {region}", share(wrong.len(), sides), are(value)),
            details: Details { elements: Some(wrong.len() as u64), ..Details::default() },
        }
    })
}

/// Only the last position is right: it alone sees the same with a causal mask and without. That is too little without a word
/// that attention is in it.
fn unmasked(question: &Question<'_>, sides: &Sides, wrong: &[usize]) -> Option<Part> {
    let hints = ["att", "block", "decoder", "transformer"];
    let is_attention = question.checkpoint.is_some_and(|name| hints.iter().any(|hint| name.contains(hint)))
        || question.params.contains_key("causal");
    let [.., positions, width] = sides.shape[..] else { return None };
    if !is_attention || positions < 3 || !sides.is_aligned() {
        return None;
    }
    let mut counts = vec![0; positions];
    wrong.iter().for_each(|position| counts[position / width % positions] += 1);
    let each = sides.len() / positions;
    let (last, earlier) = counts.split_last()?;
    (*last == 0 && earlier.iter().all(|count| *count * 2 > each)).then(|| Part {
        id: Hypothesis::CausalMask,
        evidence: format!(
            "the mask is missing, or one too many: only position {} is right, which sees all others either way",
            positions - 1
        ),
        // A place: it predicts no value.
        details: Details {
            axes: Some(vec![sides.shape.len() - 2]),
            position: Some(positions - 1),
            ..Details::default()
        },
    })
}

fn are(value: f64) -> String {
    format!("are {}", number(value))
}

/// The whole actual tensor is one value, and the reference is not.
pub(super) fn constant_throughout(sides: &Sides) -> Option<Part> {
    let range = |side: &[f64], step: usize| {
        let numbers = side.iter().step_by(step).filter(|x| !x.is_nan());
        numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (x.min(low), x.max(high)))
    };
    let (low, high) = range(&sides.actual, (sides.len() / 4096).max(1));
    if high - low > sides.noise.slack(low.abs().max(high.abs()), 0.0) {
        return None;
    }
    let (low, high) = range(&sides.actual, 1);
    let value = if low == high { low } else { (low + high) / 2.0 };
    let size = low.abs().max(high.abs());
    let (low_reference, high_reference) = range(&sides.reference, 1);
    let is_constant = high - low <= sides.noise.slack(size, 0.0);
    // What hardly varies itself comes to one value by a bias as well.
    let varies = high_reference - low_reference > 4.0 * sides.noise.slack(size.max(sides.rms_reference), 0.0);
    (is_constant && varies && sides.numbers >= 2).then(|| Part {
        id: Hypothesis::ConstantOutput,
        evidence: format!("every element of actual is {}", number(value)),
        details: Details { elements: Some(sides.numbers), ..Details::default() },
    })
}

/// Where one side is not finite.
pub(super) fn lost(sides: &Sides) -> Option<Part> {
    let of_actual = sides.lost.iter().filter(|&&position| sides.actual[position].is_nan()).count();
    let (region, is_full) = if sides.lost.is_empty() { return None } else { region(&sides.shape, &sides.lost) };
    let side = match of_actual {
        0 => "the reference is",
        _ if of_actual == sides.lost.len() => "actual is",
        _ => "one side is",
    };
    let place = if is_full { "all of" } else { "within" };
    Some(Part {
        id: Hypothesis::NanRegion,
        evidence: format!("{side} NaN or infinite at {}, {place} {region}", share(sides.lost.len(), sides)),
        details: Details { elements: Some(sides.lost.len() as u64), ..Details::default() },
    })
}
