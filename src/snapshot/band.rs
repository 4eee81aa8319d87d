//! Compares a summary with its snapshot: some lines must be equal, the others may move within a band.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text::{Facts, Fault, Line, finite_count, join, lines, parse, parse_number, value};
use crate::tensor::{DType, Kind};
use crate::text::layout::{Table, WIDTH};
use crate::text::safe::escape_line;

/// The number of eps that a statistic may move by. At most 14 were measured between correct references (other machines, other BLAS);
/// this has a margin for others, and is far below the effect of a wrong formula.
const MARGIN: f64 = 64.0;

/// The factor that a difference may grow by. The largest of many rounding errors varies by a factor of about two between summation
/// orders.
const GROWTH: f64 = 4.0;

/// A line of a snapshot that moved out of its band.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Drift {
    /// The quantity, such as `largest difference`.
    pub quantity: String,
    /// The value in the snapshot; empty if it has no such line.
    #[serde(serialize_with = "serialize_text", deserialize_with = "deserialize_text")]
    #[cfg_attr(feature = "cli", schemars(with = "Option<String>"))]
    pub stored: String,
    /// The value in this run; empty if it has no such line.
    #[serde(serialize_with = "serialize_text", deserialize_with = "deserialize_text")]
    #[cfg_attr(feature = "cli", schemars(with = "Option<String>"))]
    pub measured: String,
    /// The band around the stored value, such as `up to 3.8e-6`; empty if the values must be equal.
    #[serde(serialize_with = "serialize_text", deserialize_with = "deserialize_text")]
    #[cfg_attr(feature = "cli", schemars(with = "Option<String>"))]
    pub band: String,
}

impl Drift {
    /// Whether the output moved, rather than the declaration or the inputs of the case.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        let facts = ["checkpoint", "reference", "or", "where", "cast", "empty", "nan rule"];
        let rules = ["atol", "rtol", "outliers", "max_ulps", "max_rel_rms"];
        let quantity = self.quantity.strip_prefix("chained ").unwrap_or(&self.quantity);
        let is_named = quantity.starts_with("param ") || quantity.starts_with("input ");
        !is_named && !facts.contains(&quantity) && !rules.contains(&quantity)
    }
}

/// Writes an empty text as `null`.
fn serialize_text<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    Some(text).filter(|text| !text.is_empty()).serialize(serializer)
}

fn deserialize_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Formats a table of lines that drifted.
pub(crate) fn format_drift(indent: usize, lines: &[Drift]) -> String {
    let mut table = Table::default();
    table.row(DRIFT_COLUMNS);
    lines.iter().for_each(|line| table.row(drift_row(line)));
    if indent + 2 + table.width() <= WIDTH {
        return table.text(indent + 2);
    }
    // Wide values, such as digests, are listed below each other.
    let below = |line: &Drift| {
        let mut table = Table::default();
        let cells = DRIFT_COLUMNS.into_iter().zip(drift_row(line)).skip(1);
        cells.for_each(|(name, cell)| table.row([name, cell]));
        format!("{:indent$}  {}\n{}", "", escape_line(&line.quantity), table.text(indent + 4))
    };
    lines.iter().map(below).collect()
}

/// The columns of a table of lines that drifted.
pub(crate) const DRIFT_COLUMNS: [&str; 4] = ["quantity", "snapshot", "now", "band"];

/// Returns the cells of a line in a table.
pub(crate) fn drift_row(Drift { quantity, stored, measured, band }: &Drift) -> [&str; 4] {
    let or = |text, absent| if str::is_empty(text) { absent } else { text };
    [quantity, or(stored, "none"), or(measured, "none"), or(band, "equal")]
}

/// The result of comparing a summary with its snapshot.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub(super) struct Judgement {
    /// The lines outside their bands.
    pub drift: Vec<Drift>,
    /// The lines that are much better than the stored ones.
    pub improved: Vec<Drift>,
    /// The text to review: new values for these lines, and the stored digits for the others.
    pub pending: String,
}

