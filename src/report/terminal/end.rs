//! The end of a run: what was skipped, the count, what to do next.

use std::io::{self, Write};

use crate::report::message;
use crate::report::next::after;
use crate::report::palette::Palette;
use crate::report::voice::Voice;
use crate::run::{CaseOutcome, Counts, Partition, Problem, RunOutcome, Verdict};
use crate::text::WIDTH;
use crate::text::number::{counted, duration};
use crate::text::safe::visible;
use crate::text::wrap::paragraphs;

/// Writes the counts by verdict, worst first, what to do next, and which executor ran.
///
/// # Errors
///
/// What `out` returns.
pub fn end(out: &mut dyn Write, palette: &Palette, voice: &Voice, run: &RunOutcome) -> io::Result<()> {
    counts(out, palette, run)?;
    after(voice, run, "above")
        .into_iter()
        .try_for_each(|(what, command)| writeln!(out, "{what}:  {}", palette.command(&command)))?;
    writeln!(out, "{}", message::executor(run))
}

/// Writes the counts by verdict, what cannot fail, and which executor ran: what every report says.
///
/// # Errors
///
/// What `out` returns.
pub fn brief(out: &mut dyn Write, palette: &Palette, run: &RunOutcome) -> io::Result<()> {
    counts(out, palette, run)?;
    writeln!(out, "{}", message::executor(run))
}

/// Writes the counts, and what cannot fail.
fn counts(out: &mut dyn Write, palette: &Palette, run: &RunOutcome) -> io::Result<()> {
    count(out, palette, run)?;
    paragraphs(out, 0, message::vacuous_outputs(run).as_slice())
}

/// Writes the counts by verdict, worst first, and what of the whole this is not.
///
/// # Errors
///
/// What `out` returns.
pub fn count(out: &mut dyn Write, palette: &Palette, run: &RunOutcome) -> io::Result<()> {
    total(out, palette, run)?;
    if !run.cases.is_empty() {
        tally(out, palette, &run.counts())?;
    }
    if let Some(Partition { shard, total, .. }) = &run.partition {
        let whole = counted(*total as u64, "case");
        match run.cases.is_empty() && run.not_run == 0 {
            true => writeln!(out, "{shard} of {whole} is empty: every one is in another shard")?,
            false => writeln!(out, "{shard} of {whole}; `merge` puts the records of all shards together")?,
        }
    }
    match message::ended_early(run) {
        Some(early) => writeln!(out, "{}", palette.strong(&visible(&early))),
        None => Ok(()),
    }
}

/// Writes what was skipped and why.
///
/// # Errors
///
/// What `out` returns.
pub fn skipped(out: &mut dyn Write, palette: &Palette, cases: &[CaseOutcome]) -> io::Result<()> {
    for case in cases.iter().filter(|case| case.verdict == Verdict::Skipped) {
        writeln!(out, "{}{}", palette.verdict(Verdict::Skipped, 10), palette.strong(case.id.as_str()))?;
        if let Some(Problem::Skipped { reason }) = case.problems.first() {
            paragraphs(out, 10, &reason.lines().map(str::to_owned).collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

/// How many cases, how long it took, and how many fail.
fn total(out: &mut dyn Write, palette: &Palette, run: &RunOutcome) -> io::Result<()> {
    let cases = counted(run.cases.len() as u64, "case");
    let filtered = match run.filtered_out {
        0 => String::new(),
        count => format!(", {count} filtered out"),
    };
    let failed = match run.failed() {
        0 => "none fails".to_owned(),
        1 => "1 fails".to_owned(),
        failed => format!("{failed} fail"),
    };
    writeln!(out, "{} in {}{filtered}", palette.strong(&format!("{cases}, {failed},")), duration(run.elapsed))
}

fn tally(out: &mut dyn Write, palette: &Palette, counts: &Counts) -> io::Result<()> {
    let mut column = 0;
    for verdict in Verdict::ALL.into_iter().filter(|verdict| counts.of(*verdict) > 0) {
        let count = counts.of(verdict);
        let width = format!("{count} {}, ", verdict.word()).len();
        let before = match column {
            0 => "",
            column if column + width > WIDTH => ",\n",
            _ => ", ",
        };
        column = if before == ", " { column + width } else { width };
        write!(out, "{before}{}", palette.tally(count, verdict))?;
    }
    writeln!(out)
}
