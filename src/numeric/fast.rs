//! One block of plain numbers by the vector loops; everything else is left to the twin.
//!
//! The loops tell which blocks cannot hold a largest share of the tolerance, relative difference or smallest atol. Only the others,
//! of which there are fewer and fewer, are judged one element after the other: no element is ever divided twice.

use std::iter::zip;
use std::ops::Range;

use half::{bf16, f16};

use super::found::{Found, Known, Peak, Seen, Sides};
use super::kernel::{Kernel, Line, Number, PairSums};
use super::moments::{Moments, Powers};
use super::plain::Plain;
use super::rules::Rules;
use super::scaled::is_tame;
use super::source::{Slice, dispatch_plain};
use super::sums::Sums;
use super::tally::Tally;
use super::tolerance::Tolerance;
use super::ulp::ulp_distance;

/// Below this a distance of doubles may be lost in a product: far above where doubles lose digits.
const LOST: f64 = f64::from_bits((1023 - 900) << 52);

/// Room for the numbers of both sides of a block, where they are of another type than the elements.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    integers: [Vec<i32>; 2],
    singles: [Vec<f32>; 2],
    doubles: [Vec<f64>; 2],
    halves: [Vec<f16>; 2],
    brains: [Vec<bf16>; 2],
}

/// A number for which there is room.
pub(crate) trait Roomy: Number {
    fn room(scratch: &mut Scratch) -> &mut [Vec<Self>; 2];
}

macro_rules! roomy {
    ($($type:ty, $room:ident;)*) => {$(
        impl Roomy for $type {
            fn room(scratch: &mut Scratch) -> &mut [Vec<$type>; 2] {
                &mut scratch.$room
            }
        }
    )*};
}

roomy! {
    i32, integers;
    f32, singles;
    f64, doubles;
    f16, halves;
    bf16, brains;
}

/// Measures a block of a pair without a mask; `None`, and nothing is found, where it is no block of plain finite numbers of one
/// dtype.
pub(crate) fn block(
    kernel: Kernel,
    sides: &Sides<'_>,
    range: Range<usize>,
    rules: &Rules,
    known: &Known,
    found: &mut Found,
    scratch: &mut Scratch,
) -> Option<Tally> {
    let local = range.start - sides.start..range.end - sides.start;
    if local.is_empty() {
        return None;
    }
    dispatch_plain!(sides.actual, actual => pair(kernel, &actual[local], sides, range, rules, known, found, scratch), None)
}

fn pair<T: Plain<Number: Roomy>>(
    kernel: Kernel,
    raw_actual: &[T],
    sides: &Sides<'_>,
    range: Range<usize>,
    rules: &Rules,
    known: &Known,
    found: &mut Found,
    scratch: &mut Scratch,
) -> Option<Tally> {
    let raw_reference = &T::unwrap(sides.reference)?[range.start - sides.start..range.end - sides.start];
    let [actual_room, reference_room] = <T::Number as Roomy>::room(scratch);
    let actual = T::numbers(raw_actual, actual_room)?;
    let reference = T::numbers(raw_reference, reference_room)?;
    let tolerance = rules.tolerance;
    // Nothing is known yet where the largest is 0.
    let best = |peak: Option<Peak<f64>>, known: f64| {
        peak.map_or(-1.0, |peak| peak.value).max(if known > 0.0 { known } else { -1.0 })
    };
    let share = best(found.share, known.share.get());
    let relative = best(found.relative, known.relative.get());
    let line = Line::new(tolerance.atol, tolerance.rtol, found.excess.floor(), share, relative);
    let sums = kernel.pair(actual, reference, &line);
    // A NaN or an infinity anywhere is one in these sums.
    if !(sums.squared_actual + sums.squared_reference).is_finite() {
        return None;
    }
    let ends = kernel.ends(actual, reference);
    let [actual_ends, reference_ends] = [ends.actual, ends.reference].map(|ends| ends.map(Number::widen));
    let tame = |[smallest, largest]: [f64; 2]| is_tame(smallest.abs().max(largest.abs()));
    if !(tame(actual_ends) && tame(reference_ends) && is_tame(sums.furthest)) {
        return None;
    }

    found.elements += range.len() as u64;
    found.numbers += range.len() as u64;
    found.differing += ends.differing;
    found.zero_references += ends.zeros;
    let spot = |place: Option<usize>| sides.spot(range.start + place.expect("what was found stands somewhere"));
    let pairs = || zip(actual, reference).map(|(a, r)| (a.widen(), r.widen()));
    let distance = |(a, r): (f64, f64)| (a - r).abs();
    if share < 0.0 || sums.above || sums.least < LOST {
        let limits = [tolerance.atol, tolerance.rtol, found.excess.floor()];
        let largest = kernel.quotients(actual, reference, limits);
        if largest.share >= share {
            Peak::raise(&mut found.share, largest.share, || {
                let is_it = |pair @ (_, r): (f64, f64)| quotient(distance(pair), bound(tolerance, r)) == largest.share;
                spot(pairs().position(is_it))
            });
        }
        if largest.relative >= relative && ends.zeros < range.len() as u64 {
            Peak::raise(&mut found.relative, largest.relative, || {
                let is_it = |pair @ (_, r): (f64, f64)| r != 0.0 && distance(pair) / r.abs() == largest.relative;
                spot(pairs().position(is_it))
            });
        }
        if largest.exceeds {
            pairs().for_each(|(a, r)| found.excess.add(a, r, tolerance.rtol * r.abs()));
            found.excess.prune();
        }
    }
    if sums.furthest >= known.distance.get() {
        Peak::raise(&mut found.distance, sums.furthest, || {
            spot(pairs().position(|pair| distance(pair) == sums.furthest))
        });
    }
    // An element that is outside uses more than all of its tolerance, and by now the largest share is known.
    if best(found.share, share) > 1.0 {
        found.numbers_outside += kernel.outside(actual, reference, tolerance.atol, tolerance.rtol);
    }
    if let Some(furthest) =
        T::ulps(raw_actual, raw_reference, ends.furthest).filter(|ulps| *ulps as f64 >= known.ulps.get())
    {
        Peak::raise(&mut found.ulps, furthest, || {
            spot(zip(raw_actual, raw_reference).position(|(a, r)| ulp_distance(*a, *r) == Some(furthest)))
        });
    }
    widen(&mut found.actual, raw_actual, actual, actual_ends);
    widen(&mut found.reference, raw_reference, reference, reference_ends);
    let moments = |side, sum, squares, ends| moments(kernel, side, sum, squares, ends);
    Some(Tally {
        actual: Some(moments(actual, sums.actual, sums.squared_actual, actual_ends)),
        reference: Some(moments(reference, sums.reference, sums.squared_reference, reference_ends)),
        sums: Sums::from(sums),
    })
}

