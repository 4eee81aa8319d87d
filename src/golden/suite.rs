//! Defaults: every `suite.json` between the goldens root and a case, merged under its `case.json`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::fields::{CASE, check_known};
use super::id::CaseId;
use crate::error::{Error, Result};

/// The name of the file with a folder's defaults.
const SUITE_FILE: &str = "suite.json";

/// The fields of every `suite.json` above the case, the nearest winning.
///
/// # Errors
///
/// [`Error::Case`] where one of them is not JSON or has an unknown field; it names that `suite.json`.
pub(super) fn defaults(root: &Path, id: &CaseId) -> Result<Map<String, Value>> {
    let mut merged = Map::new();
    for folder in folders(root, id) {
        let file = folder.join(SUITE_FILE);
        if let Some(object) = read_object(&file)? {
            check_known(&object, CASE).map_err(|what| Error::Case { path: file, what })?;
            merge(&mut merged, object);
        }
    }
    Ok(merged)
}

/// Lays `nearer` over `fields`: objects merge by key, entry by entry; anything else replaces.
pub(super) fn merge(fields: &mut Map<String, Value>, nearer: Map<String, Value>) {
    for (name, value) in nearer {
        match (fields.get_mut(&name), value) {
            (Some(Value::Object(entries)), Value::Object(nearer)) => entries.extend(nearer),
            (_, value) => {
                fields.insert(name, value);
            }
        }
    }
}

/// The JSON object in that file, or `None` where there is no such file.
pub(super) fn read_object(file: &Path) -> Result<Option<Map<String, Value>>> {
    let wrong = |what: String| Error::Case { path: file.to_path_buf(), what };
    match fs::metadata(file) {
        Ok(metadata) if !metadata.is_file() => return Err(wrong("is no regular file".to_owned())),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::read(file, error)),
    }
    let bytes = fs::read(file).map_err(|error| Error::read(file, error))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| wrong(format!("is not UTF-8: {error}")))?;
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(Some(object)),
        Ok(_) => Err(wrong("holds JSON, but no object".to_owned())),
        // serde_json's own text ends in "at line L column C".
        Err(error) => Err(wrong(format!("is not JSON: {error}"))),
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
        merge(&mut fields, object(r#"{"checkpoint": "b", "tolerance": {"y": {"max_ulps": 4}}}"#));
        assert_eq!(fields, object(r#"{"checkpoint": "b", "tolerance": {"y": {"max_ulps": 4}, "z": {}}}"#));
    }
}
