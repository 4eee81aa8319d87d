//! The elements that differ most, with both values.

use super::element::{Element, el};
use super::wide::wide;
use crate::compare::WorstElement;
use crate::text::number::{both, float, percent, ratio, shape};

/// A row an element, the worst first; nothing where none differs.
pub(super) fn worst(elements: &[WorstElement]) -> Option<Element> {
    if elements.is_empty() {
        return None;
    }
    let rows = elements.iter().map(|element| {
        let WorstElement { index, actual, reference, difference, share } = element;
        let [actual, reference] = both(*actual, *reference);
        el("tr")
            .put(el("th").attr("scope", "row").class("n").text(shape(index)))
            .put(el("td").class("n").text(actual))
            .put(el("td").class("n").text(reference))
            .put(el("td").class("n").text(float(*difference)))
            .put(el("td").class("n").text(used(*share, *difference)))
    });
    let head = ["index", "actual", "reference", "difference", "of what is allowed"];
    let head = head.map(|name| el("th").attr("scope", "col").class("n").text(name));
    let table = el("table")
        .class("values")
        .put(el("caption").text("the elements that differ most"))
        .put(el("thead").put(el("tr").all(head)))
        .put(el("tbody").all(rows));
    Some(wide("The elements that differ most", table))
}

/// How much of the tolerance an element uses, where there is one to use.
fn used(share: f64, difference: f64) -> String {
    match share {
        _ if !difference.is_finite() => "not finite".into(),
        share if !share.is_finite() => "none allowed".into(),
        share if share > 1.0 => ratio(share),
        share => percent(share),
    }
}
