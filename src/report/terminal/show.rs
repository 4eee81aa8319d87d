//! What a tensor or a case is.

use std::io::{self, Write};

use serde_json::{Map, Value};

use crate::compare::{NonFinite, Summary, Tolerance};
use crate::report::histogram::{Bin, Histogram};
use crate::report::message::{self, non_finite_counts};
use crate::report::palette::Palette;
use crate::report::view::{CaseView, InputView, OutputView, TensorView};
use crate::report::voice::Voice;
use crate::tensor::{Kind, Tensor};
use crate::text::WIDTH;
use crate::text::number::{bytes, count, exact, float, shape};
use crate::text::safe::visible;
use crate::text::table::Table;
use crate::text::wrap::{padded, paragraphs, width};

/// Writes the summary of a tensor and how its elements are spread. `place` is its file as the reader named it.
///
/// # Errors
///
/// What `out` returns.
pub fn show_tensor(
    out: &mut dyn Write,
    palette: &Palette,
    place: &str,
    tensor: &Tensor,
    summary: &Summary,
) -> io::Result<()> {
    let Summary { shape: extents, dtype, elements, left_out, non_finite, min, max, mean, std, l2 } = summary;
    writeln!(out, "{}", palette.strong(&visible(place)))?;
    let mut table = Table::default();
    let absent = || "none".to_owned();
    table.row(["dtype", dtype.name()]);
    table.row(["shape", &shape(extents)]);
    let size = bytes(elements.saturating_add(*left_out).saturating_mul(dtype.size() as u64));
    table.row(["elements", &format!("{} ({size})", count(*elements))]);
    if *left_out > 0 {
        table.row(["left out", &count(*left_out)]);
    }
    table.row(["not finite", &non_finite_counts(*non_finite)]);
    let [min, max] = [min, max].map(|end| end.map_or_else(absent, |value| value.to_string()));
    let values = [min, max, mean.map_or_else(absent, float), std.map_or_else(absent, float)];
    message::quantities(*dtype).iter().zip(values).for_each(|(name, value)| table.row([*name, &value]));
    table.row(["l2", &l2.map_or_else(absent, float)]);
    table.write(out, 2)?;
    let what = if dtype.kind() == Kind::Complex { "|z|, and how many elements" } else { "" };
    histogram(out, what, &Histogram::of(tensor))
}

