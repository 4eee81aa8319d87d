//! For pages: tables in GitHub's Markdown.

use super::overview;
use super::terminal::By;
use crate::run::{Group, Matrix, Row, Sum};
use crate::text::safe::escape_line;

/// What several executors made of the same cases, as a table.
#[must_use]
pub fn matrix(by: By, matrix: &Matrix) -> String {
    let names = match by {
        By::Case => &["case", "checkpoint"][..],
        By::Checkpoint => &["suite", "checkpoint", "cases"],
    };
    let executors = matrix.columns.iter().map(|column| plain(&column.executor));
    let head = row(names.iter().map(|&name| name.to_owned()).chain(executors));
    let line = row((0..names.len() + matrix.columns.len()).map(|_| "---"));
    let named = |checkpoint: Option<&str>| code(checkpoint.unwrap_or("-"));
    // What fails stands out.
    let cell = |sum: &Sum, fails| match overview::sum(sum) {
        text if fails => format!("**{text}**"),
        text => text,
    };
    let of_case = |of: &Row| {
        let cells = of.cells.iter().enumerate().map(|(at, one)| cell(&Sum::new([one]), matrix.fails(of, at)));
        row([code(of.id.as_str()), named(of.checkpoint.as_deref())].into_iter().chain(cells))
    };
    let of_group = |Group { suite, checkpoint, cases, sums, failed }: Group| {
        let cells = sums.iter().zip(failed).map(|(sum, fails)| cell(sum, fails));
        row([plain(&suite), named(checkpoint.as_deref()), cases.to_string()].into_iter().chain(cells))
    };
    let rows: String = match by {
        By::Case => matrix.rows.iter().map(of_case).collect(),
        By::Checkpoint => matrix.groups().into_iter().map(of_group).collect(),
    };
    head + &line + &rows
}

/// A line of a table.
pub(super) fn row<T: AsRef<str>>(cells: impl IntoIterator<Item = T>) -> String {
    let cells: String = cells.into_iter().map(|cell| format!(" {} |", cell.as_ref())).collect();
    format!("|{cells}\n")
}

/// A text as it is typed.
pub(super) fn code(text: &str) -> String {
    let text = escape_line(text);
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
    let text = escape_line(&text.replace(['\n', '\r'], " "));
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
