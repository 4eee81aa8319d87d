//! The search for explanations: tests every hypothesis, and ranks those that fit.

use super::bases::{exact_bases, propose_bases};
use super::complex;
use super::exceptions::{self, ModelKind, constant_output, non_finite_region};
use super::explanation::{Details, Explanation, Hypothesis, Question};
use super::fit::{Bias, Fit, FitData, Model, explained_by_axis, explained_share, models, refine, spread_within_groups};
use super::order::{has_enough_information, reorder};
use super::parts::{Base, Part, explanations, model_parts};
use super::rounding;
use super::sides::{Sample, Sides, quantile};

/// The share of the difference that a hypothesis has to remove if it leaves more than rounding explains. A factor that is not the
/// cause removes up to 97% of the difference between two filters.
const MIN_REMOVED: f64 = 0.995;

/// The same if it leaves at most twice what rounding explains.
const MIN_REMOVED_NEAR_NOISE: f64 = 0.9;

/// The same if it leaves only rounding. A smaller share could be removed by chance if the difference itself is close to noise.
const MIN_REMOVED_TO_NOISE: f64 = 0.6;

/// The share of the elements that a reordering may leave without a prediction.
const MAX_UNEXPLAINED: f64 = 0.25;

/// The largest number of parts of an explanation. More parts fit anything to some degree.
const MAX_PARTS: usize = 2;

/// How many times smaller the residual of a more complex model has to be.
const MIN_IMPROVEMENT: f64 = 3.0;

/// The smallest number of elements that can be explained.
const MIN_ELEMENTS: u64 = 4;

/// The largest number of answers.
const MAX_ANSWERS: usize = 5;

/// Explains why the actual tensor differs from its reference. Returns what fits, best first, or nothing.
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
    let Some(sides) = Sides::new(question.pair) else { return complex::explain(question) };
    let best = rank(find_candidates(question, &sides)).into_iter().take(MAX_ANSWERS);
    best.flat_map(|best| explanations(&best.parts, best.removes, best.is_clean)).collect()
}

/// Returns everything that fits, in no particular order.
fn find_candidates(question: &Question<'_>, sides: &Sides) -> Vec<Candidate> {
    let single = |part: Option<Part>, removes: f64| -> Vec<Candidate> {
        part.map(|part| Candidate::new(part, removes)).into_iter().collect()
    };
    if sides.squares == 0.0 && sides.non_finite.is_empty() {
        return single(other_shape(sides), 1.0);
    }
    if sides.finite_count + (sides.non_finite.len() as u64) < MIN_ELEMENTS {
        return Vec::new();
    }
    if sides.finite_count == 0 {
        return single(non_finite_region(sides), sides.removed_share(0.0, true));
    }
    if let Some(part) = constant_output(sides) {
        return single(Some(part), sides.removed_share(0.0, false));
    }
    if let Some((part, left)) = find_rounding(sides)
        && sides.removed_share(left, false) >= MIN_REMOVED_TO_NOISE
    {
        return single(Some(part), sides.removed_share(left, false));
    }
    let sample = Sample::new(&sides.shape);
    let reference = Base::new(None, sides.reference.clone(), 0);
    let explain_noise = || {
        let fit = refine(fit_data(sides, &sample, &reference), Model::identity());
        single(rounding::explain_noise(question, sides, &fit.residuals), 1.0)
    };
    if sides.is_aligned() && rounding::is_far_below_limit(sides) {
        return explain_noise();
    }
    let try_one = |base: Base| try_base(question, sides, &sample, &base);
    let mut candidates = try_base(question, sides, &sample, &reference);
    candidates.extend(propose_bases(question, sides, &sample).into_iter().flat_map(try_one));
    // Reorderings cost most, and add nothing if a single parameter explains the difference.
    if !candidates.iter().any(Candidate::is_sufficient) && has_enough_information(sides) {
        candidates.extend(reorder(sides, &sample).flat_map(try_one));
    }
    if !candidates.iter().any(Candidate::is_sufficient) {
        candidates.extend(exact_bases(question, sides).into_iter().flat_map(try_one));
    }
    if candidates.is_empty() && sides.is_aligned() && sides.non_finite.is_empty() {
        candidates = explain_noise();
    }
    if candidates.is_empty() {
        candidates = single(find_16_bit_computation(sides), 1.0);
    }
    candidates
}

/// Returns everything that fits with this base.
fn try_base(question: &Question<'_>, sides: &Sides, sample: &Sample, base: &Base) -> Vec<Candidate> {
    let data = fit_data(sides, sample, base);
    let mut candidates = Vec::new();
    if base.part.is_some() && is_reference(data, base) {
        return candidates;
    }
    // The smallest residual of an acceptable simpler model.
    let mut least = f64::INFINITY;
    for model in models(data) {
        // If a simpler model leaves only rounding, there is nothing left to explain.
        if least <= data.limit() {
            break;
        }
        let fit = refine(data, model);
        let rms = fit.residuals.rms();
        if rms * MIN_IMPROVEMENT > least || !depends_on_base(data, &fit.model) {
            continue;
        }
        let accepted = evaluate(question, base, data, &fit);
        if accepted.iter().any(|candidate| !candidate.has_exceptions) {
            least = least.min(rms.max(data.limit()));
        }
        candidates.extend(accepted);
    }
    candidates
}

