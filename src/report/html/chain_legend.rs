//! What the marks of a drawn chain mean.

use super::chain_plot::{circle, diamond, kind, label, sign};
use super::element::{Element, el};
use crate::run::{ChainOutcome, Difference, Part};

/// What the marks mean; of the signs in the row those that there are.
pub(super) fn legend(chain: &ChainOutcome) -> Element {
    let swatch =
        |drawn: Element| el("svg").class("swatch").attr("viewBox", "0 0 16 16").attr("aria-hidden", "true").put(drawn);
    let difference = |is_close: bool| Difference { is_close, ..Difference::default() };
    let marks = [
        (circle(8.0, 8.0, &difference(true)), "own difference, on golden inputs"),
        (diamond(8.0, 8.0, &difference(true)), "propagated, on what came before"),
        (circle(8.0, 8.0, &difference(false)), "full: outside tolerance"),
    ];
    let signs = [
        (Part::Sound, "sound"),
        (Part::Diverges, "first divergence"),
        (Part::AtFaultToo, "at fault too"),
        (Part::PassesOn, "passes it on"),
        (Part::Accumulates, "accumulates"),
        (Part::Hole, "hole, or past one"),
    ];
    let there = |part: &Part| chain.steps.iter().any(|step| kind(&step.part) == kind(part));
    let signs = signs.into_iter().filter(|(part, _)| there(part)).map(|(part, text)| {
        let node = el("rect")
            .class("node")
            .attr("x", "0.5")
            .attr("y", "0.5")
            .attr("width", "15")
            .attr("height", "15")
            .attr("rx", "4");
        let sign = label(8.0, 12.0, "middle", sign(&part)).class("node-sign");
        el("li").put(swatch(el("g").class(kind(&part)).put(node).put(sign))).text(text)
    });
    let marks = marks.into_iter().map(|(drawn, text)| el("li").put(swatch(drawn)).text(text));
    el("ul").class("legend").attr("aria-label", "What the marks mean").all(marks.chain(signs))
}
