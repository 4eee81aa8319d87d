//! The element types that karat measures, and what a measurement needs to know of each.

use std::fmt;

use half::{bf16, f16};
use num_complex::Complex;

use super::float::key;
use super::source::Slice;
use super::tensor::{Data, Value};
use crate::text::word::words;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DType {
    /// `bool`, one byte an element.
    Bool,
    /// 8-bit signed integer.
    I8,
    /// 16-bit signed integer.
    I16,
    /// 32-bit signed integer.
    I32,
    /// 64-bit signed integer.
    I64,
    /// 8-bit unsigned integer.
    U8,
    /// 16-bit unsigned integer.
    U16,
    /// 32-bit unsigned integer.
    U32,
    /// 64-bit unsigned integer.
    U64,
    /// 8-bit float with 4 exponent and 3 mantissa bits, no infinities (OCP E4M3, torch's `float8_e4m3fn`).
    F8E4M3,
    /// 8-bit float with 5 exponent and 2 mantissa bits (OCP E5M2, torch's `float8_e5m2`).
    F8E5M2,
    /// IEEE 754 half precision.
    F16,
    /// bfloat16: the upper half of an `f32`.
    BF16,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 double precision.
    F64,
    /// Complex number of two `f32`.
    C64,
    /// Complex number of two `f64`.
    C128,
}

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

words!(DType, "dtype", name, {
    Bool: "bool",
    I8: "i8",
    I16: "i16",
    I32: "i32",
    I64: "i64",
    U8: "u8",
    U16: "u16",
    U32: "u32",
    U64: "u64",
    F8E4M3: "f8_e4m3",
    F8E5M2: "f8_e5m2",
    F16: "f16",
    BF16: "bf16",
    F32: "f32",
    F64: "f64",
    C64: "c64",
    C128: "c128",
});

