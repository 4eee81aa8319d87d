//! A single element of a tensor: its exact value, its conversion to `f64`, and its text on screen and in JSON.

use std::fmt;

/// `exponent` returns the exponent of a finite number other than 0; `ldexp` returns `x * 2^exponent`, rounded once.
pub(crate) use libm::{ilogb as exponent, scalbn as ldexp};
use num_complex::Complex;
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text::number::exact;

/// The exact value of one element. It prints with the fewest digits that parse to the same value.
///
/// In JSON it is a number, a boolean, `{"re": .., "im": ..}`, or `"nan"`, `"inf"` or `"-inf"`. Every float is read as a double;
/// `ElementType::restore` corrects the type.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number, a boolean, \"nan\", \"inf\", \"-inf\", or {\"re\": .., \"im\": ..}")]
#[non_exhaustive]
pub enum Value {
    /// A boolean.
    Bool(bool),
    /// Any integer.
    #[serde(deserialize_with = "integer")]
    Integer(i128),
    /// Any float of at most 32 bits.
    #[serde(skip_deserializing, serialize_with = "single")]
    Float32(f32),
    /// A double.
    #[serde(with = "Float")]
    Float64(f64),
    /// Any complex number.
    #[serde(with = "Parts")]
    Complex(Complex<f64>),
}

/// A complex number in JSON.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Complex::<f64>")]
struct Parts {
    #[serde(with = "Float")]
    re: f64,
    #[serde(with = "Float")]
    im: f64,
}

/// Reads an integer of up to 64 bits.
fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    number.as_i128().ok_or_else(|| D::Error::custom("not an integer"))
}

/// Writes an `f32`, which has fewer digits than the same value as an `f64`.
fn single<S: Serializer>(x: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    if x.is_finite() { serializer.serialize_f32(*x) } else { Number((*x).into()).serialize(serializer) }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Value::Bool(x) => write!(f, "{x}"),
            Value::Integer(x) => write!(f, "{x}"),
            Value::Float32(x) => f.write_str(&exact(x)),
            Value::Float64(x) => f.write_str(&exact(x)),
            Value::Complex(Complex { re, im }) => {
                let (re, im) = (exact(re), exact(im));
                write!(f, "{re}{}{im}i", if im.starts_with('-') { "" } else { "+" })
            }
        }
    }
}

impl Value {
    /// Converts to `f64` (the modulus of a complex number; rounded for integers beyond 2^53).
    #[must_use]
    #[inline]
    pub fn to_f64(self) -> f64 {
        match self {
            Value::Bool(x) => f64::from(u8::from(x)),
            Value::Integer(x) => nearest_f64(x),
            Value::Float32(x) => f64::from(x),
            Value::Float64(x) => x,
            Value::Complex(x) => modulus(x.re, x.im),
        }
    }
}

/// Formats both values of an element, so that they print alike only if they are equal: an `f32` may have the digits of a different
/// `f64`.
pub(crate) fn format_pair(actual: Value, reference: Value) -> [String; 2] {
    let texts = [actual.to_string(), reference.to_string()];
    if texts[0] != texts[1] {
        return texts;
    }
    [actual, reference].map(|value| match value {
        Value::Float32(x) => Value::Float64(f64::from(x)).to_string(),
        _ => value.to_string(),
    })
}

/// The words for floats that are not JSON numbers.
const NOT_FINITE: [&str; 3] = ["nan", "inf", "-inf"];

/// A float in JSON: a number with the fewest digits that parse to the same value, or a word.
#[derive(Clone, Copy)]
struct Number(f64);

/// (De)serializes a float: `#[serde(with = "Float")]`.
pub(crate) struct Float;

/// (De)serializes a float or `null`: `#[serde(with = "MaybeFloat")]`.
pub(crate) struct MaybeFloat;

/// (De)serializes rows of floats or `null`, each row on one line: `#[serde(with = "Rows")]`.
#[cfg(feature = "harness")]
pub(crate) struct Rows;

