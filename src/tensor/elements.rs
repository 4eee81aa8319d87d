//! The bytes of a tensor's elements: how a file stores them, and both ways between bytes and elements.

use std::io::{self, Read, Write};

use half::{bf16, f16};
use num_complex::Complex;

use super::fortran::{self, Fortran};
use super::place::Place;
use super::view::{self, Plain};
use crate::error::Result;
use crate::tensor::{DType, Element, F8E4M3, F8E5M2, Kind, Tensor, dispatch};

/// How many bytes are read or turned at a time: they stay in the cache. A multiple of every element's size.
const CHUNK: usize = 1 << 18;

/// How many bytes are copied before they are turned: they stay in the first-level cache.
const PIECE: usize = 1 << 13;

/// How a file stores the elements of one tensor.
#[derive(Clone, Debug)]
pub(crate) struct Encoding {
    dtype: DType,
    shape: Vec<usize>,
    byte_order: ByteOrder,
    axis_order: AxisOrder,
    byte_len: u64,
}

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    /// The least significant.
    Little,
    /// The most significant.
    Big,
}

impl ByteOrder {
    /// This machine's.
    pub(crate) const NATIVE: ByteOrder =
        if cfg!(target_endian = "little") { ByteOrder::Little } else { ByteOrder::Big };
}

/// Which axis varies fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AxisOrder {
    /// The last.
    C,
    /// The first.
    Fortran,
}

impl Encoding {
    /// The encoding of that many elements, if any machine could hold them.
    ///
    /// Extents of 0 count as 1: a tensor library multiplies them in some order, and overflows before it meets the 0.
    pub(crate) fn new(
        dtype: DType,
        shape: Vec<usize>,
        byte_order: ByteOrder,
        axis_order: AxisOrder,
    ) -> Option<Encoding> {
        let extent = shape.iter().try_fold(dtype.size(), |bytes, &extent| bytes.checked_mul(extent.max(1)))?;
        isize::try_from(extent).ok()?;
        let count: usize = shape.iter().product();
        let byte_len = u64::try_from(count * dtype.size()).ok()?;
        // One axis alone has one order.
        let is_line = count == 0 || shape.iter().filter(|&&extent| extent > 1).count() <= 1;
        let axis_order = if is_line { AxisOrder::C } else { axis_order };
        Some(Encoding { dtype, shape, byte_order, axis_order, byte_len })
    }

    /// The type of the elements.
    pub(crate) fn dtype(&self) -> DType {
        self.dtype
    }

    /// The extent of each axis.
    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of elements.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Which axis varies fastest; the last where it makes no difference.
    pub(crate) fn axis_order(&self) -> AxisOrder {
        self.axis_order
    }

    /// How many bytes the elements take in the file.
    pub(crate) fn byte_len(&self) -> u64 {
        self.byte_len
    }

    /// Reads the elements. The caller has checked that the reader can have [`byte_len`](Encoding::byte_len) bytes:
    /// memory for them is reserved here.
    pub(crate) fn read(&self, reader: &mut dyn Read, place: Place<'_>) -> Result<Tensor> {
        match self.dtype {
            DType::Bool => self.read_booleans(reader, place),
            DType::I8 => self.read_as::<i8>(reader, place),
            DType::I16 => self.read_as::<i16>(reader, place),
            DType::I32 => self.read_as::<i32>(reader, place),
            DType::I64 => self.read_as::<i64>(reader, place),
            DType::U8 => self.read_as::<u8>(reader, place),
            DType::U16 => self.read_as::<u16>(reader, place),
            DType::U32 => self.read_as::<u32>(reader, place),
            DType::U64 => self.read_as::<u64>(reader, place),
            DType::F8E4M3 => self.read_as::<F8E4M3>(reader, place),
            DType::F8E5M2 => self.read_as::<F8E5M2>(reader, place),
            DType::F16 => self.read_as::<f16>(reader, place),
            DType::BF16 => self.read_as::<bf16>(reader, place),
            DType::F32 => self.read_as::<f32>(reader, place),
            DType::F64 => self.read_as::<f64>(reader, place),
            DType::C64 => self.read_as::<Complex<f32>>(reader, place),
            DType::C128 => self.read_as::<Complex<f64>>(reader, place),
        }
    }

    fn read_as<T: Plain>(&self, reader: &mut dyn Read, place: Place<'_>) -> Result<Tensor> {
        Tensor::new(&self.shape, self.read_numbers::<T>(reader, place)?)
    }

    /// As bytes first: not every byte is a `bool`.
    fn read_booleans(&self, reader: &mut dyn Read, place: Place<'_>) -> Result<Tensor> {
        let bytes = self.read_numbers::<u8>(reader, place)?;
        Tensor::new(&self.shape, bytes.into_iter().map(|byte| byte != 0).collect())
    }

    /// The elements in C order.
    fn read_numbers<T: Plain>(&self, reader: &mut dyn Read, place: Place<'_>) -> Result<Vec<T>> {
        let mut elements = self.reserve::<T>(place)?;
        self.fill(view::bytes_mut(&mut elements), reader, place)?;
        if self.axis_order == AxisOrder::C {
            return Ok(elements);
        }
        let mut ordered = self.reserve::<T>(place)?;
        self.order(view::bytes(&elements), view::bytes_mut(&mut ordered), place)?;
        Ok(ordered)
    }

