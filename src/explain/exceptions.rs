//! Where a model does not hold: at a few elements, after a position, wherever there is one value, or by rounding.

use serde_json::Value;

use super::explanation::{Details, Hypothesis, Question};
use super::fit::{Between, Fit, by_axis, profile};
use super::parts::{Part, exactly, region, share};
use super::rounding;
use super::sides::{Sides, extremes};

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
pub(super) fn find(question: &Question<'_>, between: Between<'_>, fit: &Fit, kind: Kind) -> Vec<Excused> {
    let (sides, tally) = (between.sides, fit.tally);
    let is_identity = kind == Kind::Identity;
    let mut excused = Vec::new();
    if tally.beyond == 0 && !is_identity {
        return excused;
    }
    let holds = tally.numbers - tally.beyond;
    // Under a model of its own the rest has to be evidence for it.
    let is_enough = is_identity || (holds >= 32 && holds as f64 >= sides.noise.chance() * tally.numbers as f64);
    if is_enough && tally.beyond > 0 {
        // A factor for each row is right for the first ones by chance.
        if sides.is_aligned() && (kind != Kind::Scaled || !is_by_index(between, fit)) {
            excused.extend(stale(between, fit, kind));
        }
        let is_few = tally.beyond as f64 <= 2.0 * FEW * tally.numbers as f64;
        let mut parts = Vec::new();
        if tally.rms_within() <= between.limit() && holds > 0 {
            if is_few || (is_identity && is_one_value(between, fit)) {
                let wrong = wrong(between, fit);
                parts.extend(outliers(sides, &wrong));
                parts.extend(constant(sides, &wrong).filter(|_| is_identity));
            }
            parts.extend(is_identity.then(|| unmasked(question, between, fit)).flatten());
        }
        excused.extend(parts.into_iter().map(|part| Excused { part, left: tally.within }));
    }
    if tally.rms() <= 0.01 * sides.rms {
        let predicted = match (&fit.model.bias, fit.model.factor) {
            // Rounding blurs the factor, and the factor decides the rounding.
            (None, factor) if factor != 1.0 => {
                let times = rounding::factor(between.actual, between.base).unwrap_or(factor);
                between.base.iter().map(|x| times * x).collect()
            }
            _ => fit.model.predict(between),
        };
        let found = rounding::find(between.actual, &predicted, sides.finer_eps, ["actual", "the reference"]);
        excused.extend(found.map(|(part, left)| Excused { part, left }));
    }
    excused
}

/// Whether the wrong elements are those of the base with another factor for each index of an axis.
fn is_by_index(between: Between<'_>, fit: &Fit) -> bool {
    /// The share of their squares that such factors explain.
    const MOST: f64 = 0.5;
    let wrong = || {
        let actual = move |position: usize| match between.is_wrong(&fit.model, position) {
            true => between.actual[position],
            false => f64::NAN,
        };
        (0..between.base.len()).map(move |position| (actual(position), between.base[position]))
    };
    by_axis(between.sides, wrong).any(|explained| explained > MOST)
}

/// Whether the wrong elements of the sample have one value.
fn is_one_value(between: Between<'_>, fit: &Fit) -> bool {
    let mut wrong = between.sample.positions.iter().filter(|&&position| between.is_wrong(&fit.model, position));
    wrong.next().is_none_or(|&first| wrong.all(|&position| between.actual[position] == between.actual[first]))
}

/// The positions of the elements that are left with more than rounding explains.
fn wrong(between: Between<'_>, fit: &Fit) -> Vec<usize> {
    (0..between.base.len()).filter(|&position| between.is_wrong(&fit.model, position)).collect()
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
    let carry = if wrong.len() == 1 { "carries it all, at" } else { "carry it all, within" };
    let evidence = format!("{} {carry} {region}; the others are right", share(wrong.len(), sides));
    Some(Part::new(Hypothesis::Outliers, evidence, counted(wrong.len())))
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
    // One value here and there has other reasons: a clamp, a dropout, a mask.
    let (region, is_full) = region(&sides.shape, wrong);
    (is_constant && varies && is_full).then(|| {
        let (share, value) = (share(wrong.len(), sides), exactly(value));
        let evidence = format!("{share} are {value} wherever it differs, all of {region}");
        Part::new(Hypothesis::ConstantOutput, evidence, counted(wrong.len()))
    })
}

