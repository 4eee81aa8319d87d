//! The numbers in reports: the summary of a tensor, every measure of a pair, and histograms.

use crate::compare::mismatch::describe_non_finite;
use crate::compare::{Comparison, Decade, Extreme, HeatMap, Size, Summary, WorstElement};
use crate::tensor::value::{Float, format_pair};
use crate::tensor::{Element, Kind, Slice, Tensor, Value, dispatch};
use crate::text::number::{count, distinct, float, float_up, near_one, percent, shape, share};

/// The name of a quantity and its value.
pub(super) type Row = (&'static str, String);

/// Returns a row for each quantity of a summary.
pub(super) fn summary_rows(summary: &Summary) -> [Row; 10] {
    let Summary { shape: extents, dtype, elements: _, left_out, non_finite, min, max, mean, std, l2 } = summary;
    let absent = || if summary.is_unread() { "not read" } else { "none" }.to_owned();
    let unless_unread = |text: String| if summary.is_unread() { absent() } else { text };
    let value = |value: &Option<Value>| value.as_ref().map_or_else(absent, ToString::to_string);
    let number = |number: &Option<f64>| number.map_or_else(absent, float);
    let [min_name, max_name, mean_name, std_name] = match dtype.kind() {
        Kind::Complex => ["min |z|", "max |z|", "mean |z|", "std |z|"],
        Kind::Integer | Kind::Float => ["min", "max", "mean", "std"],
    };
    [
        ("dtype", dtype.to_string()),
        ("shape", shape(extents)),
        ("elements", count(extents.iter().product::<usize>() as u64 - left_out)),
        (EXCLUDED, unless_unread(count(*left_out))),
        ("not finite", unless_unread(describe_non_finite(*non_finite))),
        (min_name, value(min)),
        (max_name, value(max)),
        (mean_name, number(mean)),
        (std_name, number(std)),
        ("l2", number(l2)),
    ]
}

/// The number of elements that a mask excludes; shown only with a mask.
pub(super) const EXCLUDED: &str = "excluded";

/// Returns the rows of both summaries side by side. Means, deviations and norms that differ also print differently.
pub(super) fn summary_pair(actual: &Summary, reference: &Summary) -> Vec<[String; 3]> {
    let moments = |summary: &Summary| [summary.mean, summary.std, summary.l2];
    let mut rows: Vec<[String; 3]> = summary_rows(actual)
        .into_iter()
        .zip(summary_rows(reference))
        .map(|((quantity, actual), (_, reference))| [quantity.to_owned(), actual, reference])
        .collect();
    for (row, pair) in rows[7..].iter_mut().zip(moments(actual).into_iter().zip(moments(reference))) {
        if let (Some(actual), Some(reference)) = pair {
            [row[1], row[2]] = distinct([actual, reference], 3);
        }
    }
    rows
}

/// Returns the largest differences, their indices, and both values there.
pub(super) fn extremes(measured: &Comparison) -> Vec<(&'static str, Option<[String; 4]>)> {
    let cells = |extreme: &Extreme, number: fn(f64) -> String| {
        let [actual, reference] = format_pair(extreme.actual, extreme.reference);
        [number(extreme.value), shape(&extreme.index), actual, reference]
    };
    let row = |quantity, extreme: &Option<Extreme>, number| {
        (quantity, extreme.as_ref().map(|extreme| cells(extreme, number)))
    };
    let first = measured.first_non_finite_mismatch.as_ref();
    let first = first.map(|first| ("NaN or infinity", Some(cells(first, |_| "first".into()))));
    let largest = [
        row("difference", &measured.max_abs_diff, float),
        row("relative difference", &measured.max_rel_diff, float),
        row("ulp", &measured.max_ulp_diff, |ulps| count(ulps as u64)),
        row("share of tolerance", &measured.worst, share),
    ];
    largest.into_iter().chain(first).collect()
}

/// Returns every other measure of a pair.
pub(super) fn measures(measured: &Comparison) -> [Row; 16] {
    let Comparison { elements, differing, outside, first_outside, .. } = measured;
    let part = |part: u64| match elements {
        0 => count(part),
        elements => format!("{} ({})", count(part), percent(part as f64 / *elements as f64)),
    };
    let number = |value: Option<f64>, number: fn(f64) -> String| value.map_or("none".into(), number);
    let first = first_outside.as_ref().map(|first| format!(", the first at {}", shape(first))).unwrap_or_default();
    [
        ("elements compared", count(*elements)),
        (EXCLUDED, count(measured.left_out)),
        ("differing", part(*differing)),
        ("outside tolerance", part(*outside) + &first),
        ("tolerance used", share(measured.tolerance_used)),
        ("smallest atol that passes", number(measured.smallest_atol, float_up)),
        ("mean absolute difference", number(measured.mean_abs_diff, float)),
        ("rmse", number(measured.rmse, float)),
        ("rmse of the reference's rms", number(measured.rel_rms, float)),
        ("bias", number(measured.bias, float)),
        ("scale", number(measured.scale, near_one)),
        ("cosine", number(measured.cosine, near_one)),
        ("zero references", count(measured.zero_references)),
        ("non-finite mismatches", count(measured.non_finite_mismatches)),
        ("not finite in actual", describe_non_finite(measured.actual_non_finite)),
        ("not finite in reference", describe_non_finite(measured.reference_non_finite)),
    ]
}

/// The columns of [`worst_row`].
pub(super) const WORST: [&str; 5] = ["index", "actual", "reference", "difference", "of the tolerance"];

/// Returns the cells of an element that differs: both values, and how much of the tolerance it uses.
pub(super) fn worst_row(element: &WorstElement) -> [String; 5] {
    let WorstElement { index, actual, reference, difference, share: used } = element;
    let [actual, reference] = format_pair(*actual, *reference);
    let used = match used {
        _ if !difference.is_finite() => "not finite".into(),
        used if !used.is_finite() => "none allowed".into(),
        used => share(*used),
    };
    [shape(index), actual, reference, float(*difference), used]
}

/// Describes the rows and columns of a map.
pub(super) fn axes(map: &HeatMap) -> String {
    let HeatMap { shape: extents, step: [row, column], cells: _ } = map;
    let each = |step: usize, axis: usize| match step {
        1 => format!("axis {axis}"),
        step => format!("axis {axis} ({step} per cell)"),
    };
    let axes = match extents.len() {
        0 => "the only element".to_owned(),
        1 => format!("across: {}", each(*column, 0)),
        count => format!("down: {}, across: {}", each(*row, count - 2), each(*column, count - 1)),
    };
    let others = if extents.len() > 2 { "; the largest over all other axes" } else { "" };
    format!("where it differs, in {}; {axes}{others}", shape(extents))
}

/// Returns the character for a cell of a map. A digit is the number of decades above the tolerance: 1 for up to ten times
/// the tolerance, 2 for up to a hundred times.
pub(super) fn mark(cell: Option<f64>) -> char {
    match cell {
        None => ' ',
        Some(0.0) => '-',
        Some(share) if share <= 1.0 => '.',
        Some(share) if share.is_infinite() => 'N',
        Some(share) => char::from(b'0' + share.log10().ceil().clamp(1.0, 9.0) as u8),
    }
}

/// Returns the meaning of each character that a map contains.
pub(super) fn legend(map: &HeatMap) -> Vec<(char, String)> {
    let mut marks: Vec<char> = map.cells.iter().flatten().map(|cell| mark(*cell)).collect();
    marks.sort_unstable();
    marks.dedup();
    // Only the first digit names the unit.
    let mut unit = " the tolerance";
    let mut meaning = |mark: char| match mark {
        ' ' => "not compared".to_owned(),
        '-' => "equal".into(),
        '.' => "within tolerance".into(),
        'N' => "not finite".into(),
        '9' => "more".into(),
        digit => {
            let times = count(10u64.pow(digit.to_digit(10).unwrap_or(1)));
            format!("up to {times}x{}", std::mem::take(&mut unit))
        }
    };
    marks.into_iter().map(|mark| (mark, meaning(mark))).collect()
}

/// The heading of a histogram of differences.
pub(super) const DECADES: &str = "|actual - reference|, and number of elements";

/// Returns the decades with their labels, including short gaps of empty ones. Each row covers several decades if there
/// would be too many rows to read, such as for differences that grew without bound.
pub(super) fn decades(decades: &[Decade]) -> Vec<(String, Decade)> {
    const MAX: usize = 20;
    let spans = [1, 2, 5, 10, 20, 50, 100];
    let fitting = spans.iter().find(|span| merge_decades(decades, **span).len() <= MAX);
    let span = *fitting.unwrap_or(&100);
    let label = |size| match size {
        Size::Zero => "0".to_owned(),
        Size::NotFinite => "not finite".into(),
        Size::Power(power) => format!("{} to {}", power_of_ten(power), power_of_ten(power + span)),
    };
    merge_decades(decades, span).into_iter().map(|row| (label(row.size), row)).collect()
}

/// Merges the decades so that each row covers `span` of them.
fn merge_decades(decades: &[Decade], span: i32) -> Vec<Decade> {
    let mut rows: Vec<Decade> = Vec::new();
    for Decade { size, count } in decades.iter().copied() {
        let size = match size {
            Size::Power(power) => Size::Power(power.div_euclid(span) * span),
            size => size,
        };
        match (rows.last_mut(), size) {
            (Some(row), _) if row.size == size => {
                row.count += count;
                continue;
            }
            (Some(Decade { size: Size::Power(last), .. }), Size::Power(next)) if next - *last <= 6 * span => {
                let between = (*last + span..next).step_by(span as usize);
                rows.extend(between.map(|power| Decade { size: Size::Power(power), count: 0 }).collect::<Vec<_>>());
            }
            _ => {}
        }
        rows.push(Decade { size, count });
    }
    rows
}

/// Formats a power of ten.
pub(super) fn power_of_ten(power: i32) -> String {
    match power {
        0 => "1".into(),
        1 => "10".into(),
        power => format!("1e{power}"),
    }
}

/// A range of values and its number of elements.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Bin {
    /// The lower end, inclusive.
    #[serde(with = "Float")]
    pub from: f64,
    /// The upper end; exclusive, except in the last bin and in a bin for a single value.
    #[serde(with = "Float")]
    pub to: f64,
    /// The number of elements.
    pub count: u64,
}

