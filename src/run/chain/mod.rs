//! Chains: cases whose inputs are other cases' outputs, run on what those really produced.
//!
//! `graph` says who takes what from whom, `follow` runs the cases in that order, `diverge` finds where a chain leaves its
//! reference, `outcome` is what there is to tell.

mod diverge;
mod follow;
mod graph;
mod outcome;

pub(super) use follow::follow;
pub use outcome::{Amplifier, ChainOutcome, Difference, Finding, Part, Step};
