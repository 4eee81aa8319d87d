//! Colours by meaning.

use anstyle::{AnsiColor, Style};

use crate::run::Verdict;
use crate::text::safe::escape_text;

/// The colours of a report, named by their meaning. The caller decides whether there are any.
#[derive(Clone, Copy, Debug)]
pub struct Palette {
    is_colored: bool,
}

impl Palette {
    /// Returns a palette without colours.
    #[must_use]
    pub fn plain() -> Palette {
        Palette { is_colored: false }
    }

    /// Returns colours for a terminal, from the sixteen that every theme defines.
    #[must_use]
    pub fn colored() -> Palette {
        Palette { is_colored: true }
    }

    /// Formats a verdict, padded to `width` columns.
    pub(super) fn verdict(&self, verdict: Verdict, width: usize) -> String {
        let word = verdict.word();
        self.paint(style(verdict), word) + &" ".repeat(width.saturating_sub(word.len()))
    }

    /// Formats a number of cases and their verdict.
    pub(super) fn tally(&self, count: usize, verdict: Verdict) -> String {
        self.paint(style(verdict), &format!("{count} {}", verdict.word()))
    }

    /// Formats text that the eye should find first.
    pub(super) fn strong(&self, text: &str) -> String {
        self.paint(Style::new().bold(), text)
    }

    /// Formats text that may be skipped.
    pub(super) fn dim(&self, text: &str) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    /// Formats a command to type.
    pub(super) fn command(&self, text: &str) -> String {
        self.paint(AnsiColor::Cyan.on_default(), text)
    }

    /// Escapes the text, including its own colours, and colours it.
    fn paint(&self, style: Style, text: &str) -> String {
        match text {
            "" => String::new(),
            text if self.is_colored => format!("{style}{}{style:#}", escape_text(text)),
            text => escape_text(text),
        }
    }
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Pass => AnsiColor::Green.on_default(),
        Verdict::Skipped => AnsiColor::Cyan.on_default(),
        Verdict::Drift | Verdict::Unrecorded => AnsiColor::Yellow.on_default().bold(),
        Verdict::Orphaned | Verdict::Mismatch | Verdict::Missing | Verdict::Broken => {
            AnsiColor::Red.on_default().bold()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_palette_adds_no_colours() {
        assert_eq!(Palette::plain().verdict(Verdict::Pass, 8), "pass    ");
        assert_eq!(Palette::plain().command("karat run"), "karat run");
    }

    #[test]
    fn colours_end_before_the_padding() {
        assert_eq!(Palette::colored().verdict(Verdict::Pass, 8), "\u{1b}[32mpass\u{1b}[0m    ");
    }
}
