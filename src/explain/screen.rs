//! Which of many orders of the elements are worth holding against all of them: correlations on a sample.

use super::sample::{Sample, quantile};

/// The correlation of actual and reference under an order that is worth a closer look.
const ALIKE: f64 = 0.5;

/// The same on the few elements that are looked at first.
const GLANCE: f64 = 0.3;

/// Rows and columns of the first look.
const FEW: usize = 16;

/// A sample of the actual tensor that orders of the reference are held against.
pub(super) struct Screen<'a> {
    reference: &'a [f64],
    /// All of the sample, and a part of it for a first look.
    all: Part,
    few: Part,
    /// What the reference is cut to, so that a few wild elements decide nothing; the actual tensor is cut already.
    range: (f64, f64),
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
    pub(super) fn new(actual: &[f64], reference: &'a [f64], sample: &Sample) -> Screen<'a> {
        let columns = sample.columns.max(1);
        let (low, high) = range(sample.positions.iter().map(|&position| actual[position]));
        let part = |positions: Vec<usize>, columns| {
            let actual = positions.iter().map(|&position| actual[position].clamp(low, high)).collect();
            Part { positions, columns, actual }
        };
        let (row_step, column_step) =
            ((sample.positions.len() / columns).div_ceil(FEW).max(1), columns.div_ceil(FEW).max(1));
        let rows = sample.positions.chunks(columns).step_by(row_step);
        let few: Vec<usize> = rows.flat_map(|row| row.iter().step_by(column_step)).copied().collect();
        let mut screen = Screen {
            reference,
            all: part(sample.positions.clone(), columns),
            few: part(few, columns.div_ceil(column_step)),
            range: range(sample.positions.iter().map(|&position| reference[position])),
            as_is: 0.0,
        };
        screen.as_is = screen.all.alike(|position| reference[position].clamp(screen.range.0, screen.range.1));
        screen
    }

    /// How alike the actual tensor is to the reference where its elements are taken from those places; `None` where it is not
    /// worth a closer look.
    pub(super) fn alike(&self, source: impl Fn(usize) -> Option<usize>) -> Option<f64> {
        let (low, high) = self.range;
        let base = |position| source(position).map_or(f64::NAN, |source| self.reference[source].clamp(low, high));
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
        let here: Vec<bool> = base.iter().zip(&self.actual).map(|(b, a)| !(a + b).is_nan()).collect();
        let (columns, rows) = (self.columns, self.positions.len() / self.columns.max(1));
        let mut alike = correlation(&self.actual, &base, &here);
        if rows >= 4 {
            let less = |values: &[f64]| less_means(values, &here, columns, |place| place % columns);
            alike = alike.max(correlation(&less(&self.actual), &less(&base), &here));
        }
        if columns >= 4 {
            let less = |values: &[f64]| less_means(values, &here, rows, |place| place / columns);
            alike = alike.max(correlation(&less(&self.actual), &less(&base), &here));
        }
        alike
    }
}

/// The values less the mean of their group, over the places where both sides have a number.
fn less_means(values: &[f64], here: &[bool], count: usize, group: impl Fn(usize) -> usize) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); count];
    for place in (0..values.len()).filter(|&place| here[place]) {
        let sum = &mut sums[group(place)];
        *sum = (sum.0 + 1.0, sum.1 + values[place]);
    }
    let mean = |place: usize| sums[group(place)].1 / sums[group(place)].0;
    values.iter().enumerate().map(|(place, x)| if here[place] { x - mean(place) } else { *x }).collect()
}

/// The absolute correlation over the places where both sides have a number.
fn correlation(x: &[f64], y: &[f64], here: &[bool]) -> f64 {
    let both = || x.iter().zip(y).zip(here).filter(|(_, here)| **here).map(|(pair, _)| pair);
    let [count, sum_x, sum_y] = both().fold([0.0; 3], |[n, sx, sy], (x, y)| [n + 1.0, sx + x, sy + y]);
    if count < 4.0 {
        return 0.0;
    }
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let [xx, yy, xy] = both().fold([0.0; 3], |[xx, yy, xy], (x, y)| {
        let (x, y) = (x - mean_x, y - mean_y);
        [xx + x * x, yy + y * y, xy + x * y]
    });
    if xx > 0.0 && yy > 0.0 { (xy / (xx * yy).sqrt()).abs() } else { 0.0 }
}

/// The range that holds all but a few of the numbers: a few wild ones decide nothing.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut values: Vec<f64> = values.filter(|x| !x.is_nan()).collect();
    match (quantile(&mut values, 0.03), quantile(&mut values, 0.97)) {
        (Some(low), Some(high)) if low < high => (low, high),
        _ => (f64::NEG_INFINITY, f64::INFINITY),
    }
}
