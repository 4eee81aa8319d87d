//! The parts that explanations are composed of, and the wording of numbers, axes and regions in their evidence.

use super::explanation::{Details, Explanation, Hypothesis, Question};
use super::fit::{Bias, Fit};
use super::sides::{Sides, to_f64};
use crate::tensor::Tensor;
use crate::text::number;

/// One hypothesis and the evidence for it.
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

/// Returns an explanation for each of the parts, which hold together; each names the others.
pub(super) fn explanations(parts: &[Part], removes: f64, is_clean: bool) -> Vec<Explanation> {
    let prefix = if is_clean { "" } else { "roughly, " };
    let explanation = |(at, part): (usize, &Part)| {
        let others = || parts.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, part)| part);
        let more = others().map(|other| other.evidence.as_str()).filter(|evidence| *evidence != part.evidence);
        let evidence = [part.evidence.as_str()].into_iter().chain(more).collect::<Vec<&str>>().join("; and ");
        Explanation {
            id: part.id,
            removes,
            evidence: format!("{prefix}{evidence}"),
            with: others().map(|part| part.id).collect(),
            details: part.details.clone(),
        }
    };
    parts.iter().enumerate().map(explanation).collect()
}

/// A tensor that the actual tensor may be a multiple of, and the hypothesis behind it.
#[derive(Debug)]
pub(super) struct Base {
    /// `None` for the reference itself.
    pub(super) part: Option<Part>,
    /// The elements; NaN where the hypothesis predicts nothing.
    pub(super) values: Vec<f64>,
    /// The actual tensor after a correction, if the hypothesis corrects that side.
    pub(super) actual: Option<Vec<f64>>,
    /// The number of free parameters.
    pub(super) parameters: usize,
    /// Whether it explains the elements that are not finite.
    pub(super) explains_non_finite: bool,
    /// The squared difference of the elements for which it predicts nothing.
    pub(super) unexplained: f64,
}

impl Base {
    pub(super) fn new(part: impl Into<Option<Part>>, values: Vec<f64>, parameters: usize) -> Base {
        Base { part: part.into(), values, actual: None, parameters, explains_non_finite: false, unexplained: 0.0 }
    }
}

/// Returns the hypotheses that a model consists of, and its number of free parameters. A bias that equals an input has none.
pub(super) fn model_parts(
    question: &Question<'_>,
    sides: &Sides,
    Fit { model, residuals }: &Fit,
) -> (Vec<Part>, usize) {
    let factor = model.factor;
    // The standard error of the factor, with a margin, and the rounding of the dtype.
    let error = residuals.rms_inside() / sides.rms.max(f64::MIN_POSITIVE) / (residuals.count.max(1) as f64).sqrt();
    let precision = 4.0 * sides.noise.eps + 6.0 * error;
    let [times, _] = format_distinct([factor, 1.0]);
    let (id, product) = match factor {
        1.0 => (None, "reference".to_owned()),
        _ if (factor + 1.0).abs() <= precision => (Some(Hypothesis::Negated), "-reference".to_owned()),
        _ => (Some(Hypothesis::Scale), format!("{times} x reference")),
    };
    let shapes = std::iter::once(sides.shape.as_slice()).chain(question.inputs.values().map(|input| input.shape()));
    let extents: Vec<usize> = shapes.flat_map(|shape| shape.iter().rev().copied()).collect();
    let name = name_factor(factor, &extents, precision).filter(|_| id == Some(Hypothesis::Scale));
    let bias = model.bias.as_ref().map(|bias| (bias, describe_bias(question, sides, bias, &product)));
    // Factor and bias make one formula, which both parts share.
    let evidence = match (&bias, name) {
        (Some((_, (formula, _))), Some(name)) => format!("{formula}; the factor is {name}"),
        (Some((_, (formula, _))), None) => formula.clone(),
        (None, Some(name)) => format!("actual = {product}, which is {name}"),
        (None, None) => format!("actual = {product}"),
    };
    let details = Details { factor: Some(factor), ..Details::default() };
    let mut parts: Vec<Part> = id.map(|id| Part::new(id, evidence.clone(), details)).into_iter().collect();
    let mut free = model.parameters();
    if let Some((bias, (_, input))) = bias {
        free -= if input.is_some() { bias.values.len() } else { 0 };
        let details = Details { axes: Some(bias.groups.other_axes()), name: input, ..Details::default() };
        parts.push(Part::new(Hypothesis::Bias, evidence, details));
    }
    (parts, free)
}