    /// Reads the elements as they are stored.
    fn fill(&self, elements: &mut [u8], reader: &mut dyn Read, place: Place<'_>) -> Result<()> {
        for chunk in elements.chunks_mut(CHUNK) {
            reader.read_exact(chunk).map_err(|source| place.unreadable(source))?;
            self.set_right(chunk);
        }
        Ok(())
    }

    /// Copies elements that are stored in Fortran order.
    fn order(&self, stored: &[u8], ordered: &mut [u8], place: Place<'_>) -> Result<()> {
        let mut read = |start: usize, bytes: &mut [u8]| {
            bytes.copy_from_slice(&stored[start..start + bytes.len()]);
            Ok(())
        };
        self.reorder(0, ordered, &mut read).map_err(|source| place.unreadable(source))
    }

    /// As many zeros as there are elements, or an error where there is no such memory: never an abort.
    fn reserve<T: Plain>(&self, place: Place<'_>) -> Result<Vec<T>> {
        view::zeros(self.len())
            .ok_or_else(|| place.broken(format!("needs {} bytes of memory, which there are not", self.byte_len)))
    }

    /// Whether the stored bytes are elements as this machine has them in memory.
    pub(crate) fn is_native(&self) -> bool {
        self.dtype != DType::Bool && (self.byte_order == ByteOrder::NATIVE || self.number_size() == 1)
    }

    /// Copies the stored elements from position `start` in C order to `out`, as many as fit, where they are stored in
    /// Fortran order.
    pub(crate) fn reorder(&self, start: usize, out: &mut [u8], read: &mut fortran::Read<'_>) -> io::Result<()> {
        let fortran = Fortran::new(&self.shape);
        match self.dtype.size() {
            1 => fortran.gather::<1>(start, out, read),
            2 => fortran.gather::<2>(start, out, read),
            4 => fortran.gather::<4>(start, out, read),
            8 => fortran.gather::<8>(start, out, read),
            _ => fortran.gather::<16>(start, out, read),
        }
    }

    /// Makes of stored bytes those that this machine has in memory.
    pub(crate) fn set_right(&self, bytes: &mut [u8]) {
        if self.dtype == DType::Bool {
            bytes.iter_mut().for_each(|byte| *byte = u8::from(*byte != 0));
        } else if self.byte_order != ByteOrder::NATIVE {
            swap(bytes, self.number_size());
        }
    }

    /// Copies stored bytes to `out` and makes them those that this machine has in memory.
    pub(crate) fn copy_right(&self, stored: &[u8], out: &mut [u8]) {
        for (stored, out) in stored.chunks(PIECE).zip(out.chunks_mut(PIECE)) {
            out.copy_from_slice(stored);
            self.set_right(out);
        }
    }

    /// Bytes a number; a complex element is two.
    fn number_size(&self) -> usize {
        if self.dtype.kind() == Kind::Complex { self.dtype.size() / 2 } else { self.dtype.size() }
    }
}

/// Holds the dtype that a file names against the one declared for it.
pub(crate) fn check_declared(dtype: DType, declared: Option<DType>, place: Place<'_>) -> Result<()> {
    match declared {
        Some(declared) if declared != dtype => {
            Err(place.broken(format!("holds {dtype} and is declared as {declared}; correct one of them")))
        }
        _ => Ok(()),
    }
}

/// The dtypes that can be read, for messages.
pub(crate) fn readable() -> String {
    DType::ALL.map(DType::name).join(", ")
}

/// Reverses the bytes of each number of that size.
fn swap(bytes: &mut [u8], size: usize) {
    match size {
        2 => bytes.as_chunks_mut().0.iter_mut().for_each(|x| *x = u16::from_le_bytes(*x).to_be_bytes()),
        4 => bytes.as_chunks_mut().0.iter_mut().for_each(|x| *x = u32::from_le_bytes(*x).to_be_bytes()),
        8 => bytes.as_chunks_mut().0.iter_mut().for_each(|x| *x = u64::from_le_bytes(*x).to_be_bytes()),
        _ => {}
    }
}

/// Writes the elements in C order, little-endian.
pub(crate) fn write(writer: &mut impl Write, tensor: &Tensor) -> io::Result<()> {
    dispatch!(tensor.data(), elements => each_le(elements, |bytes| writer.write_all(bytes)))
}

/// Calls `take` with the elements as little-endian bytes: once where they are so in memory, else some at a time.
pub(crate) fn each_le<T: Element, E>(elements: &[T], mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    if ByteOrder::NATIVE == ByteOrder::Little {
        return take(view::bytes(elements));
    }
    let mut bytes = Vec::with_capacity(CHUNK.min(size_of_val(elements)));
    for chunk in elements.chunks(CHUNK / T::DTYPE.size()) {
        bytes.clear();
        chunk.iter().for_each(|x| x.push_le(&mut bytes));
        take(&bytes)?;
    }
    Ok(())
}
