//! Where two tensors differ, and by how much: a map of the last two axes, the differences by size, and the worst elements.
//!
//! Small whatever the tensors are: a page or a screen can show it, and a document can hold it.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rules::{Pair, Rules};
use super::wide::{Gap, Wide, dispatch_wide};
use crate::tensor::value::{Float, Rows, Types, nullable};
use crate::tensor::{Tensor, Value};

/// Rows of a map at most: it stands between other lines on a screen.
const ROWS: usize = 16;

/// Columns of a map at most, on 80 columns with an indentation and the numbers of the rows.
const COLUMNS: usize = 60;

/// How many of the worst elements are kept: as many as a person reads.
const WORST: usize = 10;

/// What a person sees of a difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Picture {
    /// Where it is.
    pub map: HeatMap,
    /// How large it is, in decades, the smallest first.
    pub decades: Vec<Decade>,
    /// What the elements of `worst` are; `None` where there is none.
    #[serde(deserialize_with = "nullable")]
    pub(crate) types: Option<Types>,
    /// The elements that differ most, at most 10, the worst first: what is not finite and does not match, then by the share
    /// of the tolerance that is used, then by the difference, then in C order.
    pub worst: Vec<WorstElement>,
}

/// The differences over the last two axes, in units of what is allowed: of all elements that fall into a cell the one that is
/// furthest outside. At most 16 rows of 60 cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct HeatMap {
    /// The shape of both tensors.
    pub shape: Vec<usize>,
    /// How many indices of the last axis but one a row stands for, and of the last axis a column.
    pub step: [usize; 2],
    /// The cells by row: the share of the tolerance in three significant digits, rounded up, so that 1 is just inside; 0 where
    /// both are equal, the largest `f64` where nothing may differ, an infinity where one side is not finite; `None` where
    /// nothing is compared.
    #[serde(with = "Rows")]
    pub cells: Vec<Vec<Option<f64>>>,
}

/// How many differences are of one size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Decade {
    /// The size.
    pub size: Size,
    /// How many elements.
    pub count: u64,
}

/// The size of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// None at all.
    Zero,
    /// One side is not finite and the other has something else, or no `f64` can hold the difference.
    NotFinite,
    /// From `10^exponent` up to ten times that.
    #[serde(untagged)]
    Power(i32),
}

impl Size {
    /// Its place in the order of sizes.
    fn rank(self) -> (u8, i32) {
        match self {
            Size::Zero => (0, 0),
            Size::Power(exponent) => (1, exponent),
            Size::NotFinite => (2, 0),
        }
    }
}

/// An element that differs, with both values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct WorstElement {
    /// Its index, one number an axis.
    pub index: Vec<usize>,
    /// The element of the actual tensor there.
    pub actual: Value,
    /// The element of the reference there.
    pub reference: Value,
    /// `|actual - reference|`; an infinity where one side is not finite.
    #[serde(with = "Float")]
    pub difference: f64,
    /// The share of the tolerance that it uses: more than 1 if and only if it is outside, an infinity where nothing may
    /// differ or one side is not finite.
    #[serde(rename = "tolerance_used", with = "Float")]
    pub share: f64,
}

impl Picture {
    /// Makes of a picture that was read the one that was written.
    pub(crate) fn restore(&mut self) -> Result<(), String> {
        let pairs = self.worst.iter_mut().map(|element| (&mut element.actual, &mut element.reference));
        Types::restore(self.types, "picture", pairs)
    }

    /// Of tensors of one shape; `None` where the shapes differ or there is no element. A mask of another shape is not looked
    /// at: what is compared is [`compare`](super::compare())'s to say.
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

/// Looks at every element, of which there is one at least.
fn draw<W: Wide>(pair: Pair<'_>, rules: &Rules) -> Picture {
    let Pair { actual, reference, mask } = pair;
    let shape = reference.shape();
    let mask = mask.filter(|mask| mask.shape() == shape).and_then(Tensor::as_slice::<bool>);
    let [rows, columns] = match *shape {
        [] => [1, 1],
        [columns] => [1, columns],
        [.., rows, columns] => [rows, columns],
    };
    let step = [rows.div_ceil(ROWS), columns.div_ceil(COLUMNS)];
    let mut cells: Vec<Vec<Option<f64>>> = vec![vec![None; columns.div_ceil(step[1])]; rows.div_ceil(step[0])];
    let (mut decades, mut worst) = (BTreeMap::new(), Vec::<(usize, Reach)>::new());
    for position in (0..reference.len()).filter(|position| mask.is_none_or(|mask| mask[*position])) {
        let [actual, reference] = [actual, reference].map(|tensor| W::from_value(tensor.value(position)));
        let reach = Reach::of(actual, reference, rules);
        let cell = &mut cells[position / columns % rows / step[0]][position % columns / step[1]];
        let share = if reach.size == Size::NotFinite { f64::INFINITY } else { reach.share.min(f64::MAX) };
        *cell = Some(cell.map_or(share, |other| other.max(share)));
        decades.entry(reach.size.rank()).or_insert(Decade { size: reach.size, count: 0 }).count += 1;
        let is_among_the_worst = worst.get(WORST - 1).is_none_or(|(_, last)| reach.order(last) == Ordering::Greater);
        if reach.size != Size::Zero && is_among_the_worst {
            let place = worst.partition_point(|(_, other)| other.order(&reach) != Ordering::Less);
            worst.insert(place, (position, reach));
            worst.truncate(WORST);
        }
    }
    let element = |(position, Reach { difference, share, .. })| WorstElement {
        index: reference.index(position),
        actual: actual.value(position),
        reference: reference.value(position),
        difference,
        share,
    };
    let worst: Vec<WorstElement> = worst.into_iter().map(element).collect();
    cells.iter_mut().flatten().flatten().for_each(|cell| *cell = short(*cell));
    Picture {
        map: HeatMap { shape: shape.to_vec(), step, cells },
        decades: decades.into_values().collect(),
        types: worst.first().map(|element| Types::of(element.actual, element.reference)),
        worst,
    }
}

/// How far apart the two values of an element are.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reach {
    difference: f64,
    share: f64,
    size: Size,
}

