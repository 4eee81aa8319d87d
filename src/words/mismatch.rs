//! What is not as in the reference, and by how much: what an assertion says too.

use super::number::{count, counted, exact, float, float_up, percent, ratio, shape};
use crate::numeric::{Comparison, DType, Extreme, Mismatch, NonFinite, Tolerance};

/// What fits a line beside the verdict.
const LINE: usize = 70;

/// What is not as in the reference.
pub(crate) fn mismatch(
    mismatch: &Mismatch,
    measured: Option<&Comparison>,
    tolerance: Option<&Tolerance>,
) -> Vec<String> {
    match mismatch {
        Mismatch::Dtype { actual, required } => dtypes(*actual, *required),
        Mismatch::Shape { actual, reference } => shapes(actual, reference),
        Mismatch::Mask { dtype, shape, reference } => mask(*dtype, shape, reference),
        Mismatch::Empty => empty(),
        Mismatch::NonFinite { count } => non_finite(*count, measured),
        Mismatch::Outside { count } => outside(*count, measured, tolerance),
        Mismatch::Ulps { ulps, allowed } => self::ulps(*ulps, *allowed),
        Mismatch::NoUlps { actual, reference } => no_ulps(*actual, *reference),
        Mismatch::RelRms { rel_rms, allowed } => self::rel_rms(*rel_rms, *allowed),
    }
}

fn dtypes(actual: DType, required: DType) -> Vec<String> {
    vec![
        format!("actual is {actual}, and should be {required}"),
        "another dtype is not compared unless the case declares a cast".into(),
    ]
}

fn shapes(actual: &[usize], reference: &[usize]) -> Vec<String> {
    let elements = |extents: &[usize]| {
        counted(extents.iter().fold(1u64, |product, &extent| product.saturating_mul(extent as u64)), "element")
    };
    vec![
        format!("actual has shape    {} ({})", shape(actual), elements(actual)),
        format!("reference has shape {} ({})", shape(reference), elements(reference)),
    ]
}

fn mask(dtype: DType, extents: &[usize], reference: &[usize]) -> Vec<String> {
    vec![
        format!("the mask (\"where\") is {dtype} {}", shape(extents)),
        format!("it should be bool {}, as the reference", shape(reference)),
    ]
}

fn empty() -> Vec<String> {
    vec!["there is nothing to compare: the tensor is empty, or its mask leaves everything out".into()]
}

fn non_finite(places: u64, measured: Option<&Comparison>) -> Vec<String> {
    let mut said = vec![match places {
        1 => "at 1 element one side has a NaN or an infinity that the other has not".into(),
        _ => format!("at {} elements one side has a NaN or an infinity that the other has not", count(places)),
    }];
    let Some(measured) = measured else { return said };
    said.push(format!("actual has    {}", non_finite_counts(measured.actual_non_finite)));
    said.push(format!("reference has {}", non_finite_counts(measured.reference_non_finite)));
    said.extend(measured.first_non_finite_mismatch.as_ref().map(|first| format!("first at {}", place(first))));
    said
}

/// How many NaN and infinities: `2 NaN, 1 inf, 0 -inf`.
pub(crate) fn non_finite_counts(NonFinite { nan, pos_inf, neg_inf }: NonFinite) -> String {
    format!("{} NaN, {} inf, {} -inf", count(nan), count(pos_inf), count(neg_inf))
}

fn outside(outside: u64, measured: Option<&Comparison>, tolerance: Option<&Tolerance>) -> Vec<String> {
    let of = measured
        .map(|measured| {
            let share = percent(outside as f64 / measured.elements as f64);
            format!(" of {} ({share})", counted(measured.elements, "element"))
        })
        .unwrap_or_default();
    let are = if outside == 1 { "is" } else { "are" };
    let limit = tolerance.map_or("the tolerance".into(), self::tolerance);
    let part = format!("{}{of} {are} outside", count(outside));
    // The formula stays whole.
    let mut said = match part.len() + 1 + limit.len() <= LINE {
        true => vec![format!("{part} {limit}")],
        false => vec![part, limit],
    };
    let allowed = tolerance.map_or(0, |tolerance| tolerance.outliers);
    if allowed > 0 {
        said.push(format!("the case allows {}", counted(allowed, "outlier")));
    }
    said
}

fn ulps(ulps: u64, allowed: u64) -> Vec<String> {
    vec![format!("up to {} ulp apart; {} are allowed", count(ulps), count(allowed))]
}

fn no_ulps(actual: DType, reference: DType) -> Vec<String> {
    vec![
        format!("the case limits the difference in ulp; actual is {actual}, reference {reference}"),
        "only real floats of one dtype have a difference in ulp".into(),
    ]
}

fn rel_rms(rel_rms: f64, allowed: f64) -> Vec<String> {
    vec![format!("rmse is {} of the reference's rms; {} is allowed", float_up(rel_rms), exact(allowed))]
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
    format!("{}: actual {actual}, reference {reference}", shape(index))
}

/// How far apart the values are: the largest difference, where, and by every other measure that helps to judge it.
pub(crate) fn measured(measured: &Comparison) -> Vec<String> {
    let mut said = vec![largest(measured)];
    let Some(extreme) = measured.max_abs_diff.as_ref().filter(|_| measured.differing > 0) else { return said };
    said.push(format!("there: actual {}, reference {}", extreme.actual, extreme.reference));
    let elsewhere = measured.worst.as_ref().filter(|worst| worst.index != extreme.index);
    if let Some((worst, share)) = elsewhere.and_then(|worst| Some((worst, used_share(worst.value)?))) {
        said.push(format!("{share} at {}", place(worst)));
    }
    let relative = measured.max_rel_diff.as_ref().map(|x| format!("relative {}", float(x.value)));
    let ulp = measured.max_ulp_diff.as_ref().map(|x| format!("{} ulp", count(x.value as u64)));
    let rmse = measured.rel_rms.map(|share| format!("rmse {} of the reference's rms", float(share)));
    let measures: Vec<String> = [relative, ulp, rmse].into_iter().flatten().collect();
    if !measures.is_empty() {
        said.push(measures.join(", "));
    }
    if let (true, Some(atol)) = (measured.outside > 0, measured.smallest_atol) {
        said.push(format!("the smallest atol that would have passed is {}", float_up(atol)));
    }
    said
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
    let share = share_there(measured).map(|share| format!(", {share}")).unwrap_or_default();
    format!("largest difference{elsewhere} {} at {}{share}", float(extreme.value), shape(&extreme.index))
}

/// The share of the tolerance that the largest difference uses. By a relative tolerance another element can use more.
fn share_there(measured: &Comparison) -> Option<String> {
    let (largest, worst) = (measured.max_abs_diff.as_ref()?, measured.worst.as_ref()?);
    // Beside a NaN that differs it is no comfort that numbers are within tolerance.
    let is_told = worst.value > 1.0 || measured.non_finite_mismatches == 0;
    if is_told && worst.index == largest.index { used_share(worst.value) } else { None }
}

/// How much of the tolerance is used; `None` where nothing may differ, so that there is no share.
pub(crate) fn used_share(used: f64) -> Option<String> {
    match used {
        _ if !used.is_finite() => None,
        used if used > 1.0 => Some(format!("{} what is allowed", ratio(used))),
        used => Some(format!("{} of the tolerance", percent(used))),
    }
}
