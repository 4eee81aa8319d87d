//! Formats and parses the text of a snapshot: one quantity per line, every number with the fewest digits that read back the same.
//!
//! ```text
//! karat: 1
//! checkpoint: layer_norm
//! param eps: 1e-5
//! input x: sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//! reference: sha256 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752
//! atol: 1e-5
//! rtol: 0
//! largest difference: 5.9604645e-8
//! rmse: 1.31e-8
//! dtype: f32
//! shape: [1, 8, 64]
//! nan: 0
//! inf: 0
//! -inf: 0
//! left out: 0
//! min: -2.4153123
//! max: 3.1078672
//! mean: 0.011735
//! std: 0.98812
//! l2: 22.3602
//! ```
//!
//! Quantities that do not apply have no line. The lines that every snapshot has come last, so that an incomplete file is never
//! mistaken for a complete one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::compare::{Comparison, NanRule, NonFinite, Rules, Summary, Tolerance};
use crate::tensor::{DType, Kind, Value};

/// The version of the format, which is written, and the newest that is read.
pub(super) const VERSION: u64 = 1;

/// The facts that the snapshot of one output states.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The checkpoint of the case.
    pub checkpoint: &'a str,
    /// The parameters of the case.
    pub params: &'a BTreeMap<String, Json>,
    /// The sha256 of each input, in lower-case hex.
    pub inputs: &'a BTreeMap<String, String>,
    /// The sha256 of the reference, in lower-case hex; `None` if the output is only compared with its snapshot.
    pub reference: Option<&'a str>,
    /// The sha256 of each alternative reference, in lower-case hex.
    pub alternatives: &'a [String],
    /// The sha256 of the mask, in lower-case hex; `None` if there is no mask.
    pub mask: Option<&'a str>,
    /// The rules of the comparison; `None` without a reference.
    pub rules: Option<&'a Rules>,
    /// The tolerance in a chained run; `None` if the case has none.
    pub chained: Option<&'a Tolerance>,
    /// The summary of the actual tensor.
    pub summary: &'a Summary,
    /// The comparison with the reference; `None` without one.
    pub comparison: Option<&'a Comparison>,
}

/// One line of a snapshot: `quantity: value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The text before the colon, such as `param eps`.
    pub quantity: String,
    /// The text after it.
    pub value: String,
}

/// Formats the text of a snapshot. It ends with a newline.
#[must_use]
pub fn format_snapshot(facts: &Facts<'_>) -> String {
    join(&lines(facts))
}

/// Joins lines into the text of a snapshot.
pub(super) fn join(lines: &[Line]) -> String {
    lines.iter().fold(String::new(), |text, Line { quantity, value }| text + quantity + ": " + value + "\n")
}

/// Returns the lines of a snapshot in order.
pub(super) fn lines(facts: &Facts<'_>) -> Vec<Line> {
    let Facts { checkpoint, params, inputs, reference, alternatives, mask, rules, chained, summary, comparison } =
        *facts;
    let mut lines = Lines(Vec::new());
    lines.add("karat", VERSION);
    lines.add("checkpoint", quote(checkpoint));
    params.iter().for_each(|(name, value)| lines.add(&format!("param {}", quote(name)), json(value)));
    inputs.iter().for_each(|(name, hash)| lines.add(&format!("input {}", quote(name)), format!("sha256 {hash}")));
    lines.add("reference", reference.map_or("none".to_owned(), |hash| format!("sha256 {hash}")));
    if !alternatives.is_empty() {
        let hashes: Vec<String> = alternatives.iter().map(|hash| format!("sha256 {hash}")).collect();
        lines.add("or", hashes.join(", "));
    }
    if let Some(hash) = mask {
        lines.add("where", format!("sha256 {hash}"));
    }
    if let Some(rules) = rules {
        lines.add_rules(rules);
    }
    if let Some(tolerance) = chained {
        lines.add_tolerance("chained ", tolerance);
    }
    if let Some(comparison) = comparison {
        lines.add_some("largest difference", comparison.max_abs_diff.as_ref().map(|extreme| float(extreme.value)));
        lines.add_some("rmse", comparison.rmse.map(float));
    }
    lines.add_structure(summary);
    // Which of several references an output equals may depend on the machine.
    if alternatives.is_empty() {
        lines.add_statistics(summary);
    }
    lines.0
}

