//! Elements as the bytes that they are in memory, and bytes as the elements that they are: without a copy.

use std::alloc::{Layout, alloc_zeroed};

use half::{bf16, f16};
use num_complex::Complex;

use crate::tensor::{DType, Element, F8E4M3, F8E5M2, Slice};

/// An element of which any bytes are a value: every one but `bool`.
///
/// # Safety
///
/// That must be so, and no byte of it may be padding.
pub(crate) unsafe trait Plain: Element {}

macro_rules! plain {
    ($($type:ty),*) => {$(
        // SAFETY: a number, or two of them side by side; each of its bits is of the value.
        unsafe impl Plain for $type {}
    )*};
}

plain!(i8, i16, i32, i64, u8, u16, u32, u64, F8E4M3, F8E5M2, f16, bf16, f32, f64, Complex<f32>, Complex<f64>);

/// The elements that those bytes are on this machine; none where they do not begin at a multiple of the element's
/// alignment, do not end with an element, or are no booleans.
pub(crate) fn view(dtype: DType, bytes: &[u8]) -> Option<Slice<'_>> {
    Some(match dtype {
        DType::Bool => Slice::Bool(booleans(bytes)?),
        DType::I8 => Slice::I8(numbers(bytes)?),
        DType::I16 => Slice::I16(numbers(bytes)?),
        DType::I32 => Slice::I32(numbers(bytes)?),
        DType::I64 => Slice::I64(numbers(bytes)?),
        DType::U8 => Slice::U8(numbers(bytes)?),
        DType::U16 => Slice::U16(numbers(bytes)?),
        DType::U32 => Slice::U32(numbers(bytes)?),
        DType::U64 => Slice::U64(numbers(bytes)?),
        DType::F8E4M3 => Slice::F8E4M3(numbers(bytes)?),
        DType::F8E5M2 => Slice::F8E5M2(numbers(bytes)?),
        DType::F16 => Slice::F16(numbers(bytes)?),
        DType::BF16 => Slice::BF16(numbers(bytes)?),
        DType::F32 => Slice::F32(numbers(bytes)?),
        DType::F64 => Slice::F64(numbers(bytes)?),
        DType::C64 => Slice::C64(numbers(bytes)?),
        DType::C128 => Slice::C128(numbers(bytes)?),
    })
}

fn numbers<T: Plain>(bytes: &[u8]) -> Option<&[T]> {
    // SAFETY: any bytes are a value of a plain type.
    let (before, elements, after) = unsafe { bytes.align_to::<T>() };
    (before.is_empty() && after.is_empty()).then_some(elements)
}

fn booleans(bytes: &[u8]) -> Option<&[bool]> {
    let sound = bytes.iter().fold(0, |all, byte| all | byte) <= 1;
    // SAFETY: `bool` has the size and the alignment of a byte, and is one that is 0 or 1.
    sound.then(|| unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) })
}

/// The bytes of those elements, in this machine's order.
pub(crate) fn bytes<T: Element>(elements: &[T]) -> &[u8] {
    // SAFETY: none of the types that are elements has padding, and any byte may be read as `u8`.
    unsafe { std::slice::from_raw_parts(elements.as_ptr().cast(), size_of_val(elements)) }
}

/// The same, to be written to.
pub(crate) fn bytes_mut<T: Plain>(elements: &mut [T]) -> &mut [u8] {
    // SAFETY: no plain type has padding, and any bytes are a value of it.
    unsafe { std::slice::from_raw_parts_mut(elements.as_mut_ptr().cast(), size_of_val(elements)) }
}

/// That many zeros, or none where there is no such memory. The system's fresh pages are zero already, and are not
/// written to here.
pub(crate) fn zeros<T: Plain>(count: usize) -> Option<Vec<T>> {
    let layout = Layout::array::<T>(count).ok()?;
    if layout.size() == 0 {
        return Some(Vec::new());
    }
    // SAFETY: the layout is not empty.
    let pointer = unsafe { alloc_zeroed(layout) };
    // SAFETY: the global allocator gave it for that layout, and zeros are a value of a plain type.
    (!pointer.is_null()).then(|| unsafe { Vec::from_raw_parts(pointer.cast(), count, count) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_seen_only_where_they_are_whole_and_aligned() {
        let memory = [0x3f80_0000_3f80_0000u64; 2];
        let all = bytes(&memory);
        assert!(matches!(view(DType::F32, &all[4..12]), Some(Slice::F32([1.0, 1.0]))));
        assert!(matches!(view(DType::F32, &[]), Some(Slice::F32([]))));
        for odd in [1..5, 2..6, 0..3, 0..7] {
            assert!(view(DType::F32, &all[odd.clone()]).is_none(), "{odd:?}");
        }
    }

    #[test]
    fn a_byte_that_is_no_boolean_is_not_seen_as_one() {
        assert!(matches!(view(DType::Bool, &[0, 1, 1]), Some(Slice::Bool([false, true, true]))));
        assert!(view(DType::Bool, &[0, 2]).is_none());
    }

    #[test]
    fn the_bytes_of_every_dtype_are_as_many_as_it_says() {
        for dtype in DType::ALL {
            let memory = [0u64; 4];
            let elements = view(dtype, &bytes(&memory)[..2 * dtype.size()]).expect("aligned to 8");
            let len = match elements {
                Slice::Bool(x) => x.len(),
                Slice::I8(x) => x.len(),
                Slice::I16(x) => x.len(),
                Slice::I32(x) => x.len(),
                Slice::I64(x) => x.len(),
                Slice::U8(x) => x.len(),
                Slice::U16(x) => x.len(),
                Slice::U32(x) => x.len(),
                Slice::U64(x) => x.len(),
                Slice::F8E4M3(x) => x.len(),
                Slice::F8E5M2(x) => x.len(),
                Slice::F16(x) => x.len(),
                Slice::BF16(x) => x.len(),
                Slice::F32(x) => x.len(),
                Slice::F64(x) => x.len(),
                Slice::C64(x) => x.len(),
                Slice::C128(x) => x.len(),
            };
            assert_eq!(len, 2, "{dtype}");
        }
    }

    #[test]
    fn more_zeros_than_there_is_memory_are_none() {
        assert_eq!(zeros::<f32>(3), Some(vec![0.0; 3]));
        assert_eq!(zeros::<f32>(0), Some(Vec::new()));
        assert_eq!(zeros::<f64>(usize::MAX / 16), None);
    }
}
