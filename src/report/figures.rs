//! Figures for every report: what describes a tensor, everything that was measured of a pair, how elements are spread.

use crate::compare::mismatch::non_finite_counts;
use crate::compare::{Comparison, Decade, Extreme, HeatMap, Size, Summary, WorstElement};
use crate::tensor::value::{Float, both};
use crate::tensor::{DType, Element, Kind, Slice, Tensor, Value, dispatch};
use crate::text::number::{count, distinct, float, float_up, near_one, percent, shape, share};

/// A quantity and its value.
pub(super) type Row = (&'static str, String);

/// What a summary says of a tensor, a line a quantity.
pub(super) fn described(summary: &Summary) -> [Row; 10] {
    let Summary { shape: extents, dtype, elements: _, left_out, non_finite, min, max, mean, std, l2 } = summary;
    let absent = || if summary.is_unread() { "not read" } else { "none" }.to_owned();
    let known = |text: String| if summary.is_unread() { absent() } else { text };
    let value = |value: &Option<Value>| value.as_ref().map_or_else(absent, ToString::to_string);
    let number = |number: &Option<f64>| number.map_or_else(absent, float);
    let [of_min, of_max, of_mean, of_std] = quantities(*dtype);
    [
        ("dtype", dtype.to_string()),
        ("shape", shape(extents)),
        ("elements", count(extents.iter().product::<usize>() as u64 - left_out)),
        (LEFT_OUT, known(count(*left_out))),
        ("not finite", known(non_finite_counts(*non_finite))),
        (of_min, value(min)),
        (of_max, value(max)),
        (of_mean, number(mean)),
        (of_std, number(std)),
        ("l2", number(l2)),
    ]
}

/// The quantity that is told of a tensor only where a mask leaves something out.
pub(super) const LEFT_OUT: &str = "left out";

/// Both summaries side by side: means and the like that differ do not print alike.
pub(super) fn beside(actual: &Summary, reference: &Summary) -> Vec<[String; 3]> {
    let moments = |summary: &Summary| [summary.mean, summary.std, summary.l2];
    let mut rows: Vec<[String; 3]> = described(actual)
        .into_iter()
        .zip(described(reference))
        .map(|((quantity, actual), (_, reference))| [quantity.to_owned(), actual, reference])
        .collect();
    for (row, pair) in rows[7..].iter_mut().zip(moments(actual).into_iter().zip(moments(reference))) {
        if let (Some(actual), Some(reference)) = pair {
            [row[1], row[2]] = distinct([actual, reference], 3);
        }
    }
    rows
}

/// What the extremes, the mean and the deviation of a summary are called: of complex numbers they are those of the moduli.
fn quantities(dtype: DType) -> [&'static str; 4] {
    match dtype.kind() {
        Kind::Complex => ["min |z|", "max |z|", "mean |z|", "std |z|"],
        Kind::Integer | Kind::Float => ["min", "max", "mean", "std"],
    }
}

/// The largest differences, where they are, and both values there.
pub(super) fn extremes(measured: &Comparison) -> Vec<(&'static str, Option<[String; 4]>)> {
    let cells = |extreme: &Extreme, number: fn(f64) -> String| {
        let [actual, reference] = both(extreme.actual, extreme.reference);
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

/// Every other measure of a pair.
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
        (LEFT_OUT, count(measured.left_out)),
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
        ("references that are 0", count(measured.zero_references)),
        ("not finite, without match", count(measured.non_finite_mismatches)),
        ("not finite in actual", non_finite_counts(measured.actual_non_finite)),
        ("not finite in reference", non_finite_counts(measured.reference_non_finite)),
    ]
}

/// The columns of [`worst`].
pub(super) const WORST: [&str; 5] = ["index", "actual", "reference", "difference", "of what is allowed"];

/// An element that differs, both values, and how much of the tolerance it uses, where there is one to use.
pub(super) fn worst(element: &WorstElement) -> [String; 5] {
    let WorstElement { index, actual, reference, difference, share: used } = element;
    let [actual, reference] = both(*actual, *reference);
    let used = match used {
        _ if !difference.is_finite() => "not finite".into(),
        used if !used.is_finite() => "none allowed".into(),
        used => share(*used),
    };
    [shape(index), actual, reference, float(*difference), used]
}

/// What the rows and columns of a map are.
pub(super) fn axes(map: &HeatMap) -> String {
    let HeatMap { shape: extents, step: [row, column], cells: _ } = map;
    let each = |step: usize, axis: usize| match step {
        1 => format!("axis {axis}"),
        step => format!("axis {axis} ({step} each)"),
    };
    let axes = match extents.len() {
        0 => "the only element".to_owned(),
        1 => format!("across: {}", each(*column, 0)),
        count => format!("down: {}, across: {}", each(*row, count - 2), each(*column, count - 1)),
    };
    let others = if extents.len() > 2 { "; the furthest over all other axes" } else { "" };
    format!("where it differs, of {}; {axes}{others}", shape(extents))
}

/// The character of a cell of a map: a digit is how many decades it is above what is allowed, 1 up to ten times, 2 up to a
/// hundred times.
pub(super) fn mark(cell: Option<f64>) -> char {
    match cell {
        None => ' ',
        Some(0.0) => '-',
        Some(share) if share <= 1.0 => '.',
        Some(share) if share.is_infinite() => 'N',
        Some(share) => char::from(b'0' + share.log10().ceil().clamp(1.0, 9.0) as u8),
    }
}

/// What the characters of a map mean, those that there are.
pub(super) fn meanings(map: &HeatMap) -> Vec<(char, String)> {
    let mut marks: Vec<char> = map.cells.iter().flatten().map(|cell| mark(*cell)).collect();
    marks.sort_unstable();
    marks.dedup();
    // Said once: what follows is in the same unit.
    let mut unit = " what is allowed";
    let mut meaning = |mark: char| match mark {
        ' ' => "not compared".to_owned(),
        '-' => "equal".into(),
        '.' => "within".into(),
        'N' => "not finite".into(),
        '9' => "further".into(),
        digit => {
            let times = count(10u64.pow(digit.to_digit(10).unwrap_or(1)));
            format!("up to {times}x{}", std::mem::take(&mut unit))
        }
    };
    marks.into_iter().map(|mark| (mark, meaning(mark))).collect()
}

/// What is counted of a difference.
pub(super) const DECADES: &str = "|actual - reference|, and how many elements";

/// The decades with what each is called, and with those between that are empty, if they are few. Where there would be more
/// rows than a person reads, as where differences grew without bound, each stands for several decades.
pub(super) fn decades(decades: &[Decade]) -> Vec<(String, Decade)> {
    const MOST: usize = 20;
    let spans = [1, 2, 5, 10, 20, 50, 100];
    let fitting = spans.iter().find(|span| joined(decades, **span).len() <= MOST);
    let span = *fitting.unwrap_or(&100);
    let label = |size| match size {
        Size::Zero => "0".to_owned(),
        Size::NotFinite => "not finite".into(),
        Size::Power(power) => format!("{} to {}", ten(power), ten(power + span)),
    };
    joined(decades, span).into_iter().map(|row| (label(row.size), row)).collect()
}

/// The same where each row stands for so many decades.
fn joined(decades: &[Decade], span: i32) -> Vec<Decade> {
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

/// A power of ten.
pub(super) fn ten(power: i32) -> String {
    match power {
        0 => "1".into(),
        1 => "10".into(),
        power => format!("1e{power}"),
    }
}

/// A range of values, and how many elements are in it.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Bin {
    /// The lower end, which belongs to it.
    #[serde(with = "Float")]
    pub from: f64,
    /// The upper end, which belongs to the next; to this one where it is the last, or as wide as one value.
    #[serde(with = "Float")]
    pub to: f64,
    /// How many elements.
    pub count: u64,
}

/// The finite elements of a tensor (complex: their moduli) counted in bins of equal width, from the smallest to the largest:
/// as many as a screen shows beside a summary, and none where no element is finite. Integers in a small range have a bin for
/// each value.
#[must_use]
pub fn histogram(tensor: &Tensor) -> Vec<Bin> {
    const BINS: usize = 12;
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    visit(tensor.data(), &mut |x| (min, max) = (min.min(x), max.max(x)));
    if min > max {
        return Vec::new();
    }
    let has_bin_each = tensor.dtype().kind() == Kind::Integer && max - min < BINS as f64;
    let count = match has_bin_each {
        true => (max - min) as usize + 1,
        false if min == max => 1,
        false => BINS,
    };
    // By halves: the width of all finite doubles is not finite.
    let edge = |at: usize| {
        let share = at as f64 / count as f64;
        if at == count { max } else { min * (1.0 - share) + max * share }
    };
    let mut bins: Vec<Bin> = (0..count)
        .map(|at| match has_bin_each {
            true => Bin { from: min + at as f64, to: min + at as f64, count: 0 },
            false => Bin { from: edge(at), to: edge(at + 1), count: 0 },
        })
        .collect();
    visit(tensor.data(), &mut |x| {
        let at = match has_bin_each {
            true => (x - min) as usize,
            false => (((x / 2.0 - min / 2.0) / (max / 2.0 - min / 2.0)) * count as f64) as usize,
        };
        bins[at.min(count - 1)].count += 1;
    });
    bins
}

/// Hands on every finite element.
fn visit(data: Slice<'_>, take: &mut dyn FnMut(f64)) {
    fn of<T: Element>(elements: &[T], take: &mut dyn FnMut(f64)) {
        elements.iter().map(|x| x.value().to_f64()).filter(|x| x.is_finite()).for_each(take);
    }
    dispatch!(data, elements => of(elements, take));
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
    fn the_widest_range_of_doubles_is_binned() {
        assert_eq!(counts(&[f64::MIN, f64::MAX]), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn equal_elements_share_one_bin() {
        assert_eq!(counts(&[3.5, 3.5]), [2]);
    }

    #[test]
    fn nothing_finite_has_no_bin() {
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
        // Far apart, nothing is drawn between.
        let apart: Vec<String> = decades(&[decade(-300), decade(0)]).into_iter().map(|(label, _)| label).collect();
        assert_eq!(apart, ["1e-300 to 1e-299", "1 to 10"]);
    }
}
