//! For pages: tables in GitHub's Markdown.

use std::io::{self, Write};

use super::message;
use crate::run::{Group, Matrix, Row, Sum};

/// Writes what several executors made of the same cases, a row a case.
///
/// # Errors
///
/// What `out` returns.
pub fn cases(out: &mut dyn Write, matrix: &Matrix) -> io::Result<()> {
    head(out, &["case", "checkpoint"], matrix)?;
    for (at, Row { id, checkpoint, cells }) in matrix.rows.iter().enumerate() {
        let cell =
            |column: usize| strong(message::sum(&Sum::of([&cells[column]])), matrix.fails(&matrix.rows[at], column));
        let names = [code(id.as_str()), code(checkpoint.as_deref().unwrap_or("-"))];
        row(out, names.into_iter().chain((0..cells.len()).map(cell)))?;
    }
    Ok(())
}

/// Writes the same, a row for all cases of one checkpoint in one suite.
///
/// # Errors
///
/// What `out` returns.
pub fn checkpoints(out: &mut dyn Write, matrix: &Matrix) -> io::Result<()> {
    head(out, &["suite", "checkpoint", "cases"], matrix)?;
    for Group { suite, checkpoint, cases, sums, failed } in matrix.groups() {
        let names = [escaped(&suite), code(checkpoint.as_deref().unwrap_or("-")), cases.to_string()];
        let cells = sums.iter().zip(failed).map(|(sum, fails)| strong(message::sum(sum), fails));
        row(out, names.into_iter().chain(cells))?;
    }
    Ok(())
}

fn head(out: &mut dyn Write, names: &[&str], matrix: &Matrix) -> io::Result<()> {
    let executors = matrix.columns.iter().map(|column| escaped(&column.executor));
    row(out, names.iter().map(|&name| name.to_owned()).chain(executors))?;
    row(out, (0..names.len() + matrix.columns.len()).map(|_| "---".to_owned()))
}

fn row(out: &mut dyn Write, cells: impl Iterator<Item = String>) -> io::Result<()> {
    writeln!(out, "| {} |", cells.collect::<Vec<_>>().join(" | "))
}

/// What fails stands out.
fn strong(text: String, fails: bool) -> String {
    if fails { format!("**{text}**") } else { text }
}

fn code(text: &str) -> String {
    format!("`{}`", escaped(text).replace('`', "'"))
}

/// A cell ends at a bar, a row at a line's end.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}
