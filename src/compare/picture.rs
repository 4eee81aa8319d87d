//! A picture of the differences: a heat map of the last two axes, a histogram by decade, and the worst elements.
//!
//! Its size is limited whatever the size of the tensors, so that it fits on a screen and into a report.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rules::{Pair, Rules};
use super::wide::{Gap, Wide, dispatch_wide};
use crate::tensor::value::{Float, Rows, Types, nullable};
use crate::tensor::{Tensor, Value};
use crate::text::number::float_up;

/// The maximum number of rows of a map, which is printed between other lines on a screen.
const MAX_ROWS: usize = 16;

/// The maximum number of columns of a map: 80 columns less indentation and row numbers.
const MAX_COLUMNS: usize = 60;

/// The maximum number of worst elements.
const MAX_WORST: usize = 10;

/// A picture of the differences between two tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Picture {
    /// Where the differences are.
    pub map: HeatMap,
    /// The number of differences by decade, the smallest first.
    pub decades: Vec<Decade>,
    /// The types of the values in `worst`; `None` if it is empty.
    #[serde(deserialize_with = "nullable")]
    pub(crate) types: Option<Types>,
    /// The elements that differ most, at most 10, the worst first: non-finite mismatches, then by the share of the tolerance
    /// used, then by the difference, then in C order.
    pub worst: Vec<WorstElement>,
}

/// The differences over the last two axes, as a share of the tolerance; each cell has the largest share of its elements. At most 16
/// rows of 60 cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct HeatMap {
    /// The shape of both tensors.
    pub shape: Vec<usize>,
    /// The number of indices per row (of the second to last axis) and per column (of the last axis).
    pub step: [usize; 2],
    /// The cells by row: the share of the tolerance, rounded up to three significant digits so that 1 is just inside; 0 if
    /// all elements are equal, the largest `f64` if no difference is allowed, infinity for a non-finite mismatch; `None` if no
    /// element is compared.
    #[serde(with = "Rows")]
    pub cells: Vec<Vec<Option<f64>>>,
}

/// The number of differences of one size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Decade {
    /// The size of the differences.
    pub size: Size,
    /// The number of elements.
    pub count: u64,
}

/// The size of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// No difference.
    Zero,
    /// A non-finite mismatch, or a difference that overflows `f64`.
    NotFinite,
    /// From `10^exponent` up to ten times that.
    #[serde(untagged)]
    Power(i32),
}

impl Size {
    /// Returns a sort key.
    fn rank(self) -> (u8, i32) {
        match self {
            Size::Zero => (0, 0),
            Size::Power(exponent) => (1, exponent),
            Size::NotFinite => (2, 0),
        }
    }
}

/// An element that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct WorstElement {
    /// The index, one number per axis.
    pub index: Vec<usize>,
    /// The actual value.
    pub actual: Value,
    /// The reference value.
    pub reference: Value,
    /// `|actual - reference|`; infinity if one side is not finite.
    #[serde(with = "Float")]
    pub difference: f64,
    /// The share of the tolerance that it uses: more than 1 if and only if it is outside, infinity if no difference is allowed
    /// or one side is not finite.
    #[serde(rename = "tolerance_used", with = "Float")]
    pub share: f64,
}

impl Picture {
    /// Restores the exact types of the values after reading JSON.
    pub(crate) fn restore(&mut self) -> Result<(), String> {
        let pairs = self.worst.iter_mut().map(|element| (&mut element.actual, &mut element.reference));
        Types::restore(self.types, "picture", pairs)
    }