/// What may differ, as the loops round it.
fn bound(tolerance: Tolerance, reference: f64) -> f64 {
    tolerance.atol + tolerance.rtol * reference.abs()
}

/// The share of what is allowed; 0 where both are 0.
fn quotient(distance: f64, allowed: f64) -> f64 {
    if distance == 0.0 { 0.0 } else { distance / allowed }
}

/// Describes one side of a block without a mask; `None`, and nothing is seen, where it is no block of plain finite numbers.
pub(crate) fn side(kernel: Kernel, block: Slice<'_>, seen: &mut Seen, scratch: &mut Scratch) -> Option<Moments> {
    if block.len() == 0 {
        return None;
    }
    dispatch_plain!(block, block => side_of(kernel, block, seen, scratch), None)
}

fn side_of<T: Plain<Number: Roomy>>(
    kernel: Kernel,
    raw: &[T],
    seen: &mut Seen,
    scratch: &mut Scratch,
) -> Option<Moments> {
    let [room, _] = <T::Number as Roomy>::room(scratch);
    let block = T::numbers(raw, room)?;
    let sums = kernel.side(block);
    let [smallest, largest] = sums.ends;
    if !(sums.squares.is_finite() && is_tame(smallest.abs().max(largest.abs()))) {
        return None;
    }
    widen(seen, raw, block, sums.ends);
    Some(moments(kernel, block, sums.sum, sums.squares, sums.ends))
}

fn moments<N: Number>(kernel: Kernel, block: &[N], sum: f64, squares: f64, ends: [f64; 2]) -> Moments {
    Moments::from_powers(Powers { count: block.len(), sum, squares, ends }, |base| kernel.about(block, base))
}

/// Takes the extremes of a block into account. Of equal ones the first counts: zeros are equal, and may have two signs.
fn widen<T: Plain>(seen: &mut Seen, raw: &[T], block: &[T::Number], [smallest, largest]: [f64; 2]) {
    let first = |end: f64| {
        let place = block.iter().position(|x| x.widen() == end).expect("an end stands somewhere");
        raw[place].value()
    };
    match seen.ends {
        None => seen.ends = Some([first(smallest), first(largest)]),
        Some([least, most]) => {
            let least = if smallest < least.to_f64() { first(smallest) } else { least };
            let most = if largest > most.to_f64() { first(largest) } else { most };
            seen.ends = Some([least, most]);
        }
    }
}

impl From<PairSums> for Sums {
    /// Nothing of it was scaled.
    fn from(sums: PairSums) -> Sums {
        let PairSums { difference, distance, squared_distance, squared_actual, squared_reference, product, .. } = sums;
        Sums::unscaled(difference, distance, [squared_distance, squared_actual, squared_reference, product])
    }
}
