//! The format of `case.json` and `suite.json`: one type to read, merge and write them, and to generate the JSON Schema.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use crate::compare::NanRule;
use crate::error::{Error, Result};
use crate::fs::{Lookup, TEXT_LIMIT, read_regular};
use crate::tensor::{DType, Pointer};
use crate::text::name::nearest;
use crate::text::safe;

/// The format version that this karat writes, and the latest that it reads.
pub(super) const FORMAT: u64 = 1;

/// A field of a file: absent, `null`, which removes a default, or a value.
pub(crate) type Field<T> = Option<Option<T>>;

/// A field that is an object with named entries.
pub(crate) type Entries<T> = Field<BTreeMap<String, T>>;

/// A `case.json`: one checkpoint, its inputs, its reference outputs. A `suite.json` has the same fields, as defaults for the
/// cases below its folder.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default, expecting = "an object")]
pub(crate) struct CaseFile {
    /// The location of the JSON Schema of this file, for editors; karat does not read it.
    #[serde(rename = "$schema", skip_serializing_if = "Option::is_none")]
    pub(crate) schema: Option<Value>,
    /// The format version: 1. Required, here or in a suite.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", schemars(range(min = 1, max = 1)))]
    pub(crate) karat: Option<u64>,
    /// The computation under test, by the name that an executor registers. Required, here or in a suite.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) checkpoint: Field<String>,
    /// The parameters of the checkpoint that are not tensors, such as `eps`.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) params: Entries<Value>,
    /// The tensors that the checkpoint receives, by name. File names in a suite are relative to each case.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) inputs: Entries<Option<InputField>>,
    /// The reference tensors that the outputs are compared with, by name. Without any, the outputs are compared with the
    /// snapshot only. File names in a suite are relative to each case.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) outputs: Entries<Option<OutputField>>,
    /// The tolerance of each output; `*` applies to every output without an entry of its own.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) tolerance: Entries<Option<Limits>>,
    /// The tolerance of each output in a chained run, where inputs are the actual outputs of earlier cases. An output without
    /// an entry, its own or `*`, is not checked there.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) chained: Entries<Option<Limits>>,
    /// Whether NaN matches NaN, in every output that does not set `nan` itself.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) nan: Field<NanRule>,
    /// The time limit of the case, in seconds.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 18_446_744_073_709_551_616.0)))]
    pub(crate) timeout: Field<f64>,
    /// The reason for skipping the case.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", schemars(extend("pattern" = r"\S")))]
    pub(crate) skip: Field<String>,
    /// The origin of the goldens: framework and version, model and revision, dtype, seed, command, sha256 of the weights.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Entries<Value>,
}

/// An input: `"file"`, `"file#name"`, or an object with more fields.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema), schemars(transform = or_text))]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct InputField {
    /// The dtype of a tensor whose dtype npy cannot name: `bf16`, `f8_e4m3`, `f8_e5m2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dtype: Option<DType>,
    /// The case and output that this input is in the real pipeline: `suite/case:output`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    /// The file, or `file#name` for a member of an npz or safetensors file, relative to the case.
    pub(crate) tensor: String,
}

/// An output: `"file"`, `"file#name"`, or an object with more fields.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema), schemars(transform = or_text))]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct OutputField {
    /// The dtype of the actual tensor, if it differs from the reference's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cast: Option<DType>,
    /// The dtype of a tensor whose dtype npy cannot name: `bf16`, `f8_e4m3`, `f8_e5m2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dtype: Option<DType>,
    /// Declares that the tensor is empty.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) empty: bool,
    /// Whether NaN matches NaN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nan: Option<NanRule>,
    /// Further references of integers; the output passes if it equals any one of them. For example, for a token whose two
    /// best logits are closer than the noise.
    #[serde(default, rename = "or", skip_serializing_if = "Vec::is_empty")]
    pub(crate) alternatives: Vec<String>,
    /// The reference: the file, or `file#name` for a member of an npz or safetensors file, relative to the case.
    pub(crate) tensor: String,
    /// A boolean tensor of the same shape: elements where it is false are excluded from the comparison and the summary.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub(crate) mask: Option<String>,
}

