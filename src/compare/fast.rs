//! One block of plain numbers by the vector loops; everything else is left to the twin.
//!
//! The loops tell which blocks cannot hold a largest share of the tolerance, relative difference or smallest atol. Only in the others,
//! of which there are fewer and fewer, is anything divided, and only where one of them is larger is its place looked for.

use std::iter::zip;
use std::ops::Range;

use super::best::{Best, value};
use super::found::{Found, Known, Peak, Seen, Sides, Spot};
use super::kernel::{Ahead, Kernel, Number, PairSums, Row};
use super::moments::{Moments, Powers};
use super::plain::Plain;
use super::rules::Rules;
use super::scaled::is_tame;
use super::scratch::{Roomy, Scratch};
use super::sums::Sums;
use super::tally::Tally;
use super::tolerance::Tolerance;
use super::ulp::ulp_distance;
use super::whole;
use crate::tensor::source::{Slice, dispatch_plain};
use crate::tensor::tensor::Value;

/// What measures the blocks of one branch, from left to right.
#[derive(Debug)]
pub(crate) struct Fast<'a> {
    pub(super) kernel: Kernel,
    pub(super) rules: &'a Rules,
    pub(super) known: &'a Known,
    scratch: Scratch,
    /// In how many blocks to come the first two screens are left out.
    doubt: [u32; 2],
}

/// A block of a pair: the elements, and the numbers that they are.
struct Block<'a, T: Plain> {
    sides: &'a Sides<'a>,
    start: usize,
    /// Where the elements stand in the block, if a mask leaves some out.
    kept: Option<&'a [usize]>,
    raw: [&'a [T]; 2],
    actual: &'a [T::Number],
    reference: &'a [T::Number],
}

