//! Exceptions of a model: a few elements, the positions after one, a constant region, or rounding to 16 bits.

use serde_json::Value;

use super::explanation::{Details, Hypothesis, Question};
use super::fit::{Fit, FitData, explained_by_axis, profile};
use super::parts::{Part, bounding_box, describe_count, format_exact};
use super::rounding;
use super::sides::{Sides, min_max};

/// The largest share of elements that may be outliers.
const MAX_OUTLIERS: f64 = 0.01;

/// The exceptions of a model, and the squared difference that remains in the other elements.
pub(super) struct Exception {
    pub(super) part: Part,
    pub(super) left: f64,
}

/// What a model claims by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModelKind {
    /// Actual is the reference.
    Identity,
    /// Actual is the reference with a factor or a bias.
    Scaled,
    /// Actual is another tensor, or the reference in another order. Some elements fit by chance.
    Moved,
}

/// Finds every kind of exception that covers the elements for which the model is wrong.
pub(super) fn find(question: &Question<'_>, data: FitData<'_>, fit: &Fit, kind: ModelKind) -> Vec<Exception> {
    let (sides, residuals) = (data.sides, fit.residuals);
    let is_identity = kind == ModelKind::Identity;
    let mut exceptions = Vec::new();
    if residuals.wrong == 0 && !is_identity {
        return exceptions;
    }
    let right = residuals.count - residuals.wrong;
    // The other elements have to be evidence for the model.
    let is_enough = is_identity || (right >= 32 && right as f64 >= sides.noise.chance() * residuals.count as f64);
    if is_enough && residuals.wrong > 0 {
        // If each row has its own factor, the first rows are right by chance.
        if sides.is_aligned() && (kind != ModelKind::Scaled || !is_scaled_by_index(data, fit)) {
            exceptions.extend(stale_position(data, fit, kind));
        }
        let mut parts = Vec::new();
        if residuals.rms_inside() <= data.limit() && right > 0 {
            let is_few = residuals.wrong as f64 <= 2.0 * MAX_OUTLIERS * residuals.count as f64;
            if is_few || (is_identity && is_constant_sample(data, fit)) {
                let all = 0..data.base.len();
                let wrong: Vec<usize> = all.filter(|&position| data.is_wrong(&fit.model, position)).collect();
                parts.extend(outliers(sides, &wrong));
                parts.extend(constant_region(sides, &wrong).filter(|_| is_identity));
            }
            parts.extend(is_identity.then(|| missing_mask(question, data, fit)).flatten());
        }
        exceptions.extend(parts.into_iter().map(|part| Exception { part, left: residuals.squares_inside }));
    }
    if residuals.rms() <= 0.01 * sides.rms {
        let predicted = match (&fit.model.bias, fit.model.factor) {
            // The fitted factor is not precise enough to predict how each element is rounded.
            (None, factor) if factor != 1.0 => {
                let times = rounding::find_factor(data.actual, data.base).unwrap_or(factor);
                data.base.iter().map(|x| times * x).collect()
            }
            _ => fit.model.predict_all(data),
        };
        let rounded = rounding::find_rounding(data.actual, &predicted, sides.finer_eps, ["actual", "the reference"]);
        exceptions.extend(rounded.map(|(part, left)| Exception { part, left }));
    }
    exceptions
}

/// Whether the wrong elements are those of the base with a factor for each index of an axis.
fn is_scaled_by_index(data: FitData<'_>, fit: &Fit) -> bool {
    /// The share of their squares that such factors have to explain.
    const MOST: f64 = 0.5;
    let wrong = || {
        let actual = move |position: usize| match data.is_wrong(&fit.model, position) {
            true => data.actual[position],
            false => f64::NAN,
        };
        (0..data.base.len()).map(move |position| (actual(position), data.base[position]))
    };
    explained_by_axis(data.sides, wrong).any(|explained| explained > MOST)
}

/// Whether the wrong elements of the sample have a single value.
fn is_constant_sample(data: FitData<'_>, fit: &Fit) -> bool {
    let mut wrong = data.sample.positions.iter().filter(|&&position| data.is_wrong(&fit.model, position));
    wrong.next().is_none_or(|&first| wrong.all(|&position| data.actual[position] == data.actual[first]))
}

/// Detects that only a few elements are wrong.
fn outliers(sides: &Sides, wrong: &[usize]) -> Option<Part> {
    let limit = ((sides.finite_count as f64 * MAX_OUTLIERS) as usize).max(match sides.finite_count {
        32.. => 2,
        8.. => 1,
        _ => 0,
    });
    if wrong.len() > limit {
        return None;
    }
    let (region, _) = bounding_box(&sides.shape, wrong);
    let place = if wrong.len() == 1 { "is wrong, at" } else { "are wrong, within" };
    let evidence = format!("only {} {place} {region}", describe_count(wrong.len(), sides));
    Some(Part::new(Hypothesis::Outliers, evidence, count_details(wrong.len())))
}

