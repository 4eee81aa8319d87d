//! A verdict: its sign, its word, its colour. The word is always there.

use super::element::{Element, el};
use crate::run::Verdict;

/// A verdict as a mark before what it is about.
pub(super) fn badge(verdict: Verdict) -> Element {
    el("span").class(&format!("badge {}", tone(verdict))).put(sign(verdict)).text(verdict.word())
}

/// A number of cases and their verdict.
pub(super) fn tally(count: &str, verdict: Verdict) -> Element {
    el("span").class(&format!("badge {}", tone(verdict))).put(sign(verdict)).text(format!("{count} {}", verdict.word()))
}

/// The sign alone, which says nothing that the word does not.
fn sign(verdict: Verdict) -> Element {
    let sign = match verdict {
        Verdict::Broken => "!",
        Verdict::Missing => "?",
        Verdict::Mismatch => "≠",
        Verdict::Orphaned => "∅",
        Verdict::Unrecorded => "+",
        Verdict::Drift => "~",
        Verdict::Skipped => "–",
        Verdict::Pass => "✓",
    };
    el("span").class("sign").attr("aria-hidden", "true").text(sign)
}

/// The colour's name by what it means, as in the terminal.
pub(super) fn tone(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "good",
        Verdict::Skipped => "aside",
        Verdict::Drift | Verdict::Unrecorded => "review",
        Verdict::Orphaned | Verdict::Mismatch | Verdict::Missing | Verdict::Broken => "bad",
    }
}
