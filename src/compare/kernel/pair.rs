//! The sums over a pair of blocks.

use std::hint::black_box;
use std::iter::zip;

use super::four::Four;
use super::number::Number;
use super::prefetch::Ahead;
use crate::compare::lanes::{LANES, join};

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
}

/// Elements between two requests for memory: a line of the cache, of floats.
const STRIDE: usize = 4 * LANES;

#[inline(always)]
pub(super) fn pair<F: Four, N: Number>(actual: &[N], reference: &[N], ahead: Ahead, _: F) -> PairSums {
    debug_assert_eq!(actual.len(), reference.len());
    let mut running = Running::<F>::new();
    let (strides, actual) = actual.as_chunks::<STRIDE>();
    let (reference_strides, reference) = reference.as_chunks::<STRIDE>();
    for (stride, (actual, reference)) in zip(strides, reference_strides).enumerate() {
        ahead.prefetch::<N>(stride * STRIDE, STRIDE);
        for (a, r) in zip(actual.as_chunks().0, reference.as_chunks().0) {
            running.add::<N>(a, r);
        }
    }
    let (fours, actual) = actual.as_chunks();
    let (reference_fours, reference) = reference.as_chunks();
    for (a, r) in zip(fours, reference_fours) {
        running.add::<N>(a, r);
    }
    let mut lanes = running.lanes();
    for (lane, (a, r)) in zip(actual, reference).enumerate() {
        lanes.add(lane, *a, *r);
    }
    lanes.join()
}

/// The running sums, in registers.
#[derive(Clone, Copy)]
struct Running<F> {
    difference: F,
    distance: F,
    squared_distance: F,
    actual: F,
    reference: F,
    squared_actual: F,
    squared_reference: F,
    product: F,
    furthest: F,
    /// The compiler does not know that it is 1.
    one: F,
}

impl<F: Four> Running<F> {
    #[inline(always)]
    fn new() -> Running<F> {
        let zero = F::splat(0.0);
        Running {
            difference: zero,
            distance: zero,
            squared_distance: zero,
            actual: zero,
            reference: zero,
            squared_actual: zero,
            squared_reference: zero,
            product: zero,
            furthest: zero,
            one: F::splat(black_box(1.0)),
        }
    }

    #[inline(always)]
    fn add<N: Number>(&mut self, a: &[N; LANES], r: &[N; LANES]) {
        let (a, r, d) = (N::four::<F>(a), N::four::<F>(r), N::difference::<F>(a, r));
        let far = d.abs();
        // The units that add have more to do than those that multiply as well. `x * 1 + sum` is `x + sum`, to the bit.
        self.difference = d.fused(self.one, self.difference);
        self.distance = self.distance.plus(far);
        self.squared_distance = self.squared_distance.plus(d.times(d));
        self.actual = a.fused(self.one, self.actual);
        self.reference = r.fused(self.one, self.reference);
        if N::EXACT_PRODUCTS {
            self.squared_actual = a.fused(a, self.squared_actual);
            self.squared_reference = r.fused(r, self.squared_reference);
            self.product = a.fused(r, self.product);
        } else {
            self.squared_actual = self.squared_actual.plus(a.times(a));
            self.squared_reference = self.squared_reference.plus(r.times(r));
            self.product = self.product.plus(a.times(r));
        }
        self.furthest = self.furthest.most(far);
    }

    #[inline(always)]
    fn lanes(self) -> Lanes {
        Lanes {
            sums: [
                self.difference.lanes(),
                self.distance.lanes(),
                self.squared_distance.lanes(),
                self.actual.lanes(),
                self.reference.lanes(),
                self.squared_actual.lanes(),
                self.squared_reference.lanes(),
                self.product.lanes(),
            ],
            furthest: self.furthest.lanes(),
        }
    }
}

/// The running sums, out of the registers.
#[derive(Debug)]
struct Lanes {
    sums: [[f64; LANES]; 8],
    furthest: [f64; LANES],
}

impl Lanes {
    /// Adds one pair of the rest that fills no vector.
    fn add<N: Number>(&mut self, lane: usize, a: N, r: N) {
        let (a, r, d) = (a.double(), r.double(), a.minus(r));
        for (sums, term) in zip(&mut self.sums, [d, d.abs(), d * d, a, r, a * a, r * r, a * r]) {
            sums[lane] += term;
        }
        self.furthest[lane] = self.furthest[lane].max(d.abs());
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
        }
    }
}