/// A bar for each bin, the longest to the right margin, below what they are of, where that has to be said.
fn histogram(out: &mut dyn Write, what: &str, Histogram { bins }: &Histogram) -> io::Result<()> {
    let label = |bin: &Bin| match bin.from == bin.to {
        true => float(bin.from),
        false => format!("{} to {}", float(bin.from), float(bin.to)),
    };
    let labels = bins.iter().map(|bin| width(&label(bin))).max().unwrap_or(0);
    let counts = bins.iter().map(|bin| count(bin.count).len()).max().unwrap_or(0);
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(0).max(1);
    let room = WIDTH.saturating_sub(2 + labels + 2 + counts + 2);
    if !bins.is_empty() {
        writeln!(out)?;
    }
    if !(bins.is_empty() || what.is_empty()) {
        writeln!(out, "  {what}")?;
    }
    for bin in bins {
        // A bin that is not empty has a bar.
        let length = (bin.count as f64 / most as f64 * room as f64).ceil() as usize;
        let line = format!("  {}  {:>counts$}  {}", padded(&label(bin), labels), count(bin.count), "#".repeat(length));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Writes a line for each tensor of a container.
///
/// # Errors
///
/// What `out` returns.
pub fn show_members(out: &mut dyn Write, palette: &Palette, place: &str, members: &[TensorView]) -> io::Result<()> {
    writeln!(out, "{}", palette.strong(&visible(place)))?;
    let mut table = Table::default();
    members.iter().for_each(|member| table.row(row(member)));
    table.write(out, 2)
}

/// A tensor in one row: name, dtype and shape, range, what is not finite.
fn row(tensor: &TensorView) -> Vec<String> {
    let TensorView { name, place: _, summary } = tensor;
    let Summary { shape: extents, dtype, elements: _, left_out, non_finite, min, max, mean: _, std, l2: _ } =
        match summary {
            Ok(summary) => summary,
            Err(error) => return vec![name.clone(), error.replace('\n', " ")],
        };
    let mut besides = Vec::new();
    if let (Some(min), Some(max), Some(std)) = (min, max, std) {
        let modulus = if dtype.kind() == Kind::Complex { "|z| " } else { "" };
        besides.push(format!("{modulus}{} to {}, std {}", float(min.to_f64()), float(max.to_f64()), float(*std)));
    }
    if *non_finite != NonFinite::default() {
        besides.push(non_finite_counts(*non_finite));
    }
    if *left_out > 0 {
        besides.push(format!("{} left out", count(*left_out)));
    }
    vec![name.clone(), dtype.name().to_owned(), shape(extents), besides.join(", ")]
}

/// Writes what a case is: what it runs, on what, held against what, and who made its goldens.
///
/// # Errors
///
/// What `out` returns.
pub fn show_case(out: &mut dyn Write, palette: &Palette, voice: &Voice, case: &CaseView) -> io::Result<()> {
    let CaseView { id, file, checkpoint, params, inputs, outputs, timeout, skip, reference } = case;
    writeln!(out, "{}", palette.strong(id.as_str()))?;
    let mut table = Table::default();
    table.row(["file", &voice.path(file)]);
    table.row(["checkpoint", checkpoint]);
    if let Some(timeout) = timeout {
        table.row(["timeout", &message::seconds(*timeout)]);
    }
    table.write(out, 2)?;
    if let Some(reason) = skip {
        paragraphs(out, 2, &[format!("skipped: {reason}")])?;
    }
    fields(out, palette, "params", params)?;
    heading(out, palette, "inputs")?;
    let mut table = Table::default();
    for InputView { tensor, from: _ } in inputs {
        table.row(row(tensor));
    }
    table.write(out, 2)?;
    for InputView { tensor, from } in inputs {
        let origin = from.as_ref().map(|from| format!(", from {from}")).unwrap_or_default();
        paragraphs(out, 2, &[format!("{} is {}{origin}", tensor.name, tensor.place)])?;
    }
    heading(out, palette, "outputs")?;
    outputs_of(out, outputs)?;
    fields(out, palette, "reference", reference)
}

fn outputs_of(out: &mut dyn Write, outputs: &[OutputView]) -> io::Result<()> {
    if outputs.is_empty() {
        return paragraphs(out, 2, &[message::SNAPSHOT_ONLY.into()]);
    }
    let mut table = Table::default();
    for OutputView { tensor, .. } in outputs {
        table.row(row(tensor));
    }
    table.write(out, 2)?;
    for OutputView { tensor, tolerance, chained_tolerance, alternatives, mask } in outputs {
        let limits = |tolerance: &Tolerance| {
            let mut limits = vec![message::tolerance(tolerance)];
            limits.extend(message::more_asked(tolerance));
            limits.join(", ")
        };
        let mut limit = tolerance.as_ref().map_or("no tolerance given".into(), limits);
        limit.extend(chained_tolerance.iter().map(|chained| format!("; in a chained run {}", limits(chained))));
        let mask = mask.as_ref().map(|mask| format!(", where {mask}")).unwrap_or_default();
        let or: String = alternatives.iter().map(|place| format!(" or {place}")).collect();
        paragraphs(out, 2, &[format!("{} is {}{or}{mask}; {limit}", tensor.name, tensor.place)])?;
    }
    Ok(())
}

/// The fields of a JSON object, if it has any.
fn fields(out: &mut dyn Write, palette: &Palette, name: &str, fields: &Map<String, Value>) -> io::Result<()> {
    if fields.is_empty() {
        return Ok(());
    }
    heading(out, palette, name)?;
    let mut table = Table::default();
    flatten(&mut table, "", fields);
    table.write(out, 2)
}

/// A row for each field, those of objects inside by their path: `model.source`.
fn flatten(table: &mut Table, path: &str, fields: &Map<String, Value>) {
    for (name, value) in fields {
        let name = format!("{path}{name}");
        let text = match value {
            Value::Object(inner) if !inner.is_empty() => {
                flatten(table, &format!("{name}."), inner);
                continue;
            }
            Value::String(text) => text.clone(),
            Value::Number(number) if number.is_f64() => number.as_f64().map_or_else(|| number.to_string(), exact),
            value => value.to_string(),
        };
        table.row([name, text]);
    }
}

fn heading(out: &mut dyn Write, palette: &Palette, name: &str) -> io::Result<()> {
    writeln!(out, "{}", palette.strong(name))
}