/// Counts the finite elements of a tensor (for complex numbers, their moduli) in bins of equal width. Integers in a small
/// range get one bin per value. Returns no bins if no element is finite.
#[must_use]
pub fn histogram(tensor: &Tensor) -> Vec<Bin> {
    const BINS: usize = 12;
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    for_each_finite(tensor.data(), &mut |x| (min, max) = (min.min(x), max.max(x)));
    if min > max {
        return Vec::new();
    }
    let one_per_value = tensor.dtype().kind() == Kind::Integer && max - min < BINS as f64;
    let count = match one_per_value {
        true => (max - min) as usize + 1,
        false if min == max => 1,
        false => BINS,
    };
    // A weighted sum, because `max - min` can overflow.
    let edge = |at: usize| {
        let share = at as f64 / count as f64;
        if at == count { max } else { min * (1.0 - share) + max * share }
    };
    let mut bins: Vec<Bin> = (0..count)
        .map(|at| match one_per_value {
            true => Bin { from: min + at as f64, to: min + at as f64, count: 0 },
            false => Bin { from: edge(at), to: edge(at + 1), count: 0 },
        })
        .collect();
    for_each_finite(tensor.data(), &mut |x| {
        let at = match one_per_value {
            true => (x - min) as usize,
            false => (((x / 2.0 - min / 2.0) / (max / 2.0 - min / 2.0)) * count as f64) as usize,
        };
        bins[at.min(count - 1)].count += 1;
    });
    bins
}

