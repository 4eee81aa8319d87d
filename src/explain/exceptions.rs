//! Where a model does not hold: at a few elements, after a position, wherever there is one value, or by rounding.

use rayon::prelude::*;

use super::exact::{along, explained_of};
use super::fit::{Between, Fit};
use super::parts::Part;
use super::places::{region, share};
use super::rounding;
use super::sample::Sample;
use super::sides::{CHUNK, Sides};
use super::stale::{stale, unmasked};
use super::words::exactly;
use crate::explain::{Details, Hypothesis, Question};

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
    if is_enough && tally.beyond > 0 {
        // A factor for each row is right for the first ones by chance.
        if sides.is_aligned() && (kind != Kind::Scaled || !is_by_index(sides, between, fit)) {
            excused.extend(stale(sides, sample, between, fit, kind));
        }
        let is_few = tally.beyond as f64 <= 2.0 * FEW * tally.numbers as f64;
        if is_clean_else && (is_few || (is_identity && is_one_value(between, sample, fit))) {
            let wrong = wrong(between, fit);
            excused.extend(outliers(sides, &wrong).map(|part| Excused { part, left: tally.within }));
            let constant = constant(sides, &wrong).filter(|_| is_identity);
            excused.extend(constant.map(|part| Excused { part, left: tally.within }));
        }
        if is_clean_else && is_identity {
            let part = unmasked(question, sides, between, fit);
            excused.extend(part.map(|part| Excused { part, left: tally.within }));
        }
    }
    let is_near = tally.rms() <= 0.01 * between.rms && rounding::is_possible(between.actual, eps);
    if is_near {
        let predicted = match (&fit.model.bias, fit.model.factor) {
            // Rounding blurs the factor, and the factor decides the rounding.
            (None, factor) if factor != 1.0 => {
                let times = rounding::factor(between.actual, between.base).unwrap_or(factor);
                between.base.iter().map(|x| times * x).collect()
            }
            _ => fit.model.predict(between),
        };
        let found = rounding::find(between.actual, &predicted, eps, ["actual", "the reference"]);
        excused.extend(found.map(|(part, left)| Excused { part, left }));
    }
    excused
}

/// Whether an element is left with more than rounding explains.
pub(super) fn is_wrong(between: Between<'_>, fit: &Fit, position: usize) -> bool {
    let (actual, predicted) = (between.actual[position], fit.model.predict_at(between, position));
    (actual - predicted).abs() > between.noise.slack(actual.abs().max(predicted.abs()), between.rms)
}

/// Whether the wrong elements are those of the base with another factor for each index of an axis.
fn is_by_index(sides: &Sides, between: Between<'_>, fit: &Fit) -> bool {
    /// The share of their squares that such factors explain.
    const MOST: f64 = 0.5;
    let wrong = || {
        let actual =
            |position: usize| if is_wrong(between, fit, position) { between.actual[position] } else { f64::NAN };
        (0..sides.len()).map(move |position| (actual(position), between.base[position]))
    };
    let mut axes = (0..sides.shape.len()).filter(|&axis| sides.shape[axis] > 1);
    axes.any(|axis| explained_of(wrong(), sides.shape[axis], along(sides, axis)) > MOST)
}

/// Whether the wrong elements of the sample have one value.
fn is_one_value(between: Between<'_>, sample: &Sample, fit: &Fit) -> bool {
    let mut wrong = sample.positions.iter().filter(|&&position| is_wrong(between, fit, position));
    wrong.next().is_none_or(|&first| wrong.all(|&position| between.actual[position] == between.actual[first]))
}

/// The positions of the elements that are left with more than rounding explains.
fn wrong(between: Between<'_>, fit: &Fit) -> Vec<usize> {
    let places = (0..between.actual.len()).into_par_iter().with_min_len(CHUNK);
    places.filter(|&position| is_wrong(between, fit, position)).collect()
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
    (is_constant && varies && is_full).then(|| Part {
        id: Hypothesis::ConstantOutput,
        evidence: format!("{} are {} wherever it differs, all of {region}", share(wrong.len(), sides), exactly(value)),
        details: Details { elements: Some(wrong.len() as u64), ..Details::default() },
    })
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
        evidence: format!("every element of actual is {}", exactly(value)),
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
