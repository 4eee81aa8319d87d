//! Text about tensors: a summary, the tensors of a case, a comparison of two, and where they differ.

use serde_json::{Map, Value};

use super::palette::Palette;
use crate::compare::mismatch::{are_both_nan, describe_mismatch, describe_non_finite};
use crate::compare::{Comparison, HeatMap, NonFinite, Picture, Summary};
use crate::explain::Explanation;
use crate::report::commands::Commands;
use crate::report::figures::{self, Bin};
use crate::report::message;
use crate::report::overview::{CANNOT_FAIL, largest_difference};
use crate::report::view::{CaseView, DiffView, InputView, OutputView, PairView, TensorView, UnreadableTensor};
use crate::run::Verdict;
use crate::tensor::Kind;
use crate::text::layout::{Table, bars, pad_name, paragraphs, width};
use crate::text::number::{bytes, count, exact, float, plural, shape};
use crate::text::safe::{escape_line, escape_name};

/// Formats rows as an indented table.
fn table(indent: usize, rows: impl IntoIterator<Item = impl IntoIterator<Item = impl AsRef<str>>>) -> String {
    let mut table = Table::default();
    rows.into_iter().for_each(|row| table.row(row));
    table.text(indent)
}

/// Formats a comparison: one pair in full, or a line for each of several pairs, the tensors that only one side has, and
/// the counts.
#[must_use]
pub fn diff(palette: &Palette, diff: &DiffView) -> String {
    let DiffView { actual, reference, pairs, only_actual, only_reference, unread } = diff;
    let mut text = table(0, [["actual", actual], ["reference", reference]]) + "\n";
    if let ([pair], [], [], []) = (&pairs[..], &only_actual[..], &only_reference[..], &unread[..]) {
        return text + &pair_in_full(palette, pair);
    }
    let names = pairs.iter().map(|pair| &pair.name).chain(only_actual).chain(only_reference);
    let widest = names.map(|name| width(&escape_name(name))).max().unwrap_or(0);
    text.extend(pairs.iter().map(|pair| pair_line(palette, pair, widest)));
    for UnreadableTensor { name, error } in unread {
        let name = palette.strong(&escape_name(if name.is_empty() { actual } else { name }));
        let error = paragraphs(10, &error.lines().collect::<Vec<_>>());
        text += &format!("{}{name}\n{error}", palette.verdict(Verdict::Broken, 10));
    }
    for (names, side) in [(only_actual, "actual"), (only_reference, "reference")] {
        for name in names {
            let name = palette.strong(&pad_name(name, widest));
            text += &format!("{}{name}  only in {side}\n", palette.verdict(Verdict::Missing, 10));
        }
    }
    text + &diff_counts(palette, diff)
}

fn diff_counts(palette: &Palette, diff: &DiffView) -> String {
    let DiffView { actual: _, reference: _, pairs, only_actual, only_reference, unread } = diff;
    let passed = pairs.iter().filter(|pair| pair.is_close()).count();
    let counts = [
        (unread.len(), Verdict::Broken),
        (only_actual.len() + only_reference.len(), Verdict::Missing),
        (pairs.len() - passed, Verdict::Mismatch),
        (passed, Verdict::Pass),
    ];
    let total = plural(counts.iter().map(|(count, _)| *count as u64).sum(), "tensor");
    let tallies = counts.into_iter().filter(|(count, _)| *count > 0);
    let tallies: Vec<String> = tallies.map(|(count, verdict)| palette.tally(count, verdict)).collect();
    let tallies = if tallies.is_empty() { "nothing to compare".into() } else { tallies.join(", ") };
    let is_vacuous = |pair: &&PairView| pair.comparison.as_ref().is_ok_and(|of| of.vacuous.is_some());
    let vacuous = match pairs.iter().filter(is_vacuous).count() as u64 {
        0 => String::new(),
        count => format!("{} {CANNOT_FAIL}\n", plural(count, "tensor")),
    };
    format!("{total}: {tallies}\n{vacuous}")
}

fn verdict(palette: &Palette, pair: &PairView) -> String {
    palette.verdict(if pair.is_close() { Verdict::Pass } else { Verdict::Mismatch }, 10)
}