    /// Draws the differences of two tensors; `None` if the shapes differ or the tensors are empty. A mask of the wrong shape is
    /// ignored; [`compare`](super::compare()) reports it.
    ///
    /// ```
    /// # use karat::{Tensor, Tolerance, Pair, Rules, compare::Picture};
    /// let actual = Tensor::new(&[2, 2], vec![1.0f32, 2.0, 3.0, 4.5])?;
    /// let reference = Tensor::new(&[2, 2], vec![1.0f32, 2.0, 3.0, 4.0])?;
    /// let rules = Rules::new(Tolerance::new(0.25, 0.0)?);
    /// let picture = Picture::of(Pair::new(&actual, &reference), &rules).unwrap();
    /// assert_eq!(picture.map.cells, [[Some(0.0), Some(0.0)], [Some(0.0), Some(2.0)]]);
    /// assert_eq!(picture.worst.len(), 1);
    /// assert_eq!((&picture.worst[0].index[..], picture.worst[0].difference), (&[1, 1][..], 0.5));
    /// # Ok::<(), karat::Error>(())
    /// ```
    #[must_use]
    pub fn of(pair: Pair<'_>, rules: &Rules) -> Option<Picture> {
        if pair.actual.shape() != pair.reference.shape() || pair.reference.is_empty() {
            return None;
        }
        let kinds = [pair.actual, pair.reference].map(|tensor| tensor.dtype().kind());
        Some(dispatch_wide!(kinds[0], kinds[1], W => draw::<W>(pair, rules)))
    }
}

/// Draws a pair that is not empty.
fn draw<W: Wide>(pair: Pair<'_>, rules: &Rules) -> Picture {
    let Pair { actual, reference, mask } = pair;
    let shape = reference.shape();
    let mask = mask.filter(|mask| mask.shape() == shape).and_then(Tensor::as_slice::<bool>);
    let [rows, columns] = match *shape {
        [] => [1, 1],
        [columns] => [1, columns],
        [.., rows, columns] => [rows, columns],
    };
    let step = [rows.div_ceil(MAX_ROWS), columns.div_ceil(MAX_COLUMNS)];
    let mut cells: Vec<Vec<Option<f64>>> = vec![vec![None; columns.div_ceil(step[1])]; rows.div_ceil(step[0])];
    let (mut decades, mut worst) = (BTreeMap::new(), Vec::<(usize, ElementGap)>::new());
    for position in (0..reference.len()).filter(|position| mask.is_none_or(|mask| mask[*position])) {
        let [actual, reference] = [actual, reference].map(|tensor| W::from_value(tensor.value(position)));
        let gap = ElementGap::of(actual, reference, rules);
        let cell = &mut cells[position / columns % rows / step[0]][position % columns / step[1]];
        let share = if gap.size == Size::NotFinite { f64::INFINITY } else { gap.share.min(f64::MAX) };
        *cell = Some(cell.map_or(share, |other| other.max(share)));
        decades.entry(gap.size.rank()).or_insert(Decade { size: gap.size, count: 0 }).count += 1;
        let is_among_the_worst =
            worst.get(MAX_WORST - 1).is_none_or(|(_, last)| gap.cmp_badness(last) == Ordering::Greater);
        if gap.size != Size::Zero && is_among_the_worst {
            let place = worst.partition_point(|(_, other)| other.cmp_badness(&gap) != Ordering::Less);
            worst.insert(place, (position, gap));
            worst.truncate(MAX_WORST);
        }
    }
    let element = |(position, ElementGap { difference, share, .. })| WorstElement {
        index: reference.index(position),
        actual: actual.value(position),
        reference: reference.value(position),
        difference,
        share,
    };
    let worst: Vec<WorstElement> = worst.into_iter().map(element).collect();
    cells.iter_mut().flatten().flatten().for_each(|cell| *cell = round_up(*cell));
    Picture {
        map: HeatMap { shape: shape.to_vec(), step, cells },
        decades: decades.into_values().collect(),
        types: worst.first().map(|element| Types::of(element.actual, element.reference)),
        worst,
    }
}

/// The gap between the two values of an element, which may not be finite.
#[derive(Clone, Copy, Debug, PartialEq)]
struct ElementGap {
    difference: f64,
    share: f64,
    size: Size,
}

