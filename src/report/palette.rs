//! Colours by meaning.

use anstyle::{AnsiColor, Style};

use crate::run::Verdict;
use crate::text::safe::escaped;

/// The colours of a report, named by what they mean. Whether there are any is the caller's choice.
#[derive(Clone, Copy, Debug)]
pub struct Palette {
    pass: Style,
    fail: Style,
    review: Style,
    skipped: Style,
    strong: Style,
    dim: Style,
    command: Style,
}

impl Palette {
    /// No colours: the text alone.
    #[must_use]
    pub fn plain() -> Palette {
        let none = Style::new();
        Palette { pass: none, fail: none, review: none, skipped: none, strong: none, dim: none, command: none }
    }

    /// Colours for a terminal, of the sixteen that every theme defines.
    #[must_use]
    pub fn colored() -> Palette {
        let bold = Style::new().bold();
        let color = |color: AnsiColor| bold.fg_color(Some(color.into()));
        Palette {
            pass: AnsiColor::Green.on_default(),
            fail: color(AnsiColor::Red),
            review: color(AnsiColor::Yellow),
            skipped: AnsiColor::Cyan.on_default(),
            strong: bold,
            dim: Style::new().dimmed(),
            command: AnsiColor::Cyan.on_default(),
        }
    }

    /// A verdict's word, padded to `width` columns.
    pub(super) fn verdict(&self, verdict: Verdict, width: usize) -> String {
        let word = verdict.word();
        let padding = " ".repeat(width.saturating_sub(word.len()));
        paint(self.of(verdict), word) + &padding
    }

    /// A number of cases and their verdict's word.
    pub(super) fn tally(&self, count: usize, verdict: Verdict) -> String {
        paint(self.of(verdict), &format!("{count} {}", verdict.word()))
    }

    /// What the eye should find first.
    pub(super) fn strong(&self, text: &str) -> String {
        paint(self.strong, text)
    }

    /// What may be passed over.
    pub(super) fn dim(&self, text: &str) -> String {
        paint(self.dim, text)
    }

    /// What to type.
    pub(super) fn command(&self, text: &str) -> String {
        paint(self.command, text)
    }

    fn of(&self, verdict: Verdict) -> Style {
        match verdict {
            Verdict::Pass => self.pass,
            Verdict::Skipped => self.skipped,
            Verdict::Drift | Verdict::Unrecorded => self.review,
            Verdict::Orphaned | Verdict::Mismatch | Verdict::Missing | Verdict::Broken => self.fail,
        }
    }
}

/// A colour around a text, which has none of its own.
fn paint(style: Style, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{style}{}{style:#}", escaped(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_palette_adds_nothing() {
        assert_eq!(Palette::plain().verdict(Verdict::Pass, 8), "pass    ");
        assert_eq!(Palette::plain().command("karat run"), "karat run");
    }

    #[test]
    fn colours_end_before_the_padding() {
        assert_eq!(Palette::colored().verdict(Verdict::Pass, 8), "\u{1b}[32mpass\u{1b}[0m    ");
    }
}
