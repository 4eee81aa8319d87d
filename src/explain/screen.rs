//! Which of many orders of the elements are worth holding against all of them: correlations on a sample.

use super::sample::{Sample, quantile};
use super::sides::Sides;

/// The correlation of actual and reference under an order that is worth a closer look.
const ALIKE: f64 = 0.5;

/// The same on the few elements that are looked at first.
const GLANCE: f64 = 0.3;

/// Rows and columns of the first look.
const FEW: usize = 16;

/// A sample of the actual tensor that orders of the reference are held against.
pub(super) struct Screen<'a> {
    sides: &'a Sides,
    /// All of the sample, and a part of it for a first look.
    all: Part,
    few: Part,
    /// How alike they are as they are. Another order has to be more alike.
    as_is: f64,
}

/// Some of the positions, in rows of so many.
struct Part {
    positions: Vec<usize>,
    columns: usize,
    actual: Vec<f64>,
}

impl<'a> Screen<'a> {
    pub(super) fn new(sides: &'a Sides, sample: &Sample) -> Screen<'a> {
        let columns = sample.columns.max(1);
        let part = |positions: Vec<usize>, columns| {
            let actual = positions.iter().map(|&position| sides.actual[position]).collect();
            Part { positions, columns, actual }
        };
        let (row_step, column_step) =
            ((sample.positions.len() / columns).div_ceil(FEW).max(1), columns.div_ceil(FEW).max(1));
        let rows = sample.positions.chunks(columns).step_by(row_step);
        let few: Vec<usize> = rows.flat_map(|row| row.iter().step_by(column_step)).copied().collect();
        let mut screen = Screen {
            sides,
            all: part(sample.positions.clone(), columns),
            few: part(few, columns.div_ceil(column_step)),
            as_is: 0.0,
        };
        screen.as_is = screen.all.alike(|position| sides.reference[position]);
        screen
    }

    /// How alike the actual tensor is to the reference where its elements are taken from those places; `None` where it is not
    /// worth a closer look.
    pub(super) fn alike(&self, source: impl Fn(usize) -> Option<usize>) -> Option<f64> {
        let base = |position| source(position).map_or(f64::NAN, |source| self.sides.reference[source]);
        if self.few.alike(base) < GLANCE {
            return None;
        }
        let alike = self.all.alike(base);
        (alike >= ALIKE && alike >= self.as_is - 0.02).then_some(alike)
    }
}

impl Part {
    /// The correlation with that base, whatever its sign: as it is, or less the means of the columns, or those of the rows,
    /// whichever is highest. A bias hides no order.
    fn alike(&self, base: impl Fn(usize) -> f64) -> f64 {
        let base: Vec<f64> = self.positions.iter().map(|&position| base(position)).collect();
        let (columns, rows) = (self.columns, self.positions.len() / self.columns.max(1));
        let plain = correlation(self.actual.clone(), base.clone());
        let less = |count: usize, group: &dyn Fn(usize) -> usize| {
            let less = |values: &[f64]| less_means(values, &base, &self.actual, count, group);
            correlation(less(&self.actual), less(&base))
        };
        let by_column = if rows >= 4 { less(columns, &|place| place % columns) } else { 0.0 };
        let by_row = if columns >= 4 { less(rows, &|place| place / columns) } else { 0.0 };
        plain.max(by_column).max(by_row)
    }
}

/// The values less the mean of their group, over the places where both sides have a number.
fn less_means(values: &[f64], base: &[f64], actual: &[f64], count: usize, group: &dyn Fn(usize) -> usize) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); count];
    let here = |place: usize| !(base[place] + actual[place]).is_nan();
    for place in (0..values.len()).filter(|&place| here(place)) {
        let sum = &mut sums[group(place)];
        *sum = (sum.0 + 1.0, sum.1 + values[place]);
    }
    let mean = |place: usize| sums[group(place)].1 / sums[group(place)].0;
    values.iter().enumerate().map(|(place, x)| if here(place) { x - mean(place) } else { f64::NAN }).collect()
}

/// The absolute correlation, with the furthest twentieth on each side pulled in: a few wild elements decide nothing.
fn correlation(mut x: Vec<f64>, mut y: Vec<f64>) -> f64 {
    let both: Vec<bool> = x.iter().zip(&y).map(|(x, y)| !(x + y).is_nan()).collect();
    for values in [&mut x, &mut y] {
        let mut place = 0;
        values.retain(|_| {
            place += 1;
            both[place - 1]
        });
        let mut sorted = values.clone();
        let (Some(low), Some(high)) = (quantile(&mut sorted, 0.05), quantile(&mut sorted, 0.95)) else { return 0.0 };
        if low < high {
            values.iter_mut().for_each(|x| *x = x.clamp(low, high));
        }
    }
    let count = x.len() as f64;
    if x.len() < 4 {
        return 0.0;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(&x), mean(&y));
    let product = |x: &[f64], mean_x: f64, y: &[f64], mean_y: f64| {
        x.iter().zip(y).map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>()
    };
    let (xx, yy) = (product(&x, mean_x, &x, mean_x), product(&y, mean_y, &y, mean_y));
    if xx > 0.0 && yy > 0.0 { (product(&x, mean_x, &y, mean_y) / (xx * yy).sqrt()).abs() } else { 0.0 }
}
