//! `karat diff --json`.

use std::io::{self, Write};

use serde::Serialize;

use super::comparison::{JsonComparison, JsonMismatch};
use super::explanation::JsonExplanation;
use super::measured::{JsonSummary, JsonTolerance};
use super::picture::JsonPicture;
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
    actual: JsonSummary,
    reference: JsonSummary,
    mismatch: Option<JsonMismatch>,
    comparison: Option<JsonComparison>,
    explanations: Option<Vec<JsonExplanation>>,
    picture: Option<JsonPicture>,
}

#[derive(Serialize)]
struct JsonUnread<'a> {
    name: Option<&'a str>,
    error: &'a str,
}

fn json_pair(pair: &PairView) -> JsonPair<'_> {
    let PairView { name, tolerance, actual, reference, comparison, explanations, picture } = pair;
    JsonPair {
        name: given(name),
        is_close: pair.is_close(),
        tolerance: tolerance.into(),
        actual: actual.into(),
        reference: reference.into(),
        mismatch: comparison.as_ref().err().map(JsonMismatch::from),
        comparison: comparison.as_ref().ok().map(JsonComparison::from),
        explanations: explanations.as_ref().map(|all| all.iter().map(JsonExplanation::from).collect()),
        picture: picture.as_ref().map(JsonPicture::from),
    }
}

fn given(name: &str) -> Option<&str> {
    Some(name).filter(|name| !name.is_empty())
}
