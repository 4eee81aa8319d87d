//! For people who look closer: one page that needs nothing besides itself, light and dark, by keyboard and by ear.
//!
//! The page is `page.html`, with its style sheet and its script beside it; here is what it is filled with.

mod drawing;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use askama::Template;

use super::message::{LOOKS_LIKE, Message, Part, messages, together};
use super::overview::{self, CHAIN};
use super::{Commands, figures, message, terminal};
use crate::case::CaseId;
use crate::compare::{Comparison, Decade, Size, Tolerance};
use crate::run::{CaseOutcome, Finding, Gates, OutputOutcome, Role, RunOutcome, Verdict};
use crate::snapshot::{MOVED, moved_row};
use crate::text::number::{count, duration, plural};
use crate::text::safe::is_hidden;
use drawing::{Map, Plot, px};

/// How much a page says of what passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// A row a case.
    #[default]
    NotPassed,
    /// As much as of what did not: each output with its pictures, where the run has drawn them.
    All,
}

/// A whole run as one HTML page: the run at a glance, its cases by suite, its chains.
#[must_use]
pub fn run(commands: &Commands, run: &RunOutcome, detail: Detail) -> String {
    Page { commands, run, detail }.render().expect("a string takes everything") + "\n"
}

/// The style sheet.
const STYLE: &str = include_str!("page.css");

/// The script. Without it everything can be read; with it, filtered and copied.
const SCRIPT: &str = include_str!("page.js");

/// karat's name and version.
const KARAT: &str = concat!("karat ", env!("CARGO_PKG_VERSION"));

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    commands: &'a Commands,
    run: &'a RunOutcome,
    detail: Detail,
}

impl<'a> Page<'a> {
    /// What the run comes to, in a sentence; the title of the page too.
    fn headline(&self) -> String {
        let gate = if self.run.passed() { "open" } else { "closed" };
        let failed = self.run.failed();
        let early = if failed == 0 && !self.run.passed() { ", but the run ended early" } else { "" };
        let cases = cases(self.run.cases.len());
        format!("The gate is {gate}: of {cases} {}{early}", overview::failed(failed))
    }

    /// How many there are of each verdict: those that close the gate, then those that it lets through.
    fn why(&self) -> Vec<(&'static str, Vec<(Verdict, String)>)> {
        let of = |fails: bool| tallies(self.run.cases.iter().filter(move |case| self.run.gate.fails(case) == fails));
        let both = [("closes the gate", of(true)), ("let through", of(false))];
        both.into_iter().filter(|(_, tallies)| !tallies.is_empty()).collect()
    }

    /// The cases by the folder right below the root that they are in.
    fn suites(&self) -> BTreeMap<&'a str, Vec<&'a CaseOutcome>> {
        let mut suites: BTreeMap<&str, Vec<&CaseOutcome>> = BTreeMap::new();
        for case in &self.run.cases {
            suites.entry(case.id.as_str().split('/').next().unwrap_or_default()).or_default().push(case);
        }
        suites
    }

    /// Whether a case passed, and the gate lets it through; all others are told of in full.
    fn is_pass(&self, case: &CaseOutcome) -> bool {
        case.verdict == Verdict::Pass && !self.run.gate.fails(case)
    }

    /// How many passed, and how many of them have a row.
    fn passed(&self, cases: &[&CaseOutcome]) -> (usize, usize) {
        let count = |is: &dyn Fn(&CaseOutcome) -> bool| cases.iter().filter(|case| is(case)).count();
        (count(&|case| self.is_pass(case)), count(&|case| self.is_row(case)))
    }

    /// Whether a row says enough of a case that passed.
    fn is_row(&self, case: &CaseOutcome) -> bool {
        self.is_pass(case) && self.detail == Detail::NotPassed && !hides_something(case)
    }

    fn messages(&self, case: &'a CaseOutcome) -> Vec<Message<'a>> {
        messages(self.commands, &self.run.gate, case)
    }

    /// Where a case is, and how long it took. Of an orphan there is no such file, and nothing ran.
    fn ran(&self, case: &CaseOutcome) -> String {
        match case.verdict {
            Verdict::Orphaned => String::new(),
            _ => format!("{}, {}, ", self.commands.path(&case.file), duration(case.elapsed)),
        }
    }
}

/// Whether a pass has more to say than a row holds.
fn hides_something(case: &CaseOutcome) -> bool {
    case.outputs.iter().any(|output| {
        let outside = output.comparison.as_ref().is_some_and(|measured| measured.outside > 0);
        outside || !output.improved.is_empty() || output.vacuous().is_some()
    })
}

/// The verdicts that there are, and how many cases have each.
fn tallies<'a>(cases: impl Iterator<Item = &'a CaseOutcome> + Clone) -> Vec<(Verdict, String)> {
    let of = |verdict| cases.clone().filter(|case| case.verdict == verdict).count() as u64;
    let counts = Verdict::ALL.into_iter().map(|verdict| (verdict, of(verdict))).filter(|(_, of)| *of > 0);
    counts.map(|(verdict, of)| (verdict, format!("{} {}", count(of), verdict.word()))).collect()
}

/// The sign before a verdict's word, which says nothing that the word does not.
fn sign(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Broken => "!",
        Verdict::Missing => "?",
        Verdict::Mismatch => "≠",
        Verdict::Orphaned => "∅",
        Verdict::Unrecorded => "+",
        Verdict::Drift => "~",
        Verdict::Skipped => "–",
        Verdict::Pass => "✓",
    }
}

