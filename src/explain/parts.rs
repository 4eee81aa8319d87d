//! Hypotheses by their parts: a factor, a bias, and what is said for each.

use super::fit::{Bias, Fit, Model};
use super::sides::{Sides, widen};
use super::words::{apart, axes_words, factor_name, number};
use crate::explain::{Details, Hypothesis, Question};
use crate::tensor::Tensor;

/// One hypothesis, and what is said for it.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) id: Hypothesis,
    pub(super) evidence: String,
    pub(super) details: Details,
}

/// The hypotheses that a model consists of, and its free parameters: a bias that is an input has none.
pub(super) fn model_parts(question: &Question<'_>, sides: &Sides, model: &Model, fit: &Fit) -> (Vec<Part>, usize) {
    let Model { factor, bias } = model;
    let mut free = model.parameters();
    let scaled = (*factor != 1.0).then(|| Scaled::new(question, sides, *factor, fit));
    let of = scaled.as_ref().map_or("reference", |scaled| &scaled.formula);
    let biased = bias.as_ref().map(|bias| bias_part(question, sides, bias, of));
    let mut parts = Vec::new();
    if let Some(Scaled { id, formula, name }) = &scaled {
        let name = name.as_ref();
        // Both are one formula, and it is said once.
        let evidence = match &biased {
            Some((part, _)) => {
                part.evidence.clone() + &name.map(|n| format!("; the factor is {n}")).unwrap_or_default()
            }
            None => format!("actual = {formula}{}", name.map(|n| format!(", which is {n}")).unwrap_or_default()),
        };
        parts.push(Part { id: *id, evidence, details: Details { factor: Some(*factor), ..Details::default() } });
    }
    if let Some((part, is_input)) = biased {
        free -= if is_input { bias.as_ref().map_or(0, |bias| bias.values.len()) } else { 0 };
        let evidence = parts.first().map_or(part.evidence.clone(), |scaled: &Part| scaled.evidence.clone());
        parts.push(Part { evidence, ..part });
    }
    (parts, free)
}

/// A factor, and what it makes of the reference.
struct Scaled {
    id: Hypothesis,
    /// Such as `2 x reference`.
    formula: String,
    /// What else the factor is, such as `1/sqrt(64)`.
    name: Option<String>,
}

impl Scaled {
    fn new(question: &Question<'_>, sides: &Sides, factor: f64, fit: &Fit) -> Scaled {
        // The standard error of the factor, with room, and what the dtype rounds.
        let error =
            fit.tally.rms_within() / sides.rms.max(f64::MIN_POSITIVE) / (fit.tally.numbers.max(1) as f64).sqrt();
        let precision = 4.0 * sides.noise.eps + 6.0 * error;
        if (factor + 1.0).abs() <= precision {
            return Scaled { id: Hypothesis::Negated, formula: "-reference".into(), name: None };
        }
        let mut extents: Vec<usize> = sides.shape.iter().rev().copied().collect();
        extents.extend(question.inputs.values().flat_map(|input| input.shape().iter().rev().copied()));
        let [times, _] = apart([factor, 1.0]);
        let name = factor_name(factor, &extents, precision);
        Scaled { id: Hypothesis::Scale, formula: format!("{times} x reference"), name }
    }
}

/// A bias of what a factor makes of the reference, and whether it is an input.
fn bias_part(question: &Question<'_>, sides: &Sides, bias: &Bias, of: &str) -> (Part, bool) {
    let along = bias.groups.others();
    let mut details = Details { axes: Some(along.clone()), ..Details::default() };
    let part = |evidence: String, details| Part { id: Hypothesis::Bias, evidence, details };
    if let [value] = bias.values[..] {
        // What rounding explains is no digit of it.
        let is_whole = (value - value.round()).abs() <= 4.0 * sides.noise.eps * sides.rms;
        let value = if is_whole && value.round() != 0.0 { value.round() } else { value };
        let [shown, _] = apart([value.abs(), value.abs().round()]);
        let sum = match of.strip_prefix('-') {
            Some("reference") if value > 0.0 => format!("{shown} - reference"),
            _ => format!("{of} {} {shown}", if value < 0.0 { '-' } else { '+' }),
        };
        return (part(format!("actual = {sum} throughout"), details), false);
    }
    let extents: Vec<usize> = bias.groups.axes().iter().map(|&axis| sides.shape[axis]).collect();
    let equal = question.inputs.iter().find_map(|(name, input)| {
        let shape: Vec<usize> = input.shape().iter().copied().filter(|extent| *extent > 1).collect();
        let times = (shape == extents).then(|| times(&bias.values, input, sides.noise.eps)).flatten()?;
        Some((*name, times))
    });
    if let Some((name, times)) = equal {
        details.name = Some(name.to_owned());
        return (part(plus_input(of, times, name), details), true);
    }
    let words = if along.len() == 1 { format!("axis {}", along[0]) } else { format!("axes {}", axes_words(&along)) };
    let count = bias.values.len();
    let minus = match of.strip_prefix('-') {
        Some(negated) => format!("+ {negated}"),
        None => format!("- {of}"),
    };
    (part(format!("actual {minus} is constant along {words}: {count} different values"), details), false)
}

/// How many times the input is added. Why is not to be seen: it may be one too many here, or be left out there.
pub(super) fn plus_input(of: &str, times: f64, name: &str) -> String {
    let sign = if times < 0.0 { '-' } else { '+' };
    let times = if times.abs() == 1.0 { String::new() } else { format!("{} x ", number(times.abs())) };
    format!("actual = {of} {sign} {times}the input `{name}`")
}

/// How many times the input the values are, where a difference of `eps` is none; `None` where they are not.
fn times(values: &[f64], input: &Tensor, eps: f64) -> Option<f64> {
    let input = widen(input);
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let (run, rise, squares) = (product(&input, &input), product(values, &input), product(values, values));
    let times = rise / run;
    let is_equal = run > 0.0 && squares - times * rise <= 4e-4 * squares;
    is_equal.then(|| if (times.abs() - 1.0).abs() < (8.0 * eps).max(1e-3) { times.signum() } else { times })
}
