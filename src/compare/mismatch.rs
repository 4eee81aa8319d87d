//! What is not as in the reference, and by how much: what an assertion says, and every report as well.

use crate::compare::{Comparison, Extreme, Mismatch, NonFinite, Tolerance};
use crate::tensor::Value;
use crate::tensor::value::both;
use crate::text::number::{count, distinct, exact, float, float_up, percent, plural, ratio, shape};

/// What fits a line beside the verdict.
const LINE: usize = 70;

/// What is not as in the reference.
pub(crate) fn mismatch(
    mismatch: &Mismatch,
    measured: Option<&Comparison>,
    tolerance: Option<&Tolerance>,
) -> Vec<String> {
    match mismatch {
        Mismatch::Dtype { actual, required } => vec![
            format!("actual is {actual}, and should be {required}"),
            "another dtype is not compared unless the case declares a cast".into(),
        ],
        Mismatch::Shape { actual, reference } => {
            let elements = |extents: &[usize]| extents.iter().fold(1u64, |all, &one| all.saturating_mul(one as u64));
            [("actual has shape   ", actual), ("reference has shape", reference)]
                .map(|(side, of)| format!("{side} {} ({})", shape(of), plural(elements(of), "element")))
                .into()
        }
        Mismatch::Mask { dtype, shape: extents, reference } => vec![
            format!("the mask (\"where\") is {dtype} {}", shape(extents)),
            format!("it should be bool {}, as the reference", shape(reference)),
        ],
        Mismatch::Empty => {
            vec!["there is nothing to compare: the tensor is empty, or its mask leaves everything out".into()]
        }
        Mismatch::NonFinite { count } => non_finite(*count, measured),
        Mismatch::Outside { count } => outside(*count, measured, tolerance),
        Mismatch::Ulps { ulps, allowed } => {
            vec![format!("up to {} ulp apart; {} are allowed", count(*ulps), count(*allowed))]
        }
        Mismatch::NoUlps { actual, reference } => vec![
            format!("the case limits the difference in ulp; actual is {actual}, reference {reference}"),
            "only real floats of one dtype have a difference in ulp".into(),
        ],
        Mismatch::RelRms { rel_rms, allowed } => {
            vec![format!("rmse is {} of the reference's rms; {} is allowed", float_up(*rel_rms), exact(*allowed))]
        }
    }
}

fn non_finite(places: u64, measured: Option<&Comparison>) -> Vec<String> {
    const BOTH: &str = "NaN, and NaN matches nothing unless that is asked for";
    let at = format!("at {}", plural(places, "element"));
    let mismatch = format!("{at} a NaN or an infinity does not match the other side");
    let Some(measured) = measured else { return vec![mismatch] };
    let Comparison { actual_non_finite, reference_non_finite, first_non_finite_mismatch: first, .. } = measured;
    // As many on both sides as places that do not match: at each of them both are NaN.
    let only_nan = NonFinite { nan: places, ..NonFinite::default() };
    let is_all = *actual_non_finite == only_nan && *reference_non_finite == only_nan && are_both_nan(measured);
    let mut said = vec![
        if is_all { format!("{at} both sides are {BOTH}") } else { mismatch },
        format!("actual has    {}", non_finite_counts(*actual_non_finite)),
        format!("reference has {}", non_finite_counts(*reference_non_finite)),
    ];
    said.extend(first.as_ref().map(|first| format!("first at {}", place(first))));
    if !is_all && are_both_nan(measured) {
        said.push(format!("there both are {BOTH}"));
    }
    said
}

/// Whether the first elements that do not match are NaN on both sides, so that a rule for NaN would help.
pub(crate) fn are_both_nan(measured: &Comparison) -> bool {
    let is_nan = |value| match value {
        Value::Complex(x) => x.re.is_nan() || x.im.is_nan(),
        value => value.to_f64().is_nan(),
    };
    let first = measured.first_non_finite_mismatch.as_ref();
    first.is_some_and(|first| is_nan(first.actual) && is_nan(first.reference))
}

/// How many NaN and infinities: `2 NaN, 1 inf, 0 -inf`.
pub(crate) fn non_finite_counts(NonFinite { nan, pos_inf, neg_inf }: NonFinite) -> String {
    format!("{} NaN, {} inf, {} -inf", count(nan), count(pos_inf), count(neg_inf))
}