impl Float {
    pub(crate) fn serialize<S: Serializer>(x: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        Number(*x).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Number::deserialize(deserializer).map(|Number(x)| x)
    }
}

impl MaybeFloat {
    pub(crate) fn serialize<S: Serializer>(x: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        x.map(Number).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        Option::deserialize(deserializer).map(|x| x.map(|Number(x)| x))
    }
}

#[cfg(feature = "harness")]
impl Rows {
    pub(crate) fn serialize<S: Serializer>(rows: &[Vec<Option<f64>>], serializer: S) -> Result<S::Ok, S::Error> {
        let line = |row: &Vec<Option<f64>>| {
            let row: Vec<Option<Number>> = row.iter().map(|cell| cell.map(Number)).collect();
            serde_json::value::to_raw_value(&row).expect("numbers are JSON")
        };
        serializer.collect_seq(rows.iter().map(line))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<Option<f64>>>, D::Error> {
        let rows = Vec::<Vec<Option<Number>>>::deserialize(deserializer)?;
        Ok(rows.into_iter().map(|row| row.into_iter().map(|cell| cell.map(|Number(x)| x)).collect()).collect())
    }
}

/// Reads a field that may be `null`, but must be present. By default, serde treats a missing field as `null`.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() { serializer.serialize_f64(self.0) } else { serializer.serialize_str(&exact(self.0)) }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "not a number, nor \"nan\", \"inf\" or \"-inf\"")]
        enum Json {
            Number(f64),
            Word(String),
        }
        match Json::deserialize(deserializer)? {
            Json::Number(x) => Ok(Number(x)),
            Json::Word(word) if NOT_FINITE.contains(&word.as_str()) => {
                word.parse().map(Number).map_err(D::Error::custom)
            }
            Json::Word(word) => Err(D::Error::invalid_value(Unexpected::Str(&word), &"\"nan\", \"inf\" or \"-inf\"")),
        }
    }
}

/// The type of an element, which cannot be recovered from its digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum ElementType {
    /// A boolean.
    Bool,
    /// An integer of any width.
    Integer,
    /// A float of at most 32 bits.
    Float32,
    /// A double.
    Float64,
    /// A complex number of two `f32` or `f64`.
    Complex,
}

/// The element types of a pair of tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub(crate) struct Types {
    pub(crate) actual: ElementType,
    pub(crate) reference: ElementType,
}

impl ElementType {
    pub(crate) fn of(value: Value) -> ElementType {
        match value {
            Value::Bool(_) => ElementType::Bool,
            Value::Integer(_) => ElementType::Integer,
            Value::Float32(_) => ElementType::Float32,
            Value::Float64(_) => ElementType::Float64,
            Value::Complex(_) => ElementType::Complex,
        }
    }

    /// Restores the type of an element that was read from JSON.
    pub(crate) fn restore(self, element: &mut Value) -> Result<(), String> {
        *element = match (*element, self) {
            (Value::Integer(x), ElementType::Float32) => Value::Float32(x as f32),
            (Value::Integer(x), ElementType::Float64) => Value::Float64(x as f64),
            // Converts the digits, since rounding twice could change the last bit.
            (Value::Float64(x), ElementType::Float32) => Value::Float32(x.to_string().parse().unwrap_or(x as f32)),
            (other, _) if ElementType::of(other) == self => other,
            _ => return Err(format!("an element is not {self:?}")),
        };
        Ok(())
    }
}

impl Types {
    pub(crate) fn of(actual: Value, reference: Value) -> Types {
        Types { actual: ElementType::of(actual), reference: ElementType::of(reference) }
    }

    /// Restores the types of pairs that were read from JSON; `of` names the object that contains them.
    pub(crate) fn restore<'a>(
        types: Option<Types>,
        of: &str,
        pairs: impl IntoIterator<Item = (&'a mut Value, &'a mut Value)>,
    ) -> Result<(), String> {
        for (actual, reference) in pairs {
            let types = types.ok_or_else(|| format!("{of}.types is null, but there are elements in it"))?;
            types.actual.restore(actual)?;
            types.reference.restore(reference)?;
        }
        Ok(())
    }
}