/// The band of a line around its stored value.
enum Band {
    /// Equal.
    Exact,
    /// At most this far away.
    Within(f64),
    /// At most [`GROWTH`] times the stored value, or this floor if that is larger.
    UpTo(f64),
}

/// The position of a value relative to its band. The text describes the band.
enum Position {
    Inside,
    Better(String),
    Outside(String),
}

/// Compares the facts with the stored text.
pub(super) fn judge(stored: &str, facts: &Facts<'_>) -> Result<Judgement, Fault> {
    let stored = parse(stored)?;
    let scale = Scale::new(&stored);
    // Values of different dtypes have no band.
    let same_dtype = value(&stored, "dtype") == Some(facts.summary.dtype.name());
    let old_values: HashMap<&str, &str> = stored.iter().map(|line| (&*line.quantity, &*line.value)).collect();
    let (mut drift, mut improved, mut pending) = (Vec::new(), Vec::new(), Vec::new());
    for mut line in lines(facts) {
        let Line { quantity, value: measured } = &mut line;
        let Some(old) = old_values.get(quantity.as_str()).copied() else {
            drift.push(new_drift(quantity, "", measured, String::new()));
            pending.push(line);
            continue;
        };
        let band = if same_dtype { scale.band(quantity) } else { Band::Exact };
        match scale.position(&band, quantity, old, measured) {
            Position::Inside => old.clone_into(measured),
            Position::Better(band) => improved.push(new_drift(quantity, old, measured, band)),
            Position::Outside(band) => drift.push(new_drift(quantity, old, measured, band)),
        }
        pending.push(line);
    }
    let new: HashSet<&str> = pending.iter().map(|line| &*line.quantity).collect();
    let removed = stored.iter().filter(|line| !new.contains(&*line.quantity));
    drift.extend(removed.map(|line| new_drift(&line.quantity, &line.value, "", String::new())));
    Ok(Judgement { drift, improved, pending: join(&pending) })
}

/// The scale of the stored values, which determines the width of every band.
struct Scale {
    /// Whether the values are integers, which must be equal.
    is_exact: bool,
    /// Whether min and max are `f32` or narrower.
    is_narrow: bool,
    /// 64 eps of the largest magnitude.
    peak: f64,
    /// 64 eps of the root mean square.
    rms: f64,
}

impl Scale {
    fn new(stored: &[Line]) -> Scale {
        let dtype = value(stored, "dtype").and_then(DType::from_name).expect("the parser requires a dtype");
        let is_narrow = dtype.kind() == Kind::Float && dtype.size() <= 4;
        let read = |quantity, is_narrow| value(stored, quantity).and_then(|text| parse_number(text, is_narrow));
        let peak = ["min", "max"]
            .into_iter()
            .filter_map(|quantity| read(quantity, is_narrow))
            .fold(0.0, |peak, x| x.abs().max(peak));
        let rms = match (read("l2", false), finite_count(stored)) {
            (Some(l2), Some(count)) if count > 0 => l2 / (count as f64).sqrt(),
            _ => 0.0,
        };
        // A norm that overflowed would make an infinite band.
        let margin = |scale: f64| if scale.is_finite() { MARGIN * dtype.eps() * scale } else { 0.0 };
        Scale { is_exact: dtype.kind() == Kind::Integer, is_narrow, peak: margin(peak), rms: margin(rms) }
    }

    fn band(&self, quantity: &str) -> Band {
        match quantity {
            // Integers are compared as text, because f64 would lose the low bits of 64-bit integers.
            "min" | "max" | "mean" | "std" | "l2" if self.is_exact => Band::Exact,
            "min" | "max" => Band::Within(self.peak),
            "mean" | "std" | "l2" => Band::Within(self.rms),
            "largest difference" => Band::UpTo(self.peak),
            "rmse" => Band::UpTo(self.rms),
            _ => Band::Exact,
        }
    }