impl DType {
    /// The dtype of that [name](DType::name), if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.into_iter().find(|dtype| dtype.name() == name)
    }

    /// Bytes an element.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            DType::Bool | DType::I8 | DType::U8 | DType::F8E4M3 | DType::F8E5M2 => 1,
            DType::I16 | DType::U16 | DType::F16 | DType::BF16 => 2,
            DType::I32 | DType::U32 | DType::F32 => 4,
            DType::I64 | DType::U64 | DType::F64 | DType::C64 => 8,
            DType::C128 => 16,
        }
    }

    /// What arithmetic it takes.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            DType::Bool
            | DType::I8
            | DType::I16
            | DType::I32
            | DType::I64
            | DType::U8
            | DType::U16
            | DType::U32
            | DType::U64 => Kind::Integer,
            DType::C64 | DType::C128 => Kind::Complex,
            _ => Kind::Float,
        }
    }

    /// The distance from 1 to the next larger value of the (component) type; 0 for integers, which are exact.
    #[must_use]
    pub fn eps(self) -> f64 {
        match self {
            DType::F8E4M3 => 0.125,
            DType::F8E5M2 => 0.25,
            DType::F16 => f64::from(f16::EPSILON),
            DType::BF16 => f64::from(bf16::EPSILON),
            DType::F32 | DType::C64 => f64::from(f32::EPSILON),
            DType::F64 | DType::C128 => f64::EPSILON,
            _ => 0.0,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An 8-bit float, OCP E4M3: bias 7, no infinities, NaN is `0x7f` and `0xff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
pub trait Element: Copy + PartialEq + Send + Sync + fmt::Debug + sealed::Sealed + 'static {
    /// The dtype of this type.
    const DTYPE: DType;

    /// The element of these `DTYPE.size()` little-endian bytes. For `bool` every byte but 0 is true.
    ///
    /// # Panics
    ///
    /// Where the number of bytes is another.
    fn from_le(bytes: &[u8]) -> Self;

    /// Appends the element's little-endian bytes.
    fn push_le(self, bytes: &mut Vec<u8>);

    /// The element as something to show.
    fn value(self) -> Value;

    /// The integer that stands in the order of the values, one a step; `None` for NaN and what is no real float.
    #[doc(hidden)]
    fn ulp_key(self) -> Option<i64> {
        None
    }

    #[doc(hidden)]
    fn wrap(elements: Vec<Self>) -> Data
    where
        Self: Sized;

    #[doc(hidden)]
    fn view(elements: &[Self]) -> Slice<'_>
    where
        Self: Sized;

    #[doc(hidden)]
    fn unwrap(elements: Slice<'_>) -> Option<&[Self]>
    where
        Self: Sized;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! element {
    ($($type:ty, $variant:ident, $value:expr, $from:expr, $to:expr $(, $key:expr)?;)*) => {$(
        impl sealed::Sealed for $type {}
        impl Element for $type {
            const DTYPE: DType = DType::$variant;

            fn from_le(bytes: &[u8]) -> Self {
                let from: fn(&[u8]) -> $type = $from;
                from(bytes)
            }

            fn push_le(self, bytes: &mut Vec<u8>) {
                let to: fn($type, &mut Vec<u8>) = $to;
                to(self, bytes);
            }

            #[inline]
            fn value(self) -> Value {
                let value: fn($type) -> Value = $value;
                value(self)
            }

            $(
                #[inline]
                fn ulp_key(self) -> Option<i64> {
                    let key: fn($type) -> Option<i64> = $key;
                    key(self)
                }
            )?

            fn wrap(elements: Vec<Self>) -> Data {
                Data::$variant(elements)
            }

            fn view(elements: &[Self]) -> Slice<'_> {
                Slice::$variant(elements)
            }

            fn unwrap(elements: Slice<'_>) -> Option<&[Self]> {
                match elements {
                    Slice::$variant(elements) => Some(elements),
                    _ => None,
                }
            }
        }
    )*};
}

/// The bytes as an array; the callers cut them to size.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("an element is cut to its dtype's size")
}

macro_rules! number {
    ($($type:ty, $variant:ident, $value:expr $(, $key:expr)?;)*) => {
        element! {$(
            $type, $variant, $value,
            |bytes| <$type>::from_le_bytes(array(bytes)),
            |x, bytes| bytes.extend_from_slice(&x.to_le_bytes())
            $(, $key)?;
        )*}
    };
}

number! {
    i8, I8, |x| Value::Integer(x.into());
    i16, I16, |x| Value::Integer(x.into());
    i32, I32, |x| Value::Integer(x.into());
    i64, I64, |x| Value::Integer(x.into());
    u8, U8, |x| Value::Integer(x.into());
    u16, U16, |x| Value::Integer(x.into());
    u32, U32, |x| Value::Integer(x.into());
    u64, U64, |x| Value::Integer(x.into());
    f16, F16, |x| Value::Float32(x.to_f32()), |x| key(x.to_bits().into(), 1 << 15, 0x7c00);
    bf16, BF16, |x| Value::Float32(x.to_f32()), |x| key(x.to_bits().into(), 1 << 15, 0x7f80);
    f32, F32, Value::Float32, |x| key(x.to_bits().into(), 1 << 31, 0x7f80_0000);
    f64, F64, Value::Float64, |x| key(x.to_bits(), 1 << 63, 0x7ff0_0000_0000_0000);
}

element! {
    bool, Bool, Value::Bool, |bytes| array::<1>(bytes)[0] != 0, |x, bytes| bytes.push(x.into());
    F8E4M3, F8E4M3, |x| Value::Float32(x.to_f32()), |bytes| F8E4M3(array::<1>(bytes)[0]), |x, bytes| bytes.push(x.0),
        |x| key(x.0.into(), 1 << 7, 0x7e);
    F8E5M2, F8E5M2, |x| Value::Float32(x.to_f32()), |bytes| F8E5M2(array::<1>(bytes)[0]), |x, bytes| bytes.push(x.0),
        |x| key(x.0.into(), 1 << 7, 0x7c);
    Complex<f32>, C64, |x| Value::Complex(Complex::new(x.re.into(), x.im.into())),
        |bytes| Complex::new(f32::from_le(&bytes[..4]), f32::from_le(&bytes[4..])),
        |x, bytes| { x.re.push_le(bytes); x.im.push_le(bytes); };
    Complex<f64>, C128, Value::Complex,
        |bytes| Complex::new(f64::from_le(&bytes[..8]), f64::from_le(&bytes[8..])),
        |x, bytes| { x.re.push_le(bytes); x.im.push_le(bytes); };
}
