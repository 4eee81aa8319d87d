//! The text of a snapshot: karat's own, one quantity a line, every number with the fewest digits that read back the
//! same. Pure.
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
//! What is absent has no line. The lines that every snapshot has come last, so that a file that was cut short is never
//! taken for a whole one.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::compare::{Comparison, NanRule, NonFinite, Rules, Summary, Tolerance};
use crate::tensor::{DType, Kind, Value};

/// The version of the text that this karat writes, and the newest that it reads.
pub(super) const VERSION: u64 = 1;

/// Everything that the snapshot of one output holds.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The checkpoint that the case names.
    pub checkpoint: &'a str,
    /// The parameters of the case.
    pub params: &'a BTreeMap<String, Json>,
    /// The sha256 of each input, in lower-case hex.
    pub inputs: &'a BTreeMap<String, String>,
    /// The sha256 of the reference, in lower-case hex; `None` where the snapshot alone holds the output.
    pub reference: Option<&'a str>,
    /// The sha256 of each reference that the output may equal instead, in lower-case hex.
    pub alternatives: &'a [String],
    /// The sha256 of the mask, in lower-case hex; `None` where nothing is left out.
    pub mask: Option<&'a str>,
    /// The rules that the output was held to; `None` without a reference.
    pub rules: Option<&'a Rules>,
    /// What a chained run holds the output to; `None` where that is no gate.
    pub chained: Option<&'a Tolerance>,
    /// The numbers that describe the actual tensor.
    pub summary: &'a Summary,
    /// What was measured against the reference; `None` without one.
    pub comparison: Option<&'a Comparison>,
}

/// One line of a snapshot: `quantity: value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// What stands left of the colon, such as `param eps`.
    pub quantity: String,
    /// What stands right of it.
    pub value: String,
}

/// The text of a snapshot with those facts. It ends with a newline.
#[must_use]
pub fn text(facts: &Facts<'_>) -> String {
    join(&lines(facts))
}

/// Lines as the text of a snapshot.
pub(super) fn join(lines: &[Line]) -> String {
    lines.iter().fold(String::new(), |text, Line { quantity, value }| text + quantity + ": " + value + "\n")
}

/// The facts as lines, in the order of the text.
pub(super) fn lines(facts: &Facts<'_>) -> Vec<Line> {
    let Facts { checkpoint, params, inputs, reference, alternatives, mask, rules, chained, summary, comparison } =
        *facts;
    let mut lines = Lines(Vec::new());
    lines.add("karat", VERSION);
    lines.add("checkpoint", word(checkpoint));
    params.iter().for_each(|(name, value)| lines.add(&format!("param {}", word(name)), json(value)));
    inputs.iter().for_each(|(name, hash)| lines.add(&format!("input {}", word(name)), format!("sha256 {hash}")));
    lines.add("reference", reference.map_or("none".to_owned(), |hash| format!("sha256 {hash}")));
    if !alternatives.is_empty() {
        let hashes: Vec<String> = alternatives.iter().map(|hash| format!("sha256 {hash}")).collect();
        lines.add("or", hashes.join(", "));
    }
    if let Some(hash) = mask {
        lines.add("where", format!("sha256 {hash}"));
    }
    if let Some(rules) = rules {
        lines.rules(rules);
    }
    if let Some(tolerance) = chained {
        lines.tolerance("chained ", tolerance);
    }
    if let Some(comparison) = comparison {
        lines.some("largest difference", comparison.max_abs_diff.as_ref().map(|extreme| float(extreme.value)));
        lines.some("rmse", comparison.rmse.map(float));
    }
    lines.form(summary);
    // Which of several references came out is the machine's to decide.
    if alternatives.is_empty() {
        lines.statistics(summary);
    }
    lines.0
}

/// Lines under construction.
struct Lines(Vec<Line>);

impl Lines {
    fn add(&mut self, quantity: &str, value: impl ToString) {
        self.0.push(Line { quantity: quantity.to_owned(), value: value.to_string() });
    }

