//! The fields of `case.json` and `suite.json`, as they are written: what JSON Schema describes.

use std::collections::BTreeMap;

use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::fs::nearest::{ALIKE, nearest};

/// A `case.json`: one checkpoint, its inputs, its reference outputs.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// Where the JSON Schema of this file is, for an editor; karat does not read it.
    #[serde(default, rename = "$schema", skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The version of the format: 1. Required, here or in a suite.
    #[serde(default)]
    #[cfg_attr(feature = "cli", schemars(range(min = 1, max = 1)))]
    pub karat: u32,
    /// The computation under test, by the name under which an executor has it. Required, here or in a suite.
    #[serde(default)]
    pub checkpoint: String,
    /// What the checkpoint needs besides tensors, such as `eps`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    /// The tensors that the checkpoint is given, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", serialize_with = "shortly")]
    pub inputs: BTreeMap<String, InputField>,
    /// The reference tensors that its outputs are held against, by name. Without any, the snapshot alone holds the case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", serialize_with = "shortly")]
    pub outputs: BTreeMap<String, OutputField>,
    /// How much may differ, by output; `*` is every output that has no entry of its own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tolerance: BTreeMap<String, ToleranceField>,
    /// How much may differ in a chained run, where inputs are what earlier cases really produced; by output. An output
    /// without an entry, its own or `*`, is not held to anything there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub chained: BTreeMap<String, ToleranceField>,
    /// Whether NaN may match NaN in every output that does not say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nan: Option<NanField>,
    /// How many seconds the case may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", schemars(extend("exclusiveMinimum" = 0)))]
    pub timeout: Option<f64>,
    /// Why the case is not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<String>,
    /// Who made the goldens: framework and version, model and revision, dtype, seed, command, sha256 of the weights.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub reference: Map<String, Value>,
}

/// A `suite.json`: defaults for every case below its folder. Objects merge by key; the nearest wins, entry by entry.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SuiteFile {
    /// Where the JSON Schema of this file is, for an editor; karat does not read it.
    #[serde(rename = "$schema")]
    pub schema: Option<String>,
    /// The version of the format: 1.
    #[cfg_attr(feature = "cli", schemars(range(min = 1, max = 1)))]
    pub karat: Option<u32>,
    /// As in `case.json`.
    pub checkpoint: Option<String>,
    /// As in `case.json`.
    pub params: Map<String, Value>,
    /// As in `case.json`; files are still relative to each case.
    pub inputs: BTreeMap<String, InputField>,
    /// As in `case.json`; files are still relative to each case.
    pub outputs: BTreeMap<String, OutputField>,
    /// As in `case.json`.
    pub tolerance: BTreeMap<String, ToleranceField>,
    /// As in `case.json`.
    pub chained: BTreeMap<String, ToleranceField>,
    /// As in `case.json`.
    pub nan: Option<NanField>,
    /// As in `case.json`.
    #[cfg_attr(feature = "cli", schemars(extend("exclusiveMinimum" = 0)))]
    pub timeout: Option<f64>,
    /// As in `case.json`.
    pub skip: Option<String>,
    /// Who made the goldens: framework and version, model and revision, dtype, seed, command, sha256 of the weights.
    pub reference: Map<String, Value>,
}

/// An input: `"file"`, `"file#name"`, or an object that says more.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema), schemars(transform = or_text))]
#[serde(deny_unknown_fields)]
pub struct InputField {
    /// The file, or `file#name` for a member of an npz or safetensors file, relative to the case.
    pub tensor: String,
    /// The case and output that this input is in the real pipeline: `suite/case:output`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What the two or one anonymous bytes of an npy element are: `bf16`, `f8_e4m3`, `f8_e5m2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
}

/// An output: `"file"`, `"file#name"`, or an object that says more.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema), schemars(transform = or_text))]
#[serde(deny_unknown_fields)]
pub struct OutputField {
    /// The reference: the file, or `file#name` for a member of an npz or safetensors file, relative to the case.
    pub tensor: String,
    /// Further references of integers: the output may equal any of them instead, as a whole. For a token whose two best
    /// logits are closer than the noise.
    #[serde(default, rename = "or", skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<String>,
    /// A boolean tensor of the same shape: elements where it is false are neither compared nor summarised.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub mask: Option<String>,
    /// What the two or one anonymous bytes of an npy element are: `bf16`, `f8_e4m3`, `f8_e5m2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// The dtype that the actual tensor has where it is another than the reference's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cast: Option<String>,
    /// Whether NaN may match NaN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nan: Option<NanField>,
    /// Declares that the tensor is empty.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty: bool,
}