fn pair_line(palette: &Palette, pair: &PairView, widest: usize) -> String {
    let PairView { name, tolerance: _, actual, reference, comparison, explanations, picture: _ } = pair;
    let result = match comparison {
        Err(mismatch) => {
            let [actual, reference] = [actual, reference].map(|of| format!("{} {}", of.dtype, shape(&of.shape)));
            escape_line(&format!("{}: {actual}, reference {reference}", message::brief_mismatch(mismatch)))
        }
        Ok(comparison) => match (comparison.mismatches.first(), comparison.vacuous) {
            (Some(mismatch), _) if comparison.non_finite_mismatches > 0 => message::brief_mismatch(mismatch).into(),
            (_, Some(kind)) => format!("{}, {}", largest_difference(&[comparison]), message::brief_vacuous(kind)),
            (_, None) => largest_difference(&[comparison]),
        },
    };
    let explanation = match explanations.as_deref().filter(|_| !pair.is_close()) {
        None => String::new(),
        Some([]) => paragraphs(10, &[message::NOTHING_FITS]),
        Some([best, ..]) => paragraphs(10, &[message::explanation_line(best)]),
    };
    format!("{}{}  {result}\n{explanation}", verdict(palette, pair), palette.strong(&pad_name(name, widest)))
}

fn pair_in_full(palette: &Palette, pair: &PairView) -> String {
    let PairView { name, tolerance, actual, reference, comparison, explanations, picture } = pair;
    let mut lines = Vec::new();
    let mut measures = String::new();
    match comparison {
        Err(kind) => lines.extend(describe_mismatch(kind, None, Some(tolerance))),
        Ok(comparison) => {
            let mismatches = comparison.mismatches.iter();
            lines.extend(mismatches.flat_map(|kind| describe_mismatch(kind, Some(comparison), Some(tolerance))));
            lines.extend(comparison.vacuous.map(message::vacuous));
            if are_both_nan(comparison) {
                lines.push("to let NaN match NaN, use --nan, or \"nan\": \"match\" in a case".into());
            }
            measures = self::measures(comparison);
        }
    }
    let limits = if pair.is_close() { message::limits(tolerance) } else { String::new() };
    let gap = if name.is_empty() { "" } else { "  " };
    let head = format!("{}{}{gap}{limits}", verdict(palette, pair), palette.strong(&escape_name(name)));
    let columns = [["", "actual", "reference"].map(str::to_owned)];
    let summaries = table(0, columns.into_iter().chain(figures::summary_pair(actual, reference)));
    let mut text = format!("{summaries}\n{}\n{}{measures}", head.trim_end(), paragraphs(10, &lines));
    if !pair.is_close() {
        text.extend(explanations.iter().map(|list| format!("\n{}", self::explanations(0, list))));
        text.extend(picture.iter().map(|drawn| self::picture(0, drawn)));
    }
    text
}

/// Formats every measure of a pair, those of single elements first.
fn measures(comparison: &Comparison) -> String {
    let row = |(quantity, cells): (&str, Option<[String; 4]>)| {
        let cells = cells.map_or_else(|| vec!["none".to_owned()], Vec::from);
        [quantity.to_owned()].into_iter().chain(cells).collect()
    };
    let head = ["", "largest", "at", "actual", "reference"].map(str::to_owned).to_vec();
    let extremes: Vec<Vec<String>> = figures::extremes(comparison).into_iter().map(row).collect();
    let extremes = table(0, [head].into_iter().chain(extremes));
    let measures = figures::measures(comparison).map(|(quantity, value)| [quantity.to_owned(), value]);
    format!("\n{extremes}\n{}", table(0, measures))
}

/// Formats explanations, best first. Explanations that hold together share one entry.
pub(super) fn explanations(indent: usize, explanations: &[Explanation]) -> String {
    if explanations.is_empty() {
        return paragraphs(indent, &[message::NOTHING_FITS]);
    }
    let groups = message::group_explanations(explanations);
    let widest = groups.iter().map(|(names, ..)| width(names)).max().unwrap_or(0);
    let entry = |(rank, (names, quality, evidence)): (u32, (String, String, &str))| {
        let evidence = paragraphs(indent + 3, &[evidence]);
        format!("{:indent$}{rank}. {}  {quality}\n{evidence}", "", pad_name(&names, widest))
    };
    format!("{:indent$}{}\n", "", message::LOOKS_LIKE) + &(1..).zip(groups).map(entry).collect::<String>()
}

/// Draws a difference in plain characters: where it is and how large, each after a blank line.
pub(super) fn picture(indent: usize, picture: &Picture) -> String {
    // The message above already shows the worst element.
    let Picture { map, decades, types: _, worst: _ } = picture;
    let decades = figures::decades(decades).into_iter().map(|(label, row)| (label, row.count));
    let decades = bars(indent, &decades.collect::<Vec<_>>());
    format!("\n{}\n{:indent$}{}\n{decades}", self::map(indent, map), "", figures::DECADES)
}

