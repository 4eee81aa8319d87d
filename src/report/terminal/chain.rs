//! Own and propagated differences along a chain.

use std::io::{self, Write};

use crate::report::message;
use crate::report::palette::Palette;
use crate::run::{ChainOutcome, Step};
use crate::text::number::{counted, ratio};
use crate::text::safe::visible;
use crate::text::table::Table;
use crate::text::wrap::paragraphs;

/// Writes a row for each case of the chain, in the order of the computation, and where the chain leaves its reference.
///
/// # Errors
///
/// What `out` returns.
pub fn chain(out: &mut dyn Write, palette: &Palette, chain: &ChainOutcome) -> io::Result<()> {
    let ChainOutcome { name, steps, finding } = chain;
    writeln!(out, "chain {}, {}", palette.strong(&visible(name)), counted(steps.len() as u64, "case"))?;
    let mut table = Table::default();
    table.row(["case", "own", "propagated", "amplified", ""]);
    for step in steps {
        let Step { id, checkpoint: _, part: _, why: _, own, propagated, amplification } = step;
        // The head has said where the chain is.
        let short = id.as_str().strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix('/'));
        let absent = || "-".to_owned();
        let cells = [
            own.as_ref().map_or_else(absent, message::difference),
            propagated.as_ref().map_or_else(absent, message::difference),
            amplification.map_or_else(absent, ratio),
            message::part(step),
        ];
        table.case(short.unwrap_or(id.as_str()), cells);
    }
    table.write(out, 2)?;
    paragraphs(out, 0, &[message::finding(finding)])?;
    writeln!(out)
}
