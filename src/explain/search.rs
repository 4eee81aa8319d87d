//! From hypotheses to answers: what fits, best first.

use super::accumulation;
use super::bases::{Base, bases, has_order, moved};
use super::complex;
use super::exact;
use super::exceptions::{self, Kind, constant_throughout, lost};
use super::fit::{Between, Bias, Fit, Model, models, settle, spread_within};
use super::parts::{Part, model_parts};
use super::rank::{Candidate, answers, rank};
use super::sample::{Sample, quantile};
use super::sides::Sides;
use crate::explain::{Details, Explanation, Hypothesis, Question};

/// The share of a difference that a hypothesis has to remove where what is left is more than rounding explains. A factor that
/// is not the cause takes away 97% of the difference between two filters.
const MOST: f64 = 0.995;

/// The same where what is left is at most twice what rounding explains.
const CLOSE: f64 = 0.9;

/// The same where what is left is rounding: less could be removed by chance where the difference itself is close to noise.
const SOME: f64 = 0.6;

/// The share of the elements of which a move may say nothing.
const UNTOLD: f64 = 0.25;

/// Parts of an explanation: what has more fits a little of everything.
const COMPOSED: usize = 2;

/// How many times less a model has to leave than a simpler one that is good enough.
const WORTH: f64 = 3.0;

/// Elements below which nothing can be told.
const ELEMENTS: u64 = 4;

/// Explanations that anybody reads.
const ANSWERS: usize = 5;

/// Why the actual tensor is not its reference: what fits, best first; empty where nothing does.
///
/// ```
/// use karat::Tensor;
/// use karat::explain::{Hypothesis, Question, explain};
/// use karat::compare::Pair;
///
/// let values: Vec<f32> = (0..64).map(|x| (x as f32 * 0.7).sin()).collect();
/// let reference = Tensor::new(&[8, 8], values.clone())?;
/// let actual = Tensor::new(&[8, 8], values.iter().map(|x| x * 8.0).collect())?;
/// let explanations = explain(&Question::new(Pair::new(&actual, &reference)));
/// assert_eq!(explanations[0].id, Hypothesis::Scale);
/// assert_eq!(explanations[0].evidence, "actual = 8 x reference, which is sqrt(64)");
/// assert_eq!(explanations[0].removes, 1.0);
/// # Ok::<(), karat::Error>(())
/// ```
#[must_use]
pub fn explain(question: &Question<'_>) -> Vec<Explanation> {
    let Some(sides) = Sides::of(question.pair) else { return complex::explain(question) };
    let mut candidates = candidates(question, &sides);
    rank(&mut candidates);
    candidates.into_iter().take(ANSWERS).flat_map(answers).collect()
}

/// Everything that fits, in no order.
fn candidates(question: &Question<'_>, sides: &Sides) -> Vec<Candidate> {
    let alone = |part: Part, removes| Candidate {
        parts: vec![part],
        parameters: 0,
        removes,
        is_clean: true,
        is_excused: false,
    };
    if sides.squares == 0.0 && sides.lost.is_empty() {
        return same(sides).map(|part| alone(part, 1.0)).into_iter().collect();
    }
    if sides.numbers + (sides.lost.len() as u64) < ELEMENTS {
        return Vec::new();
    }
    if sides.numbers == 0 {
        return lost(sides).map(|part| alone(part, sides.removes(0.0, true))).into_iter().collect();
    }
    if let Some(part) = constant_throughout(sides) {
        return vec![alone(part, sides.removes(0.0, false))];
    }
    let mut found = Vec::new();
    let rounded = rounded(question, sides).map(|(part, left)| alone(part, sides.removes(left, false)));
    found.extend(rounded.filter(|rounded| rounded.removes >= SOME));
    let sample = Sample::of(&sides.shape);
    let reference = Base::new(Vec::new(), sides.reference.as_slice(), 0);
    if found.is_empty() && sides.is_aligned() && accumulation::is_least(sides) {
        let fit = settle(between(sides, &reference), &sample, Model::identity());
        return accumulation::find(question, sides, &fit.tally).map(|part| alone(part, 1.0)).into_iter().collect();
    }
    if !found.is_empty() {
        return found;
    }
    let mut noise = None;
    let mut try_one = |base: Base<'_>| try_base(question, sides, &sample, &base, &mut noise);
    found.extend(try_one(reference));
    found.extend(bases(question, sides, &sample).into_iter().flat_map(&mut try_one));
    // Another order of the elements costs most, and adds nothing to what one number explains.
    if !found.iter().any(Candidate::is_enough) && has_order(sides) {
        found.extend(moved(sides, &sample).flat_map(&mut try_one));
    }
    if !found.iter().any(Candidate::is_enough) {
        found.extend(exact::bases(question, sides).into_iter().flat_map(try_one));
    }
    if found.is_empty() {
        found.extend(noise.map(|part| alone(part, 1.0)));
    }
    if found.is_empty() {
        found.extend(computed(question, sides).map(|part| alone(part, 1.0)));
    }
    found
}