/// Draws a map, one character per cell, with a legend.
pub(in crate::report) fn map(indent: usize, map: &HeatMap) -> String {
    let HeatMap { shape: _, step, cells } = map;
    let digits = (cells.len().saturating_sub(1) * step[0]).to_string().len();
    let row = |(row, cells): (usize, &Vec<Option<f64>>)| {
        let cells: String = cells.iter().map(|cell| figures::mark(*cell)).collect();
        format!("{:indent$}{:>digits$} |{cells}|\n", "", row * step[0])
    };
    let rows: String = cells.iter().enumerate().map(row).collect();
    let legend = figures::legend(map).into_iter().map(|(mark, meaning)| match mark {
        ' ' => format!("blank {meaning}"),
        mark => format!("{mark} {meaning}"),
    });
    let legend = paragraphs(indent, &[legend.collect::<Vec<_>>().join(", ")]);
    paragraphs(indent, &[figures::axes(map)]) + &rows + &legend
}

/// Formats tensors: a single one with its summary and histogram, or a line for each tensor in `place`.
#[must_use]
pub fn show(palette: &Palette, place: &str, tensors: &[TensorView]) -> String {
    let head = palette.strong(&escape_line(place)) + "\n";
    let [TensorView { summary: Ok(summary), histogram: Some(histogram), .. }] = tensors else {
        return head + &table(2, tensors.iter().map(row));
    };
    let size = summary.elements.saturating_add(summary.left_out).saturating_mul(summary.dtype.size() as u64);
    let rows = figures::summary_rows(summary).map(|(quantity, value)| match quantity {
        "elements" => [quantity.to_owned(), format!("{value} ({})", bytes(size))],
        quantity => [quantity.to_owned(), value],
    });
    let rows = rows.into_iter().filter(|[quantity, _]| summary.left_out > 0 || quantity != figures::EXCLUDED);
    let label = |Bin { from, to, count: _ }: &Bin| match from == to {
        true => float(*from),
        false => format!("{} to {}", float(*from), float(*to)),
    };
    let bins: Vec<(String, u64)> = histogram.iter().map(|bin| (label(bin), bin.count)).collect();
    let gap = match summary.dtype.kind() {
        _ if bins.is_empty() => "",
        Kind::Complex => "\n  |z|, and number of elements\n",
        _ => "\n",
    };
    head + &table(2, rows) + gap + &bars(2, &bins)
}

/// Returns a tensor as one row: name, dtype, shape, range, and non-finite and excluded elements.
fn row(tensor: &TensorView) -> Vec<String> {
    let TensorView { name, place: _, summary, histogram: _ } = tensor;
    let Summary { shape: extents, dtype, left_out, non_finite, min, max, std, .. } = match summary {
        Ok(summary) => summary,
        Err(error) => return vec![name.clone(), error.replace('\n', " ")],
    };
    let mut facts = Vec::new();
    if let (Some(min), Some(max), Some(std)) = (min, max, std) {
        let modulus = if dtype.kind() == Kind::Complex { "|z| " } else { "" };
        facts.push(format!("{modulus}{} to {}, std {}", float(min.to_f64()), float(max.to_f64()), float(*std)));
    }
    facts.extend((*non_finite != NonFinite::default()).then(|| describe_non_finite(*non_finite)));
    facts.extend((*left_out > 0).then(|| format!("{} excluded", count(*left_out))));
    vec![name.clone(), dtype.name().to_owned(), shape(extents), facts.join(", ")]
}