impl ElementGap {
    fn of<W: Wide>(actual: W, reference: W, rules: &Rules) -> ElementGap {
        let not_finite = ElementGap { difference: f64::INFINITY, share: f64::INFINITY, size: Size::NotFinite };
        let equal = ElementGap { difference: 0.0, share: 0.0, size: Size::Zero };
        if !actual.is_finite() || !reference.is_finite() {
            return if actual.matches(reference, rules.nan) { equal } else { not_finite };
        }
        match Gap::between(actual, reference, &rules.tolerance) {
            Gap { distance: 0.0, .. } => equal,
            Gap { distance: f64::INFINITY, .. } => not_finite,
            Gap { distance, share, .. } => {
                ElementGap { difference: distance, share, size: Size::Power(decade(distance)) }
            }
        }
    }

    /// Compares two gaps; the greater is the worse.
    fn cmp_badness(&self, other: &ElementGap) -> Ordering {
        let is_finite = |gap: &ElementGap| gap.size != Size::NotFinite;
        is_finite(other)
            .cmp(&is_finite(self))
            .then(self.share.total_cmp(&other.share))
            .then(self.difference.total_cmp(&other.difference))
    }
}

/// Rounds a share up to three significant digits, so that an element outside never appears to be inside.
fn round_up(share: f64) -> f64 {
    // The largest `f64` would become infinity.
    if share >= f64::MAX { share } else { float_up(share).parse().unwrap_or(share) }
}

