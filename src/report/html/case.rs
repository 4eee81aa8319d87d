//! A case in full: its own problem, then every output.

use super::anchor;
use super::element::{Element, el};
use super::output::output;
use super::step::step;
use super::verdict::{badge, tone};
use crate::report::message;
use crate::report::next::next;
use crate::report::terminal::found;
use crate::report::voice::Voice;
use crate::run::{CaseOutcome, Gate, Problem, Verdict};
use crate::text::number::duration;

/// A case that opens and closes: open where it needs attention.
pub(super) fn case(voice: &Voice, gate: &Gate, case: &CaseOutcome) -> Element {
    let CaseOutcome { id, file, inherited: _, checkpoint, verdict, problems, outputs, snapshot_only: _, elapsed } =
        case;
    let checkpoint = checkpoint.as_ref().map(|name| el("span").class("quiet").text(name));
    let summary = el("summary").put(
        el("h4")
            .put(badge(*verdict))
            .put(el("span").class("id").text(id.as_str()))
            .put(checkpoint)
            .put(el("span").class("found").text(found(case))),
    );
    // Of an orphan there is no such file, and nothing ran.
    let ran = match verdict {
        Verdict::Orphaned => String::new(),
        _ => format!("{}, {}, ", voice.path(file), duration(*elapsed)),
    };
    let link = el("a").attr("href", format!("#{}", anchor::case(id))).text("link to this case");
    let foot = el("p").class("quiet foot").text(ran).put(link);
    el("details")
        .attr("id", anchor::case(id))
        .class(&format!("case {}", tone(*verdict)))
        .attr("data-v", verdict.word())
        .flag_if(gate.fails(case), "open")
        .put(summary)
        .all((!problems.is_empty() || outputs.is_empty()).then(|| whole(voice, gate, case)))
        .all(outputs.iter().map(|of| output(voice, gate, case, of)))
        .put(foot)
}

/// What is wrong with the case itself.
fn whole(voice: &Voice, gate: &Gate, case: &CaseOutcome) -> Element {
    let mut said: Vec<String> =
        case.problems.iter().flat_map(|problem| message::of_case(case, problem, voice)).collect();
    if case.problems.is_empty() && case.verdict == Verdict::Unrecorded {
        said.extend(message::unrecorded(None));
    }
    if matches!(case.problems.first(), Some(Problem::Skipped { .. })) && gate.fails(case) {
        said.push(message::skip_fails(case.id.as_str()));
    }
    let next = next(voice, gate, case, None);
    el("div").class("whole").put(lines(&said)).all(next.iter().map(step))
}

/// Lines of a message, each a line of its own.
pub(super) fn lines(said: &[String]) -> Option<Element> {
    (!said.is_empty()).then(|| el("div").class("said").all(said.iter().map(|line| el("p").text(line))))
}