fn outside(outside: u64, measured: Option<&Comparison>, tolerance: Option<&Tolerance>) -> Vec<String> {
    let are = |count| if count == 1 { "is" } else { "are" };
    let of = measured.map(|&Comparison { elements, left_out, .. }| {
        let (all, share) = (plural(elements, "element"), percent(outside as f64 / elements as f64));
        match left_out {
            0 => format!(" of {all} ({share})"),
            _ => format!(" of {all} that {} compared ({share}; {} left out)", are(elements), count(left_out)),
        }
    });
    let limit = tolerance.map_or("the tolerance".into(), self::tolerance);
    let first = measured.and_then(first_elsewhere).map(|first| format!(", the first at {},", shape(first)));
    let [of, first] = [of, first].map(Option::unwrap_or_default);
    let part = format!("{}{of}{first} {} outside", count(outside), are(outside));
    // The formula stays whole.
    let mut said = match part.len() + 1 + limit.len() <= LINE {
        true => vec![format!("{part} {limit}")],
        false => vec![part, limit],
    };
    let allowed = tolerance.map_or(0, |tolerance| tolerance.outliers);
    if allowed > 0 {
        said.push(format!("the case allows {}", plural(allowed, "outlier")));
    }
    said
}

/// The first number outside, where it is another than the one that is shown, and not the first of all that are compared.
fn first_elsewhere(measured: &Comparison) -> Option<&[usize]> {
    let first = measured.first_outside.as_deref()?;
    let is_shown = shown(measured).is_some_and(|shown| shown.index == first);
    (!is_shown && measured.outside < measured.elements).then_some(first)
}

/// A tolerance as its formula.
pub(crate) fn tolerance(tolerance: &Tolerance) -> String {
    let Tolerance { atol, rtol, outliers: _, max_ulps: _, max_rel_rms: _ } = *tolerance;
    match atol == 0.0 && rtol == 0.0 {
        true => "atol 0, rtol 0: nothing may differ".into(),
        false => format!("atol {} + rtol {} x |reference|", exact(atol), exact(rtol)),
    }
}

/// Where an extreme is, and both values there.
pub(crate) fn place(extreme: &Extreme) -> String {
    let Extreme { value: _, index, actual, reference } = extreme;
    let [actual, reference] = both(*actual, *reference);
    format!("{}: actual {actual}, reference {reference}", shape(index))
}

/// How far apart the values are: the element that fails, or the largest difference where none does, both values there, and
/// every other measure that helps to judge it, each with its own place.
pub(crate) fn measured(measured: &Comparison) -> Vec<String> {
    let Some(largest_there) = measured.max_abs_diff.as_ref().filter(|_| measured.differing > 0) else {
        return vec![largest(measured)];
    };
    let worst = measured.worst.as_ref().filter(|worst| worst.index != largest_there.index);
    let shown = shown(measured).unwrap_or(largest_there);
    let furthest = worst.filter(|worst| worst.index == shown.index);
    let mut said = vec![match furthest {
        Some(worst) => furthest_outside(worst),
        None => largest(measured),
    }];
    let [actual, reference] = both(shown.actual, shown.reference);
    said.push(format!("there: actual {actual}, reference {reference}"));
    match (furthest, worst) {
        (Some(_), _) => {
            said.push(format!("largest difference {} at {}", float(largest_there.value), place(largest_there)));
        }
        (None, Some(worst)) => {
            said.extend(used_share(worst.value).map(|share| format!("{share} at {}", place(worst))));
        }
        (None, None) => {}
    }
    let relative = measured.max_rel_diff.as_ref().map(|most| relative(shown, most));
    let ulp = measured.max_ulp_diff.as_ref().map(|most| {
        let ulps = format!("{} ulp", count(most.value as u64));
        if most.index == shown.index { ulps } else { format!("at most {ulps} at {}", shape(&most.index)) }
    });
    let rmse = measured.rel_rms.map(|share| format!("rmse {} of the reference's rms", float(share)));
    let is_elsewhere = |most: &Option<Extreme>| most.as_ref().is_some_and(|most| most.index != shown.index);
    let separator =
        if is_elsewhere(&measured.max_rel_diff) || is_elsewhere(&measured.max_ulp_diff) { "; " } else { ", " };
    let measures: Vec<String> = [relative, ulp, rmse].into_iter().flatten().collect();
    if !measures.is_empty() {
        said.push(measures.join(separator));
    }
    if let (true, Some(atol)) = (measured.outside > 0, measured.smallest_atol) {
        said.push(format!("the smallest atol that would have passed is {}", float_up(atol)));
    }
    said
}