/// Detects that all wrong elements have the same value.
fn constant_region(sides: &Sides, wrong: &[usize]) -> Option<Part> {
    let value = sides.actual[*wrong.first()?];
    // A huge value only fills a masked place.
    let is_constant = wrong.len() >= 8
        && value.abs() < 1e4 * sides.rms_reference
        && wrong.iter().all(|&position| sides.actual[position] == value);
    let references = || wrong.iter().map(|&position| sides.reference[position]);
    // If the reference is constant too, it is another fault.
    let varies = references().any(|x| x != sides.reference[wrong[0]]);
    // A value in scattered places has other reasons: a clamp, a dropout, a mask.
    let (region, is_full) = bounding_box(&sides.shape, wrong);
    (is_constant && varies && is_full).then(|| {
        let (count, value) = (describe_count(wrong.len(), sides), format_exact(value));
        let evidence = format!("{count} differ, and are all {value}: the whole of {region}");
        Part::new(Hypothesis::ConstantOutput, evidence, count_details(wrong.len()))
    })
}

/// Detects that the whole actual tensor is constant, and the reference is not.
pub(super) fn constant_output(sides: &Sides) -> Option<Part> {
    let (low, high) = min_max(&sides.actual);
    let value = if low == high { low } else { (low + high) / 2.0 };
    let size = low.abs().max(high.abs());
    let (low_reference, high_reference) = min_max(&sides.reference);
    let is_constant = high - low <= sides.noise.slack(size, 0.0);
    // A bias would explain a reference that hardly varies.
    let varies = high_reference - low_reference > 4.0 * sides.noise.slack(size.max(sides.rms_reference), 0.0);
    (is_constant && varies && sides.finite_count >= 2).then(|| {
        let evidence = format!("every element of actual is {}", format_exact(value));
        Part::new(Hypothesis::ConstantOutput, evidence, count_details(sides.finite_count as usize))
    })
}

/// Describes where one side is not finite, if it is not.
pub(super) fn non_finite_region(sides: &Sides) -> Option<Part> {
    let positions = &sides.non_finite;
    if positions.is_empty() {
        return None;
    }
    let (region, is_full) = bounding_box(&sides.shape, positions);
    let side = match positions.iter().filter(|&&position| sides.actual[position].is_nan()).count() {
        0 => "the reference is",
        count if count == positions.len() => "actual is",
        _ => "one side is",
    };
    let place = if is_full { "all of" } else { "within" };
    let evidence = format!("{side} NaN or infinite at {}, {place} {region}", describe_count(positions.len(), sides));
    Some(Part::new(Hypothesis::NanRegion, evidence, count_details(positions.len())))
}

fn count_details(elements: usize) -> Details {
    Details { elements: Some(elements as u64), ..Details::default() }
}