/// Lines under construction.
struct Lines(Vec<Line>);

impl Lines {
    fn add(&mut self, quantity: &str, value: impl ToString) {
        self.0.push(Line { quantity: quantity.to_owned(), value: value.to_string() });
    }

    /// Adds a line if there is a value.
    fn add_some(&mut self, quantity: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.add(quantity, value);
        }
    }

    /// Adds the rules of the comparison, so that loosening them requires a review.
    fn add_rules(&mut self, rules: &Rules) {
        let Rules { tolerance, nan, cast, empty } = *rules;
        self.add_tolerance("", &tolerance);
        self.add_some("nan rule", (nan == NanRule::Match).then_some("match"));
        self.add_some("cast", cast);
        self.add_some("empty", empty.then_some("declared"));
    }

    fn add_tolerance(&mut self, prefix: &str, tolerance: &Tolerance) {
        let Tolerance { atol, rtol, outliers, max_ulps, max_rel_rms } = *tolerance;
        self.add(&format!("{prefix}atol"), float(atol));
        self.add(&format!("{prefix}rtol"), float(rtol));
        self.add_some(&format!("{prefix}outliers"), (outliers > 0).then_some(outliers));
        self.add_some(&format!("{prefix}max_ulps"), max_ulps);
        self.add_some(&format!("{prefix}max_rel_rms"), max_rel_rms.map(float));
    }

    /// Adds dtype, shape and counts.
    fn add_structure(&mut self, summary: &Summary) {
        // `elements` is the product of the shape, minus the masked elements.
        let Summary { shape, dtype, elements: _, left_out, non_finite, .. } = summary;
        let NonFinite { nan, pos_inf, neg_inf } = non_finite;
        self.add("dtype", dtype);
        self.add("shape", format!("{shape:?}"));
        self.add("nan", nan);
        self.add("inf", pos_inf);
        self.add("-inf", neg_inf);
        self.add("left out", left_out);
    }

    /// Adds the statistics of the elements.
    fn add_statistics(&mut self, summary: &Summary) {
        let Summary { dtype, min, max, mean, std, l2, .. } = summary;
        self.add_some("min", min.map(|value| extremum(value, *dtype)));
        self.add_some("max", max.map(|value| extremum(value, *dtype)));
        self.add_some("mean", mean.map(float));
        self.add_some("std", std.map(float));
        self.add_some("l2", l2.map(float));
    }
}

/// Formats the smallest or largest element. Complex numbers are ordered by their modulus.
fn extremum(value: Value, dtype: DType) -> String {
    match dtype.kind() {
        Kind::Complex => float(value.to_f64()),
        Kind::Integer | Kind::Float => value.to_string(),
    }
}

fn float(value: f64) -> String {
    Value::Float64(value).to_string()
}

/// Returns a plain name as it is, and any other as a JSON string, so that it stays on one line.
pub(super) fn quote(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./+@".contains(c);
    match !name.is_empty() && name.chars().all(is_plain) {
        true => name.to_owned(),
        false => Json::from(name).to_string(),
    }
}

/// Formats compact JSON with sorted keys. The output of serde_json itself would depend on its features, which another crate of the
/// build may enable: the order of keys, and the digits of numbers.
fn json(value: &Json) -> String {
    match value {
        Json::Array(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(",")),
        Json::Object(fields) => {
            let sorted: BTreeMap<&String, &Json> = fields.iter().collect();
            let fields = sorted.into_iter().map(|(key, value)| format!("{}:{}", Json::from(key.as_str()), json(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), _, _) => integer.to_string(),
            (_, Some(integer), _) => integer.to_string(),
            (_, _, Some(float)) => format!("{float:?}"),
            _ => number.to_string(),
        },
        Json::Null | Json::Bool(_) | Json::String(_) => value.to_string(),
    }
}

/// The reason why a text is not a karat snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The line, counted from 1; `None` if the reason is not in a single line.
    pub line: Option<usize>,
    /// A description.
    pub what: String,
}