/// Everything that fits with that base; and the noise, where it is the reference itself.
fn try_base(
    question: &Question<'_>,
    sides: &Sides,
    sample: &Sample,
    base: &Base<'_>,
    noise: &mut Option<Part>,
) -> Vec<Candidate> {
    let between = between(sides, base);
    let mut found = Vec::new();
    if !base.parts.is_empty() && is_reference(sides, sample, base) {
        return found;
    }
    // What a simpler model leaves that is good enough.
    let mut least = f64::INFINITY;
    for model in models(sides, sample, between) {
        // Where a simpler one leaves no more than rounding, nothing is left to explain.
        if least <= sides.noise.limit(sides.rms) {
            break;
        }
        let fit = settle(between, sample, model);
        if base.parts.is_empty() && fit.model.is_identity() && sides.is_aligned() {
            *noise = accumulation::find(question, sides, &fit.tally).filter(|_| sides.lost.is_empty());
        }
        let left = fit.tally.rms();
        if left * WORTH > least || !matters(between, sample, &fit.model) {
            continue;
        }
        let judged = judge(question, sides, sample, base, between, &fit);
        if judged.iter().any(|candidate| !candidate.is_excused) {
            least = least.min(left.max(sides.noise.limit(sides.rms)));
        }
        found.extend(judged);
    }
    found
}

/// Whether the base is the reference itself after all, as that moved along an axis where it is constant.
fn is_reference(sides: &Sides, sample: &Sample, base: &Base<'_>) -> bool {
    let pairs = || sample.positions.iter().map(|&position| (base.values[position], sides.reference[position]));
    let is_same = |(moved, reference): (f64, f64)| (moved - reference).abs() <= 2.0 * sides.noise.eps * reference.abs();
    base.actual.is_none() && sides.is_aligned() && pairs().filter(|(b, r)| !(b - r).is_nan()).all(is_same)
}

/// Whether a model brings most elements closer, and not a few large ones alone.
fn is_broad(sides: &Sides, sample: &Sample, between: Between<'_>, fit: &Fit) -> bool {
    if !sides.is_aligned() {
        return true;
    }
    let median = |left: &dyn Fn(usize) -> f64| {
        let mut left: Vec<f64> =
            sample.positions.iter().map(|&position| left(position).abs()).filter(|left| !left.is_nan()).collect();
        quantile(&mut left, 0.5).unwrap_or(0.0)
    };
    let before = median(&|position| sides.actual[position] - sides.reference[position]);
    let after = median(&|position| between.actual[position] - fit.model.predict_at(between, position));
    after <= 0.5 * before
}

/// Whether the base still shows in what the model makes of it.
fn matters(between: Between<'_>, sample: &Sample, model: &Model) -> bool {
    let spread = spread(sample.positions.iter().map(|&position| between.base[position]));
    model.factor.abs() * spread > 4.0 * between.noise.limit(between.rms)
}

/// The standard deviation of the numbers among those.
fn spread(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let numbers = values.filter(|x| !x.is_nan());
    let (count, sum) = numbers.clone().fold((0.0, 0.0), |(count, sum), x| (count + 1.0, sum + x));
    let squares: f64 = numbers.map(|x| (x - sum / count) * (x - sum / count)).sum();
    if count > 0.0 { (squares / count).sqrt() } else { 0.0 }
}

fn between<'a>(sides: &'a Sides, base: &'a Base<'_>) -> Between<'a> {
    Between {
        shape: &sides.shape,
        actual: base.actual.as_deref().unwrap_or(&sides.actual),
        base: &base.values,
        noise: sides.noise,
        rms: sides.rms,
        rmse: sides.rmse(),
    }
}

/// The same elements in the same order, under another shape.
fn same(sides: &Sides) -> Option<Part> {
    (!sides.is_aligned() && sides.numbers > 0).then(|| Part {
        id: Hypothesis::ReshapeOrder,
        evidence: "every element is right and in its order; only the shape is another".into(),
        details: Details::default(),
    })
}

/// One side rounded to 16 bits, the other not.
fn rounded(question: &Question<'_>, sides: &Sides) -> Option<(Part, f64)> {
    let eps = [question.pair.actual, question.pair.reference].map(|tensor| tensor.dtype().eps());
    if sides.rmse() > 0.01 * sides.rms || !sides.lost.is_empty() {
        return None;
    }
    let find = super::rounding::find;
    let least = eps[0].min(eps[1]);
    find(&sides.actual, &sides.reference, least, ["actual", "the reference"])
        .or_else(|| find(&sides.reference, &sides.actual, least, ["the reference", "actual"]))
}