/// Whether the base equals the reference, as after a shift along an axis on which the reference is constant.
fn is_reference(data: FitData<'_>, base: &Base) -> bool {
    let FitData { sides, sample, .. } = data;
    let pairs = sample.positions.iter().map(|&position| (base.values[position], sides.reference[position]));
    let is_same = |(base, reference): (f64, f64)| (base - reference).abs() <= 2.0 * sides.noise.eps * reference.abs();
    base.actual.is_none() && sides.is_aligned() && pairs.filter(|(b, r)| !(b - r).is_nan()).all(is_same)
}

/// Whether a model brings most elements closer, and not only a few large ones.
fn is_broad(data: FitData<'_>, fit: &Fit) -> bool {
    let median = |difference: &dyn Fn(usize) -> f64| {
        let sizes = data.sample.positions.iter().map(|&position| difference(position).abs());
        quantile(&mut sizes.filter(|size| !size.is_nan()).collect::<Vec<f64>>(), 0.5).unwrap_or(0.0)
    };
    let before = median(&|position| data.sides.difference(position));
    !data.sides.is_aligned() || median(&|position| data.residual(&fit.model, position)) <= 0.5 * before
}

/// Whether the model is only an average: a factor or a constant for each index of an axis would explain most of its residuals.
fn is_average(data: FitData<'_>, model: &Model) -> bool {
    /// The share of the squared residuals that counts as most.
    const MOST: f64 = 0.5;
    let residuals = || (0..data.base.len()).map(|position| (data.residual(model, position), data.base[position]));
    data.sides.is_aligned() && explained_by_axis(data.sides, residuals).any(|explained| explained > MOST)
}

/// Whether the prediction still depends on the base: the scaled base varies by more than rounding.
fn depends_on_base(data: FitData<'_>, model: &Model) -> bool {
    let numbers = || data.sample.positions.iter().map(|&position| data.base[position]).filter(|x| !x.is_nan());
    let count = numbers().count().max(1) as f64;
    let mean = numbers().sum::<f64>() / count;
    let spread = (numbers().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count).sqrt();
    model.factor.abs() * spread > 4.0 * data.limit()
}

fn fit_data<'a>(sides: &'a Sides, sample: &'a Sample, base: &'a Base) -> FitData<'a> {
    FitData { sides, sample, actual: base.actual.as_deref().unwrap_or(&sides.actual), base: &base.values }
}

/// Detects equal elements in the same order, but with another shape.
fn other_shape(sides: &Sides) -> Option<Part> {
    let evidence = "the elements and their order are right; only the shape differs";
    let is_reshaped = !sides.is_aligned() && sides.finite_count > 0;
    is_reshaped.then(|| Part::new(Hypothesis::ReshapeOrder, evidence, Details::default()))
}

/// Detects that one side is the other rounded to 16 bits, and returns the squared difference that remains.
fn find_rounding(sides: &Sides) -> Option<(Part, f64)> {
    let find = |one, other, names| rounding::find_rounding(one, other, sides.finer_eps, names);
    if sides.rmse() > 0.01 * sides.rms || !sides.non_finite.is_empty() {
        return None;
    }
    find(&sides.actual, &sides.reference, ["actual", "the reference"])
        .or_else(|| find(&sides.reference, &sides.actual, ["the reference", "actual"]))
}

/// Detects that actual was computed in 16 bits, and the reference was not.
fn find_16_bit_computation(sides: &Sides) -> Option<Part> {
    // A factor or a constant would be another fault, or an additional one.
    let pairs = sides.actual.iter().zip(&sides.reference).map(|(a, r)| (a - r, *r));
    if !sides.is_aligned() || !sides.non_finite.is_empty() || explained_share(pairs, 1, |_| 0) > 0.25 {
        return None;
    }
    rounding::find_16_bit_computation(&sides.actual, &sides.reference, sides.finer_eps, sides.rms)
}