/// Parses the text of a snapshot into lines.
pub(super) fn parse(text: &str) -> Result<Vec<Line>, Fault> {
    if let Some(line) = find_conflict(text) {
        return fault(line, "contains a merge conflict");
    }
    check_version(text.lines().next().unwrap_or_default())?;
    let mut lines: Vec<Line> = Vec::new();
    let mut seen = BTreeSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let Some((quantity, value)) = split_line(line).filter(|(quantity, _)| is_known_quantity(quantity)) else {
            return fault(number, &format!("is {line:?}, which is not a line of a karat snapshot"));
        };
        if !seen.insert(quantity) {
            return fault(number, &format!("is a second line for {quantity:?}"));
        }
        if !value_check(quantity).is_some_and(|is_valid| is_valid(value)) {
            return fault(number, &format!("has {value:?} for {quantity:?}, which karat cannot read"));
        }
        lines.push(Line { quantity: quantity.to_owned(), value: value.to_owned() });
    }
    match required_quantities(&lines).into_iter().find(|quantity| !seen.contains(quantity)) {
        Some(quantity) => Err(Fault { line: None, what: format!("the line {quantity:?} is missing") }),
        None => Ok(lines),
    }
}

/// Returns the first line, counted from 1, that is a marker of a merge conflict.
pub(super) fn find_conflict(text: &str) -> Option<usize> {
    let is_marker = |line: &str| ["<<<<<<<", "|||||||", "=======", ">>>>>>>"].iter().any(|mark| line.starts_with(mark));
    text.lines().position(is_marker).map(|index| index + 1)
}

/// Returns the value of a quantity.
pub(super) fn value<'a>(lines: &'a [Line], quantity: &str) -> Option<&'a str> {
    lines.iter().find(|line| line.quantity == quantity).map(|line| line.value.as_str())
}

/// Returns the number of finite elements, which the statistics are about.
pub(super) fn finite_count(lines: &[Line]) -> Option<u64> {
    let count = |quantity| value(lines, quantity)?.parse::<u64>().ok();
    let elements =
        parse_shape(value(lines, "shape")?)?.iter().try_fold(1u64, |all, &extent| all.checked_mul(extent))?;
    ["left out", "nan", "inf", "-inf"].iter().try_fold(elements, |rest, quantity| rest.checked_sub(count(quantity)?))
}

/// Parses a number of a snapshot, as `f32` if it is narrow.
pub(super) fn parse_number(text: &str, is_narrow: bool) -> Option<f64> {
    match text {
        "nan" => Some(f64::NAN),
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        // Rust would also parse `infinity` and `NaN`, which karat never writes.
        _ if !text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) || text.starts_with("-i") => None,
        _ if is_narrow => text.parse::<f32>().ok().map(f64::from),
        _ => text.parse().ok(),
    }
}

/// Checks that the first line has a version that can be read.
fn check_version(line: &str) -> Result<(), Fault> {
    match line.strip_prefix("karat: ").map(str::parse::<u64>) {
        Some(Ok(VERSION)) => Ok(()),
        Some(Ok(later)) if later > VERSION => {
            fault(1, &format!("has format {later}, but this karat reads only formats up to {VERSION}: update karat"))
        }
        _ => fault(1, &format!("is {line:?}, but a karat snapshot begins with \"karat: {VERSION}\"")),
    }
}

