//! Lines of a snapshot that moved.

use std::io::{self, Write};

use crate::snapshot::Drift;
use crate::text::WIDTH;
use crate::text::safe::visible;
use crate::text::table::Table;

/// Lines of a snapshot, beside what holds now.
pub(crate) fn moved(out: &mut dyn Write, indent: usize, lines: &[Drift]) -> io::Result<()> {
    let mut table = Table::default();
    table.row(["quantity", "snapshot", "now", "band"]);
    for Drift { quantity, stored, measured, band } in lines {
        table.row([quantity, or(stored, "none"), or(measured, "none"), or(band, "equal")]);
    }
    if indent + 2 + table.width() <= WIDTH {
        return table.write(out, indent + 2);
    }
    // Too wide side by side, as digests and the digits of a double are: one below the other.
    for Drift { quantity, stored, measured, band } in lines {
        let mut table = Table::default();
        table.row(["snapshot", or(stored, "none")]);
        table.row(["now", or(measured, "none")]);
        table.row(["band", or(band, "equal")]);
        writeln!(out, "{:indent$}  {}", "", visible(quantity))?;
        table.write(out, indent + 4)?;
    }
    Ok(())
}

fn or<'a>(text: &'a str, absent: &'a str) -> &'a str {
    if text.is_empty() { absent } else { text }
}
