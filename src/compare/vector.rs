//! One block of real numbers by the loops of `kernel.rs`; everything else is left to `scalar.rs`.
//!
//! The loops tell which chunks cannot hold a largest share of the tolerance, relative difference or smallest atol. Only the elements of the
//! others, of which there are fewer and fewer, are judged one by one.

use std::iter::zip;

use super::found::{Block, Found, Peak, Seen, Tally, raise};
use super::kernel::{CHUNK, Kernel, Lines, Number, Real, prefetch};
use super::moments::Moments;
use super::rules::{Rules, Tolerance};
use super::sums::Sums;
use super::ulp::ulp_distance;
use crate::tensor::value::is_tame;
use crate::tensor::{Kind, Slice};

/// Room for the numbers of both sides of a block, where they are of another type than the elements.
#[derive(Debug, Default)]
pub(crate) struct Room {
    singles: [Vec<f32>; 2],
    doubles: [Vec<f64>; 2],
}

/// Measures a block of a pair; `None`, and nothing is found, where that is not finite numbers of one dtype, all of which are compared.
pub(crate) fn block(
    kernel: Kernel,
    block: &Block<'_>,
    rules: &Rules,
    room: &mut Room,
    found: &mut Found,
) -> Option<Tally> {
    let Room { singles, doubles } = room;
    if block.mask.is_some() || block.reference.is_empty() {
        return None;
    }
    macro_rules! pair {
        ($($dtype:ident: $room:ident;)*) => {
            match (block.actual, block.reference) {
                $((Slice::$dtype(actual), Slice::$dtype(reference)) => {
                    pair(kernel, [actual, reference], block, rules, $room, found)
                })*
                _ => None,
            }
        };
    }
    pair! {
        F32: singles; F64: doubles; F16: singles; BF16: singles;
        Bool: doubles; I8: doubles; I16: doubles; I32: doubles; U8: doubles; U16: doubles; U32: doubles;
    }
}

fn pair<T: Real>(
    kernel: Kernel,
    [actual, reference]: [&[T]; 2],
    block: &Block<'_>,
    rules: &Rules,
    room: &mut [Vec<T::Number>; 2],
    found: &mut Found,
) -> Option<Tally> {
    let tolerance = rules.tolerance;
    prefetch(actual);
    let ends = kernel.ends(actual, reference);
    // Not at once: there is a limit to how much memory a core asks for.
    prefetch(reference);
    let [actual_ends, reference_ends] = [ends.actual, ends.reference].map(|ends| ends.map(T::of_key));
    if !(are_tame(actual_ends) && are_tame(reference_ends)) {
        return None;
    }
    let [actual_room, reference_room] = room;
    let numbers = [T::numbers(kernel, actual, actual_room), T::numbers(kernel, reference, reference_room)];
    let sums = kernel.pair(numbers[0], numbers[1]);
    if !is_tame(sums.furthest) {
        return None;
    }
    let len = actual.len() as u64;
    let pairs = || zip(numbers[0], numbers[1]).map(|(a, r)| ((*a).into(), (*r).into()));
    let first = |is_it: &dyn Fn((f64, f64)) -> bool| block.spot(pairs().position(is_it).expect("it is in the block"));

    let mut chunks = zip(numbers[0].chunks(CHUNK), numbers[1].chunks(CHUNK)).enumerate();
    // The lines say nothing while no largest value is known.
    while found.share.is_none() || found.relative.is_none() && ends.zeros < len {
        let Some((place, (actual, reference))) = chunks.next() else { break };
        for (at, (a, r)) in zip(actual, reference).enumerate() {
            found.judge::<f64>((*a).into(), (*r).into(), rules, || block.spot(place * CHUNK + at));
        }
        found.excess.prune();
    }
    let lines = lines(found, &tolerance, T::DISTINCT);
    let marks = match sums.furthest >= T::Number::LARGEST {
        true => u64::MAX,
        false => kernel.marks(numbers[0], numbers[1], &Lines::below(&lines)),
    };
    let lines = Lines::below(&lines);
    for (place, (actual, reference)) in chunks.filter(|(place, _)| marks >> place & 1 == 1) {
        if kernel.exceeds(actual, reference, &lines) {
            for (at, (a, r)) in zip(actual, reference).enumerate() {
                let (a, r) = ((*a).into(), (*r).into());
                if lines.excess::<false>(a, r) > 0.0 {
                    found.judge::<f64>(a, r, rules, || block.spot(place * CHUNK + at));
                }
            }
        }
    }
    if marks != 0 {
        found.excess.prune();
    }

    // An element that is outside uses more than all of its tolerance, and by now the largest share is known.
    if found.share.is_some_and(|peak| peak.value > 1.0) {
        let [atol, rtol] = [tolerance.atol, tolerance.rtol];
        let outside = kernel.outside(numbers[0], numbers[1], [atol, rtol]);
        found.numbers_outside += outside;
        if outside > 0 && found.first_outside.is_none() {
            found.first_outside = Some(first(&|(a, r)| (a - r).abs() > atol + rtol * r.abs()).position);
        }
    }
    raise(&mut found.distance, sums.furthest, || first(&|(a, r)| (a - r).abs() == sums.furthest));
    if T::DTYPE.kind() == Kind::Float {
        let is_furthest = |(a, r): (&T, &T)| ulp_distance(*a, *r) == Some(ends.steps);
        raise(&mut found.ulps, ends.steps, || {
            block.spot(zip(actual, reference).position(is_furthest).expect("it is in the block"))
        });
    }
    found.elements += len;
    found.numbers += len;
    found.differing += ends.differing;
    found.zero_references += ends.zeros;
    widen(&mut found.actual, actual, ends.actual);
    widen(&mut found.reference, reference, ends.reference);
    Some(Tally {
        actual: Some(moments(numbers[0], sums.actual, sums.squared_actual, actual_ends)),
        reference: Some(moments(numbers[1], sums.reference, sums.squared_reference, reference_ends)),
        sums: Sums::from(&sums),
    })
}

