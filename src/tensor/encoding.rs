//! How a file stores the elements of one tensor, and the way from its bytes to elements and back.

use std::borrow::Cow;
use std::io::Read;

use bytemuck::allocation::try_zeroed_vec;
use ndarray::{ArrayView, ArrayViewMut, IxDyn, ShapeBuilder as _};

use super::dtype::{DType, Element, Kind, Slice, with_type};
use super::place::Place;
use super::tensor::Tensor;
use crate::error::Result;

/// How many bytes are read at a time: they stay in the cache until their order is set right.
const CHUNK: usize = 1 << 18;

/// How a file stores the elements of one tensor.
#[derive(Clone, Debug)]
pub(super) struct Encoding {
    pub(super) dtype: DType,
    pub(super) shape: Vec<usize>,
    byte_order: ByteOrder,
    /// Whether the first axis varies fastest, and not the last, where that makes a difference.
    pub(super) is_fortran: bool,
}

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    /// The least significant.
    Little,
    /// The most significant.
    Big,
}

impl ByteOrder {
    /// This machine's.
    const NATIVE: ByteOrder = if cfg!(target_endian = "little") { ByteOrder::Little } else { ByteOrder::Big };
}

impl Encoding {
    /// The encoding of that many elements, if any machine could hold them.
    ///
    /// Extents of 0 count as 1: a tensor library multiplies them in some order, and overflows before it meets the 0.
    pub(super) fn new(dtype: DType, shape: Vec<usize>, byte_order: ByteOrder, is_fortran: bool) -> Option<Encoding> {
        let extent = shape.iter().try_fold(dtype.size(), |bytes, &extent| bytes.checked_mul(extent.max(1)))?;
        isize::try_from(extent).ok()?;
        // One axis alone has one order.
        let is_line = shape.iter().filter(|&&extent| extent != 1).count() <= 1;
        Some(Encoding { dtype, shape, byte_order, is_fortran: is_fortran && !is_line })
    }

    /// How many bytes the elements take in the file.
    pub(super) fn byte_len(&self) -> u64 {
        (self.len() * self.dtype.size()) as u64
    }

    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Reads the elements. The caller has checked that the reader can have [`byte_len`](Encoding::byte_len) bytes:
    /// memory for them is reserved here.
    pub(super) fn read(&self, reader: &mut dyn Read, place: Place<'_>) -> Result<Tensor> {
        with_type!(self.dtype, T => self.read_as::<T>(reader, place))
    }

    fn read_as<T: Element>(&self, reader: &mut dyn Read, place: Place<'_>) -> Result<Tensor> {
        let mut stored = self.reserve::<T::Bits>(place)?;
        for chunk in bytemuck::cast_slice_mut(&mut stored).chunks_mut(CHUNK) {
            reader.read_exact(chunk).map_err(|source| place.unreadable(source))?;
            self.set_right(chunk);
        }
        if self.is_fortran {
            let mut ordered = self.reserve::<T::Bits>(place)?;
            let from = ArrayView::from_shape(IxDyn(&self.shape).f(), &stored).expect("as many as the shape has");
            ArrayViewMut::from_shape(IxDyn(&self.shape), &mut ordered).expect("as many as the shape has").assign(&from);
            stored = ordered;
        }
        Tensor::new(&self.shape, stored.into_iter().map(bytemuck::checked::cast::<T::Bits, T>).collect())
    }

    /// As many zeros as there are elements, or an error where there is no such memory: never an abort.
    fn reserve<B: bytemuck::Zeroable>(&self, place: Place<'_>) -> Result<Vec<B>> {
        try_zeroed_vec(self.len())
            .map_err(|()| place.broken(format!("needs {} bytes of memory, which there are not", self.byte_len())))
    }

    /// Makes of stored bytes those that this machine has in memory.
    pub(super) fn set_right(&self, bytes: &mut [u8]) {
        if self.dtype == DType::Bool {
            bytes.iter_mut().for_each(|byte| *byte = u8::from(*byte != 0));
        } else if self.byte_order != ByteOrder::NATIVE {
            swap(bytes, self.dtype);
        }
    }
}

/// Holds the dtype that a file names against the one declared for it.
pub(super) fn check_declared(dtype: DType, declared: Option<DType>, place: Place<'_>) -> Result<()> {
    match declared {
        Some(declared) if declared != dtype => {
            Err(place.broken(format!("holds {dtype} and is declared as {declared}; correct one of them")))
        }
        _ => Ok(()),
    }
}

/// The dtypes that can be read, for messages.
pub(super) fn readable() -> String {
    DType::ALL.map(DType::name).join(", ")
}

/// Reverses the bytes of each number; a complex element is two.
fn swap(bytes: &mut [u8], dtype: DType) {
    match if dtype.kind() == Kind::Complex { dtype.size() / 2 } else { dtype.size() } {
        2 => bytes.as_chunks_mut::<2>().0.iter_mut().for_each(|x| x.reverse()),
        4 => bytes.as_chunks_mut::<4>().0.iter_mut().for_each(|x| x.reverse()),
        8 => bytes.as_chunks_mut::<8>().0.iter_mut().for_each(|x| x.reverse()),
        _ => {}
    }
}

/// The elements as little-endian bytes.
pub(crate) fn little_endian(elements: Slice<'_>) -> Cow<'_, [u8]> {
    let mut bytes = Cow::Borrowed(elements.bytes());
    if ByteOrder::NATIVE == ByteOrder::Big {
        swap(bytes.to_mut(), elements.dtype());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn more_elements_than_there_is_memory_for_are_an_error() {
        let huge =
            Encoding::new(DType::U8, vec![isize::MAX as usize], ByteOrder::Little, false).expect("it is possible");
        let error = huge.read(&mut std::io::empty(), Place::file(Path::new("y.npy"))).expect_err("too much");
        assert!(error.to_string().contains("bytes of memory, which there are not"), "{error}");
    }
}
