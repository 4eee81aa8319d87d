//! One block, one element after the other, whatever the dtypes and whatever the elements are: what every measurement means.
//!
//! The vector loops take the blocks of plain finite numbers off its hands, and must measure the same to the last bit.

use std::iter::zip;
use std::ops::Range;

use num_complex::Complex;

use super::found::{Found, Peak, Seen, Sides};
use super::lanes::peak;
use super::moments::Moments;
use super::rules::Rules;
use super::sums::Sums;
use super::tally::Tally;
use super::ulp::ulp_distance;
use super::wide::{Split, Wide};
use crate::tensor::dtype::{Element, Kind};
use crate::tensor::source::{Slice, dispatch_slice};
use crate::tensor::tensor::Value;

/// Measures a block of a pair. The mask is that of the block.
pub(crate) fn block(
    sides: &Sides<'_>,
    mask: Option<&[bool]>,
    range: Range<usize>,
    rules: &Rules,
    found: &mut Found,
) -> Tally {
    let measure = match (sides.actual.dtype().kind(), sides.reference.dtype().kind()) {
        (Kind::Integer, Kind::Integer) => pair::<i128>,
        (Kind::Float, Kind::Float) => pair::<f64>,
        (Kind::Complex, _) | (_, Kind::Complex) => pair::<Complex<f64>>,
        (Kind::Integer, Kind::Float) | (Kind::Float, Kind::Integer) => pair::<Split>,
    };
    let local = range.start - sides.start..range.end - sides.start;
    let sums = measure(sides, mask, range, rules, found);
    Tally {
        sums,
        actual: side(sides.actual.part(local.clone()), mask, &mut found.actual),
        reference: side(sides.reference.part(local), mask, &mut found.reference),
    }
}

/// The pairs of a block of which both sides are finite, and where they stand.
struct Numbers<W> {
    actual: Vec<W>,
    reference: Vec<W>,
    positions: Vec<usize>,
}

fn pair<W: Wide>(
    sides: &Sides<'_>,
    mask: Option<&[bool]>,
    range: Range<usize>,
    rules: &Rules,
    found: &mut Found,
) -> Sums {
    let numbers = sort_out::<W>(sides, mask, range, rules, found);
    let Numbers { actual, reference, positions } = &numbers;
    if positions.is_empty() {
        return Sums::default();
    }
    found.numbers += positions.len() as u64;
    found.differing += zip(actual, reference).filter(|(actual, reference)| actual != reference).count() as u64;
    found.zero_references += reference.iter().filter(|reference| reference.magnitude() == 0.0).count() as u64;
    let outside = judge(actual, reference, |place| positions[place], sides, rules, found);
    found.count_outside(outside, || None);
    if let Some((distance, place)) = farthest(sides, positions) {
        Peak::raise(&mut found.ulps, distance, || sides.spot(positions[place]));
    }
    Sums::of(actual, reference)
}

/// Leaves out what the mask leaves out, decides what is not finite, and returns the numbers.
fn sort_out<W: Wide>(
    sides: &Sides<'_>,
    mask: Option<&[bool]>,
    range: Range<usize>,
    rules: &Rules,
    found: &mut Found,
) -> Numbers<W> {
    let local = range.start - sides.start..range.end - sides.start;
    let actual = load::<W>(sides.actual.part(local.clone()));
    let reference = load::<W>(sides.reference.part(local));
    let mut numbers = Numbers { actual: Vec::new(), reference: Vec::new(), positions: Vec::new() };
    for (place, (actual, reference)) in zip(actual, reference).enumerate() {
        let position = range.start + place;
        if mask.is_some_and(|mask| !mask[place]) {
            found.left_out += 1;
            continue;
        }
        found.elements += 1;
        if actual.is_finite() && reference.is_finite() {
            numbers.actual.push(actual);
            numbers.reference.push(reference);
            numbers.positions.push(position);
        } else if !actual.matches(reference, rules.nan) {
            found.differing += 1;
            found.non_finite_mismatches += 1;
            found.first_non_finite_mismatch.get_or_insert_with(|| sides.spot(position));
        }
    }
    numbers
}