/// The tolerance of one output. `atol` and `rtol` are set together or not at all.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema), schemars(transform = both_or_neither))]
#[serde(deny_unknown_fields, default, expecting = "an object")]
pub struct Limits {
    /// The absolute part.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", schemars(range(min = 0.0)))]
    pub(crate) atol: Option<f64>,
    /// The part relative to the magnitude of the reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", schemars(range(min = 0.0)))]
    pub(crate) rtol: Option<f64>,
    /// How many elements may be outside the tolerance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outliers: Option<u64>,
    /// An additional limit on the difference of each element, in ULPs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_ulps: Option<u64>,
    /// An additional limit on the RMSE, as a fraction of the reference's RMS.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", schemars(range(min = 0.0)))]
    pub(crate) max_rel_rms: Option<f64>,
}

/// Reads a field that is present: `null` is not the same as absent.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Field<T>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl CaseFile {
    /// Overrides these fields with those of a nearer file: objects are merged by key, other values are replaced.
    pub(super) fn merge(&mut self, nearer: &CaseFile) {
        let CaseFile {
            schema: _,
            karat,
            checkpoint,
            params,
            inputs,
            outputs,
            tolerance,
            chained,
            nan,
            timeout,
            skip,
            reference,
        } = nearer;
        replace(&mut self.karat, karat);
        replace(&mut self.checkpoint, checkpoint);
        replace(&mut self.nan, nan);
        replace(&mut self.timeout, timeout);
        replace(&mut self.skip, skip);
        extend(&mut self.params, params);
        extend(&mut self.inputs, inputs);
        extend(&mut self.outputs, outputs);
        extend(&mut self.reference, reference);
        extend_tolerance(&mut self.tolerance, tolerance);
        extend_tolerance(&mut self.chained, chained);
    }
}

fn replace<T: Clone>(farther: &mut Option<T>, nearer: &Option<T>) {
    if nearer.is_some() {
        farther.clone_from(nearer);
    }
}

fn extend<T: Clone>(farther: &mut Entries<T>, nearer: &Entries<T>) {
    match (&mut *farther, nearer) {
        (Some(Some(entries)), Some(Some(nearer))) => {
            entries.extend(nearer.iter().map(|(name, entry)| (name.clone(), entry.clone())));
        }
        _ => replace(farther, nearer),
    }
}

/// A `*` in the nearer file also overrides the entries of the farther one.
fn extend_tolerance<T: Clone>(farther: &mut Entries<T>, nearer: &Entries<T>) {
    match nearer {
        Some(Some(entries)) if entries.contains_key("*") => farther.clone_from(nearer),
        _ => extend(farther, nearer),
    }
}

/// Implements serde for an object that may also be written as its `tensor` alone.
macro_rules! text_or_object {
    ($($field:ident)*) => {$(
        impl $field {
            /// Returns a field with that tensor and no other settings.
            pub(crate) fn new(tensor: &str) -> $field {
                $field { tensor: tensor.to_owned(), ..$field::default() }
            }
        }

        impl<'de> Deserialize<'de> for $field {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$field, D::Error> {
                struct TextOrObject;

                impl<'de> Visitor<'de> for TextOrObject {
                    type Value = $field;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("text or an object")
                    }

                    fn visit_str<E>(self, tensor: &str) -> Result<$field, E> {
                        Ok($field::new(tensor))
                    }

                    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<$field, A::Error> {
                        $field::deserialize(MapAccessDeserializer::new(object))
                    }
                }
                deserializer.deserialize_any(TextOrObject)
            }
        }

        impl Serialize for $field {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match *self == $field::new(&self.tensor) {
                    true => serializer.serialize_str(&self.tensor),
                    false => $field::serialize(self, serializer),
                }
            }
        }
    )*};
}

text_or_object! { InputField OutputField }

/// Makes the schema accept a plain string instead of the object.
#[cfg(feature = "cli")]
fn or_text(schema: &mut schemars::Schema) {
    let object = std::mem::take(schema);
    *schema = schemars::json_schema!({ "anyOf": [{ "type": "string" }, object] });
}

