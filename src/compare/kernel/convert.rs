//! Floats of 16 bits as singles.

use half::{bf16, f16};
use std::iter::zip;

use super::eight::{EIGHT, Eight};
use super::fill::fill;

/// A float of 16 bits.
pub(crate) trait Short: Copy + Default {
    fn eight<E: Eight>(x: &[Self; EIGHT]) -> E;
}

impl Short for f16 {
    #[inline(always)]
    fn eight<E: Eight>(x: &[f16; EIGHT]) -> E {
        E::from_halves(x)
    }
}

impl Short for bf16 {
    #[inline(always)]
    fn eight<E: Eight>(x: &[bf16; EIGHT]) -> E {
        E::from_brains(x)
    }
}

#[inline(always)]
pub(super) fn convert<E: Eight, T: Short>(block: &[T], singles: &mut Vec<f32>, _: E) {
    singles.resize(block.len(), 0.0);
    let (eights, rest) = block.as_chunks::<EIGHT>();
    let (converted, converted_rest) = singles.as_chunks_mut::<EIGHT>();
    for (eight, converted) in zip(eights, converted) {
        *converted = T::eight::<E>(eight).lanes();
    }
    converted_rest.copy_from_slice(&T::eight::<E>(&fill(rest)).lanes()[..rest.len()]);
}
