//! From hypotheses to answers: what fits, best first.

use super::bases::{bases, exact};
use super::complex;
use super::exceptions::{self, Kind, constant_throughout, lost};
use super::explanation::{Details, Explanation, Hypothesis, Question};
use super::fit::{Between, Bias, Fit, Model, by_axis, explained, models, settle, spread_within};
use super::order::{has_order, moved};
use super::parts::{Base, Part, answers, model_parts};
use super::rounding;
use super::sides::{Sample, Sides, quantile};

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
/// use karat::{Hypothesis, Question, explain};
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
    candidates.into_iter().take(ANSWERS).flat_map(|best| answers(&best.parts, best.removes, best.is_clean)).collect()
}

/// Everything that fits, in no order.
fn candidates(question: &Question<'_>, sides: &Sides) -> Vec<Candidate> {
    let alone = |part: Option<Part>, removes: f64| -> Vec<Candidate> {
        part.map(|part| Candidate::of(vec![part], removes)).into_iter().collect()
    };
    if sides.squares == 0.0 && sides.lost.is_empty() {
        return alone(same(sides), 1.0);
    }
    if sides.numbers + (sides.lost.len() as u64) < ELEMENTS {
        return Vec::new();
    }
    if sides.numbers == 0 {
        return alone(lost(sides), sides.removes(0.0, true));
    }
    if let Some(part) = constant_throughout(sides) {
        return alone(Some(part), sides.removes(0.0, false));
    }
    let rounded = rounded(sides).map(|(part, left)| (part, sides.removes(left, false)));
    if let Some((part, removes)) = rounded.filter(|(_, removes)| *removes >= SOME) {
        return alone(Some(part), removes);
    }
    let sample = Sample::of(&sides.shape);
    let reference = Base::new(None, sides.reference.clone(), 0);
    // That the difference is noise.
    let noise = || {
        let fit = settle(between(sides, &sample, &reference), Model::identity());
        rounding::noise(question, sides, &fit.tally)
    };
    if sides.is_aligned() && rounding::is_least(sides) {
        return alone(noise(), 1.0);
    }
    let try_one = |base: Base| try_base(question, sides, &sample, &base);
    let mut found = try_base(question, sides, &sample, &reference);
    found.extend(bases(question, sides, &sample).into_iter().flat_map(try_one));
    // Another order of the elements costs most, and adds nothing to what one number explains.
    if !found.iter().any(Candidate::is_enough) && has_order(sides) {
        found.extend(moved(sides, &sample).flat_map(try_one));
    }
    if !found.iter().any(Candidate::is_enough) {
        found.extend(exact(question, sides).into_iter().flat_map(try_one));
    }
    if found.is_empty() && sides.is_aligned() && sides.lost.is_empty() {
        found = alone(noise(), 1.0);
    }
    if found.is_empty() {
        found = alone(computed(sides), 1.0);
    }
    found
}

/// Everything that fits with that base.
fn try_base(question: &Question<'_>, sides: &Sides, sample: &Sample, base: &Base) -> Vec<Candidate> {
    let between = between(sides, sample, base);
    let mut found = Vec::new();
    if base.part.is_some() && is_reference(between, base) {
        return found;
    }
    // What a simpler model leaves that is good enough.
    let mut least = f64::INFINITY;
    for model in models(between) {
        // Where a simpler one leaves no more than rounding, nothing is left to explain.
        if least <= between.limit() {
            break;
        }
        let fit = settle(between, model);
        let left = fit.tally.rms();
        if left * WORTH > least || !matters(between, &fit.model) {
            continue;
        }
        let judged = judge(question, base, between, &fit);
        if judged.iter().any(|candidate| !candidate.is_excused) {
            least = least.min(left.max(between.limit()));
        }
        found.extend(judged);
    }
    found
}

/// Whether the base is the reference itself after all, as that moved along an axis where it is constant.
fn is_reference(between: Between<'_>, base: &Base) -> bool {
    let Between { sides, sample, .. } = between;
    let pairs = sample.positions.iter().map(|&position| (base.values[position], sides.reference[position]));
    let is_same = |(moved, reference): (f64, f64)| (moved - reference).abs() <= 2.0 * sides.noise.eps * reference.abs();
    base.actual.is_none() && sides.is_aligned() && pairs.filter(|(b, r)| !(b - r).is_nan()).all(is_same)
}

