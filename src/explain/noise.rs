//! How much rounding explains.

use crate::tensor::{DType, Tensor};

/// What rounding does to the elements of a pair.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noise {
    /// The distance from 1 to the next number of the coarser of both dtypes; 0 for integers.
    pub(super) eps: f64,
    /// The RMS that rounding may have, in `eps` times the RMS of the actual tensor.
    level: f64,
}

impl Noise {
    /// That of two tensors.
    pub(super) fn of(actual: &Tensor, reference: &Tensor) -> Noise {
        let coarser = if actual.dtype().eps() >= reference.dtype().eps() { actual } else { reference };
        Noise { eps: coarser.dtype().eps(), level: level(coarser.dtype()) }
    }

    /// The RMS that rounding may have beside numbers of that RMS.
    pub(super) fn limit(&self, rms: f64) -> f64 {
        self.level * self.eps * rms
    }

    /// The share of elements that may be right by chance, with room.
    pub(super) fn chance(&self) -> f64 {
        // Twice the slack, of numbers that are spread over a few RMS.
        (24.0 * self.level * self.eps).max(0.02)
    }

    /// The difference from which on a single element is wrong, where both sides have that magnitude at most.
    #[inline]
    pub(super) fn slack(&self, magnitude: f64, rms: f64) -> f64 {
        // Four times the RMS that a whole tensor may have: one element in 15,000 of a normal distribution.
        4.0 * self.level * self.eps * (magnitude + rms)
    }
}

/// How many eps of the RMS honest implementations are apart, with room. Between honest references in f32 it is 20 at most,
/// after a whole model; with 16 bits it is the last rounding that counts, since they sum in f32.
fn level(dtype: DType) -> f64 {
    match dtype {
        DType::F64 | DType::C128 => 64.0,
        DType::F32 | DType::C64 => 32.0,
        DType::F16 | DType::BF16 => 1.5,
        _ => 1.0,
    }
}