/// Makes the schema refuse `atol` without `rtol` and the reverse.
#[cfg(feature = "cli")]
fn both_or_neither(schema: &mut schemars::Schema) {
    let each = |kind: &str| serde_json::json!({ "atol": { "type": kind }, "rtol": { "type": kind } });
    let pair = serde_json::json!([
        { "required": ["atol", "rtol"], "properties": each("number") },
        { "properties": each("null") },
    ]);
    schema.insert("anyOf".to_owned(), pair);
}

/// The fields of one file.
pub(super) struct Layer {
    pub(super) file: PathBuf,
    pub(super) fields: CaseFile,
    /// The fields that it sets, and their entries: `outputs`, `outputs.y`.
    places: BTreeSet<String>,
}

impl Layer {
    /// Reads a file; `None` if it does not exist.
    pub(super) fn read(file: &Path) -> Result<Option<Layer>> {
        let wrong = |what: String| Error::Case { path: file.to_path_buf(), what };
        let Some(object) = read_object(file)? else { return Ok(None) };
        let places = object.iter().flat_map(|(field, value)| {
            let entries = value.as_object().into_iter().flat_map(Map::keys);
            entries.map(move |entry| format!("{field}.{entry}")).chain([field.clone()])
        });
        let places = places.collect();
        let fields: CaseFile =
            serde_path_to_error::deserialize(Value::Object(object)).map_err(|error| wrong(describe(&error)))?;
        match fields.karat {
            None | Some(1..=FORMAT) => Ok(Some(Layer { file: file.to_path_buf(), fields, places })),
            Some(other) => Err(wrong(format!("karat: version {other} is not supported; this karat reads {FORMAT}"))),
        }
    }

    /// Returns whether the file sets that field, or that entry of one.
    pub(super) fn sets(&self, place: &str) -> bool {
        self.places.contains(place)
    }
}

/// Describes an error of serde, with the path of the field; for an unknown field with the nearest known one.
fn describe(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let message = error.inner().to_string();
    let mut path: Vec<&Segment> = error.path().iter().collect();
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.rsplit_once("`, expected "));
    let what = match unknown {
        None => message.clone(),
        Some((name, known)) => {
            path.pop();
            let known: Vec<&str> = known.split('`').skip(1).step_by(2).filter(|name| !name.starts_with('$')).collect();
            match nearest(name, known.iter().copied()) {
                _ if name.len() > 200 => format!("unknown field of {} bytes", name.len()),
                Some(near) => format!("unknown field `{name}`; did you mean `{near}`?"),
                None => format!("unknown field `{name}`; known fields are {}", known.join(", ")),
            }
        }
    };
    let mut place = String::new();
    for (depth, segment) in path.into_iter().enumerate() {
        match segment {
            Segment::Seq { index } => place += &format!("[{index}]"),
            other => place += &format!("{}{}", ["", ".", ": "][depth.min(2)], safe::escape_name(&other.to_string())),
        }
    }
    if place.is_empty() { what } else { format!("{place}: {what}") }
}

/// Reads the JSON object in that file; `None` if the file does not exist.
fn read_object(file: &Path) -> Result<Option<Map<String, Value>>> {
    let wrong = |what: String| Error::Case { path: file.to_path_buf(), what };
    let bytes = match read_regular(file, TEXT_LIMIT).map_err(|error| Error::read(file, error))? {
        Lookup::File(bytes) => bytes,
        Lookup::Unusable(what) => return Err(wrong(what)),
        // A dangling link is not the same as no file: its defaults would be lost.
        Lookup::Missing => {
            let Ok(target) = fs::read_link(file) else { return Ok(None) };
            return Err(wrong(Pointer::describe_link(&target, "file")));
        }
    };
    if let Some(pointer) = Pointer::of(&bytes) {
        return Err(wrong(pointer.describe("file")));
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| wrong(format!("is not UTF-8: {error}")))?;
    // Some editors start a file with a byte order mark.
    let text = text.trim_start_matches('\u{feff}');
    match serde_json::from_str(text) {
        Ok(Strict(Value::Object(mut object))) => {
            // Only parameters need exact integers: an `atol` written as a huge integer is still a number.
            if let Cow::Owned(text) = quote_wide(text)
                && let (Some(params), Ok(Value::Object(mut exact))) = (object.get_mut("params"), read_value(&text))
            {
                *params = exact.remove("params").unwrap_or_default();
            }
            Ok(Some(object))
        }
        Ok(_) => Err(wrong("is JSON, but not an object".to_owned())),
        // serde_json's message already ends in "at line L column C".
        Err(error) if error.is_data() => Err(wrong(error.to_string())),
        Err(error) => Err(wrong(format!("is not JSON: {error}"))),
    }
}

