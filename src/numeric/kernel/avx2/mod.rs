//! The loops that compilers make poor vectors of, in the instructions of AVX2.

mod doubles;
mod ends;

pub(super) use doubles::Doubles;
pub(super) use ends::Row;
