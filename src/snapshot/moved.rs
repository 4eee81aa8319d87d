//! Lines of a snapshot that moved.

use crate::snapshot::Drift;
use crate::text::layout::{Table, WIDTH};
use crate::text::safe::visible;

/// Lines of a snapshot, beside what holds now.
pub(crate) fn moved(indent: usize, lines: &[Drift]) -> String {
    let mut table = Table::default();
    table.row(MOVED);
    lines.iter().for_each(|line| table.row(moved_row(line)));
    if indent + 2 + table.width() <= WIDTH {
        return table.text(indent + 2);
    }
    // Too wide side by side, as digests and the digits of a double are: one below the other.
    let below = |line: &Drift| {
        let mut table = Table::default();
        let cells = MOVED.into_iter().zip(moved_row(line)).skip(1);
        cells.for_each(|(name, cell)| table.row([name, cell]));
        format!("{:indent$}  {}\n{}", "", visible(&line.quantity), table.text(indent + 4))
    };
    lines.iter().map(below).collect()
}

/// The columns of a table of such lines.
pub(crate) const MOVED: [&str; 4] = ["quantity", "snapshot", "now", "band"];

/// The cells of such a line.
pub(crate) fn moved_row(Drift { quantity, stored, measured, band }: &Drift) -> [&str; 4] {
    let or = |text, absent| if str::is_empty(text) { absent } else { text };
    [quantity, or(stored, "none"), or(measured, "none"), or(band, "equal")]
}
