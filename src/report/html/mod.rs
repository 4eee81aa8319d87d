//! The HTML report: one self-contained page, light and dark, usable by keyboard and screen reader.
//!
//! The template is `page.html`, with its style sheet and script next to it. This file provides the data.

mod drawing;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use askama::Template;

use super::message::{LOOKS_LIKE, Message, Messages, Part, group_explanations};
use super::overview::{self, CHAIN};
use super::{Commands, figures, message, terminal};
use crate::case::CaseId;
use crate::compare::{Comparison, Decade, Size, Tolerance};
use crate::run::{CaseOutcome, Finding, Gates, OutputOutcome, Role, RunOutcome, Verdict};
use crate::snapshot::{DRIFT_COLUMNS, drift_row};
use crate::text::number::{count, duration, plural};
use crate::text::safe::is_hidden;
use drawing::{Map, Plot, px};

/// How much detail a page has about cases that passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// One row per case.
    #[default]
    NotPassed,
    /// The same detail as for failures: each output with its pictures, if the run has drawn them.
    All,
}

/// Formats a run as one HTML page: an overview, the cases by suite, and the chains.
#[must_use]
pub fn run(commands: &Commands, run: &RunOutcome, detail: Detail) -> String {
    Page { commands, run, detail }.render().expect("writing to a string cannot fail") + "\n"
}

/// The style sheet.
const STYLE: &str = include_str!("page.css");

/// The script, which adds filters and copy buttons. Everything is readable without it.
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
    /// Returns the result of the run in a sentence, which is also the title of the page.
    fn headline(&self) -> String {
        let total = cases(self.run.cases.len());
        match (self.run.passed(), self.run.failed()) {
            (true, _) => format!("Passed: {} of {total}", count(overview::passed(self.run))),
            (false, 0) => "Failed: the run ended early".to_owned(),
            (false, failed) => format!("Failed: {} of {total}", count(failed as u64)),
        }
    }

    /// Returns the number of cases with each verdict, first of those that fail the run, then of the others.
    fn counts(&self) -> Vec<(&'static str, Vec<(Verdict, String)>)> {
        let (failed, others): (Vec<&CaseOutcome>, _) =
            self.run.cases.iter().partition(|case| self.run.gate.fails(case));
        let groups = [("failed", tallies(&failed)), ("did not fail", tallies(&others))];
        groups.into_iter().filter(|(_, tallies)| !tallies.is_empty()).collect()
    }

    /// Groups the cases by their top-level folder.
    fn suites(&self) -> BTreeMap<&'a str, Vec<&'a CaseOutcome>> {
        let mut suites: BTreeMap<&str, Vec<&CaseOutcome>> = BTreeMap::new();
        for case in &self.run.cases {
            suites.entry(case.id.as_str().split('/').next().unwrap_or_default()).or_default().push(case);
        }
        suites
    }

    /// Returns how many cases passed, and how many of them are rows of the table.
    fn passed(&self, cases: &[&CaseOutcome]) -> (usize, usize) {
        let passes = cases.iter().filter(|case| overview::is_pass(self.run, case));
        (passes.clone().count(), passes.filter(|case| self.is_row(case)).count())
    }

    /// Whether a case that passed is only a row of the table.
    fn is_row(&self, case: &CaseOutcome) -> bool {
        overview::is_pass(self.run, case) && self.detail == Detail::NotPassed && !has_remarks(case)
    }

    fn messages(&self, case: &'a CaseOutcome) -> Vec<Message<'a>> {
        Messages { commands: self.commands, gate: &self.run.gate, case }.all()
    }

    /// Returns the file of a case and its time, or nothing for an orphan, which has no file and did not run.
    fn file_and_time(&self, case: &CaseOutcome) -> String {
        match case.verdict {
            Verdict::Orphaned => String::new(),
            _ => format!("{}, {}, ", self.commands.path(&case.file), duration(case.elapsed)),
        }
    }
}

/// Whether a case that passed has more to report than fits a row.
fn has_remarks(case: &CaseOutcome) -> bool {
    case.outputs.iter().any(|output| {
        let has_outliers = output.comparison.as_ref().is_some_and(|comparison| comparison.outside > 0);
        has_outliers || !output.improved.is_empty() || output.vacuous().is_some()
    })
}

