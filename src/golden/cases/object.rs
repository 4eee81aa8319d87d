//! Reading a file that is one JSON object, in which no field is there twice.

use std::path::Path;
use std::{fmt, fs};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::golden::pointer::Pointer;
use crate::golden::regular::{self, Found};

/// The JSON object in that file, or `None` where there is no such file.
pub(super) fn read_object(file: &Path) -> Result<Option<Map<String, Value>>> {
    let wrong = |what: String| Error::Case { path: file.to_path_buf(), what };
    let bytes = match regular::read(file).map_err(|error| Error::read(file, error))? {
        Found::File(bytes) => bytes,
        Found::Other(other) => return Err(wrong(format!("is {other}, not a file"))),
        // Defaults that are out of reach are not the same as none.
        Found::Dangling => {
            let target = fs::read_link(file).map_err(|error| Error::read(file, error))?;
            return Err(wrong(match Pointer::at(&target) {
                Some(pointer) => pointed(pointer),
                None => format!("is a link to {}, which is not there", target.display()),
            }));
        }
        Found::Nothing => return Ok(None),
    };
    if let Some(pointer) = Pointer::of(&bytes) {
        return Err(wrong(pointed(pointer)));
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| wrong(format!("is not UTF-8: {error}")))?;
    // Some editors begin a file with a mark of its encoding.
    match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
        Ok(Strict(Value::Object(object))) => Ok(Some(object)),
        Ok(_) => Err(wrong("holds JSON, but no object".to_owned())),
        // serde_json's own text ends in "at line L column C".
        Err(error) if error.is_data() => Err(wrong(error.to_string())),
        Err(error) => Err(wrong(format!("is not JSON: {error}"))),
    }
}

fn pointed(pointer: Pointer) -> String {
    format!("is a {pointer} in place of the file; run `{}`", pointer.remedy())
}

/// Any JSON. A field that is there twice is refused: of the two serde_json would silently keep the last.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Strict, D::Error> {
        deserializer.deserialize_any(Any).map(Strict)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(element)) = elements.next_element()? {
            array.push(element);
        }
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("`{name}` is there twice")));
            }
            let Strict(value) = fields.next_value()?;
            object.insert(name, value);
        }
        Ok(object.into())
    }
}
