//! What fills no vector.

/// The rest, with zeros behind it.
#[inline(always)]
pub(super) fn fill<T: Copy + Default, const N: usize>(rest: &[T]) -> [T; N] {
    let mut filled = [T::default(); N];
    filled[..rest.len()].copy_from_slice(rest);
    filled
}