    fn position(&self, band: &Band, quantity: &str, stored: &str, measured: &str) -> Position {
        if stored == measured {
            return Position::Inside;
        }
        let is_narrow = self.is_narrow && matches!(quantity, "min" | "max");
        let (Some(old), Some(new)) = (parse_number(stored, is_narrow), parse_number(measured, is_narrow)) else {
            return Position::Outside(String::new());
        };
        match *band {
            Band::Exact => Position::Outside(String::new()),
            Band::Within(width) if (new - old).abs() <= width => Position::Inside,
            Band::Within(width) => Position::Outside(format!("within {width:.1e}")),
            Band::UpTo(floor) => {
                let limit = floor.max(GROWTH * old);
                if old > GROWTH * new && old > floor {
                    Position::Better(format!("up to {limit:.1e}"))
                } else if new <= limit {
                    Position::Inside
                } else {
                    Position::Outside(format!("up to {limit:.1e}"))
                }
            }
        }
    }
}

/// Whether a line is determined by the declaration of the case. An accepted output has the structure of its reference, and is finite
/// where the reference is.
#[cfg(feature = "harness")]
pub(super) fn is_declared(quantity: &str, declared: &Facts<'_>) -> bool {
    match quantity {
        "min" | "max" | "mean" | "std" | "l2" | "largest difference" | "rmse" => false,
        "dtype" | "shape" | "nan" | "inf" | "-inf" => declared.reference.is_some() && declared.alternatives.is_empty(),
        _ => true,
    }
}

fn new_drift(quantity: &str, stored: &str, measured: &str, band: String) -> Drift {
    Drift { quantity: quantity.to_owned(), stored: stored.to_owned(), measured: measured.to_owned(), band }
}

#[cfg(test)]
mod tests {
    use super::super::text::sample::{BAND, Sample, comparison, sample};
    use super::*;
    use crate::compare::{NonFinite, Summary, Tolerance};
    use crate::tensor::Value;

    /// Returns the quantities that drifted and those that improved after a change.
    fn moves(stored: &Sample, change: impl FnOnce(&mut Sample)) -> (Vec<String>, Vec<String>) {
        let judgement = judge(&stored.text(), &stored.with(change).facts()).expect("karat reads what it wrote");
        let names = |drift: &[Drift]| drift.iter().map(|drift| drift.quantity.clone()).collect();
        (names(&judgement.drift), names(&judgement.improved))
    }

    fn drifts(change: impl FnOnce(&mut Sample)) -> Vec<String> {
        moves(&sample(), change).0
    }

    const NONE: [&str; 0] = [];
    const A_BIT: f64 = 1e-12;

    #[test]
    fn an_unchanged_summary_passes_and_keeps_the_text() {
        let judgement = judge(&sample().text(), &sample().facts()).expect("readable");
        let nothing = Judgement { drift: Vec::new(), improved: Vec::new(), pending: sample().text() };
        assert_eq!(judgement, nothing);
    }

    #[test]
    fn mean_std_and_l2_may_move_by_64_eps_of_the_root_mean_square() {
        type Change = fn(&mut Summary, f64);
        let changes: [(&str, Change); 3] = [
            ("mean", |summary, by| summary.mean = Some(by)),
            ("std", |summary, by| summary.std = Some(1.0 + by)),
            ("l2", |summary, by| summary.l2 = Some(8.0 + by)),
        ];
        for (name, change) in changes {
            for sign in [1.0, -1.0] {
                assert_eq!(drifts(|sample| change(&mut sample.summary, sign * BAND)), NONE, "{name}");
                assert_eq!(drifts(|sample| change(&mut sample.summary, sign * (BAND + A_BIT))), [name]);
            }
        }
    }

    #[test]
    fn min_and_max_may_move_by_64_eps_of_the_largest_magnitude() {
        let edge = (4.0 * BAND) as f32;
        let max = |value: f32| move |sample: &mut Sample| sample.summary.max = Some(Value::Float32(value));
        let min = |value: f32| move |sample: &mut Sample| sample.summary.min = Some(Value::Float32(value));
        assert_eq!(drifts(max(2.5 + edge)), NONE);
        assert_eq!(drifts(max((2.5 + edge).next_up())), ["max"]);
        assert_eq!(drifts(max(2.5 - edge)), NONE);
        assert_eq!(drifts(max((2.5 - edge).next_down())), ["max"]);
        assert_eq!(drifts(min(-4.0 + edge)), NONE);
        assert_eq!(drifts(min((-4.0 + edge).next_up())), ["min"]);
        assert_eq!(drifts(min(-4.0 - edge)), NONE);
        assert_eq!(drifts(min((-4.0 - edge).next_down())), ["min"]);
    }

