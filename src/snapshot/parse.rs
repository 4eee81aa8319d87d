//! Reading the text of a snapshot back. It refuses whatever karat would not have written: a merge conflict that was
//! committed, a line that is gone, a digit that became a letter. Pure.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::text::{Line, VERSION, word};
use crate::tensor::DType;

/// Why a text is not one of karat's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The line where it shows, counted from 1; `None` where it is about the whole.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
}

/// Reads a text back into its lines.
pub(super) fn parse(text: &str) -> Result<Vec<Line>, Fault> {
    if let Some(line) = conflict(text) {
        return fault(line, "holds a merge conflict");
    }
    version(text.lines().next().unwrap_or_default())?;
    let mut lines: Vec<Line> = Vec::new();
    let mut seen = BTreeSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let Some((quantity, value)) = split(line).filter(|(quantity, _)| is_known(quantity)) else {
            return fault(number, &format!("is {line:?}, which is no line of a karat snapshot"));
        };
        if !seen.insert(quantity) {
            return fault(number, &format!("is a second line for {quantity:?}"));
        }
        if !reads(quantity, value) {
            return fault(number, &format!("has {value:?} for {quantity:?}, which karat cannot read"));
        }
        lines.push(Line { quantity: quantity.to_owned(), value: value.to_owned() });
    }
    match required(&lines).into_iter().find(|quantity| !seen.contains(quantity)) {
        Some(quantity) => Err(Fault { line: None, what: format!("the line {quantity:?} is missing") }),
        None => Ok(lines),
    }
}

/// The first line, counted from 1, that is a merge conflict marker.
pub(super) fn conflict(text: &str) -> Option<usize> {
    let is_marker = |line: &str| ["<<<<<<<", "|||||||", "=======", ">>>>>>>"].iter().any(|mark| line.starts_with(mark));
    text.lines().position(is_marker).map(|index| index + 1)
}

/// The value of that quantity.
pub(super) fn value<'a>(lines: &'a [Line], quantity: &str) -> Option<&'a str> {
    lines.iter().find(|line| line.quantity == quantity).map(|line| line.value.as_str())
}

/// How many finite elements the statistics of these lines are over.
pub(super) fn finite_count(lines: &[Line]) -> Option<u64> {
    let count = |quantity| value(lines, quantity)?.parse::<u64>().ok();
    let elements = shape(value(lines, "shape")?)?.iter().try_fold(1u64, |all, &extent| all.checked_mul(extent))?;
    ["left out", "nan", "inf", "-inf"].iter().try_fold(elements, |rest, quantity| rest.checked_sub(count(quantity)?))
}

/// A number of a snapshot, read back as the dtype holds it.
pub(super) fn number(text: &str, narrow: bool) -> Option<f64> {
    match text {
        "nan" => Some(f64::NAN),
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        // Rust would also read `infinity` and `NaN`, which karat never writes.
        _ if !text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) || text.starts_with("-i") => None,
        _ if narrow => text.parse::<f32>().ok().map(f64::from),
        _ => text.parse().ok(),
    }
}

/// Refuses a first line that is not that of a version this karat reads.
fn version(line: &str) -> Result<(), Fault> {
    match line.strip_prefix("karat: ").map(str::parse::<u64>) {
        Some(Ok(VERSION)) => Ok(()),
        Some(Ok(later)) if later > VERSION => fault(
            1,
            &format!(
                "says format {later}, and this karat reads up to format {VERSION}: a later karat wrote it, update karat"
            ),
        ),
        _ => fault(1, &format!("is {line:?} where a karat snapshot begins with \"karat: {VERSION}\"")),
    }
}

/// Cuts a line at the colon that ends the quantity; a quoted name may hold others.
fn split(line: &str) -> Option<(&str, &str)> {
    let name = line.find(" \"").filter(|_| line.starts_with("param \"") || line.starts_with("input \""));
    let end = match name {
        Some(space) => {
            let quoted = &line[space + 1..];
            let mut names = serde_json::Deserializer::from_str(quoted).into_iter::<String>();
            names.next()?.ok()?;
            space + 1 + names.byte_offset()
        }
        None => line.find(':')?,
    };
    Some((&line[..end], line[end..].strip_prefix(": ")?))
}

/// Whether karat writes such a line.
fn is_known(quantity: &str) -> bool {
    let named = quantity.strip_prefix("param ").or_else(|| quantity.strip_prefix("input "));
    match named {
        Some(name) => name.starts_with('"') || word(name) == name,
        None => form(quantity).is_some(),
    }
}