/// Formats a case: its checkpoint, parameters, inputs, outputs and the origin of its goldens.
#[must_use]
pub fn show_case(palette: &Palette, commands: &Commands, case: &CaseView) -> String {
    let CaseView { id, file, checkpoint, params, inputs, outputs, timeout, skip, reference } = case;
    let head = |name: &str| palette.strong(name) + "\n";
    let timeout = timeout.map(|timeout| ["timeout".to_owned(), format!("{} s", exact(timeout.as_secs_f64()))]);
    let facts = [["file".to_owned(), commands.path(file)], ["checkpoint".to_owned(), checkpoint.clone()]];
    let mut text = head(id.as_str()) + &table(2, facts.into_iter().chain(timeout));
    text.extend(skip.iter().map(|reason| paragraphs(2, &[format!("skipped: {reason}")])));
    let fields = |name: &str, fields: &Map<String, Value>| match fields.is_empty() {
        true => String::new(),
        false => head(name) + &table(2, flatten("", fields)),
    };
    text += &fields("params", params);
    text += &(head("inputs") + &table(2, inputs.iter().map(|input| row(&input.tensor))));
    for InputView { tensor, from } in inputs {
        let origin = from.as_ref().map(|from| format!(", from {from}")).unwrap_or_default();
        text += &paragraphs(2, &[format!("{} is {}{origin}", tensor.name, tensor.place)]);
    }
    text += &(head("outputs") + &table(2, outputs.iter().map(|output| row(&output.tensor))));
    if outputs.is_empty() {
        text += &paragraphs(2, &[message::SNAPSHOT_ONLY]);
    }
    for OutputView { tensor, tolerance, chained_tolerance, alternatives, mask } in outputs {
        let limit = tolerance.as_ref().map_or("no tolerance given".into(), message::limits);
        let chained = chained_tolerance.as_ref();
        let chained = chained.map(|chained| format!("; in a chained run {}", message::limits(chained)));
        let mask = mask.as_ref().map(|mask| format!(", where {mask}")).unwrap_or_default();
        let or: String = alternatives.iter().map(|place| format!(" or {place}")).collect();
        let (name, place, chained) = (&tensor.name, &tensor.place, chained.unwrap_or_default());
        text += &paragraphs(2, &[format!("{name} is {place}{or}{mask}; {limit}{chained}")]);
    }
    text + &fields("reference", reference)
}

/// Returns a row for each field of a JSON object; nested fields are named by their path, such as `model.source`.
fn flatten(path: &str, fields: &Map<String, Value>) -> Vec<[String; 2]> {
    let row = |(name, value): (&String, &Value)| {
        let name = format!("{path}{name}");
        let text = match value {
            Value::Object(inner) if !inner.is_empty() => return flatten(&format!("{name}."), inner),
            Value::String(text) => text.clone(),
            Value::Number(number) if number.is_f64() => number.as_f64().map_or_else(|| number.to_string(), exact),
            value => value.to_string(),
        };
        vec![[name, text]]
    };
    fields.iter().flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Pair, Rules, Tolerance};
    use crate::tensor::Tensor;
    use crate::text::layout::WIDTH;

    fn draw(shape: &[usize], actual: Vec<f32>) -> String {
        let reference = Tensor::new(shape, vec![1.0f32; actual.len()]).expect("as many");
        let actual = Tensor::new(shape, actual).expect("as many");
        let rules = Rules::new(Tolerance::new(1e-3, 0.0).expect("valid"));
        picture(2, &Picture::of(Pair::new(&actual, &reference), &rules).expect("one shape"))
    }

    #[test]
    fn a_difference_is_drawn_as_a_map_and_a_histogram() {
        let mut actual = vec![1.0f32; 3 * 40];
        actual[40..80].iter_mut().for_each(|x| *x = 1.5);
        (actual[0], actual[5], actual[119]) = (1.0005, 1.004, f32::NAN);
        let expected = "
  where it differs, in [3, 40]; down: axis 0, across: axis 1
  0 |.----1----------------------------------|
  1 |3333333333333333333333333333333333333333|
  2 |---------------------------------------N|
  - equal, . within tolerance, 1 up to 10x the tolerance, 3 up to 1,000x, N not
  finite

  |actual - reference|, and number of elements
  0             77  ############################################################
  1e-4 to 1e-3   1  #
  1e-3 to 1e-2   1  #
  1e-2 to 1e-1   0
  1e-1 to 1     40  ################################
  not finite     1  #
";
        assert_eq!(draw(&[3, 40], actual), expected);
    }

    #[test]
    fn the_map_of_a_large_tensor_fits_the_screen() {
        let mut actual = vec![1.0f32; 4 * 64 * 640];
        actual[2 * 64 * 640 + 17 * 640 + 300] = 9.0;
        let text = draw(&[4, 64, 640], actual);
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let axes = "down: axis 1 (4 per cell), across: axis 2 (11 per cell); the largest over all other axes";
        assert!(flat.contains(axes), "{text}");
        assert_eq!(text.lines().filter(|line| line.contains(" |-")).count(), 16, "{text}");
        assert!(text.contains(&format!("  16 |{}4{}|\n", "-".repeat(27), "-".repeat(31))), "{text}");
    }

    #[test]
    fn the_map_of_a_vector_or_scalar_is_one_row() {
        assert!(draw(&[3], vec![1.0, 2.0, 1.0]).contains("where it differs, in [3]; across: axis 0\n  0 |-3-|"));
        assert!(draw(&[], vec![1.0]).contains("where it differs, in []; the only element\n  0 |-|"));
    }
}
