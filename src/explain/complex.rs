//! Explanations for complex tensors: only those that fit every element. The hypotheses about locations and rounding are for real
//! tensors.

use num_complex::Complex;

use super::explanation::{Details, Explanation, Hypothesis, Question};
use super::order::{Order, Shift, flips, layouts};
use super::parts::{Part, explanations, format_distinct, name_factor};
use super::sides::Noise;
use crate::compare::Pair;
use crate::tensor::{Slice, Tensor};

/// The smallest number of elements that can be explained.
const MIN_ELEMENTS: usize = 4;

/// The number of elements of a sample, which has to fit before all are checked.
const SAMPLE: usize = 64;

/// Explains a complex tensor as the reference in another order, its conjugate, a multiple of it, or two of these.
pub(super) fn explain(question: &Question<'_>) -> Vec<Explanation> {
    let Pair { actual, reference, mask: None } = question.pair else { return Vec::new() };
    let (Some(a), Some(r)) = (to_complex(actual), to_complex(reference)) else { return Vec::new() };
    let is_number = |x: &Complex<f64>| x.re.is_finite() && x.im.is_finite();
    if a.len() != r.len() || a.len() < MIN_ELEMENTS || a == r || !a.iter().chain(&r).all(is_number) {
        return Vec::new();
    }
    let noise = Noise::new(if actual.dtype().eps() >= reference.dtype().eps() { actual } else { reference }.dtype());
    let (shape, actual_shape) = (reference.shape(), actual.shape());
    // From the simplest to the most complex: the first that fits is the answer.
    let mut orders: Vec<Option<Order>> = Vec::new();
    if shape == actual_shape {
        orders.push(None);
        orders.extend(flips(shape).into_iter().map(Some));
        orders.extend(Shift::all(shape).into_iter().map(|shift| Some(shift.order(true))));
    }
    orders.extend(layouts(shape, actual_shape).into_iter().map(Some));
    for order in orders {
        for conjugate in [false, true] {
            let base = |position: usize| {
                let from = order.as_ref().map_or(Some(position), |order| order.source(position));
                from.map(|from| if conjugate { r[from].conj() } else { r[from] }).unwrap_or_default()
            };
            let Some(factor) = factor(&a, base, noise) else { continue };
            let mut parts: Vec<Part> = order.iter().map(|order| order.part.clone()).collect();
            if conjugate {
                let evidence = "actual is the complex conjugate of the reference";
                parts.push(Part::new(Hypothesis::Conjugate, evidence, Details::default()));
            }
            parts.extend(scale(factor, shape, noise));
            // Without parts the difference is only rounding.
            if parts.len() <= 2 {
                return explanations(&parts, 1.0, true);
            }
        }
    }
    Vec::new()
}

/// Returns the real factor by which actual is a multiple of the base, up to rounding and at every element.
fn factor(actual: &[Complex<f64>], base: impl Fn(usize) -> Complex<f64>, noise: Noise) -> Option<f64> {
    let step = (actual.len() / SAMPLE).max(1);
    let estimate = |step: usize| {
        let positions = || (0..actual.len()).step_by(step);
        let (rise, run) = positions().fold((0.0, 0.0), |(rise, run), at| {
            let b = base(at);
            (rise + (actual[at] * b.conj()).re, run + b.norm_sqr())
        });
        let factor = rise / run;
        let squares: f64 = positions().map(|at| actual[at].norm_sqr()).sum();
        let rms = (squares / positions().count() as f64).sqrt();
        let is_close = |at: usize| (actual[at] - factor * base(at)).norm() <= noise.limit(actual[at].norm() + rms);
        (factor.is_finite() && factor != 0.0 && positions().all(is_close)).then_some(factor)
    };
    estimate(step).and_then(|_| estimate(1))
}

/// Names the factor; returns `None` if it is 1.
fn scale(factor: f64, shape: &[usize], noise: Noise) -> Option<Part> {
    let precision = 64.0 * noise.eps;
    let details = Details { factor: Some(factor), ..Details::default() };
    if (factor - 1.0).abs() <= precision {
        return None;
    }
    if (factor + 1.0).abs() <= precision {
        return Some(Part::new(Hypothesis::Negated, "actual = -reference", details));
    }
    // The Fourier transform of n real numbers has n / 2 + 1 elements.
    let halves = shape.last().into_iter().flat_map(|&last| [2 * last.saturating_sub(1), (2 * last).saturating_sub(1)]);
    let extents: Vec<usize> = halves.chain(shape.iter().rev().copied()).chain([shape.iter().product()]).collect();
    let name = name_factor(factor, &extents, precision).map(|name| format!(", which is {name}")).unwrap_or_default();
    let [times, _] = format_distinct([factor, 1.0]);
    Some(Part::new(Hypothesis::Scale, format!("actual = {times} x reference{name}"), details))
}

/// Converts the elements to double precision; returns `None` if they are not complex.
fn to_complex(tensor: &Tensor) -> Option<Vec<Complex<f64>>> {
    match tensor.data() {
        Slice::C64(elements) => Some(elements.iter().map(|x| Complex::new(x.re.into(), x.im.into())).collect()),
        Slice::C128(elements) => Some(elements.to_vec()),
        _ => None,
    }
}
