//! Measures one block of real numbers with the loops of `kernel.rs`; everything else is handled by `scalar.rs`.
//!
//! The loops find chunks that cannot contain a new largest share of the tolerance, relative difference or required atol. Only elements
//! of the other chunks are compared one by one; their number decreases as the pass goes on.

use std::iter::zip;

use super::findings::{Block, Findings, Peak, SideFindings, Tally, raise};
use super::kernel::{CHUNK, Kernel, Lines, Number, Real, prefetch};
use super::moments::Moments;
use super::rules::{Rules, Tolerance};
use super::sums::Sums;
use super::ulp::ulp_distance;
use crate::tensor::value::is_squarable;
use crate::tensor::{Kind, Slice};

/// Buffers for the numbers of both sides of a block, if their type differs from that of the elements.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    singles: [Vec<f32>; 2],
    doubles: [Vec<f64>; 2],
}

/// Measures a block of a pair. Returns `None`, without any findings, unless it consists of finite numbers of the same dtype without a
/// mask.
pub(crate) fn measure_block(
    kernel: Kernel,
    block: &Block<'_>,
    rules: &Rules,
    buffers: &mut Buffers,
    findings: &mut Findings,
) -> Option<Tally> {
    let Buffers { singles, doubles } = buffers;
    if block.mask.is_some() || block.reference.is_empty() {
        return None;
    }
    macro_rules! measure {
        ($($dtype:ident: $buffers:ident;)*) => {
            match (block.actual, block.reference) {
                $((Slice::$dtype(actual), Slice::$dtype(reference)) => {
                    measure_pair(kernel, [actual, reference], block, rules, $buffers, findings)
                })*
                _ => None,
            }
        };
    }
    measure! {
        F32: singles; F64: doubles; F16: singles; BF16: singles;
        Bool: doubles; I8: doubles; I16: doubles; I32: doubles; U8: doubles; U16: doubles; U32: doubles;
    }
}

fn measure_pair<T: Real>(
    kernel: Kernel,
    [actual, reference]: [&[T]; 2],
    block: &Block<'_>,
    rules: &Rules,
    buffers: &mut [Vec<T::Number>; 2],
    findings: &mut Findings,
) -> Option<Tally> {
    let tolerance = rules.tolerance;
    prefetch(actual);
    let extremes = kernel.extremes(actual, reference);
    // Not earlier: a core can have only so many outstanding requests.
    prefetch(reference);
    let [actual_extremes, reference_extremes] =
        [extremes.actual, extremes.reference].map(|extremes| extremes.map(T::from_key));
    if !(are_squarable(actual_extremes) && are_squarable(reference_extremes)) {
        return None;
    }
    let [actual_buffer, reference_buffer] = buffers;
    let numbers = [T::numbers(kernel, actual, actual_buffer), T::numbers(kernel, reference, reference_buffer)];
    let sums = kernel.pair_sums(numbers[0], numbers[1]);
    if !is_squarable(sums.furthest) {
        return None;
    }
    let len = actual.len() as u64;
    let pairs = || zip(numbers[0], numbers[1]).map(|(a, r)| ((*a).into(), (*r).into()));
    let first =
        |predicate: &dyn Fn((f64, f64)) -> bool| block.spot(pairs().position(predicate).expect("it is in the block"));

    let mut chunks = zip(numbers[0].chunks(CHUNK), numbers[1].chunks(CHUNK)).enumerate();
    // The lines cannot exclude anything until some peaks are known.
    while findings.share.is_none() || findings.relative.is_none() && extremes.zeros < len {
        let Some((place, (actual, reference))) = chunks.next() else { break };
        for (at, (a, r)) in zip(actual, reference).enumerate() {
            findings.add_numbers::<f64>((*a).into(), (*r).into(), rules, || block.spot(place * CHUNK + at));
        }
        findings.required_atols.prune();
    }
    let lines = lines(findings, &tolerance, T::DISTINCT);
    let marks = match sums.furthest >= T::Number::LARGEST {
        true => u64::MAX,
        false => kernel.mark_chunks(numbers[0], numbers[1], &Lines::below(&lines)),
    };
    let lines = Lines::below(&lines);
    for (place, (actual, reference)) in chunks.filter(|(place, _)| marks >> place & 1 == 1) {
        if kernel.has_excess(actual, reference, &lines) {
            for (at, (a, r)) in zip(actual, reference).enumerate() {
                let (a, r) = ((*a).into(), (*r).into());
                if lines.excess::<false>(a, r) > 0.0 {
                    findings.add_numbers::<f64>(a, r, rules, || block.spot(place * CHUNK + at));
                }
            }
        }
    }
    if marks != 0 {
        findings.required_atols.prune();
    }

    // An element is outside if it uses more than 100% of its tolerance, and the largest share is known by now.
    if findings.share.is_some_and(|peak| peak.value > 1.0) {
        let [atol, rtol] = [tolerance.atol, tolerance.rtol];
        let outside = kernel.outside(numbers[0], numbers[1], [atol, rtol]);
        findings.numbers_outside += outside;
        if outside > 0 && findings.first_outside.is_none() {
            findings.first_outside = Some(first(&|(a, r)| (a - r).abs() > atol + rtol * r.abs()).position);
        }
    }
    raise(&mut findings.distance, sums.furthest, || first(&|(a, r)| (a - r).abs() == sums.furthest));
    if T::DTYPE.kind() == Kind::Float {
        let is_furthest = |(a, r): (&T, &T)| ulp_distance(*a, *r) == Some(extremes.steps);
        raise(&mut findings.ulps, extremes.steps, || {
            block.spot(zip(actual, reference).position(is_furthest).expect("it is in the block"))
        });
    }
    findings.elements += len;
    findings.numbers += len;
    findings.differing += extremes.differing;
    findings.zero_references += extremes.zeros;
    add_extremes(&mut findings.actual, actual, extremes.actual);
    add_extremes(&mut findings.reference, reference, extremes.reference);
    Some(Tally {
        actual: Some(moments(numbers[0], sums.actual, sums.squared_actual, actual_extremes)),
        reference: Some(moments(numbers[1], sums.reference, sums.squared_reference, reference_extremes)),
        sums: Sums::from(&sums),
    })
}