/// Counts the cases with each verdict that occurs.
fn tallies(cases: &[&CaseOutcome]) -> Vec<(Verdict, String)> {
    let tally = |verdict: Verdict| match cases.iter().filter(|case| case.verdict == verdict).count() as u64 {
        0 => None,
        number => Some((verdict, format!("{} {}", count(number), verdict.word()))),
    };
    Verdict::ALL.into_iter().filter_map(tally).collect()
}

/// Returns the decorative sign before a verdict.
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

/// Returns the CSS class for the colour of a verdict.
fn tone(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "good",
        Verdict::Skipped => "aside",
        Verdict::Drift | Verdict::Unrecorded => "review",
        Verdict::Orphaned | Verdict::Mismatch | Verdict::Missing | Verdict::Broken => "bad",
    }
}

/// Returns the tolerance, the difference and the summary of an output, as groups of rows.
fn measures(output: &OutputOutcome) -> Vec<(&'static str, Vec<[String; 2]>)> {
    let row = |(quantity, value): figures::Row| [quantity.to_owned(), value];
    let limits = |tolerance: &Tolerance| ["tolerance".to_owned(), message::limits(tolerance)];
    let largest = |(quantity, cells): (&str, Option<[String; 4]>)| {
        cells.map(|[value, at, ..]| [format!("largest {quantity}"), format!("{value} at {at}")])
    };
    let difference = |comparison: &Comparison| {
        let extremes = figures::extremes(comparison).into_iter().filter_map(largest);
        extremes.chain(figures::measures(comparison).map(row)).collect::<Vec<_>>()
    };
    let tolerance = output.tolerance.iter().map(limits);
    let groups = [
        ("difference", tolerance.chain(output.comparison.iter().flat_map(difference)).collect::<Vec<_>>()),
        ("actual", output.summary.iter().flat_map(figures::summary_rows).map(row).collect()),
    ];
    groups.into_iter().filter(|(_, rows)| !rows.is_empty()).collect()
}

/// Returns the rows of a chart: label, number, CSS class, and length as a percentage of the longest.
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

/// Formats a number of cases.
fn cases(number: impl Borrow<usize>) -> String {
    plural(*number.borrow() as u64, "case")
}

/// Formats a duration.
fn elapsed(time: &Duration) -> String {
    duration(*time)
}

/// Returns the case that a finding is about.
fn found_case(finding: &Finding) -> Option<&CaseId> {
    match finding {
        Finding::Divergence { id } | Finding::Accumulation { end: id, .. } | Finding::Unknown { hole: id } => Some(id),
        Finding::Sound => None,
    }
}

/// Returns the anchor of a case on the page: `case-gpt2-tiny/h.0/ln_1`.
fn anchor(id: &CaseId) -> String {
    format!("case-{}", percent_encode(id.as_str()))
}

/// Encodes the text as a browser does in a fragment, so that both sides of a link are equal.
fn percent_encode(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => plain.push(byte as char),
            _ => plain.push_str(&format!("%{byte:02X}")),
        }
    }
    plain
}

/// Escapes text for an element or a quoted attribute, so that it contains no markup and no command to a CI runner. Hidden
/// characters are escaped, as on a terminal.
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
        Escape.write_escaped_str(&mut written, hostile).expect("writing to a string cannot fail");
        let escaped = "&lt;/script&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;\\u{1b}[31m&quot;";
        assert_eq!(written, escaped);
    }

    #[test]
    fn an_anchor_contains_no_spaces_or_special_characters() {
        let id = CaseId::new("größe/old case:<y>").expect("a path");
        assert_eq!(anchor(&id) + ":" + &percent_encode("k v"), "case-gr%C3%B6%C3%9Fe/old%20case%3A%3Cy%3E:k%20v");
    }

    #[test]
    fn style_and_script_cannot_close_their_element_or_load_anything() {
        for source in [STYLE, SCRIPT] {
            assert!(!source.contains("</") && !source.contains("<!--"));
            for load in ["http:", "https:", "url(//", "@import", "fetch(", "XMLHttpRequest", "import("] {
                assert!(!source.contains(load), "{load}");
            }
        }
    }
}
