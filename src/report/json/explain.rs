//! `karat explain --json`.

use std::io::{self, Write};

use serde::Serialize;

use super::case::JsonCase;
use super::write;
use crate::report::{ExplainView, Voice};

/// Writes a case, run by that executor and held to accuracy alone; the explanations are those of its outputs.
///
/// # Errors
///
/// What `out` returns.
pub fn explain(out: &mut dyn Write, voice: &Voice, explained: &ExplainView) -> io::Result<()> {
    let ExplainView { executor, gate, case } = explained;
    write(out, "explain", JsonExplain { executor, case: JsonCase::new(voice, gate, case) })
}

#[derive(Serialize)]
struct JsonExplain<'a> {
    executor: &'a str,
    case: JsonCase,
}
