//! Columns as wide as their widest cell.

use std::io::{self, Write};

use super::text::{padded, visible, width};

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
        let mut row = Vec::new();
        for cell in cells {
            row.push(visible(cell.as_ref()));
        }
        self.rows.push(row);
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
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| padded(cell, *width)).collect();
            let line = cells.join(&" ".repeat(GAP));
            writeln!(out, "{:indent$}{}", "", line.trim_end())?;
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
