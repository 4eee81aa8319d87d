//! Tensors of any dtype, in memory or in a file.

use std::ops::Range;

use half::{bf16, f16};
use ndarray::{Array, ArrayBase, ArrayD, Data as NdData, Dimension, IxDyn};
use num_complex::Complex;

use super::dtype::{DType, Data, Element, Slice};
use super::value::Value;
use crate::error::{Error, Result};

/// A dense tensor: a shape, and elements of one [`DType`] in C order (the last axis varies fastest).
#[derive(Clone, Debug)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Data,
}

/// A tensor whose elements are read in C order, a range at a time.
///
/// A [`Tensor`] is in memory; a [`TensorFile`](super::TensorFile) can be larger than memory.
pub trait Source: Sync {
    /// Returns the type of the elements.
    fn dtype(&self) -> DType;

    /// Returns the extent of each axis; empty for a scalar.
    fn shape(&self) -> &[usize];

    /// Returns the elements in that range of positions in C order. Elements of a file are read into the buffer; small ranges stay in
    /// the cache.
    ///
    /// # Errors
    ///
    /// If the file can no longer be read.
    ///
    /// # Panics
    ///
    /// If the range ends after the last element.
    fn read<'a>(&'a self, positions: Range<usize>, buffer: &'a mut Buffer) -> Result<Slice<'a>>;
}

/// Reusable memory for the elements that a [`Source`] reads.
#[derive(Debug, Default)]
pub struct Buffer(Vec<u64>);

impl Buffer {
    /// Returns that many bytes, aligned for any element type, with unspecified content.
    pub(super) fn bytes(&mut self, len: usize) -> &mut [u8] {
        let words = len.div_ceil(size_of::<u64>());
        if self.0.len() < words {
            self.0.resize(words, 0);
        }
        &mut bytemuck::cast_slice_mut(&mut self.0)[..len]
    }
}

impl Tensor {
    /// Creates a tensor of that shape from elements in C order.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the number of elements is not the product of the shape.
    pub fn new<T: Element>(shape: &[usize], elements: Vec<T>) -> Result<Tensor> {
        let expected = shape.iter().try_fold(1usize, |count, &extent| count.checked_mul(extent));
        if expected != Some(elements.len()) {
            return Err(Error::Invalid(format!("a tensor of shape {shape:?} cannot have {} elements", elements.len())));
        }
        Ok(Tensor { shape: shape.to_vec(), data: T::wrap(elements) })
    }

    /// Returns the extent of each axis; empty for a scalar.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the type of the elements.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.data().dtype()
    }

    /// Returns the number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data().len()
    }

    /// Returns whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the elements in C order.
    #[must_use]
    pub fn data(&self) -> Slice<'_> {
        self.data.view()
    }

    /// Returns the elements as a slice; `None` if they have another type.
    #[must_use]
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        let bytes = (self.dtype() == T::DTYPE).then(|| self.data().bytes())?;
        bytemuck::checked::try_cast_slice(bytes).ok()
    }

    /// Copies the tensor into an ndarray of that type.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the elements have another type.
    pub fn to_array<T: Element>(&self) -> Result<ArrayD<T>> {
        let elements = self
            .as_slice::<T>()
            .ok_or_else(|| Error::Invalid(format!("the tensor is {}, not {}", self.dtype(), T::DTYPE)))?;
        Ok(ArrayD::from_shape_vec(IxDyn(&self.shape), elements.to_vec()).expect("the shape matches"))
    }

    /// Returns the element at that position in C order.
    ///
    /// # Panics
    ///
    /// If the position is not below [`len`](Tensor::len).
    #[must_use]
    pub fn value(&self, position: usize) -> Value {
        self.data().value(position)
    }

    /// Converts a position in C order to an index, one number per axis.
    ///
    /// ```
    /// # use karat::Tensor;
    /// let tensor = Tensor::new(&[2, 3], vec![0u8; 6]).unwrap();
    /// assert_eq!(tensor.index(4), [1, 1]);
    /// ```
    #[must_use]
    pub fn index(&self, position: usize) -> Vec<usize> {
        index(&self.shape, position)
    }
}

impl From<&Tensor> for Tensor {
    fn from(tensor: &Tensor) -> Tensor {
        tensor.clone()
    }
}

/// Implements the conversion to a tensor, given shape and elements.
macro_rules! conversions {
    ($([$($generics:tt)*] $from:ty, |$value:ident| ($shape:expr, $elements:expr);)*) => {$(
        impl<T: Element, $($generics)*> From<$from> for Tensor {
            fn from($value: $from) -> Tensor {
                Tensor { shape: $shape.to_vec(), data: T::wrap($elements) }
            }
        }
    )*};
}

conversions! {
    [S: NdData<Elem = T>, D: Dimension] &ArrayBase<S, D>, |array| (array.shape(), array.iter().copied().collect());
    [D: Dimension] Array<T, D>, |array| (array.shape(), array.iter().copied().collect());
    [] Vec<T>, |elements| ([elements.len()], elements);
    [] &Vec<T>, |elements| ([elements.len()], elements.clone());
    [] &[T], |elements| ([elements.len()], elements.to_vec());
    [const N: usize] [T; N], |elements| ([N], elements.to_vec());
    [const N: usize] &[T; N], |elements| ([N], elements.to_vec());
    [const N: usize, const M: usize] [[T; M]; N], |rows| ([N, M], rows.as_flattened().to_vec());
}

macro_rules! from_number {
    ($($number:ty)*) => {$(
        impl From<$number> for Tensor {
            fn from(number: $number) -> Tensor {
                Tensor { shape: Vec::new(), data: <$number>::wrap(vec![number]) }
            }
        }
    )*};
}

from_number! { bool i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64 Complex<f32> Complex<f64> }

impl Source for Tensor {
    fn dtype(&self) -> DType {
        Tensor::dtype(self)
    }

    fn shape(&self) -> &[usize] {
        Tensor::shape(self)
    }

    fn read<'a>(&'a self, positions: Range<usize>, _: &'a mut Buffer) -> Result<Slice<'a>> {
        Ok(self.data().part(positions))
    }
}

/// Converts a position in C order to an index of that shape.
pub(crate) fn index(shape: &[usize], position: usize) -> Vec<usize> {
    let mut rest = position;
    let axes = shape.iter().rev().map(|&extent| {
        let at = rest % extent.max(1);
        rest /= extent.max(1);
        at
    });
    let mut index: Vec<usize> = axes.collect();
    index.reverse();
    index
}
