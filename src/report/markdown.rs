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
        write!(out, "{}", row(names.into_iter().chain((0..cells.len()).map(cell))))?;
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
        write!(out, "{}", row(names.into_iter().chain(cells)))?;
    }
    Ok(())
}

fn head(out: &mut dyn Write, names: &[&str], matrix: &Matrix) -> io::Result<()> {
    let executors = matrix.columns.iter().map(|column| escaped(&column.executor));
    write!(out, "{}", row(names.iter().map(|&name| name.to_owned()).chain(executors)))?;
    write!(out, "{}", row((0..names.len() + matrix.columns.len()).map(|_| "---")))
}

/// A line of a table.
pub(super) fn row<T: AsRef<str>>(cells: impl IntoIterator<Item = T>) -> String {
    let mut line = String::from("|");
    cells.into_iter().for_each(|cell| line += &format!(" {} |", cell.as_ref()));
    line + "\n"
}

/// What fails stands out.
fn strong(text: String, fails: bool) -> String {
    if fails { format!("**{text}**") } else { text }
}

/// A text as it is typed.
pub(super) fn code(text: &str) -> String {
    format!("`{}`", escaped(text).replace('`', "'"))
}

/// A text of which no character is Markdown or HTML.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.replace(['\n', '\r'], " ").chars() {
        match c {
            '&' => plain += "&amp;",
            '<' => plain += "&lt;",
            '>' => plain += "&gt;",
            // An at sign would call whoever has that name.
            '@' => plain += "&#64;",
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '$' => plain.extend(['\\', c]),
            c => plain.push(c),
        }
    }
    plain
}

/// A cell ends at a bar, a row at a line's end.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}
