//! What a difference looks like, best first.

use super::element::{Element, el};
use crate::explain::Explanation;
use crate::report::message;
use crate::run::Verdict;

/// A list of what fits; nothing where nobody asked.
pub(super) fn explanations(verdict: Verdict, found: &[Explanation]) -> Option<Element> {
    if found.is_empty() || verdict == Verdict::Pass {
        return None;
    }
    let items = message::together(found).into_iter().map(|(names, explanation)| {
        let removes = message::removes(explanation);
        el("li")
            .put(el("strong").text(names))
            .put(el("span").class("quiet").text(format!(" {removes}")))
            .put(el("p").text(&explanation.evidence))
    });
    let list = el("ol").all(items);
    Some(el("div").class("why").put(el("p").class("label").text(message::LOOKS_LIKE)).put(list))
}
