//! Tolerances in a suite for outputs that no case below it has: a misspelt name would loosen or tighten nothing, silently.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::id::CaseId;
use super::object::read_object;
use super::suites::Suites;
use crate::fs::nearest::{ALIKE, nearest};

/// The suites of these with such an entry, and what to say of it. `cases` are all cases below each of them, sorted.
///
/// Where a case cannot be read, its outputs are unknown, and nothing is said: it says itself what is wrong.
pub(crate) fn idle<'a>(root: &Path, suites: &'a [PathBuf], cases: &[CaseId]) -> Vec<(&'a Path, String)> {
    let known = Suites::new(root);
    suites.iter().filter_map(|suite| Some((suite.as_path(), check(root, &known, suite, cases)?))).collect()
}

/// What is wrong with the entries of one suite.
fn check(root: &Path, suites: &Suites, suite: &Path, cases: &[CaseId]) -> Option<String> {
    let mut entries = entries(suite)?;
    let mut known = BTreeSet::new();
    let mut has_case = false;
    for id in below(root, suite.parent()?, cases) {
        has_case = true;
        let case = suites.case(id).ok()?;
        entries.retain(|(_, name)| !case.outputs.contains_key(name));
        if entries.is_empty() {
            return None;
        }
        known.extend(case.outputs.into_keys());
    }
    // A suite without a case holds nothing to anything.
    let (field, name) = entries.first().filter(|_| has_case)?;
    let near = nearest(name, known.iter().map(String::as_str), ALIKE);
    let near = near.map(|near| format!("; the nearest is {near}")).unwrap_or_default();
    Some(format!("{}: {field}.{name}: no case below it has such an output{near}", suite.display()))
}

/// The cases in a folder and below it, of all cases, sorted.
fn below<'a>(root: &Path, folder: &Path, cases: &'a [CaseId]) -> impl Iterator<Item = &'a CaseId> {
    let id = folder.strip_prefix(root).ok().filter(|below| *below != Path::new("")).map(CaseId::from_path);
    let (own, within): (_, &[CaseId]) = match id {
        None => (None, cases),
        // Of what has no id there is no case.
        Some(Err(_)) => (None, &[]),
        Some(Ok(id)) => {
            let inside = format!("{id}/");
            let start = cases.partition_point(|case| case.as_str() < inside.as_str());
            let end = start + cases[start..].partition_point(|case| case.as_str().starts_with(&inside));
            (cases.binary_search(&id).ok().map(|at| &cases[at]), &cases[start..end])
        }
    };
    own.into_iter().chain(within)
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
