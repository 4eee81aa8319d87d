//! The sums over one block.

use super::four::Four;
use super::number::Number;
use super::prefetch::Ahead;
use crate::compare::lanes::{LANES, join};

/// What is summed over one block, and its extremes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SideSums {
    pub(crate) sum: f64,
    pub(crate) squares: f64,
    /// The smallest and the largest; of two zeros either.
    pub(crate) ends: [f64; 2],
}

#[inline(always)]
pub(super) fn side<F: Four, N: Number>(block: &[N], ahead: Ahead, _: F) -> SideSums {
    let first = F::splat(block[0].double());
    let (fours, rest) = block.as_chunks::<LANES>();
    let (mut sum, mut squares, mut least, mut most) = (F::splat(0.0), F::splat(0.0), first, first);
    for (place, four) in fours.iter().enumerate() {
        ahead.prefetch::<N>(place * LANES, LANES);
        let x = N::four::<F>(four);
        sum = sum.plus(x);
        squares = squares.plus(x.times(x));
        least = x.least(least);
        most = x.most(most);
    }
    let [mut sum, mut squares, mut least, mut most] = [sum.lanes(), squares.lanes(), least.lanes(), most.lanes()];
    for (lane, x) in rest.iter().enumerate() {
        let x = x.double();
        sum[lane] += x;
        squares[lane] += x * x;
        least[lane] = least[lane].min(x);
        most[lane] = most[lane].max(x);
    }
    let ends = [least.into_iter().fold(f64::INFINITY, f64::min), most.into_iter().fold(f64::NEG_INFINITY, f64::max)];
    SideSums { sum: join(sum), squares: join(squares), ends }
}

#[inline(always)]
pub(super) fn about<F: Four, N: Number>(block: &[N], base: f64, _: F) -> [f64; 2] {
    deviations(block, |four| N::four::<F>(four).minus(F::splat(base)), |x| x.double() - base)
}

#[inline(always)]
pub(super) fn about_exactly<F: Four, N: Number>(block: &[N], base: N, _: F) -> [f64; 2] {
    deviations(block, |four| N::difference::<F>(four, &[base; LANES]), |x| x.minus(base))
}

#[inline(always)]
fn deviations<F: Four, N: Number>(
    block: &[N],
    four_of: impl Fn(&[N; LANES]) -> F,
    one_of: impl Fn(N) -> f64,
) -> [f64; 2] {
    let (fours, rest) = block.as_chunks::<LANES>();
    let (mut excess, mut squared) = (F::splat(0.0), F::splat(0.0));
    for four in fours {
        let x = four_of(four);
        excess = excess.plus(x);
        squared = squared.plus(x.times(x));
    }
    let (mut excess, mut squared) = (excess.lanes(), squared.lanes());
    for (lane, x) in rest.iter().enumerate() {
        let x = one_of(*x);
        excess[lane] += x;
        squared[lane] += x * x;
    }
    [join(excess), join(squared)]
}
