//! Lines of text, broken at words.

use std::io::{self, Write};

#[cfg(feature = "harness")]
use super::safe::name;
use super::safe::visible;
use crate::text::WIDTH;

/// Writes the lines below an indentation, broken at words where they would be too wide.
pub(crate) fn paragraphs(out: &mut dyn Write, indent: usize, lines: &[String]) -> io::Result<()> {
    for line in lines.iter().flat_map(|line| wrap(&visible(line), WIDTH.saturating_sub(indent))) {
        match line.is_empty() {
            true => writeln!(out)?,
            false => writeln!(out, "{:indent$}{line}", "")?,
        }
    }
    Ok(())
}

/// How many columns the text takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().count()
}

/// The name and blanks after it up to that many columns.
#[cfg(feature = "harness")]
pub(crate) fn padded(text: &str, columns: usize) -> String {
    filled(name(text), columns)
}

/// What is safe already, and blanks after it up to that many columns.
pub(crate) fn filled(shown: String, columns: usize) -> String {
    let blanks = " ".repeat(columns.saturating_sub(width(&shown)));
    shown + &blanks
}

/// Breaks a line at blanks. A word wider than the line stays whole.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_break_at_words_and_words_stay_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a/very/long/path is whole", 8), ["a/very/long/path", "is whole"]);
        assert_eq!(wrap("short", 8), ["short"]);
    }
}
