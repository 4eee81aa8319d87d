//! The numbers that the loops take as they are.

use super::four::Four;
use crate::compare::lanes::LANES;

/// A real number. A double holds it exactly, or it is an integer of 64 bits, which a double holds to the nearest.
pub(crate) trait Number: Copy + PartialEq + Default + Send + Sync {
    /// Whether a double holds every product of two exactly, so that it makes no difference whether it is rounded.
    const EXACT_PRODUCTS: bool;

    /// Whether products of some are so small that doubles lose digits.
    const SMALL: bool;

    /// Whether a double may only be the nearest to one.
    const ROUNDED: bool = false;

    fn double(self) -> f64;

    /// `self - other`, rounded once.
    fn minus(self, other: Self) -> f64 {
        self.double() - other.double()
    }

    fn four<F: Four>(x: &[Self; LANES]) -> F;

    /// `x - y`, rounded once.
    #[inline(always)]
    fn difference<F: Four>(x: &[Self; LANES], y: &[Self; LANES]) -> F {
        Self::four::<F>(x).minus(Self::four(y))
    }

    /// The block as singles, if it is made of them.
    fn singles(_: &[Self]) -> Option<&[f32]> {
        None
    }
}

macro_rules! numbers {
    ($($type:ty, $exact:literal, $small:literal, $from:ident $(, $singles:expr)?;)*) => {$(
        impl Number for $type {
            const EXACT_PRODUCTS: bool = $exact;
            const SMALL: bool = $small;

            #[inline(always)]
            fn double(self) -> f64 {
                self.into()
            }

            #[inline(always)]
            fn four<F: Four>(x: &[$type; LANES]) -> F {
                F::$from(x)
            }

            $(#[inline(always)]
            fn singles(block: &[$type]) -> Option<&[f32]> {
                let singles: fn(&[$type]) -> Option<&[f32]> = $singles;
                singles(block)
            })?
        }
    )*};
}

numbers! {
    f64, false, true, from_doubles;
    f32, true, false, from_singles, |block| Some(block);
    i32, false, false, from_integers;
}
