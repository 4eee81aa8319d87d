//! What is summed along the tree: the order of the joins shows in the last bits.

use super::moments::Moments;
use super::sums::Sums;

/// The sums over some blocks of a pair, and the moments of either side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    pub(crate) sums: Sums,
    pub(crate) actual: Option<Moments>,
    pub(crate) reference: Option<Moments>,
}

impl Tally {
    /// Of the elements of both, `self` first in C order.
    pub(crate) fn join(self, later: Tally) -> Tally {
        Tally {
            sums: self.sums.join(later.sums),
            actual: Moments::join_some(self.actual, later.actual),
            reference: Moments::join_some(self.reference, later.reference),
        }
    }
}