    #[test]
    fn a_small_difference_may_grow_up_to_the_floor() {
        let to = |largest, rmse| move |sample: &mut Sample| sample.comparison = Some(comparison(largest, rmse));
        assert_eq!(drifts(to(4.0 * BAND, 1e-8)), NONE);
        assert_eq!(drifts(to(4.0 * BAND + A_BIT, 1e-8)), ["largest difference"]);
        assert_eq!(drifts(to(6e-8, BAND)), NONE);
        assert_eq!(drifts(to(6e-8, BAND + A_BIT)), ["rmse"]);
        assert_eq!(drifts(to(6e-8, f64::NAN)), ["rmse"]);
        assert_eq!(drifts(to(f64::INFINITY, 1e-8)), ["largest difference"]);
    }

    #[test]
    fn a_large_difference_may_grow_fourfold() {
        let stored = sample().with(|sample| sample.comparison = Some(comparison(0.5, 0.25)));
        let to = |largest, rmse| move |sample: &mut Sample| sample.comparison = Some(comparison(largest, rmse));
        assert_eq!(moves(&stored, to(2.0, 1.0)).0, NONE);
        assert_eq!(moves(&stored, to(2.0f64.next_up(), 1.0f64.next_up())).0, ["largest difference", "rmse"]);
    }

    #[test]
    fn an_improvement_never_fails_and_a_large_one_is_reported() {
        let stored = sample().with(|sample| sample.comparison = Some(comparison(0.5, 0.25)));
        let to = |largest, rmse| move |sample: &mut Sample| sample.comparison = Some(comparison(largest, rmse));
        assert_eq!(moves(&stored, to(0.125, 0.0625)), (vec![], vec![]), "four times better is within noise");
        let better = moves(&stored, to(0.125f64.next_down(), 0.0));
        assert_eq!(better, (vec![], vec!["largest difference".to_owned(), "rmse".to_owned()]));
    }

    #[test]
    fn below_the_floor_nothing_counts_as_an_improvement() {
        let at = |stored| sample().with(|sample| sample.comparison = Some(comparison(stored, 0.0)));
        let perfect = |sample: &mut Sample| sample.comparison = Some(comparison(0.0, 0.0));
        assert_eq!(moves(&at(4.0 * BAND), perfect).1, NONE);
        assert_eq!(moves(&at((4.0 * BAND).next_up()), perfect).1, ["largest difference"]);
    }

    #[test]
    fn the_pending_text_of_an_improvement_changes_only_its_line() {
        let stored = sample().with(|sample| sample.comparison = Some(comparison(0.5, 0.25)));
        let new = stored.with(|sample| {
            sample.comparison = Some(comparison(0.001, 0.2));
            sample.summary.mean = Some(BAND / 2.0);
        });
        let judgement = judge(&stored.text(), &new.facts()).expect("readable");
        let expected = stored.text().replace("largest difference: 0.5", "largest difference: 0.001");
        assert_eq!(judgement.pending, expected);
        assert_eq!(
            judgement.improved,
            [Drift {
                quantity: "largest difference".to_owned(),
                stored: "0.5".to_owned(),
                measured: "0.001".to_owned(),
                band: "up to 2.0e0".to_owned(),
            }]
        );
    }

    #[test]
    fn the_pending_text_of_a_drift_changes_only_its_line() {
        let new = sample().with(|sample| {
            sample.summary.mean = Some(0.25);
            sample.summary.std = Some(1.0 + BAND / 2.0);
            sample.comparison = Some(comparison(1e-6, 2e-8));
        });
        let judgement = judge(&sample().text(), &new.facts()).expect("readable");
        assert_eq!(judgement.pending, sample().text().replace("mean: 0\n", "mean: 0.25\n"));
        assert_eq!(judgement.drift[0].band, "within 7.6e-6");
        assert_eq!((&*judgement.drift[0].stored, &*judgement.drift[0].measured), ("0", "0.25"));
    }

