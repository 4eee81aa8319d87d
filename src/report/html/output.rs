//! An output of a case: what is wrong with it, where, how large, why, and what to do.

use super::anchor;
use super::case::lines;
use super::element::{Element, el};
use super::explanations::explanations;
use super::measures::measures;
use super::moved::moved;
use super::picture::picture;
use super::step::step;
use super::verdict::badge;
use crate::report::message;
use crate::report::next::next;
use crate::report::voice::Voice;
use crate::run::{CaseOutcome, Gate, OutputOutcome, Verdict};
use crate::text::number::shape;

/// Everything that is known of an output.
pub(super) fn output(voice: &Voice, gate: &Gate, case: &CaseOutcome, output: &OutputOutcome) -> Element {
    let OutputOutcome {
        name,
        verdict,
        problems: _,
        summary,
        tolerance,
        comparison,
        chained_vacuous: _,
        drift,
        improved,
        kept,
        reference: _,
        alternatives: _,
        picture: drawn,
        explanations: found,
    } = output;
    let kind = summary.as_ref().map(|summary| format!("{} {}", summary.dtype, shape(&summary.shape)));
    let head = el("h5")
        .put(badge(*verdict))
        .put(el("span").class("id").text(name))
        .all(kind.map(|kind| el("span").class("quiet kind").text(kind)));
    let next = next(voice, gate, case, Some(output));
    let told = el("div")
        .class("told")
        .put(lines(&said(voice, case, output)))
        .put(moved(drift))
        .put(lines(&measured(output)))
        .all((!improved.is_empty()).then(|| el("div").put(lines(&message::improved())).put(moved(improved))))
        .put(explanations(*verdict, found))
        .all(kept.iter().map(|kept| el("p").class("quiet").text(message::kept(&voice.path(kept)))))
        .all(next.iter().map(step));
    el("section")
        .class("output")
        .attr("id", anchor::output(&case.id, name))
        .put(head)
        .put(told)
        .put(drawn.as_ref().map(picture))
        .put(measures(tolerance.as_ref(), comparison.as_ref(), summary.as_ref()))
}

/// What a terminal says first: what is wrong, or what there is to review.
fn said(voice: &Voice, case: &CaseOutcome, output: &OutputOutcome) -> Vec<String> {
    let problems = output.problems.iter().flat_map(|problem| message::of_output(case, output, problem, voice));
    let review = match output.verdict {
        Verdict::Drift => message::drift(output),
        Verdict::Unrecorded => message::unrecorded(Some(output)),
        _ => Vec::new(),
    };
    problems.chain(review).collect()
}

/// What it says then: how far apart the values are, and what the case allows besides.
fn measured(output: &OutputOutcome) -> Vec<String> {
    let mut said = Vec::new();
    match &output.comparison {
        Some(measured) => {
            match output.verdict {
                Verdict::Unrecorded => {}
                Verdict::Pass => said.push(message::largest(measured)),
                _ => said.extend(message::measured(measured)),
            }
            if output.verdict >= Verdict::Orphaned && measured.outside > 0 {
                said.extend(message::outliers(measured.outside, output.tolerance.as_ref()));
            }
        }
        None if output.verdict == Verdict::Pass => said.push(message::SNAPSHOT_ONLY.into()),
        None => {}
    }
    said.extend(message::vacuous_in(output));
    if let (Some(reference), false) = (&output.reference, output.alternatives.is_empty()) {
        said.extend(message::alternatives(output.verdict, reference, &output.alternatives));
    }
    said
}