/// The whole actual tensor is one value, and the reference is not.
pub(super) fn constant_throughout(sides: &Sides) -> Option<Part> {
    let (low, high) = extremes(&sides.actual);
    let value = if low == high { low } else { (low + high) / 2.0 };
    let size = low.abs().max(high.abs());
    let (low_reference, high_reference) = extremes(&sides.reference);
    let is_constant = high - low <= sides.noise.slack(size, 0.0);
    // What hardly varies itself comes to one value by a bias as well.
    let varies = high_reference - low_reference > 4.0 * sides.noise.slack(size.max(sides.rms_reference), 0.0);
    (is_constant && varies && sides.numbers >= 2).then(|| {
        let evidence = format!("every element of actual is {}", exactly(value));
        Part::new(Hypothesis::ConstantOutput, evidence, counted(sides.numbers as usize))
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
    let evidence = format!("{side} NaN or infinite at {}, {place} {region}", share(sides.lost.len(), sides));
    Some(Part::new(Hypothesis::NanRegion, evidence, counted(sides.lost.len())))
}

fn counted(elements: usize) -> Details {
    Details { elements: Some(elements as u64), ..Details::default() }
}

/// Right up to a position along an axis, wrong from there on.
fn stale(between: Between<'_>, fit: &Fit, kind: Kind) -> Option<Excused> {
    let sides = between.sides;
    let shape = &sides.shape;
    // The axis of positions in [batch, position, width] and in [batch, head, position, width].
    let usual = shape.len().saturating_sub(2);
    // And in [batch, position, head, width]; of tokens, which are integers, and of a vector it is the last. Others have no
    // order.
    let is_position = |axis: usize| {
        axis == usual
            || (shape.len() == 4 && axis == 1 && shape[1] > shape[2])
            || (shape.len() == 1 || shape.len() == 2 && sides.noise.eps == 0.0) && axis + 1 == shape.len()
    };
    // Not along an axis that has a bias for each position.
    let taken = fit.model.bias.as_ref().map_or(&[][..], |bias| bias.groups.axes.as_slice());
    let mut axes: Vec<usize> = sides.axes().filter(|axis| is_position(*axis) && !taken.contains(axis)).collect();
    axes.sort_by_key(|&axis| (axis != usual, axis));
    axes.into_iter().filter(|&axis| may_be(between, fit, axis)).find_map(|axis| {
        let extent = shape[axis];
        let profile = profile(between, &fit.model, axis);
        let first = profile.iter().position(|tally| tally.beyond > 0)?;
        // A rotation by position 0, a sum of one and the first step of a recurrence are right whatever is wrong.
        if first == 1 {
            return None;
        }
        let (right, wrong) = profile.split_at(first);
        let after = || wrong.iter().filter(|tally| tally.numbers > 0);
        let (numbers, squares) =
            right.iter().fold((0, 0.0), |(n, sum), tally| (n + tally.numbers, sum + tally.squares));
        let is_clean_before = (squares / numbers.max(1) as f64).sqrt() <= between.limit();
        let before = right.iter().filter(|tally| tally.numbers > 0).count();
        let (bad, all) = after().fold((0, 0), |(bad, all), tally| (bad + tally.beyond, all + tally.numbers));
        let is_wrong_after =
            after().all(|tally| tally.numbers < 4 || tally.beyond as f64 >= 0.3 * tally.numbers as f64);
        let is_dense = bad as f64 >= if all / wrong.len() as u64 >= 4 { 0.5 } else { 0.9 } * all as f64;
        // On another axis two of each: one of a few is no position.
        let is_usual = axis == usual && extent >= 3 && shape.len() > 1;
        let least = if is_usual { 1 } else { 2 + usize::from(shape.len() == 1) * 2 };
        let is_long = before >= least.max(2) && after().count() >= least;
        let is_evidence = match kind {
            Kind::Identity => true,
            // A factor of its own fits one position by chance.
            Kind::Scaled => numbers >= 32 && before >= 2,
            Kind::Moved => before >= 8 && before * 2 >= extent,
        };
        let holds = is_wrong_after && is_dense && is_long && is_evidence && is_clean_before;
        holds.then(|| {
            let right = first - 1;
            let evidence =
                format!("right up to position {right} of axis {axis}, wrong from {first} on: where, not why");
            let details = Details { axes: Some(vec![axis]), position: Some(first), ..Details::default() };
            Excused { part: Part::new(Hypothesis::StalePosition, evidence, details), left: squares }
        })
    })
}

/// Whether the sample allows it: nothing is wrong at first, and most is from there on.
fn may_be(between: Between<'_>, fit: &Fit, axis: usize) -> bool {
    let (sides, tally) = (between.sides, fit.tally);
    // One position has to be wrong, by its most part.
    if (tally.beyond as f64) < 0.3 * tally.numbers as f64 / sides.shape[axis] as f64 {
        return false;
    }
    // A sample of a long axis holds the first position by chance alone.
    let at = sides.along(axis);
    let is_wrong = |position: usize| between.is_wrong(&fit.model, position);
    if (0..sides.len()).any(|position| at(position) == 0 && is_wrong(position)) {
        return false;
    }
    let (wrong, right): (Vec<usize>, Vec<usize>) =
        between.sampled().into_iter().partition(|&position| is_wrong(position));
    let Some(first) = wrong.iter().map(|&position| at(position)).min() else { return true };
    first > 0 && right.iter().filter(|&&position| at(position) >= first).count() <= wrong.len()
}

/// Only the last position is right: it alone sees the same with a causal mask and without. That is too little without a word
/// that attention is in it.
fn unmasked(question: &Question<'_>, between: Between<'_>, fit: &Fit) -> Option<Part> {
    let sides = between.sides;
    let [.., positions, _] = sides.shape[..] else { return None };
    if !is_attention(question) || positions < 3 || !sides.is_aligned() {
        return None;
    }
    let profile = profile(between, &fit.model, sides.shape.len() - 2);
    let (last, earlier) = profile.split_last()?;
    let is_last = last.beyond == 0 && last.numbers > 0;
    // The earlier a query is, the more of what it sees lies in the future.
    let (first, later) = (earlier.first()?.rms(), earlier.last()?.rms());
    (is_last && first > later && earlier.iter().all(|tally| tally.beyond * 2 > tally.numbers)).then(|| {
        let last = positions - 1;
        let evidence = format!(
            "the mask is missing, or one too many: only position {last} is right, which sees all others either way"
        );
        // A place: it predicts no value.
        let details = Details { axes: Some(vec![sides.shape.len() - 2]), position: Some(last), ..Details::default() };
        Part::new(Hypothesis::CausalMask, evidence, details)
    })
}

/// Whether the case says that there is attention in its checkpoint.
pub(super) fn is_attention(question: &Question<'_>) -> bool {
    let hints = ["attn", "attention", "block", "decoder", "transformer", "score", "prob", "softmax", "mask"];
    let is_causal = question.params.get("causal").is_some_and(|value| **value != Value::Bool(false));
    let mut names = question.inputs.keys().copied().chain(question.checkpoint);
    is_causal || names.any(|name| hints.iter().any(|hint| name.contains(hint)))
}