/// What the value of a quantity looks like.
#[derive(Clone, Copy)]
enum Form {
    Word,
    Json,
    Hash,
    HashOrNone,
    Hashes,
    Number,
    Count,
    DType,
    Shape,
    Only(&'static str),
}

fn form(quantity: &str) -> Option<Form> {
    let tolerance = ["atol", "rtol", "outliers", "max_ulps", "max_rel_rms"];
    let quantity = quantity.strip_prefix("chained ").filter(|rest| tolerance.contains(rest)).unwrap_or(quantity);
    Some(match quantity {
        "karat" | "nan" | "inf" | "-inf" | "left out" | "outliers" | "max_ulps" => Form::Count,
        "checkpoint" => Form::Word,
        "reference" => Form::HashOrNone,
        "where" => Form::Hash,
        "or" => Form::Hashes,
        "atol" | "rtol" | "max_rel_rms" | "largest difference" | "rmse" => Form::Number,
        "min" | "max" | "mean" | "std" | "l2" => Form::Number,
        "cast" | "dtype" => Form::DType,
        "shape" => Form::Shape,
        "nan rule" => Form::Only("match"),
        "empty" => Form::Only("declared"),
        _ if quantity.starts_with("param ") => Form::Json,
        _ if quantity.starts_with("input ") => Form::Hash,
        _ => return None,
    })
}

/// Whether that text can be the value of that quantity.
fn reads(quantity: &str, value: &str) -> bool {
    let is_hash = |text: &str| {
        let hash = text.strip_prefix("sha256 ").unwrap_or_default();
        hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    match form(quantity) {
        Some(Form::Word) => {
            !value.is_empty() && (word(value) == value || serde_json::from_str::<String>(value).is_ok())
        }
        Some(Form::Json) => serde_json::from_str::<Json>(value).is_ok(),
        Some(Form::Hash) => is_hash(value),
        Some(Form::Hashes) => value.split(", ").all(is_hash),
        Some(Form::HashOrNone) => value == "none" || is_hash(value),
        // The extremes of a boolean tensor are booleans.
        Some(Form::Number) => number(value, false).is_some() || matches!(value, "true" | "false"),
        Some(Form::Count) => value.parse::<u64>().is_ok(),
        Some(Form::DType) => DType::from_name(value).is_some(),
        Some(Form::Shape) => shape(value).is_some(),
        Some(Form::Only(only)) => value == only,
        None => false,
    }
}

/// The quantities that a snapshot with these lines must have. Where any of them is gone the file was damaged, while the
/// others come and go with the case.
fn required(lines: &[Line]) -> Vec<&'static str> {
    let mut all = vec!["checkpoint", "reference", "dtype", "shape", "nan", "inf", "-inf", "left out"];
    if value(lines, "reference").is_some_and(|reference| reference != "none") {
        all.extend(["atol", "rtol"]);
    }
    if finite_count(lines).is_some_and(|count| count > 0) {
        if all.contains(&"atol") {
            all.extend(["largest difference", "rmse"]);
        }
        // Where any of several references will do, no statistic is held.
        if value(lines, "or").is_none() {
            all.extend(["min", "max", "mean", "std", "l2"]);
        }
    }
    all
}

fn shape(text: &str) -> Option<Vec<u64>> {
    match text.strip_prefix('[')?.strip_suffix(']')? {
        "" => Some(Vec::new()),
        extents => extents.split(", ").map(|extent| extent.parse().ok()).collect(),
    }
}

fn fault<T>(line: usize, what: &str) -> Result<T, Fault> {
    Err(Fault { line: Some(line), what: what.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::super::sample::sample;
    use super::super::text::{join, lines};
    use super::*;

    /// What the parser says of the sample's text after a replacement.
    fn said(from: &str, to: &str) -> String {
        let text = sample().text();
        assert!(text.contains(from), "{from:?} is in the text");
        match parse(&text.replace(from, to)) {
            Ok(_) => "fine".to_owned(),
            Err(Fault { line, what }) => format!("{line:?} {what}"),
        }
    }

    #[test]
    fn a_text_reads_back_as_it_was_written() {
        let odd = sample().with(|sample| {
            sample.checkpoint = "a checkpoint: \"quoted\"".to_owned();
            sample.params.insert("a: \"b\" \\".to_owned(), Json::from(vec!["x: y\n"]));
            sample.inputs.insert(String::new(), "0".repeat(64));
            sample.summary.shape = vec![];
        });
        for sample in [sample(), odd] {
            let read = parse(&sample.text()).expect("karat reads what it wrote");
            assert_eq!(read, lines(&sample.facts()));
            assert_eq!(join(&read), sample.text());
        }
    }

    #[test]
    fn a_merge_conflict_is_refused_at_its_line() {
        let conflict = "<<<<<<< HEAD\nmean: 0\n=======\nmean: 1\n>>>>>>> branch\n";
        assert_eq!(said("mean: 0\n", conflict), "Some(18) holds a merge conflict");
        assert_eq!(said("mean: 0\n", "mean: 0\n=======\n"), "Some(19) holds a merge conflict");
        assert_eq!(said("mean: 0\n", "mean: 0\n>>>>>>> branch\n"), "Some(19) holds a merge conflict");
    }

    #[test]
    fn a_line_that_karat_did_not_write_is_refused() {
        let unknown = |line: &str| said("rtol: 0\n", &format!("rtol: 0\n{line}\n"));
        for line in ["median: 0", "mean", "mean:0", "", "param: 1", "param a b: 1", "param \"a: 1", " mean: 0"] {
            let expected = format!("Some(8) is {line:?}, which is no line of a karat snapshot");
            assert_eq!(unknown(line), expected);
        }
    }

    #[test]
    fn a_second_line_for_a_quantity_is_refused() {
        assert_eq!(said("mean: 0\n", "mean: 0\nmean: 0\n"), "Some(19) is a second line for \"mean\"");
        assert_eq!(
            said("param eps: 1e-5\n", "param eps: 1\nparam eps: 2\n"),
            "Some(4) is a second line for \"param eps\""
        );
    }

    #[test]
    fn a_missing_line_is_refused_by_name() {
        for line in [
            "checkpoint: layer_norm\n",
            "rtol: 0\n",
            "largest difference: 5.960464477539063e-8\n",
            "rmse: 1e-8\n",
            "dtype: f32\n",
            "shape: [1, 8, 8]\n",
            "-inf: 0\n",
            "l2: 8\n",
        ] {
            let (quantity, _) = line.split_once(':').expect("a line");
            assert_eq!(said(line, ""), format!("None the line {quantity:?} is missing"));
        }
    }

    #[test]
    fn a_text_that_was_cut_short_is_refused_wherever_the_cut_is() {
        let text = sample().text();
        for (end, _) in text.char_indices() {
            // The digits of the last line are guarded by the newline that a snapshot file ends with.
            if end < text.find("l2: 8").expect("the last line") + 5 {
                assert!(parse(&text[..end]).is_err(), "{:?}", &text[..end]);
            }
        }
    }

    #[test]
    fn a_value_that_cannot_be_read_is_refused() {
        for (line, value) in [
            ("mean: 0", "zero"),
            ("mean: 0", "1.2.3"),
            ("mean: 0", "infinity"),
            ("mean: 0", "NaN"),
            ("mean: 0", "-infinity"),
            ("mean: 0", "1e"),
            ("nan: 0", "-1"),
            ("nan: 0", "0.5"),
            ("dtype: f32", "float"),
            ("shape: [1, 8, 8]", "1, 8, 8"),
            ("shape: [1, 8, 8]", "[1, 8, x]"),
            ("param eps: 1e-5", "{"),
            ("checkpoint: layer_norm", "two words"),
        ] {
            let (quantity, old) = line.split_once(": ").expect("a line");
            let text = said(&format!("\n{quantity}: {old}\n"), &format!("\n{quantity}: {value}\n"));
            assert!(text.ends_with(&format!("has {value:?} for {quantity:?}, which karat cannot read")), "{text}");
        }
        let short = said(&"cd".repeat(32), "cdcd");
        assert!(short.contains("has \"sha256 cdcd\" for \"reference\""), "{short}");
    }

    #[test]
    fn a_later_format_is_refused_as_such() {
        let text = said("karat: 1", "karat: 2");
        assert!(text.starts_with("Some(1) says format 2, and this karat reads up to format 1"), "{text}");
        for other in ["karat: 0", "karat: x", "Karat: 1", "carrot: 1"] {
            let text = said("karat: 1", other);
            assert_eq!(text, format!("Some(1) is {other:?} where a karat snapshot begins with \"karat: 1\""));
        }
        assert!(parse("").is_err());
    }

    #[test]
    fn the_finite_elements_are_counted_from_the_lines() {
        let some = sample().with(|sample| {
            sample.summary.left_out = 10;
            sample.summary.non_finite.nan = 1;
            sample.summary.non_finite.pos_inf = 2;
            sample.summary.non_finite.neg_inf = 3;
        });
        assert_eq!(finite_count(&lines(&some.facts())), Some(48));
    }
}
