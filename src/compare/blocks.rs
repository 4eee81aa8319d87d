//! The same order of summation on every machine: fixed blocks, joined along a fixed tree.
//!
//! Floating-point addition is not associative, so the order determines the bits. Here the order depends only on the number of
//! elements: blocks of [`BLOCK`] elements are joined in a balanced tree. Threads process branches of that tree; their number affects
//! when a branch is measured, but never what it is joined with.

use std::ops::Range;

#[cfg(feature = "harness")]
use rayon::{current_num_threads, join as in_parallel};

use crate::error::Result;

/// The number of elements in a block. A block of both sides fits into the first-level cache, and the cost per block is spread over
/// many elements. Changing it changes the last bits of every sum.
pub(crate) const BLOCK: usize = 1024;

/// The minimum number of blocks that a thread takes at a time: handing over fewer costs more than it saves.
const MIN_BRANCH: usize = 32;

/// The number of branches per thread, so that no thread waits long for the last one.
const BRANCHES_PER_THREAD: usize = 8;

/// A branch of the tree, measured by one thread.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    blocks: Range<usize>,
    /// The number of elements in the whole tree.
    len: usize,
}

/// Measures the branches of `0..len` on several threads, and joins the results from left to right. An empty range is one empty
/// branch.
///
/// Returns the first error in the order of the elements.
pub(crate) fn fold<P: Send>(
    len: usize,
    measure: impl Fn(&Branch) -> Result<P> + Sync,
    join: impl Fn(P, P) -> P + Sync,
) -> Result<P> {
    let blocks = len.div_ceil(BLOCK).max(1);
    let max_blocks = (blocks / (BRANCHES_PER_THREAD * current_num_threads())).max(MIN_BRANCH);
    Branch { blocks: 0..blocks, len }.fold_parallel(max_blocks, &measure, &join)
}

impl Branch {
    /// Returns the positions of its elements.
    pub(crate) fn elements(&self) -> Range<usize> {
        self.blocks.start * BLOCK..self.len.min(self.blocks.end * BLOCK)
    }

    /// Measures branches of at most that many blocks in parallel.
    fn fold_parallel<P: Send>(
        &self,
        max_blocks: usize,
        measure: &(impl Fn(&Branch) -> Result<P> + Sync),
        join: &(impl Fn(P, P) -> P + Sync),
    ) -> Result<P> {
        if self.blocks.len() <= max_blocks {
            return measure(self);
        }
        let [left, right] = self.halves().map(|half| move || half.fold_parallel(max_blocks, measure, join));
        let (left, right) = in_parallel(left, right);
        Ok(join(left?, right?))
    }

    /// Measures branches of at most that many blocks from left to right, and joins the results along the tree.
    pub(crate) fn fold<P>(
        &self,
        max_blocks: usize,
        measure: &mut impl FnMut(&Branch) -> P,
        join: &impl Fn(P, P) -> P,
    ) -> P {
        if self.blocks.len() <= max_blocks {
            return measure(self);
        }
        let [left, right] = self.halves();
        let left = left.fold(max_blocks, measure, join);
        join(left, right.fold(max_blocks, measure, join))
    }

    fn halves(&self) -> [Branch; 2] {
        let Branch { blocks: Range { start, end }, len } = *self;
        let middle = start + (end - start) / 2;
        [start..middle, middle..end].map(|blocks| Branch { blocks, len })
    }
}

/// Without the harness there are only assertions, whose tensors are small.
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

    fn bits(len: usize, max_blocks: usize, threads: usize) -> u64 {
        let join = |left: f64, right: f64| left + right;
        let mut block = |block: &Branch| block.elements().map(|i| 1.0 / (i as f64 + 0.1)).sum::<f64>();
        let measure = |branch: &Branch| Ok(branch.fold(1, &mut block.clone(), &join));
        let branch = Branch { blocks: 0..len.div_ceil(BLOCK).max(1), len };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool");
        let sum = pool.install(|| branch.fold_parallel(max_blocks, &measure, &join)).expect("no error");
        assert_eq!(sum.to_bits(), branch.fold(1, &mut block, &join).to_bits());
        let mut measure_part = |branch: &Branch| branch.fold(1, &mut block, &join);
        assert_eq!(sum.to_bits(), branch.fold(3, &mut measure_part, &join).to_bits());
        sum.to_bits()
    }

    #[test]
    fn a_sum_has_the_same_bits_for_every_number_of_threads() {
        for len in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 100 * BLOCK + 7] {
            let expected = bits(len, usize::MAX, 1);
            for threads in [1, 2, 5] {
                assert_eq!(bits(len, 1, threads), expected, "{len} elements, {threads} threads");
                assert_eq!(bits(len, MIN_BRANCH, threads), expected, "{len} elements, {threads} threads");
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
            assert_eq!(fold(len, measure, join).expect("no error"), (0..len).collect::<Vec<_>>());
        }
    }
}
