//! The run at a glance: whether the gate is open, what is counted, what to do.

use super::element::{Element, el};
use super::step;
use super::verdict::tally;
use crate::report::message::{ended_early, vacuous_outputs};
use crate::report::next::after;
use crate::report::voice::Voice;
use crate::run::{Gate, Gates, RunOutcome, Verdict};
use crate::text::number::{count, counted, duration};

/// What the run comes to, in a sentence; the title of the page too.
pub(super) fn headline(run: &RunOutcome) -> String {
    let cases = counted(run.cases.len() as u64, "case");
    match run.failed() as u64 {
        0 if run.passed() => format!("The gate is open: of {cases} none fails"),
        0 => format!("The gate is closed: of {cases} none fails, but the run ended early"),
        1 => format!("The gate is closed: of {cases} 1 fails"),
        failed => format!("The gate is closed: of {cases} {} fail", count(failed)),
    }
}

/// The head of the page.
pub(super) fn glance(voice: &Voice, run: &RunOutcome) -> Element {
    let tone = if run.passed() { "good" } else { "bad" };
    el("header")
        .class(&format!("glance {tone}"))
        .put(el("p").class("brand").text("karat"))
        .put(el("h1").text(headline(run)))
        .put(why(run))
        .put(facts(voice, run))
        .put(next(voice, run))
}

/// How many there are of each verdict: those that close the gate, then those that it lets through.
fn why(run: &RunOutcome) -> Element {
    let counted = |name: &str, fails: bool| {
        let of = |verdict: Verdict| {
            run.cases.iter().filter(|case| case.verdict == verdict && run.gate.fails(case) == fails).count()
        };
        let there: Vec<Element> = Verdict::ALL
            .into_iter()
            .filter(|verdict| of(*verdict) > 0)
            .map(|verdict| el("li").put(tally(&count(of(verdict) as u64), verdict)))
            .collect();
        let row = || el("div").put(el("dt").text(name)).put(el("dd").put(el("ul").class("tallies").all(there.clone())));
        (!there.is_empty()).then(row)
    };
    el("dl").class("why-closed").put(counted("closes the gate", true)).put(counted("let through", false))
}

fn facts(voice: &Voice, run: &RunOutcome) -> Element {
    let RunOutcome { root, snapshots, executor, gates, cases: _, chains, filtered_out, partition, .. } = run;
    let RunOutcome { not_run: _, gate, interrupted: _, elapsed, .. } = run;
    let Gate { ci, allowed_skips, reviewed, deny_vacuous: _ } = gate;
    let held = match gates {
        Gates::Both => "accuracy and drift".to_owned(),
        Gates::Accuracy => "accuracy alone: no snapshot was looked at".to_owned(),
    };
    let place = match (ci, reviewed) {
        (true, _) => Some("CI: nothing is recorded, a skip fails unless it is allowed".to_owned()),
        (false, true) => Some("cargo insta test, which reviews drift afterwards".to_owned()),
        (false, false) => None,
    };
    let is_drift_held = *gates == Gates::Both;
    let facts = [
        ("executor", Some(executor.clone())),
        ("held to", Some(held)),
        ("elapsed", Some(duration(*elapsed))),
        ("filtered out", (*filtered_out > 0).then(|| counted(*filtered_out as u64, "case"))),
        ("ended early", ended_early(run)),
        ("vacuous", vacuous_outputs(run)),
        ("part", partition.as_ref().map(|part| format!("{} of {}", part.shard, counted(part.total as u64, "case")))),
        ("run by", place),
        ("skips allowed", (!allowed_skips.is_empty()).then(|| allowed_skips.join(", "))),
        ("chains", chains.as_ref().map(|chains| count(chains.len() as u64))),
        ("goldens", Some(voice.path(root))),
        ("snapshots", is_drift_held.then(|| voice.path(snapshots))),
    ];
    let there = facts.into_iter().filter_map(|(name, fact)| Some((name, fact?)));
    el("dl").class("facts").all(there.map(|(name, fact)| el("div").put(el("dt").text(name)).put(el("dd").text(fact))))
}

/// What there is to do for the run as a whole.
fn next(voice: &Voice, run: &RunOutcome) -> Option<Element> {
    let steps = after(voice, run, "below");
    let items = steps
        .iter()
        .map(|(what, command)| el("li").put(el("span").text(format!("{what}:"))).put(step::command(command)));
    let list = el("ol").all(items);
    (!steps.is_empty()).then(|| el("section").class("todo").put(el("h2").text("What to do")).put(list))
}
