//! Where the elements of a tensor come from: memory, or a file that is larger than it.

use std::ops::Range;

use half::{bf16, f16};
use num_complex::Complex;

use super::dtype::{DType, Element, F8E4M3, F8E5M2};
use super::tensor::{Tensor, Value};
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

/// Runs one expression for whichever dtype the slice has, with the elements as a slice of that type.
macro_rules! dispatch_slice {
    ($slice:expr, $elements:ident => $body:expr) => {
        match $slice {
            $crate::tensor::Slice::Bool($elements) => $body,
            $crate::tensor::Slice::I8($elements) => $body,
            $crate::tensor::Slice::I16($elements) => $body,
            $crate::tensor::Slice::I32($elements) => $body,
            $crate::tensor::Slice::I64($elements) => $body,
            $crate::tensor::Slice::U8($elements) => $body,
            $crate::tensor::Slice::U16($elements) => $body,
            $crate::tensor::Slice::U32($elements) => $body,
            $crate::tensor::Slice::U64($elements) => $body,
            $crate::tensor::Slice::F8E4M3($elements) => $body,
            $crate::tensor::Slice::F8E5M2($elements) => $body,
            $crate::tensor::Slice::F16($elements) => $body,
            $crate::tensor::Slice::BF16($elements) => $body,
            $crate::tensor::Slice::F32($elements) => $body,
            $crate::tensor::Slice::F64($elements) => $body,
            $crate::tensor::Slice::C64($elements) => $body,
            $crate::tensor::Slice::C128($elements) => $body,
        }
    };
}
pub(crate) use dispatch_slice;

impl<'a> Slice<'a> {
    /// The type of the elements.
    #[must_use]
    pub fn dtype(&self) -> DType {
        fn of<T: Element>(_: &[T]) -> DType {
            T::DTYPE
        }
        dispatch_slice!(*self, elements => of(elements))
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        dispatch_slice!(*self, elements => elements.len())
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements at these places.
    ///
    /// # Panics
    ///
    /// Where the range ends behind the last element.
    #[must_use]
    pub fn part(self, range: Range<usize>) -> Slice<'a> {
        dispatch_slice!(self, elements => Element::view(&elements[range]))
    }

    /// The element at that place.
    ///
    /// # Panics
    ///
    /// Where the place is not below [`len`](Slice::len).
    #[must_use]
    pub fn value(&self, place: usize) -> Value {
        dispatch_slice!(*self, elements => elements[place].value())
    }
}

impl Source for Tensor {
    fn dtype(&self) -> DType {
        Tensor::dtype(self)
    }

    fn shape(&self) -> &[usize] {
        Tensor::shape(self)
    }

    fn visit(&self, range: Range<usize>, take: &mut dyn FnMut(Slice<'_>)) -> Result<()> {
        take(self.data().view().part(range));
        Ok(())
    }
}