/// Converts an integer to the nearest `f64`, with the machine's own instruction if it fits into 64 bits.
#[inline]
pub(crate) fn nearest_f64(x: i128) -> f64 {
    // Not inlined: the compiler would do both conversions and select one, and this one is slow.
    #[cold]
    #[inline(never)]
    fn beyond(x: i128) -> f64 {
        x as f64
    }
    i64::try_from(x).map_or_else(|_| beyond(x), |x| x as f64)
}

/// Returns `sqrt(re^2 + im^2)` without intermediate overflow. The standard library's `hypot` differs between platforms in the last
/// bit; a square root does not.
pub(crate) fn modulus(re: f64, im: f64) -> f64 {
    let largest = re.abs().max(im.abs());
    if is_squarable(largest) {
        return (re * re + im * im).sqrt();
    }
    if re.is_infinite() || im.is_infinite() {
        return f64::INFINITY;
    }
    if re.is_nan() || im.is_nan() {
        return f64::NAN;
    }
    let exponent = exponent(largest);
    let (re, im) = (ldexp(re, -exponent), ldexp(im, -exponent));
    ldexp((re * re + im * im).sqrt(), exponent)
}

/// Returns whether squares of numbers up to that size can be summed without scaling: 2^800 leaves room for 2^223 of them, and below
/// 2^-400 the smaller ones would lose significant digits.
#[inline]
pub(crate) fn is_squarable(largest: f64) -> bool {
    const UPPER: f64 = f64::from_bits((1023 + 400) << 52);
    const LOWER: f64 = f64::from_bits((1023 - 400) << 52);
    (LOWER..=UPPER).contains(&largest) || largest == 0.0
}

/// Returns an integer in the order of the float values, the magnitude bits with the sign applied; `None` for NaN.
///
/// `bits` are all bits, `sign` is the sign bit, and `infinity` the largest magnitude that is not NaN.
#[inline]
pub(crate) fn key(bits: u64, sign: u64, infinity: u64) -> Option<i64> {
    let magnitude = bits & (sign - 1);
    let distance = magnitude as i64; // below 2^63: the sign bit is gone
    (magnitude <= infinity).then_some(if bits & sign == 0 { distance } else { -distance })
}

/// JSON schemas of the types with hand-written serialization.
#[cfg(feature = "cli")]
mod schema {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::{Float, MaybeFloat, NOT_FINITE, Rows, Value};