/// Returns the candidates of a fit that is acceptable, as it is or except for some elements.
fn evaluate(question: &Question<'_>, base: &Base, data: FitData<'_>, fit: &Fit) -> Vec<Candidate> {
    let (sides, residuals) = (data.sides, fit.residuals);
    let (model_parts, free) = model_parts(question, sides, fit);
    let mut parts: Vec<Part> = base.part.iter().cloned().chain(model_parts).collect();
    let parameters = base.parameters + free;
    let explains_non_finite = base.explains_non_finite || !sides.non_finite.is_empty();
    if !base.explains_non_finite {
        parts.extend(non_finite_region(sides));
    }
    let freedom = residuals.count as i64 - parameters as i64;
    // Half of the elements need a counterpart, and a scaled reordering needs more than a few.
    let least = if base.part.is_some() && free > 0 { 12 } else { 3 };
    if freedom < least || residuals.count * 2 < sides.finite_count {
        return Vec::new();
    }
    if base.unexplained > 0.0 && (residuals.count as f64) < (1.0 - MAX_UNEXPLAINED) * sides.finite_count as f64 {
        return Vec::new();
    }
    let spread = spread_within_groups(data, &fit.model);
    // If the bias alone explains the actual tensor, the base is no evidence.
    if fit.model.bias.is_some() && spread <= 4.0 * data.limit() {
        return Vec::new();
    }
    // A factor and a bias fit any two slices, such as two that are swapped.
    let has_two = |bias: &Bias| bias.groups.other_axes().iter().map(|&axis| sides.shape[axis]).product::<usize>() < 3;
    if fit.model.factor != 1.0 && fit.model.bias.as_ref().is_some_and(has_two) {
        return Vec::new();
    }
    let adjustment = (residuals.count as f64 / freedom as f64).sqrt();
    let candidate = |parts: Vec<Part>, left: f64, is_clean: bool, has_exceptions: bool| Candidate {
        parts,
        parameters,
        removes: sides.removed_share(left + base.unexplained, explains_non_finite),
        is_clean,
        has_exceptions,
    };
    let mut candidates = Vec::new();
    let is_clean = residuals.rms() * adjustment <= data.limit() && residuals.wrong * 1000 <= residuals.count;
    if (1..=MAX_PARTS).contains(&parts.len()) {
        let removes = 1.0 - (1.0 - sides.removed_share(residuals.squares, explains_non_finite)) * adjustment;
        // The residual is compared with actual too: everything is close to 0 times the reference.
        let is_near_noise = residuals.rms() <= 2.0 * data.limit();
        let least = if is_near_noise { MIN_REMOVED_NEAR_NOISE } else { MIN_REMOVED };
        let is_near = freedom >= 32 && residuals.rms() <= (1.0 - least) * spread && is_broad(data, fit);
        // Every row has to show the same eps.
        let is_eps = base.part.as_ref().is_some_and(|part| part.id == Hypothesis::Eps);
        let is_convincing = is_clean || is_near && !is_eps && !is_average(data, &fit.model);
        if removes >= if is_clean { MIN_REMOVED_TO_NOISE } else { least } && is_convincing {
            candidates.push(candidate(parts.clone(), residuals.squares, is_clean, false));
        }
    }
    // Each exception is one more part.
    if !is_clean && parts.len() < MAX_PARTS {
        let kind = match (base.part.is_none(), fit.model.is_identity()) {
            (true, true) => ModelKind::Identity,
            (true, false) => ModelKind::Scaled,
            (false, _) => ModelKind::Moved,
        };
        for exception in exceptions::find(question, data, fit, kind) {
            let parts = parts.iter().cloned().chain([exception.part]).collect();
            candidates.push(candidate(parts, exception.left, true, true));
        }
        candidates.retain(|candidate| !candidate.has_exceptions || candidate.removes >= MIN_REMOVED_TO_NOISE);
    }
    candidates
}

/// Hypotheses that hold together, and how well they fit.
#[derive(Clone, Debug)]
struct Candidate {
    parts: Vec<Part>,
    parameters: usize,
    removes: f64,
    /// Whether it leaves no more than rounding explains.
    is_clean: bool,
    /// Whether it calls some elements wrong without a prediction for them.
    has_exceptions: bool,
}

impl Candidate {
    /// A single part without free parameters that leaves no more than rounding.
    fn new(part: Part, removes: f64) -> Candidate {
        Candidate { parts: vec![part], parameters: 0, removes, is_clean: true, has_exceptions: false }
    }

    /// Whether another candidate could be better by at most one parameter.
    fn is_sufficient(&self) -> bool {
        self.is_clean
            && !self.has_exceptions
            && self.parts.len() == 1
            && self.parameters <= 1
            && !is_location(&self.parts[0])
    }
}

/// Sorts the candidates, best first, and drops those that a better one makes redundant.
fn rank(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    let key = |candidate: &Candidate| {
        let locations = candidate.parts.iter().filter(|part| is_location(part)).count();
        (!candidate.is_clean, candidate.parts.len(), locations, candidate.parameters)
    };
    // Another part has to remove another two percent.
    let score = |candidate: &Candidate| candidate.removes - 0.02 * candidate.parts.len() as f64;
    candidates.sort_by(|a, b| match (a.is_clean, b.is_clean) {
        (false, false) => score(b).total_cmp(&score(a)),
        _ => key(a).cmp(&key(b)).then(b.removes.total_cmp(&a.removes)),
    });
    let ids = |candidate: &Candidate| candidate.parts.iter().map(|part| part.id).collect::<Vec<_>>();
    let mut best: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        let is_worse = best.first().is_some_and(|best| candidate.removes < best.removes - 0.2);
        // The same hypotheses in other words, or with an addition.
        let is_redundant = best.iter().any(|better| ids(better).iter().all(|id| ids(&candidate).contains(id)));
        if !is_worse && !is_redundant {
            best.push(candidate);
        }
    }
    best
}

/// Whether a hypothesis locates wrong elements without a prediction for them.
fn is_location(part: &Part) -> bool {
    part.id.is_location() || part.id == Hypothesis::ConstantOutput || part.details.position.is_some()
}
