//! Which tensors the vector loops take: those of real numbers, each as the `f32` or `f64` that holds it exactly.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::dtype::{Element, F8E4M3, F8E5M2};
use super::kernel::{Kernel, Number};

/// An element that is one real number.
pub(crate) trait Plain: Element {
    /// What holds it exactly.
    type Number: Number;

    /// The block as numbers, in the buffer where they are not what it is made of; `None` where they do not hold it.
    fn numbers<'a>(block: &'a [Self], buffer: &'a mut Vec<Self::Number>) -> Option<&'a [Self::Number]>;

    /// The largest distance in units in the last place; `None` of what has none.
    fn furthest(_: Kernel, _: &[Self], _: &[Self]) -> Option<u64> {
        None
    }
}

/// Fills the buffer with the block, each element by itself.
#[inline(always)]
fn fill<'a, T: Copy, N: Number>(block: &[T], buffer: &'a mut Vec<N>, number: impl Fn(T) -> N) -> Option<&'a [N]> {
    buffer.clear();
    buffer.extend(block.iter().map(|&x| number(x)));
    Some(buffer)
}

macro_rules! itself {
    ($($type:ty),*) => {$(
        impl Plain for $type {
            type Number = $type;

            #[inline(always)]
            fn numbers<'a>(block: &'a [$type], _: &'a mut Vec<$type>) -> Option<&'a [$type]> {
                Some(block)
            }

            fn furthest(kernel: Kernel, actual: &[$type], reference: &[$type]) -> Option<u64> {
                Some(kernel.furthest(actual, reference))
            }
        }
    )*};
}

itself!(f32, f64);

macro_rules! floats {
    ($($type:ty, $fill:expr;)*) => {$(
        impl Plain for $type {
            type Number = f32;

            fn numbers<'a>(block: &'a [$type], buffer: &'a mut Vec<f32>) -> Option<&'a [f32]> {
                let fill: for<'b> fn(&[$type], &'b mut Vec<f32>) -> Option<&'b [f32]> = $fill;
                fill(block, buffer)
            }

            fn furthest(kernel: Kernel, actual: &[$type], reference: &[$type]) -> Option<u64> {
                Some(kernel.furthest(actual, reference))
            }
        }
    )*};
}

floats! {
    f16, |block, buffer| {
        buffer.resize(block.len(), 0.0);
        // It finds the processor's own instruction by itself.
        block.convert_to_f32_slice(buffer);
        Some(buffer)
    };
    bf16, |block, buffer| fill(block, buffer, |x| f32::from_bits(u32::from(x.to_bits()) << 16));
    F8E4M3, |block, buffer| fill(block, buffer, F8E4M3::to_f32);
    F8E5M2, |block, buffer| fill(block, buffer, F8E5M2::to_f32);
}

macro_rules! integers {
    ($($type:ty => $number:ty;)*) => {$(
        impl Plain for $type {
            type Number = $number;

            fn numbers<'a>(block: &'a [$type], buffer: &'a mut Vec<$number>) -> Option<&'a [$number]> {
                fill(block, buffer, |x| x.into())
            }
        }
    )*};
}

integers! {
    i8 => f32;
    u8 => f32;
    i16 => f32;
    u16 => f32;
    i32 => f64;
    u32 => f64;
}

impl Plain for bool {
    type Number = f32;

    fn numbers<'a>(block: &'a [bool], buffer: &'a mut Vec<f32>) -> Option<&'a [f32]> {
        fill(block, buffer, |x| u8::from(x).into())
    }
}

/// 2^51 and 2^52: a double between 2^52 and 2^53 is an integer, and its lower bits are its own.
const HALF: u64 = 1 << 51;
const ONES: f64 = (1u64 << 52) as f64;

impl Plain for i64 {
    type Number = f64;

    fn numbers<'a>(block: &'a [i64], buffer: &'a mut Vec<f64>) -> Option<&'a [f64]> {
        let is_small = |x: i64| x.wrapping_add(HALF as i64) as u64 <= 2 * HALF - 1;
        if !block.iter().fold(true, |all, x| all & is_small(*x)) {
            return None;
        }
        // Vectors have no conversion of 64-bit integers; bits and a subtraction do the same.
        let bias = ONES.to_bits() + HALF;
        fill(block, buffer, |x| f64::from_bits((x as u64).wrapping_add(bias)) - (ONES + HALF as f64))
    }
}

impl Plain for u64 {
    type Number = f64;

    fn numbers<'a>(block: &'a [u64], buffer: &'a mut Vec<f64>) -> Option<&'a [f64]> {
        if !block.iter().fold(true, |all, x| all & (*x < 2 * HALF)) {
            return None;
        }
        fill(block, buffer, |x| f64::from_bits(x + ONES.to_bits()) - ONES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_64_bits_are_numbers_where_a_double_holds_them() {
        let limit = HALF as i64;
        let mut buffer = Vec::new();
        let block = [0, 1, -1, limit - 1, -limit, 12345678901];
        assert_eq!(i64::numbers(&block, &mut buffer), Some(&block.map(|x| x as f64)[..]));
        for beyond in [limit, -limit - 1, i64::MAX, i64::MIN] {
            assert_eq!(i64::numbers(&[0, beyond], &mut buffer), None, "{beyond}");
        }
        let block = [0, 1, 2 * HALF - 1];
        assert_eq!(u64::numbers(&block, &mut buffer), Some(&block.map(|x| x as f64)[..]));
        assert_eq!(u64::numbers(&[2 * HALF], &mut buffer), None);
    }

    #[test]
    fn every_code_of_16_bits_is_its_own_number() {
        let codes: Vec<u16> = (0..=u16::MAX).collect();
        let (mut singles, mut brains) = (Vec::new(), Vec::new());
        let halves: Vec<f16> = codes.iter().copied().map(f16::from_bits).collect();
        let bfloats: Vec<bf16> = codes.iter().copied().map(bf16::from_bits).collect();
        let bits = |x: f32| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() };
        let singles = f16::numbers(&halves, &mut singles).expect("f32 holds them");
        let brains = bf16::numbers(&bfloats, &mut brains).expect("f32 holds them");
        for place in 0..codes.len() {
            assert_eq!(bits(singles[place]), bits(halves[place].to_f32()), "{place:#x}");
            assert_eq!(bits(brains[place]), bits(bfloats[place].to_f32()), "{place:#x}");
        }
    }
}