/// Whether extremes are finite, and squares neither overflow nor vanish.
fn are_tame(ends: [f64; 2]) -> bool {
    let [smallest, largest] = ends.map(f64::abs);
    // Of NaN neither is true.
    smallest <= largest && is_tame(largest) || largest <= smallest && is_tame(smallest)
}

/// The lines that nothing is above which has no larger share of the tolerance, no larger relative difference, and needs no larger
/// atol than what was found.
///
/// Of floats of few bits, equal relative differences are in every block. Up to `distinct`, larger ones are further away than roundings
/// reach, so that what is equal can be below the line.
fn lines(found: &Found, tolerance: &Tolerance, distinct: f64) -> [[f64; 2]; 3] {
    let value = |peak: Option<Peak<f64>>| peak.map_or(0.0, |peak| peak.value);
    let (share, relative) = (value(found.share), value(found.relative));
    let share = match share == f64::INFINITY {
        // Above that there is none.
        true => [f64::MAX, 0.0],
        false => [share * tolerance.atol, share * tolerance.rtol],
    };
    // Between all that equals it and the next, which is 2^-17 higher, whatever is rounded.
    let relative = if relative <= distinct { relative * (1.0 + 1.0 / (1u64 << 18) as f64) } else { relative };
    [share, [0.0, relative], [found.excess.floor(), tolerance.rtol]]
}

/// Takes the extremes of a block into account. Of equal ones the first counts: zeros are equal, and may have two signs.
fn widen<T: Real>(seen: &mut Seen, block: &[T], ends: [T::Key; 2]) {
    let [least, most] = seen.ends.map(|ends| ends.map(|end| end.to_f64())).unwrap_or([f64::NAN; 2]);
    for end in ends {
        let value = T::of_key(end);
        // Not comparable to NaN: nothing was seen.
        if !(value >= least && value <= most) {
            seen.widen(block.iter().find(|x| x.key() == end).expect("it is in the block").value());
        }
    }
}

fn moments<N: Number>(numbers: &[N], sum: f64, squares: f64, ends: [f64; 2]) -> Moments {
    Moments::of_sums(numbers.len(), sum, squares, ends, || numbers.iter().map(|x| (*x).into()))
}
