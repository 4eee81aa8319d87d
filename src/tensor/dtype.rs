//! The supported element types, all defined by the table at the end.

use std::fmt::{self, Debug};
use std::ops::Range;

use bytemuck::{CheckedBitPattern, NoUninit, Pod, Zeroable};
use half::{bf16, f16};
use num_complex::Complex;

use super::value::{ElementType, Value, key};
use crate::text::word::words;

/// The kind of arithmetic of a dtype.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `bool` and all integers: differences are exact.
    Integer,
    /// Real floats: differences are calculated in `f64`.
    Float,
    /// Complex floats: differences are moduli, calculated in `f64`.
    Complex,
}

/// An 8-bit float, OCP E4M3: bias 7, no infinities, NaN is `0x7f` and `0xff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct F8E4M3(pub u8);

impl F8E4M3 {
    /// Converts to `f32`, exactly.
    ///
    /// ```
    /// # use karat::tensor::F8E4M3;
    /// assert_eq!(F8E4M3(0x38).to_f32(), 1.0);
    /// assert_eq!(F8E4M3(0xb9).to_f32(), -1.125);
    /// assert_eq!(F8E4M3(0x7e).to_f32(), 448.0); // the largest
    /// assert_eq!(F8E4M3(0x01).to_f32(), 2f32.powi(-9)); // the smallest above 0
    /// assert!(F8E4M3(0x7f).to_f32().is_nan() && F8E4M3(0xff).to_f32().is_nan());
    /// ```
    #[must_use]
    pub fn to_f32(self) -> f32 {
        let (magnitude, sign) = (u32::from(self.0 & 0x7f), u32::from(self.0 & 0x80) << 24);
        let value = match magnitude {
            0x7f => f32::NAN,
            0..8 => magnitude as f32 / 512.0,
            // The bias is 127 instead of 7, the mantissa has 23 bits instead of 3.
            _ => f32::from_bits(((127 - 7) << 23) + (magnitude << 20)),
        };
        f32::from_bits(value.to_bits() | sign)
    }
}

/// An 8-bit float, OCP E5M2: the upper half of an `f16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct F8E5M2(pub u8);

impl F8E5M2 {
    /// Converts to `f32`, exactly.
    ///
    /// ```
    /// # use karat::tensor::F8E5M2;
    /// assert_eq!(F8E5M2(0x3c).to_f32(), 1.0);
    /// assert_eq!(F8E5M2(0xbd).to_f32(), -1.25);
    /// assert_eq!(F8E5M2(0x7b).to_f32(), 57344.0); // the largest
    /// assert_eq!(F8E5M2(0x01).to_f32(), 2f32.powi(-16)); // the smallest above 0
    /// assert_eq!(F8E5M2(0x7c).to_f32(), f32::INFINITY);
    /// assert!(F8E5M2(0x7d).to_f32().is_nan());
    /// ```
    #[must_use]
    pub fn to_f32(self) -> f32 {
        f16::from_bits(u16::from(self.0) << 8).to_f32()
    }
}

/// A Rust type that can be an element of a [`Tensor`](super::Tensor). Sealed: the set is that of [`DType`].
pub trait Element:
    CheckedBitPattern<Bits: NoUninit> + NoUninit + PartialEq + Send + Sync + Debug + sealed::Sealed
{
    /// The dtype of this Rust type.
    const DTYPE: DType;

    /// Returns the element as a [`Value`].
    fn value(self) -> Value;

    /// Returns an integer in the order of the values, where adjacent values differ by 1; `None` for NaN and for types other than real
    /// floats.
    #[doc(hidden)]
    fn ulp_key(self) -> Option<i64>;

    #[doc(hidden)]
    fn wrap(elements: Vec<Self>) -> Data;

    #[doc(hidden)]
    fn view(elements: &[Self]) -> Slice<'_>;
}

mod sealed {
    pub trait Sealed {}
}

