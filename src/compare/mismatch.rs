//! Describes a mismatch and the differences, for assertions and for every report.

use crate::compare::{Comparison, Extreme, Mismatch, NonFinite, Tolerance};
use crate::tensor::Value;
use crate::tensor::value::format_pair;
use crate::text::number::{count, distinct, exact, float, float_up, percent, plural, ratio, shape};

/// The maximum length of a line next to the verdict.
const MAX_LINE: usize = 70;

/// Describes one mismatch.
pub(crate) fn describe_mismatch(
    mismatch: &Mismatch,
    measured: Option<&Comparison>,
    tolerance: Option<&Tolerance>,
) -> Vec<String> {
    match mismatch {
        Mismatch::Dtype { actual, required } => vec![
            format!("actual is {actual}, but should be {required}"),
            "different dtypes are compared only if the case declares a cast".into(),
        ],
        Mismatch::Shape { actual, reference } => {
            let elements = |extents: &[usize]| extents.iter().fold(1u64, |all, &one| all.saturating_mul(one as u64));
            [("actual has shape   ", actual), ("reference has shape", reference)]
                .map(|(side, extents)| format!("{side} {} ({})", shape(extents), plural(elements(extents), "element")))
                .into()
        }
        Mismatch::Mask { dtype, shape: extents, reference } => vec![
            format!("the mask (\"where\") is {dtype} {}", shape(extents)),
            format!("it should be bool {}, like the reference", shape(reference)),
        ],
        Mismatch::Empty => {
            vec!["there is nothing to compare: the tensor is empty, or its mask excludes every element".into()]
        }
        Mismatch::NonFinite { count } => describe_non_finite_mismatch(*count, measured),
        Mismatch::Outside { count } => describe_outside(*count, measured, tolerance),
        Mismatch::Ulps { ulps, allowed } => {
            vec![format!("up to {} ulp apart; {} are allowed", count(*ulps), count(*allowed))]
        }
        Mismatch::NoUlps { actual, reference } => vec![
            format!("the case limits the difference in ulp; actual is {actual}, reference {reference}"),
            "only real floats of the same dtype have a difference in ulp".into(),
        ],
        Mismatch::RelRms { rel_rms, allowed } => {
            vec![format!("rmse is {} of the reference's rms; {} is allowed", float_up(*rel_rms), exact(*allowed))]
        }
    }
}

fn describe_non_finite_mismatch(places: u64, measured: Option<&Comparison>) -> Vec<String> {
    const BOTH_NAN: &str = "both sides are NaN, which match only if the rules say so";
    let at = format!("at {}", plural(places, "element"));
    let mismatch = format!("{at} a NaN or an infinity does not match the other side");
    let Some(measured) = measured else { return vec![mismatch] };
    let Comparison { actual_non_finite, reference_non_finite, first_non_finite_mismatch: first, .. } = measured;
    // If each side has exactly as many NaNs as there are mismatches, both sides are NaN at each of them.
    let only_nan = NonFinite { nan: places, ..NonFinite::default() };
    let is_first_nan = are_both_nan(measured);
    let is_all_nan = *actual_non_finite == only_nan && *reference_non_finite == only_nan && is_first_nan;
    let mut lines = vec![
        if is_all_nan { format!("{at} {BOTH_NAN}") } else { mismatch },
        format!("actual has    {}", describe_non_finite(*actual_non_finite)),
        format!("reference has {}", describe_non_finite(*reference_non_finite)),
    ];
    lines.extend(first.as_ref().map(|first| format!("first at {}", describe_extreme(first))));
    if !is_all_nan && is_first_nan {
        lines.push(format!("there {BOTH_NAN}"));
    }
    lines
}

/// Returns whether both sides are NaN at the first non-finite mismatch, so that a rule for NaN would help.
pub(crate) fn are_both_nan(measured: &Comparison) -> bool {
    let is_nan = |value| match value {
        Value::Complex(x) => x.re.is_nan() || x.im.is_nan(),
        value => value.to_f64().is_nan(),
    };
    let first = measured.first_non_finite_mismatch.as_ref();
    first.is_some_and(|first| is_nan(first.actual) && is_nan(first.reference))
}

/// Formats the number of NaNs and infinities: `2 NaN, 1 inf, 0 -inf`.
pub(crate) fn describe_non_finite(NonFinite { nan, pos_inf, neg_inf }: NonFinite) -> String {
    format!("{} NaN, {} inf, {} -inf", count(nan), count(pos_inf), count(neg_inf))
}

