//! One order of summation for every machine: fixed blocks, joined along a fixed tree.
//!
//! Floating-point addition is not associative, so the order decides the bits. Here the number of elements alone decides
//! the order: [`BLOCK`] elements at a time, and the blocks joined in a balanced tree. Threads take branches of that tree;
//! how many there are changes when a branch is measured, never what it is joined with.

use std::ops::Range;

#[cfg(feature = "harness")]
use rayon::{current_num_threads, join as in_parallel};

use crate::error::Result;

/// Elements in a block. A block of both sides stays in the first-level cache, and at the same time what a block costs once
/// is spread over many elements. Another value changes the last bits of every sum.
pub(crate) const BLOCK: usize = 1024;

/// Blocks in the shortest branch of a longer tree: handing over fewer costs more than it saves.
const SHORTEST: usize = 32;

/// How many branches each thread should find, so that none waits long for the last.
const SHARE: usize = 8;

/// A branch of the tree, which one thread measures.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    blocks: Range<usize>,
    /// Elements in the whole tree.
    len: usize,
}

/// Measures `0..len` a branch at a time, and joins the parts, left before right. An empty range is one empty branch.
///
/// Several threads take branches; the first error in the order of the elements is returned.
pub(crate) fn fold<P: Send>(
    len: usize,
    measure: impl Fn(&Branch) -> Result<P> + Sync,
    join: impl Fn(P, P) -> P + Sync,
) -> Result<P> {
    let blocks = len.div_ceil(BLOCK).max(1);
    let alone = (blocks / (SHARE * current_num_threads())).max(SHORTEST);
    Branch { blocks: 0..blocks, len }.fold_apart(alone, &measure, &join)
}

impl Branch {
    /// The positions of its elements.
    pub(crate) fn elements(&self) -> Range<usize> {
        self.blocks.start * BLOCK..self.len.min(self.blocks.end * BLOCK)
    }

    /// Measures it in branches of at most so many blocks, in parallel.
    fn fold_apart<P: Send>(
        &self,
        alone: usize,
        measure: &(impl Fn(&Branch) -> Result<P> + Sync),
        join: &(impl Fn(P, P) -> P + Sync),
    ) -> Result<P> {
        if self.blocks.len() <= alone {
            return measure(self);
        }
        let [left, right] = self.halves().map(|half| move || half.fold_apart(alone, measure, join));
        let (left, right) = in_parallel(left, right);
        Ok(join(left?, right?))
    }

    /// Measures it in branches of at most so many blocks, from left to right, and joins along the tree.
    pub(crate) fn fold<P>(
        &self,
        blocks: usize,
        measure: &mut impl FnMut(&Branch) -> P,
        join: &impl Fn(P, P) -> P,
    ) -> P {
        if self.blocks.len() <= blocks {
            return measure(self);
        }
        let [left, right] = self.halves();
        let left = left.fold(blocks, measure, join);
        join(left, right.fold(blocks, measure, join))
    }

    fn halves(&self) -> [Branch; 2] {
        let Branch { blocks: Range { start, end }, len } = *self;
        let middle = start + (end - start) / 2;
        [start..middle, middle..end].map(|blocks| Branch { blocks, len })
    }
}

/// Without the harness there are only assertions, of tensors that are small.
#[cfg(not(feature = "harness"))]
fn current_num_threads() -> usize {
    1
}

#[cfg(not(feature = "harness"))]
fn in_parallel<A, B>(left: impl FnOnce() -> A, right: impl FnOnce() -> B) -> (A, B) {
    (left(), right())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(len: usize, alone: usize, threads: usize) -> u64 {
        let join = |left: f64, right: f64| left + right;
        let mut block = |block: &Branch| block.elements().map(|i| 1.0 / (i as f64 + 0.1)).sum::<f64>();
        let measure = |branch: &Branch| Ok(branch.fold(1, &mut block.clone(), &join));
        let branch = Branch { blocks: 0..len.div_ceil(BLOCK).max(1), len };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool");
        let sum = pool.install(|| branch.fold_apart(alone, &measure, &join)).expect("no source");
        assert_eq!(sum.to_bits(), branch.fold(1, &mut block, &join).to_bits());
        let mut some = |branch: &Branch| branch.fold(1, &mut block, &join);
        assert_eq!(sum.to_bits(), branch.fold(3, &mut some, &join).to_bits());
        sum.to_bits()
    }

    #[test]
    fn a_sum_has_the_same_bits_for_every_number_of_threads() {
        for len in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 100 * BLOCK + 7] {
            let alone = bits(len, usize::MAX, 1);
            for threads in [1, 2, 5] {
                assert_eq!(bits(len, 1, threads), alone, "{len} elements, {threads} threads");
                assert_eq!(bits(len, SHORTEST, threads), alone, "{len} elements, {threads} threads");
            }
        }
    }

    #[test]
    fn the_blocks_cover_every_element_once_and_in_order() {
        for len in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 67 * BLOCK + 3] {
            let join = |left: Vec<usize>, right: Vec<usize>| [left, right].concat();
            let measure = |branch: &Branch| {
                let all = branch.fold(1, &mut |block| block.elements().collect::<Vec<_>>(), &join);
                assert_eq!(all, branch.elements().collect::<Vec<_>>());
                Ok(all)
            };
            assert_eq!(fold(len, measure, join).expect("no source"), (0..len).collect::<Vec<_>>());
        }
    }
}