/// The element of which both values are shown: the one that uses most of its tolerance where some are outside, else the one
/// that differs most.
fn shown(measured: &Comparison) -> Option<&Extreme> {
    let outside = measured.outside.saturating_sub(measured.non_finite_mismatches);
    // Where nothing may differ every share is an infinity, and the first of them says nothing.
    let is_told = |worst: &&Extreme| outside > 0 && (worst.value.is_finite() || measured.outside < measured.differing);
    measured.worst.as_ref().filter(is_told).or(measured.max_abs_diff.as_ref())
}

/// The element outside that is furthest from what is allowed.
fn furthest_outside(worst: &Extreme) -> String {
    let distance = distance(worst.actual, worst.reference);
    let share = used_outside(worst.value).unwrap_or_else(|| "where nothing is allowed".into());
    let [difference, _] = distinct([distance, distance / worst.value], 3);
    format!("furthest outside: {difference} at {}, {share}", shape(&worst.index))
}

/// The relative difference of an element, and the largest, which may be that of another.
fn relative(shown: &Extreme, most: &Extreme) -> String {
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

/// How far apart two values are.
fn distance(actual: Value, reference: Value) -> f64 {
    match (actual, reference) {
        (Value::Integer(actual), Value::Integer(reference)) => actual.abs_diff(reference) as f64,
        (Value::Complex(actual), Value::Complex(reference)) => (actual - reference).norm(),
        (actual, reference) => (actual.to_f64() - reference.to_f64()).abs(),
    }
}

/// The largest difference and where it is.
pub(crate) fn largest(measured: &Comparison) -> String {
    let Some(extreme) = &measured.max_abs_diff else {
        return "no two finite values were there to compare".into();
    };
    if measured.differing == 0 {
        return "no difference".into();
    }
    let elsewhere = if measured.non_finite_mismatches > 0 { " elsewhere" } else { "" };
    let worst = measured.worst.as_ref().filter(|worst| worst.index == extreme.index && worst.value > 0.0);
    // What is just outside does not print as what is allowed.
    let [difference, _] = distinct([extreme.value, worst.map_or(0.0, |worst| extreme.value / worst.value)], 3);
    let share = share_there(measured).map(|share| format!(", {share}")).unwrap_or_default();
    format!("largest difference{elsewhere} {difference} at {}{share}", shape(&extreme.index))
}

/// The share of the tolerance that the largest difference uses. By a relative tolerance another element can use more.
fn share_there(measured: &Comparison) -> Option<String> {
    let (largest, worst) = (measured.max_abs_diff.as_ref()?, measured.worst.as_ref()?);
    // Beside a NaN that differs it is no comfort that numbers are within tolerance.
    let is_told = worst.value > 1.0 || measured.non_finite_mismatches == 0;
    let mut mismatches = measured.mismatches.iter();
    let is_outside = measured.outside > measured.non_finite_mismatches
        && mismatches.any(|mismatch| matches!(mismatch, Mismatch::Outside { .. }));
    match is_told && worst.index == largest.index {
        true if is_outside => used_outside(worst.value),
        true => used_share(worst.value),
        false => None,
    }
}

/// How much of the tolerance the furthest element outside uses: more than all, also where the quotient rounds to all.
fn used_outside(used: f64) -> Option<String> {
    used_share(if used <= 1.0 { 1.0f64.next_up() } else { used })
}

/// How much of the tolerance is used; `None` where nothing may differ, so that there is no share.
pub(crate) fn used_share(used: f64) -> Option<String> {
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

    fn said<T: Element>(actual: Vec<T>, reference: Vec<T>, atol: f64, rtol: f64) -> Vec<String> {
        let tolerance = Tolerance::new(atol, rtol).expect("valid");
        let [actual, reference] = [actual, reference].map(|x| Tensor::new(&[x.len()], x).expect("as many"));
        let compared = compare(Pair::new(&actual, &reference), &Rules::new(tolerance).with_nan(NanRule::Mismatch));
        let compared = compared.expect("of one dtype and shape");
        let mismatches = compared.mismatches.iter().flat_map(|one| mismatch(one, Some(&compared), Some(&tolerance)));
        mismatches.chain(measured(&compared)).collect()
    }

    #[test]
    fn the_element_that_fails_is_the_one_that_is_shown() {
        // The largest difference is within a share of a large reference; what is flushed to 0 is not.
        let lines = said(vec![1.0f64 + 1e-9, 0.0], vec![1.0, 5.2e-319], 0.0, 1e-7);
        assert_eq!(
            lines,
            [
                "1 of 2 elements (50%) is outside atol 0 + rtol 1e-7 x |reference|",
                "furthest outside: 5.2e-319 at [1], where nothing is allowed",
                "there: actual 0, reference 5.2e-319",
                "largest difference 1e-9 at [0]: actual 1.000000001, reference 1",
                "relative 1; at most 4,503,600 ulp at [0]; rmse 1e-9 of the reference's rms",
                "the smallest atol that would have passed is 5.2e-319",
            ]
        );
        // The first outside is named where it is another.
        let lines = said(vec![1.0f32, 1.5, 3.0, 2.0], vec![1.0, 1.0, 1.0, 1.0], 0.1, 0.0);
        assert_eq!(lines[0], "3 of 4 elements (75%), the first at [1], are outside");
        assert_eq!(lines[1], "atol 0.1 + rtol 0 x |reference|");
        assert_eq!(lines[2], "largest difference 2 at [2], 20x what is allowed");
        // Of what is outside that which uses most of what is allowed.
        let lines = said(vec![101.0f32, 1.03], vec![100.0, 1.0], 1e-3, 5e-3);
        assert_eq!(lines[2], "furthest outside: 0.03 at [1], 5x what is allowed");
        assert_eq!(lines[4], "largest difference 1 at [0]: actual 101, reference 100");
    }

    #[test]
    fn each_figure_says_of_which_element_it_is() {
        let lines = said(vec![10.34f64, 0.002], vec![10.0, 0.001], 0.1, 0.0);
        assert_eq!(lines[1], "largest difference 0.34 at [0], 3.4x what is allowed");
        assert!(lines[3].starts_with("relative 0.034 there, at most 1 at [1]; at most "), "{}", lines[3]);
    }

    #[test]
    fn a_difference_just_outside_prints_as_more_than_what_is_allowed() {
        let lines = said(vec![1.0004e-5f64], vec![0.0], 1e-5, 0.0);
        assert_eq!(lines[1], "largest difference 1.0004e-5 at [0], just over 1x what is allowed");
    }

    #[test]
    fn nan_against_nan_says_that_both_are_nan() {
        let lines = said(vec![f32::NAN, 1.0], vec![f32::NAN, 1.0], 0.1, 0.0);
        assert_eq!(lines[0], "at 1 element both sides are NaN, and NaN matches nothing unless that is asked for");
        let lines = said(vec![f32::NAN, 1.0, 2.0], vec![f32::NAN, 1.0, f32::INFINITY], 0.1, 0.0);
        assert_eq!(lines[0], "at 2 elements a NaN or an infinity does not match the other side");
        assert_eq!(lines[4], "there both are NaN, and NaN matches nothing unless that is asked for");
        let lines = said(vec![f32::NAN, 1.0], vec![0.0, 1.0], 0.1, 0.0);
        assert!(!lines.iter().any(|line| line.contains("both")), "{lines:?}");
    }

    #[test]
    fn counts_are_of_the_elements_that_are_compared() {
        let tolerance = Tolerance::EXACT;
        let [actual, reference] =
            [[1.0f32, 2.0, 9.0], [1.0, 2.5, 3.0]].map(|x| Tensor::new(&[3], x.to_vec()).expect("3"));
        let mask = Tensor::new(&[3], vec![true, true, false]).expect("3");
        let compared = compare(Pair::new(&actual, &reference).within(&mask), &Rules::new(tolerance)).expect("alike");
        assert_eq!(
            mismatch(&compared.mismatches[0], Some(&compared), Some(&tolerance)),
            ["1 of 2 elements that are compared (50%; 1 left out) is outside", "atol 0, rtol 0: nothing may differ"]
        );
    }
}