impl<'a> Fast<'a> {
    pub(crate) fn new(kernel: Kernel, rules: &'a Rules, known: &'a Known) -> Fast<'a> {
        Fast { kernel, rules, known, scratch: Scratch::default(), doubt: [0; 2] }
    }

    /// Measures what the mask of a block keeps; `None`, and nothing is found, where that is not plain finite numbers of one dtype.
    pub(crate) fn block(
        &mut self,
        sides: &Sides<'_>,
        mask: Option<&[bool]>,
        range: Range<usize>,
        found: &mut Found,
    ) -> Option<Tally> {
        if range.is_empty() {
            return None;
        }
        let kept: Option<Vec<usize>> = mask.map(|mask| (0..mask.len()).filter(|place| mask[*place]).collect());
        let kept = kept.as_deref();
        dispatch_plain!(sides.actual, actual => self.pair(actual, sides, kept, range, found), match kept {
            None => whole::pair(self, sides, range, found),
            Some(_) => None,
        })
    }

    fn pair<T: Plain<Number: Roomy>>(
        &mut self,
        actual: &[T],
        sides: &Sides<'_>,
        kept: Option<&[usize]>,
        range: Range<usize>,
        found: &mut Found,
    ) -> Option<Tally> {
        let local = range.start - sides.start..range.end - sides.start;
        let raw = [&actual[local.clone()], &T::unwrap(sides.reference)?[local]];
        let gathered = kept.map(|kept| raw.map(|raw| kept.iter().map(|place| raw[*place]).collect::<Vec<T>>()));
        let raw = gathered.as_ref().map_or(raw, |[actual, reference]| [actual, reference]);
        if raw[0].is_empty() {
            return None;
        }
        let [mut room, mut other] = std::mem::take(T::Number::room(&mut self.scratch));
        let actual = T::numbers(self.kernel, raw[0], &mut room);
        let reference = T::numbers(self.kernel, raw[1], &mut other);
        let tally = self.measure(&Block { sides, start: range.start, kept, raw, actual, reference }, found);
        if tally.is_some() {
            found.left_out += (range.len() - raw[0].len()) as u64;
        }
        *T::Number::room(&mut self.scratch) = [room, other];
        tally
    }

    fn measure<T: Plain>(&mut self, block: &Block<'_, T>, found: &mut Found) -> Option<Tally> {
        let Block { raw, actual, reference, .. } = *block;
        let (kernel, tolerance) = (self.kernel, self.rules.tolerance);
        let sums = kernel.pair(actual, reference, Ahead::of(raw[0]));
        // A NaN or an infinity anywhere is one in these sums.
        if !(sums.squared_actual + sums.squared_reference).is_finite() {
            return None;
        }
        let keys = [T::keys(raw[0], actual), T::keys(raw[1], reference)];
        let ends = kernel.ends(keys[0], keys[1], Ahead::of(raw[1]));
        let [actual_ends, reference_ends] = [ends.actual, ends.reference].map(|ends| ends.map(Into::into));
        if !(are_tame(actual_ends) && are_tame(reference_ends) && is_tame(sums.furthest)) {
            return None;
        }
        found.count(actual.len(), ends.differing, ends.zeros);
        let best = Best::new(found, self.known, tolerance);
        let singles = Singles::of(actual, reference, sums.furthest);
        let has_quotients = ends.zeros < actual.len() as u64;
        if best.knows_nothing(has_quotients) || self.matters(block, singles, &best) {
            block.divide(kernel, tolerance, &best, has_quotients, found);
        }
        // An element that is outside uses more than all of its tolerance, and by now the largest share is known.
        if best.share.max(value(found.share)) > 1.0 {
            let [atol, rtol] = [tolerance.atol, tolerance.rtol];
            let outside = match [atol, rtol] {
                [0.0, 0.0] => ends.differing,
                tolerance => singles
                    .and_then(|Singles { actual, reference }| kernel.outside_surely(actual, reference, tolerance))
                    .unwrap_or_else(|| kernel.outside(actual, reference, tolerance)),
            };
            let is_outside = |(a, r): (f64, f64)| (a - r).abs() > atol + rtol * r.abs();
            found.count_outside(outside, || Some(block.position(block.pairs().position(is_outside)?)));
        }
        block.raise(self.known, sums.furthest, ends.furthest, found);
        widen(&mut found.actual, raw[0], actual_ends, first(keys[0], ends.actual));
        widen(&mut found.reference, raw[1], reference_ends, first(keys[1], ends.reference));
        Some(Tally {
            actual: Some(moments(kernel, actual, sums.actual, sums.squared_actual, actual_ends)),
            reference: Some(moments(kernel, reference, sums.reference, sums.squared_reference, reference_ends)),
            sums: Sums::from(sums),
        })
    }

    /// Whether an element of the block may be larger than what is known: by three screens, each slower than the one before and
    /// more exact.
    ///
    /// Where many elements are nearly as large as the largest, as where all are off by one factor, a screen finds something in
    /// every block, and the next one nothing: then it is left out for a while.
    fn matters<T: Plain>(&mut self, block: &Block<'_, T>, singles: Option<Singles<'_>>, best: &Best) -> bool {
        let (kernel, tolerance) = (self.kernel, self.rules.tolerance);
        let line = best.line(tolerance, T::DISTINCT);
        // What a screen that is left out will have to wait: one block less.
        let [rough, fine] = self.doubt.map(|blocks| blocks.checked_sub(1));
        let mut doubt = [rough.unwrap_or(0), fine.unwrap_or(0)];
        if let (Some(Singles { actual, reference }), None) = (singles, rough) {
            if !kernel.may_matter_roughly(actual, reference, &line) {
                self.doubt = doubt;
                return false;
            }
            doubt[0] = PATIENCE;
        }
        if fine.is_none() {
            if !kernel.may_matter(block.actual, block.reference, &line) {
                self.doubt = doubt;
                return false;
            }
            doubt[1] = PATIENCE;
        }
        let matters = kernel.matters(block.actual, block.reference, &best.marks(tolerance));
        self.doubt = if matters { [0; 2] } else { doubt };
        matters
    }
}

/// A pair of blocks of singles, whose distances singles hold as well.
#[derive(Clone, Copy)]
struct Singles<'a> {
    actual: &'a [f32],
    reference: &'a [f32],
}

impl<'a> Singles<'a> {
    fn of<N: Number>(actual: &'a [N], reference: &'a [N], furthest: f64) -> Option<Singles<'a>> {
        let (actual, reference) = (N::singles(actual)?, N::singles(reference)?);
        (furthest < f64::from(f32::MAX) / 2.0).then_some(Singles { actual, reference })
    }
}

/// For how many blocks a screen is left out that knew too little.
const PATIENCE: u32 = 4;

fn are_tame([smallest, largest]: [f64; 2]) -> bool {
    is_tame(smallest.abs().max(largest.abs()))
}

