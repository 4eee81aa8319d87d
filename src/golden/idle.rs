//! Tolerances in a suite for outputs that no case below it has: a misspelt name would loosen or tighten nothing, silently.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::case::Case;
use super::id::CaseId;
use super::member::nearest;
use super::object::read_object;

/// The suites of these with such an entry, and what to say of it. `cases` are all cases below each of them.
///
/// Where a case cannot be read, its outputs are unknown, and nothing is said: it says itself what is wrong.
pub(super) fn idle<'a>(root: &Path, suites: &'a [PathBuf], cases: &[CaseId]) -> Vec<(&'a Path, String)> {
    suites.iter().filter_map(|suite| Some((suite.as_path(), check(root, suite, cases)?))).collect()
}

/// What is wrong with the entries of one suite.
fn check(root: &Path, suite: &Path, cases: &[CaseId]) -> Option<String> {
    let mut entries = entries(suite)?;
    let folder = suite.parent()?;
    let mut known = BTreeSet::new();
    for id in cases.iter().filter(|id| id.below(root).starts_with(folder)) {
        if entries.is_empty() {
            return None;
        }
        let case = Case::load(root, id).ok()?;
        entries.retain(|(_, name)| !case.outputs.contains_key(name));
        known.extend(case.outputs.into_keys());
    }
    // A suite without a case holds nothing to anything.
    let (field, name) = entries.first().filter(|_| cases.iter().any(|id| id.below(root).starts_with(folder)))?;
    let near = nearest(name, known.iter().map(String::as_str));
    let near = near.map(|near| format!("; the nearest is {near}")).unwrap_or_default();
    Some(format!("{}: {field}.{name}: no case below it has such an output{near}", suite.display()))
}

/// The names of outputs that have an entry of their own, with the field that it is in.
fn entries(suite: &Path) -> Option<Vec<(&'static str, String)>> {
    let fields = read_object(suite).ok()??;
    let of = |field: &'static str| match fields.get(field) {
        Some(Value::Object(entries)) => {
            entries.keys().filter(|name| *name != "*").map(|name| (field, name.clone())).collect()
        }
        _ => Vec::new(),
    };
    Some(["tolerance", "chained"].into_iter().flat_map(of).collect()).filter(|entries: &Vec<_>| !entries.is_empty())
}
