//! The bytes of a tensor's elements: how a file stores them, and both ways between bytes and elements.

use std::io::{self, Read, Write};

use half::{bf16, f16};
use ndarray::{ArrayViewD, IxDyn, ShapeBuilder};
use num_complex::Complex;

use super::place::Place;
use crate::error::Result;
use crate::numeric::{DType, Element, F8E4M3, F8E5M2, Kind, Tensor, dispatch};

/// How many bytes go through memory at a time; a multiple of every element's size.
const CHUNK: usize = 1 << 16;

/// How a file stores the elements of one tensor.
#[derive(Clone, Debug)]
pub(super) struct Encoding {
    dtype: DType,
    shape: Vec<usize>,
    byte_order: ByteOrder,
    axis_order: AxisOrder,
    byte_len: u64,
}

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    /// The least significant.
    Little,
    /// The most significant.
    Big,
}

/// Which axis varies fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AxisOrder {
    /// The last.
    C,
    /// The first.
    Fortran,
}

impl Encoding {
    /// The encoding of that many elements, if any machine could hold them.
    ///
    /// Extents of 0 count as 1: a tensor library multiplies them in some order, and overflows before it meets the 0.
    pub(super) fn new(
        dtype: DType,
        shape: Vec<usize>,
        byte_order: ByteOrder,
        axis_order: AxisOrder,
    ) -> Option<Encoding> {
        let extent = shape.iter().try_fold(dtype.size(), |bytes, &extent| bytes.checked_mul(extent.max(1)))?;
        isize::try_from(extent).ok()?;
        let count: usize = shape.iter().product();
        let byte_len = u64::try_from(count * dtype.size()).ok()?;
        Some(Encoding { dtype, shape, byte_order, axis_order, byte_len })
    }

    /// The type of the elements.
    pub(super) fn dtype(&self) -> DType {
        self.dtype
    }

    /// The extent of each axis.
    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many bytes the elements take in the file.
    pub(super) fn byte_len(&self) -> u64 {
        self.byte_len
    }

    /// Reads the elements. The caller has checked that the reader can have [`byte_len`](Encoding::byte_len) bytes:
    /// memory for them is reserved here.
    pub(super) fn read(&self, reader: &mut impl Read, place: Place<'_>) -> Result<Tensor> {
        match self.dtype {
            DType::Bool => self.read_as::<bool>(reader, place),
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

    fn read_as<T: Element>(&self, reader: &mut impl Read, place: Place<'_>) -> Result<Tensor> {
        let mut elements = self.reserve::<T>(place)?;
        let size = T::DTYPE.size();
        let count: usize = self.shape.iter().product();
        let mut bytes = vec![0; CHUNK.min(count * size)];
        while elements.len() < count {
            let rest = (count - elements.len()) * size;
            let chunk = &mut bytes[..rest.min(CHUNK)];
            reader.read_exact(chunk).map_err(|source| place.unreadable(source))?;
            if self.byte_order == ByteOrder::Big {
                swap_bytes(chunk, T::DTYPE);
            }
            elements.extend(chunk.chunks_exact(size).map(T::from_le));
        }
        match self.axis_order {
            AxisOrder::C => Tensor::new(&self.shape, elements),
            AxisOrder::Fortran => Tensor::new(&self.shape, self.transpose(&elements, place)?),
        }
    }

    /// Brings elements in Fortran order into C order.
    fn transpose<T: Element>(&self, elements: &[T], place: Place<'_>) -> Result<Vec<T>> {
        let mut ordered = self.reserve(place)?;
        let view =
            ArrayViewD::from_shape(IxDyn(&self.shape).f(), elements).expect("as many were read as fit the shape");
        ordered.extend(view.iter());
        Ok(ordered)
    }

    /// An empty vector with room for all elements, or an error where there is no such memory: never an abort.
    fn reserve<T: Element>(&self, place: Place<'_>) -> Result<Vec<T>> {
        let mut elements = Vec::new();
        match elements.try_reserve_exact(self.shape.iter().product()) {
            Ok(()) => Ok(elements),
            Err(_) => Err(place.broken(format!("needs {} bytes of memory, which there are not", self.byte_len))),
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

/// Reverses the bytes of each number; a complex one is two.
fn swap_bytes(bytes: &mut [u8], dtype: DType) {
    let width = if dtype.kind() == Kind::Complex { dtype.size() / 2 } else { dtype.size() };
    for number in bytes.chunks_exact_mut(width) {
        number.reverse();
    }
}

/// Writes the elements in C order, little-endian.
pub(super) fn write(writer: &mut impl Write, tensor: &Tensor) -> io::Result<()> {
    dispatch!(tensor.data(), elements => write_as(writer, elements))
}

fn write_as<T: Element>(writer: &mut impl Write, elements: &[T]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(CHUNK.min(size_of_val(elements)));
    for chunk in elements.chunks(CHUNK / T::DTYPE.size()) {
        bytes.clear();
        for &element in chunk {
            element.push_le(&mut bytes);
        }
        writer.write_all(&bytes)?;
    }
    Ok(())
}