/// Returns whether the extremes are finite, and squares neither overflow nor underflow.
fn are_squarable(extremes: [f64; 2]) -> bool {
    let [smallest, largest] = extremes.map(f64::abs);
    // Both are false for NaN.
    smallest <= largest && is_squarable(largest) || largest <= smallest && is_squarable(smallest)
}

/// Returns the lines such that an element below all of them has no larger share of the tolerance and no larger relative difference,
/// and requires no larger atol, than the findings so far.
///
/// For floats with few bits, the same largest relative difference occurs in every block. Up to `distinct`, the next larger one is
/// farther away than rounding errors, so the line can be above the elements that equal the largest.
fn lines(findings: &Findings, tolerance: &Tolerance, distinct: f64) -> [[f64; 2]; 3] {
    let value = |peak: Option<Peak<f64>>| peak.map_or(0.0, |peak| peak.value);
    let (share, relative) = (value(findings.share), value(findings.relative));
    let share = match share == f64::INFINITY {
        // No share can be larger.
        true => [f64::MAX, 0.0],
        false => [share * tolerance.atol, share * tolerance.rtol],
    };
    // Halfway to the next larger one, which is at least 2^-17 higher.
    let relative = if relative <= distinct { relative * (1.0 + 1.0 / (1u64 << 18) as f64) } else { relative };
    [share, [0.0, relative], [findings.required_atols.floor(), tolerance.rtol]]
}

/// Adds the extremes of a block to the findings. The first of several equal ones counts: zeros are equal, but may differ in sign.
fn add_extremes<T: Real>(findings: &mut SideFindings, block: &[T], extremes: [T::Key; 2]) {
    let known = findings.extremes.map(|extremes| extremes.map(|extreme| extreme.to_f64()));
    let [least, most] = known.unwrap_or([f64::NAN; 2]);
    for extreme in extremes {
        let value = T::from_key(extreme);
        // Comparisons with NaN, before any findings, are false.
        if !(value >= least && value <= most) {
            findings.add_finite(block.iter().find(|x| x.key() == extreme).expect("it is in the block").value());
        }
    }
}

fn moments<N: Number>(numbers: &[N], sum: f64, squares: f64, extremes: [f64; 2]) -> Moments {
    Moments::of_sums(numbers.len(), sum, squares, extremes, || numbers.iter().map(|x| (*x).into()))
}
