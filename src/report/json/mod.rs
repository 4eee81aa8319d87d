//! For programs: one JSON document for each verb, described in `docs/json.md`.
//!
//! What is absent is `null`, never left out. A float that JSON cannot hold is the word `"nan"`, `"inf"` or `"-inf"`. What a
//! terminal or a CI runner would obey is written as `\u....`, which reads back the same. What is measured and judged is written
//! as it is; the documents add what follows from it, and what a reader is told.

mod read;
mod run;
mod verbs;

use std::io::{self, Write};

use serde::Serialize;

use crate::text::safe::{Rule, written};

pub use read::{read_run, version};
#[cfg(feature = "cli")]
pub use run::run_schema;
pub use run::{explain, run};
pub use verbs::{diff, doctor, list, matrix, show_case, show_members, show_tensor};

/// Changes when a field goes, or comes to mean something else; not when one is added.
const FORMAT: u32 = 1;

/// How the last field of a run begins: the sha256 of everything before it.
const DIGEST: &str = ",\n  \"sha256\": \"";

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
