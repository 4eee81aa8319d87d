//! Columns as wide as their widest cell.

use std::io::{self, Write};

use super::safe::{name, visible};
use crate::text::wrap::{filled, width};

/// Between two columns.
const GAP: usize = 2;

/// Rows of cells. The last cell of a row ends the line.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Appends a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl AsRef<str>>) {
        let mut cells = cells.into_iter().peekable();
        let mut row = Vec::new();
        while let Some(cell) = cells.next() {
            row.push(if cells.peek().is_some() { name(cell.as_ref()) } else { visible(cell.as_ref()) });
        }
        self.rows.push(row);
    }

    /// Appends a row that begins with the id of a case, which is never cut: it is typed again.
    #[cfg(feature = "harness")]
    pub(crate) fn case(&mut self, id: &str, cells: impl IntoIterator<Item = impl AsRef<str>>) {
        self.row(cells);
        if let Some(row) = self.rows.last_mut() {
            row.insert(0, visible(id));
        }
    }

    /// How many columns of the screen it takes.
    pub(crate) fn width(&self) -> usize {
        let widths = self.widths();
        let row = |row: &Vec<String>| {
            let padded: usize = widths.iter().take(row.len().saturating_sub(1)).map(|width| width + GAP).sum();
            padded + row.last().map_or(0, |cell| width(cell))
        };
        self.rows.iter().map(row).max().unwrap_or(0)
    }

    /// Writes every row on a line below an indentation.
    pub(crate) fn write(&self, out: &mut dyn Write, indent: usize) -> io::Result<()> {
        let widths = self.widths();
        for row in &self.rows {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| filled(cell.clone(), *width)).collect();
            let line = cells.join(&" ".repeat(GAP));
            writeln!(out, "{}{}", " ".repeat(indent), line.trim_end())?;
        }
        Ok(())
    }

    /// Of each column. A cell that ends its line needs no column: an error may stand beside numbers.
    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let inner = |at: usize| self.rows.iter().filter(move |row| row.len() > at + 1).map(move |row| width(&row[at]));
        (0..columns).map(|at| inner(at).max().unwrap_or(0)).collect()
    }
}