    #[test]
    fn any_change_of_an_exact_line_is_drift() {
        let change = |quantity: &str, change: fn(&mut Sample)| assert_eq!(drifts(change), [quantity]);
        change("checkpoint", |sample| sample.checkpoint = "rms_norm".to_owned());
        change("param eps", |sample| drop(sample.params.insert("eps".to_owned(), 1e-6.into())));
        change("input x", |sample| drop(sample.inputs.insert("x".to_owned(), "0".repeat(64))));
        change("reference", |sample| sample.reference = Some("0".repeat(64)));
        change("where", |sample| sample.mask = Some("0".repeat(64)));
        change("shape", |sample| sample.summary.shape = vec![8, 8]);
        change("atol", |sample| sample.rules.as_mut().expect("rules").tolerance.atol = 1.0001e-5);
        change("rtol", |sample| sample.rules.as_mut().expect("rules").tolerance.rtol = 1e-30);
        change("outliers", |sample| sample.rules.as_mut().expect("rules").tolerance.outliers = 1);
        change("left out", |sample| sample.summary.left_out = 1);
        change("nan", |sample| sample.summary.non_finite.nan = 1);
        change("inf", |sample| sample.summary.non_finite.pos_inf = 1);
        change("-inf", |sample| sample.summary.non_finite.neg_inf = 1);
    }

    #[test]
    fn chained_tolerances_and_alternatives_are_exact() {
        let tolerance = |rtol| Some(Tolerance::new(1.0, rtol).expect("valid"));
        let chained = sample().with(|sample| sample.chained = tolerance(0.0));
        assert_eq!(moves(&chained, |sample| sample.chained = tolerance(0.5)).0, ["chained rtol"]);
        let either = sample().with(|sample| sample.alternatives = vec!["0".repeat(64)]);
        assert_eq!(moves(&either, |sample| sample.alternatives = vec!["1".repeat(64)]).0, ["or"]);
        // Which of the references the output equals does not matter.
        assert_eq!(moves(&either, |sample| sample.summary.max = Some(Value::Float32(3.0))).0, NONE);
    }

    #[test]
    fn an_added_or_removed_line_is_drift() {
        assert_eq!(drifts(|sample| drop(sample.params.insert("new".to_owned(), 1.into()))), ["param new"]);
        assert_eq!(drifts(|sample| sample.params.clear()), ["param eps"]);
        let removed =
            judge(&sample().text(), &sample().with(|sample| sample.params.clear()).facts()).expect("readable");
        assert_eq!((&*removed.drift[0].stored, &*removed.drift[0].measured), ("1e-5", ""));
        assert!(!removed.pending.contains("param"));
    }

    #[test]
    fn removing_the_reference_removes_its_lines() {
        let without = |sample: &mut Sample| (sample.reference, sample.rules, sample.comparison) = (None, None, None);
        assert_eq!(drifts(without), ["reference", "atol", "rtol", "largest difference", "rmse"]);
    }

    #[test]
    fn another_dtype_has_no_band() {
        let f64 = |sample: &mut Sample| {
            sample.summary.dtype = DType::F64;
            sample.summary.mean = Some(BAND / 2.0);
        };
        assert_eq!(drifts(f64), ["dtype", "mean"]);
    }

    #[test]
    fn integers_are_exact_beyond_the_precision_of_f64() {
        let integers = |max: i64| {
            sample().with(|sample| {
                sample.summary.dtype = DType::I64;
                sample.summary.min = Some(Value::Integer(-1));
                sample.summary.max = Some(Value::Integer(max.into()));
            })
        };
        let stored = integers(i64::MAX - 1);
        assert_eq!(moves(&stored, |_| ()).0, NONE);
        assert_eq!(moves(&stored, |sample| *sample = integers(i64::MAX)).0, ["max"]);
        assert_eq!(moves(&stored, |sample| sample.summary.mean = Some(A_BIT)).0, ["mean"]);
        assert_eq!(moves(&stored, |sample| sample.summary.l2 = Some(8.0f64.next_up())).0, ["l2"]);
    }

