//! A tensor of any dtype: a shape and its elements in C order.

use std::fmt;

use half::{bf16, f16};
use ndarray::{Array, ArrayBase, ArrayD, Data as NdData, Dimension, IxDyn};
use num_complex::Complex;

use super::dtype::{DType, Element, F8E4M3, F8E5M2};
use super::float::{modulus, nearest};
use super::source::Slice;
use crate::error::{Error, Result};

/// A dense tensor: a shape, and elements of one [`DType`] in C order (the last axis varies fastest).
#[derive(Clone, Debug)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Data,
}

/// The elements of a [`Tensor`], one variant a dtype.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is the dtype of its name")]
pub enum Data {
    Bool(Vec<bool>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    F8E4M3(Vec<F8E4M3>),
    F8E5M2(Vec<F8E5M2>),
    F16(Vec<f16>),
    BF16(Vec<bf16>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    C64(Vec<Complex<f32>>),
    C128(Vec<Complex<f64>>),
}

/// Runs one expression for whichever dtype the data has, with the elements as a slice.
macro_rules! dispatch {
    ($data:expr, $elements:ident => $body:expr) => {
        match $data {
            $crate::tensor::Data::Bool($elements) => $body,
            $crate::tensor::Data::I8($elements) => $body,
            $crate::tensor::Data::I16($elements) => $body,
            $crate::tensor::Data::I32($elements) => $body,
            $crate::tensor::Data::I64($elements) => $body,
            $crate::tensor::Data::U8($elements) => $body,
            $crate::tensor::Data::U16($elements) => $body,
            $crate::tensor::Data::U32($elements) => $body,
            $crate::tensor::Data::U64($elements) => $body,
            $crate::tensor::Data::F8E4M3($elements) => $body,
            $crate::tensor::Data::F8E5M2($elements) => $body,
            $crate::tensor::Data::F16($elements) => $body,
            $crate::tensor::Data::BF16($elements) => $body,
            $crate::tensor::Data::F32($elements) => $body,
            $crate::tensor::Data::F64($elements) => $body,
            $crate::tensor::Data::C64($elements) => $body,
            $crate::tensor::Data::C128($elements) => $body,
        }
    };
}
pub(crate) use dispatch;

/// One element, exactly, as something to show: it prints with the fewest digits that read back the same.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A boolean.
    Bool(bool),
    /// Any integer.
    Integer(i128),
    /// Any float of 32 bits or fewer, which `f32` holds exactly.
    Float32(f32),
    /// A double.
    Float64(f64),
    /// Any complex number.
    Complex(Complex<f64>),
}

impl Tensor {
    /// A tensor of that shape with those elements, in C order.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the number of elements is not the product of the shape.
    pub fn new<T: Element>(shape: &[usize], elements: Vec<T>) -> Result<Tensor> {
        let expected = shape.iter().try_fold(1usize, |count, &extent| count.checked_mul(extent));
        if expected != Some(elements.len()) {
            return Err(Error::Invalid(format!("a tensor of shape {shape:?} cannot hold {} elements", elements.len())));
        }
        Ok(Tensor { shape: shape.to_vec(), data: T::wrap(elements) })
    }

    /// The extent of each axis; empty for a scalar.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The type of the elements.
    #[must_use]
    pub fn dtype(&self) -> DType {
        fn of<T: Element>(_: &[T]) -> DType {
            T::DTYPE
        }
        dispatch!(&self.data, elements => of(elements))
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        dispatch!(&self.data, elements => elements.len())
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements, in C order.
    #[must_use]
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The elements as a slice, where they are of that type.
    #[must_use]
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        T::unwrap(self.data.view())
    }

    /// A copy as an ndarray of that type.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the dtype is another.
    pub fn to_array<T: Element>(&self) -> Result<ArrayD<T>> {
        let elements = self
            .as_slice::<T>()
            .ok_or_else(|| Error::Invalid(format!("the tensor is {}, not {}", self.dtype(), T::DTYPE)))?;
        Ok(ArrayD::from_shape_vec(IxDyn(&self.shape), elements.to_vec()).expect("the shape fits by construction"))
    }