/// Returns the exponent of the largest power of ten that is not above the difference.
fn decade(difference: f64) -> i32 {
    let power = difference.log10().floor() as i32;
    // The logarithm is rounded: it must not put 1e-3 below 10^-3.
    if 10f64.powi(power + 1) <= difference { power + 1 } else { power }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{NanRule, Tolerance};

    fn picture(shape: &[usize], actual: Vec<f64>, mask: Option<Vec<bool>>) -> Picture {
        let reference = Tensor::new(shape, vec![0.0; actual.len()]).expect("the shape matches");
        let actual = Tensor::new(shape, actual).expect("the shape matches");
        let mask = mask.map(|mask| Tensor::new(shape, mask).expect("the shape matches"));
        let rules = Rules::new(Tolerance::new(1e-3, 0.0).expect("valid"));
        Picture::of(Pair { actual: &actual, reference: &reference, mask: mask.as_ref() }, &rules).expect("one shape")
    }

    #[test]
    fn a_cell_has_the_largest_share_over_all_leading_axes() {
        let mut actual = vec![0.0; 2 * 32 * 120];
        (actual[0], actual[32 * 120 + 121], actual[32 * 120 + 31 * 120 + 119]) = (1e-3, 1.0, f64::NAN);
        let HeatMap { step, cells, .. } = picture(&[2, 32, 120], actual, None).map;
        assert_eq!((step, cells.len(), cells[0].len()), ([2, 2], 16, 60));
        assert_eq!((cells[0][0], cells[0][1], cells[15][59]), (Some(1000.0), Some(0.0), Some(f64::INFINITY)));
    }

    #[test]
    fn masked_elements_are_excluded_from_cells_and_decades() {
        let Picture { map, decades, worst, .. } = picture(&[3], vec![1.0, 0.5, 0.0], Some(vec![false, true, true]));
        assert_eq!(map.cells, [[None, Some(500.0), Some(0.0)]]);
        assert_eq!(decades, [Decade { size: Size::Zero, count: 1 }, Decade { size: Size::Power(-1), count: 1 }]);
        assert_eq!(worst.iter().map(|element| element.index[0]).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_power_of_ten_starts_its_decade() {
        for power in -20..20 {
            let at = format!("1e{power}").parse().expect("a number");
            assert_eq!(ElementGap::of(at, 0.0f64, &Rules::new(Tolerance::EXACT)).size, Size::Power(power), "{power}");
        }
    }

    #[test]
    fn a_share_is_rounded_up_to_three_digits() {
        for (share, shown) in [
            (1.0, 1.0),
            (1.0f64.next_up(), 1.01),
            (0.9991, 1.0),
            (1.0f64.next_down(), 1.0),
            (9.999, 10.0),
            (12345.0, 12400.0),
            (0.000123, 0.000123),
            (5e-324, 5e-324),
            (0.0, 0.0),
            (f64::MAX, f64::MAX),
            (f64::INFINITY, f64::INFINITY),
        ] {
            assert_eq!(round_up(share), shown, "{share}");
        }
    }

    #[test]
    fn the_ten_worst_elements_are_listed_with_both_values() {
        let mut actual: Vec<f64> = (0..1000).map(|i| f64::from(i % 500) * 1e-4).collect();
        (actual[3], actual[997]) = (f64::INFINITY, f64::NAN);
        let worst = picture(&[10, 100], actual, None).worst;
        let indices: Vec<_> = worst.iter().map(|element| element.index.clone()).collect();
        let expected = [[0, 3], [9, 97], [4, 99], [9, 99], [4, 98], [9, 98], [4, 97], [4, 96], [9, 96], [4, 95]];
        assert_eq!(indices, expected);
        assert_eq!((worst[0].actual, worst[0].reference), (Value::Float64(f64::INFINITY), Value::Float64(0.0)));
        assert_eq!((worst[0].difference, worst[1].share), (f64::INFINITY, f64::INFINITY));
        assert_eq!((worst[2].difference, worst[2].share), (499.0 * 1e-4, 499.0 * 1e-4 / 1e-3));
    }

    #[test]
    fn the_picture_is_small_however_large_the_tensors_are() {
        for shape in [vec![1_000_000], vec![1_000_000, 1], vec![100, 100, 100], vec![1, 61, 17], vec![]] {
            let count = shape.iter().product();
            let Picture { map, decades, worst, .. } =
                picture(&shape, (0..count).map(|i| 1e-30 * i as f64).collect(), None);
            assert!((1..=16).contains(&map.cells.len()), "{shape:?}");
            assert!(map.cells.iter().all(|row| (1..=60).contains(&row.len())), "{shape:?}");
            assert!(map.cells.iter().flatten().all(Option::is_some), "{shape:?}");
            assert!(decades.len() <= 634 && worst.len() <= 10, "{shape:?}");
        }
    }

    #[test]
    fn integers_are_exact_and_nan_follows_the_rules() {
        let (actual, reference) = (Tensor::new(&[], vec![i64::MAX]), Tensor::new(&[], vec![i64::MAX - 1]));
        let (actual, reference) = (actual.expect("one"), reference.expect("one"));
        let rules = Rules::new(Tolerance::EXACT);
        let drawn = Picture::of(Pair::new(&actual, &reference), &rules).expect("one shape");
        assert_eq!((drawn.worst[0].difference, drawn.worst[0].share), (1.0, f64::INFINITY));
        assert_eq!(drawn.map.cells, [[Some(f64::MAX)]]);

        let nan = Tensor::new(&[], vec![f32::NAN]).expect("one");
        let size = |rules| Picture::of(Pair::new(&nan, &nan), &rules).expect("one shape").decades[0].size;
        assert_eq!((size(rules), size(rules.with_nan(NanRule::Match))), (Size::NotFinite, Size::Zero));
    }

    #[test]
    fn tensors_of_different_shapes_have_no_picture() {
        let (one, two) = (Tensor::new(&[1], vec![0u8]).expect("one"), Tensor::new(&[2], vec![0u8; 2]).expect("two"));
        let empty = Tensor::new(&[0], Vec::<u8>::new()).expect("none");
        let rules = Rules::new(Tolerance::EXACT);
        assert_eq!(Picture::of(Pair::new(&one, &two), &rules), None);
        assert_eq!(Picture::of(Pair::new(&empty, &empty), &rules), None);
    }
}