    #[test]
    fn the_difference_of_integers_may_grow_fourfold_and_has_no_floor() {
        let at = |largest: f64| {
            move |sample: &mut Sample| {
                sample.summary.dtype = DType::I8;
                sample.comparison = Some(comparison(largest, 0.0));
            }
        };
        assert_eq!(moves(&sample().with(at(1.0)), at(4.0)), (vec![], vec![]));
        assert_eq!(moves(&sample().with(at(1.0)), at(5.0)).0, ["largest difference"]);
        assert_eq!(moves(&sample().with(at(0.0)), at(1.0)).0, ["largest difference"]);
        assert_eq!(moves(&sample().with(at(1.0)), at(0.0)).1, ["largest difference"]);
    }

    #[test]
    fn booleans_are_compared_as_words() {
        let bools = sample().with(|sample| {
            sample.summary.dtype = DType::Bool;
            (sample.summary.min, sample.summary.max) = (Some(Value::Bool(false)), Some(Value::Bool(true)));
        });
        assert_eq!(moves(&bools, |_| ()).0, NONE);
        assert_eq!(moves(&bools, |sample| sample.summary.max = Some(Value::Bool(false))).0, ["max"]);
    }

    #[test]
    fn a_tensor_without_a_finite_element_has_no_statistics_and_passes() {
        let no_statistics = |sample: &mut Sample| {
            let Summary { min, max, mean, std, l2, .. } = &mut sample.summary;
            (*min, *max, *mean, *std, *l2) = (None, None, None, None, None);
            sample.comparison = None;
        };
        let empty = sample().with(no_statistics).with(|sample| sample.summary.shape = vec![0]);
        let nan_only = sample().with(no_statistics).with(|sample| {
            sample.summary.non_finite = NonFinite { nan: 64, ..NonFinite::default() };
        });
        for stored in [empty, nan_only] {
            assert_eq!(moves(&stored, |_| ()), (vec![], vec![]));
            let back = ["shape", "nan", "min", "max", "mean", "std", "l2", "largest difference", "rmse"];
            let drift = moves(&stored, |changed| *changed = sample()).0;
            assert!(drift.iter().all(|quantity| back.contains(&quantity.as_str())) && drift.len() == 8, "{drift:?}");
        }
    }

    #[test]
    fn a_norm_that_overflowed_makes_no_infinite_band() {
        let stored = sample().with(|sample| {
            sample.summary.dtype = DType::F64;
            sample.summary.l2 = Some(f64::INFINITY);
        });
        assert_eq!(moves(&stored, |sample| sample.summary.mean = Some(A_BIT)).0, ["mean"]);
        assert_eq!(moves(&stored, |sample| sample.comparison = Some(comparison(0.0, 1.0))).0, ["rmse"]);
        assert_eq!(moves(&stored, |_| ()).0, NONE);
    }

    #[test]
    fn the_band_depends_on_the_stored_values() {
        let stored = sample();
        let huge = |sample: &mut Sample| {
            sample.summary.max = Some(Value::Float32(4e6));
            sample.summary.l2 = Some(8e6);
            sample.summary.mean = Some(1.0);
        };
        assert_eq!(moves(&stored, huge).0, ["max", "mean", "l2"]);
    }

    #[test]
    fn masked_elements_do_not_reduce_the_root_mean_square() {
        let masked = sample().with(|sample| sample.summary.left_out = 48);
        let to = |mean| move |sample: &mut Sample| sample.summary.mean = Some(mean);
        assert_eq!(moves(&masked, to(2.0 * BAND)).0, NONE, "8 / sqrt(16) is 2");
        assert_eq!(moves(&masked, to(2.0 * BAND + A_BIT)).0, ["mean"]);
    }

    #[test]
    fn a_negative_zero_is_no_drift() {
        let zero = sample().with(|sample| sample.summary.max = Some(Value::Float32(0.0)));
        assert_eq!(moves(&zero, |sample| sample.summary.max = Some(Value::Float32(-0.0))).0, NONE);
    }
}
