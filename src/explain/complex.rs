//! Complex numbers: what holds of every element, or nothing. The rules for places and for rounding are of real numbers.

use num_complex::Complex;

use super::flip::Flip;
use super::layout::Layout;
use super::noise::Noise;
use super::parts::Part;
use super::rank::{Candidate, answers};
use super::shift::Shift;
use super::words::{apart, factor_name};
use crate::compare::Pair;
use crate::explain::{Details, Explanation, Hypothesis, Question};
use crate::tensor::{Data, Tensor};

/// Elements below which nothing can be told.
const ELEMENTS: usize = 4;

/// Elements of which some have to fit before all are looked at.
const FEW: usize = 64;

/// Why a complex tensor is not its reference: the same in another order, its conjugate, a multiple of it, or two of these.
pub(super) fn explain(question: &Question<'_>) -> Vec<Explanation> {
    let Pair { actual, reference, mask: None } = question.pair else { return Vec::new() };
    let (Some(a), Some(r)) = (widen(actual), widen(reference)) else { return Vec::new() };
    let is_number = |x: &Complex<f64>| x.re.is_finite() && x.im.is_finite();
    if a.len() != r.len() || a.len() < ELEMENTS || a == r || !a.iter().chain(&r).all(is_number) {
        return Vec::new();
    }
    let noise = Noise::of(actual, reference);
    let (shape, actual_shape) = (reference.shape(), actual.shape());
    // Each as the place that an element comes from. The first that holds is the simplest.
    let identity = || -> Order { (None, Box::new(Some)) };
    let mut orders: Vec<Order> = if shape == actual_shape { vec![identity()] } else { Vec::new() };
    if shape == actual_shape {
        orders.extend(
            Flip::all(shape)
                .into_iter()
                .map(|flip| -> Order { (Some(flip.part()), Box::new(move |position| Some(flip.source(position)))) }),
        );
        orders.extend(Shift::all(shape).into_iter().map(|shift| -> Order {
            let part = shift.part(", and what went out came in at the other end");
            (Some(part), Box::new(move |position| shift.source(position, true)))
        }));
    }
    orders.extend(Layout::all(shape, actual_shape).into_iter().map(|layout| -> Order {
        (Some(layout.part(shape, actual_shape)), Box::new(move |position| Some(layout.source(position))))
    }));
    for (order, source) in orders {
        for conjugate in [false, true] {
            let base = |position: usize| {
                source(position).map(|from| if conjugate { r[from].conj() } else { r[from] }).unwrap_or_default()
            };
            let Some(factor) = factor(&a, base, noise) else { continue };
            let mut parts: Vec<Part> = order.iter().cloned().collect();
            if conjugate {
                let evidence = "actual is the complex conjugate of the reference".to_owned();
                parts.push(Part { id: Hypothesis::Conjugate, evidence, details: Details::default() });
            }
            parts.extend(scale(factor, shape, noise));
            // Rounding alone is no fault.
            if parts.is_empty() {
                return Vec::new();
            }
            if parts.len() <= 2 {
                return answers(Candidate { parts, parameters: 0, removes: 1.0, is_clean: true, is_excused: false });
            }
        }
    }
    Vec::new()
}

/// An order of the elements: what it is called, and where each comes from.
type Order = (Option<Part>, Box<dyn Fn(usize) -> Option<usize>>);

/// The real factor with which the base is the actual tensor up to rounding, at every element.
fn factor(actual: &[Complex<f64>], base: impl Fn(usize) -> Complex<f64>, noise: Noise) -> Option<f64> {
    let step = (actual.len() / FEW).max(1);
    let over = |step: usize| {
        let places = || (0..actual.len()).step_by(step);
        let (rise, run) = places().fold((0.0, 0.0), |(rise, run), at| {
            let b = base(at);
            (rise + (actual[at] * b.conj()).re, run + b.norm_sqr())
        });
        let factor = rise / run;
        let squares: f64 = places().map(|at| actual[at].norm_sqr()).sum();
        let rms = (squares / places().count() as f64).sqrt();
        let is_close = |at: usize| (actual[at] - factor * base(at)).norm() <= noise.limit(actual[at].norm() + rms);
        (factor.is_finite() && factor != 0.0 && places().all(is_close)).then_some(factor)
    };
    over(step).and_then(|_| over(1))
}

/// What a factor is called; `None` where it is 1.
fn scale(factor: f64, shape: &[usize], noise: Noise) -> Option<Part> {
    let precision = 64.0 * noise.eps;
    let details = Details { factor: Some(factor), ..Details::default() };
    if (factor - 1.0).abs() <= precision {
        return None;
    }
    if (factor + 1.0).abs() <= precision {
        return Some(Part { id: Hypothesis::Negated, evidence: "actual = -reference".into(), details });
    }
    // A transform of real numbers has half of its points and one more.
    let halves = shape.last().into_iter().flat_map(|&last| [2 * last.saturating_sub(1), (2 * last).saturating_sub(1)]);
    let extents: Vec<usize> = halves.chain(shape.iter().rev().copied()).chain([shape.iter().product()]).collect();
    let name = factor_name(factor, &extents, precision).map(|name| format!(", which is {name}")).unwrap_or_default();
    let [times, _] = apart([factor, 1.0]);
    Some(Part { id: Hypothesis::Scale, evidence: format!("actual = {times} x reference{name}"), details })
}

/// The elements in double precision; `None` where they are real.
fn widen(tensor: &Tensor) -> Option<Vec<Complex<f64>>> {
    match tensor.data() {
        Data::C64(elements) => Some(elements.iter().map(|x| Complex::new(x.re.into(), x.im.into())).collect()),
        Data::C128(elements) => Some(elements.clone()),
        _ => None,
    }
}
