//! Tables in GitHub's Markdown.

use super::overview;
use super::terminal::RowKind;
use crate::run::{Group, Matrix, Row, Sum};
use crate::text::safe::escape_line;

/// Formats the results of several executors on the same cases as a table. Failures are bold.
#[must_use]
pub fn matrix(by: RowKind, matrix: &Matrix) -> String {
    let names = match by {
        RowKind::Case => &["case", "checkpoint"][..],
        RowKind::Checkpoint => &["suite", "checkpoint", "cases"],
    };
    let executors = matrix.columns.iter().map(|column| plain(&column.executor));
    let head = row(names.iter().map(|&name| name.to_owned()).chain(executors));
    let line = row((0..names.len() + matrix.columns.len()).map(|_| "---"));
    let checkpoint_cell = |checkpoint: Option<&str>| code(checkpoint.unwrap_or("-"));
    let cell = |sum: &Sum, fails| match overview::cell(sum) {
        text if fails => format!("**{text}**"),
        text => text,
    };
    let case_row = |case: &Row| {
        let cells = case.cells.iter().enumerate().map(|(at, one)| cell(&Sum::new([one]), matrix.fails(case, at)));
        row([code(case.id.as_str()), checkpoint_cell(case.checkpoint.as_deref())].into_iter().chain(cells))
    };
    let group_row = |Group { suite, checkpoint, cases, sums, failed }: Group| {
        let cells = sums.iter().zip(failed).map(|(sum, fails)| cell(sum, fails));
        row([plain(&suite), checkpoint_cell(checkpoint.as_deref()), cases.to_string()].into_iter().chain(cells))
    };
    let rows: String = match by {
        RowKind::Case => matrix.rows.iter().map(case_row).collect(),
        RowKind::Checkpoint => matrix.groups().into_iter().map(group_row).collect(),
    };
    head + &line + &rows
}

/// Formats a row of a table.
pub(super) fn row<T: AsRef<str>>(cells: impl IntoIterator<Item = T>) -> String {
    let cells: String = cells.into_iter().map(|cell| format!(" {} |", cell.as_ref())).collect();
    format!("|{cells}\n")
}

/// Formats text as code.
pub(super) fn code(text: &str) -> String {
    let text = escape_line(text);
    // Between backticks, only backticks are special, and bars in a table.
    match text.contains(['`', '|']) || text.contains("##") {
        true => format!("<code>{}</code>", plain(&text)),
        false => format!("`{text}`"),
    }
}

/// Escapes text so that it contains no Markdown, HTML, links or mentions.
pub(super) fn plain(text: &str) -> String {
    /// A zero-width space, which ends whatever GitHub would recognise in the rendered page.
    const BREAK: &str = "&#8203;";
    let mut plain = String::with_capacity(text.len());
    let text = escape_line(&text.replace(['\n', '\r'], " "));
    for (at, c) in text.char_indices() {
        let rest = &text[at + c.len_utf8()..];
        match c {
            '&' => plain += "&amp;",
            '<' => plain += "&lt;",
            '>' => plain += "&gt;",
            '@' => plain += &format!("&#64;{BREAK}"),
            '#' if rest.starts_with(|c: char| !c.is_whitespace()) => plain += &format!("&#35;{BREAK}"),
            ':' if rest.starts_with('/') => plain += &format!("&#58;{BREAK}"),
            '.' if at >= 3 && text.as_bytes()[at - 3..at].eq_ignore_ascii_case(b"www") => {
                plain += &format!("&#46;{BREAK}")
            }
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '$' | '!' => plain.extend(['\\', c]),
            c => plain.push(c),
        }
    }
    plain
}
