//! What the reference would have to become: the tensors that a model is tried on.

use std::borrow::Cow;

use super::flip::Flip;
use super::layout::Layout;
use super::parts::{Part, plus_input};
use super::sample::Sample;
use super::screen::Screen;
use super::shift::Shift;
use super::sides::{Sides, widen};
use super::{causal, gelu, linear, norm};
use crate::explain::{Details, Hypothesis, Other, Question};

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

/// Orders of the elements that are held against all of them.
const CLOSER_LOOKS: usize = 3;

impl<'a> Base<'a> {
    pub(super) fn new(parts: Vec<Part>, values: impl Into<Cow<'a, [f64]>>, parameters: usize) -> Base<'a> {
        Base { parts, values: values.into(), actual: None, parameters, tells_lost: false, untold: 0.0 }
    }
}

/// Every base in the reference's own order but the reference itself, those that look right on a sample.
pub(super) fn bases(question: &Question<'_>, sides: &Sides, sample: &Sample) -> Vec<Base<'static>> {
    let mut bases = causal::bases(question, sides);
    bases.extend(norm::bases(question, sides));
    bases.extend(gelu::bases(sides, &sample.positions));
    bases.extend(linear::bases(question, sides));
    bases.extend(with_inputs(question, sides, sample));
    bases.extend(others(question, sides, sample));
    bases
}

/// The elements in another order, or further along.
pub(super) fn moved<'s>(sides: &'s Sides, sample: &Sample) -> impl Iterator<Item = Base<'static>> + use<'s> {
    let screen = Screen::new(&sides.actual, &sides.reference, sample);
    let layouts = Layout::all(&sides.shape, &sides.actual_shape);
    let alike = layouts.iter().filter_map(|l| screen.alike(|position| Some(l.source(position))).map(|a| (a, l)));
    let layouts: Vec<Layout> = best(alike.collect()).into_iter().cloned().collect();
    let shifts = if sides.is_aligned() { Shift::all(&sides.shape) } else { Vec::new() };
    let alike = shifts.iter().filter_map(|s| screen.alike(|position| s.source(position, false)).map(|a| (a, s)));
    let shifts: Vec<Shift> = best(alike.collect()).into_iter().cloned().collect();
    let flips = if sides.is_aligned() { Flip::all(&sides.shape) } else { Vec::new() };
    let alike = flips.iter().filter_map(|f| screen.alike(|position| Some(f.source(position))).map(|a| (a, f)));
    let flips: Vec<Flip> = best(alike.collect()).into_iter().cloned().collect();
    let flips = flips.into_iter().map(|flip| Base::new(vec![flip.part()], flip.apply(&sides.reference), 0));
    // One after the other: each is as large as the tensor.
    let layouts = layouts.into_iter().map(|layout| {
        Base::new(vec![layout.part(&sides.shape, &sides.actual_shape)], layout.apply(&sides.reference), 0)
    });
    // Either what went out came in again, or what stands at the edge is anything.
    let shifts = shifts.into_iter().flat_map(|shift| [true, false].map(|wraps| (shift.clone(), wraps)));
    let shifts = shifts.filter(|(shift, wraps)| *wraps || shift.is_along_many());
    layouts.chain(flips).chain(shifts.map(|(shift, wraps)| {
        let edge = if wraps { ", and what went out came in at the other end" } else { "" };
        let untold = if wraps { 0.0 } else { without_source(sides, &shift) };
        Base { untold, ..Base::new(vec![shift.part(edge)], shift.apply(&sides.reference, wraps), 1) }
    }))
}

/// The squares of the difference where nothing came.
fn without_source(sides: &Sides, shift: &Shift) -> f64 {
    let outside = (0..sides.len()).filter(|&position| shift.source(position, false).is_none());
    outside.map(|p| (sides.actual[p] - sides.reference[p]).powi(2)).filter(|square| !square.is_nan()).sum()
}

/// Whether the elements are enough to tell their order: a few that are one of two or three values fit another one by chance.
pub(super) fn has_order(sides: &Sides) -> bool {
    /// As good as one in so many powers of two.
    const BITS: f64 = 24.0;
    let mut values: Vec<f64> = sides.reference.iter().copied().filter(|x| !x.is_nan()).take(4096).collect();
    if values.iter().any(|x| x.fract() != 0.0) {
        return true;
    }
    values.sort_by(f64::total_cmp);
    values.dedup();
    sides.numbers as f64 * (values.len() as f64).log2() >= BITS
}

/// Those most alike, of equally good ones the first.
fn best<T>(mut alike: Vec<(f64, T)>) -> Vec<T> {
    alike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    alike.into_iter().take(CLOSER_LOOKS).map(|(_, of)| of).collect()
}

/// The references of the other outputs.
fn others(question: &Question<'_>, sides: &Sides, sample: &Sample) -> Vec<Base<'static>> {
    let others = question.others.iter().filter(|other| other.reference.len() == sides.len());
    others
        .filter_map(|other| {
            let values = widen(other.reference);
            Screen::new(&sides.actual, &values, sample).alike(Some)?;
            let details = Details { name: Some(other.name.to_owned()), ..Details::default() };
            let evidence = swapped_words(other, sides);
            Some(Base::new(vec![Part { id: Hypothesis::SwappedOutputs, evidence, details }], values, 0))
        })
        .collect()
}

fn swapped_words(Other { name, actual, .. }: &Other<'_>, sides: &Sides) -> String {
    let is_both = actual.filter(|actual| actual.len() == sides.len()).is_some_and(|actual| {
        let actual = widen(actual);
        let pairs = || actual.iter().zip(&sides.reference).filter(|(a, r)| !(**a - **r).is_nan());
        let left: f64 = pairs().map(|(a, r)| (a - r) * (a - r)).sum();
        left <= 0.01 * pairs().map(|(_, r)| r * r).sum::<f64>()
    });
    match is_both {
        true => format!("it is the output `{name}`, and `{name}` is this one: the two are exchanged"),
        false => format!("it is the reference of the output `{name}`"),
    }
}

/// The reference plus or minus an input: one that only one side adds, or with the other sign.
fn with_inputs(question: &Question<'_>, sides: &Sides, sample: &Sample) -> Vec<Base<'static>> {
    if !sides.is_aligned() {
        return Vec::new();
    }
    let mut bases = Vec::new();
    for (name, input) in &question.inputs {
        let Some(place) = broadcast(input.shape(), &sides.shape) else { continue };
        let values = widen(input);
        let (mut run, mut rise, mut squares) = (0.0, 0.0, 0.0);
        let (mut shared, mut reference) = (0.0, 0.0);
        for &position in &sample.positions {
            let (x, difference) = (values[place(position)], sides.actual[position] - sides.reference[position]);
            if !(x + difference).is_nan() {
                run += x * x;
                rise += x * difference;
                squares += difference * difference;
                shared += x * sides.reference[position];
                reference += sides.reference[position] * sides.reference[position];
            }
        }
        // Where the reference is a multiple of the input, a factor says the same and claims less.
        let is_multiple = shared * shared > 0.999 * run * reference;
        if is_multiple || run == 0.0 || squares == 0.0 || rise * rise < 0.5 * run * squares {
            continue;
        }
        let slope = rise / run;
        let Some(times) = [-1.0, 1.0, -2.0].into_iter().find(|times| (slope / times - 1.0).abs() < 0.3) else {
            continue;
        };
        let moved: Vec<f64> = (0..sides.len()).map(|p| sides.reference[p] + times * values[place(p)]).collect();
        let evidence = plus_input("reference", times, name);
        let details = Details { name: Some((*name).to_owned()), ..Details::default() };
        bases.push(Base::new(vec![Part { id: Hypothesis::Bias, evidence, details }], moved, 0));
    }
    bases
}

/// The element of a tensor that stands beside a position of a larger one, where it can be broadcast to it as numpy does.
fn broadcast(shape: &[usize], larger: &[usize]) -> Option<impl Fn(usize) -> usize + use<>> {
    let skipped = larger.len().checked_sub(shape.len())?;
    let mut stride = 1;
    let mut steps = vec![(0, 1); larger.len()];
    for axis in (0..larger.len()).rev() {
        steps[axis].1 = larger[axis];
        let Some(&extent) = axis.checked_sub(skipped).and_then(|axis| shape.get(axis)) else { continue };
        if extent != larger[axis] && extent != 1 {
            return None;
        }
        steps[axis].0 = if extent == 1 { 0 } else { stride };
        stride *= extent;
    }
    // A single number beside every element is found without its input.
    (stride > 1).then_some(move |position: usize| {
        let mut rest = position;
        let mut place = 0;
        for (step, extent) in steps.iter().rev() {
            place += rest % extent * step;
            rest /= extent;
        }
        place
    })
}
