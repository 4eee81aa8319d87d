//! Everything that is measured between two tensors in one pass: a block at a time, then the blocks joined.

use std::iter::zip;
use std::ops::Range;

use num_complex::Complex;

use super::blocks::fold;
use super::class::NonFinite;
use super::dispatch;
use super::dtype::{Element, Kind};
use super::excess::{Excess, Floor};
use super::lanes::peak;
use super::rules::{Pair, Rules};
use super::sums::Sums;
use super::tensor::Tensor;
use super::ulp::ulp_distance;
use super::wide::{Split, Wide};

/// A largest value, and the first position in C order where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peak<V> {
    pub(crate) value: V,
    pub(crate) position: usize,
}

/// What was measured over some blocks. Sums and peaks are over the pairs of which both are finite: the numbers.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) elements: u64,
    pub(crate) left_out: u64,
    pub(crate) numbers: u64,
    pub(crate) differing: u64,
    pub(crate) numbers_outside: u64,
    pub(crate) zero_references: u64,
    pub(crate) non_finite_mismatches: u64,
    pub(crate) first_non_finite_mismatch: Option<usize>,
    pub(crate) actual_non_finite: NonFinite,
    pub(crate) reference_non_finite: NonFinite,
    pub(crate) distance: Option<Peak<f64>>,
    pub(crate) relative: Option<Peak<f64>>,
    pub(crate) ulps: Option<Peak<u64>>,
    pub(crate) share: Option<Peak<f64>>,
    pub(crate) excess: Excess,
    pub(crate) sums: Sums,
}

/// Measures a pair of one shape, under a mask of that shape.
pub(crate) fn measure(pair: Pair<'_>, rules: &Rules) -> Measured {
    match (pair.actual.dtype().kind(), pair.reference.dtype().kind()) {
        (Kind::Integer, Kind::Integer) => measure_as::<i128>(pair, rules),
        (Kind::Float, Kind::Float) => measure_as::<f64>(pair, rules),
        (Kind::Complex, _) | (_, Kind::Complex) => measure_as::<Complex<f64>>(pair, rules),
        (Kind::Integer, Kind::Float) | (Kind::Float, Kind::Integer) => measure_as::<Split>(pair, rules),
    }
}

fn measure_as<W: Wide>(pair: Pair<'_>, rules: &Rules) -> Measured {
    let floor = Floor::default();
    let measure = |range| measure_block::<W>(pair, rules, range, &floor);
    fold(pair.reference.len(), measure, |earlier, later| earlier.join(later, &floor))
}

fn measure_block<W: Wide>(pair: Pair<'_>, rules: &Rules, range: Range<usize>, floor: &Floor) -> Measured {
    let mut measured = Measured::nothing(Excess::new(rules.tolerance.outliers, floor));
    let numbers = measured.sort_out::<W>(pair, rules, range);
    if !numbers.positions.is_empty() {
        measured.judge(&numbers, rules);
        measured.ulps = ulps(pair, &numbers.positions);
        measured.sums = Sums::of(&numbers.actual, &numbers.reference);
    }
    measured
}

/// The pairs of a block of which both sides are finite, and where they stand.
struct Numbers<W> {
    actual: Vec<W>,
    reference: Vec<W>,
    positions: Vec<usize>,
}

impl Measured {
    fn nothing(excess: Excess) -> Measured {
        Measured {
            elements: 0,
            left_out: 0,
            numbers: 0,
            differing: 0,
            numbers_outside: 0,
            zero_references: 0,
            non_finite_mismatches: 0,
            first_non_finite_mismatch: None,
            actual_non_finite: NonFinite::default(),
            reference_non_finite: NonFinite::default(),
            distance: None,
            relative: None,
            ulps: None,
            share: None,
            excess,
            sums: Sums::default(),
        }
    }

    /// Leaves out what the mask leaves out, decides what is not finite, and returns the numbers.
    fn sort_out<W: Wide>(&mut self, pair: Pair<'_>, rules: &Rules, range: Range<usize>) -> Numbers<W> {
        let mut numbers = Numbers {
            actual: load::<W>(pair.actual, range.clone()),
            reference: load::<W>(pair.reference, range.clone()),
            positions: range.clone().collect(),
        };
        let all_finite = |column: &[W]| column.iter().fold(true, |all, x| all & x.is_finite());
        if pair.mask.is_some() || !all_finite(&numbers.actual) || !all_finite(&numbers.reference) {
            let mask = pair.mask.and_then(Tensor::as_slice::<bool>);
            let mut kept = 0;
            for (place, position) in range.clone().enumerate() {
                let (actual, reference) = (numbers.actual[place], numbers.reference[place]);
                if mask.is_some_and(|mask| !mask[position]) {
                    self.left_out += 1;
                } else if actual.is_finite() && reference.is_finite() {
                    numbers.actual[kept] = actual;
                    numbers.reference[kept] = reference;
                    numbers.positions[kept] = position;
                    kept += 1;
                } else {
                    self.add_non_finite(actual, reference, rules, position);
                }
            }
            numbers.actual.truncate(kept);
            numbers.reference.truncate(kept);
            numbers.positions.truncate(kept);
        }
        self.elements = range.len() as u64 - self.left_out;
        self.numbers = numbers.positions.len() as u64;
        numbers
    }

