//! Lines of a snapshot that left their band, beside what holds now.

use super::element::{Element, el};
use super::wide::wide;
use crate::snapshot::Drift;

/// A row a line; nothing where none moved.
pub(super) fn moved(lines: &[Drift]) -> Option<Element> {
    if lines.is_empty() {
        return None;
    }
    let or = |text: &str, absent: &'static str| if text.is_empty() { absent.to_owned() } else { text.to_owned() };
    let rows = lines.iter().map(|Drift { quantity, stored, measured, band }| {
        el("tr")
            .put(el("th").attr("scope", "row").text(quantity))
            .put(el("td").text(or(stored, "none")))
            .put(el("td").text(or(measured, "none")))
            .put(el("td").class("words").text(or(band, "equal")))
    });
    let head = ["quantity", "snapshot", "now", "band"].map(|name| el("th").attr("scope", "col").text(name));
    let table = el("table").class("values").put(el("thead").put(el("tr").all(head))).put(el("tbody").all(rows));
    Some(wide("Lines of the snapshot that moved", table))
}
