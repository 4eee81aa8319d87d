//! The sums over a pair of blocks, and which blocks have to be looked at more closely.

use std::hint::black_box;
use std::iter::{once, zip};

use super::four::{Four, Number};
use super::prefetch::prefetch;
use crate::numeric::lanes::{LANES, join};

/// What is summed over a pair of blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PairSums {
    pub(crate) difference: f64,
    pub(crate) distance: f64,
    pub(crate) squared_distance: f64,
    pub(crate) actual: f64,
    pub(crate) reference: f64,
    pub(crate) squared_actual: f64,
    pub(crate) squared_reference: f64,
    pub(crate) product: f64,
    /// The largest distance.
    pub(crate) furthest: f64,
    /// Whether an element may be above the line. Where this is false none is.
    pub(crate) above: bool,
    /// The smallest distance that is not 0, of numbers of 64 bits; else an infinity. A comparison of products with a smaller one
    /// may be decided by what they lose below the normal numbers.
    pub(crate) least: f64,
}

/// What an element has to be above to matter: the lowest of three lines over the magnitude of the reference. Each is a little
/// lower than what it stands for, so that no rounding hides an element: see [`Line::new`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// The smallest atol so far, plus rtol for each unit of the reference.
    excess: [f64; 2],
    /// The largest share of the tolerance so far, of atol and of rtol.
    share: [f64; 2],
    /// The largest relative difference so far.
    relative: f64,
}

/// Some factors of a product each round by half a unit in the last place, of which there are 2^53: this is far more.
const LOWER: f64 = 1.0 - 1.0 / (1u64 << 48) as f64;

impl Line {
    /// The line that nothing is above which needs no larger atol than `floor`, uses no larger `share` of the tolerance, and
    /// has no larger `relative` difference. A negative share or relative difference is below everything.
    pub(crate) fn new(atol: f64, rtol: f64, floor: f64, share: f64, relative: f64) -> Line {
        // An infinity would make NaN of a reference of 0.
        let lower = |x: f64| (x * LOWER).min(f64::MAX);
        let share = share.min(f64::MAX);
        Line {
            excess: [lower(floor), lower(rtol)],
            share: [lower(share * atol), lower(share * rtol)],
            relative: lower(relative),
        }
    }
}

#[inline(always)]
pub(super) fn pair<F: Four, N: Number>(actual: &[N], reference: &[N], line: &Line, _: F) -> PairSums {
    debug_assert_eq!(actual.len(), reference.len());
    let (actual, actual_rest) = actual.as_chunks::<LANES>();
    let (reference, reference_rest) = reference.as_chunks::<LANES>();
    // Where 16 bits are converted the units that add have more to do than they can, and those that multiply and compare have
    // less. `x * 1 + sum` is `x + sum`, to the bit, and a difference above 0 is a comparison.
    let narrow = size_of::<N>() == 2;
    let one = F::splat(black_box(1.0));
    let zero = F::splat(0.0);
    let (mut difference, mut distance, mut squared_distance) = (zero, zero, zero);
    let (mut sum_actual, mut sum_reference) = (zero, zero);
    let (mut squared_actual, mut squared_reference, mut product) = (zero, zero, zero);
    let (mut furthest, mut above, mut least) = (zero, zero, F::splat(f64::INFINITY));
    let (excess, share, relative) = (line.excess.map(F::splat), line.share.map(F::splat), F::splat(line.relative));
    for (actual, reference) in zip(actual, reference) {
        prefetch(actual);
        prefetch(reference);
        let (a, r) = (N::four::<F>(actual), N::four::<F>(reference));
        let d = a.minus(r);
        let (far, magnitude) = (d.abs(), r.abs());
        difference = if narrow { d.fused(one, difference) } else { difference.plus(d) };
        distance = distance.plus(far);
        squared_distance = squared_distance.plus(d.times(d));
        sum_actual = if narrow { a.fused(one, sum_actual) } else { sum_actual.plus(a) };
        sum_reference = if narrow { r.fused(one, sum_reference) } else { sum_reference.plus(r) };
        if N::EXACT_PRODUCTS {
            squared_actual = a.fused(a, squared_actual);
            squared_reference = r.fused(r, squared_reference);
            product = a.fused(r, product);
        } else {
            squared_actual = squared_actual.plus(a.times(a));
            squared_reference = squared_reference.plus(r.times(r));
            product = product.plus(a.times(r));
        }
        if N::SMALL {
            least = least.least(far.without_zeros());
        }
        furthest = furthest.most(far);
        let excess = magnitude.fused(excess[1], excess[0]);
        let share = magnitude.fused(share[1], share[0]);
        let line = excess.least(share).least(magnitude.times(relative));
        above = if narrow { far.minus(line).most(above) } else { above.mark_above(far, line) };
    }
    let mut lanes = Lanes {
        sums: [
            difference.lanes(),
            distance.lanes(),
            squared_distance.lanes(),
            sum_actual.lanes(),
            sum_reference.lanes(),
            squared_actual.lanes(),
            squared_reference.lanes(),
            product.lanes(),
        ],
        furthest: furthest.lanes(),
        above: above.is_marked(),
        least: least.lanes(),
    };
    for (lane, (a, r)) in zip(actual_rest, reference_rest).enumerate() {
        lanes.add::<N>(lane, a.widen(), r.widen(), line);
    }
    lanes.join()
}

