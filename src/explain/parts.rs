//! Hypotheses by their parts: what is said for each, and numbers, axes and places in a sentence for a person.

use std::borrow::Cow;

use super::explanation::{Details, Hypothesis, Question};
use super::fit::{Bias, Fit};
use super::sides::{Sides, widen};
use crate::tensor::Tensor;
use crate::text::number;

/// One hypothesis, and what is said for it.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) id: Hypothesis,
    pub(super) evidence: String,
    pub(super) details: Details,
}

impl Part {
    pub(super) fn new(id: Hypothesis, evidence: impl Into<String>, details: Details) -> Part {
        Part { id, evidence: evidence.into(), details }
    }
}

/// A tensor that actual may be a multiple of, and why.
#[derive(Debug)]
pub(super) struct Base<'a> {
    /// Empty for the reference itself.
    pub(super) parts: Vec<Part>,
    /// NaN where nothing is known of what the element should be.
    pub(super) values: Cow<'a, [f64]>,
    /// The actual tensor with something undone, where it is not taken as it is.
    pub(super) actual: Option<Vec<f64>>,
    /// Numbers that were chosen so that it fits.
    pub(super) parameters: usize,
    /// Whether it says why something is not finite.
    pub(super) tells_lost: bool,
    /// The squares of the difference where it says nothing of what an element should be.
    pub(super) untold: f64,
}

impl<'a> Base<'a> {
    pub(super) fn new(parts: Vec<Part>, values: impl Into<Cow<'a, [f64]>>, parameters: usize) -> Base<'a> {
        Base { parts, values: values.into(), actual: None, parameters, tells_lost: false, untold: 0.0 }
    }
}

/// The hypotheses that a model consists of, and its free parameters: a bias that is an input has none.
pub(super) fn model_parts(question: &Question<'_>, sides: &Sides, fit: &Fit) -> (Vec<Part>, usize) {
    let factor = fit.model.factor;
    let (id, of, name) = match factor {
        1.0 => (None, "reference".to_owned(), None),
        _ => scaled(question, sides, fit),
    };
    let name = name.map(|name| (format!("; the factor is {name}"), format!(", which is {name}"))).unwrap_or_default();
    let biased = fit.model.bias.as_ref().map(|bias| bias_part(question, sides, bias, &of));
    // Both are one formula, and it is said once.
    let evidence = match &biased {
        Some((part, _)) => part.evidence.clone() + &name.0,
        None => format!("actual = {of}{}", name.1),
    };
    let details = Details { factor: Some(factor), ..Details::default() };
    let mut parts: Vec<Part> = id.map(|id| Part::new(id, evidence.clone(), details)).into_iter().collect();
    let mut free = fit.model.parameters();
    if let (Some((part, is_input)), Some(bias)) = (biased, &fit.model.bias) {
        free -= if is_input { bias.values.len() } else { 0 };
        parts.push(Part { evidence, ..part });
    }
    (parts, free)
}

/// A factor, what it makes of the reference such as `2 x reference`, and what else it is, such as `1/sqrt(64)`.
fn scaled(question: &Question<'_>, sides: &Sides, fit: &Fit) -> (Option<Hypothesis>, String, Option<String>) {
    let factor = fit.model.factor;
    // The standard error of the factor, with room, and what the dtype rounds.
    let error = fit.tally.rms_within() / sides.rms.max(f64::MIN_POSITIVE) / (fit.tally.numbers.max(1) as f64).sqrt();
    let precision = 4.0 * sides.noise.eps + 6.0 * error;
    if (factor + 1.0).abs() <= precision {
        return (Some(Hypothesis::Negated), "-reference".into(), None);
    }
    let mut extents: Vec<usize> = sides.shape.iter().rev().copied().collect();
    extents.extend(question.inputs.values().flat_map(|input| input.shape().iter().rev().copied()));
    let [times, _] = apart([factor, 1.0]);
    (Some(Hypothesis::Scale), format!("{times} x reference"), factor_name(factor, &extents, precision))
}

/// A bias of what a factor makes of the reference, and whether it is an input.
fn bias_part(question: &Question<'_>, sides: &Sides, bias: &Bias, of: &str) -> (Part, bool) {
    let along = bias.groups.others();
    let mut details = Details { axes: Some(along.clone()), ..Details::default() };
    let part = |evidence: String, details| Part::new(Hypothesis::Bias, evidence, details);
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
    let extents: Vec<usize> = bias.groups.axes.iter().map(|&axis| sides.shape[axis]).collect();
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
    let times = if times.abs() == 1.0 { String::new() } else { format!("{} x ", short(times.abs())) };
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

/// Four significant digits, the shortest way: `0.125`, `1.01`, `2.357e-4`.
pub(super) fn short(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return format!("{}", x + 0.0);
    }
    let rounded: f64 = format!("{x:.3e}").parse().unwrap_or(x);
    match rounded.abs() {
        1e-3..1e6 => format!("{rounded}"),
        _ => format!("{rounded:e}"),
    }
}

/// The same of several, with as many digits as tell them apart.
pub(super) fn apart<const N: usize>(values: [f64; N]) -> [String; N] {
    number::apart(values, 4)
}

/// A value that stands in a tensor: what is no whole number does not look like one.
pub(super) fn exactly(x: f64) -> String {
    let [text, _] = apart([x, x.round()]);
    text
}

/// Axes in brackets: `(0, 2, 1)`.
pub(super) fn axes_words(axes: &[usize]) -> String {
    let axes: Vec<String> = axes.iter().map(usize::to_string).collect();
    format!("({})", axes.join(", "))
}

/// What else the factor is, to that relative precision: a root or a power of one of those extents, or of a small number.
pub(super) fn factor_name(factor: f64, extents: &[usize], precision: f64) -> Option<String> {
    let size = factor.abs();
    let is = |value: f64| (size / value - 1.0).abs() <= precision;
    let sign = if factor < 0.0 { "-" } else { "" };
    let known = extents.iter().copied().filter(|n| *n > 1);
    // What stands in the shapes is no coincidence; what does not has to be usual.
    for n in known.chain([16, 32, 48, 64, 80, 96, 128, 256, 512, 768, 1024]) {
        let root = (n as f64).sqrt();
        if is(root) {
            return Some(format!("{sign}sqrt({n})"));
        }
        if is(1.0 / root) {
            return Some(format!("{sign}1/sqrt({n})"));
        }
    }
    for n in extents.iter().copied().filter(|n| *n > 1).chain([3, 12, 16, 32, 64, 128, 255, 256, 512, 768, 1024]) {
        if is(1.0 / n as f64) {
            return Some(format!("{sign}1/{n}"));
        }
    }
    None
}

/// The smallest box that holds those positions, as an index: `[0, 3..5, :]`; and whether they fill it.
pub(super) fn region(shape: &[usize], positions: &[usize]) -> (String, bool) {
    let mut ranges = vec![(usize::MAX, 0); shape.len()];
    for &position in positions {
        let mut rest = position;
        for (range, extent) in ranges.iter_mut().zip(shape).rev() {
            let at = rest % extent;
            *range = (range.0.min(at), range.1.max(at));
            rest /= extent;
        }
    }
    let words: Vec<String> = ranges
        .iter()
        .zip(shape)
        .map(|(&(from, to), &extent)| match (from, to) {
            (0, to) if to + 1 == extent && extent > 1 => ":".to_owned(),
            (from, to) if from == to => from.to_string(),
            (from, to) => format!("{from}..{}", to + 1),
        })
        .collect();
    let volume: usize = ranges.iter().map(|(from, to)| to + 1 - from).product();
    (format!("[{}]", words.join(", ")), volume == positions.len())
}

/// Some of how many: `12 of 512 elements`.
pub(super) fn share(count: usize, sides: &Sides) -> String {
    let all = sides.numbers as usize + sides.lost.len();
    let compared = if all == sides.len() { "" } else { " that are compared" };
    format!("{count} of {all} elements{compared}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (x, text) in [(8.0, "8"), (0.125, "0.125"), (1.01, "1.01"), (2.356_78e-4, "2.357e-4"), (-1e9, "-1e9")] {
            assert_eq!(short(x), text);
        }
    }

