//! `karat list --json`.

use std::io::{self, Write};

use serde::Serialize;

use super::write;
use crate::report::{CaseLine, Voice};

/// Writes every case there is.
///
/// # Errors
///
/// What `out` returns.
pub fn list(out: &mut dyn Write, voice: &Voice, cases: &[CaseLine]) -> io::Result<()> {
    let cases = cases.iter().map(|case| json_case(voice, case)).collect();
    write(out, "list", JsonList { cases })
}

#[derive(Serialize)]
struct JsonList<'a> {
    cases: Vec<JsonCase<'a>>,
}

#[derive(Serialize)]
struct JsonCase<'a> {
    id: &'a str,
    file: String,
    checkpoint: Option<&'a str>,
    outputs: &'a [String],
    skip: Option<&'a str>,
    error: Option<&'a str>,
}

fn json_case<'a>(voice: &Voice, case: &'a CaseLine) -> JsonCase<'a> {
    let CaseLine { id, file, checkpoint, outputs, skip, error } = case;
    JsonCase {
        id: id.as_str(),
        file: voice.path(file),
        checkpoint: checkpoint.as_deref(),
        outputs,
        skip: skip.as_deref(),
        error: error.as_deref(),
    }
}