/// Whether a model brings most elements closer, and not a few large ones alone.
fn is_broad(between: Between<'_>, fit: &Fit) -> bool {
    let median = |left: &dyn Fn(usize) -> f64| {
        let left = between.sample.positions.iter().map(|&position| left(position).abs());
        quantile(&mut left.filter(|left| !left.is_nan()).collect::<Vec<f64>>(), 0.5).unwrap_or(0.0)
    };
    let before = median(&|position| between.sides.difference(position));
    !between.sides.is_aligned() || median(&|position| between.left(&fit.model, position)) <= 0.5 * before
}

/// Whether what a model leaves follows an axis, so that it is no more than an average: a factor, or a constant, for each index
/// explains most of it.
fn is_average(between: Between<'_>, model: &Model) -> bool {
    /// The share from which on that follows an axis.
    const AVERAGED: f64 = 0.5;
    let left = || (0..between.base.len()).map(|position| (between.left(model, position), between.base[position]));
    between.sides.is_aligned() && by_axis(between.sides, left).any(|explained| explained > AVERAGED)
}

/// Whether the base still shows in what the model makes of it: the standard deviation of its numbers.
fn matters(between: Between<'_>, model: &Model) -> bool {
    let numbers = || between.sample.positions.iter().map(|&position| between.base[position]).filter(|x| !x.is_nan());
    let count = numbers().count().max(1) as f64;
    let mean = numbers().sum::<f64>() / count;
    let spread = (numbers().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count).sqrt();
    model.factor.abs() * spread > 4.0 * between.limit()
}

fn between<'a>(sides: &'a Sides, sample: &'a Sample, base: &'a Base) -> Between<'a> {
    Between { sides, sample, actual: base.actual.as_deref().unwrap_or(&sides.actual), base: &base.values }
}

/// The same elements in the same order, under another shape.
fn same(sides: &Sides) -> Option<Part> {
    let evidence = "every element is right and in its order; only the shape is another";
    let is_same = !sides.is_aligned() && sides.numbers > 0;
    is_same.then(|| Part::new(Hypothesis::ReshapeOrder, evidence, Details::default()))
}

/// One side rounded to 16 bits, the other not.
fn rounded(sides: &Sides) -> Option<(Part, f64)> {
    let find = |one, other, names| rounding::find(one, other, sides.finer_eps, names);
    if sides.rmse() > 0.01 * sides.rms || !sides.lost.is_empty() {
        return None;
    }
    find(&sides.actual, &sides.reference, ["actual", "the reference"])
        .or_else(|| find(&sides.reference, &sides.actual, ["the reference", "actual"]))
}

/// Actual computed in 16 bits, the reference not.
fn computed(sides: &Sides) -> Option<Part> {
    // A factor or a constant is another fault, or one more.
    let pairs = sides.actual.iter().zip(&sides.reference).map(|(a, r)| (a - r, *r));
    if !sides.is_aligned() || !sides.lost.is_empty() || explained(pairs, 1, |_| 0) > 0.25 {
        return None;
    }
    rounding::computed(&sides.actual, &sides.reference, sides.finer_eps, sides.rms)
}

