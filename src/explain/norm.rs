//! Another eps in a normalisation: `y = (x - mean) / sqrt(variance + eps) * weight + bias`, or without the mean.

use super::bases::Base;
use super::search::Part;
use super::sides::{Sides, widen};
use super::words::number;
use crate::run::Question;
use crate::run::{Details, Hypothesis};

/// The statistic that eps is added to.
#[derive(Clone, Copy)]
enum Spread {
    Variance,
    MeanSquare,
}

/// A row of the last axis: its spread, and by which factor actual is off around the bias.
struct Row {
    spread: f64,
    factor: f64,
}

/// The reference as another eps would make it, for each way to normalise that fits.
pub(super) fn bases(question: &Question<'_>, sides: &Sides) -> Vec<Base> {
    let Some(&width) = sides.shape.last().filter(|width| **width > 1 && sides.is_aligned()) else { return Vec::new() };
    let mut biases = vec![vec![0.0; width]];
    let vectors = question.inputs.values().filter(|input| input.shape() == [width]);
    biases.extend(vectors.map(|input| widen(input)));
    let hint = question.params.iter().find(|(name, _)| name.contains("eps")).and_then(|(_, value)| value.as_f64());
    let mut bases = Vec::new();
    for input in question.inputs.values().filter(|input| input.shape() == sides.shape) {
        let x = widen(input);
        for bias in &biases {
            let Some(factors) = factors(sides, width, bias) else { continue };
            for spread in [Spread::Variance, Spread::MeanSquare] {
                let rows: Vec<Row> =
                    x.chunks(width).zip(&factors).map(|(x, &factor)| Row { spread: spread.of(x), factor }).collect();
                // The case says one eps, and not of which side it is: its params are what actual was made with, and should
                // be what the reference was.
                let known: Vec<[Option<f64>; 2]> = match hint {
                    Some(eps) => vec![[Some(eps), None], [None, Some(eps)]],
                    None => vec![[None, None]],
                };
                bases.extend(known.into_iter().filter_map(|known| base(sides, width, bias, &rows, known)));
            }
        }
    }
    bases
}

impl Spread {
    fn of(self, x: &[f64]) -> f64 {
        let count = x.len() as f64;
        let mean = match self {
            Spread::Variance => x.iter().sum::<f64>() / count,
            Spread::MeanSquare => 0.0,
        };
        x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count
    }
}

/// By which factor each row of actual is off around that bias; `None` where no factor explains the rows.
fn factors(sides: &Sides, width: usize, bias: &[f64]) -> Option<Vec<f64>> {
    let (mut left, mut all) = (0.0, 0.0);
    let rows = sides.actual.chunks(width).zip(sides.reference.chunks(width));
    let factors = rows
        .map(|(actual, reference)| {
            let (mut run, mut rise, mut squares) = (0.0, 0.0, 0.0);
            for ((a, r), b) in actual.iter().zip(reference).zip(bias).filter(|((a, r), _)| !(*a - *r).is_nan()) {
                let (difference, around) = (a - r, r - b);
                run += around * around;
                rise += difference * around;
                squares += difference * difference;
            }
            let slope = if run > 0.0 { rise / run } else { 0.0 };
            left += squares - slope * rise;
            all += squares;
            1.0 + slope
        })
        .collect();
    // The share of the squares; a tenth of the RMS.
    (left <= 0.01 * all).then_some(factors)
}