/// Describes a bias that is added to `product`, and returns the name of the input that it equals, if any.
fn describe_bias(question: &Question<'_>, sides: &Sides, bias: &Bias, product: &str) -> (String, Option<String>) {
    if let [value] = bias.values[..] {
        // Digits that rounding explains are not shown.
        let is_whole = (value - value.round()).abs() <= 4.0 * sides.noise.eps * sides.rms;
        let value = if is_whole && value.round() != 0.0 { value.round() } else { value };
        let magnitude = format_exact(value.abs());
        let sum = match product {
            "-reference" if value > 0.0 => format!("{magnitude} - reference"),
            _ => format!("{product} {} {magnitude}", if value < 0.0 { '-' } else { '+' }),
        };
        return (format!("actual = {sum} throughout"), None);
    }
    let extents: Vec<usize> = bias.groups.axes.iter().map(|&axis| sides.shape[axis]).collect();
    for (name, input) in &question.inputs {
        let shape: Vec<usize> = input.shape().iter().copied().filter(|extent| *extent > 1).collect();
        if shape == extents
            && let Some(times) = multiple_of(&bias.values, input, sides.noise.eps)
        {
            return (describe_sum(product, times, name), Some((*name).to_owned()));
        }
    }
    let axes = match bias.groups.other_axes()[..] {
        [axis] => format!("axis {axis}"),
        ref axes => format!("axes {}", format_axes(axes)),
    };
    let minus = product.strip_prefix('-').map_or(format!("- {product}"), |negated| format!("+ {negated}"));
    (format!("actual {minus} is constant along {axes}: {} distinct values", bias.values.len()), None)
}

/// Describes a tensor that differs by a multiple of an input. It does not say which side is wrong.
pub(super) fn describe_sum(product: &str, times: f64, name: &str) -> String {
    let sign = if times < 0.0 { '-' } else { '+' };
    let times = if times.abs() == 1.0 { String::new() } else { format!("{} x ", format_short(times.abs())) };
    format!("actual = {product} {sign} {times}the input `{name}`")
}

/// Returns the factor by which the values are a multiple of the input, or `None` if they are not.
fn multiple_of(values: &[f64], input: &Tensor, eps: f64) -> Option<f64> {
    let input = to_f64(input);
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let (run, rise, squares) = (product(&input, &input), product(values, &input), product(values, values));
    let times = rise / run;
    let is_equal = run > 0.0 && squares - times * rise <= 4e-4 * squares;
    is_equal.then(|| if (times.abs() - 1.0).abs() < (8.0 * eps).max(1e-3) { times.signum() } else { times })
}

/// Formats a number with up to four significant digits: `0.125`, `1.01`, `2.357e-4`.
pub(super) fn format_short(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return format!("{}", x + 0.0);
    }
    let rounded: f64 = format!("{x:.3e}").parse().unwrap_or(x);
    match rounded.abs() {
        1e-3..1e6 => format!("{rounded}"),
        _ => format!("{rounded:e}"),
    }
}

/// Formats numbers with as many digits as it takes to tell them apart, and at least four.
pub(super) fn format_distinct<const N: usize>(values: [f64; N]) -> [String; N] {
    number::distinct(values, 4)
}

/// Formats an element of a tensor, so that a fraction does not look like an integer.
pub(super) fn format_exact(x: f64) -> String {
    let [text, _] = format_distinct([x, x.round()]);
    text
}

/// Formats axes in brackets: `(0, 2, 1)`.
pub(super) fn format_axes(axes: &[usize]) -> String {
    let axes: Vec<String> = axes.iter().map(usize::to_string).collect();
    format!("({})", axes.join(", "))
}

