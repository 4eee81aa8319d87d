//! Where two tensors differ, and by how much: a map of the last two axes, and the differences by size.

use crate::numeric::{Pair, Tensor, Tolerance};

/// Rows of a map at most: it stands between other lines on a screen.
const ROWS: usize = 16;

/// Columns of a map at most, on 80 columns with an indentation and the numbers of the rows.
const COLUMNS: usize = 60;

/// What a person sees of a difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Where it is.
    pub map: HeatMap,
    /// How large it is, in decades, the smallest first.
    pub decades: Vec<Decade>,
}

/// The differences over the last two axes, in units of what is allowed: of all elements that fall into a cell the one that is
/// furthest outside.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    /// The shape of both tensors.
    pub shape: Vec<usize>,
    /// How many indices of the last axis but one a row stands for, and of the last axis a column.
    pub step: [usize; 2],
    /// The cells by row: the share of the tolerance, 0 where both are equal, an infinity where one side is not finite;
    /// `None` where nothing is compared.
    pub cells: Vec<Vec<Option<f64>>>,
}

/// How many differences are of one size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decade {
    /// From `10^exponent` up to ten times that; `None` where there is no such size.
    pub size: Size,
    /// How many elements.
    pub count: u64,
}

/// The size of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Size {
    /// None at all.
    Zero,
    /// From `10^exponent` up to ten times that.
    Power(i32),
    /// One side is not finite, and the other has something else.
    NotFinite,
}

impl Picture {
    /// Of tensors of one shape; `None` where the shapes differ or there is no element.
    ///
    /// ```
    /// # use karat::{Tensor, Tolerance, numeric::Pair, report::Picture};
    /// let actual = Tensor::new(&[2, 2], vec![1.0f32, 2.0, 3.0, 4.5])?;
    /// let reference = Tensor::new(&[2, 2], vec![1.0f32, 2.0, 3.0, 4.0])?;
    /// let picture = Picture::of(Pair::new(&actual, &reference), &Tolerance::new(0.25, 0.0)?).unwrap();
    /// assert_eq!(picture.map.cells, [[Some(0.0), Some(0.0)], [Some(0.0), Some(2.0)]]);
    /// # Ok::<(), karat::Error>(())
    /// ```
    #[must_use]
    pub fn of(pair: Pair<'_>, tolerance: &Tolerance) -> Option<Picture> {
        let Pair { actual, reference, mask } = pair;
        if actual.shape() != reference.shape() || reference.is_empty() {
            return None;
        }
        let mask = mask.filter(|mask| mask.shape() == reference.shape()).and_then(Tensor::as_slice::<bool>);
        let shape = reference.shape();
        let columns = shape.last().copied().unwrap_or(1);
        let rows = if shape.len() > 1 { shape[shape.len() - 2] } else { 1 };
        let step = [rows.div_ceil(ROWS), columns.div_ceil(COLUMNS)];
        let mut cells = vec![vec![None; columns.div_ceil(step[1])]; rows.div_ceil(step[0])];
        // Zero, then by power, then what is not finite.
        let mut counts: std::collections::BTreeMap<Size, u64> = std::collections::BTreeMap::new();
        for position in (0..reference.len()).filter(|&position| mask.is_none_or(|mask| mask[position])) {
            let (a, r) = (actual.value(position).to_f64(), reference.value(position).to_f64());
            let (share, size) = judge(a, r, tolerance);
            let cell: &mut Option<f64> = &mut cells[position / columns % rows / step[0]][position % columns / step[1]];
            *cell = Some(cell.map_or(share, |other| other.max(share)));
            *counts.entry(size).or_default() += 1;
        }
        let map = HeatMap { shape: shape.to_vec(), step, cells };
        Some(Picture { map, decades: counts.into_iter().map(|(size, count)| Decade { size, count }).collect() })
    }
}

/// The share of the tolerance that a difference uses, and its size.
fn judge(actual: f64, reference: f64, tolerance: &Tolerance) -> (f64, Size) {
    if actual == reference || (actual.is_nan() && reference.is_nan()) {
        return (0.0, Size::Zero);
    }
    let difference = (actual - reference).abs();
    if !actual.is_finite() || !reference.is_finite() || !difference.is_finite() {
        return (f64::INFINITY, Size::NotFinite);
    }
    let allowed = tolerance.atol + tolerance.rtol * reference.abs();
    // Where nothing may differ every difference is as far outside as can be told.
    let share = if allowed > 0.0 { (difference / allowed).min(f64::MAX) } else { f64::MAX };
    let mut power = difference.log10().floor() as i32;
    // The logarithm rounds: 1e-3 is no smaller than 10^-3.
    if 10f64.powi(power + 1) <= difference {
        power += 1;
    }
    (share, Size::Power(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(shape: &[usize], actual: Vec<f64>, mask: Option<Vec<bool>>) -> Picture {
        let reference = Tensor::new(shape, vec![0.0; actual.len()]).expect("as many");
        let actual = Tensor::new(shape, actual).expect("as many");
        let mask = mask.map(|mask| Tensor::new(shape, mask).expect("as many"));
        let tolerance = Tolerance::new(1e-3, 0.0).expect("valid");
        Picture::of(Pair { actual: &actual, reference: &reference, mask: mask.as_ref() }, &tolerance)
            .expect("one shape")
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
        let Picture { map, decades } = picture(&[3], vec![1.0, 0.5, 0.0], Some(vec![false, true, true]));
        assert_eq!(map.cells, [[None, Some(500.0), Some(0.0)]]);
        assert_eq!(decades, [Decade { size: Size::Zero, count: 1 }, Decade { size: Size::Power(-1), count: 1 }]);
    }

    #[test]
    fn a_power_of_ten_begins_its_decade() {
        for power in -20..20 {
            let at = format!("1e{power}").parse().expect("a number");
            assert_eq!(judge(at, 0.0, &Tolerance::EXACT).1, Size::Power(power), "{power}");
        }
        assert_eq!(judge(0.1, 0.0, &Tolerance::EXACT).0, f64::MAX);
    }
}