    #[test]
    fn what_is_no_whole_number_does_not_look_like_one() {
        for (x, text) in [(1.00004, "1.00004"), (1.0, "1"), (-0.99996, "-0.99996"), (6.0, "6"), (0.25, "0.25")] {
            assert_eq!(exactly(x), text);
        }
    }

    #[test]
    fn a_root_of_an_extent_is_named() {
        assert_eq!(factor_name(0.125, &[4, 64], 1e-6).as_deref(), Some("1/sqrt(64)"));
        assert_eq!(factor_name(8.0, &[1, 8, 64], 1e-6).as_deref(), Some("sqrt(64)"));
        assert_eq!(factor_name(-4.0, &[], 1e-6).as_deref(), Some("-sqrt(16)"));
        assert_eq!(factor_name(1.0 / 14.0, &[14], 1e-6).as_deref(), Some("1/14"));
        assert_eq!(factor_name(1.01, &[7, 9], 1e-6), None);
    }

    #[test]
    fn a_region_is_named_by_its_box() {
        assert_eq!(region(&[1, 8, 4], &[12, 13, 14, 15]), ("[0, 3, :]".into(), true));
        assert_eq!(region(&[1, 8, 4], &[12, 21]), ("[0, 3..6, 0..2]".into(), false));
        assert_eq!(region(&[], &[0]), ("[]".into(), true));
    }
}
