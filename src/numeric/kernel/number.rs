//! The numbers that the loops take as they are.

use super::four::Four;
use crate::numeric::lanes::LANES;

/// A real number, which a double holds exactly.
pub(crate) trait Number: Copy + PartialEq + Default + Into<f64> + Send + Sync {
    /// Whether a double holds every product of two exactly, so that it makes no difference whether it is rounded.
    const EXACT_PRODUCTS: bool;

    /// Whether products of some are so small that doubles lose digits.
    const SMALL: bool;

    fn four<F: Four>(x: &[Self; LANES]) -> F;

    /// The block as singles, if it is made of them.
    fn singles(block: &[Self]) -> Option<&[f32]>;
}

macro_rules! numbers {
    ($($type:ty, $exact:literal, $small:literal, $from:ident, $singles:expr;)*) => {$(
        impl Number for $type {
            const EXACT_PRODUCTS: bool = $exact;
            const SMALL: bool = $small;

            #[inline(always)]
            fn four<F: Four>(x: &[$type; LANES]) -> F {
                F::$from(x)
            }

            #[inline(always)]
            fn singles(block: &[$type]) -> Option<&[f32]> {
                let singles: fn(&[$type]) -> Option<&[f32]> = $singles;
                singles(block)
            }
        }
    )*};
}

numbers! {
    f64, false, true, from_doubles, |_| None;
    f32, true, false, from_singles, |block| Some(block);
    i32, false, false, from_integers, |_| None;
}