/// Parses a JSON text. An integer that does not fit into 64 bits becomes a string of its digits, because any number type
/// would change it.
pub(crate) fn read_value(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(&quote_wide(text)).map(|Strict(value)| value)
}

/// Puts quotes around the integers that do not fit into 64 bits.
fn quote_wide(text: &str) -> Cow<'_, str> {
    let mut quoted = String::new();
    let mut copied = 0;
    for (at, number) in numbers(text).filter(|(_, number)| is_wide(number)) {
        quoted += &text[copied..at];
        quoted += &format!("\"{number}\"");
        copied = at + number.len();
    }
    if copied == 0 { text.into() } else { (quoted + &text[copied..]).into() }
}

/// Returns the numbers in a JSON text, and anything that looks like one, with their offsets.
pub(crate) fn numbers(json: &str) -> impl Iterator<Item = (usize, &str)> {
    let (mut is_text, mut is_escaped, mut start) = (false, false, None);
    let words = json.bytes().chain([b' ']).enumerate().filter_map(move |(at, byte)| {
        let is_part = !is_text && (byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        is_text ^= byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        match is_part {
            true => {
                start.get_or_insert(at);
                None
            }
            false => start.take().map(|start| (start, &json[start..at])),
        }
    });
    words.filter(|(_, word)| word.starts_with(|c: char| c == '-' || c.is_ascii_digit()))
}

/// Returns whether a text is a JSON integer that does not fit into 64 bits.
pub(crate) fn is_wide(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    let is_integer = !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_integer && number.parse::<u64>().is_err() && number.parse::<i64>().is_err()
}

/// Any JSON. Duplicate fields are refused: serde_json would silently use the last.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Strict, D::Error> {
        struct Any;

        macro_rules! visit_scalars {
            ($($visit:ident: $scalar:ty),*) => {$(
                fn $visit<E>(self, value: $scalar) -> Result<Value, E> {
                    Ok(value.into())
                }
            )*};
        }

        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            visit_scalars! {
                visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str
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
                        return Err(A::Error::custom(format_args!("`{name}` occurs twice")));
                    }
                    let Strict(value) = fields.next_value()?;
                    object.insert(name, value);
                }
                Ok(object.into())
            }
        }
        deserializer.deserialize_any(Any).map(Strict)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Merges the files, each nearer than the one before.
    fn merged<const N: usize>(files: [Value; N]) -> Value {
        let mut merged = CaseFile::default();
        for file in files {
            merged.merge(&serde_json::from_value(file).expect("a valid file"));
        }
        serde_json::to_value(merged).expect("valid JSON")
    }

    #[test]
    fn objects_merge_by_key_and_the_nearest_entry_replaces_the_others() {
        let suite = json!({ "checkpoint": "a", "tolerance": { "y": { "atol": 1.0, "rtol": 0.0 }, "z": {} } });
        let case = json!({ "checkpoint": "b", "tolerance": { "y": { "max_ulps": 4 } } });
        let both = json!({ "checkpoint": "b", "tolerance": { "y": { "max_ulps": 4 }, "z": {} } });
        assert_eq!(merged([suite, case]), both);
    }

    #[test]
    fn a_nearer_star_overrides_the_tolerance_of_one_output() {
        let suite = json!({ "tolerance": { "y": { "atol": 10.0, "rtol": 0.0 } } });
        let case = json!({ "tolerance": { "*": { "atol": 1.0, "rtol": 0.0 } } });
        assert_eq!(merged([suite, case.clone()]), case);
    }

    #[test]
    fn a_nearer_null_overrides_a_value() {
        let suite = json!({ "skip": "slow", "params": { "seed": 1 }, "outputs": { "y": "y.npy", "z": "z.npy" } });
        let case = json!({ "skip": null, "params": { "seed": null }, "outputs": { "z": null } });
        let both = json!({ "skip": null, "params": { "seed": null }, "outputs": { "y": "y.npy", "z": null } });
        assert_eq!(merged([suite, case]), both);
    }

    #[test]
    fn a_tensor_without_other_settings_is_written_as_a_string() {
        let written = |field: InputField| serde_json::to_string(&field).expect("valid JSON");
        assert_eq!(written(InputField::new("x.npy")), r#""x.npy""#);
        let declared = InputField { dtype: Some(DType::BF16), ..InputField::new("x.npy") };
        assert_eq!(written(declared), r#"{"dtype":"bf16","tensor":"x.npy"}"#);
    }

    #[test]
    fn an_integer_that_does_not_fit_into_64_bits_becomes_a_string() {
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

#[cfg(all(test, feature = "cli"))]
mod schema_tests {
    //! The schema accepts exactly what the reader accepts, as far as a schema can express it.
    //!
    //! A schema cannot relate one field to another, or to another file: that a tolerance is for an output, that a case or a suite
    //! above it sets the format version and the checkpoint ([`INEXPRESSIBLE`]). Nor can it check a string beyond its type: that an
    //! address stays inside the root, that `from` is a case and its output, that a name is a valid file name everywhere, or a
    //! length in bytes. And JSON Schema accepts `2.0` as an integer, which serde does not. The documents here avoid all of these.

    use proptest::prelude::*;
    use proptest::sample::select;
    use serde_json::json;

    use super::*;
    use crate::case::{Case, CaseId};

    /// Parts of the reader's errors about what a schema cannot express.
    const INEXPRESSIBLE: [&str; 2] = ["there is no such output", "is missing; "];

    /// Returns valid and invalid values of a field.
    fn values(field: &str) -> Vec<Value> {
        let maps = |entries: Vec<Value>| {
            let entries = entries.into_iter().map(|entry| json!({ "y": entry }));
            entries.chain([json!({}), json!(null), json!([]), json!("y.npy"), json!(1)]).collect()
        };
        let tensor = |more: Vec<Value>| {
            let objects = more.into_iter().map(|mut more| {
                more["tensor"] = json!("y.npz#y");
                more
            });
            let others = [json!("y.npy"), json!(null), json!(1), json!([]), json!({}), json!({ "tensor": null })];
            maps(objects.chain(others).collect())
        };
        match field {
            "$schema" => vec![json!("x"), json!(1), json!(null), json!({})],
            "karat" => vec![json!(1), json!(null), json!(0), json!(2), json!(-1), json!(1.5), json!("1"), json!([])],
            "checkpoint" => vec![json!("c"), json!(null), json!(1), json!({})],
            "params" | "reference" => {
                vec![json!({}), json!({ "a": null, "b": [1, "x", { "c": 1.5 }] }), json!(null), json!([]), json!("x")]
            }
            "inputs" => tensor(vec![
                json!({}),
                json!({ "from": "a/b:y" }),
                json!({ "from": null, "dtype": null }),
                json!({ "from": 1 }),
                json!({ "dtype": "bf16" }),
                json!({ "dtype": "float" }),
                json!({ "dtype": 16 }),
                json!({ "form": "a/b:y" }),
                json!({ "where": "m.npy" }),
            ]),
            "outputs" => tensor(vec![
                json!({}),
                json!({ "or": [] }),
                json!({ "or": ["z.npy", "w.npy"] }),
                json!({ "or": null }),
                json!({ "or": "z.npy" }),
                json!({ "or": [1] }),
                json!({ "where": "m.npy" }),
                json!({ "where": null }),
                json!({ "where": true }),
                json!({ "cast": "f16", "dtype": "f8_e4m3" }),
                json!({ "cast": "half" }),
                json!({ "nan": "match" }),
                json!({ "nan": null }),
                json!({ "nan": "Match" }),
                json!({ "empty": true }),
                json!({ "empty": null }),
                json!({ "empty": 1 }),
                json!({ "from": "a/b:y" }),
            ]),
            "tolerance" | "chained" => {
                let numbers =
                    [None, Some(json!(null)), Some(json!(0)), Some(json!(1e-3)), Some(json!(-1)), Some(json!("1"))];
                let pairs = numbers.iter().flat_map(|atol| numbers.iter().map(move |rtol| (atol, rtol)));
                let pairs = pairs.map(|(atol, rtol)| {
                    let each = [("atol", atol), ("rtol", rtol)];
                    each.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect()
                });
                let counts = ["outliers", "max_ulps"].into_iter().flat_map(|name| {
                    [json!(0), json!(3), json!(null), json!(-1), json!(0.5), json!("3")]
                        .map(|count| json!({ name: count }))
                });
                let shares =
                    [json!(0.1), json!(null), json!(-0.1), json!(true)].map(|share| json!({ "max_rel_rms": share }));
                maps(
                    pairs
                        .chain(counts)
                        .chain(shares)
                        .chain([json!(null), json!({ "atoll": 1 }), json!(1e-3)])
                        .collect(),
                )
            }
            "nan" => vec![json!("match"), json!("mismatch"), json!(null), json!("maybe"), json!(true)],
            "timeout" => vec![json!(1), json!(0.5), json!(null), json!(0), json!(-1), json!(1e30), json!("1")],
            "skip" => vec![json!("slow"), json!(null), json!(""), json!(" "), json!(1)],
            _ => vec![json!(null), json!(1)],
        }
    }

    const FIELDS: [&str; 13] = [
        "$schema",
        "karat",
        "checkpoint",
        "params",
        "inputs",
        "outputs",
        "tolerance",
        "chained",
        "nan",
        "timeout",
        "skip",
        "reference",
        "tolerence",
    ];

    /// Returns whether the reader accepts a document as that file of the case `s/c`, next to a valid file of the other kind;
    /// `None` if it refuses something that a schema cannot express.
    fn is_read(document: &Value, file: &str) -> Option<bool> {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("s/c")).expect("folders");
        let valid = json!({ "karat": 1, "checkpoint": "c" });
        for name in ["s/suite.json", "s/c/case.json"] {
            let content = if name.ends_with(file) { document } else { &valid };
            fs::write(root.path().join(name), content.to_string()).expect("a file");
        }
        match Case::load(root.path(), &CaseId::new("s/c").expect("an id")) {
            Ok(_) => Some(true),
            Err(error) => {
                let message = error.to_string();
                (!INEXPRESSIBLE.iter().any(|part| message.contains(part))).then_some(false)
            }
        }
    }

    fn validator() -> jsonschema::Validator {
        let schema = serde_json::to_value(schemars::schema_for!(CaseFile)).expect("a schema is JSON");
        jsonschema::validator_for(&schema).expect("a valid schema")
    }

    #[test]
    fn schema_and_reader_agree_on_every_value_of_every_field() {
        let validator = validator();
        let mut counts = [0, 0];
        for field in FIELDS {
            for value in values(field) {
                let document = json!({ field: value });
                for file in ["suite.json", "case.json"] {
                    let Some(is_read) = is_read(&document, file) else { continue };
                    assert_eq!(validator.is_valid(&document), is_read, "{file}: {document}");
                    counts[usize::from(is_read)] += 1;
                }
            }
        }
        assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
    }

    proptest! {
        #[test]
        fn schema_and_reader_agree_on_documents_of_many_fields(
            values in FIELDS.map(|field| proptest::option::weighted(0.3, select(values(field)))),
            file in select(vec!["suite.json", "case.json"]),
        ) {
            let fields = FIELDS.into_iter().zip(values);
            let document = fields.filter_map(|(field, value)| Some((field.to_owned(), value?))).collect::<Value>();
            if let Some(is_read) = is_read(&document, file) {
                prop_assert_eq!(validator().is_valid(&document), is_read, "{}: {}", file, document);
            }
        }
    }
}
