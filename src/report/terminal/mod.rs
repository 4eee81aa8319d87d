//! For people: plain text of 80 columns where ids allow it, coloured where the caller says so.

mod case_line;
mod chain;
mod diff;
mod doctor;
mod end;
mod explain;
mod failure;
mod list;
mod matrix;
mod picture;
mod show;

use std::io::{self, Write};

use super::{Palette, Voice};
use crate::run::RunOutcome;

pub(super) use case_line::found;
pub use case_line::{Columns, case_line};
pub use chain::chain;
pub use diff::diff;
pub use doctor::doctor;
pub use end::{brief, count, end, skipped};
pub use explain::explain;
pub(crate) use failure::message;
pub use failure::{failing, failure, failures, passes};
pub use list::list;
pub use matrix::{matrix, matrix_by_checkpoint};
pub(super) use picture::{axes, heat, mark, meanings, rows, ten};
pub use show::{show_case, show_members, show_tensor};

/// How much is told of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// What failed, and the count.
    Failures,
    /// A line a case besides.
    #[default]
    Cases,
    /// What was measured of each output that passed besides.
    Measurements,
}

/// Tells a whole run: a line a case, what was skipped, what became of each chain, in full what failed, the worst last, and the end.
///
/// # Errors
///
/// What `out` returns.
pub fn run(out: &mut dyn Write, palette: &Palette, voice: &Voice, run: &RunOutcome) -> io::Result<()> {
    run_in(Detail::Cases, out, palette, voice, run)
}

/// Tells a whole run, as much of it as is asked for.
///
/// # Errors
///
/// What `out` returns.
pub fn run_in(
    detail: Detail,
    out: &mut dyn Write,
    palette: &Palette,
    voice: &Voice,
    run: &RunOutcome,
) -> io::Result<()> {
    if detail == Detail::Failures {
        skipped(out, palette, &run.cases)?;
        failing(out, palette, voice, run)?;
        return brief(out, palette, run);
    }
    let columns = run.cases.iter().map(|case| (case.id.as_str(), case.checkpoint.as_deref().unwrap_or_default()));
    let columns = Columns::of(columns);
    run.cases.iter().try_for_each(|case| case_line(out, palette, columns, case))?;
    writeln!(out)?;
    if detail == Detail::Measurements {
        passes(out, palette, run)?;
    }
    skipped(out, palette, &run.cases)?;
    match run.chains.as_deref() {
        None => {}
        Some([]) => writeln!(out, "no chain: no case here takes another's output by `from`")?,
        Some(chains) => chains.iter().try_for_each(|of| chain(out, palette, of))?,
    }
    failures(out, palette, voice, run)?;
    end(out, palette, voice, run)
}
