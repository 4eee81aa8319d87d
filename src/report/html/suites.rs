//! The cases, by suite: in full what did not pass, a row each what did.

use std::collections::BTreeMap;

use super::case::case;
use super::element::{Element, el};
use super::filter::filter;
use super::verdict::{badge, tally};
use super::wide::wide;
use super::{Detail, anchor};
use crate::report::terminal::found;
use crate::report::voice::Voice;
use crate::run::{CaseOutcome, RunOutcome, Verdict};
use crate::text::number::{count, counted, duration};

/// Every case of the run.
pub(super) fn suites(voice: &Voice, run: &RunOutcome, detail: Detail) -> Element {
    let mut suites: BTreeMap<&str, Vec<&CaseOutcome>> = BTreeMap::new();
    for case in &run.cases {
        suites.entry(case.id.as_str().split('/').next().unwrap_or_default()).or_default().push(case);
    }
    el("section")
        .attr("aria-labelledby", "cases")
        .put(el("h2").attr("id", "cases").attr("tabindex", "-1").text("Cases"))
        .put(filter(run))
        .put(el("p").attr("id", "none").flag("hidden").text("No case has that verdict and that text."))
        .all(suites.iter().map(|(name, cases)| suite(voice, run, detail, name, cases)))
}

fn suite(voice: &Voice, run: &RunOutcome, detail: Detail, name: &str, cases: &[&CaseOutcome]) -> Element {
    let (told, passed): (Vec<&CaseOutcome>, Vec<&CaseOutcome>) =
        cases.iter().partition(|case| case.verdict != Verdict::Pass || run.gate.fails(case));
    let counts = Verdict::ALL.into_iter().filter_map(|verdict| {
        let of = cases.iter().filter(|case| case.verdict == verdict).count() as u64;
        (of > 0).then(|| el("li").put(tally(&count(of), verdict)))
    });
    let head = el("div")
        .class("suite-head")
        .put(el("h3").text(name))
        .put(el("ul").class("tallies").attr("aria-label", format!("Cases of {name} by verdict")).all(counts));
    el("section")
        .class("suite")
        .put(head)
        .all(told.into_iter().map(|of| case(voice, &run.gate, of)))
        .all((!passed.is_empty()).then(|| passes(voice, run, detail, &passed)))
}

/// Those that passed: closed at first.
fn passes(voice: &Voice, run: &RunOutcome, detail: Detail, passed: &[&CaseOutcome]) -> Element {
    let (told, plain): (Vec<&CaseOutcome>, Vec<&CaseOutcome>) =
        passed.iter().partition(|case| detail == Detail::All || hides_something(case));
    let summary = el("summary")
        .put(el("span").class("fold-title").put(badge(Verdict::Pass)).text(counted(passed.len() as u64, "case")));
    el("details")
        .class("passes")
        .put(summary)
        .all(told.into_iter().map(|of| case(voice, &run.gate, of)))
        .all((!plain.is_empty()).then(|| table(&plain)))
}

/// Whether a pass has more to say than a row holds.
fn hides_something(case: &CaseOutcome) -> bool {
    case.outputs.iter().any(|output| {
        let outside = output.comparison.as_ref().is_some_and(|measured| measured.outside > 0);
        outside || !output.improved.is_empty() || output.vacuous().is_some()
    })
}

fn table(cases: &[&CaseOutcome]) -> Element {
    let head = ["case", "checkpoint", "measured", "time"];
    let head = el("tr").all(head.map(|name| el("th").attr("scope", "col").text(name)));
    let rows = cases.iter().map(|case| {
        let CaseOutcome { id, checkpoint, elapsed, .. } = case;
        el("tr")
            .attr("id", anchor::case(id))
            .attr("data-v", Verdict::Pass.word())
            .put(el("th").attr("scope", "row").text(id.as_str()))
            .put(el("td").text(checkpoint.as_deref().unwrap_or("-")))
            .put(el("td").text(found(case)))
            .put(el("td").class("n").text(duration(*elapsed)))
    });
    let table = el("table").class("rows").put(el("thead").put(head)).put(el("tbody").all(rows));
    wide("Cases that passed", table)
}
