//! Which tensors the vector loops take: those of real numbers, each as a number that holds it exactly.

use std::iter::zip;

use half::{bf16, f16};

use super::dtype::{Element, F8E4M3, F8E5M2, Kind};
use super::kernel::{Kernel, Number, Row};
use super::ulp::ulp_distance;

/// An element that is one real number.
pub(crate) trait Plain: Element {
    /// What holds it exactly.
    type Number: Number;

    /// What its extremes are found of: itself, or its number.
    type Key: Row;

    /// See [`Line::past_equal`](super::kernel::Line::past_equal).
    const DISTINCT: f64;

    /// The block as numbers, in the buffer where they are not what it is made of; `None` where they do not hold it.
    fn numbers<'a>(kernel: Kernel, block: &'a [Self], buffer: &'a mut Vec<Self::Number>) -> Option<&'a [Self::Number]>;

    /// One of the two.
    fn keys<'a>(block: &'a [Self], numbers: &'a [Self::Number]) -> &'a [Self::Key];

    /// The largest distance in units in the last place, which keys of that many steps are apart; `None` of what has none.
    fn ulps(actual: &[Self], reference: &[Self], steps: u64) -> Option<u64>;
}

/// Fills the buffer with the block, each element by itself.
fn fill<'a, T: Copy, N: Number>(block: &[T], buffer: &'a mut Vec<N>, number: impl Fn(T) -> N) -> Option<&'a [N]> {
    buffer.clear();
    buffer.extend(block.iter().map(|&x| number(x)));
    Some(buffer)
}

macro_rules! itself {
    ($($type:ty, $ulps:expr;)*) => {$(
        impl Plain for $type {
            type Number = $type;
            type Key = $type;
            const DISTINCT: f64 = 0.0;

            fn numbers<'a>(_: Kernel, block: &'a [$type], _: &'a mut Vec<$type>) -> Option<&'a [$type]> {
                Some(block)
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

            fn numbers<'a>(kernel: Kernel, block: &'a [$type], buffer: &'a mut Vec<f32>) -> Option<&'a [f32]> {
                kernel.convert(block, buffer);
                Some(buffer)
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

            fn numbers<'a>(_: Kernel, block: &'a [$type], buffer: &'a mut Vec<$number>) -> Option<&'a [$number]> {
                let numbers: for<'b> fn(&[$type], &'b mut Vec<$number>) -> Option<&'b [$number]> = $numbers;
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
    i64 => f64, signed;
    u64 => f64, unsigned;
}

/// The largest distance in units in the last place, of a type whose number has others.
fn furthest<T: Element>(actual: &[T], reference: &[T]) -> Option<u64> {
    if T::DTYPE.kind() != Kind::Float {
        return None;
    }
    zip(actual, reference).filter_map(|(a, r)| ulp_distance(*a, *r)).max()
}

/// 2^51 and 2^52: a double between 2^52 and 2^53 is an integer, and its lower bits are its own.
const HALF: u64 = 1 << 51;
const ONES: f64 = (1u64 << 52) as f64;

fn signed<'a>(block: &[i64], buffer: &'a mut Vec<f64>) -> Option<&'a [f64]> {
    let is_small = |x: i64| (x.wrapping_add(HALF as i64) as u64) < 2 * HALF;
    if !block.iter().fold(true, |all, x| all & is_small(*x)) {
        return None;
    }
    // Vectors have no conversion of 64-bit integers; bits and a subtraction do the same.
    let bias = ONES.to_bits() + HALF;
    fill(block, buffer, |x| f64::from_bits((x as u64).wrapping_add(bias)) - (ONES + HALF as f64))
}

fn unsigned<'a>(block: &[u64], buffer: &'a mut Vec<f64>) -> Option<&'a [f64]> {
    if !block.iter().fold(true, |all, x| all & (*x < 2 * HALF)) {
        return None;
    }
    fill(block, buffer, |x| f64::from_bits(x + ONES.to_bits()) - ONES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_64_bits_are_numbers_where_a_double_holds_them() {
        let limit = HALF as i64;
        let mut buffer = Vec::new();
        let block = [0, 1, -1, limit - 1, -limit, 12345678901];
        assert_eq!(signed(&block, &mut buffer), Some(&block.map(|x| x as f64)[..]));
        for beyond in [limit, -limit - 1, i64::MAX, i64::MIN] {
            assert_eq!(signed(&[0, beyond], &mut buffer), None, "{beyond}");
        }
        let block = [0, 1, 2 * HALF - 1];
        assert_eq!(unsigned(&block, &mut buffer), Some(&block.map(|x| x as f64)[..]));
        assert_eq!(unsigned(&[2 * HALF], &mut buffer), None);
    }
}
