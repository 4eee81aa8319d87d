//! Where the elements of a tensor come from: memory, or a file that is larger than it.

use std::ops::Range;

use half::{bf16, f16};
use num_complex::Complex;

use super::dtype::{DType, Element, F8E4M3, F8E5M2};
use super::tensor::{Data, Tensor};
use crate::error::Result;

/// The elements of a tensor in C order, some at a time.
///
/// A [`Tensor`] has them in memory; a file may map, read or inflate what it is asked for.
pub trait Source: Sync {
    /// The type of the elements.
    fn dtype(&self) -> DType;

    /// The extent of each axis; empty for a scalar.
    fn shape(&self) -> &[usize];

    /// How ranges may be asked for.
    fn access(&self) -> Access {
        Access::Any
    }

    /// Calls `take` once, with the elements in that range of positions in C order.
    ///
    /// # Errors
    ///
    /// Where they cannot be had: a file that cannot be read any more, or does not hold what it promised.
    ///
    /// # Panics
    ///
    /// Where the range ends behind the last element, or is out of turn.
    fn visit(&self, range: Range<usize>, take: &mut dyn FnMut(Slice<'_>)) -> Result<()>;

    /// Says what only the end of the elements can show, once all of them were visited: a wrong checksum, or a surplus.
    ///
    /// # Errors
    ///
    /// What is wrong.
    fn finish(&self) -> Result<()> {
        Ok(())
    }
}

/// How the ranges of a [`Source`] may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Any range, by several threads at once.
    Any,
    /// Each range once, the next beginning where the last ended, as from a compressed stream.
    InTurn,
}

/// Some elements, one variant a dtype.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is the dtype of its name")]
pub enum Slice<'a> {
    Bool(&'a [bool]),
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    U8(&'a [u8]),
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
    F8E4M3(&'a [F8E4M3]),
    F8E5M2(&'a [F8E5M2]),
    F16(&'a [f16]),
    BF16(&'a [bf16]),
    F32(&'a [f32]),
    F64(&'a [f64]),
    C64(&'a [Complex<f32>]),
    C128(&'a [Complex<f64>]),
}

impl Source for Tensor {
    fn dtype(&self) -> DType {
        Tensor::dtype(self)
    }

    fn shape(&self) -> &[usize] {
        Tensor::shape(self)
    }

    fn visit(&self, range: Range<usize>, take: &mut dyn FnMut(Slice<'_>)) -> Result<()> {
        take(slice(self.data(), range));
        Ok(())
    }
}

/// The elements in that range.
fn slice(data: &Data, range: Range<usize>) -> Slice<'_> {
    match data {
        Data::Bool(elements) => Slice::Bool(&elements[range]),
        Data::I8(elements) => Slice::I8(&elements[range]),
        Data::I16(elements) => Slice::I16(&elements[range]),
        Data::I32(elements) => Slice::I32(&elements[range]),
        Data::I64(elements) => Slice::I64(&elements[range]),
        Data::U8(elements) => Slice::U8(&elements[range]),
        Data::U16(elements) => Slice::U16(&elements[range]),
        Data::U32(elements) => Slice::U32(&elements[range]),
        Data::U64(elements) => Slice::U64(&elements[range]),
        Data::F8E4M3(elements) => Slice::F8E4M3(&elements[range]),
        Data::F8E5M2(elements) => Slice::F8E5M2(&elements[range]),
        Data::F16(elements) => Slice::F16(&elements[range]),
        Data::BF16(elements) => Slice::BF16(&elements[range]),
        Data::F32(elements) => Slice::F32(&elements[range]),
        Data::F64(elements) => Slice::F64(&elements[range]),
        Data::C64(elements) => Slice::C64(&elements[range]),
        Data::C128(elements) => Slice::C128(&elements[range]),
    }
}

/// A tensor with all elements of a source.
pub(crate) fn collect(source: &dyn Source) -> Result<Tensor> {
    let len = source.shape().iter().product();
    let mut tensor = None;
    source.visit(0..len, &mut |elements| tensor = Some(own(source.shape(), elements)))?;
    source.finish()?;
    tensor.expect("a source calls what it is given")
}

fn own(shape: &[usize], elements: Slice<'_>) -> Result<Tensor> {
    fn of<T: Element>(shape: &[usize], elements: &[T]) -> Result<Tensor> {
        Tensor::new(shape, elements.to_vec())
    }
    match elements {
        Slice::Bool(elements) => of(shape, elements),
        Slice::I8(elements) => of(shape, elements),
        Slice::I16(elements) => of(shape, elements),
        Slice::I32(elements) => of(shape, elements),
        Slice::I64(elements) => of(shape, elements),
        Slice::U8(elements) => of(shape, elements),
        Slice::U16(elements) => of(shape, elements),
        Slice::U32(elements) => of(shape, elements),
        Slice::U64(elements) => of(shape, elements),
        Slice::F8E4M3(elements) => of(shape, elements),
        Slice::F8E5M2(elements) => of(shape, elements),
        Slice::F16(elements) => of(shape, elements),
        Slice::BF16(elements) => of(shape, elements),
        Slice::F32(elements) => of(shape, elements),
        Slice::F64(elements) => of(shape, elements),
        Slice::C64(elements) => of(shape, elements),
        Slice::C128(elements) => of(shape, elements),
    }
}
