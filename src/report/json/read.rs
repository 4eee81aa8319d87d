//! Reading back what was written: a run, from which every report can be made again, and a case on its own.

use std::io::{self, Write};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::case::JsonCase;
use super::run::JsonRun;
use super::{FORMAT, write};
use crate::error::{Error, Result};
use crate::report::{Review, Voice};
use crate::run::{CaseOutcome, Gate, RunOutcome};

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

/// The run in a document of [`run`](super::run()). Paths in it are as they were written: relative to the folder that the
/// writer was in, where they are below it.
///
/// # Errors
///
/// [`Error::Invalid`] with the field and what to do, where it is no such document, or one of another format, or was cut off.
pub fn read_run(text: &str) -> Result<RunOutcome> {
    check(text, "run")?;
    let json: JsonRun = parse(text)?;
    json.try_into().map_err(broken)
}

/// The version of karat that wrote a document.
///
/// # Errors
///
/// [`Error::Invalid`] where the text is no document of karat's.
pub fn version(text: &str) -> Result<String> {
    head(text).map(|head| head.karat.version)
}

/// Writes one case on its own, with its paths as they are. [`read_case`] reads it back.
///
/// # Errors
///
/// What `out` returns.
pub fn write_case(out: &mut dyn Write, case: &CaseOutcome) -> io::Result<()> {
    let voice = Voice {
        command: "karat".to_owned(),
        review: Review::Accept,
        root: None,
        snapshots: None,
        executor: None,
        options: None,
        leaves_pending: true,
        base: "".into(),
    };
    write(out, "case", JsonCase::new(&voice, &Gate::default(), case))
}

/// The case in a document of [`write_case`].
///
/// # Errors
///
/// [`Error::Invalid`] with the field, where it is no such document, or one of another format, or was cut off.
pub fn read_case(text: &str) -> Result<CaseOutcome> {
    check(text, "case")?;
    let json: JsonCase = parse(text)?;
    json.read().map_err(broken)
}

/// Refuses a document of another format or kind.
fn check(text: &str, wanted: &str) -> Result<()> {
    let Head { karat: Version { version, format }, kind } = head(text)?;
    if format != FORMAT {
        let own = env!("CARGO_PKG_VERSION");
        return Err(Error::Invalid(format!(
            "karat.format is {format}: it was written by karat {version}, and karat {own} reads format {FORMAT}; \
             read it with karat {version}, or write it again"
        )));
    }
    if kind != wanted {
        return Err(Error::Invalid(format!(
            "kind is `{kind}`: a document of `{wanted}` is wanted, as `run --json FILE` writes it"
        )));
    }
    Ok(())
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
    let mut parser = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut parser);
    let read = read.map_err(|error| (error.path().to_string(), error.into_inner()));
    let read = read.and_then(|read| parser.end().map(|()| read).map_err(|error| (".".to_owned(), error)));
    read.map_err(|(path, error)| {
        let field = if path == "." { String::new() } else { format!("{path}: ") };
        Error::Invalid(match error.classify() {
            serde_json::error::Category::Eof => format!("it was cut off: {error}; {AGAIN}"),
            serde_json::error::Category::Data => format!("{field}{error}; {AGAIN}"),
            _ => format!("is not JSON: {error}; {AGAIN}"),
        })
    })
}

/// A document whose fields do not go together.
fn broken(what: String) -> Error {
    Error::Invalid(format!("{what}; {AGAIN}"))
}
