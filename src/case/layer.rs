//! The files that a case is made of: every `suite.json` between the goldens root and it, and its `case.json` over them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::fields::{CASE, check_known};
use crate::error::{Error, Result};

/// The name of the file with a folder's defaults.
pub(crate) const SUITE_FILE: &str = "suite.json";

/// The version of the format that this karat writes, and the latest that it reads.
const FORMAT: u64 = 1;

/// The fields that one file says.
pub(crate) struct Layer {
    pub(crate) file: PathBuf,
    pub(crate) fields: Map<String, Value>,
}

impl Layer {
    /// The layer of a file, with nothing in it that this karat does not know.
    pub(crate) fn new(file: PathBuf, mut fields: Map<String, Value>) -> Result<Layer> {
        fields.remove("$schema");
        match check_known(&fields, CASE).and_then(|()| fields.get("karat").map_or(Ok(()), check_version)) {
            Ok(()) => Ok(Layer { file, fields }),
            Err(what) => Err(Error::Case { path: file, what }),
        }
    }

    /// Whether it says that field, or that entry of it.
    pub(crate) fn says(&self, field: &str, entry: Option<&str>) -> bool {
        match (self.fields.get(field), entry) {
            (Some(Value::Object(entries)), Some(entry)) => entries.contains_key(entry),
            (field, _) => field.is_some(),
        }
    }
}

/// What every suite from the root down to one folder says together: defaults for the cases in that folder.
#[derive(Default)]
pub(crate) struct Defaults {
    /// The outermost suite first.
    layers: Vec<Arc<Layer>>,
    /// The fields of all of them, but for `reference`.
    fields: Map<String, Value>,
    /// Who made the goldens: for many cases the longest field, of which none needs a copy.
    reference: Arc<Map<String, Value>>,
}

impl Defaults {
    /// The same, with a suite that is nearer over them.
    pub(crate) fn under(&self, layer: Layer) -> Defaults {
        let mut fields = self.lay(&[&layer]);
        let reference = match fields.remove("reference") {
            Some(Value::Object(reference)) => Arc::new(reference),
            // Whoever reads the field says what is wrong with it.
            Some(other) => {
                fields.insert("reference".to_owned(), other);
                Arc::default()
            }
            None => Arc::clone(&self.reference),
        };
        let layers = self.layers.iter().cloned().chain([Arc::new(layer)]).collect();
        Defaults { layers, fields, reference }
    }

    /// The fields with those layers over them. There is a `reference` only where one of these says something of it.
    fn lay(&self, nearer: &[&Layer]) -> Map<String, Value> {
        let mut merged = self.fields.clone();
        if !self.reference.is_empty() && nearer.iter().any(|layer| layer.says("reference", None)) {
            merged.insert("reference".to_owned(), Value::Object(Map::clone(&self.reference)));
        }
        for layer in nearer {
            lay(&mut merged, &layer.fields);
        }
        merged
    }
}

/// The layers of a case.
pub(crate) struct Layers {
    defaults: Arc<Defaults>,
    /// Its `case.json`.
    pub(crate) own: Layer,
}

impl Layers {
    /// Puts `case.json` over the defaults of its folder.
    ///
    /// # Errors
    ///
    /// [`Error::Case`] where it has an unknown field, or neither it nor a suite says the version of the format.
    pub(crate) fn new(defaults: Arc<Defaults>, file: PathBuf, fields: Map<String, Value>) -> Result<Layers> {
        let layers = Layers { own: Layer::new(file, fields)?, defaults };
        if layers.nearest_first().any(|layer| layer.says("karat", None)) {
            return Ok(layers);
        }
        let what = format!("field `karat` is missing; write \"karat\": {FORMAT}");
        Err(Error::Case { path: layers.own.file, what })
    }

    /// Its `case.json`, and then every suite, the outermost last.
    pub(crate) fn nearest_first(&self) -> impl Iterator<Item = &Layer> {
        [&self.own].into_iter().chain(self.defaults.layers.iter().rev().map(Arc::as_ref))
    }

    /// The suite that sets each field, and each entry of one, that is not the case's own. A tolerance goes by its output.
    pub(crate) fn inherited(&self, inputs: &[&String], outputs: &[&String]) -> BTreeMap<String, PathBuf> {
        let entries = [("inputs", inputs), ("outputs", outputs), ("tolerance", outputs), ("chained", outputs)];
        let entries = entries.into_iter().flat_map(|(field, names)| names.iter().map(move |name| (field, Some(*name))));
        let place = |(field, entry): (&str, Option<&String>)| {
            let is_for_all = |layer: &Layer| matches!(field, "tolerance" | "chained") && layer.says(field, Some("*"));
            let sets = |layer: &&Layer| layer.says(field, entry.map(String::as_str)) || is_for_all(layer);
            let suite = self.nearest_first().find(sets).filter(|layer| layer.file != self.own.file)?;
            let name = entry.map_or(field.to_owned(), |entry| format!("{field}.{entry}"));
            Some((name, suite.file.clone()))
        };
        ["checkpoint", "skip", "timeout", "nan"]
            .map(|field| (field, None))
            .into_iter()
            .chain(entries)
            .filter_map(place)
            .collect()
    }

    /// The fields of all layers: objects merge by key, the nearest entry is taken whole, and a `null` takes a default away.
    /// There is no `reference` where [`Layers::reference`] has it.
    pub(crate) fn merge(&self) -> Map<String, Value> {
        let mut merged = self.defaults.lay(&[&self.own]);
        merged.retain(|_, value| !value.is_null());
        for field in ["inputs", "outputs", "tolerance", "chained"] {
            if let Some(Value::Object(entries)) = merged.get_mut(field) {
                entries.retain(|_, value| !value.is_null());
            }
        }
        merged
    }

    /// Who made the goldens, where no layer but suites says it.
    pub(crate) fn reference(&self) -> Option<Arc<Map<String, Value>>> {
        (!self.own.says("reference", None)).then(|| Arc::clone(&self.defaults.reference))
    }
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
        let layers = Layers { defaults: Arc::new(Defaults::default().under(suite)), own: case };
        assert_eq!(layers.merge(), object(r#"{"params": {"seed": null}, "outputs": {"y": "y.npy"}}"#));
    }
}