/// The reference with the eps that fits those rows; `None` where none does.
fn base(sides: &Sides, width: usize, bias: &[f64], rows: &[Row], known: [Option<f64>; 2]) -> Option<Base> {
    let usable = || rows.iter().filter(|row| row.factor > 0.0 && row.spread > 0.0);
    if usable().count() * 2 <= rows.len() {
        return None;
    }
    let (before, after) = match known {
        [Some(before), _] => (before, eps_after(usable(), before)),
        [None, Some(after)] => (eps_before(usable(), after), after),
        [None, None] => both(usable())?,
    };
    // One far below the other is as good as none.
    let round = |eps: f64, other: f64| if eps.abs() <= 0.02 * other.abs() { 0.0 } else { nice(eps) };
    let (before, after) = (round(before, after), round(after, before));
    if after < 0.0 || before < 0.0 || after == before {
        return None;
    }
    // One factor for all rows is a scale.
    let (least, most) =
        usable().fold((f64::INFINITY, 0.0f64), |(low, high), row| (low.min(row.factor), high.max(row.factor)));
    if rows.len() > 1 && most - least <= 0.02 * (1.0 - least).abs().max((1.0 - most).abs()) {
        return None;
    }
    let mut values = sides.reference.clone();
    for (row, reference) in rows.iter().zip(values.chunks_mut(width)) {
        let factor = ((row.spread + before) / (row.spread + after)).sqrt();
        reference.iter_mut().zip(bias).for_each(|(r, b)| *r = (*r - b) * factor + b);
    }
    let rows = format!("each row is off by its own factor, {} to {}", number(least), number(most));
    let details = Details { eps: Some(after), ..Details::default() };
    let reference =
        if known == [None, None] { String::new() } else { format!(" where the reference has {}", number(before)) };
    let evidence = format!("eps is {}{reference}: {rows}", number(after));
    Some(Base::new(vec![Part { id: Hypothesis::Eps, evidence, details }], values, 1))
}

/// The eps of actual, given that of the reference. Rows of small spread tell most.
fn eps_after<'a>(rows: impl Iterator<Item = &'a Row>, before: f64) -> f64 {
    let (sum, weights) = rows.fold((0.0, 0.0), |(sum, weights), row| {
        let total = row.spread + before;
        let weight = 1.0 / (total * total);
        (sum + weight * (total / (row.factor * row.factor) - row.spread), weights + weight)
    });
    sum / weights
}

/// The eps of the reference, given that of actual.
fn eps_before<'a>(rows: impl Iterator<Item = &'a Row>, after: f64) -> f64 {
    let (sum, weights) = rows.fold((0.0, 0.0), |(sum, weights), row| {
        let total = row.spread + after;
        let weight = 1.0 / (total * total);
        (sum + weight * (total * (row.factor * row.factor) - row.spread), weights + weight)
    });
    sum / weights
}

/// Both eps from the rows alone: `(1 / factor^2 - 1) x spread = after - before / factor^2` is a line.
fn both<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<(f64, f64)> {
    let points: Vec<(f64, f64, f64)> = rows
        .map(|row| {
            let inverse = 1.0 / (row.factor * row.factor);
            (inverse, (inverse - 1.0) * row.spread, 1.0 / (row.spread * row.spread))
        })
        .collect();
    let weights: f64 = points.iter().map(|(_, _, w)| w).sum();
    let mean = |of: &dyn Fn(&(f64, f64, f64)) -> f64| points.iter().map(|p| p.2 * of(p)).sum::<f64>() / weights;
    let (x, y) = (mean(&|p| p.0), mean(&|p| p.1));
    let run = mean(&|p| (p.0 - x) * (p.0 - x));
    let slope = if run > 0.0 { mean(&|p| (p.0 - x) * (p.1 - y)) / run } else { 0.0 };
    let (before, after) = (-slope, y - slope * x);
    // Where that is not to be told from none.
    Some(if before > 0.0 && after >= 0.0 { (before, after) } else { (0.0, y) }).filter(|(_, after)| after.is_finite())
}

/// The round number that is meant, where it is one.
fn nice(x: f64) -> f64 {
    if x <= 0.0 {
        return x;
    }
    let decade = 10f64.powf(x.log10().floor());
    let round = [1.0, 2.0, 3.0, 5.0, 10.0].map(|digit| {
        // Through text: 1e-5 and not 1.0000000000000001e-5.
        format!("{:.0e}", digit * decade).parse().unwrap_or(digit * decade)
    });
    round.into_iter().find(|round: &f64| (x / round - 1.0).abs() <= 0.02).unwrap_or(x)
}
