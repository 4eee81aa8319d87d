//! For pages: tables in GitHub's Markdown.

use std::io::{self, Write};

use super::message;
use crate::run::{Group, Matrix, Row, Sum};
use crate::text::safe::visible;

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
        let names = [plain(&suite), code(checkpoint.as_deref().unwrap_or("-")), cases.to_string()];
        let cells = sums.iter().zip(failed).map(|(sum, fails)| strong(message::sum(sum), fails));
        write!(out, "{}", row(names.into_iter().chain(cells)))?;
    }
    Ok(())
}

fn head(out: &mut dyn Write, names: &[&str], matrix: &Matrix) -> io::Result<()> {
    let executors = matrix.columns.iter().map(|column| plain(&column.executor));
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
    let text = visible(text);
    // Between backticks nothing has a meaning but a backtick, and a bar in a table.
    match text.contains(['`', '|']) || text.contains("##") {
        true => format!("<code>{}</code>", plain(&text)),
        false => format!("`{text}`"),
    }
}

/// A text of which no character is Markdown or HTML, and which makes no link, nor calls anybody.
pub(super) fn plain(text: &str) -> String {
    /// A blank of no width: what is recognised once a page is rendered ends at it.
    const APART: &str = "&#8203;";
    let mut plain = String::with_capacity(text.len());
    let text = visible(&text.replace(['\n', '\r'], " "));
    for (at, c) in text.char_indices() {
        let rest = &text[at + c.len_utf8()..];
        match c {
            '&' => plain += "&amp;",
            '<' => plain += "&lt;",
            '>' => plain += "&gt;",
            '@' => plain += &format!("&#64;{APART}"),
            '#' if rest.starts_with(|c: char| !c.is_whitespace()) => plain += &format!("&#35;{APART}"),
            ':' if rest.starts_with('/') => plain += &format!("&#58;{APART}"),
            '.' if at >= 3 && text.as_bytes()[at - 3..at].eq_ignore_ascii_case(b"www") => {
                plain += &format!("&#46;{APART}")
            }
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '$' | '!' => plain.extend(['\\', c]),
            c => plain.push(c),
        }
    }
    plain
}