/// Defines the dtypes. Each row has: documentation, variant and Rust type; name; NumPy's code without byte order; kind of arithmetic;
/// distance from 1 to the next larger value; conversion of an element to a [`Value`]; and its [`ulp_key`](Element::ulp_key).
macro_rules! dtypes {
    ($d:tt $(
        #[doc = $doc:literal]
        $variant:ident($type:ty), $name:literal, $code:literal, $kind:ident, $eps:expr, |$x:ident| $value:expr, $key:expr;
    )*) => {
        /// The type of a tensor's elements.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum DType {
            $(#[doc = $doc] $variant,)*
        }

        /// The elements of a [`Tensor`](super::Tensor), one variant per dtype.
        #[derive(Clone, Debug)]
        #[doc(hidden)]
        pub enum Data {
            $($variant(Vec<$type>),)*
        }

        /// A slice of elements, one variant per dtype.
        #[derive(Clone, Copy, Debug)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "the names say it")]
        pub enum Slice<'a> {
            $($variant(&'a [$type]),)*
        }

        $(
            impl sealed::Sealed for $type {}

            impl Element for $type {
                const DTYPE: DType = DType::$variant;

                #[inline]
                fn value(self) -> Value {
                    let $x = self;
                    $value
                }

                #[inline]
                fn ulp_key(self) -> Option<i64> {
                    let key: fn($type) -> Option<i64> = $key;
                    key(self)
                }

                fn wrap(elements: Vec<Self>) -> Data {
                    Data::$variant(elements)
                }

                fn view(elements: &[Self]) -> Slice<'_> {
                    Slice::$variant(elements)
                }
            }
        )*

        words!(DType, "dtype", name, { $($variant: $name),* });

        impl DType {
            /// Returns NumPy's code without the byte order. For the three dtypes that NumPy cannot name, it is raw bytes of the same size.
            pub(super) fn numpy_code(self) -> &'static str {
                match self {
                    $(DType::$variant => $code,)*
                }
            }

            /// Returns the number of bytes per element.
            #[must_use]
            pub fn size(self) -> usize {
                with_type!(self, T => size_of::<T>())
            }

            /// Returns the kind of arithmetic.
            #[must_use]
            pub fn kind(self) -> Kind {
                match self {
                    $(DType::$variant => Kind::$kind,)*
                }
            }

            /// Returns the distance from 1 to the next larger value of the (component) type; 0 for integers, which are exact.
            #[must_use]
            pub fn eps(self) -> f64 {
                match self {
                    $(DType::$variant => $eps,)*
                }
            }
        }

        impl Data {
            /// Returns all elements.
            pub(super) fn view(&self) -> Slice<'_> {
                match self {
                    $(Data::$variant(elements) => Slice::$variant(elements),)*
                }
            }
        }

        /// Evaluates an expression with the elements of a [`Slice`] as a slice of their Rust type.
        macro_rules! dispatch {
            ($d slice:expr, $d elements:ident => $d body:expr) => {
                match $d slice {
                    $($crate::tensor::Slice::$variant($d elements) => $d body,)*
                }
            };
        }

        /// Evaluates an expression with `$T` as the Rust type of a dtype.
        macro_rules! with_type {
            ($d dtype:expr, $d T:ident => $d body:expr) => {
                match $d dtype {
                    $($crate::tensor::DType::$variant => {
                        type $d T = $type;
                        $d body
                    })*
                }
            };
        }
    };
}

dtypes! { $
    /// `bool`, one byte per element.
    Bool(bool), "bool", "b1", Integer, 0.0, |x| Value::Bool(x), |_| None;
    /// 8-bit signed integer.
    I8(i8), "i8", "i1", Integer, 0.0, |x| Value::Integer(x.into()), |_| None;
    /// 16-bit signed integer.
    I16(i16), "i16", "i2", Integer, 0.0, |x| Value::Integer(x.into()), |_| None;
    /// 32-bit signed integer.
    I32(i32), "i32", "i4", Integer, 0.0, |x| Value::Integer(x.into()), |_| None;
    /// 64-bit signed integer.
    I64(i64), "i64", "i8", Integer, 0.0, |x| Value::Integer(x.into()), |_| None;
    /// 8-bit unsigned integer.
    U8(u8), "u8", "u1", Integer, 0.0, |x| Value::Integer(x.into()), |_| None;
    /// 16-bit unsigned integer.
    U16(u16), "u16", "u2", Integer, 0.0, |x| Value::Integer(x.into()), |_| None;
    /// 32-bit unsigned integer.
    U32(u32), "u32", "u4", Integer, 0.0, |x| Value::Integer(x.into()), |_| None;
    /// 64-bit unsigned integer.
    U64(u64), "u64", "u8", Integer, 0.0, |x| Value::Integer(x.into()), |_| None;
    /// 8-bit float with 4 exponent and 3 mantissa bits, no infinities (OCP E4M3, torch's `float8_e4m3fn`).
    F8E4M3(crate::tensor::F8E4M3), "f8_e4m3", "V1", Float, 0.125, |x| Value::Float32(x.to_f32()), |x| key(x.0.into(), 1 << 7, 0x7e);
    /// 8-bit float with 5 exponent and 2 mantissa bits (OCP E5M2, torch's `float8_e5m2`).
    F8E5M2(crate::tensor::F8E5M2), "f8_e5m2", "V1", Float, 0.25, |x| Value::Float32(x.to_f32()), |x| key(x.0.into(), 1 << 7, 0x7c);
    /// IEEE 754 half precision.
    F16(half::f16), "f16", "f2", Float, f16::EPSILON.into(), |x| Value::Float32(x.to_f32()),
        |x| key(x.to_bits().into(), 1 << 15, 0x7c00);
    /// bfloat16: the upper half of an `f32`.
    BF16(half::bf16), "bf16", "V2", Float, bf16::EPSILON.into(), |x| Value::Float32(x.to_f32()),
        |x| key(x.to_bits().into(), 1 << 15, 0x7f80);
    /// IEEE 754 single precision.
    F32(f32), "f32", "f4", Float, f32::EPSILON.into(), |x| Value::Float32(x),
        |x| key(x.to_bits().into(), 1 << 31, 0x7f80_0000);
    /// IEEE 754 double precision.
    F64(f64), "f64", "f8", Float, f64::EPSILON, |x| Value::Float64(x),
        |x| key(x.to_bits(), 1 << 63, 0x7ff0_0000_0000_0000);
    /// Complex number of two `f32`.
    C64(num_complex::Complex<f32>), "c64", "c8", Complex, f32::EPSILON.into(),
        |x| Value::Complex(Complex::new(x.re.into(), x.im.into())), |_| None;
    /// Complex number of two `f64`.
    C128(num_complex::Complex<f64>), "c128", "c16", Complex, f64::EPSILON, |x| Value::Complex(x), |_| None;
}
pub(crate) use dispatch;
pub(super) use with_type;

