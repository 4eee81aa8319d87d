//! Hypotheses by their parts: what is said for each, and numbers, axes and places in a sentence for a person.

use super::explanation::{Details, Explanation, Hypothesis, Question};
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

/// An explanation for each part of what holds together; each says what holds at the same time.
pub(super) fn answers(parts: &[Part], removes: f64, is_clean: bool) -> Vec<Explanation> {
    let about = if is_clean { "" } else { "roughly, " };
    let answer = |(at, part): (usize, &Part)| {
        let others = || parts.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, part)| part);
        let more = others().map(|other| &other.evidence).filter(|evidence| **evidence != part.evidence);
        let evidence =
            std::iter::once(&part.evidence).chain(more).map(String::as_str).collect::<Vec<&str>>().join("; and ");
        let with = others().map(|part| part.id).collect();
        Explanation {
            id: part.id,
            removes,
            evidence: format!("{about}{evidence}"),
            with,
            details: part.details.clone(),
        }
    };
    parts.iter().enumerate().map(answer).collect()
}

/// A tensor that actual may be a multiple of, and why.
#[derive(Debug)]
pub(super) struct Base {
    /// `None` for the reference itself.
    pub(super) part: Option<Part>,
    /// NaN where nothing is known of what the element should be.
    pub(super) values: Vec<f64>,
    /// The actual tensor with something undone, where it is not taken as it is.
    pub(super) actual: Option<Vec<f64>>,
    /// Numbers that were chosen so that it fits.
    pub(super) parameters: usize,
    /// Whether it says why something is not finite.
    pub(super) tells_lost: bool,
    /// The squares of the difference where it says nothing of what an element should be.
    pub(super) untold: f64,
}

impl Base {
    pub(super) fn new(part: impl Into<Option<Part>>, values: Vec<f64>, parameters: usize) -> Base {
        Base { part: part.into(), values, actual: None, parameters, tells_lost: false, untold: 0.0 }
    }
}

/// The hypotheses that a model consists of, and its free parameters: a bias that is an input has none.
pub(super) fn model_parts(question: &Question<'_>, sides: &Sides, Fit { model, tally }: &Fit) -> (Vec<Part>, usize) {
    let factor = model.factor;
    // The standard error of the factor, with room, and what the dtype rounds.
    let error = tally.rms_within() / sides.rms.max(f64::MIN_POSITIVE) / (tally.numbers.max(1) as f64).sqrt();
    let precision = 4.0 * sides.noise.eps + 6.0 * error;
    let [times, _] = apart([factor, 1.0]);
    let (id, of) = match factor {
        1.0 => (None, "reference".to_owned()),
        _ if (factor + 1.0).abs() <= precision => (Some(Hypothesis::Negated), "-reference".to_owned()),
        _ => (Some(Hypothesis::Scale), format!("{times} x reference")),
    };
    let shapes = std::iter::once(sides.shape.as_slice()).chain(question.inputs.values().map(|input| input.shape()));
    let extents: Vec<usize> = shapes.flat_map(|shape| shape.iter().rev().copied()).collect();
    let name = factor_name(factor, &extents, precision).filter(|_| id == Some(Hypothesis::Scale));
    let biased = model.bias.as_ref().map(|bias| bias_words(question, sides, bias, &of));
    // Both are one formula, and it is said once.
    let evidence = match (&biased, name) {
        (Some((words, _)), Some(name)) => format!("{words}; the factor is {name}"),
        (Some((words, _)), None) => words.clone(),
        (None, Some(name)) => format!("actual = {of}, which is {name}"),
        (None, None) => format!("actual = {of}"),
    };
    let details = Details { factor: Some(factor), ..Details::default() };
    let mut parts: Vec<Part> = id.map(|id| Part::new(id, evidence.clone(), details)).into_iter().collect();
    let mut free = model.parameters();
    if let (Some((_, input)), Some(bias)) = (biased, &model.bias) {
        free -= if input.is_some() { bias.values.len() } else { 0 };
        let details = Details { axes: Some(bias.groups.others()), name: input, ..Details::default() };
        parts.push(Part::new(Hypothesis::Bias, evidence, details));
    }
    (parts, free)
}

/// A bias of what a factor makes of the reference, and the input that it is.
fn bias_words(question: &Question<'_>, sides: &Sides, bias: &Bias, of: &str) -> (String, Option<String>) {
    if let [value] = bias.values[..] {
        // What rounding explains is no digit of it.
        let is_whole = (value - value.round()).abs() <= 4.0 * sides.noise.eps * sides.rms;
        let value = if is_whole && value.round() != 0.0 { value.round() } else { value };
        let shown = exactly(value.abs());
        let sum = match of {
            "-reference" if value > 0.0 => format!("{shown} - reference"),
            _ => format!("{of} {} {shown}", if value < 0.0 { '-' } else { '+' }),
        };
        return (format!("actual = {sum} throughout"), None);
    }
    let extents: Vec<usize> = bias.groups.axes.iter().map(|&axis| sides.shape[axis]).collect();
    let equal = question.inputs.iter().find_map(|(name, input)| {
        let shape: Vec<usize> = input.shape().iter().copied().filter(|extent| *extent > 1).collect();
        let times = (shape == extents).then(|| times(&bias.values, input, sides.noise.eps)).flatten()?;
        Some((plus_input(of, times, name), Some((*name).to_owned())))
    });
    let along = bias.groups.others();
    let words = if along.len() == 1 { format!("axis {}", along[0]) } else { format!("axes {}", axes_words(&along)) };
    let minus = of.strip_prefix('-').map_or(format!("- {of}"), |negated| format!("+ {negated}"));
    let count = bias.values.len();
    equal.unwrap_or_else(|| (format!("actual {minus} is constant along {words}: {count} different values"), None))
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
    number::distinct(values, 4)
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
    let is = |value: f64| (factor.abs() / value - 1.0).abs() <= precision;
    // What stands in the shapes is no coincidence; what does not has to be usual.
    let with = |usual: &[usize]| [extents, usual].concat().into_iter().filter(|n| *n > 1);
    let root = with(&[16, 32, 48, 64, 80, 96, 128, 256, 512, 768, 1024]).find_map(|n| match (n as f64).sqrt() {
        root if is(root) => Some(format!("sqrt({n})")),
        root if is(1.0 / root) => Some(format!("1/sqrt({n})")),
        _ => None,
    });
    let divisors = || with(&[3, 12, 16, 32, 64, 128, 255, 256, 512, 768, 1024]);
    let name = root.or_else(|| divisors().find(|n| is(1.0 / *n as f64)).map(|n| format!("1/{n}")))?;
    Some(if factor < 0.0 { format!("-{name}") } else { name })
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
