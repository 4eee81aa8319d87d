//! The loops that compilers make poor vectors of, in the instructions of AVX2.

mod doubles;
mod ends;
mod steps;

pub(super) use doubles::Doubles;
pub(super) use ends::Row;
pub(super) use steps::StepRow;