/// A verdict's colour by what it means, as in the terminal.
fn tone(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "good",
        Verdict::Skipped => "aside",
        Verdict::Drift | Verdict::Unrecorded => "review",
        Verdict::Orphaned | Verdict::Mismatch | Verdict::Missing | Verdict::Broken => "bad",
    }
}

/// The output that a message is about.
fn output_of<'a>(case: &'a CaseOutcome, message: &Message<'_>) -> Option<&'a OutputOutcome> {
    case.outputs.iter().find(|output| Some(output.name.as_str()) == message.output)
}

/// What an output was held to and how far it is from its reference, and what it is by itself.
fn measures(output: &OutputOutcome) -> Vec<(&'static str, Vec<[String; 2]>)> {
    let row = |(quantity, value): figures::Row| [quantity.to_owned(), value];
    let limits = |of: &Tolerance| ["tolerance".to_owned(), message::limits(of)];
    let largest = |(quantity, cells): (&str, Option<[String; 4]>)| {
        cells.map(|[value, at, ..]| [format!("largest {quantity}"), format!("{value} at {at}")])
    };
    let apart = |of: &Comparison| {
        let extremes = figures::extremes(of).into_iter().filter_map(largest);
        extremes.chain(figures::measures(of).map(row)).collect::<Vec<_>>()
    };
    let held = output.tolerance.iter().map(limits);
    let groups = [
        ("difference", held.chain(output.comparison.iter().flat_map(apart)).collect::<Vec<_>>()),
        ("actual", output.summary.iter().flat_map(figures::described).map(row).collect()),
    ];
    groups.into_iter().filter(|(_, rows)| !rows.is_empty()).collect()
}

/// A row of a chart: what it is called, how many, what the style sheet calls it, and its length as a share of the longest.
fn chart(decades: &[Decade]) -> Vec<(String, String, &'static str, f64)> {
    let rows = figures::decades(decades);
    let most = rows.iter().map(|(_, row)| row.count).max().unwrap_or(0).max(1);
    let row = |(label, Decade { size, count }): (String, Decade)| {
        let class = match size {
            Size::Zero => "zero",
            Size::Power(_) => "power",
            Size::NotFinite => "nan",
        };
        (label, self::count(count), class, (count as f64 / most as f64 * 100.0).ceil())
    };
    rows.into_iter().map(row).collect()
}

/// How many cases.
fn cases(number: impl Borrow<usize>) -> String {
    plural(*number.borrow() as u64, "case")
}

/// How long it took.
fn elapsed(time: &Duration) -> String {
    duration(*time)
}

/// The case that a finding is about.
fn culprit(finding: &Finding) -> Option<&CaseId> {
    match finding {
        Finding::Divergence { id } | Finding::Accumulation { end: id, .. } | Finding::Unknown { hole: id } => Some(id),
        Finding::Sound => None,
    }
}

/// The place of a case on the page: `case-gpt2-tiny/h.0/ln_1`.
fn anchor(id: &CaseId) -> String {
    format!("case-{}", encoded(id.as_str()))
}

/// The text as a browser writes it behind `#`, so that both sides of a link are the same.
fn encoded(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => plain.push(byte as char),
            _ => plain.push_str(&format!("%{byte:02X}")),
        }
    }
    plain
}

/// Writes text so that no character of it is markup, within an element or a quoted attribute, nor a mark that a CI runner looks
/// for. What is hidden is written out, as on a terminal.
#[derive(Clone, Copy, Default)]
pub(crate) struct Escape;

impl askama::filters::Escaper for Escape {
    fn write_escaped_str<W: fmt::Write>(&self, mut to: W, text: &str) -> fmt::Result {
        for (at, c) in text.char_indices() {
            match c {
                '&' => to.write_str("&amp;")?,
                '<' => to.write_str("&lt;")?,
                '>' => to.write_str("&gt;")?,
                '"' => to.write_str("&quot;")?,
                '\'' => to.write_str("&#39;")?,
                '#' if text[at..].starts_with("##") => to.write_str("&#35;")?,
                '\t' => to.write_str("    ")?,
                c if is_hidden(c) => write!(to, "{}", c.escape_default())?,
                c => to.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use askama::filters::Escaper;

    use super::*;

    #[test]
    fn text_is_never_markup() {
        let hostile = "</script><script>alert('1')</script> & \"\u{1b}[31m\"";
        let mut written = String::new();
        Escape.write_escaped_str(&mut written, hostile).expect("a string takes everything");
        let escaped = "&lt;/script&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;\\u{1b}[31m&quot;";
        assert_eq!(written, escaped);
    }

    #[test]
    fn a_place_has_no_blank_and_no_mark_of_its_own() {
        let id = CaseId::new("größe/old case:<y>").expect("a path");
        assert_eq!(anchor(&id) + ":" + &encoded("k v"), "case-gr%C3%B6%C3%9Fe/old%20case%3A%3Cy%3E:k%20v");
    }

    #[test]
    fn style_and_script_cannot_end_their_element_nor_load_anything() {
        for source in [STYLE, SCRIPT] {
            assert!(!source.contains("</") && !source.contains("<!--"));
            for loads in ["http:", "https:", "url(//", "@import", "fetch(", "XMLHttpRequest", "import("] {
                assert!(!source.contains(loads), "{loads}");
            }
        }
    }
}
