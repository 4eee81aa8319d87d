//! One block of 64-bit integers of any size, to the last bit what the twin measures in 128 bits.
//!
//! The vector loops round each integer and each difference to the nearest double, once, and so find the same sums and peaks. Two
//! things that no double tells are taken of the integers themselves: whether a distance of 2^53 or more is within what is allowed,
//! and the mean. Only blocks that hold a new peak are judged by the twin.

use std::iter::zip;
use std::ops::Range;

use super::best::{Best, value};
use super::fast::{self, Fast};
use super::found::{Found, Peak, Seen, Sides};
use super::kernel::{Ahead, Kernel, Row, Whole};
use super::moments::{self, Moments};
use super::sums::Sums;
use super::tally::Tally;
use super::twin;
use crate::tensor::dtype::Element;
use crate::tensor::source::Slice;

/// An integer of 64 bits.
trait Integer: Element + Whole + Row + Into<i128> + TryFrom<i128> {}

impl Integer for i64 {}
impl Integer for u64 {}

/// Below this every whole number is a double, so that a distance that rounds to less is no other.
const ROUNDED: f64 = (1u64 << f64::MANTISSA_DIGITS) as f64;

/// Measures a block without a mask, which is not empty; `None`, and nothing is found, where it is none of 64-bit integers of one dtype.
pub(super) fn pair(fast: &Fast<'_>, sides: &Sides<'_>, range: Range<usize>, found: &mut Found) -> Option<Tally> {
    let local = range.start - sides.start..range.end - sides.start;
    match (sides.actual.part(local.clone()), sides.reference.part(local)) {
        (Slice::I64(actual), Slice::I64(reference)) => {
            Some(pair_of(fast, actual, reference, sides, range.start, found))
        }
        (Slice::U64(actual), Slice::U64(reference)) => {
            Some(pair_of(fast, actual, reference, sides, range.start, found))
        }
        _ => None,
    }
}

fn pair_of<T: Integer>(
    fast: &Fast<'_>,
    actual: &[T],
    reference: &[T],
    sides: &Sides<'_>,
    start: usize,
    found: &mut Found,
) -> Tally {
    let Fast { kernel, rules, known, .. } = *fast;
    let tolerance = [rules.tolerance.atol, rules.tolerance.rtol];
    let count = actual.len() as u64;
    let sums = kernel.pair(actual, reference, Ahead::of(actual));
    let ends = kernel.ends(actual, reference, Ahead::of(reference));
    found.count(actual.len(), ends.differing, ends.zeros);

    let best = Best::new(found, known, rules.tolerance);
    let may_matter = || ends.differing > 0 && kernel.may_matter(actual, reference, &best.line(rules.tolerance, 0.0));
    let outside = |tolerance| kernel.outside_whole(actual, reference, tolerance);
    let mut judged = None;
    if best.knows_nothing(ends.zeros < count) || may_matter() {
        let largest = kernel.quotients(actual, reference, [tolerance[0], tolerance[1], best.floor]);
        let is_higher = |largest: f64, best: f64, peak| largest >= best && largest > value(peak);
        // What equals a bound that is no exact distance may be outside of it.
        let is_rounded = sums.furthest >= ROUNDED;
        if is_higher(largest.share, best.share, found.share)
            || largest.share == 1.0 && is_rounded
            || is_higher(largest.relative, best.relative, found.relative) && ends.zeros < count
            || largest.excess > 0.0
            || largest.excess == 0.0 && is_rounded && outside([best.floor, tolerance[1]]) > 0
        {
            let [actual, reference] = [actual, reference].map(wide);
            judged = Some(twin::judge(&actual, &reference, |place| start + place, sides, rules, found));
        }
    }
    let number_outside = match judged {
        Some(outside) => outside,
        // An element that is outside uses more than all of its tolerance, and by now the largest share is known.
        None if best.share.max(value(found.share)) <= 1.0 => 0,
        None if tolerance == [0.0; 2] => ends.differing,
        None => outside(tolerance),
    };
    let [atol, rtol] = tolerance;
    let is_outside = |(a, r): (&T, &T)| a.distance(*r) > (atol + rtol * r.double().abs()) as u64;
    found.count_outside(number_outside, || Some(start + zip(actual, reference).position(is_outside)?));
    if sums.furthest >= known.distance.get() {
        Peak::raise(&mut found.distance, sums.furthest, || {
            let place = zip(actual, reference).position(|(a, r)| a.minus(*r).abs() == sums.furthest);
            sides.spot(start + place.expect("the largest distance stands somewhere"))
        });
    }
    widen(&mut found.actual, ends.actual);
    widen(&mut found.reference, ends.reference);
    Tally {
        actual: Some(moments(kernel, actual, sums.actual, sums.squared_actual, ends.actual)),
        reference: Some(moments(kernel, reference, sums.reference, sums.squared_reference, ends.reference)),
        sums: Sums::from(sums),
    }
}

/// Describes one side of a block without a mask, which is not empty; `None`, and nothing is seen, where it is none of 64-bit integers.
pub(super) fn side(kernel: Kernel, block: Slice<'_>, seen: &mut Seen) -> Option<Moments> {
    match block {
        Slice::I64(block) => Some(side_of(kernel, block, seen)),
        Slice::U64(block) => Some(side_of(kernel, block, seen)),
        _ => None,
    }
}

fn side_of<T: Integer>(kernel: Kernel, block: &[T], seen: &mut Seen) -> Moments {
    let sums = kernel.side(block, Ahead::of(block));
    let ends = kernel.ends(block, block, Ahead::of(block)).actual;
    widen(seen, ends);
    moments(kernel, block, sums.sum, sums.squares, ends)
}

fn widen<T: Integer>(seen: &mut Seen, [smallest, largest]: [T; 2]) {
    seen.widen(smallest.value(), largest.value());
}

/// As [`Moments::of_integers`] has them.
fn moments<T: Integer>(kernel: Kernel, block: &[T], sum: f64, squares: f64, ends: [T; 2]) -> Moments {
    if ends.iter().all(|end| moments::is_exact((*end).into())) {
        return fast::moments(kernel, block, sum, squares, ends.map(T::double));
    }
    let total = kernel.total(block);
    let base = moments::base(total, block.len());
    match T::try_from(base as i128) {
        Ok(whole) => {
            let [_, squared] = kernel.about_exactly(block, whole);
            Moments::settle(block.len(), base, squares, [moments::excess(total, base, block.len()), squared])
        }
        // The mean is so near the end of the range that it rounds to what is beyond.
        Err(_) => Moments::of_integers(&wide(block)).expect("the block is not empty"),
    }
}

fn wide<T: Integer>(block: &[T]) -> Vec<i128> {
    block.iter().map(|x| (*x).into()).collect()
}
