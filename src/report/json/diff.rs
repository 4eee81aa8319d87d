//! `karat diff --json`.

use std::io::{self, Write};

use serde::Serialize;

use super::explanation::JsonExplanation;
use super::measured::{JsonComparison, JsonMismatch, JsonSummary, JsonTolerance};
use super::write;
use crate::report::{DiffView, PairView, Unread};

/// Writes every pair, and what only one side has.
///
/// # Errors
///
/// What `out` returns.
pub fn diff(out: &mut dyn Write, diff: &DiffView) -> io::Result<()> {
    let DiffView { actual, reference, pairs, only_actual, only_reference, unread } = diff;
    let content = JsonDiff {
        actual,
        reference,
        is_close: diff.is_close(),
        pairs: pairs.iter().map(json_pair).collect(),
        only_actual,
        only_reference,
        unread: unread.iter().map(|Unread { name, error }| JsonUnread { name: given(name), error }).collect(),
    };
    write(out, "diff", content)
}

#[derive(Serialize)]
struct JsonDiff<'a> {
    actual: &'a str,
    reference: &'a str,
    is_close: bool,
    pairs: Vec<JsonPair<'a>>,
    only_actual: &'a [String],
    only_reference: &'a [String],
    unread: Vec<JsonUnread<'a>>,
}

#[derive(Serialize)]
struct JsonPair<'a> {
    name: Option<&'a str>,
    is_close: bool,
    tolerance: JsonTolerance,
    actual: JsonSummary<'a>,
    reference: JsonSummary<'a>,
    mismatch: Option<JsonMismatch<'a>>,
    comparison: Option<JsonComparison<'a>>,
    explanations: Option<Vec<JsonExplanation<'a>>>,
}

#[derive(Serialize)]
struct JsonUnread<'a> {
    name: Option<&'a str>,
    error: &'a str,
}

fn json_pair(pair: &PairView) -> JsonPair<'_> {
    let PairView { name, tolerance, actual, reference, comparison, explanations, picture: _ } = pair;
    JsonPair {
        name: given(name),
        is_close: pair.is_close(),
        tolerance: tolerance.into(),
        actual: actual.into(),
        reference: reference.into(),
        mismatch: comparison.as_ref().err().map(JsonMismatch::from),
        comparison: comparison.as_ref().ok().map(JsonComparison::from),
        explanations: explanations.as_ref().map(|all| all.iter().map(JsonExplanation::from).collect()),
    }
}

fn given(name: &str) -> Option<&str> {
    Some(name).filter(|name| !name.is_empty())
}