impl Reach {
    fn of<W: Wide>(actual: W, reference: W, rules: &Rules) -> Reach {
        let not_finite = Reach { difference: f64::INFINITY, share: f64::INFINITY, size: Size::NotFinite };
        let equal = Reach { difference: 0.0, share: 0.0, size: Size::Zero };
        if !actual.is_finite() || !reference.is_finite() {
            return if actual.matches(reference, rules.nan) { equal } else { not_finite };
        }
        match Gap::between(actual, reference, &rules.tolerance) {
            Gap { distance: 0.0, .. } => equal,
            Gap { distance: f64::INFINITY, .. } => not_finite,
            Gap { distance, share, .. } => Reach { difference: distance, share, size: Size::Power(power(distance)) },
        }
    }

    /// Which of two is worse: the greater.
    fn order(&self, other: &Reach) -> Ordering {
        let is_finite = |gap: &Reach| gap.size != Size::NotFinite;
        is_finite(other)
            .cmp(&is_finite(self))
            .then(self.share.total_cmp(&other.share))
            .then(self.difference.total_cmp(&other.difference))
    }
}

/// The share in three significant digits, rounded up: what is outside does not become what is just inside.
fn short(share: f64) -> f64 {
    if share == 0.0 || share >= f64::MAX {
        return share;
    }
    let text = format!("{share:.2e}");
    let near = text.parse().unwrap_or(share);
    if near >= share {
        return near;
    }
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let next = digits.replace('.', "").parse::<u32>().unwrap_or_default() + 1;
    format!("{next}e{}", power.parse::<i32>().unwrap_or_default() - 2).parse().unwrap_or(share)
}

/// The largest power of ten that is not above the difference.
fn power(difference: f64) -> i32 {
    let power = difference.log10().floor() as i32;
    // The logarithm rounds: 1e-3 is no smaller than 10^-3.
    if 10f64.powi(power + 1) <= difference { power + 1 } else { power }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{NanRule, Tolerance};

    fn picture(shape: &[usize], actual: Vec<f64>, mask: Option<Vec<bool>>) -> Picture {
        let reference = Tensor::new(shape, vec![0.0; actual.len()]).expect("as many");
        let actual = Tensor::new(shape, actual).expect("as many");
        let mask = mask.map(|mask| Tensor::new(shape, mask).expect("as many"));
        let rules = Rules::new(Tolerance::new(1e-3, 0.0).expect("valid"));
        Picture::of(Pair { actual: &actual, reference: &reference, mask: mask.as_ref() }, &rules).expect("one shape")
    }

    #[test]
    fn the_furthest_of_a_cell_is_shown_over_all_leading_axes() {
        let mut actual = vec![0.0; 2 * 32 * 120];
        (actual[0], actual[32 * 120 + 121], actual[32 * 120 + 31 * 120 + 119]) = (1e-3, 1.0, f64::NAN);
        let HeatMap { step, cells, .. } = picture(&[2, 32, 120], actual, None).map;
        assert_eq!((step, cells.len(), cells[0].len()), ([2, 2], 16, 60));
        assert_eq!((cells[0][0], cells[0][1], cells[15][59]), (Some(1000.0), Some(0.0), Some(f64::INFINITY)));
    }

    #[test]
    fn what_a_mask_leaves_out_is_no_cell_and_no_difference() {
        let Picture { map, decades, worst, .. } = picture(&[3], vec![1.0, 0.5, 0.0], Some(vec![false, true, true]));
        assert_eq!(map.cells, [[None, Some(500.0), Some(0.0)]]);
        assert_eq!(decades, [Decade { size: Size::Zero, count: 1 }, Decade { size: Size::Power(-1), count: 1 }]);
        assert_eq!(worst.iter().map(|element| element.index[0]).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_power_of_ten_begins_its_decade() {
        for power in -20..20 {
            let at = format!("1e{power}").parse().expect("a number");
            assert_eq!(Reach::of(at, 0.0f64, &Rules::new(Tolerance::EXACT)).size, Size::Power(power), "{power}");
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
            assert_eq!(short(share), shown, "{share}");
        }
    }

    #[test]
    fn the_ten_worst_are_kept_with_both_values() {
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
    fn it_is_small_however_large_the_tensors_are() {
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
    fn integers_differ_exactly_and_a_nan_as_the_rules_say() {
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
    fn tensors_of_two_shapes_have_none() {
        let (one, two) = (Tensor::new(&[1], vec![0u8]).expect("one"), Tensor::new(&[2], vec![0u8; 2]).expect("two"));
        let empty = Tensor::new(&[0], Vec::<u8>::new()).expect("none");
        let rules = Rules::new(Tolerance::EXACT);
        assert_eq!(Picture::of(Pair::new(&one, &two), &rules), None);
        assert_eq!(Picture::of(Pair::new(&empty, &empty), &rules), None);
    }
}
