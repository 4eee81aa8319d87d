//! What the header of a safetensors file says of one tensor.

use std::cmp::Ordering;
use std::fmt;

use serde_core::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::tensor::DType;

/// A tensor in the header.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) dtype: Code,
    pub(crate) shape: Vec<usize>,
    /// Where its bytes begin and end, behind the header.
    pub(crate) data_offsets: (usize, usize),
}

/// A dtype of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    name: &'static str,
    bits: usize,
    /// What karat has for it, where it reads it.
    pub(crate) dtype: Option<DType>,
}

/// The dtypes of the format: name, bits an element, and the dtype that karat has for it.
const CODES: [(&str, usize, Option<DType>); 22] = [
    ("BOOL", 8, Some(DType::Bool)),
    ("F4", 4, None),
    ("F6_E2M3", 6, None),
    ("F6_E3M2", 6, None),
    ("U8", 8, Some(DType::U8)),
    ("I8", 8, Some(DType::I8)),
    ("F8_E5M2", 8, Some(DType::F8E5M2)),
    ("F8_E4M3", 8, Some(DType::F8E4M3)),
    ("F8_E8M0", 8, None),
    ("F8_E4M3FNUZ", 8, None),
    ("F8_E5M2FNUZ", 8, None),
    ("I16", 16, Some(DType::I16)),
    ("U16", 16, Some(DType::U16)),
    ("F16", 16, Some(DType::F16)),
    ("BF16", 16, Some(DType::BF16)),
    ("I32", 32, Some(DType::I32)),
    ("U32", 32, Some(DType::U32)),
    ("F32", 32, Some(DType::F32)),
    ("C64", 64, Some(DType::C64)),
    ("F64", 64, Some(DType::F64)),
    ("I64", 64, Some(DType::I64)),
    ("U64", 64, Some(DType::U64)),
];

/// The names alone.
const NAMES: [&str; CODES.len()] = {
    let mut names = [""; CODES.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = CODES[at].0;
        at += 1;
    }
    names
};

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match CODES.iter().find(|(name, ..)| *name == text) {
            Some(&(name, bits, dtype)) => Ok(Code { name, bits, dtype }),
            None => Err(D::Error::unknown_variant(&text, &NAMES)),
        }
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Entry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with dtype, shape and data_offsets")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
                let (mut dtype, mut shape, mut data_offsets) = (None, None, None);
                while let Some(field) = map.next_key::<String>()? {
                    match field.as_str() {
                        "dtype" => fill(&mut dtype, "dtype", map.next_value()?)?,
                        "shape" => fill(&mut shape, "shape", map.next_value()?)?,
                        "data_offsets" => fill(&mut data_offsets, "data_offsets", map.next_value()?)?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Entry {
                    dtype: dtype.ok_or_else(|| A::Error::missing_field("dtype"))?,
                    shape: shape.ok_or_else(|| A::Error::missing_field("shape"))?,
                    data_offsets: data_offsets.ok_or_else(|| A::Error::missing_field("data_offsets"))?,
                })
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

/// Puts the value of a field into its place, where there is none yet.
fn fill<T, E: Error>(place: &mut Option<T>, field: &'static str, value: T) -> Result<(), E> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::duplicate_field(field)),
    }
}

impl Entry {
    /// What is wrong with the tensor, if its bytes should begin at that offset.
    pub(crate) fn fault(&self, expected: usize) -> Option<String> {
        let Entry { dtype, shape, data_offsets: (start, end) } = self;
        let elements = shape.iter().try_fold(1usize, |elements, &extent| elements.checked_mul(extent));
        let bits = elements.and_then(|elements| elements.checked_mul(dtype.bits));
        match (start.cmp(&expected), bits) {
            _ if end < start => Some(format!("ends at offset {end}, before it begins at {start}")),
            (Ordering::Less, _) => {
                Some(format!("begins at offset {start}, in the tensor before it, which ends at {expected}"))
            }
            (Ordering::Greater, _) => {
                Some(format!("begins at offset {start}, and no tensor has the bytes from {expected}"))
            }
            (_, None) => Some(format!("claims {dtype} {shape:?}, which no machine can hold")),
            (_, Some(bits)) if bits % 8 != 0 => {
                Some(format!("is {dtype} {shape:?}, {bits} bits, which is no whole number of bytes"))
            }
            (_, Some(bits)) if bits / 8 != end - start => {
                Some(format!("is {dtype} {shape:?}, {} bytes, and its offsets span {}", bits / 8, end - start))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(name: &str) -> Code {
        serde_json::from_value(name.into()).expect("a name of the format")
    }

    #[test]
    fn elements_that_end_within_a_byte_are_refused() {
        let entry = |extent| Entry { dtype: code("F4"), shape: vec![extent], data_offsets: (0, 1) };
        assert_eq!(entry(2).fault(0), None);
        assert_eq!(entry(3).fault(0).as_deref(), Some("is F4 [3], 12 bits, which is no whole number of bytes"));
    }

    #[test]
    fn every_dtype_takes_as_many_bytes_in_the_file_as_in_memory() {
        for (name, bits, dtype) in CODES {
            assert_eq!(code(name), Code { name, bits, dtype });
            assert!(dtype.is_none_or(|dtype| dtype.size() * 8 == bits), "{name}");
        }
        assert_eq!(NAMES.len() - CODES.iter().filter(|(.., dtype)| dtype.is_some()).count(), 6);
    }

    #[test]
    fn an_entry_has_each_of_its_fields_once_and_others_besides() {
        let read = |json: &str| serde_json::from_str::<Entry>(json).map_err(|error| error.to_string());
        let whole = read(r#"{"shape": [2], "data_offsets": [0, 8], "dtype": "F32", "more": {}}"#).expect("an entry");
        assert_eq!((whole.dtype, whole.shape, whole.data_offsets), (code("F32"), vec![2], (0, 8)));
        for (json, said) in [
            (r#"{"shape": [2], "data_offsets": [0, 8]}"#, "missing field `dtype`"),
            (r#"{"dtype": "F32", "dtype": "F32"}"#, "duplicate field `dtype`"),
            (r#"{"dtype": "F33"}"#, "unknown variant `F33`, expected one of `BOOL`, `F4`, "),
            (r#"{"data_offsets": [0]}"#, "invalid length 1"),
            ("[]", "expected an object with dtype, shape and data_offsets"),
        ] {
            let error = read(json).expect_err(json);
            assert!(error.contains(said), "{error}");
        }
    }
}