fn describe_outside(outside: u64, measured: Option<&Comparison>, tolerance: Option<&Tolerance>) -> Vec<String> {
    let is_or_are = if outside == 1 { "is" } else { "are" };
    let of = measured.map(|&Comparison { elements, left_out, .. }| {
        let share = percent(outside as f64 / elements as f64);
        match left_out {
            0 => format!(" of {} ({share})", plural(elements, "element")),
            _ => format!(" of {} ({share}; {} excluded)", plural(elements, "compared element"), count(left_out)),
        }
    });
    let limit = tolerance.map_or("the tolerance".into(), describe_tolerance);
    let first = measured.and_then(first_to_mention).map(|first| format!(", the first at {},", shape(first)));
    let [of, first] = [of, first].map(Option::unwrap_or_default);
    let part = format!("{}{of}{first} {is_or_are} outside", count(outside));
    // The formula is never split.
    let mut lines = match part.len() + 1 + limit.len() <= MAX_LINE {
        true => vec![format!("{part} {limit}")],
        false => vec![part, limit],
    };
    let allowed = tolerance.map_or(0, |tolerance| tolerance.outliers);
    if allowed > 0 {
        lines.push(format!("the case allows {}", plural(allowed, "outlier")));
    }
    lines
}

/// Returns the index of the first number outside, unless that element is shown anyway or every element is outside.
fn first_to_mention(measured: &Comparison) -> Option<&[usize]> {
    let first = measured.first_outside.as_deref()?;
    let is_shown = element_to_show(measured).is_some_and(|shown| shown.index == first);
    (!is_shown && measured.outside < measured.elements).then_some(first)
}

/// Formats a tolerance as its formula.
pub(crate) fn describe_tolerance(tolerance: &Tolerance) -> String {
    let Tolerance { atol, rtol, outliers: _, max_ulps: _, max_rel_rms: _ } = *tolerance;
    match atol == 0.0 && rtol == 0.0 {
        true => "atol 0, rtol 0: nothing may differ".into(),
        false => format!("atol {} + rtol {} x |reference|", exact(atol), exact(rtol)),
    }
}

/// Formats the index of an extreme, and both values there.
pub(crate) fn describe_extreme(extreme: &Extreme) -> String {
    let Extreme { value: _, index, actual, reference } = extreme;
    let [actual, reference] = format_pair(*actual, *reference);
    format!("{}: actual {actual}, reference {reference}", shape(index))
}

/// Describes how far the values are apart: the element that fails most, or the largest difference if none fails, both values
/// there, and the other measures, each with its own index.
pub(crate) fn describe_differences(measured: &Comparison) -> Vec<String> {
    let Some(largest) = measured.max_abs_diff.as_ref().filter(|_| measured.differing > 0) else {
        return vec![describe_largest(measured)];
    };
    let worst = measured.worst.as_ref().filter(|worst| worst.index != largest.index);
    let shown = element_to_show(measured).unwrap_or(largest);
    let furthest = worst.filter(|worst| worst.index == shown.index);
    let [actual, reference] = format_pair(shown.actual, shown.reference);
    let mut lines = vec![
        furthest.map_or_else(|| describe_largest(measured), describe_furthest_outside),
        format!("there: actual {actual}, reference {reference}"),
    ];
    match (furthest, worst) {
        (Some(_), _) => {
            lines.push(format!("largest difference {} at {}", float(largest.value), describe_extreme(largest)));
        }
        (None, Some(worst)) => {
            lines.extend(describe_used(worst.value).map(|share| format!("{share} at {}", describe_extreme(worst))));
        }
        (None, None) => {}
    }
    let relative = measured.max_rel_diff.as_ref().map(|most| describe_relative(shown, most));
    let ulp = measured.max_ulp_diff.as_ref().map(|most| {
        let ulps = format!("{} ulp", count(most.value as u64));
        if most.index == shown.index { ulps } else { format!("at most {ulps} at {}", shape(&most.index)) }
    });
    let rmse = measured.rel_rms.map(|share| format!("rmse {} of the reference's rms", float(share)));
    let mut others = measured.max_rel_diff.iter().chain(&measured.max_ulp_diff);
    let separator = if others.any(|most| most.index != shown.index) { "; " } else { ", " };
    let measures: Vec<String> = [relative, ulp, rmse].into_iter().flatten().collect();
    if !measures.is_empty() {
        lines.push(measures.join(separator));
    }
    if let (true, Some(atol)) = (measured.outside > 0, measured.smallest_atol) {
        lines.push(format!("the smallest atol that would have passed is {}", float_up(atol)));
    }
    lines
}

