//! Numbers as JSON: exact in both directions, and a word where JSON has no number.

use std::fmt;

use num_complex::Complex;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::tensor::{DType, Kind, Value};

/// A float: a number with the fewest digits that read back the same, or a word where JSON has no number.
#[derive(Clone, Copy)]
pub(super) struct Float(pub(super) f64);

/// The words for what is no number in JSON.
const NOT_FINITE: [(&str, f64); 3] = [("nan", f64::NAN), ("inf", f64::INFINITY), ("-inf", f64::NEG_INFINITY)];

/// One element of a tensor.
#[derive(Clone, Copy)]
pub(super) enum Element {
    Bool(bool),
    Integer(i128),
    Float32(f32),
    Float64(f64),
    Complex(Complex<f64>),
}

/// What the elements of a tensor are, which their digits alone do not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(super) enum ElementType {
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
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub(super) struct JsonTypes {
    pub(super) actual: ElementType,
    pub(super) reference: ElementType,
}

impl Float {
    /// The number that the word stands for.
    fn of_word(word: &str) -> Option<Float> {
        NOT_FINITE.iter().find(|(known, _)| *known == word).map(|&(_, value)| Float(value))
    }
}

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            x if x.is_nan() => serializer.serialize_str("nan"),
            f64::INFINITY => serializer.serialize_str("inf"),
            f64::NEG_INFINITY => serializer.serialize_str("-inf"),
            x => serializer.serialize_f64(x),
        }
    }
}

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Float, D::Error> {
        match Element::deserialize(deserializer)? {
            Element::Float64(x) => Ok(Float(x)),
            // Another writer may have taken the `.0` away.
            Element::Integer(x) => Ok(Float(x as f64)),
            _ => Err(de::Error::custom("not a number, nor \"nan\", \"inf\" or \"-inf\"")),
        }
    }
}

impl From<Value> for Element {
    fn from(value: Value) -> Element {
        match value {
            Value::Bool(x) => Element::Bool(x),
            Value::Integer(x) => Element::Integer(x),
            Value::Float32(x) => Element::Float32(x),
            Value::Float64(x) => Element::Float64(x),
            Value::Complex(x) => Element::Complex(x),
        }
    }
}

impl Element {
    /// The value that was written, of a tensor with such elements.
    pub(super) fn value(self, of: ElementType) -> Result<Value, String> {
        match (self, of) {
            (Element::Bool(x), ElementType::Bool) => Ok(Value::Bool(x)),
            (Element::Integer(x), ElementType::Integer) => Ok(Value::Integer(x)),
            (Element::Complex(x), ElementType::Complex) => Ok(Value::Complex(x)),
            (Element::Integer(x), ElementType::Float32) => Ok(Value::Float32(x as f32)),
            (Element::Integer(x), ElementType::Float64) => Ok(Value::Float64(x as f64)),
            (Element::Float64(x), ElementType::Float64) => Ok(Value::Float64(x)),
            (Element::Float64(x), ElementType::Float32) => Ok(Value::Float32(single(x))),
            _ => Err(format!("an element is not {of:?}")),
        }
    }
}

impl ElementType {
    pub(super) fn of(value: Value) -> ElementType {
        match value {
            Value::Bool(_) => ElementType::Bool,
            Value::Integer(_) => ElementType::Integer,
            Value::Float32(_) => ElementType::Float32,
            Value::Float64(_) => ElementType::Float64,
            Value::Complex(_) => ElementType::Complex,
        }
    }

    /// That of the extremes of a summary, which of complex tensors are moduli.
    pub(super) fn of_summary(dtype: DType) -> ElementType {
        match (dtype, dtype.kind()) {
            (DType::Bool, _) => ElementType::Bool,
            (_, Kind::Integer) => ElementType::Integer,
            (_, Kind::Complex) | (DType::F64, _) => ElementType::Float64,
            (_, Kind::Float) => ElementType::Float32,
        }
    }
}

/// The `f32` whose digits were read as a double. It goes by the digits: rounded twice the last bit could be another.
fn single(read: f64) -> f32 {
    read.to_string().parse().unwrap_or(read as f32)
}

impl Serialize for Element {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Parts {
            re: Float,
            im: Float,
        }
        match *self {
            Element::Bool(x) => serializer.serialize_bool(x),
            Element::Integer(x) => serializer.serialize_i128(x),
            // As an f32, which has fewer digits than the same value as a double.
            Element::Float32(x) if x.is_finite() => serializer.serialize_f32(x),
            Element::Float32(x) => Float(x.into()).serialize(serializer),
            Element::Float64(x) => Float(x).serialize(serializer),
            Element::Complex(x) => Parts { re: Float(x.re), im: Float(x.im) }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Element, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

/// Takes an element for what its JSON looks like.
struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Element;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a boolean, \"nan\", \"inf\", \"-inf\", or {\"re\": .., \"im\": ..}")
    }

    fn visit_bool<E>(self, x: bool) -> Result<Element, E> {
        Ok(Element::Bool(x))
    }

    fn visit_i64<E>(self, x: i64) -> Result<Element, E> {
        Ok(Element::Integer(x.into()))
    }

    fn visit_u64<E>(self, x: u64) -> Result<Element, E> {
        Ok(Element::Integer(x.into()))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Element, E> {
        Ok(Element::Float64(x))
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Element, E> {
        let float = Float::of_word(word).ok_or_else(|| E::invalid_value(de::Unexpected::Str(word), &self))?;
        Ok(Element::Float64(float.0))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Element, A::Error> {
        #[derive(Deserialize)]
        struct Parts {
            re: Float,
            im: Float,
        }
        let Parts { re, im } = Parts::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(Element::Complex(Complex::new(re.0, im.0)))
    }
}

#[cfg(feature = "cli")]
impl schemars::JsonSchema for Float {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Float".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let words: Vec<&str> = NOT_FINITE.iter().map(|(word, _)| *word).collect();
        schemars::json_schema!({ "anyOf": [{ "type": "number" }, { "type": "string", "enum": words }] })
    }
}

#[cfg(feature = "cli")]
impl schemars::JsonSchema for Element {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Element".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let float = generator.subschema_for::<Float>();
        let parts = schemars::json_schema!({
            "type": "object",
            "properties": { "re": float.clone(), "im": float.clone() },
            "required": ["re", "im"],
        });
        schemars::json_schema!({ "anyOf": [float, { "type": "boolean" }, parts] })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_back(value: Value) -> Value {
        let text = serde_json::to_string(&Element::from(value)).expect("it is written");
        let element: Element = serde_json::from_str(&text).expect("it is read");
        element.value(ElementType::of(value)).expect("its own type")
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
            assert!(serde_json::from_str::<Element>(text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Float>("true").is_err());
        assert!(Element::Bool(true).value(ElementType::Float32).is_err());
    }
}
