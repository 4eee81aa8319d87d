//! JSON Schema of what is written of a run.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use serde_json::json;

use super::run::JsonRun;
use super::{Document, FORMAT};

/// The schema of a document of [`run`](super::run()), as it is written: no field is ever left out.
#[must_use]
pub fn run_schema() -> Schema {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<Document<JsonRun>>();
    schema.insert("title".into(), json!("A run of karat"));
    if let Some(kind) = schema.pointer_mut("/properties/kind") {
        *kind = json!({ "const": "run" });
    }
    if let Some(format) = schema.pointer_mut("/$defs/Header/properties/format") {
        *format = json!({ "const": FORMAT });
    }
    schema
}
