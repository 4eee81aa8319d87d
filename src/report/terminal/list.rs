//! A line for each case there is.

use std::io::{self, Write};

use crate::report::palette::Palette;
use crate::report::view::CaseLine;
use crate::text::number::counted;
use crate::text::table::Table;
use crate::text::wrap::paragraphs;

/// Writes id, checkpoint and outputs of each case, then their number. A case that could not be read says why.
///
/// # Errors
///
/// What `out` returns.
pub fn list(out: &mut dyn Write, palette: &Palette, cases: &[CaseLine]) -> io::Result<()> {
    let mut table = Table::default();
    for CaseLine { id, file: _, checkpoint, outputs, skip, error } in cases {
        let outputs = match (error, skip, outputs.as_slice()) {
            (Some(_), _, _) => "cannot be read".to_owned(),
            (None, Some(_), outputs) => format!("{} (skipped)", outputs.join(" ")).trim_start().to_owned(),
            (None, None, []) => "its snapshot alone".into(),
            (None, None, outputs) => outputs.join(" "),
        };
        table.case(id.as_str(), [checkpoint.as_deref().unwrap_or("-"), &outputs]);
    }
    table.write(out, 0)?;
    for case in cases {
        if let Some(error) = &case.error {
            writeln!(out, "{}", palette.strong(case.id.as_str()))?;
            paragraphs(out, 10, &error.lines().map(str::to_owned).collect::<Vec<_>>())?;
        }
    }
    writeln!(out, "{}", counted(cases.len() as u64, "case"))
}