impl<T: Plain> Block<'_, T> {
    /// Finds the largest quotients, if they are as large as what is known. There are relative differences where a reference is not 0.
    fn divide(&self, kernel: Kernel, tolerance: Tolerance, best: &Best, are_relative: bool, found: &mut Found) {
        let limits = [tolerance.atol, tolerance.rtol, best.floor];
        let largest = kernel.quotients(self.actual, self.reference, limits);
        if largest.share >= best.share {
            Peak::raise(&mut found.share, largest.share, || {
                self.first(|distance, magnitude| {
                    let allowed = tolerance.atol + tolerance.rtol * magnitude;
                    largest.share == if distance == 0.0 { 0.0 } else { distance / allowed }
                })
            });
        }
        if largest.relative >= best.relative && are_relative {
            Peak::raise(&mut found.relative, largest.relative, || {
                self.first(|distance, magnitude| magnitude > 0.0 && distance / magnitude == largest.relative)
            });
        }
        if largest.excess > 0.0 {
            for (a, r) in self.pairs() {
                found.excess.add(a, r, tolerance.rtol * r.abs());
            }
            found.excess.prune();
        }
    }

    /// Takes the largest distances, as numbers and in units in the last place, where others know of no larger ones.
    fn raise(&self, known: &Known, distance: f64, steps: u64, found: &mut Found) {
        if distance >= known.distance.get() {
            Peak::raise(&mut found.distance, distance, || self.first(|other, _| other == distance));
        }
        let [actual, reference] = self.raw;
        if let Some(ulps) = T::ulps(actual, reference, steps).filter(|ulps| *ulps as f64 >= known.ulps.get()) {
            Peak::raise(&mut found.ulps, ulps, || {
                self.spot(zip(actual, reference).position(|(a, r)| ulp_distance(*a, *r) == Some(ulps)))
            });
        }
    }

    /// The first place with such a distance and magnitude of the reference.
    fn first(&self, is_it: impl Fn(f64, f64) -> bool) -> Spot {
        self.spot(self.pairs().position(|(a, r)| is_it((a - r).abs(), r.abs())))
    }

    fn spot(&self, place: Option<usize>) -> Spot {
        self.sides.spot(self.position(place.expect("what was found stands somewhere")))
    }

    /// Where a number of the block stands.
    fn position(&self, place: usize) -> usize {
        self.start + self.kept.map_or(place, |kept| kept[place])
    }

    fn pairs(&self) -> impl Iterator<Item = (f64, f64)> {
        zip(self.actual, self.reference).map(|(a, r)| ((*a).into(), (*r).into()))
    }
}

/// Describes one side of a block without a mask; `None`, and nothing is seen, where it is no block of plain finite numbers.
pub(crate) fn side(kernel: Kernel, block: Slice<'_>, seen: &mut Seen, scratch: &mut Scratch) -> Option<Moments> {
    if block.is_empty() {
        return None;
    }
    dispatch_plain!(block, block => side_of(kernel, block, seen, scratch), whole::side(kernel, block, seen))
}

fn side_of<T: Plain<Number: Roomy>>(
    kernel: Kernel,
    raw: &[T],
    seen: &mut Seen,
    scratch: &mut Scratch,
) -> Option<Moments> {
    let [room, _] = T::Number::room(scratch);
    let block = T::numbers(kernel, raw, room);
    let sums = kernel.side(block, Ahead::of(raw));
    if !(sums.squares.is_finite() && are_tame(sums.ends)) {
        return None;
    }
    widen(seen, raw, sums.ends, |end| block.iter().position(|x| (*x).into() == sums.ends[end]));
    Some(moments(kernel, block, sums.sum, sums.squares, sums.ends))
}

/// Finds the first place of one of two ends.
fn first<K: Row>(block: &[K], ends: [K; 2]) -> impl Fn(usize) -> Option<usize> {
    move |end| block.iter().position(|x| *x == ends[end])
}

/// By the sums of a block of which a double holds every number.
pub(super) fn moments<N: Number>(kernel: Kernel, block: &[N], sum: f64, squares: f64, ends: [f64; 2]) -> Moments {
    Moments::from_powers(Powers { count: block.len(), sum, squares, ends }, |base| kernel.about(block, base))
}

/// Takes the extremes of a block into account. Of equal ones the first counts: zeros are equal, and may have two signs.
fn widen<T: Plain>(seen: &mut Seen, raw: &[T], ends: [f64; 2], first: impl Fn(usize) -> Option<usize>) {
    let value = |end| raw[first(end).expect("an end stands somewhere")].value();
    let [smallest, largest] = ends;
    let (is_smaller, is_larger) = match seen.ends {
        None => (true, true),
        Some([least, most]) => (smallest < least.to_f64(), largest > most.to_f64()),
    };
    let [least, most] = seen.ends.unwrap_or([Value::Bool(false); 2]);
    if is_smaller || is_larger {
        seen.ends = Some([if is_smaller { value(0) } else { least }, if is_larger { value(1) } else { most }]);
    }
}

impl From<PairSums> for Sums {
    /// Nothing of it was scaled.
    fn from(sums: PairSums) -> Sums {
        let PairSums { difference, distance, squared_distance, squared_actual, squared_reference, product, .. } = sums;
        Sums::unscaled(difference, distance, [squared_distance, squared_actual, squared_reference, product])
    }
}
