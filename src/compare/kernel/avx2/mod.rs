//! The loops that compilers make poor vectors of, in the instructions of AVX2.

/// Runs intrinsics that are safe but for the instructions that they need.
macro_rules! avx2 {
    ($body:expr) => {
        // SAFETY: the loops with `Doubles` and `Singles` run under `target_feature(avx2, fma, f16c)` alone, which `Kernel` enters
        // after it has found them. Loads and stores are given references to arrays of their size.
        unsafe { $body }
    };
}

mod doubles;
mod ends;
mod singles;

pub(super) use doubles::Doubles;
pub(crate) use ends::Row;
pub(super) use singles::Singles;