impl DType {
    /// Returns the dtype of that [name](DType::name), if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}

impl ElementType {
    /// Returns the type of the extremes of a summary; for complex tensors these are moduli.
    pub(crate) fn of_summary(dtype: DType) -> ElementType {
        match with_type!(dtype, T => ElementType::of(<T as Zeroable>::zeroed().value())) {
            ElementType::Complex => ElementType::Float64,
            other => other,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl<'a> Slice<'a> {
    /// Reinterprets native bytes as elements; `None` if they are misaligned, not a whole number of elements, or not valid booleans.
    pub(super) fn from_bytes(dtype: DType, bytes: &'a [u8]) -> Option<Slice<'a>> {
        with_type!(dtype, T => bytemuck::checked::try_cast_slice::<u8, T>(bytes).ok().map(T::view))
    }

    /// Returns the type of the elements.
    #[must_use]
    pub fn dtype(self) -> DType {
        fn of<T: Element>(_: &[T]) -> DType {
            T::DTYPE
        }
        dispatch!(self, elements => of(elements))
    }

    /// Returns the number of elements.
    #[must_use]
    pub fn len(self) -> usize {
        dispatch!(self, elements => elements.len())
    }

    /// Returns whether there are no elements.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Returns the elements in that range.
    ///
    /// # Panics
    ///
    /// If the range ends after the last element.
    #[must_use]
    pub fn part(self, range: Range<usize>) -> Slice<'a> {
        dispatch!(self, elements => Element::view(&elements[range]))
    }

    /// Returns the element at that position.
    ///
    /// # Panics
    ///
    /// If the position is not below [`len`](Slice::len).
    #[must_use]
    pub fn value(self, position: usize) -> Value {
        dispatch!(self, elements => elements[position].value())
    }

    /// Returns the bytes of the elements, in native order.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        dispatch!(self, elements => bytemuck::cast_slice(elements))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_must_be_aligned_and_a_whole_number_of_elements() {
        let memory = [0x3f80_0000_3f80_0000u64; 2];
        let all: &[u8] = bytemuck::cast_slice(&memory);
        assert!(matches!(Slice::from_bytes(DType::F32, &all[4..12]), Some(Slice::F32([1.0, 1.0]))));
        assert!(matches!(Slice::from_bytes(DType::F32, &all[..0]), Some(Slice::F32([]))));
        for odd in [1..5, 2..6, 0..3, 0..7] {
            assert!(Slice::from_bytes(DType::F32, &all[odd.clone()]).is_none(), "{odd:?}");
        }
        for dtype in DType::ALL {
            let memory = [0u64; 4];
            let two = Slice::from_bytes(dtype, &bytemuck::cast_slice(&memory)[..2 * dtype.size()]);
            assert_eq!(two.map(Slice::len), Some(2), "{dtype}");
        }
    }

    #[test]
    fn invalid_booleans_are_refused() {
        assert!(matches!(Slice::from_bytes(DType::Bool, &[0, 1, 1]), Some(Slice::Bool([false, true, true]))));
        assert!(Slice::from_bytes(DType::Bool, &[0, 2]).is_none());
    }
}