/// Returns the element whose values are shown: the one that uses most of its tolerance if some are outside, else the one that
/// differs most.
fn element_to_show(measured: &Comparison) -> Option<&Extreme> {
    let outside = measured.outside.saturating_sub(measured.non_finite_mismatches);
    // If no difference is allowed, every share is infinite, and the first such element is not special.
    let is_telling =
        |worst: &&Extreme| outside > 0 && (worst.value.is_finite() || measured.outside < measured.differing);
    measured.worst.as_ref().filter(is_telling).or(measured.max_abs_diff.as_ref())
}

/// Describes the element that is furthest outside its tolerance.
fn describe_furthest_outside(worst: &Extreme) -> String {
    let distance = distance(worst.actual, worst.reference);
    let share = describe_used_outside(worst.value).unwrap_or_else(|| "where no difference is allowed".into());
    let [difference, _] = distinct([distance, distance / worst.value], 3);
    format!("furthest outside: {difference} at {}, {share}", shape(&worst.index))
}

/// Describes the relative difference of the shown element, and the largest one, which may be elsewhere.
fn describe_relative(shown: &Extreme, most: &Extreme) -> String {
    if most.index == shown.index {
        return format!("relative {}", float(most.value));
    }
    let (distance, size) = (distance(shown.actual, shown.reference), shown.reference.to_f64().abs());
    let elsewhere = format!("at most {} at {}", float(most.value), shape(&most.index));
    match size > 0.0 {
        true => format!("relative {} there, {elsewhere}", float(distance / size)),
        false => format!("relative {elsewhere}"),
    }
}

/// Returns the absolute difference of two values.
fn distance(actual: Value, reference: Value) -> f64 {
    match (actual, reference) {
        (Value::Integer(actual), Value::Integer(reference)) => actual.abs_diff(reference) as f64,
        (Value::Complex(actual), Value::Complex(reference)) => (actual - reference).norm(),
        (actual, reference) => (actual.to_f64() - reference.to_f64()).abs(),
    }
}

/// Describes the largest difference and its index.
pub(crate) fn describe_largest(measured: &Comparison) -> String {
    let Some(extreme) = &measured.max_abs_diff else {
        return "no element is finite on both sides".into();
    };
    if measured.differing == 0 {
        return "no difference".into();
    }
    let elsewhere = if measured.non_finite_mismatches > 0 { " elsewhere" } else { "" };
    let worst = measured.worst.as_ref().filter(|worst| worst.index == extreme.index && worst.value > 0.0);
    // A difference just outside must not print like the allowed one.
    let [difference, _] = distinct([extreme.value, worst.map_or(0.0, |worst| extreme.value / worst.value)], 3);
    let share = describe_used_by_largest(measured).map(|share| format!(", {share}")).unwrap_or_default();
    format!("largest difference{elsewhere} {difference} at {}{share}", shape(&extreme.index))
}

/// Describes how much of the tolerance the largest difference uses; `None` if another element uses more, which is possible with a
/// relative tolerance.
fn describe_used_by_largest(measured: &Comparison) -> Option<String> {
    let (largest, worst) = (measured.max_abs_diff.as_ref()?, measured.worst.as_ref()?);
    // If there are also NaN mismatches, numbers within the tolerance do not matter.
    let is_relevant = worst.value > 1.0 || measured.non_finite_mismatches == 0;
    let mut mismatches = measured.mismatches.iter();
    let is_outside = measured.outside > measured.non_finite_mismatches
        && mismatches.any(|mismatch| matches!(mismatch, Mismatch::Outside { .. }));
    match is_relevant && worst.index == largest.index {
        true if is_outside => describe_used_outside(worst.value),
        true => describe_used(worst.value),
        false => None,
    }
}

/// Describes how much of its tolerance an element outside uses: more than 100%, even if the quotient was rounded to that.
fn describe_used_outside(used: f64) -> Option<String> {
    describe_used(if used <= 1.0 { 1.0f64.next_up() } else { used })
}