/// Actual computed in 16 bits, the reference not.
fn computed(question: &Question<'_>, sides: &Sides) -> Option<Part> {
    let eps = [question.pair.actual, question.pair.reference].map(|tensor| tensor.dtype().eps());
    // A factor or a constant is another fault, or one more.
    if !sides.is_aligned() || !sides.lost.is_empty() || exact::explained(sides, 1, |_| 0) > 0.25 {
        return None;
    }
    super::rounding::computed(&sides.actual, &sides.reference, eps[0].min(eps[1]), sides.rms)
}

/// What a fit says, if it is acceptable: by itself, or with something that excuses the elements it does not hold for.
fn judge(
    question: &Question<'_>,
    sides: &Sides,
    sample: &Sample,
    base: &Base<'_>,
    between: Between<'_>,
    fit: &Fit,
) -> Vec<Candidate> {
    let tally = fit.tally;
    let (named, free) = model_parts(question, sides, &fit.model, fit);
    let mut parts = base.parts.clone();
    parts.extend(named);
    let parameters = base.parameters + free;
    let tells_lost = base.tells_lost || !sides.lost.is_empty();
    if !base.tells_lost {
        parts.extend(lost(sides));
    }
    let is_identity = base.parts.is_empty() && fit.model.is_identity();
    let spare = tally.numbers as i64 - parameters as i64;
    // Half of the elements have to have a counterpart.
    // And a move that is scaled besides needs more than a few.
    let least = if !base.parts.is_empty() && free > 0 { 12 } else { 3 };
    if spare < least || tally.numbers * 2 < sides.numbers {
        return Vec::new();
    }
    if base.untold > 0.0 && (tally.numbers as f64) < (1.0 - UNTOLD) * sides.numbers as f64 {
        return Vec::new();
    }
    let varied = spread_within(between, sample, &fit.model);
    // Where a bias alone is all that there is, the base says nothing.
    if fit.model.bias.is_some() && varied <= 4.0 * sides.noise.limit(sides.rms) {
        return Vec::new();
    }
    // Two slices that are exchanged are the constant of both less either: with a factor two are no evidence.
    let of_two = |bias: &Bias| bias.groups.others().iter().map(|&axis| sides.shape[axis]).product::<usize>() < 3;
    if fit.model.factor != 1.0 && fit.model.bias.as_ref().is_some_and(of_two) {
        return Vec::new();
    }
    let adjusted = (tally.numbers as f64 / spare as f64).sqrt();
    let candidate = |parts: &[Part], left: f64, is_clean: bool, is_excused: bool| Candidate {
        parts: parts.to_vec(),
        parameters,
        removes: sides.removes(left + base.untold, tells_lost),
        is_clean,
        is_excused,
    };
    let mut found = Vec::new();
    let is_clean = tally.rms() * adjusted <= sides.noise.limit(sides.rms) && tally.beyond * 1000 <= tally.numbers;
    if (1..=COMPOSED).contains(&parts.len()) {
        let removes = 1.0 - (1.0 - sides.removes(tally.squares, tells_lost)) * adjusted;
        // What is small beside the difference may be large beside actual: everything is close to 0 times the reference.
        let is_close = tally.rms() <= 2.0 * sides.noise.limit(sides.rms);
        let least = if is_close { CLOSE } else { MOST };
        let is_near = spare >= 32 && tally.rms() <= (1.0 - least) * varied && is_broad(sides, sample, between, fit);
        // Of an eps every row says the same, or it is none.
        let is_eps = base.parts.iter().any(|part| part.id == Hypothesis::Eps);
        let is_told = is_clean || is_near && !is_eps && !exact::is_average(sides, between, &fit.model);
        if removes >= if is_clean { SOME } else { least } && is_told {
            found.push(candidate(&parts, tally.squares, is_clean, false));
        }
    }
    if !is_clean {
        let eps = question.pair.actual.dtype().eps().min(question.pair.reference.dtype().eps());
        let kind = match (is_identity, base.parts.is_empty()) {
            (true, _) => Kind::Identity,
            (false, true) => Kind::Scaled,
            (false, false) => Kind::Moved,
        };
        for excused in exceptions::find(question, sides, sample, between, fit, kind, eps) {
            let mut parts = parts.clone();
            parts.push(excused.part);
            let candidate = candidate(&parts, excused.left, true, true);
            if candidate.removes >= SOME && candidate.parts.len() <= COMPOSED {
                found.push(candidate);
            }
        }
    }
    found
}
