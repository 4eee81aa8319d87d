//! What is wrong with a setup, each with the command for it.

use std::io::{self, Write};

use crate::doctor::Health;
use crate::report::doctor::{command, said};
use crate::report::palette::Palette;
use crate::report::voice::Voice;
use crate::text::number::counted;
use crate::text::wrap::paragraphs;

/// Writes each complaint with the command that helps, or that nothing is wrong.
///
/// # Errors
///
/// What `out` returns.
pub fn doctor(out: &mut dyn Write, palette: &Palette, voice: &Voice, health: &Health) -> io::Result<()> {
    for complaint in &health.complaints {
        let mark = if complaint.ailment.is_fault() { "wrong" } else { "note" };
        writeln!(out, "{mark:6}{}", palette.strong(&complaint.ailment.word().replace('_', " ")))?;
        paragraphs(out, 6, &[said(voice, complaint)])?;
        writeln!(out, "      {}\n", palette.command(&command(voice, complaint)))?;
    }
    let seen =
        format!("{}, {} accepted", counted(health.cases as u64, "case"), counted(health.snapshots as u64, "snapshot"),);
    match health.complaints.iter().filter(|complaint| complaint.ailment.is_fault()).count() as u64 {
        0 => writeln!(out, "{seen}: nothing is wrong"),
        1 => writeln!(out, "{seen}: 1 thing is wrong"),
        many => writeln!(out, "{seen}: {many} things are wrong"),
    }
}
