//! Reading back the document of a run, from which every report can be made again.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;

use super::{DIGEST, FORMAT};
use crate::case::sha256_of_text;
use crate::error::{Error, Result};
use crate::run::{Counts, RunOutcome, Verdict};

/// How a document begins.
#[derive(Deserialize)]
struct Head {
    karat: Version,
    kind: String,
}

#[derive(Deserialize)]
struct Version {
    version: String,
    format: u32,
}

/// What follows from the rest of a run.
#[derive(Deserialize)]
struct Totals {
    verdict: Verdict,
    total: usize,
    failed: usize,
    counts: Counts,
    /// Of the text, checked before. An older karat wrote none.
    #[serde(default, rename = "sha256")]
    _sha256: Option<String>,
    cases: Vec<Failed>,
}

#[derive(Deserialize)]
struct Failed {
    failed: bool,
}

/// The run in a document of [`run`](super::run()). Paths in it are as they were written: relative to the folder that the
/// writer was in, where they are below it.
///
/// # Errors
///
/// [`Error::Invalid`] with the field and what to do, where it is no such document, or one of another format, or was cut off.
pub fn read_run(text: &str) -> Result<RunOutcome> {
    let Head { karat: Version { version, format }, kind } = head(text)?;
    if format != FORMAT {
        let own = env!("CARGO_PKG_VERSION");
        return Err(Error::Invalid(format!(
            "karat.format is {format}: it was written by karat {version}, and karat {own} reads format {FORMAT}; \
             read it with karat {version}, or write it again"
        )));
    }
    if kind != "run" {
        return Err(Error::Invalid(format!(
            "kind is `{kind}`: a document of `run` is wanted, as `run --json FILE` writes it"
        )));
    }
    if let Some((content, digest)) = text.rsplit_once(DIGEST)
        && digest.trim_end_matches(['"', '}', '\n']) != sha256_of_text(content)
    {
        return Err(Error::Invalid(format!("it was changed after karat wrote it: its sha256 is another; {AGAIN}")));
    }
    let mut run: RunOutcome = parse(text)?;
    let totals = parse(text)?;
    let checked = run.check().and_then(|()| check_totals(&run, &totals));
    checked.map(|()| run).map_err(|what| Error::Invalid(format!("{what}; {AGAIN}")))
}

/// The version of karat that wrote a document.
///
/// # Errors
///
/// [`Error::Invalid`] where the text is no document of karat's.
pub fn version(text: &str) -> Result<String> {
    head(text).map(|head| head.karat.version)
}

/// Refuses totals that are not those of the cases.
fn check_totals(run: &RunOutcome, totals: &Totals) -> Result<(), String> {
    let wrong = run.cases.iter().zip(&totals.cases).find(|(case, Failed { failed })| run.gate.fails(case) != *failed);
    if let Some((case, Failed { failed })) = wrong {
        return Err(format!("case {}: failed is {failed}, and its verdict is {}", case.id, case.verdict.word()));
    }
    let is_right = [
        ("total", totals.total == run.cases.len()),
        ("failed", totals.failed == run.failed()),
        ("counts", totals.counts == run.counts()),
        ("verdict", totals.verdict == run.verdict()),
    ];
    match is_right.iter().find(|(_, is_right)| !is_right) {
        Some((field, _)) => Err(format!("{field} is not what the cases add up to; run it again")),
        None => Ok(()),
    }
}

fn head(text: &str) -> Result<Head> {
    if text.trim().is_empty() {
        return Err(Error::Invalid(format!("it is empty: {AGAIN}")));
    }
    parse(text)
}

const AGAIN: &str = "write it again with `run --json FILE`";

/// Parses a text, and names the field that is wrong.
fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        Error::Invalid(match error.classify() {
            Category::Eof => format!("it was cut off: {error}; {AGAIN}"),
            Category::Data => format!("{}{error}; {AGAIN}", field(text, &error)),
            _ => format!("is not JSON: {error}; {AGAIN}"),
        })
    })
}

/// The path of the field at which a well-formed text is not what it should be, with a colon behind it; empty for the whole.
///
/// Everything before that place is parsed a second time, and ends inside that field. To track the path while reading a run
/// would compile a second reader of every type.
fn field(text: &str, error: &serde_json::Error) -> String {
    let line: usize = text.split_inclusive('\n').take(error.line() - 1).map(str::len).sum();
    let before = &text.as_bytes()[..(line + error.column()).saturating_sub(1)];
    let cut = serde_path_to_error::deserialize::<_, Value>(&mut serde_json::Deserializer::from_slice(before));
    cut.err()
        .map(|error| error.path().to_string())
        .filter(|path| path != ".")
        .map_or_else(String::new, |path| path + ": ")
}
