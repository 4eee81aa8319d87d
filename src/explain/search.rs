//! From hypotheses to answers: what fits, best first.

use super::accumulation;
use super::bases::{Base, bases, moved};
use super::exceptions::{self, Kind, constant_throughout, lost};
use super::fit::{Between, Bias, Fit, Model, fit, settle};
use super::sample::Sample;
use super::sides::Sides;
use super::words::{axes_words, factor_name, number};
use crate::numeric::Tensor;
use crate::run::{Details, Explanation, Hypothesis, Question};

/// One hypothesis, and what is said for it.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) id: Hypothesis,
    pub(super) evidence: String,
    pub(super) details: Details,
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
    /// Whether nothing could be said that is better by more than a parameter.
    fn is_enough(&self) -> bool {
        self.is_clean && !self.is_excused && self.parts.len() == 1 && self.parameters <= 1 && !is_place(&self.parts[0])
    }
}

/// The share of a difference that a hypothesis has to remove where what is left is more than rounding explains.
const MOST: f64 = 0.9;

/// The same where it is not: half could be removed by chance where the difference itself is close to noise.
const HALF: f64 = 0.6;

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
/// use karat::numeric::Pair;
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
    let Some(sides) = Sides::of(question.pair) else { return Vec::new() };
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
    if let Some(part) = constant_throughout(sides) {
        return vec![alone(part, sides.removes(0.0, false))];
    }
    let mut found = Vec::new();
    found.extend(rounded(question, sides).map(|(part, left)| alone(part, sides.removes(left, false))));
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
    let mut try_all = |bases: Vec<Base<'_>>, found: &mut Vec<Candidate>| {
        for base in bases {
            let fitted = try_base(question, sides, &sample, &base, &mut noise);
            found.extend(fitted);
        }
    };
    try_all(vec![reference], &mut found);
    try_all(bases(question, sides, &sample), &mut found);
    // Another order of the elements costs most, and adds nothing to what one number explains.
    if !found.iter().any(Candidate::is_enough) {
        try_all(moved(sides, &sample), &mut found);
    }
    if found.is_empty() {
        found.extend(noise.map(|part| alone(part, 1.0)));
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
    // What a simpler model leaves that is good enough.
    let mut least = f64::INFINITY;
    for fit in fit(sides, sample, between) {
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
    if spare < 3 || tally.numbers * 2 < sides.numbers {
        return Vec::new();
    }
    let step = (sides.len() / 4096).max(1);
    let actual_spread = spread(between.actual.iter().step_by(step).copied());
    let adjusted = (tally.numbers as f64 / spare as f64).sqrt();
    let candidate = |parts: &[Part], left: f64, is_clean: bool, is_excused: bool| Candidate {
        parts: parts.to_vec(),
        parameters,
        removes: sides.removes(left, tells_lost),
        is_clean,
        is_excused,
    };
    let mut found = Vec::new();
    let is_clean = tally.rms() * adjusted <= sides.noise.limit(sides.rms) && tally.beyond * 1000 <= tally.numbers;
    if !parts.is_empty() {
        let removes = 1.0 - (1.0 - sides.removes(tally.squares, tells_lost)) * adjusted;
        // What is small beside the difference may be large beside actual: everything is close to 0 times the reference.
        let is_near = || spare >= 32 && tally.rms() <= (1.0 - MOST) * actual_spread;
        if removes >= if is_clean { HALF } else { MOST } && (is_clean || is_near()) {
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
            if candidate.removes >= HALF {
                found.push(candidate);
            }
        }
    }
    found
}

/// The hypotheses that a model consists of, and its free parameters: a bias that is an input has none.
fn model_parts(question: &Question<'_>, sides: &Sides, model: &Model, fit: &Fit) -> (Vec<Part>, usize) {
    let mut parts = Vec::new();
    let mut free = model.parameters();
    let Model { factor, bias } = model;
    if *factor != 1.0 {
        parts.push(factor_part(question, sides, *factor, fit));
    }
    if let Some(bias) = bias {
        let (part, is_input) = bias_part(question, sides, bias);
        free -= if is_input { bias.values.len() } else { 0 };
        parts.push(part);
    }
    (parts, free)
}

fn factor_part(question: &Question<'_>, sides: &Sides, factor: f64, fit: &Fit) -> Part {
    // The standard error of the factor, with room, and what the dtype rounds.
    let error = fit.tally.rms_within() / sides.rms.max(f64::MIN_POSITIVE) / (fit.tally.numbers.max(1) as f64).sqrt();
    let precision = 4.0 * sides.noise.eps + 6.0 * error;
    let details = Details { factor: Some(factor), ..Details::default() };
    if (factor + 1.0).abs() <= precision {
        return Part { id: Hypothesis::Negated, evidence: "actual = -reference".into(), details };
    }
    let mut extents: Vec<usize> = sides.shape.iter().rev().copied().collect();
    extents.extend(question.inputs.values().flat_map(|input| input.shape().iter().rev().copied()));
    let name = factor_name(factor, &extents, precision).map(|name| format!(", which is {name}")).unwrap_or_default();
    Part { id: Hypothesis::Scale, evidence: format!("actual = {} x reference{name}", number(factor)), details }
}

/// A bias, and whether it is an input.
fn bias_part(question: &Question<'_>, sides: &Sides, bias: &Bias) -> (Part, bool) {
    let along = bias.groups.others();
    let mut details = Details { axes: Some(along.clone()), ..Details::default() };
    let part = |evidence: String, details| Part { id: Hypothesis::Bias, evidence, details };
    if let [value] = bias.values[..] {
        return (part(format!("actual = reference + {} throughout", number(value)), details), false);
    }
    let extents: Vec<usize> = bias.groups.axes().iter().map(|&axis| sides.shape[axis]).collect();
    let equal = question.inputs.iter().find_map(|(name, input)| {
        let shape: Vec<usize> = input.shape().iter().copied().filter(|extent| *extent > 1).collect();
        let times = (shape == extents).then(|| times(&bias.values, input)).flatten()?;
        Some((*name, times))
    });
    if let Some((name, times)) = equal {
        details.name = Some(name.to_owned());
        let evidence = match times {
            -1.0 => format!("the input `{name}` is missing"),
            1.0 => format!("the input `{name}` is added twice"),
            times => format!("actual = reference + {} x the input `{name}`", number(times)),
        };
        return (part(evidence, details), true);
    }
    let words = if along.len() == 1 { format!("axis {}", along[0]) } else { format!("axes {}", axes_words(&along)) };
    let count = bias.values.len();
    (part(format!("actual - reference is constant along {words}: {count} different values"), details), false)
}

/// How many times the input the values are; `None` where they are not.
fn times(values: &[f64], input: &Tensor) -> Option<f64> {
    let input = super::sides::widen(input);
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let (run, rise, squares) = (product(&input, &input), product(values, &input), product(values, values));
    let times = rise / run;
    let is_equal = run > 0.0 && squares - times * rise <= 4e-4 * squares;
    is_equal.then(|| if (times.abs() - 1.0).abs() < 0.02 { times.signum() } else { times })
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
    use Hypothesis::{ConstantOutput, NanRegion, Outliers, StalePosition};
    matches!(part.id, ConstantOutput | NanRegion | Outliers | StalePosition) || part.details.position.is_some()
}

/// An explanation for each part; each says what holds at the same time.
fn answers(candidate: Candidate) -> Vec<Explanation> {
    let Candidate { parts, removes, .. } = candidate;
    let answer = |at: usize| {
        let others = || parts.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, part)| part);
        let evidence: Vec<&str> =
            std::iter::once(&parts[at]).chain(others()).map(|part| part.evidence.as_str()).collect();
        Explanation {
            id: parts[at].id,
            removes,
            evidence: evidence.join("; and "),
            with: others().map(|part| part.id).collect(),
            details: parts[at].details.clone(),
        }
    };
    (0..parts.len()).map(answer).collect()
}
