//! Hypotheses by their parts: a factor, a bias, and what is said for each.

use super::fit::{Bias, Fit, Model};
use super::sides::{Sides, widen};
use super::words::{apart, axes_words, factor_name, number};
use crate::numeric::Tensor;
use crate::run::{Details, Hypothesis, Question};

/// One hypothesis, and what is said for it.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) id: Hypothesis,
    pub(super) evidence: String,
    pub(super) details: Details,
}

/// The hypotheses that a model consists of, and its free parameters: a bias that is an input has none.
pub(super) fn model_parts(question: &Question<'_>, sides: &Sides, model: &Model, fit: &Fit) -> (Vec<Part>, usize) {
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
    let [times, _] = apart([factor, 1.0]);
    Part { id: Hypothesis::Scale, evidence: format!("actual = {times} x reference{name}"), details }
}

/// A bias, and whether it is an input.
fn bias_part(question: &Question<'_>, sides: &Sides, bias: &Bias) -> (Part, bool) {
    let along = bias.groups.others();
    let mut details = Details { axes: Some(along.clone()), ..Details::default() };
    let part = |evidence: String, details| Part { id: Hypothesis::Bias, evidence, details };
    if let [value] = bias.values[..] {
        let sign = if value < 0.0 { '-' } else { '+' };
        let [shown, _] = apart([value.abs(), value.abs().round()]);
        return (part(format!("actual = reference {sign} {shown} throughout"), details), false);
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
    let input = widen(input);
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let (run, rise, squares) = (product(&input, &input), product(values, &input), product(values, values));
    let times = rise / run;
    let is_equal = run > 0.0 && squares - times * rise <= 4e-4 * squares;
    is_equal.then(|| if (times.abs() - 1.0).abs() < 0.02 { times.signum() } else { times })
}
