//! Colours by meaning.

use anstyle::{AnsiColor, Style};

use crate::run::Verdict;
use crate::text::safe::escape_text;

/// The colours of a report, named by what they mean. Whether there are any is the caller's choice.
#[derive(Clone, Copy, Debug)]
pub struct Palette {
    is_colored: bool,
}

impl Palette {
    /// No colours: the text alone.
    #[must_use]
    pub fn plain() -> Palette {
        Palette { is_colored: false }
    }

    /// Colours for a terminal, of the sixteen that every theme defines.
    #[must_use]
    pub fn colored() -> Palette {
        Palette { is_colored: true }
    }

    /// A verdict's word, padded to `width` columns.
    pub(super) fn verdict(&self, verdict: Verdict, width: usize) -> String {
        let word = verdict.word();
        self.paint(style(verdict), word) + &" ".repeat(width.saturating_sub(word.len()))
    }

    /// A number of cases and their verdict's word.
    pub(super) fn tally(&self, count: usize, verdict: Verdict) -> String {
        self.paint(style(verdict), &format!("{count} {}", verdict.word()))
    }

    /// What the eye should find first.
    pub(super) fn strong(&self, text: &str) -> String {
        self.paint(Style::new().bold(), text)
    }

    /// What may be passed over.
    pub(super) fn dim(&self, text: &str) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    /// What to type.
    pub(super) fn command(&self, text: &str) -> String {
        self.paint(AnsiColor::Cyan.on_default(), text)
    }

    /// A colour around a text, which has none of its own.
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
    fn a_plain_palette_adds_nothing() {
        assert_eq!(Palette::plain().verdict(Verdict::Pass, 8), "pass    ");
        assert_eq!(Palette::plain().command("karat run"), "karat run");
    }

    #[test]
    fn colours_end_before_the_padding() {
        assert_eq!(Palette::colored().verdict(Verdict::Pass, 8), "\u{1b}[32mpass\u{1b}[0m    ");
    }
}