/// Names the factor, to this relative precision, as a root or a quotient of an extent or of another usual number.
pub(super) fn name_factor(factor: f64, extents: &[usize], precision: f64) -> Option<String> {
    let is = |value: f64| (factor.abs() / value - 1.0).abs() <= precision;
    // A number that occurs in a shape is hardly a coincidence; any other has to be a usual one.
    let with = |usual: &[usize]| [extents, usual].concat().into_iter().filter(|n| *n > 1);
    let root = with(&[16, 32, 48, 64, 80, 96, 128, 256, 512, 768, 1024]).find_map(|n| match (n as f64).sqrt() {
        root if is(root) => Some(format!("sqrt({n})")),
        root if is(1.0 / root) => Some(format!("1/sqrt({n})")),
        _ => None,
    });
    let mut divisors = with(&[3, 12, 16, 32, 64, 128, 255, 256, 512, 768, 1024]);
    let name = root.or_else(|| divisors.find(|n| is(1.0 / *n as f64)).map(|n| format!("1/{n}")))?;
    Some(if factor < 0.0 { format!("-{name}") } else { name })
}

/// Formats the smallest box that contains the positions as an index, `[0, 3..5, :]`, and returns whether they fill it.
pub(super) fn bounding_box(shape: &[usize], positions: &[usize]) -> (String, bool) {
    let mut ranges = vec![(usize::MAX, 0); shape.len()];
    for &position in positions {
        let mut rest = position;
        for (range, extent) in ranges.iter_mut().zip(shape).rev() {
            let at = rest % extent;
            *range = (range.0.min(at), range.1.max(at));
            rest /= extent;
        }
    }
    let format = |(&(from, to), &extent): (&(usize, usize), &usize)| match (from, to) {
        (0, to) if to + 1 == extent && extent > 1 => ":".to_owned(),
        (from, to) if from == to => from.to_string(),
        (from, to) => format!("{from}..{}", to + 1),
    };
    let words: Vec<String> = ranges.iter().zip(shape).map(format).collect();
    let volume: usize = ranges.iter().map(|(from, to)| to + 1 - from).product();
    (format!("[{}]", words.join(", ")), volume == positions.len())
}

/// Describes a number of elements: `12 of 512 elements`.
pub(super) fn describe_count(count: usize, sides: &Sides) -> String {
    let all = sides.finite_count as usize + sides.non_finite.len();
    let compared = if all == sides.len() { "" } else { "compared " };
    format!("{count} of {all} {compared}elements")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_have_four_digits() {
        for (x, text) in [(8.0, "8"), (0.125, "0.125"), (1.01, "1.01"), (2.356_78e-4, "2.357e-4"), (-1e9, "-1e9")] {
            assert_eq!(format_short(x), text);
        }
    }

    #[test]
    fn a_fraction_does_not_look_like_an_integer() {
        for (x, text) in [(1.00004, "1.00004"), (1.0, "1"), (-0.99996, "-0.99996"), (6.0, "6"), (0.25, "0.25")] {
            assert_eq!(format_exact(x), text);
        }
    }

    #[test]
    fn a_root_of_an_extent_is_named() {
        assert_eq!(name_factor(0.125, &[4, 64], 1e-6).as_deref(), Some("1/sqrt(64)"));
        assert_eq!(name_factor(8.0, &[1, 8, 64], 1e-6).as_deref(), Some("sqrt(64)"));
        assert_eq!(name_factor(-4.0, &[], 1e-6).as_deref(), Some("-sqrt(16)"));
        assert_eq!(name_factor(1.0 / 14.0, &[14], 1e-6).as_deref(), Some("1/14"));
        assert_eq!(name_factor(1.01, &[7, 9], 1e-6), None);
    }

    #[test]
    fn a_region_is_described_by_its_bounding_box() {
        assert_eq!(bounding_box(&[1, 8, 4], &[12, 13, 14, 15]), ("[0, 3, :]".into(), true));
        assert_eq!(bounding_box(&[1, 8, 4], &[12, 21]), ("[0, 3..6, 0..2]".into(), false));
        assert_eq!(bounding_box(&[], &[0]), ("[]".into(), true));
    }
}
