//! The sums over one block.

use super::ends::{higher, lower};
use super::four::{Four, Number};
use super::prefetch::prefetch;
use crate::numeric::lanes::{LANES, join};

/// What is summed over one block, and its extremes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SideSums<N> {
    pub(crate) sum: f64,
    pub(crate) squares: f64,
    /// The smallest and the largest; of two zeros either.
    pub(crate) ends: [N; 2],
}

#[inline(always)]
pub(super) fn side<F: Four, N: Number>(block: &[N], _: F) -> SideSums<N> {
    let (fours, rest) = block.as_chunks::<LANES>();
    let (mut sum, mut squares) = (F::splat(0.0), F::splat(0.0));
    let (mut least, mut most) = ([block[0]; LANES], [block[0]; LANES]);
    for four in fours {
        prefetch(four);
        let x = N::four::<F>(four);
        sum = sum.plus(x);
        squares = squares.plus(x.times(x));
        for lane in 0..LANES {
            least[lane] = lower(least[lane], four[lane]);
            most[lane] = higher(most[lane], four[lane]);
        }
    }
    let (mut sum, mut squares) = (sum.lanes(), squares.lanes());
    for (lane, x) in rest.iter().enumerate() {
        sum[lane] += x.widen();
        squares[lane] += x.widen() * x.widen();
        least[lane] = lower(least[lane], *x);
        most[lane] = higher(most[lane], *x);
    }
    SideSums {
        sum: join(sum),
        squares: join(squares),
        ends: [least.into_iter().fold(least[0], lower), most.into_iter().fold(most[0], higher)],
    }
}

#[inline(always)]
pub(super) fn about<F: Four, N: Number>(block: &[N], base: f64, _: F) -> [f64; 2] {
    let (fours, rest) = block.as_chunks::<LANES>();
    let (mut excess, mut squared) = (F::splat(0.0), F::splat(0.0));
    for four in fours {
        let x = N::four::<F>(four).minus(F::splat(base));
        excess = excess.plus(x);
        squared = squared.plus(x.times(x));
    }
    let (mut excess, mut squared) = (excess.lanes(), squared.lanes());
    for (lane, x) in rest.iter().enumerate() {
        let x = x.widen() - base;
        excess[lane] += x;
        squared[lane] += x * x;
    }
    [join(excess), join(squared)]
}
