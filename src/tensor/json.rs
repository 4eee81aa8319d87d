//! Numbers as JSON: exact in both directions, and a word where JSON has no number.

use std::fmt;

use num_complex::Complex;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::dtype::Value;
use super::dtype::{DType, Kind};

/// The words for what is no number in JSON.
const NOT_FINITE: [(&str, f64); 3] = [("nan", f64::NAN), ("inf", f64::INFINITY), ("-inf", f64::NEG_INFINITY)];

/// A number with the fewest digits that read back the same, or a word where JSON has no number.
#[derive(Clone, Copy)]
struct Number(f64);

/// A field that is a float: `#[serde(with = "Float")]`.
pub(crate) struct Float;

/// A field that is a float or `null`: `#[serde(with = "MaybeFloat")]`.
pub(crate) struct MaybeFloat;

/// A field of rows of floats or `null`, each on one line: `#[serde(with = "Rows")]`.
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

/// Reads a field that is `null` where it is absent. Without it serde would take one that is missing for `null`.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_this =
            |(_, known): &&(&str, f64)| known.to_bits() == self.0.to_bits() || (known.is_nan() && self.0.is_nan());
        match NOT_FINITE.iter().find(is_this) {
            Some((word, _)) => serializer.serialize_str(word),
            None => serializer.serialize_f64(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Float64(x) => Ok(Number(x)),
            // Another writer may have taken the `.0` away.
            Value::Integer(x) => Ok(Number(x as f64)),
            _ => Err(de::Error::custom("not a number, nor \"nan\", \"inf\" or \"-inf\"")),
        }
    }
}

/// A complex number.
#[derive(Serialize, Deserialize)]
struct Parts {
    #[serde(with = "Float")]
    re: f64,
    #[serde(with = "Float")]
    im: f64,
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Value::Bool(x) => serializer.serialize_bool(x),
            Value::Integer(x) => serializer.serialize_i128(x),
            // As an f32, which has fewer digits than the same value as a double.
            Value::Float32(x) if x.is_finite() => serializer.serialize_f32(x),
            Value::Float32(x) => Number(x.into()).serialize(serializer),
            Value::Float64(x) => Number(x).serialize(serializer),
            Value::Complex(Complex { re, im }) => Parts { re, im }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    /// Takes an element for what its JSON looks like: a float for a double, which `ElementType::restore` corrects.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a boolean, \"nan\", \"inf\", \"-inf\", or {\"re\": .., \"im\": ..}")
    }

    fn visit_bool<E>(self, x: bool) -> Result<Value, E> {
        Ok(Value::Bool(x))
    }

    fn visit_i64<E>(self, x: i64) -> Result<Value, E> {
        Ok(Value::Integer(x.into()))
    }

    fn visit_u64<E>(self, x: u64) -> Result<Value, E> {
        Ok(Value::Integer(x.into()))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Value, E> {
        Ok(Value::Float64(x))
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Value, E> {
        let known = NOT_FINITE.iter().find(|(known, _)| *known == word);
        known.map(|(_, x)| Value::Float64(*x)).ok_or_else(|| E::invalid_value(de::Unexpected::Str(word), &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        let Parts { re, im } = Parts::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(Value::Complex(Complex::new(re, im)))
    }
}

/// What the elements of a tensor are, which their digits alone do not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum ElementType {
    /// A boolean.
    Bool,
    /// An integer of any width.
    Integer,
    /// A float of 32 bits or fewer.
    Float32,
    /// A double.
    Float64,
    /// A complex number of two doubles or two floats.
    Complex,
}

/// The types of the elements of a pair.
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

    /// That of the extremes of a summary, which of complex tensors are moduli.
    pub(crate) fn of_summary(dtype: DType) -> ElementType {
        match (dtype, dtype.kind()) {
            (DType::Bool, _) => ElementType::Bool,
            (_, Kind::Integer) => ElementType::Integer,
            (_, Kind::Complex) | (DType::F64, _) => ElementType::Float64,
            (_, Kind::Float) => ElementType::Float32,
        }
    }

    /// Makes of what was read the element that was written.
    pub(crate) fn restore(self, element: &mut Value) -> Result<(), String> {
        *element = match (*element, self) {
            (Value::Integer(x), ElementType::Float32) => Value::Float32(x as f32),
            (Value::Integer(x), ElementType::Float64) => Value::Float64(x as f64),
            // It goes by the digits: rounded twice the last bit could be another.
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

    /// Makes of what was read of a pair what was written; `of` is what holds both.
    pub(crate) fn restore<'a>(
        types: Option<Types>,
        of: &str,
        pairs: impl IntoIterator<Item = (&'a mut Value, &'a mut Value)>,
    ) -> Result<(), String> {
        for (actual, reference) in pairs {
            let types = types.ok_or_else(|| format!("{of}.types is null, and there are elements in it"))?;
            types.actual.restore(actual)?;
            types.reference.restore(reference)?;
        }
        Ok(())
    }
}

/// The schemas of what is written by hand.
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
            let words = NOT_FINITE.map(|(word, _)| word);
            json_schema!({ "anyOf": [{ "type": "number" }, { "type": "string", "enum": words }] })
        }
    }

    impl JsonSchema for MaybeFloat {
        fn schema_name() -> Cow<'static, str> {
            Option::<Float>::schema_name()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            Option::<Float>::json_schema(generator)
        }

        fn inline_schema() -> bool {
            true
        }
    }

    impl JsonSchema for Rows {
        fn schema_name() -> Cow<'static, str> {
            Vec::<Vec<Option<Float>>>::schema_name()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            Vec::<Vec<Option<Float>>>::json_schema(generator)
        }
    }

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

    fn read_back(value: Value) -> Value {
        let text = serde_json::to_string(&value).expect("it is written");
        let mut read = serde_json::from_str(&text).expect("it is read");
        ElementType::of(value).restore(&mut read).expect("its own type");
        read
    }

    /// The bits of a value; those of a NaN are no matter.
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
    fn the_edges_are_read_back_too() {
        for x in [0.0, -0.0, f64::MIN_POSITIVE, 5e-324, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e23] {
            assert_eq!(bits(read_back(Value::Float64(x))), bits(Value::Float64(x)), "{x}");
            assert_eq!(bits(read_back(Value::Float32(x as f32))), bits(Value::Float32(x as f32)), "{x}");
        }
    }

    #[test]
    fn what_is_no_element_is_refused() {
        for text in ["\"NaN\"", "null", "[1]", "{\"re\": 1}"] {
            assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Number>("true").is_err());
        assert!(ElementType::Float32.restore(&mut Value::Bool(true)).is_err());
    }
}