/// Detects that actual is right up to a position along an axis and wrong after it.
fn stale_position(data: FitData<'_>, fit: &Fit, kind: ModelKind) -> Option<Exception> {
    let sides = data.sides;
    let shape = &sides.shape;
    // The axis of positions in [batch, position, width] and in [batch, head, position, width].
    let usual = shape.len().saturating_sub(2);
    // It may also be axis 1, as in [batch, position, head, width], and is the last axis of a vector or of tokens, which are
    // integers. Other axes have no order.
    let is_position = |axis: usize| {
        axis == usual
            || (shape.len() == 4 && axis == 1 && shape[1] > shape[2])
            || (shape.len() == 1 || shape.len() == 2 && sides.noise.eps == 0.0) && axis + 1 == shape.len()
    };
    // An axis with a bias for each position is excluded.
    let biased = fit.model.bias.as_ref().map_or(&[][..], |bias| bias.groups.axes.as_slice());
    let mut axes: Vec<usize> = sides.axes().filter(|axis| is_position(*axis) && !biased.contains(axis)).collect();
    axes.sort_by_key(|&axis| (axis != usual, axis));
    axes.into_iter().filter(|&axis| is_plausible(data, fit, axis)).find_map(|axis| {
        let extent = shape[axis];
        let profile = profile(data, &fit.model, axis);
        let first = profile.iter().position(|residuals| residuals.wrong > 0)?;
        // A rotation by position 0, a sum of one element and the first step of a recurrence are right despite many faults.
        if first == 1 {
            return None;
        }
        let (right, wrong) = profile.split_at(first);
        let after = || wrong.iter().filter(|at| at.count > 0);
        let (count, squares) = right.iter().fold((0, 0.0), |(n, sum), at| (n + at.count, sum + at.squares));
        let is_clean_before = (squares / count.max(1) as f64).sqrt() <= data.limit();
        let before = right.iter().filter(|at| at.count > 0).count();
        let (bad, all) = after().fold((0, 0), |(bad, all), at| (bad + at.wrong, all + at.count));
        let is_wrong_after = after().all(|at| at.count < 4 || at.wrong as f64 >= 0.3 * at.count as f64);
        let is_dense = bad as f64 >= if all / wrong.len() as u64 >= 4 { 0.5 } else { 0.9 } * all as f64;
        // On an unusual axis, a single right or wrong index is not enough.
        let is_usual = axis == usual && extent >= 3 && shape.len() > 1;
        let least = if is_usual { 1 } else { 2 + usize::from(shape.len() == 1) * 2 };
        let is_long = before >= least.max(2) && after().count() >= least;
        let is_evidence = match kind {
            ModelKind::Identity => true,
            // A factor fits one position by chance.
            ModelKind::Scaled => count >= 32 && before >= 2,
            ModelKind::Moved => before >= 8 && before * 2 >= extent,
        };
        let holds = is_wrong_after && is_dense && is_long && is_evidence && is_clean_before;
        holds.then(|| {
            let right = first - 1;
            let evidence = format!(
                "right up to position {right} of axis {axis}, wrong from position {first} on (a location, not a cause)"
            );
            let details = Details { axes: Some(vec![axis]), position: Some(first), ..Details::default() };
            Exception { part: Part::new(Hypothesis::StalePosition, evidence, details), left: squares }
        })
    })
}

/// Whether a sample is compatible with a stale position: the first index is right, and most elements are wrong after some index.
fn is_plausible(data: FitData<'_>, fit: &Fit, axis: usize) -> bool {
    let (sides, residuals) = (data.sides, fit.residuals);
    // At least one position has to be wrong for the most part.
    if (residuals.wrong as f64) < 0.3 * residuals.count as f64 / sides.shape[axis] as f64 {
        return false;
    }
    // The sample of a long axis may lack the first index, so that all its elements are checked.
    let at = sides.index_on(axis);
    let is_wrong = |position: usize| data.is_wrong(&fit.model, position);
    if (0..sides.len()).any(|position| at(position) == 0 && is_wrong(position)) {
        return false;
    }
    let (wrong, right): (Vec<usize>, Vec<usize>) = data.sampled().into_iter().partition(|&position| is_wrong(position));
    let Some(first) = wrong.iter().map(|&position| at(position)).min() else { return true };
    first > 0 && right.iter().filter(|&&position| at(position) >= first).count() <= wrong.len()
}

/// Detects that only the last position is right, which sees the same with a causal mask and without. This is only evidence for a
/// checkpoint with attention.
fn missing_mask(question: &Question<'_>, data: FitData<'_>, fit: &Fit) -> Option<Part> {
    let sides = data.sides;
    let [.., positions, _] = sides.shape[..] else { return None };
    if !is_attention(question) || positions < 3 || !sides.is_aligned() {
        return None;
    }
    let profile = profile(data, &fit.model, sides.shape.len() - 2);
    let (last, earlier) = profile.split_last()?;
    let is_last_right = last.wrong == 0 && last.count > 0;
    // The earlier a query is, the more future positions it sees.
    let (first, later) = (earlier.first()?.rms(), earlier.last()?.rms());
    (is_last_right && first > later && earlier.iter().all(|at| at.wrong * 2 > at.count)).then(|| {
        let last = positions - 1;
        let evidence = format!(
            "the causal mask is missing, or should not be there: only position {last} is right, which sees all others \
             either way"
        );
        // The position marks it as a location: it predicts no values.
        let details = Details { axes: Some(vec![sides.shape.len() - 2]), position: Some(last), ..Details::default() };
        Part::new(Hypothesis::CausalMask, evidence, details)
    })
}

/// Whether the case hints at attention in its checkpoint.
pub(super) fn is_attention(question: &Question<'_>) -> bool {
    let hints = ["attn", "attention", "block", "decoder", "transformer", "score", "prob", "softmax", "mask"];
    let is_causal = question.params.get("causal").is_some_and(|value| **value != Value::Bool(false));
    let mut names = question.inputs.keys().copied().chain(question.checkpoint);
    is_causal || names.any(|name| hints.iter().any(|hint| name.contains(hint)))
}
