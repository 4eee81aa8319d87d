//! Cases by executors.

use std::io::{self, Write};

use super::failure::failure;
use crate::report::message;
use crate::report::palette::Palette;
use crate::report::voice::Voice;
use crate::run::{CaseOutcome, Cell, Column, Group, Matrix, Problem, Row, Sum, Verdict};
use crate::text::number::{counted, duration};
use crate::text::safe::{name, visible};
use crate::text::table::Table;
use crate::text::wrap::paragraphs;

/// Tells what several executors made of the same cases: a row a case, then in full what failed, then each executor's
/// count.
///
/// # Errors
///
/// What `out` returns.
pub fn matrix(out: &mut dyn Write, palette: &Palette, voice: &Voice, matrix: &Matrix) -> io::Result<()> {
    let mut table = Table::default();
    table.row(["case"].into_iter().chain(executors(matrix)));
    for Row { id, checkpoint: _, cells } in &matrix.rows {
        let cells = cells.iter().map(|cell| message::sum(&Sum::of([cell])));
        table.case(id.as_str(), cells);
    }
    table.write(out, 0)?;
    rest(out, palette, voice, matrix)
}

/// The same, a row for all cases of one checkpoint in one suite.
///
/// # Errors
///
/// What `out` returns.
pub fn matrix_by_checkpoint(out: &mut dyn Write, palette: &Palette, voice: &Voice, matrix: &Matrix) -> io::Result<()> {
    let mut table = Table::default();
    table.row(["suite", "checkpoint", "cases"].into_iter().chain(executors(matrix)));
    for Group { suite, checkpoint, cases, sums, failed: _ } in matrix.groups() {
        let checkpoint = checkpoint.unwrap_or_else(|| "-".to_owned());
        table.row([suite, checkpoint, cases.to_string()].into_iter().chain(sums.iter().map(message::sum)));
    }
    table.write(out, 0)?;
    rest(out, palette, voice, matrix)
}

fn executors(matrix: &Matrix) -> impl Iterator<Item = &str> {
    matrix.columns.iter().map(|column| column.executor.as_str())
}

/// What stands below the table.
fn rest(out: &mut dyn Write, palette: &Palette, voice: &Voice, matrix: &Matrix) -> io::Result<()> {
    writeln!(out)?;
    for column in 0..matrix.columns.len() {
        failures(out, palette, voice, matrix, column)?;
    }
    skipped(out, palette, matrix)?;
    total(out, palette, matrix)?;
    (0..matrix.columns.len()).try_for_each(|column| tally(out, palette, matrix, column))?;
    writeln!(out, "accuracy alone: no snapshot was looked at")
}

/// What failed by that executor, in full, below its name; a hole too, where it fails.
fn failures(out: &mut dyn Write, palette: &Palette, voice: &Voice, matrix: &Matrix, column: usize) -> io::Result<()> {
    let failed = matrix.rows.iter().filter(|row| matrix.fails(row, column));
    let failed: Vec<&CaseOutcome> = failed.map(|row| row.cells[column].outcome()).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let executor = &matrix.columns[column].executor;
    let voice = Voice { executor: Some(executor.into()), options: Some("--accuracy-only".into()), ..voice.clone() };
    writeln!(out, "executor {}\n", palette.strong(&name(executor)))?;
    failed.into_iter().try_for_each(|case| failure(out, palette, &voice, &matrix.gate, case))
}

/// What was skipped, and why, once for all executors that say the same.
fn skipped(out: &mut dyn Write, palette: &Palette, matrix: &Matrix) -> io::Result<()> {
    for row in &matrix.rows {
        let reasons = row.cells.iter().map(Cell::outcome).filter_map(|case| match case.problems.first() {
            Some(Problem::Skipped { reason }) => Some(reason.as_str()),
            _ => None,
        });
        let mut reasons: Vec<&str> = reasons.collect();
        reasons.dedup();
        for reason in reasons {
            writeln!(out, "{}{}", palette.verdict(Verdict::Skipped, 10), palette.strong(row.id.as_str()))?;
            paragraphs(out, 10, &reason.lines().map(str::to_owned).collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

fn total(out: &mut dyn Write, palette: &Palette, matrix: &Matrix) -> io::Result<()> {
    let Matrix { root: _, columns, rows, filtered_out, gate: _, elapsed } = matrix;
    let failed = match matrix.failed() {
        0 => "none fails".to_owned(),
        1 => "1 fails".to_owned(),
        failed => format!("{failed} fail"),
    };
    let filtered = if *filtered_out > 0 { format!(", {filtered_out} filtered out") } else { String::new() };
    let cases = counted(rows.len() as u64, "case");
    let executors = counted(columns.len() as u64, "executor");
    let count = palette.strong(&format!("{cases} by {executors}, {failed},"));
    writeln!(out, "{count} in {}{filtered}", duration(*elapsed))
}

/// How many cases of an executor have each verdict, how many are holes, and what it lacks.
fn tally(out: &mut dyn Write, palette: &Palette, matrix: &Matrix, column: usize) -> io::Result<()> {
    let Column { executor, required } = &matrix.columns[column];
    let Sum { counts, holes, .. } = matrix.sum(column);
    let verdicts = Verdict::ALL.into_iter().filter(|verdict| counts.of(*verdict) > 0);
    let mut said: Vec<String> = verdicts.map(|verdict| palette.tally(counts.of(verdict), verdict)).collect();
    if holes > 0 {
        let lacking = visible(&matrix.lacking(column).join(", "));
        let fails = if *required { "; it is required" } else { "" };
        said.push(format!("{}, it lacks {lacking}{fails}", counted(holes as u64, "hole")));
    }
    writeln!(out, "{}: {}", name(executor), said.join(", "))
}
