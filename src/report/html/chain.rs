//! A chain: where it leaves its reference, drawn and as a table.

use super::anchor;
use super::chain_plot::plot;
use super::element::{Element, el};
use super::wide::wide;
use crate::case::CaseId;
use crate::report::message;
use crate::run::{ChainOutcome, Finding, Part, Step};
use crate::text::number::{counted, ratio};

/// Every chain that the run followed.
pub(super) fn chains(chains: &[ChainOutcome]) -> Element {
    let none = || el("p").text("no chain: no case here takes another's output by `from`");
    el("section")
        .attr("aria-labelledby", "chains")
        .put(el("h2").attr("id", "chains").text("Chains"))
        .all(chains.is_empty().then(none))
        .all(chains.iter().map(chain))
}

fn chain(chain: &ChainOutcome) -> Element {
    let ChainOutcome { name, steps, finding } = chain;
    let is_sound = matches!(finding, Finding::Sound);
    el("section")
        .class("chain")
        .put(
            el("h3")
                .text(name)
                .put(el("span").class("quiet").text(format!(" {}", counted(steps.len() as u64, "case")))),
        )
        .put(finding_line(finding, is_sound))
        .put(plot(chain))
        .put(
            el("details")
                .class("measures")
                .put(el("summary").text("The chain as a table"))
                .put(wide(&format!("Chain {name}"), table(chain))),
        )
}

fn finding_line(finding: &Finding, is_sound: bool) -> Element {
    let line = el("p").class(if is_sound { "finding good" } else { "finding bad" }).text(message::finding(finding));
    match finding {
        Finding::Divergence { id } | Finding::Accumulation { end: id, .. } | Finding::Unknown { hole: id } => {
            line.text(" ").put(link(id, "go to it"))
        }
        Finding::Sound => line,
    }
}

fn link(id: &CaseId, text: &str) -> Element {
    el("a").attr("href", format!("#{}", anchor::case(id))).text(text)
}

fn table(chain: &ChainOutcome) -> Element {
    let head = ["case", "own", "propagated", "amplified", "part"];
    let head = head.map(|name| el("th").attr("scope", "col").text(name));
    let rows = chain.steps.iter().map(|step| {
        let Step { id, checkpoint: _, part, why: _, own, propagated, amplification } = step;
        let absent = || "-".to_owned();
        el("tr")
            .class(if *part == Part::Diverges { "first" } else { "" })
            .put(el("th").attr("scope", "row").put(link(id, short(chain, id))))
            .put(el("td").class("v").text(own.as_ref().map_or_else(absent, message::difference)))
            .put(el("td").class("v").text(propagated.as_ref().map_or_else(absent, message::difference)))
            .put(el("td").class("n").text(amplification.map_or_else(absent, ratio)))
            .put(el("td").text(message::part(step)))
    });
    el("table").class("values").put(el("thead").put(el("tr").all(head))).put(el("tbody").all(rows))
}

/// The id without what the head has said.
pub(super) fn short<'a>(chain: &ChainOutcome, id: &'a CaseId) -> &'a str {
    let short = id.as_str().strip_prefix(chain.name.as_str()).and_then(|rest| rest.strip_prefix('/'));
    short.unwrap_or(id.as_str())
}