/// Holds numbers against the tolerance, and returns how many are outside. They stand at these positions.
pub(crate) fn judge<W: Wide>(
    actual: &[W],
    reference: &[W],
    position: impl Fn(usize) -> usize,
    sides: &Sides<'_>,
    rules: &Rules,
    found: &mut Found,
) -> u64 {
    let tolerance = rules.tolerance;
    // One short loop a quantity: that is what compilers turn into vector instructions.
    let pairs = || zip(actual.iter().copied(), reference.iter().copied());
    let magnitudes: Vec<f64> = reference.iter().map(|x| x.magnitude()).collect();
    let distances: Vec<f64> = pairs().map(|(actual, reference)| actual.distance(reference)).collect();
    let relatives: Vec<f64> = zip(&distances, &magnitudes).map(|(d, m)| if *m > 0.0 { d / m } else { -1.0 }).collect();
    let bounds: Vec<f64> = magnitudes.iter().map(|m| tolerance.atol + tolerance.rtol * m).collect();
    let within: Vec<bool> = pairs().zip(&bounds).map(|((a, r), bound)| a.is_within(r, *bound)).collect();
    let shares: Vec<f64> = zip(zip(&distances, &bounds), &within).map(|((d, b), w)| share(*d, *b, *w)).collect();
    for ((actual, reference), magnitude) in pairs().zip(&magnitudes) {
        found.excess.add(actual, reference, tolerance.rtol * magnitude);
    }
    found.excess.prune();
    for (best, column) in
        [(&mut found.distance, &distances), (&mut found.relative, &relatives), (&mut found.share, &shares)]
    {
        if let Some((value, place)) = peak(column) {
            Peak::raise(best, value, || sides.spot(position(place)));
        }
    }
    if found.first_outside.is_none() {
        found.first_outside = within.iter().position(|is_within| !is_within).map(position);
    }
    within.iter().filter(|is_within| !**is_within).count() as u64
}

/// The share of the tolerance that an element uses: more than 1 if and only if it is outside.
#[inline]
pub(crate) fn share(distance: f64, allowed: f64, is_within: bool) -> f64 {
    // The quotient of a 64-bit integer may round down to 1, and of two infinities there is none.
    let least = match is_within {
        true => 0.0,
        false if distance == f64::INFINITY => f64::INFINITY,
        false => 1.0 + f64::EPSILON,
    };
    let quotient = if distance == 0.0 { 0.0 } else { distance / allowed };
    if quotient >= least { quotient } else { least }
}

/// The elements in the type of the measurement.
pub(crate) fn load<W: Wide>(elements: Slice<'_>) -> Vec<W> {
    dispatch_slice!(elements, elements => elements.iter().map(|x| W::from_value(x.value())).collect())
}

/// The largest distance in ULP at those positions, and the first place among them; `None` where the dtypes differ or have none.
fn farthest(sides: &Sides<'_>, positions: &[usize]) -> Option<(u64, usize)> {
    fn of<T: Element>(actual: &[T], sides: &Sides<'_>, positions: &[usize]) -> Option<(u64, usize)> {
        let reference = T::unwrap(sides.reference)?;
        let mut farthest = None;
        for (place, position) in positions.iter().enumerate() {
            let at = position - sides.start;
            let distance = ulp_distance(actual[at], reference[at])?;
            if farthest.is_none_or(|(most, _)| distance > most) {
                farthest = Some((distance, place));
            }
        }
        farthest
    }
    dispatch_slice!(sides.actual, actual => of(actual, sides, positions))
}

/// Describes one side of a block: the moments of its finite elements that the mask leaves.
pub(crate) fn side(block: Slice<'_>, mask: Option<&[bool]>, seen: &mut Seen) -> Option<Moments> {
    match block.dtype().kind() {
        Kind::Integer => Moments::of_integers(&samples(block, mask, seen, |x: i128| x)),
        Kind::Float => Moments::of(samples(block, mask, seen, |x: f64| x)),
        Kind::Complex => Moments::of(samples(block, mask, seen, Complex::<f64>::magnitude)),
    }
}

/// The samples of the finite elements that the mask leaves; the others are counted.
fn samples<W: Wide, S: Copy + PartialOrd>(
    block: Slice<'_>,
    mask: Option<&[bool]>,
    seen: &mut Seen,
    sample: impl Fn(W) -> S,
) -> Vec<S> {
    let mut samples = Vec::with_capacity(block.len());
    let mut ends: Option<[(S, usize); 2]> = None;
    for (place, element) in load::<W>(block).into_iter().enumerate() {
        if mask.is_some_and(|mask| !mask[place]) {
            continue;
        }
        if !element.is_finite() {
            seen.non_finite.add(element.class());
            continue;
        }
        let sample = sample(element);
        let [smallest, largest] = ends.get_or_insert([(sample, place); 2]);
        if sample < smallest.0 {
            *smallest = (sample, place);
        }
        if sample > largest.0 {
            *largest = (sample, place);
        }
        samples.push(sample);
    }
    let value = |place: usize| match block.value(place) {
        Value::Complex(x) => Value::Float64(x.magnitude()),
        real => real,
    };
    if let Some([smallest, largest]) = ends {
        seen.widen(value(smallest.1), value(largest.1));
    }
    samples
}

/// How many elements the mask of a block keeps.
pub(crate) fn kept(mask: Option<&[bool]>, len: usize) -> u64 {
    mask.map_or(len, |mask| mask.iter().filter(|is_kept| **is_kept).count()) as u64
}
