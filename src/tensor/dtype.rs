//! The element types that karat measures, each described once, in the table at the end.

use std::fmt::{self, Debug};
use std::ops::Range;

use bytemuck::{CheckedBitPattern, NoUninit, Pod, Zeroable};
use half::{bf16, f16};
use num_complex::Complex;

use super::value::{ElementType, Value, key};
use crate::text::word::words;

/// What arithmetic a dtype takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `bool` and all integers: differences are exact.
    Integer,
    /// Real floats: differences are taken in `f64`.
    Float,
    /// Complex floats: differences are moduli, taken in `f64`.
    Complex,
}

/// An 8-bit float, OCP E4M3: bias 7, no infinities, NaN is `0x7f` and `0xff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct F8E4M3(pub u8);

impl F8E4M3 {
    /// The value, exactly.
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
    /// The value, exactly.
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
    /// The dtype of this type.
    const DTYPE: DType;

    /// The element as something to show.
    fn value(self) -> Value;

    /// The integer that stands in the order of the values, one a step; `None` for NaN and what is no real float.
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

/// A row says of a dtype: its documentation, variant and Rust type; its name; NumPy's code for it, without byte order; what
/// arithmetic it takes; the distance from 1 to the next larger value; how an element is shown; and its place in the order of
/// the values.
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

        /// The elements of a [`Tensor`](super::Tensor), one variant a dtype.
        #[derive(Clone, Debug)]
        #[doc(hidden)]
        pub enum Data {
            $($variant(Vec<$type>),)*
        }

        /// Some elements, one variant a dtype.
        #[derive(Clone, Copy, Debug)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "each variant is the dtype of its name")]
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
            /// NumPy's code, without the byte order. It has none for three dtypes, of which it keeps the size alone.
            pub(super) fn numpy_code(self) -> &'static str {
                match self {
                    $(DType::$variant => $code,)*
                }
            }

            /// Bytes an element.
            #[must_use]
            pub fn size(self) -> usize {
                with_type!(self, T => size_of::<T>())
            }

            /// What arithmetic it takes.
            #[must_use]
            pub fn kind(self) -> Kind {
                match self {
                    $(DType::$variant => Kind::$kind,)*
                }
            }

            /// The distance from 1 to the next larger value of the (component) type; 0 for integers, which are exact.
            #[must_use]
            pub fn eps(self) -> f64 {
                match self {
                    $(DType::$variant => $eps,)*
                }
            }
        }

        impl Data {
            /// All elements.
            pub(super) fn view(&self) -> Slice<'_> {
                match self {
                    $(Data::$variant(elements) => Slice::$variant(elements),)*
                }
            }
        }

        /// Runs one expression for whichever dtype the [`Slice`] has, with the elements as a slice of that type.
        macro_rules! dispatch {
            ($d slice:expr, $d elements:ident => $d body:expr) => {
                match $d slice {
                    $($crate::tensor::Slice::$variant($d elements) => $d body,)*
                }
            };
        }

        /// Runs one expression with `$T` as the Rust type of the dtype.
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
    /// `bool`, one byte an element.
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
    /// The dtype of that [name](DType::name), if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}

impl ElementType {
    /// That of the extremes of a summary, which of complex tensors are moduli.
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
    /// The elements that those bytes are on this machine; `None` where they do not begin at a multiple of the element's
    /// alignment, do not end with an element, or are no booleans.
    pub(super) fn from_bytes(dtype: DType, bytes: &'a [u8]) -> Option<Slice<'a>> {
        with_type!(dtype, T => bytemuck::checked::try_cast_slice::<u8, T>(bytes).ok().map(T::view))
    }

    /// The type of the elements.
    #[must_use]
    pub fn dtype(self) -> DType {
        fn of<T: Element>(_: &[T]) -> DType {
            T::DTYPE
        }
        dispatch!(self, elements => of(elements))
    }

    /// The number of elements.
    #[must_use]
    pub fn len(self) -> usize {
        dispatch!(self, elements => elements.len())
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The elements at these places.
    ///
    /// # Panics
    ///
    /// Where the range ends behind the last element.
    #[must_use]
    pub fn part(self, range: Range<usize>) -> Slice<'a> {
        dispatch!(self, elements => Element::view(&elements[range]))
    }

    /// The element at that place.
    ///
    /// # Panics
    ///
    /// Where the place is not below [`len`](Slice::len).
    #[must_use]
    pub fn value(self, place: usize) -> Value {
        dispatch!(self, elements => elements[place].value())
    }

    /// The bytes of the elements, in this machine's order.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        dispatch!(self, elements => bytemuck::cast_slice(elements))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_elements_only_where_they_are_whole_and_aligned() {
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
    fn a_byte_that_is_no_boolean_is_not_seen_as_one() {
        assert!(matches!(Slice::from_bytes(DType::Bool, &[0, 1, 1]), Some(Slice::Bool([false, true, true]))));
        assert!(Slice::from_bytes(DType::Bool, &[0, 2]).is_none());
    }
}