/// How much one output may differ: `atol` and `rtol` together or not at all.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ToleranceField {
    /// The absolute part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub atol: Option<f64>,
    /// The part relative to the magnitude of the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtol: Option<f64>,
    /// How many elements may be outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outliers: Option<u64>,
    /// The largest ULP difference allowed besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ulps: Option<u64>,
    /// The largest RMSE allowed besides, as a share of the reference's RMS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rel_rms: Option<f64>,
}

/// Whether NaN may match NaN.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum NanField {
    /// A NaN matches a NaN.
    Match,
    /// A NaN matches nothing, as without the field.
    Mismatch,
}

/// Writes an entry that says no more than its `tensor` as that text.
fn shortly<T: Serialize, S: Serializer>(entries: &BTreeMap<String, T>, serializer: S) -> Result<S::Ok, S::Error> {
    let short = |entry| match serde_json::to_value(entry) {
        Ok(Value::Object(mut object)) if object.len() == 1 => {
            Ok(object.remove("tensor").unwrap_or(Value::Object(object)))
        }
        value => value.map_err(S::Error::custom),
    };
    let entries: Result<BTreeMap<_, _>, _> = entries.iter().map(|(name, entry)| Ok((name, short(entry)?))).collect();
    serializer.collect_map(entries?)
}

/// The names of the fields of `case.json` and `suite.json`.
pub(crate) const CASE: &[&str] = &[
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
];
/// The names of the fields of an input.
pub(crate) const INPUT: &[&str] = &["tensor", "from", "dtype"];
/// The names of the fields of an output.
pub(crate) const OUTPUT: &[&str] = &["tensor", "or", "where", "dtype", "cast", "nan", "empty"];
/// The names of the fields of a tolerance.
pub(crate) const TOLERANCE: &[&str] = &["atol", "rtol", "outliers", "max_ulps", "max_rel_rms"];

/// Lets the schema take plain text where the object would hold a `tensor` alone.
#[cfg(feature = "cli")]
fn or_text(schema: &mut schemars::Schema) {
    let object = std::mem::take(schema);
    *schema = schemars::json_schema!({ "anyOf": [{ "type": "string" }, object] });
}

/// The first field of `object` that is not known, in words, with the nearest one that is.
pub(crate) fn check_known(object: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) if name.len() > 200 => Err(format!("unknown field of {} bytes", name.len())),
        Some(name) => Err(match nearest(name, known.iter().copied(), ALIKE) {
            Some(near) => format!("unknown field `{name}`; did you mean `{near}`?"),
            None => format!(
                "unknown field `{name}`; known fields are {}",
                known.iter().copied().filter(|name| !name.starts_with('$')).collect::<Vec<_>>().join(", ")
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_known_field_is_named() {
        assert_eq!(nearest("tolerence", CASE.iter().copied(), ALIKE), Some("tolerance"));
        assert_eq!(nearest("Inputs", CASE.iter().copied(), ALIKE), Some("inputs"));
        assert_eq!(nearest("zzz", CASE.iter().copied(), ALIKE), None);
    }

    #[cfg(feature = "cli")]
    #[test]
    fn the_lists_of_known_fields_are_those_of_the_schema() {
        fn check<T: schemars::JsonSchema>(known: &[&str]) {
            let schema = serde_json::to_value(schemars::schema_for!(T)).expect("a schema is JSON");
            let object = schema["anyOf"].as_array().map_or(&schema, |variants| &variants[1]);
            let mut fields: Vec<&str> =
                object["properties"].as_object().expect("an object").keys().map(String::as_str).collect();
            let mut known = known.to_vec();
            fields.sort_unstable();
            known.sort_unstable();
            assert_eq!(fields, known);
        }
        check::<CaseFile>(CASE);
        check::<SuiteFile>(CASE);
        check::<InputField>(INPUT);
        check::<OutputField>(OUTPUT);
        check::<ToleranceField>(TOLERANCE);
    }
}