/// Splits a line at the colon after the quantity. A quoted name may contain other colons.
fn split_line(line: &str) -> Option<(&str, &str)> {
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

/// Whether karat writes lines for this quantity.
fn is_known_quantity(quantity: &str) -> bool {
    let named = quantity.strip_prefix("param ").or_else(|| quantity.strip_prefix("input "));
    match named {
        Some(name) => name.starts_with('"') || quote(name) == name,
        None => value_check(quantity).is_some(),
    }
}

/// Returns the check for the values of a quantity, or `None` if karat does not write such lines.
fn value_check(quantity: &str) -> Option<fn(&str) -> bool> {
    let tolerance = ["atol", "rtol", "outliers", "max_ulps", "max_rel_rms"];
    let quantity = quantity.strip_prefix("chained ").filter(|rest| tolerance.contains(rest)).unwrap_or(quantity);
    let check: fn(&str) -> bool = match quantity {
        "karat" | "nan" | "inf" | "-inf" | "left out" | "outliers" | "max_ulps" => |text| text.parse::<u64>().is_ok(),
        "checkpoint" => {
            |text| !text.is_empty() && (quote(text) == text || serde_json::from_str::<String>(text).is_ok())
        }
        "reference" => |text| text == "none" || is_hash(text),
        "where" => is_hash,
        "or" => |text| text.split(", ").all(is_hash),
        "atol" | "rtol" | "max_rel_rms" | "largest difference" | "rmse" | "min" | "max" | "mean" | "std" | "l2" => {
            // The minimum and maximum of a boolean tensor are booleans.
            |text| parse_number(text, false).is_some() || matches!(text, "true" | "false")
        }
        "cast" | "dtype" => |text| DType::from_name(text).is_some(),
        "shape" => |text| parse_shape(text).is_some(),
        "nan rule" => |text| text == "match",
        "empty" => |text| text == "declared",
        _ if quantity.starts_with("param ") => |text| serde_json::from_str::<Json>(text).is_ok(),
        _ if quantity.starts_with("input ") => is_hash,
        _ => return None,
    };
    Some(check)
}

fn is_hash(text: &str) -> bool {
    let hash = text.strip_prefix("sha256 ").unwrap_or_default();
    hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns the quantities that a snapshot with these lines must have. If one of them is missing, the file is damaged; the others
/// depend on the case.
fn required_quantities(lines: &[Line]) -> Vec<&'static str> {
    let mut all = vec!["checkpoint", "reference", "dtype", "shape", "nan", "inf", "-inf", "left out"];
    if value(lines, "reference").is_some_and(|reference| reference != "none") {
        all.extend(["atol", "rtol"]);
    }
    if finite_count(lines).is_some_and(|count| count > 0) {
        if all.contains(&"atol") {
            all.extend(["largest difference", "rmse"]);
        }
        // With alternative references there are no statistics.
        if value(lines, "or").is_none() {
            all.extend(["min", "max", "mean", "std", "l2"]);
        }
    }
    all
}

fn parse_shape(text: &str) -> Option<Vec<u64>> {
    match text.strip_prefix('[')?.strip_suffix(']')? {
        "" => Some(Vec::new()),
        extents => extents.split(", ").map(|extent| extent.parse().ok()).collect(),
    }
}

fn fault<T>(line: usize, what: &str) -> Result<T, Fault> {
    Err(Fault { line: Some(line), what: what.to_owned() })
}

/// Facts for tests.
#[cfg(test)]
pub(super) mod sample {
    use std::collections::BTreeMap;

    use serde_json::Value as Json;

    use super::{Facts, format_snapshot};
    use crate::compare::{Comparison, Extreme, NonFinite, Rules, Summary, Tolerance};
    use crate::tensor::{DType, Value};

    /// Owned facts: 64 elements of `f32` with a root mean square of 1 and a largest magnitude of 4.
    #[derive(Clone)]
    pub(in crate::snapshot) struct Sample {
        pub checkpoint: String,
        pub params: BTreeMap<String, Json>,
        pub inputs: BTreeMap<String, String>,
        pub reference: Option<String>,
        pub alternatives: Vec<String>,
        pub mask: Option<String>,
        pub rules: Option<Rules>,
        pub chained: Option<Tolerance>,
        pub summary: Summary,
        pub comparison: Option<Comparison>,
    }

    /// The band at a root mean square of 1: 64 eps of `f32`, which is 2^-17.
    pub(in crate::snapshot) const BAND: f64 = 64.0 * f32::EPSILON as f64;

    pub(in crate::snapshot) fn sample() -> Sample {
        let rules = Rules::new(Tolerance::new(1e-5, 0.0).expect("a tolerance"));
        Sample {
            checkpoint: "layer_norm".to_owned(),
            params: BTreeMap::from([("eps".to_owned(), Json::from(1e-5))]),
            inputs: BTreeMap::from([("x".to_owned(), "ab".repeat(32))]),
            reference: Some("cd".repeat(32)),
            alternatives: Vec::new(),
            mask: None,
            rules: Some(rules),
            chained: None,
            summary: Summary {
                shape: vec![1, 8, 8],
                dtype: DType::F32,
                elements: 64,
                left_out: 0,
                non_finite: NonFinite::default(),
                min: Some(Value::Float32(-4.0)),
                max: Some(Value::Float32(2.5)),
                mean: Some(0.0),
                std: Some(1.0),
                l2: Some(8.0),
            },
            comparison: Some(comparison(5.960_464_477_539_063e-8, 1e-8)),
        }
    }

    pub(in crate::snapshot) fn comparison(max_abs_diff: f64, rmse: f64) -> Comparison {
        let zero = Value::Float32(0.0);
        Comparison {
            types: None,
            elements: 64,
            left_out: 0,
            differing: 1,
            outside: 0,
            first_outside: None,
            non_finite_mismatches: 0,
            first_non_finite_mismatch: None,
            max_abs_diff: Some(Extreme { value: max_abs_diff, index: vec![0, 0, 0], actual: zero, reference: zero }),
            max_rel_diff: None,
            max_ulp_diff: None,
            worst: None,
            zero_references: 0,
            mean_abs_diff: None,
            rmse: Some(rmse),
            rel_rms: None,
            bias: None,
            scale: None,
            cosine: None,
            tolerance_used: 0.0,
            smallest_atol: None,
            actual_non_finite: NonFinite::default(),
            reference_non_finite: NonFinite::default(),
            vacuous: None,
            mismatches: Vec::new(),
        }
    }

    impl Sample {
        pub(in crate::snapshot) fn facts(&self) -> Facts<'_> {
            Facts {
                checkpoint: &self.checkpoint,
                params: &self.params,
                inputs: &self.inputs,
                reference: self.reference.as_deref(),
                alternatives: &self.alternatives,
                mask: self.mask.as_deref(),
                rules: self.rules.as_ref(),
                chained: self.chained.as_ref(),
                summary: &self.summary,
                comparison: self.comparison.as_ref(),
            }
        }

        pub(in crate::snapshot) fn text(&self) -> String {
            format_snapshot(&self.facts())
        }

        /// Returns a changed copy.
        pub(in crate::snapshot) fn with(&self, change: impl FnOnce(&mut Sample)) -> Sample {
            let mut changed = self.clone();
            change(&mut changed);
            changed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sample::sample;
    use super::*;

    #[test]
    fn every_quantity_has_its_line() {
        let (ab, cd) = ("ab".repeat(32), "cd".repeat(32));
        assert_eq!(
            sample().text(),
            format!(
                "karat: 1\ncheckpoint: layer_norm\nparam eps: 1e-5\ninput x: sha256 {ab}\nreference: sha256 {cd}\n\
                 atol: 1e-5\nrtol: 0\nlargest difference: 5.960464477539063e-8\nrmse: 1e-8\ndtype: f32\n\
                 shape: [1, 8, 8]\nnan: 0\ninf: 0\n-inf: 0\nleft out: 0\nmin: -4\nmax: 2.5\nmean: 0\nstd: 1\nl2: 8\n"
            )
        );
    }

    #[test]
    fn absent_quantities_have_no_line() {
        let bare = sample().with(|sample| {
            sample.params.clear();
            sample.inputs.clear();
            (sample.reference, sample.rules, sample.comparison) = (None, None, None);
            let Summary { min, max, mean, std, l2, .. } = &mut sample.summary;
            (*min, *max, *mean, *std, *l2) = (None, None, None, None, None);
            sample.summary.non_finite.nan = 64;
        });
        assert_eq!(
            bare.text(),
            "karat: 1\ncheckpoint: layer_norm\nreference: none\ndtype: f32\nshape: [1, 8, 8]\nnan: 64\ninf: 0\n\
             -inf: 0\nleft out: 0\n"
        );
    }

    #[test]
    fn a_rule_that_loosens_the_comparison_has_a_line() {
        let loose = sample().with(|sample| {
            let rules = sample.rules.as_mut().expect("the sample has rules");
            rules.tolerance.outliers = 3;
            rules.tolerance.max_ulps = Some(2);
            rules.tolerance.max_rel_rms = Some(0.25);
            rules.nan = NanRule::Match;
            rules.cast = Some(DType::BF16);
            rules.empty = true;
        });
        let rules =
            "rtol: 0\noutliers: 3\nmax_ulps: 2\nmax_rel_rms: 0.25\nnan rule: match\ncast: bf16\nempty: declared\n";
        assert!(loose.text().contains(rules), "{}", loose.text());
    }

    #[test]
    fn the_tolerance_of_a_chained_run_has_its_lines() {
        let tolerance = Tolerance { outliers: 2, ..Tolerance::new(1e-3, 0.0).expect("valid") };
        let text = sample().with(|sample| sample.chained = Some(tolerance)).text();
        assert!(text.contains("rtol: 0\nchained atol: 0.001\nchained rtol: 0\nchained outliers: 2\n"), "{text}");
    }

    #[test]
    fn with_alternative_references_there_are_no_statistics() {
        let (ab, cd) = ("ab".repeat(32), "cd".repeat(32));
        let either = sample().with(|sample| sample.alternatives = vec![ab.clone(), cd.clone()]);
        let text = either.text();
        assert!(text.contains(&format!("\nor: sha256 {ab}, sha256 {cd}\n")), "{text}");
        assert!(text.ends_with("left out: 0\n"), "{text}");
    }

    #[test]
    fn names_and_values_stay_on_one_line() {
        let odd = sample().with(|sample| {
            sample.checkpoint = "two\nlines".to_owned();
            sample.params = BTreeMap::from([
                ("a: b".to_owned(), Json::from("x\ny")),
                ("grün".to_owned(), serde_json::json!({"z": [1, 1.0, true, null], "a": -2})),
            ]);
        });
        let text = odd.text();
        assert!(text.contains("\ncheckpoint: \"two\\nlines\"\n"), "{text}");
        assert!(text.contains("\nparam \"a: b\": \"x\\ny\"\n"), "{text}");
        assert!(text.contains("\nparam grün: {\"a\":-2,\"z\":[1,1.0,true,null]}\n"), "{text}");
    }

    #[test]
    fn numbers_have_the_fewest_digits_that_read_back_the_same() {
        let value = 0.1f32 + 0.2f32;
        let precise = sample().with(|sample| {
            sample.summary.max = Some(Value::Float32(value));
            sample.summary.mean = Some(1.0 / 3.0);
            sample.summary.std = Some(f64::INFINITY);
            sample.summary.l2 = Some(f64::NAN);
        });
        let text = precise.text();
        assert!(text.contains("\nmax: 0.3\nmean: 0.3333333333333333\nstd: inf\nl2: nan\n"), "{text}");
        assert_eq!("0.3".parse(), Ok(value), "0.3 in f32 is the sum");
    }

    #[test]
    fn large_integers_keep_their_low_digits() {
        let large = sample().with(|sample| {
            sample.summary.dtype = DType::U64;
            sample.summary.max = Some(Value::Integer(i128::from(u64::MAX)));
        });
        assert!(large.text().contains("\nmax: 18446744073709551615\n"));
    }

    #[test]
    fn complex_extremes_are_moduli() {
        let complex = sample().with(|sample| {
            sample.summary.dtype = DType::C64;
            sample.summary.max = Some(Value::Complex(num_complex::Complex::new(3.0, -4.0)));
        });
        assert!(complex.text().contains("\nmax: 5\n"));
    }

    /// Returns the parser's error for the sample's text after a replacement.
    fn parse_error(from: &str, to: &str) -> String {
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
    fn a_merge_conflict_is_rejected_at_its_line() {
        let conflict = "<<<<<<< HEAD\nmean: 0\n=======\nmean: 1\n>>>>>>> branch\n";
        assert_eq!(parse_error("mean: 0\n", conflict), "Some(18) contains a merge conflict");
        assert_eq!(parse_error("mean: 0\n", "mean: 0\n=======\n"), "Some(19) contains a merge conflict");
        assert_eq!(parse_error("mean: 0\n", "mean: 0\n>>>>>>> branch\n"), "Some(19) contains a merge conflict");
    }

    #[test]
    fn a_line_that_karat_did_not_write_is_rejected() {
        let unknown = |line: &str| parse_error("rtol: 0\n", &format!("rtol: 0\n{line}\n"));
        for line in ["median: 0", "mean", "mean:0", "", "param: 1", "param a b: 1", "param \"a: 1", " mean: 0"] {
            let expected = format!("Some(8) is {line:?}, which is not a line of a karat snapshot");
            assert_eq!(unknown(line), expected);
        }
    }

    #[test]
    fn a_second_line_for_a_quantity_is_rejected() {
        assert_eq!(parse_error("mean: 0\n", "mean: 0\nmean: 0\n"), "Some(19) is a second line for \"mean\"");
        assert_eq!(
            parse_error("param eps: 1e-5\n", "param eps: 1\nparam eps: 2\n"),
            "Some(4) is a second line for \"param eps\""
        );
    }

    #[test]
    fn a_missing_line_is_reported_by_name() {
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
            assert_eq!(parse_error(line, ""), format!("None the line {quantity:?} is missing"));
        }
    }

    #[test]
    fn an_incomplete_text_is_rejected() {
        let text = sample().text();
        for (end, _) in text.char_indices() {
            // The digits of the last line are protected by the newline at the end of a snapshot file.
            if end < text.find("l2: 8").expect("the last line") + 5 {
                assert!(parse(&text[..end]).is_err(), "{:?}", &text[..end]);
            }
        }
    }

    #[test]
    fn an_invalid_value_is_rejected() {
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
            let text = parse_error(&format!("\n{quantity}: {old}\n"), &format!("\n{quantity}: {value}\n"));
            assert!(text.ends_with(&format!("has {value:?} for {quantity:?}, which karat cannot read")), "{text}");
        }
        let short = parse_error(&"cd".repeat(32), "cdcd");
        assert!(short.contains("has \"sha256 cdcd\" for \"reference\""), "{short}");
    }

    #[test]
    fn a_later_format_is_rejected() {
        let text = parse_error("karat: 1", "karat: 2");
        assert!(text.starts_with("Some(1) has format 2, but this karat reads only formats up to 1"), "{text}");
        for other in ["karat: 0", "karat: x", "Karat: 1", "carrot: 1"] {
            let text = parse_error("karat: 1", other);
            assert_eq!(text, format!("Some(1) is {other:?}, but a karat snapshot begins with \"karat: 1\""));
        }
        assert!(parse("").is_err());
    }

    #[test]
    fn the_number_of_finite_elements_is_derived_from_the_lines() {
        let some = sample().with(|sample| {
            sample.summary.left_out = 10;
            sample.summary.non_finite.nan = 1;
            sample.summary.non_finite.pos_inf = 2;
            sample.summary.non_finite.neg_inf = 3;
        });
        assert_eq!(finite_count(&lines(&some.facts())), Some(48));
    }
}