/// What a fit says, if it is acceptable: by itself, or with something that excuses the elements it does not hold for.
fn judge(question: &Question<'_>, base: &Base, between: Between<'_>, fit: &Fit) -> Vec<Candidate> {
    let (sides, tally) = (between.sides, fit.tally);
    let (named, free) = model_parts(question, sides, fit);
    let mut parts: Vec<Part> = base.part.iter().cloned().chain(named).collect();
    let parameters = base.parameters + free;
    let tells_lost = base.tells_lost || !sides.lost.is_empty();
    if !base.tells_lost {
        parts.extend(lost(sides));
    }
    let spare = tally.numbers as i64 - parameters as i64;
    // Half of the elements have to have a counterpart.
    // And a move that is scaled besides needs more than a few.
    let least = if base.part.is_some() && free > 0 { 12 } else { 3 };
    if spare < least || tally.numbers * 2 < sides.numbers {
        return Vec::new();
    }
    if base.untold > 0.0 && (tally.numbers as f64) < (1.0 - UNTOLD) * sides.numbers as f64 {
        return Vec::new();
    }
    let varied = spread_within(between, &fit.model);
    // Where a bias alone is all that there is, the base says nothing.
    if fit.model.bias.is_some() && varied <= 4.0 * between.limit() {
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
    let is_clean = tally.rms() * adjusted <= between.limit() && tally.beyond * 1000 <= tally.numbers;
    if (1..=COMPOSED).contains(&parts.len()) {
        let removes = 1.0 - (1.0 - sides.removes(tally.squares, tells_lost)) * adjusted;
        // What is small beside the difference may be large beside actual: everything is close to 0 times the reference.
        let is_close = tally.rms() <= 2.0 * between.limit();
        let least = if is_close { CLOSE } else { MOST };
        let is_near = spare >= 32 && tally.rms() <= (1.0 - least) * varied && is_broad(between, fit);
        // Of an eps every row says the same, or it is none.
        let is_eps = base.part.as_ref().is_some_and(|part| part.id == Hypothesis::Eps);
        let is_told = is_clean || is_near && !is_eps && !is_average(between, &fit.model);
        if removes >= if is_clean { SOME } else { least } && is_told {
            found.push(candidate(&parts, tally.squares, is_clean, false));
        }
    }
    if !is_clean {
        let kind = match (base.part.is_none(), fit.model.is_identity()) {
            (true, true) => Kind::Identity,
            (true, false) => Kind::Scaled,
            (false, _) => Kind::Moved,
        };
        for excused in exceptions::find(question, between, fit, kind) {
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

/// Hypotheses that hold together, and what they come to.
#[derive(Clone, Debug)]
struct Candidate {
    parts: Vec<Part>,
    parameters: usize,
    removes: f64,
    /// Whether what is left is no more than rounding explains.
    is_clean: bool,
    /// Whether it says of some elements only that they are wrong.
    is_excused: bool,
}

impl Candidate {
    /// Of what leaves no more than rounding and has no free parameters.
    fn of(parts: Vec<Part>, removes: f64) -> Candidate {
        Candidate { parts, parameters: 0, removes, is_clean: true, is_excused: false }
    }

    /// Whether nothing could be said that is better by more than a parameter.
    fn is_enough(&self) -> bool {
        self.is_clean && !self.is_excused && self.parts.len() == 1 && self.parameters <= 1 && !is_place(&self.parts[0])
    }
}

/// Best first, and without what the best makes needless.
fn rank(candidates: &mut Vec<Candidate>) {
    let key = |candidate: &Candidate| {
        let places = candidate.parts.iter().filter(|part| is_place(part)).count();
        (!candidate.is_clean, candidate.parts.len(), places, candidate.parameters)
    };
    candidates.sort_by(|a, b| match (a.is_clean, b.is_clean) {
        // A hundredth more is not worth another hypothesis.
        (false, false) => {
            let worth = |candidate: &Candidate| candidate.removes - 0.02 * candidate.parts.len() as f64;
            worth(b).total_cmp(&worth(a))
        }
        _ => key(a).cmp(&key(b)).then(b.removes.total_cmp(&a.removes)),
    });
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in candidates.drain(..) {
        let ids = |candidate: &Candidate| candidate.parts.iter().map(|part| part.id).collect::<Vec<_>>();
        // What leaves much that the best explains.
        if kept.first().is_some_and(|best| candidate.removes < best.removes - 0.2) {
            continue;
        }
        // The same with something more, and the same in other words.
        let is_needless = kept.iter().any(|better| ids(better).iter().all(|id| ids(&candidate).contains(id)));
        if !is_needless {
            kept.push(candidate);
        }
    }
    *candidates = kept;
}

/// Whether a hypothesis says where elements are wrong, and not what they become.
fn is_place(part: &Part) -> bool {
    part.id.is_place() || part.id == Hypothesis::ConstantOutput || part.details.position.is_some()
}
