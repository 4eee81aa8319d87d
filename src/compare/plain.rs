//! Which tensors the vector loops take: those of real numbers, each as a number that holds it exactly. Integers of 64 bits, which no
//! such number holds, are in [`whole`](super::whole).

use std::iter::zip;

use half::{bf16, f16};

use super::kernel::{Kernel, Number, Row};
use super::ulp::ulp_distance;
use crate::tensor::dtype::{Element, F8E4M3, F8E5M2, Kind};

/// An element that is one real number, and which a double holds.
pub(crate) trait Plain: Element {
    /// What holds it exactly.
    type Number: Number + Into<f64>;

    /// What its extremes are found of: itself, or its number.
    type Key: Row + Into<f64>;

    /// See [`Line::past_equal`](super::kernel::Line::past_equal).
    const DISTINCT: f64;

    /// The block as numbers, in the buffer where they are not what it is made of.
    fn numbers<'a>(kernel: Kernel, block: &'a [Self], buffer: &'a mut Vec<Self::Number>) -> &'a [Self::Number];

    /// One of the two.
    fn keys<'a>(block: &'a [Self], numbers: &'a [Self::Number]) -> &'a [Self::Key];

    /// The largest distance in units in the last place, which keys of that many steps are apart; `None` of what has none.
    fn ulps(actual: &[Self], reference: &[Self], steps: u64) -> Option<u64>;
}

/// Fills the buffer with the block, each element by itself.
fn fill<'a, T: Copy, N>(block: &[T], buffer: &'a mut Vec<N>, number: impl Fn(T) -> N) -> &'a [N] {
    buffer.clear();
    buffer.extend(block.iter().map(|&x| number(x)));
    buffer
}

macro_rules! itself {
    ($($type:ty, $ulps:expr;)*) => {$(
        impl Plain for $type {
            type Number = $type;
            type Key = $type;
            const DISTINCT: f64 = 0.0;

            fn numbers<'a>(_: Kernel, block: &'a [$type], _: &'a mut Vec<$type>) -> &'a [$type] {
                block
            }

            fn keys<'a>(block: &'a [$type], _: &'a [$type]) -> &'a [$type] {
                block
            }

            fn ulps(_: &[$type], _: &[$type], steps: u64) -> Option<u64> {
                let ulps: fn(u64) -> Option<u64> = $ulps;
                ulps(steps)
            }
        }
    )*};
}

itself! {
    f64, Some;
    f32, Some;
    i32, |_| None;
}

macro_rules! short {
    ($($type:ty, $distinct:literal;)*) => {$(
        impl Plain for $type {
            type Number = f32;
            type Key = $type;
            const DISTINCT: f64 = $distinct;

            fn numbers<'a>(kernel: Kernel, block: &'a [$type], buffer: &'a mut Vec<f32>) -> &'a [f32] {
                kernel.convert(block, buffer);
                buffer
            }

            fn keys<'a>(block: &'a [$type], _: &'a [f32]) -> &'a [$type] {
                block
            }

            fn ulps(_: &[$type], _: &[$type], steps: u64) -> Option<u64> {
                Some(steps)
            }
        }
    )*};
}

// 2^-6 of 11 bits, and of 8 bits less than the fourth that the rule asks for.
short! {
    f16, 0.015625;
    bf16, 0.125;
}

macro_rules! held {
    ($($type:ty => $number:ty, $numbers:expr;)*) => {$(
        impl Plain for $type {
            type Number = $number;
            type Key = $number;
            const DISTINCT: f64 = 0.0;

            fn numbers<'a>(_: Kernel, block: &'a [$type], buffer: &'a mut Vec<$number>) -> &'a [$number] {
                let numbers: for<'b> fn(&[$type], &'b mut Vec<$number>) -> &'b [$number] = $numbers;
                numbers(block, buffer)
            }

            fn keys<'a>(_: &'a [$type], numbers: &'a [$number]) -> &'a [$number] {
                numbers
            }

            fn ulps(actual: &[$type], reference: &[$type], _: u64) -> Option<u64> {
                furthest(actual, reference)
            }
        }
    )*};
}

held! {
    F8E4M3 => f32, |block, buffer| fill(block, buffer, F8E4M3::to_f32);
    F8E5M2 => f32, |block, buffer| fill(block, buffer, F8E5M2::to_f32);
    bool => i32, |block, buffer| fill(block, buffer, i32::from);
    i8 => i32, |block, buffer| fill(block, buffer, i32::from);
    u8 => i32, |block, buffer| fill(block, buffer, i32::from);
    i16 => i32, |block, buffer| fill(block, buffer, i32::from);
    u16 => i32, |block, buffer| fill(block, buffer, i32::from);
    u32 => f64, |block, buffer| fill(block, buffer, f64::from);
}

/// The largest distance in units in the last place, of a type whose number has others.
fn furthest<T: Element>(actual: &[T], reference: &[T]) -> Option<u64> {
    if T::DTYPE.kind() != Kind::Float {
        return None;
    }
    zip(actual, reference).filter_map(|(a, r)| ulp_distance(*a, *r)).max()
}
