//! How large the differences are: a bar for each decade.

use super::element::{Element, el};
use crate::compare::{Decade, Size};
use crate::report::terminal;
use crate::text::number::count;

/// A row a decade, its bar as long as the count is to the largest.
pub(super) fn decades(decades: &[Decade]) -> Element {
    let all = terminal::rows(decades);
    let most = all.iter().map(|row| row.count).max().unwrap_or(0).max(1);
    let rows = all.iter().map(|row| {
        // What is there has a bar.
        let share = (row.count as f64 / most as f64 * 100.0).ceil();
        let bar = el("span").class(class(row.size)).attr("style", format!("width:{share}%"));
        el("tr")
            .put(el("th").attr("scope", "row").text(row.label()))
            .put(el("td").class("n").text(count(row.count)))
            .put(el("td").class("bar").attr("aria-hidden", "true").all((row.count > 0).then_some(bar)))
    });
    let head = el("tr")
        .put(el("th").attr("scope", "col").text("from, to"))
        .put(el("th").attr("scope", "col").class("n").text("elements"))
        .put(el("td").attr("aria-hidden", "true"));
    el("table")
        .class("decades")
        .put(el("caption").text("|actual - reference|, and how many elements"))
        .put(el("thead").put(head))
        .put(el("tbody").all(rows))
}

fn class(size: Size) -> &'static str {
    match size {
        Size::Zero => "zero",
        Size::Power(_) => "power",
        Size::NotFinite => "nan",
    }
}
