//! Reading a file that is one JSON object, in which no field is there twice.

use std::borrow::Cow;
use std::path::Path;
use std::{fmt, fs};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::fs::regular::{Found, TEXT_LIMIT, read};
use crate::tensor::pointer::Pointer;

/// The JSON object in that file, or `None` where there is no such file.
pub(crate) fn read_object(file: &Path) -> Result<Option<Map<String, Value>>> {
    let wrong = |what: String| Error::Case { path: file.to_path_buf(), what };
    let bytes = match read(file, TEXT_LIMIT).map_err(|error| Error::read(file, error))? {
        Found::File(bytes) => bytes,
        Found::Other(what) => return Err(wrong(what)),
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
    let text = text.trim_start_matches('\u{feff}');
    match serde_json::from_str(text) {
        Ok(Strict(Value::Object(mut object))) => {
            // What is not a parameter is a number in any case: an `atol` may be written as an integer.
            if let Cow::Owned(text) = quote_wide(text)
                && let (Some(params), Ok(Value::Object(mut exact))) = (object.get_mut("params"), read_value(&text))
            {
                *params = exact.remove("params").unwrap_or_default();
            }
            Ok(Some(object))
        }
        Ok(_) => Err(wrong("holds JSON, but no object".to_owned())),
        // serde_json's own text ends in "at line L column C".
        Err(error) if error.is_data() => Err(wrong(error.to_string())),
        Err(error) => Err(wrong(format!("is not JSON: {error}"))),
    }
}

fn pointed(pointer: Pointer) -> String {
    format!("is a {pointer} in place of the file; run `{}`", pointer.remedy())
}

/// The value of a JSON text in which an integer that 64 bits cannot hold is its digits as text: any other number would be
/// another integer.
pub(crate) fn read_value(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(&quote_wide(text)).map(|Strict(value)| value)
}

/// The text with quotes around the integers that 64 bits cannot hold.
fn quote_wide(text: &str) -> Cow<'_, str> {
    /// No shorter one is wide.
    const DIGITS: usize = 19;
    let mut quoted = String::new();
    let mut copied = 0;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                while let Some((_, byte)) = bytes.next().filter(|(_, byte)| *byte != b'"') {
                    if byte == b'\\' {
                        bytes.next();
                    }
                }
            }
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                let length = text.as_bytes()[at..].iter().take_while(|byte| is_part(byte)).count();
                let number = &text[at..at + length];
                if length > 1 {
                    bytes.nth(length - 2);
                }
                if length >= DIGITS && is_wide(number) {
                    quoted += &text[copied..at];
                    quoted += &format!("\"{number}\"");
                    copied = at + length;
                }
            }
            _ => {}
        }
    }
    if copied == 0 { text.into() } else { (quoted + &text[copied..]).into() }
}

/// Whether a text is an integer as JSON writes one, and 64 bits cannot hold it.
pub(crate) fn is_wide(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    let is_integer = !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_integer && number.parse::<u64>().is_err() && number.parse::<i64>().is_err()
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
                let name: String = name.chars().take(64).collect();
                return Err(A::Error::custom(format_args!("`{name}` is there twice")));
            }
            let Strict(value) = fields.next_value()?;
            object.insert(name, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_that_64_bits_cannot_hold_is_text() {
        for (text, expected) in [
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551616", "\"18446744073709551616\""),
            ("-9223372036854775808", "-9223372036854775808"),
            ("-9223372036854775809", "\"-9223372036854775809\""),
            ("[1, 100000000000000000000]", "[1,\"100000000000000000000\"]"),
            (
                "{\"18446744073709551616\": \"a\\\" 18446744073709551616\"}",
                "{\"18446744073709551616\":\"a\\\" 18446744073709551616\"}",
            ),
            ("100000000000000000000.5", "1e+20"),
            ("100000000000000000000e1", "1e+21"),
        ] {
            assert_eq!(read_value(text).expect("JSON").to_string(), expected, "{text}");
        }
        for text in ["018446744073709551616", "-", "\"", "\"\\", "18446744073709551616x"] {
            assert!(read_value(text).is_err(), "{text}");
        }
    }
}
