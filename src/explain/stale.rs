//! Right up to a position, or only at the last: where a model holds by the index on one axis.

use serde_json::Value;

use super::exceptions::{Excused, Kind, is_wrong};
use super::fit::{Between, Fit, profile};
use super::parts::Part;
use super::sample::Sample;
use super::sides::Sides;
use crate::explain::{Details, Hypothesis, Question};

/// Right up to a position along an axis, wrong from there on.
pub(super) fn stale(sides: &Sides, sample: &Sample, between: Between<'_>, fit: &Fit, kind: Kind) -> Option<Excused> {
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
    let taken = fit.model.bias.as_ref().map_or(&[][..], |bias| bias.groups.axes());
    let mut axes: Vec<usize> =
        (0..shape.len()).filter(|axis| shape[*axis] > 1 && is_position(*axis) && !taken.contains(axis)).collect();
    axes.sort_by_key(|&axis| (axis != usual, axis));
    axes.into_iter().filter(|&axis| may_be(sides, sample, between, fit, axis)).find_map(|axis| {
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
        let is_clean_before = (squares / numbers.max(1) as f64).sqrt() <= between.noise.limit(between.rms);
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
        let part = || Part {
            id: Hypothesis::StalePosition,
            evidence: format!(
                "right up to position {} of axis {axis}, wrong from {first} on: where, not why",
                first - 1
            ),
            details: Details { axes: Some(vec![axis]), position: Some(first), ..Details::default() },
        };
        let holds = is_wrong_after && is_dense && is_long && is_evidence && is_clean_before;
        holds.then(|| Excused { part: part(), left: squares })
    })
}

/// Whether the sample allows it: nothing is wrong at first, and most is from there on.
fn may_be(sides: &Sides, sample: &Sample, between: Between<'_>, fit: &Fit, axis: usize) -> bool {
    // One position has to be wrong, by its most part.
    if (fit.tally.beyond as f64) < 0.3 * fit.tally.numbers as f64 / sides.shape[axis] as f64 {
        return false;
    }
    let stride: usize = sides.shape[axis + 1..].iter().product();
    // A sample of a long axis holds the first position by chance alone.
    let mut first = (0..sides.len()).step_by(stride * sides.shape[axis]).flat_map(|start| start..start + stride);
    if first.any(|position| is_wrong(between, fit, position)) {
        return false;
    }
    let at = |position: usize| position / stride % sides.shape[axis];
    let here = |position: &&usize| !(between.actual[**position] - between.base[**position]).is_nan();
    let (wrong, right): (Vec<usize>, Vec<usize>) =
        sample.positions.iter().filter(here).partition(|&&position| is_wrong(between, fit, position));
    let Some(first) = wrong.iter().map(|&position| at(position)).min() else { return true };
    first > 0 && right.iter().filter(|&&position| at(position) >= first).count() <= wrong.len()
}

/// Only the last position is right: it alone sees the same with a causal mask and without. That is too little without a word
/// that attention is in it.
pub(super) fn unmasked(question: &Question<'_>, sides: &Sides, between: Between<'_>, fit: &Fit) -> Option<Part> {
    let [.., positions, _] = sides.shape[..] else { return None };
    if !is_attention(question) || positions < 3 || !sides.is_aligned() {
        return None;
    }
    let profile = profile(between, &fit.model, sides.shape.len() - 2);
    let (last, earlier) = profile.split_last()?;
    let is_last = last.beyond == 0 && last.numbers > 0;
    // The earlier a query is, the more of what it sees lies in the future.
    let (first, later) = (earlier.first()?.rms(), earlier.last()?.rms());
    (is_last && first > later && earlier.iter().all(|tally| tally.beyond * 2 > tally.numbers)).then(|| Part {
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

/// Whether the case says that there is attention in its checkpoint.
pub(super) fn is_attention(question: &Question<'_>) -> bool {
    let hints = ["attn", "attention", "block", "decoder", "transformer", "score", "prob", "softmax", "mask"];
    let is_causal = question.params.get("causal").is_some_and(|value| **value != Value::Bool(false));
    let mut names = question.inputs.keys().copied().chain(question.checkpoint);
    is_causal || names.any(|name| hints.iter().any(|hint| name.contains(hint)))
}
