//! The sum of two arrays at the speed of memory, which measuring is compared with.

use half::{bf16, f16};
use rayon::prelude::*;

/// Elements that a thread takes at a time of either array.
const CHUNK: usize = 1 << 16;
/// Elements that are added side by side, each to an accumulator of its own: as many as hide the time that an addition takes.
const LANES: usize = 64;
/// How far ahead memory is asked for.
const AHEAD_BYTES: usize = 2048;
const LINE_BYTES: usize = 64;

/// What can be added without a conversion. Of 16-bit floats it is their bits: nothing that adds them could be faster.
pub(crate) trait Addend: Copy + Send + Sync {
    type Sum: Copy + Default + Send;

    fn add(self, sum: Self::Sum) -> Self::Sum;

    fn join(left: Self::Sum, right: Self::Sum) -> Self::Sum;
}

/// The sum of both.
pub(crate) fn both<T: Addend>(left: &[T], right: &[T]) -> T::Sum {
    let chunks = left.par_chunks(CHUNK).zip_eq(right.par_chunks(CHUNK));
    chunks.map(|(left, right)| T::join(alone(left), alone(right))).reduce(T::Sum::default, T::join)
}

/// The sum of one, by this thread.
fn alone<T: Addend>(elements: &[T]) -> T::Sum {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has it.
        return unsafe { wide(elements) };
    }
    portable(elements, |_| {})
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn wide<T: Addend>(elements: &[T]) -> T::Sum {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    portable(elements, |chunk| {
        for line in (0..size_of_val(chunk)).step_by(LINE_BYTES) {
            let ahead = chunk.as_ptr().cast::<i8>().wrapping_add(line + AHEAD_BYTES);
            #[allow(unused_unsafe, reason = "the oldest compiler that builds karat asks for it, the newest does not")]
            // SAFETY: a prefetch reads nothing, wherever it points.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(ahead);
            }
        }
    })
}

#[inline(always)]
fn portable<T: Addend>(elements: &[T], prefetch: impl Fn(&[T])) -> T::Sum {
    let mut sums = [T::Sum::default(); LANES];
    let (chunks, rest) = elements.as_chunks::<LANES>();
    for chunk in chunks {
        prefetch(chunk);
        for (sum, element) in sums.iter_mut().zip(chunk) {
            *sum = element.add(*sum);
        }
    }
    let rest = rest.iter().fold(T::Sum::default(), |sum, element| element.add(sum));
    sums.into_iter().fold(rest, T::join)
}

macro_rules! addend {
    ($($number:ty => $sum:ty, $value:expr, $join:expr;)*) => {$(
        impl Addend for $number {
            type Sum = $sum;

            #[inline(always)]
            fn add(self, sum: $sum) -> $sum {
                Self::join(sum, $value(self))
            }

            #[inline(always)]
            fn join(left: $sum, right: $sum) -> $sum {
                $join(left, right)
            }
        }
    )*};
}

addend! {
    f32 => f32, |x| x, |left, right| left + right;
    f64 => f64, |x| x, |left, right| left + right;
    f16 => u16, f16::to_bits, u16::wrapping_add;
    bf16 => u16, bf16::to_bits, u16::wrapping_add;
    i32 => i32, |x| x, i32::wrapping_add;
    i64 => i64, |x| x, i64::wrapping_add;
}
