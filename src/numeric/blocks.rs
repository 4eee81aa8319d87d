//! One order of summation for every machine: fixed blocks, joined along a fixed tree.
//!
//! Floating-point addition is not associative, so the order decides the bits. Here the number of elements alone decides
//! the order: [`BLOCK`] elements at a time, and the blocks joined in a balanced tree. Threads take branches of that tree;
//! how many there are changes when a branch is measured, never what it is joined with.

use std::ops::Range;

/// Elements in a block. The block's columns of `f64` stay in the first-level cache, and at the same time what a block
/// costs once is spread over many elements. Another value changes the last bits of every sum.
pub(crate) const BLOCK: usize = 1024;

/// Blocks that one thread measures by itself: handing over fewer costs more than it saves.
const ALONE: usize = 32;

/// Measures `0..len` in blocks and joins the parts, left before right. An empty range is one empty block.
pub(crate) fn fold<P: Send>(
    len: usize,
    measure: impl Fn(Range<usize>) -> P + Sync,
    join: impl Fn(P, P) -> P + Sync,
) -> P {
    Tree { len, alone: ALONE, measure, join }.fold(0..len.div_ceil(BLOCK).max(1))
}

/// What a fold needs on every branch.
struct Tree<M, J> {
    len: usize,
    alone: usize,
    measure: M,
    join: J,
}

impl<M, J> Tree<M, J> {
    /// Folds those blocks: the first half, the second half, and both joined.
    fn fold<P: Send>(&self, blocks: Range<usize>) -> P
    where
        M: Fn(Range<usize>) -> P + Sync,
        J: Fn(P, P) -> P + Sync,
    {
        if blocks.len() == 1 {
            let start = blocks.start * BLOCK;
            return (self.measure)(start..self.len.min(start + BLOCK));
        }
        let middle = blocks.start + blocks.len() / 2;
        let (left, right) = (blocks.start..middle, middle..blocks.end);
        let (left, right) = if blocks.len() > self.alone {
            rayon::join(|| self.fold(left), || self.fold(right))
        } else {
            (self.fold(left), self.fold(right))
        };
        (self.join)(left, right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(len: usize, alone: usize, threads: usize) -> u64 {
        let measure = |range: Range<usize>| range.map(|i| 1.0 / (i as f64 + 0.1)).sum::<f64>();
        let join = |left: f64, right: f64| left + right;
        let blocks = len.div_ceil(BLOCK).max(1);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool");
        pool.install(|| Tree { len, alone, measure, join }.fold(0..blocks)).to_bits()
    }

    #[test]
    fn a_sum_has_the_same_bits_for_every_number_of_threads() {
        for len in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 100 * BLOCK + 7] {
            let alone = bits(len, usize::MAX, 1);
            for threads in [1, 2, 5] {
                assert_eq!(bits(len, 1, threads), alone, "{len} elements, {threads} threads");
                assert_eq!(bits(len, ALONE, threads), alone, "{len} elements, {threads} threads");
            }
        }
    }

    #[test]
    fn the_blocks_cover_every_element_once_and_in_order() {
        for len in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 67 * BLOCK + 3] {
            let all = fold(len, |range| range.collect::<Vec<_>>(), |left, right| [left, right].concat());
            assert_eq!(all, (0..len).collect::<Vec<_>>());
        }
    }
}
