//! What the reader narrows the page down by. It needs the script, and is not shown without.

use super::element::{Element, el};
use super::verdict::{tally, tone};
use crate::run::{RunOutcome, Verdict};
use crate::text::number::{count, counted};

/// A field for text and a button for each verdict that there is.
pub(super) fn filter(run: &RunOutcome) -> Element {
    let counts = run.counts();
    let there = Verdict::ALL.into_iter().filter(|verdict| counts.of(*verdict) > 0);
    let verdicts = there.map(|verdict| {
        el("button")
            .attr("type", "button")
            .class(&format!("choice {}", tone(verdict)))
            .attr("data-choice", verdict.word())
            .attr("aria-pressed", "false")
            .put(tally(&count(counts.of(verdict) as u64), verdict))
    });
    let text = el("div").class("field").put(el("label").attr("for", "filter").text("Filter")).put(
        el("input")
            .attr("id", "filter")
            .attr("type", "search")
            .attr("autocomplete", "off")
            .attr("spellcheck", "false")
            .attr("placeholder", "id, checkpoint or message"),
    );
    let button = |id: &'static str, text: &str| el("button").attr("type", "button").attr("id", id).text(text);
    let shown = el("p").attr("id", "shown").attr("role", "status").text(counted(run.cases.len() as u64, "case"));
    el("div")
        .class("filter")
        .attr("role", "search")
        .attr("aria-label", "Cases")
        .flag("hidden")
        .put(text)
        .put(el("div").class("folds").put(shown).put(button("unfold", "Open all")).put(button("fold", "Close all")))
        .put(el("div").class("choices").attr("role", "group").attr("aria-label", "Show only").all(verdicts))
}