/// Describes how much of the tolerance is used; `None` if no difference is allowed.
pub(crate) fn describe_used(used: f64) -> Option<String> {
    match used {
        _ if !used.is_finite() => None,
        used if used > 1.0 => Some(format!("{} what is allowed", ratio(used))),
        used => Some(format!("{} of the tolerance", percent(used))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{NanRule, Pair, Rules, compare};
    use crate::tensor::{Element, Tensor};

    fn describe<T: Element>(actual: Vec<T>, reference: Vec<T>, atol: f64, rtol: f64) -> Vec<String> {
        let tolerance = Tolerance::new(atol, rtol).expect("valid");
        let [actual, reference] = [actual, reference].map(|x| Tensor::new(&[x.len()], x).expect("one axis"));
        let compared = compare(Pair::new(&actual, &reference), &Rules::new(tolerance).with_nan(NanRule::Mismatch));
        let compared = compared.expect("same dtype and shape");
        let mismatches =
            compared.mismatches.iter().flat_map(|one| describe_mismatch(one, Some(&compared), Some(&tolerance)));
        mismatches.chain(describe_differences(&compared)).collect()
    }

    #[test]
    fn the_failing_element_is_shown() {
        // The largest difference is within the relative tolerance; a denormal that was flushed to 0 is not.
        let lines = describe(vec![1.0f64 + 1e-9, 0.0], vec![1.0, 5.2e-319], 0.0, 1e-7);
        assert_eq!(
            lines,
            [
                "1 of 2 elements (50%) is outside atol 0 + rtol 1e-7 x |reference|",
                "furthest outside: 5.2e-319 at [1], where no difference is allowed",
                "there: actual 0, reference 5.2e-319",
                "largest difference 1e-9 at [0]: actual 1.000000001, reference 1",
                "relative 1; at most 4,503,600 ulp at [0]; rmse 1e-9 of the reference's rms",
                "the smallest atol that would have passed is 5.2e-319",
            ]
        );
        // The first element outside is mentioned if another one is shown.
        let lines = describe(vec![1.0f32, 1.5, 3.0, 2.0], vec![1.0, 1.0, 1.0, 1.0], 0.1, 0.0);
        assert_eq!(lines[0], "3 of 4 elements (75%), the first at [1], are outside");
        assert_eq!(lines[1], "atol 0.1 + rtol 0 x |reference|");
        assert_eq!(lines[2], "largest difference 2 at [2], 20x what is allowed");
        // Among those outside, the one that uses most of its tolerance is shown.
        let lines = describe(vec![101.0f32, 1.03], vec![100.0, 1.0], 1e-3, 5e-3);
        assert_eq!(lines[2], "furthest outside: 0.03 at [1], 5x what is allowed");
        assert_eq!(lines[4], "largest difference 1 at [0]: actual 101, reference 100");
    }

    #[test]
    fn every_measure_has_its_own_index() {
        let lines = describe(vec![10.34f64, 0.002], vec![10.0, 0.001], 0.1, 0.0);
        assert_eq!(lines[1], "largest difference 0.34 at [0], 3.4x what is allowed");
        assert!(lines[3].starts_with("relative 0.034 there, at most 1 at [1]; at most "), "{}", lines[3]);
    }

    #[test]
    fn a_difference_just_outside_prints_as_more_than_the_allowed_one() {
        let lines = describe(vec![1.0004e-5f64], vec![0.0], 1e-5, 0.0);
        assert_eq!(lines[1], "largest difference 1.0004e-5 at [0], just over 1x what is allowed");
    }

    #[test]
    fn nan_on_both_sides_is_described_as_such() {
        let lines = describe(vec![f32::NAN, 1.0], vec![f32::NAN, 1.0], 0.1, 0.0);
        assert_eq!(lines[0], "at 1 element both sides are NaN, which match only if the rules say so");
        let lines = describe(vec![f32::NAN, 1.0, 2.0], vec![f32::NAN, 1.0, f32::INFINITY], 0.1, 0.0);
        assert_eq!(lines[0], "at 2 elements a NaN or an infinity does not match the other side");
        assert_eq!(lines[4], "there both sides are NaN, which match only if the rules say so");
        let lines = describe(vec![f32::NAN, 1.0], vec![0.0, 1.0], 0.1, 0.0);
        assert!(!lines.iter().any(|line| line.contains("both")), "{lines:?}");
    }

    #[test]
    fn the_count_is_out_of_the_compared_elements() {
        let tolerance = Tolerance::EXACT;
        let [actual, reference] =
            [[1.0f32, 2.0, 9.0], [1.0, 2.5, 3.0]].map(|x| Tensor::new(&[3], x.to_vec()).expect("3"));
        let mask = Tensor::new(&[3], vec![true, true, false]).expect("3");
        let compared = compare(Pair::new(&actual, &reference).within(&mask), &Rules::new(tolerance))
            .expect("same dtype and shape");
        assert_eq!(
            describe_mismatch(&compared.mismatches[0], Some(&compared), Some(&tolerance)),
            ["1 of 2 compared elements (50%; 1 excluded) is outside", "atol 0, rtol 0: nothing may differ"]
        );
    }
}
