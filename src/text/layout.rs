//! Formats wrapped text, tables and bars with lines of at most 80 columns if ids and commands allow it.

use super::number::count;
use super::safe::{escape_line, escape_name};

/// The maximum width of a line if ids and commands allow it.
pub(crate) const WIDTH: usize = 80;

/// The space between two columns.
const GAP: usize = 2;

/// Indents lines and wraps them at words.
pub(crate) fn paragraphs(indent: usize, lines: &[impl AsRef<str>]) -> String {
    let columns = WIDTH.saturating_sub(indent);
    let lines = lines.iter().flat_map(|line| wrap(&escape_line(line.as_ref()), columns));
    lines.map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{:indent$}{line}\n", "") }).collect()
}

/// Returns the number of columns of a text.
pub(crate) fn width(text: &str) -> usize {
    text.chars().count()
}

/// Escapes a name and pads it with spaces.
pub(crate) fn pad_name(text: &str, columns: usize) -> String {
    pad(escape_name(text), columns)
}

/// Pads a text with spaces. The text must already be escaped.
pub(crate) fn pad(text: String, columns: usize) -> String {
    format!("{text:columns$}")
}

/// Wraps a line at spaces. A word that is wider than the line is not broken.
fn wrap(line: &str, columns: usize) -> Vec<String> {
    if width(line) <= columns {
        return vec![line.trim_end().to_owned()];
    }
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in line.split(' ') {
        if !current.trim().is_empty() && width(&current) + 1 + width(word) > columns {
            lines.push(std::mem::take(&mut current));
        } else if !current.is_empty() || word.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
    }
    lines.push(current);
    lines.iter().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// A table whose columns are as wide as their widest cell. The last cell of a row is not padded.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Appends a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl AsRef<str>>) {
        let mut row: Vec<String> = cells.into_iter().map(|cell| cell.as_ref().to_owned()).collect();
        let last = row.pop();
        self.rows.push(row.iter().map(|cell| escape_name(cell)).chain(last.map(|cell| escape_line(&cell))).collect());
    }

    /// Appends a row that starts with the id of a case. An id is never shortened, so that it can be copied.
    pub(crate) fn case(&mut self, id: &str, cells: impl IntoIterator<Item = impl AsRef<str>>) {
        self.row(cells);
        if let Some(row) = self.rows.last_mut() {
            row.insert(0, escape_line(id));
        }
    }

    /// Returns the width of the table.
    pub(crate) fn width(&self) -> usize {
        self.text(0).lines().map(width).max().unwrap_or(0)
    }

    /// Formats the table with an indentation.
    pub(crate) fn text(&self, indent: usize) -> String {
        // The last cell of a row does not widen its column, so an error can be next to numbers.
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let inner = |at: usize| self.rows.iter().filter(move |row| row.len() > at + 1).map(move |row| width(&row[at]));
        let widths: Vec<usize> = (0..columns).map(|at| inner(at).max().unwrap_or(0)).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
            let line = format!("{:indent$}{}", "", cells.collect::<Vec<_>>().join(&" ".repeat(GAP)));
            line.trim_end().to_owned() + "\n"
        };
        self.rows.iter().map(line).collect()
    }
}

/// Draws a bar for each label and count. The longest bar reaches the right margin.
pub(crate) fn bars(indent: usize, rows: &[(String, u64)]) -> String {
    let labels = rows.iter().map(|(label, _)| width(label)).max().unwrap_or(0);
    let counts = rows.iter().map(|(_, number)| count(*number).len()).max().unwrap_or(0);
    let most = rows.iter().map(|(_, number)| *number).max().unwrap_or(0).max(1);
    let room = WIDTH.saturating_sub(indent + labels + GAP + counts + GAP);
    let line = |(label, number): &(String, u64)| {
        // Rounding up gives every nonzero count a bar.
        let bar = "#".repeat((*number as f64 / most as f64 * room as f64).ceil() as usize);
        let line = format!("{:indent$}{}  {:>counts$}  {bar}", "", pad_name(label, labels), count(*number));
        line.trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_wrapped_at_words_and_words_are_not_broken() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a/very/long/path is whole", 8), ["a/very/long/path", "is whole"]);
        assert_eq!(wrap("short", 8), ["short"]);
    }
}
