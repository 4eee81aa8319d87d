//! Asking for memory before it is needed.

/// How far ahead, in bytes: two blocks of `f32`. The processor's own prefetching stops at the end of every page, and each page is
/// a block; on a machine of 2021 this raises the rate of a comparison by half.
const AHEAD: usize = 8192;

/// Begins to load what stands some way behind `x`.
#[inline(always)]
pub(super) fn prefetch<T>(x: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let ahead = std::ptr::from_ref(x).cast::<i8>().wrapping_add(AHEAD);
        // SAFETY: a hint, which reads nothing and cannot fail, wherever it points.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(ahead) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (x, AHEAD);
}
