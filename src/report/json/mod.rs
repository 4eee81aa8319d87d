//! For programs: one JSON document for each verb, described in `docs/json.md`.
//!
//! What is absent is `null`, never left out. A float that JSON cannot hold is the word `"nan"`, `"inf"` or `"-inf"`. What a
//! terminal or a CI runner would obey is written as `\u....`, which reads back the same.

mod case;
mod chain;
mod comparison;
mod diff;
mod doctor;
mod element;
mod explain;
mod explanation;
mod list;
mod matrix;
mod measured;
mod nullable;
mod partition;
mod picture;
mod problem;
mod read;
mod run;
#[cfg(feature = "cli")]
mod schema;
mod show;
mod words;

use std::io::{self, Write};

use serde::Serialize;

use crate::text::safe::{Rule, written};

pub use diff::diff;
pub use doctor::doctor;
pub use explain::explain;
pub use list::list;
pub use matrix::matrix;
pub use read::{read_case, read_run, version, write_case};
pub use run::run;
#[cfg(feature = "cli")]
pub use schema::run_schema;
pub use show::{show_case, show_members, show_tensor};

/// Changes when a field goes, or comes to mean something else; not when one is added.
const FORMAT: u32 = 1;

/// What every document begins with.
#[derive(Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct Document<T> {
    karat: Header,
    kind: &'static str,
    #[serde(flatten)]
    content: T,
}

#[derive(Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct Header {
    version: &'static str,
    format: u32,
}

/// Writes a document and a line feed.
fn write(out: &mut dyn Write, kind: &'static str, content: impl Serialize) -> io::Result<()> {
    let karat = Header { version: env!("CARGO_PKG_VERSION"), format: FORMAT };
    written(out, Rule::Json, |out| {
        serde_json::to_writer_pretty(&mut *out, &Document { karat, kind, content })?;
        writeln!(out)
    })
}
