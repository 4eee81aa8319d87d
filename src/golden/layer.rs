//! The files that a case is made of: every `suite.json` between the goldens root and it, and its `case.json` over them.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::case::CASE_FILE;
use super::fields::{CASE, check_known};
use super::id::CaseId;
use super::object::read_object;
use crate::error::{Error, Result};

/// The name of the file with a folder's defaults.
pub(super) const SUITE_FILE: &str = "suite.json";

/// The version of the format that this karat writes, and the latest that it reads.
const FORMAT: u64 = 1;

/// The fields that one file says.
pub(super) struct Layer {
    pub(super) file: PathBuf,
    pub(super) fields: Map<String, Value>,
}

impl Layer {
    /// The layer of a file, with nothing in it that this karat does not know.
    fn new(file: PathBuf, mut fields: Map<String, Value>) -> Result<Layer> {
        fields.remove("$schema");
        match check_known(&fields, CASE).and_then(|()| fields.get("karat").map_or(Ok(()), check_version)) {
            Ok(()) => Ok(Layer { file, fields }),
            Err(what) => Err(Error::Case { path: file, what }),
        }
    }

    /// Whether it says that field, or that entry of it.
    pub(super) fn says(&self, field: &str, entry: Option<&str>) -> bool {
        match (self.fields.get(field), entry) {
            (Some(Value::Object(entries)), Some(entry)) => entries.contains_key(entry),
            (field, _) => field.is_some(),
        }
    }
}

/// The layers of a case, the outermost `suite.json` first and its `case.json` last.
///
/// # Errors
///
/// [`Error::Case`] where one of them is not JSON, has an unknown field or is of a later version, or where there is no `case.json`.
pub(super) fn layers(root: &Path, id: &CaseId) -> Result<Vec<Layer>> {
    let file = id.below(root).join(CASE_FILE);
    let own = read_object(&file)?.ok_or_else(|| Error::Case {
        path: file.clone(),
        what: "is not there; a case is a folder that holds a case.json".to_owned(),
    })?;
    let mut layers = Vec::new();
    for folder in folders(root, id) {
        let file = folder.join(SUITE_FILE);
        if let Some(fields) = read_object(&file)? {
            layers.push(Layer::new(file, fields)?);
        }
    }
    layers.push(Layer::new(file, own)?);
    if layers.iter().any(|layer| layer.says("karat", None)) {
        return Ok(layers);
    }
    let what = format!("field `karat` is missing; write \"karat\": {FORMAT}");
    Err(Error::Case { path: layers.pop().expect("one was pushed").file, what })
}

/// The fields of all layers: objects merge by key, the nearest entry is taken whole, and a `null` takes a default away.
pub(super) fn merge(layers: &[Layer]) -> Map<String, Value> {
    let mut merged = layers.iter().fold(Map::new(), |mut merged, layer| {
        lay(&mut merged, &layer.fields);
        merged
    });
    merged.retain(|_, value| !value.is_null());
    for field in ["inputs", "outputs", "tolerance", "chained"] {
        if let Some(Value::Object(entries)) = merged.get_mut(field) {
            entries.retain(|_, value| !value.is_null());
        }
    }
    merged
}

/// Lays `nearer` over `fields`: objects merge by key, entry by entry; anything else replaces.
fn lay(fields: &mut Map<String, Value>, nearer: &Map<String, Value>) {
    for (name, value) in nearer {
        match (fields.get_mut(name), value) {
            // The tolerance of every output is nearer than that of one output further away.
            (Some(farther), Value::Object(nearer))
                if matches!(name.as_str(), "tolerance" | "chained") && nearer.contains_key("*") =>
            {
                *farther = value.clone();
            }
            (Some(Value::Object(entries)), Value::Object(nearer)) => entries.extend(nearer.clone()),
            (_, value) => {
                fields.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Refuses a version that this karat does not read.
fn check_version(version: &Value) -> Result<(), String> {
    match version.as_u64() {
        Some(1..=FORMAT) => Ok(()),
        _ => Err(format!("karat: {version} is not a version that this karat reads; it reads {FORMAT}")),
    }
}

/// The folders from the root down to the case.
fn folders(root: &Path, id: &CaseId) -> Vec<PathBuf> {
    let mut folders = vec![root.to_path_buf()];
    for part in id.as_str().split('/') {
        folders.push(folders[folders.len() - 1].join(part));
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).expect("good JSON")
    }

    #[test]
    fn objects_merge_by_key_and_the_nearest_entry_is_taken_whole() {
        let mut fields = object(r#"{"checkpoint": "a", "tolerance": {"y": {"atol": 1, "rtol": 0}, "z": {}}}"#);
        lay(&mut fields, &object(r#"{"checkpoint": "b", "tolerance": {"y": {"max_ulps": 4}}}"#));
        assert_eq!(fields, object(r#"{"checkpoint": "b", "tolerance": {"y": {"max_ulps": 4}, "z": {}}}"#));
    }

    #[test]
    fn a_tolerance_for_every_output_is_nearer_than_one_for_an_output_further_away() {
        let mut fields = object(r#"{"tolerance": {"y": {"atol": 10, "rtol": 0}}}"#);
        lay(&mut fields, &object(r#"{"tolerance": {"*": {"atol": 1, "rtol": 0}}}"#));
        assert_eq!(fields, object(r#"{"tolerance": {"*": {"atol": 1, "rtol": 0}}}"#));
    }

    #[test]
    fn a_null_takes_a_default_away_but_is_a_value_of_a_param() {
        let layer = |text: &str| Layer { file: PathBuf::new(), fields: object(text) };
        let suite = layer(r#"{"skip": "slow", "params": {"seed": 1}, "outputs": {"y": "y.npy", "z": "z.npy"}}"#);
        let case = layer(r#"{"skip": null, "params": {"seed": null}, "outputs": {"z": null}}"#);
        assert_eq!(merge(&[suite, case]), object(r#"{"params": {"seed": null}, "outputs": {"y": "y.npy"}}"#));
    }
}
