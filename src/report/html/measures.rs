//! The tolerance and everything that was measured, as a table that opens.

use super::element::{Element, el};
use crate::compare::{Comparison, Extreme, Summary, Tolerance};
use crate::report::message;
use crate::text::number::{count, float, float_up, near_one, shape};

/// A name and what was measured.
type Row = (&'static str, String);

/// What an output was held to, how far it is from its reference, and what it is by itself.
pub(super) fn measures(
    tolerance: Option<&Tolerance>,
    comparison: Option<&Comparison>,
    summary: Option<&Summary>,
) -> Option<Element> {
    let groups = [
        ("difference", tolerance.map(held).into_iter().chain(comparison.map(apart)).flatten().collect()),
        ("actual", summary.map(described).unwrap_or_default()),
    ];
    let groups: Vec<(&str, Vec<Row>)> = groups.into_iter().filter(|(_, rows)| !rows.is_empty()).collect();
    let tables = groups.iter().map(|(name, rows)| table(name, rows));
    let summary = el("summary").text("Tolerance and measurements");
    (!groups.is_empty()).then(|| el("details").class("measures").put(summary).put(el("div").class("side").all(tables)))
}

fn table(name: &str, rows: &[Row]) -> Element {
    let rows = rows.iter().map(|(name, value)| {
        el("tr").put(el("th").attr("scope", "row").text(name)).put(el("td").class("v").text(value))
    });
    el("table").class("values").put(el("caption").text(name)).put(el("tbody").all(rows))
}

fn held(tolerance: &Tolerance) -> Vec<Row> {
    let more = message::more_asked(tolerance).into_iter().map(|more| ("besides", more));
    [("tolerance", message::tolerance(tolerance))].into_iter().chain(more).collect()
}

fn apart(measured: &Comparison) -> Vec<Row> {
    let at = |extreme: &Option<Extreme>, value: fn(f64) -> String| {
        extreme.as_ref().map(|extreme| format!("{} at {}", value(extreme.value), shape(&extreme.index)))
    };
    let number = |value: Option<f64>| value.map(float);
    let first = measured.first_outside.as_ref().map(|first| format!(", the first at {}", shape(first)));
    let first = first.unwrap_or_default();
    let left_out = (measured.left_out > 0).then(|| count(measured.left_out));
    let rows = [
        ("elements compared", Some(count(measured.elements))),
        ("left out by where", left_out),
        ("not equal", Some(count(measured.differing))),
        ("outside tolerance", Some(count(measured.outside) + &first)),
        ("at worst", message::used_share(measured.tolerance_used)),
        ("largest difference", at(&measured.max_abs_diff, float)),
        ("largest relative", at(&measured.max_rel_diff, float)),
        ("largest in ulp", at(&measured.max_ulp_diff, |ulps| count(ulps as u64))),
        ("mean difference", number(measured.mean_abs_diff)),
        ("rmse", number(measured.rmse)),
        ("rmse of the reference's rms", number(measured.rel_rms)),
        ("bias", number(measured.bias)),
        ("scale", measured.scale.map(near_one)),
        ("cosine", measured.cosine.map(near_one)),
        ("smallest atol that passes", measured.smallest_atol.map(float_up)),
        ("references of 0", (measured.zero_references > 0).then(|| count(measured.zero_references))),
        ("reference not finite", Some(message::non_finite_counts(measured.reference_non_finite))),
    ];
    rows.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn described(summary: &Summary) -> Vec<Row> {
    let Summary { shape: extents, dtype, elements, left_out: _, non_finite, min, max, mean, std, l2 } = summary;
    let [of_min, of_max, of_mean, of_std] = message::quantities(*dtype);
    let rows = [
        ("dtype", Some(dtype.to_string())),
        ("shape", Some(shape(extents))),
        ("elements", Some(count(*elements))),
        ("not finite", Some(message::non_finite_counts(*non_finite))),
        (of_min, min.as_ref().map(ToString::to_string)),
        (of_max, max.as_ref().map(ToString::to_string)),
        (of_mean, mean.map(float)),
        (of_std, std.map(float)),
        ("l2", l2.map(float)),
    ];
    rows.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