/// Calls `visit` with every finite element.
fn for_each_finite(data: Slice<'_>, visit: &mut dyn FnMut(f64)) {
    fn typed<T: Element>(elements: &[T], visit: &mut dyn FnMut(f64)) {
        elements.iter().map(|x| x.value().to_f64()).filter(|x| x.is_finite()).for_each(visit);
    }
    dispatch!(data, elements => typed(elements, visit));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(values: &[f64]) -> Vec<u64> {
        let tensor = Tensor::new(&[values.len()], values.to_vec()).expect("a vector has its length");
        histogram(&tensor).iter().map(|bin| bin.count).collect()
    }

    #[test]
    fn every_finite_element_is_in_one_bin() {
        assert_eq!(counts(&[0.0, 0.5, 1.0, 12.0, f64::NAN, f64::INFINITY]), [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn the_range_of_all_doubles_can_be_binned() {
        assert_eq!(counts(&[f64::MIN, f64::MAX]), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn equal_elements_share_one_bin() {
        assert_eq!(counts(&[3.5, 3.5]), [2]);
    }

    #[test]
    fn without_finite_elements_there_are_no_bins() {
        assert_eq!(counts(&[f64::NAN]), [0u64; 0]);
        assert_eq!(counts(&[]), [0u64; 0]);
    }

    #[test]
    fn integers_and_booleans_have_a_bin_for_each_value() {
        let tensor = Tensor::new(&[3], vec![true, false, true]).expect("three elements");
        let bins = histogram(&tensor);
        assert_eq!(bins, [Bin { from: 0.0, to: 0.0, count: 1 }, Bin { from: 1.0, to: 1.0, count: 2 }]);
        let tensor = Tensor::new(&[4], vec![1i64, 2, 2, 3]).expect("four elements");
        let counts: Vec<u64> = histogram(&tensor).iter().map(|bin| bin.count).collect();
        assert_eq!(counts, [1, 2, 1]);
    }

    #[test]
    fn differences_over_many_decades_have_few_rows() {
        let decade = |power| Decade { size: Size::Power(power), count: 1 };
        let ends = [Decade { size: Size::Zero, count: 3 }, Decade { size: Size::NotFinite, count: 4 }];
        for (powers, count, first) in [
            (-8..9, 19, "1e-8 to 1e-7"),
            (-8..11, 12, "1e-8 to 1e-6"),
            (-45..146, 13, "1e-60 to 1e-40"),
            (-324..309, 16, "1e-350 to 1e-300"),
        ] {
            let middle: Vec<Decade> = powers.clone().map(decade).collect();
            let all = decades(&[&ends[..1], &middle, &ends[1..]].concat());
            assert_eq!((all.len(), &*all[1].0), (count, first), "{powers:?}");
            let sum: u64 = all.iter().map(|(_, row)| row.count).sum();
            assert_eq!(sum, middle.len() as u64 + 7, "{powers:?}");
            for pair in all[1..count - 1].windows(2) {
                assert_eq!(pair[0].0.split(" to ").nth(1), pair[1].0.split(" to ").next(), "{powers:?}");
            }
        }
        // A long gap is not drawn.
        let apart: Vec<String> = decades(&[decade(-300), decade(0)]).into_iter().map(|(label, _)| label).collect();
        assert_eq!(apart, ["1e-300 to 1e-299", "1 to 10"]);
    }
}