/// The running sums, out of the registers.
///
/// Its alignment aligns the frame of the loop, where the constants are that fit no register: of those that lie across two lines
/// of the cache, loading would take a fifth of the time.
#[repr(align(64))]
struct Lanes {
    sums: [[f64; LANES]; 8],
    furthest: [f64; LANES],
    above: bool,
    least: [f64; LANES],
}

impl Lanes {
    /// Adds one pair of the rest that fills no vector.
    fn add<N: Number>(&mut self, lane: usize, a: f64, r: f64, line: &Line) {
        let d = a - r;
        let (far, magnitude) = (d.abs(), r.abs());
        for (sums, term) in zip(&mut self.sums, [d, far, d * d, a, r, a * a, r * r, a * r]) {
            sums[lane] += term;
        }
        if N::SMALL && far > 0.0 {
            self.least[lane] = self.least[lane].min(far);
        }
        self.furthest[lane] = self.furthest[lane].max(far);
        let excess = magnitude * line.excess[1] + line.excess[0];
        let share = magnitude * line.share[1] + line.share[0];
        self.above |= far > excess.min(share).min(magnitude * line.relative);
    }

    /// Not inline: the compiler would mix the running sums up to add them in fewer steps, and spill them all.
    #[inline(never)]
    fn join(&self) -> PairSums {
        let [difference, distance, squared_distance, actual, reference, squared_actual, squared_reference, product] =
            self.sums.map(join);
        PairSums {
            difference,
            distance,
            squared_distance,
            actual,
            reference,
            squared_actual,
            squared_reference,
            product,
            furthest: self.furthest.into_iter().fold(0.0, f64::max),
            above: self.above,
            least: self.least.into_iter().fold(f64::INFINITY, f64::min),
        }
    }
}

#[inline(always)]
pub(super) fn outside<F: Four, N: Number>(actual: &[N], reference: &[N], atol: f64, rtol: f64, _: F) -> u64 {
    let (actual, actual_rest) = actual.as_chunks::<LANES>();
    let (reference, reference_rest) = reference.as_chunks::<LANES>();
    let [atol, rtol, mut count] = [atol, rtol, 0.0].map(F::splat);
    // Two zeros are outside nothing.
    let (last_actual, last_reference) = (fill(actual_rest), fill(reference_rest));
    for (a, r) in zip(actual, reference).chain(once((&last_actual, &last_reference))) {
        let (a, r) = (N::four::<F>(a), N::four::<F>(r));
        count = count.plus(a.minus(r).abs().above(atol.plus(rtol.times(r.abs()))));
    }
    count.lanes().into_iter().sum::<f64>() as u64
}

/// The rest that fills no vector, with zeros behind it.
#[inline(always)]
fn fill<N: Number>(rest: &[N]) -> [N; LANES] {
    let mut four = [N::default(); LANES];
    four[..rest.len()].copy_from_slice(rest);
    four
}

/// The largest quotients of a pair of blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quotients {
    /// Of the distance and what is allowed; 0 where both are 0.
    pub(crate) share: f64,
    /// Of the distance and the magnitude of the reference, where that is not 0; 0 where it is.
    pub(crate) relative: f64,
    /// Whether an element needs a larger atol than a floor.
    pub(crate) exceeds: bool,
}

#[inline(always)]
pub(super) fn quotients<F: Four, N: Number>(
    actual: &[N],
    reference: &[N],
    [atol, rtol, floor]: [f64; 3],
    _: F,
) -> Quotients {
    let (actual, actual_rest) = actual.as_chunks::<LANES>();
    let (reference, reference_rest) = reference.as_chunks::<LANES>();
    let (mut share, mut relative, mut excess) = (F::splat(0.0), F::splat(0.0), F::splat(0.0));
    let (atol, rtol, floor) = (F::splat(atol), F::splat(rtol), F::splat(floor));
    // Two zeros raise nothing.
    let (last_actual, last_reference) = (fill(actual_rest), fill(reference_rest));
    for (a, r) in zip(actual, reference).chain(once((&last_actual, &last_reference))) {
        let (a, r) = (N::four::<F>(a), N::four::<F>(r));
        let (far, magnitude) = (a.minus(r).abs(), r.abs());
        let allowed = magnitude.times(rtol);
        // Of two zeros the quotient is NaN, which is passed over.
        share = far.over(atol.plus(allowed)).most(share);
        relative = far.over(magnitude.without_zeros()).most(relative);
        excess = far.minus(floor.plus(allowed)).most(excess);
    }
    let [share, relative, excess] =
        [share.lanes(), relative.lanes(), excess.lanes()].map(|lanes| lanes.into_iter().fold(0.0, f64::max));
    Quotients { share, relative, exceeds: excess > 0.0 }
}