    fn add_non_finite<W: Wide>(&mut self, actual: W, reference: W, rules: &Rules, position: usize) {
        self.actual_non_finite.add(actual.class());
        self.reference_non_finite.add(reference.class());
        if !actual.matches(reference, rules.nan) {
            self.differing += 1;
            self.non_finite_mismatches += 1;
            self.first_non_finite_mismatch.get_or_insert(position);
        }
    }

    /// Holds the numbers against the tolerance.
    fn judge<W: Wide>(&mut self, numbers: &Numbers<W>, rules: &Rules) {
        let Numbers { actual, reference, positions } = numbers;
        let tolerance = rules.tolerance;
        // One short loop a quantity: that is what compilers turn into vector instructions.
        let pairs = || actual.iter().copied().zip(reference.iter().copied());
        let magnitudes: Vec<f64> = reference.iter().map(|x| x.magnitude()).collect();
        let distances: Vec<f64> = pairs().map(|(actual, reference)| actual.distance(reference)).collect();
        let relatives: Vec<f64> =
            zip(&distances, &magnitudes).map(|(d, m)| if *m > 0.0 { d / m } else { -1.0 }).collect();
        let bounds: Vec<f64> = magnitudes.iter().map(|m| tolerance.atol + tolerance.rtol * m).collect();
        let within: Vec<bool> = pairs().zip(&bounds).map(|((a, r), bound)| a.is_within(r, *bound)).collect();
        let shares: Vec<f64> = zip(zip(&distances, &bounds), &within).map(|((d, b), w)| share(*d, *b, *w)).collect();
        self.differing += pairs().filter(|(actual, reference)| actual != reference).count() as u64;
        self.numbers_outside = within.iter().filter(|is_within| !**is_within).count() as u64;
        self.zero_references = magnitudes.iter().filter(|magnitude| **magnitude == 0.0).count() as u64;
        for ((actual, reference), magnitude) in pairs().zip(&magnitudes) {
            self.excess.add(actual, reference, tolerance.rtol * magnitude);
        }
        let peak = |column: &[f64]| peak(column).map(|(value, place)| Peak { value, position: positions[place] });
        self.distance = peak(&distances);
        self.relative = peak(&relatives);
        self.share = peak(&shares);
    }

    /// What was measured over the elements of both, `self` first in C order.
    fn join(self, later: Measured, floor: &Floor) -> Measured {
        Measured {
            elements: self.elements + later.elements,
            left_out: self.left_out + later.left_out,
            numbers: self.numbers + later.numbers,
            differing: self.differing + later.differing,
            numbers_outside: self.numbers_outside + later.numbers_outside,
            zero_references: self.zero_references + later.zero_references,
            non_finite_mismatches: self.non_finite_mismatches + later.non_finite_mismatches,
            first_non_finite_mismatch: self.first_non_finite_mismatch.or(later.first_non_finite_mismatch),
            actual_non_finite: self.actual_non_finite.join(later.actual_non_finite),
            reference_non_finite: self.reference_non_finite.join(later.reference_non_finite),
            distance: Peak::higher(self.distance, later.distance),
            relative: Peak::higher(self.relative, later.relative),
            ulps: Peak::higher(self.ulps, later.ulps),
            share: Peak::higher(self.share, later.share),
            excess: self.excess.join(later.excess, floor),
            sums: self.sums.join(later.sums),
        }
    }
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

/// The elements in that range, in the type of the measurement.
pub(crate) fn load<W: Wide>(tensor: &Tensor, range: Range<usize>) -> Vec<W> {
    dispatch!(tensor.data(), elements => elements[range].iter().map(|x| W::from_value(x.value())).collect())
}

/// The largest distance in ULP at those positions; `None` where the dtypes differ or have none.
fn ulps(pair: Pair<'_>, positions: &[usize]) -> Option<Peak<u64>> {
    fn of<T: Element>(actual: &[T], reference: Option<&[T]>, positions: &[usize]) -> Option<Peak<u64>> {
        let (&first, &last) = (positions.first()?, positions.last()?);
        let (actual, reference) = (&actual[first..=last], &reference?[first..=last]);
        let mut peak = None;
        for &position in positions {
            let value = ulp_distance(actual[position - first], reference[position - first])?;
            if peak.is_none_or(|peak: Peak<u64>| value > peak.value) {
                peak = Some(Peak { value, position });
            }
        }
        peak
    }
    dispatch!(pair.actual.data(), actual => of(actual, pair.reference.as_slice(), positions))
}

impl<V: PartialOrd> Peak<V> {
    /// The higher of the two; the earlier where they are equal.
    fn higher(earlier: Option<Peak<V>>, later: Option<Peak<V>>) -> Option<Peak<V>> {
        match (earlier, later) {
            (Some(earlier), Some(later)) if later.value > earlier.value => Some(later),
            (Some(earlier), _) => Some(earlier),
            (None, later) => later,
        }
    }
}