    /// A line only where there is something to hold.
    fn some(&mut self, quantity: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.add(quantity, value);
        }
    }

    /// How far the output may be from its reference: what a case may only loosen under review.
    fn rules(&mut self, rules: &Rules) {
        let Rules { tolerance, nan, cast, empty } = *rules;
        self.tolerance("", &tolerance);
        self.some("nan rule", (nan == NanRule::Match).then_some("match"));
        self.some("cast", cast);
        self.some("empty", empty.then_some("declared"));
    }

    fn tolerance(&mut self, of: &str, tolerance: &Tolerance) {
        let Tolerance { atol, rtol, outliers, max_ulps, max_rel_rms } = *tolerance;
        self.add(&format!("{of}atol"), float(atol));
        self.add(&format!("{of}rtol"), float(rtol));
        self.some(&format!("{of}outliers"), (outliers > 0).then_some(outliers));
        self.some(&format!("{of}max_ulps"), max_ulps);
        self.some(&format!("{of}max_rel_rms"), max_rel_rms.map(float));
    }

    /// What kind of tensor came out.
    fn form(&mut self, summary: &Summary) {
        // `elements` is the product of the shape, less what is left out.
        let Summary { shape, dtype, elements: _, left_out, non_finite, .. } = summary;
        let NonFinite { nan, pos_inf, neg_inf } = non_finite;
        self.add("dtype", dtype);
        self.add("shape", format!("{shape:?}"));
        self.add("nan", nan);
        self.add("inf", pos_inf);
        self.add("-inf", neg_inf);
        self.add("left out", left_out);
    }

    /// How large its elements are.
    fn statistics(&mut self, summary: &Summary) {
        let Summary { dtype, min, max, mean, std, l2, .. } = summary;
        self.some("min", min.map(|value| extremum(value, *dtype)));
        self.some("max", max.map(|value| extremum(value, *dtype)));
        self.some("mean", mean.map(float));
        self.some("std", std.map(float));
        self.some("l2", l2.map(float));
    }
}

/// The smallest or largest element; of complex numbers the modulus, which is what has an order.
fn extremum(value: Value, dtype: DType) -> String {
    match dtype.kind() {
        Kind::Complex => float(value.to_f64()),
        Kind::Integer | Kind::Float => value.to_string(),
    }
}

fn float(value: f64) -> String {
    Value::Float64(value).to_string()
}

/// A name as it is where that leaves no doubt, else as a JSON string: one line stays one line.
pub(super) fn word(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./+@".contains(c);
    match !name.is_empty() && name.chars().all(is_plain) {
        true => name.to_owned(),
        false => Json::from(name).to_string(),
    }
}

/// Compact JSON with sorted keys. Not serde_json's own writer: another crate of the build may ask serde_json to keep the
/// order of keys, or the digits of numbers, and so change the text.
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

#[cfg(test)]
mod tests {
    use super::super::sample::sample;
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
    fn what_is_absent_has_no_line() {
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
    fn what_a_chained_run_allows_has_its_lines() {
        let tolerance = Tolerance { outliers: 2, ..Tolerance::new(1e-3, 0.0).expect("valid") };
        let text = sample().with(|sample| sample.chained = Some(tolerance)).text();
        assert!(text.contains("rtol: 0\nchained atol: 0.001\nchained rtol: 0\nchained outliers: 2\n"), "{text}");
    }

    #[test]
    fn where_any_of_several_references_will_do_no_statistic_is_held() {
        let (ab, cd) = ("ab".repeat(32), "cd".repeat(32));
        let either = sample().with(|sample| sample.alternatives = vec![ab.clone(), cd.clone()]);
        let text = either.text();
        assert!(text.contains(&format!("\nor: sha256 {ab}, sha256 {cd}\n")), "{text}");
        assert!(text.ends_with("left out: 0\n"), "{text}");
    }

    #[test]
    fn names_and_values_of_users_stay_on_their_line() {
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
        assert_eq!("0.3".parse(), Ok(value), "in f32 0.3 is the sum");
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
}
