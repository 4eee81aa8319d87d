//! Compares the JSON Schema of a run with what karat writes and what it reads.

use serde_json::{Value, json};

use super::hostile::{at, places};
use super::{example, record, to_text};
use crate::report::json::{read_run, run, run_schema};

fn validator() -> jsonschema::Validator {
    jsonschema::validator_for(run_schema().as_value()).expect("it is a schema")
}

fn document() -> Value {
    serde_json::from_str(&to_text(|out| run(out, &example::commands(), &record::full_run())))
        .expect("one JSON document")
}

#[test]
fn the_output_matches_the_schema() {
    let faults: Vec<String> =
        validator().iter_errors(&document()).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_schema_and_the_reader_reject_the_same_documents() {
    let (validator, document) = (validator(), document());
    // The reader ignores derived fields and messages.
    let is_read = |place: &str| !["message", "next", "version"].contains(&place);
    let is_of_form = |error: &str| {
        ["missing field", "invalid type", "not a known kind of problem", "unknown "].iter().any(|of| error.contains(of))
    };
    let mut wrong = Vec::new();
    let mut refused = 0;
    for place in places(&document) {
        let Some((last, above)) = place.split_last() else { continue };
        let name = format!("{last:?}");
        if !is_read(name.trim_start_matches("Field(\"").trim_end_matches("\")")) {
            continue;
        }
        let mut changes = Vec::new();
        for other in [json!(null), json!("x"), json!({ "x": 1 })] {
            let mut changed = document.clone();
            *at(&mut changed, &place) = other;
            changes.push(changed);
        }
        let mut without = document.clone();
        if let Value::Object(fields) = at(&mut without, above) {
            let name = name.trim_start_matches("Field(\"").trim_end_matches("\")");
            fields.remove(name);
            changes.push(without);
        }
        for changed in changes {
            let is_valid = validator.is_valid(&changed);
            let read = read_run(&changed.to_string()).map_err(|error| error.to_string());
            refused += usize::from(!is_valid);
            match read {
                Ok(_) if !is_valid => wrong.push(format!("{place:?}: read, and not valid")),
                Err(error) if is_valid && is_of_form(&error) => wrong.push(format!("{place:?}: valid, and {error}")),
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(refused > 100, "{refused}");
}