    impl JsonSchema for Float {
        fn schema_name() -> Cow<'static, str> {
            "Float".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "anyOf": [{ "type": "number" }, { "type": "string", "enum": NOT_FINITE }] })
        }
    }

    /// Gives a type the schema of another type.
    macro_rules! same_schema {
        ($type:ty, $other:ty, $is_inline:literal) => {
            impl JsonSchema for $type {
                fn schema_name() -> Cow<'static, str> {
                    <$other>::schema_name()
                }

                fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                    <$other>::json_schema(generator)
                }

                fn inline_schema() -> bool {
                    $is_inline
                }
            }
        };
    }

    same_schema!(MaybeFloat, Option<Float>, true);
    same_schema!(Rows, Vec<Vec<Option<Float>>>, false);

    impl JsonSchema for Value {
        fn schema_name() -> Cow<'static, str> {
            "Element".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let float = generator.subschema_for::<Float>();
            let parts = json_schema!({
                "type": "object",
                "properties": { "re": float.clone(), "im": float.clone() },
                "required": ["re", "im"],
            });
            json_schema!({ "anyOf": [float, { "type": "boolean" }, parts] })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TINY: f64 = f64::from_bits(1);

    #[test]
    fn the_modulus_neither_overflows_nor_underflows() {
        assert_eq!(modulus(3.0, -4.0), 5.0);
        assert_eq!(modulus(3e300, 4e300), 5e300);
        assert_eq!(modulus(0.0, TINY), TINY);
        assert_eq!(modulus(3.0 * TINY, 4.0 * TINY), 5.0 * TINY);
        assert_eq!(modulus(f64::INFINITY, f64::NAN), f64::INFINITY);
        assert!(modulus(f64::NAN, 0.0).is_nan());
    }

    fn read_back(value: Value) -> Value {
        let text = serde_json::to_string(&value).expect("it serializes");
        let mut read = serde_json::from_str(&text).expect("it deserializes");
        ElementType::of(value).restore(&mut read).expect("its own type");
        read
    }

    /// Returns the bits of a value; all NaNs are the same.
    fn bits(value: Value) -> (u64, u64, i128) {
        let bits = |x: f64| if x.is_nan() { u64::MAX } else { x.to_bits() };
        match value {
            Value::Bool(x) => (1, 0, x.into()),
            Value::Integer(x) => (2, 0, x),
            Value::Float32(x) => (3, bits(x.into()), 0),
            Value::Float64(x) => (4, bits(x), 0),
            Value::Complex(x) => (bits(x.re), bits(x.im), 5),
        }
    }

    proptest! {
        #[test]
        fn every_element_is_read_back_bit_for_bit(single: u32, double: u64, other: u64, integer: i64, large: u64) {
            let (single, double) = (f32::from_bits(single), f64::from_bits(double));
            for value in [
                Value::Float32(single),
                Value::Float64(double),
                Value::Float64(single.into()),
                Value::Complex(Complex::new(double, f64::from_bits(other))),
                Value::Integer(integer.into()),
                Value::Integer(large.into()),
                Value::Bool(large % 2 == 0),
            ] {
                prop_assert_eq!(bits(read_back(value)), bits(value));
            }
        }
    }

    #[test]
    fn special_floats_are_read_back_bit_for_bit() {
        for x in [0.0, -0.0, f64::MIN_POSITIVE, 5e-324, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e23] {
            assert_eq!(bits(read_back(Value::Float64(x))), bits(Value::Float64(x)), "{x}");
            assert_eq!(bits(read_back(Value::Float32(x as f32))), bits(Value::Float32(x as f32)), "{x}");
        }
    }

    #[test]
    fn invalid_elements_are_refused() {
        for text in ["\"NaN\"", "null", "[1]", "{\"re\": 1}"] {
            assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Number>("true").is_err());
        assert!(ElementType::Float32.restore(&mut Value::Bool(true)).is_err());
    }

    #[test]
    fn a_pair_has_as_many_digits_as_it_takes() {
        assert_eq!(format_pair(Value::Float32(0.1), Value::Float32(0.2)), ["0.1", "0.2"]);
        assert_eq!(format_pair(Value::Float32(0.1), Value::Float64(0.1)), ["0.10000000149011612", "0.1"]);
    }

    fn near(value: f64) -> impl Strategy<Value = f64> {
        (-3i64..=3, 0u32..52)
            .prop_map(move |(steps, size)| f64::from_bits(value.to_bits().wrapping_add_signed(steps << size)))
    }

    proptest! {
        #[test]
        fn different_values_never_print_alike(left in any::<f32>(), right in any::<f32>().prop_flat_map(|x| near(x.into()))) {
            for (one, other) in [
                (Value::Float32(left), Value::Float64(right)),
                                (Value::Float32(right as f32), Value::Float64(right)),
                (Value::Float64(right), Value::Float32(right as f32)),
                (Value::Integer(right as i128), Value::Float64(right)),
            ] {
                let texts = format_pair(one, other);
                let is_same = one.to_f64() == other.to_f64() || one.to_f64().is_nan();
                prop_assert!(is_same || texts[0] != texts[1], "{one:?} and {other:?}: {}", texts[0]);
            }
        }
    }
}
