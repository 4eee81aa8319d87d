//! `karat schema`: JSON Schema of both files, which the committed goldens follow.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::project::{CommandOutput, Project};

/// The schema that an editor would be given.
fn schema(arguments: &[&str]) -> Value {
    let said: CommandOutput = Project::empty().karat(arguments).exits(0);
    assert_eq!(said.stderr, "");
    said.json()
}

/// The names of the properties of that schema, or of that definition in it.
fn properties(schema: &Value) -> BTreeSet<&str> {
    schema["properties"].as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn it_is_json_schema_that_allows_no_other_field() {
    for arguments in [&["schema"][..], &["schema", "case"], &["schema", "suite"]] {
        let schema = schema(arguments);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["type"], "object");
        assert_eq!(schema["additionalProperties"], false);
        // Whatever a case needs, its suite may say.
        assert!(schema.get("required").is_none(), "{schema:#}");
        for reference in references(&schema) {
            assert!(schema.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    }
    Project::empty().karat(["schema", "nix"]).exits(2).says("possible values: case, suite");
}

/// Every `$ref` in it.
fn references(schema: &Value) -> Vec<&str> {
    match schema {
        Value::Object(object) => {
            let own = object.get("$ref").and_then(Value::as_str);
            own.into_iter().chain(object.values().flat_map(references)).collect()
        }
        Value::Array(array) => array.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_committed_goldens_follow_it() {
    let project = Project::gpt2_tiny();
    let (case, suite) = (schema(&["schema", "case"]), schema(&["schema", "suite"]));
    let mut count = 0;
    for (name, bytes) in project.files("goldens") {
        let schema = match name.rsplit('/').next() {
            Some("case.json") => &case,
            Some("suite.json") => &suite,
            _ => continue,
        };
        let file: Value = serde_json::from_slice(&bytes).expect("JSON");
        follows(schema, schema, &file).unwrap_or_else(|what| panic!("{name}: {what}"));
        count += 1;
    }
    assert_eq!(count, project.cases() + 1);
    let wrong =
        serde_json::json!({ "karat": 1, "checkpoint": "x", "inputs": { "x": { "tensor": "x.npy", "form": "a:y" } } });
    assert!(follows(&case, &case, &wrong).is_err());
    assert!(follows(&case, &case, &serde_json::json!({ "outputs": { "y": { "nan": "match" } } })).is_err());
}

/// Whether a value has only properties that the schema knows and all that it requires, however deep.
fn follows(whole: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return follows(whole, whole.pointer(reference.trim_start_matches('#')).ok_or(reference)?, value);
    }
    if let Some(variants) = schema["anyOf"].as_array() {
        let answers = variants.iter().map(|variant| follows(whole, variant, value));
        return answers.reduce(|one, other| one.or(other)).unwrap_or(Ok(()));
    }
    let kind = match value {
        Value::Object(_) => "object",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        _ => return Ok(()),
    };
    let kinds = schema["type"].to_string().replace("integer", "number");
    if schema["type"] != Value::Null && !kinds.contains(kind) {
        return Err(format!("{value} is no {kinds}"));
    }
    let Value::Object(object) = value else { return Ok(()) };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        object.get(name).ok_or(format!("{name} is missing"))?;
    }
    for (name, value) in object {
        let known = schema["properties"].as_object().is_some_and(|known| known.contains_key(name));
        match (known, &schema["additionalProperties"]) {
            (true, _) => follows(whole, &schema["properties"][name], value)?,
            (false, Value::Bool(false)) => return Err(format!("{name} is unknown")),
            (false, others) => follows(whole, others, value)?,
        }
    }
    Ok(())
}

#[test]
fn both_files_have_the_same_fields() {
    assert_eq!(properties(&schema(&["schema", "case"])), properties(&schema(&["schema", "suite"])));
}