    /// The element at that position in C order.
    ///
    /// # Panics
    ///
    /// Where the position is not below [`len`](Tensor::len).
    #[must_use]
    pub fn value(&self, position: usize) -> Value {
        dispatch!(&self.data, elements => elements[position].value())
    }

    /// The index, one number an axis, of that position in C order.
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

impl Data {
    /// All elements.
    #[must_use]
    pub fn view(&self) -> Slice<'_> {
        dispatch!(self, elements => Element::view(elements))
    }
}

impl<T: Element, S: NdData<Elem = T>, D: Dimension> From<&ArrayBase<S, D>> for Tensor {
    fn from(array: &ArrayBase<S, D>) -> Tensor {
        Tensor { shape: array.shape().to_vec(), data: T::wrap(array.iter().copied().collect()) }
    }
}

impl<T: Element, D: Dimension> From<Array<T, D>> for Tensor {
    fn from(array: Array<T, D>) -> Tensor {
        let shape = array.shape().to_vec();
        let elements = if array.is_standard_layout() {
            let (elements, offset) = array.into_raw_vec_and_offset();
            let count = shape.iter().product();
            match offset {
                Some(0) | None if elements.len() == count => elements,
                _ => elements[offset.unwrap_or(0)..][..count].to_vec(),
            }
        } else {
            array.iter().copied().collect()
        };
        Tensor { shape, data: T::wrap(elements) }
    }
}

impl From<&Tensor> for Tensor {
    fn from(tensor: &Tensor) -> Tensor {
        tensor.clone()
    }
}

impl<T: Element> From<Vec<T>> for Tensor {
    fn from(elements: Vec<T>) -> Tensor {
        Tensor { shape: vec![elements.len()], data: T::wrap(elements) }
    }
}

impl<T: Element> From<&Vec<T>> for Tensor {
    fn from(elements: &Vec<T>) -> Tensor {
        elements.clone().into()
    }
}

impl<T: Element> From<&[T]> for Tensor {
    fn from(elements: &[T]) -> Tensor {
        elements.to_vec().into()
    }
}

impl<T: Element, const N: usize> From<[T; N]> for Tensor {
    fn from(elements: [T; N]) -> Tensor {
        elements.to_vec().into()
    }
}

impl<T: Element, const N: usize> From<&[T; N]> for Tensor {
    fn from(elements: &[T; N]) -> Tensor {
        elements.to_vec().into()
    }
}

impl<T: Element, const N: usize, const M: usize> From<[[T; M]; N]> for Tensor {
    fn from(rows: [[T; M]; N]) -> Tensor {
        Tensor { shape: vec![N, M], data: T::wrap(rows.as_flattened().to_vec()) }
    }
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

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(x) => write!(f, "{x}"),
            Value::Integer(x) => write!(f, "{x}"),
            Value::Float32(x) => write_float(f, f64::from(*x), &format!("{x:?}")),
            Value::Float64(x) => write_float(f, *x, &format!("{x:?}")),
            Value::Complex(x) => write!(f, "{}{:+}i", Value::Float64(x.re), Value::Float64(x.im)),
        }
    }
}

impl Value {
    /// The value in `f64` (the modulus of a complex number; nearest for integers beyond 2^53).
    #[must_use]
    #[inline]
    pub fn to_f64(self) -> f64 {
        match self {
            Value::Bool(x) => f64::from(u8::from(x)),
            Value::Integer(x) => nearest(x),
            Value::Float32(x) => f64::from(x),
            Value::Float64(x) => x,
            Value::Complex(x) => modulus(x.re, x.im),
        }
    }
}

/// The index of that position in C order in that shape.
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

/// Rust's shortest round-trip digits, with karat's words for what is not a number, and no `.0`.
fn write_float(f: &mut fmt::Formatter<'_>, value: f64, digits: &str) -> fmt::Result {
    let sign = if f.sign_plus() && !value.is_sign_negative() { "+" } else { "" };
    let digits = match value {
        x if x.is_nan() => "nan",
        x if x == f64::INFINITY => "inf",
        x if x == f64::NEG_INFINITY => "-inf",
        _ => digits.strip_suffix(".0").unwrap_or(digits),
    };
    write!(f, "{sign}{digits}")
}
