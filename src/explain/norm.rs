//! Another eps in a normalisation: `y = (x - mean) / sqrt(variance + eps) * weight + bias`, or without the mean.

use super::explanation::{Details, Hypothesis, Question};
use super::parts::{Base, Part, apart, short};
use super::sides::{Sides, extremes, quantile, widen};

/// The eps that the case names, and of which side it is taken to be.
#[derive(Clone, Copy)]
enum Known {
    /// Of the reference.
    Before(f64),
    /// Of actual.
    After(f64),
    Neither,
}

/// A row of the last axis: its spread, and by which factor actual is off around the bias.
#[derive(Clone, Copy)]
struct Row {
    spread: f64,
    factor: f64,
}

/// The reference as another eps would make it, for each way to normalise that fits.
pub(super) fn bases(question: &Question<'_>, sides: &Sides) -> Vec<Base<'static>> {
    let Some(&width) = sides.shape.last().filter(|width| **width > 1) else { return Vec::new() };
    let mut biases = vec![vec![0.0; width]];
    let vectors = question.inputs.values().filter(|input| input.shape() == [width]);
    biases.extend(vectors.map(|input| widen(input)));
    let hint = question.params.iter().find(|(name, _)| name.contains("eps")).and_then(|(_, value)| value.as_f64());
    // The case says one eps, and not of which side it is: its params are what actual was made with, and should be what the
    // reference was.
    let known: &[Known] = match hint {
        Some(eps) => &[Known::Before(eps), Known::After(eps)],
        None => &[Known::Neither],
    };
    let mut bases = Vec::new();
    for input in question.inputs.values().filter(|input| input.shape() == sides.shape) {
        let x = widen(input);
        for bias in &biases {
            let Some((factors, scale)) = factors(sides, width, bias) else { continue };
            for has_mean in [true, false] {
                let spreads = x.chunks(width).map(|x| spread(x, has_mean));
                let rows: Vec<Row> = spreads.zip(&factors).map(|(spread, &factor)| Row { spread, factor }).collect();
                let found = known.iter().filter_map(|known| base(sides, width, bias, &rows, scale, *known));
                bases.extend(found);
            }
        }
    }
    bases
}

/// What eps is added to: the variance, or the mean of the squares.
fn spread(x: &[f64], has_mean: bool) -> f64 {
    let count = x.len() as f64;
    let mean = if has_mean { x.iter().sum::<f64>() / count } else { 0.0 };
    x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count
}

/// By which factor each row of actual is off around that bias, and the factor of the bias itself, where there is one; `None`
/// where no factor explains the rows.
fn factors(sides: &Sides, width: usize, bias: &[f64]) -> Option<(Vec<f64>, Option<f64>)> {
    let has_bias = bias.iter().any(|b| *b != 0.0);
    let (mut left, mut all) = (0.0, 0.0);
    let mut scales = Vec::new();
    let rows = sides.actual.chunks(width).zip(sides.reference.chunks(width));
    let factors = rows
        .map(|(actual, reference)| {
            // Least squares of actual by what stands around the bias, and by the bias.
            let [mut cc, mut cb, mut bb, mut ca, mut ba, mut aa] = [0.0; 6];
            for ((&a, &r), &b) in actual.iter().zip(reference).zip(bias).filter(|((a, r), _)| !(*a - *r).is_nan()) {
                let c = r - b;
                (cc, cb, bb) = (cc + c * c, cb + c * b, bb + b * b);
                (ca, ba, aa) = (ca + c * a, ba + b * a, aa + a * a);
                all += (a - r) * (a - r);
            }
            let divisor = cc * bb - cb * cb;
            let (around, of_bias) = match has_bias && divisor > 1e-9 * cc * bb {
                true => ((ca * bb - ba * cb) / divisor, (ba * cc - ca * cb) / divisor),
                false => (if cc > 0.0 { ca / cc } else { 1.0 }, 0.0),
            };
            if has_bias {
                scales.push(of_bias);
            }
            left += (aa - around * ca - of_bias * ba).max(0.0);
            around
        })
        .collect();
    // The share of the squares; a tenth of the RMS.
    (left <= 0.01 * all).then(|| (factors, quantile(&mut scales, 0.5)))
}

/// The reference with the eps that fits those rows; `None` where none does.
fn base(
    sides: &Sides,
    width: usize,
    bias: &[f64],
    rows: &[Row],
    scale: Option<f64>,
    known: Known,
) -> Option<Base<'static>> {
    let usable: Vec<Row> = rows.iter().copied().filter(|row| row.factor != 0.0 && row.spread > 0.0).collect();
    // One row has one factor, and any eps makes it.
    if usable.len() < 2 || usable.len() * 2 <= rows.len() {
        return None;
    }
    // All of it may be scaled besides. Without a bias that shows only in how the factors change with the spread.
    let scale = scale.unwrap_or_else(|| match known {
        Known::Before(eps) => {
            line(&usable, |row| ((row.spread + eps) / (row.factor * row.factor), row.spread + eps)).0.recip().sqrt()
        }
        Known::After(eps) => {
            line(&usable, |row| ((row.spread + eps) * (row.factor * row.factor), row.spread + eps)).0.sqrt()
        }
        Known::Neither => 1.0,
    });
    // The factor of squares has no sign.
    let scale = if scale.is_finite() { scale.abs() } else { 1.0 };
    let scale = if (scale - 1.0).abs() < 5e-3 { 1.0 } else { scale } * usable[0].factor.signum();
    let scaled: Vec<Row> = usable.iter().map(|row| Row { spread: row.spread, factor: row.factor / scale }).collect();
    if scaled.iter().any(|row| row.factor <= 0.0) {
        return None;
    }
    // One factor for all rows is a scale.
    let (least, most) = extremes(scaled.iter().map(|row| &row.factor));
    if most - least <= 0.02 * (1.0 - least).abs().max((1.0 - most).abs()) {
        return None;
    }
    let precision = 8.0 * sides.noise.eps;
    let (before, after) = match known {
        Known::Before(before) => (before, eps(&scaled, before, |factor| factor.powi(-2), precision)),
        Known::After(after) => (eps(&scaled, after, |factor| factor.powi(2), precision), after),
        Known::Neither => both(&scaled)?,
    };
    let (before, after) = (nice(before), nice(after));
    if after < 0.0 || before < 0.0 || after == before {
        return None;
    }
    let factor = |spread: f64, before: f64, after: f64| ((spread + before) / (spread + after)).sqrt();
    // Every row has to say so: another way to keep the divisor from 0 fits those of large spread.
    let room = precision + 0.03 * (1.0 - least).abs().max((1.0 - most).abs());
    if scaled.iter().any(|row| (row.factor - factor(row.spread, before, after)).abs() > room) {
        return None;
    }
    let mut values = sides.reference.clone();
    for (row, reference) in rows.iter().zip(values.chunks_mut(width)) {
        let factor = factor(row.spread, before, after);
        reference.iter_mut().zip(bias).for_each(|(r, b)| *r = (*r - b) * factor + b);
    }
    let [least, most, _] = apart([least, most, 1.0]);
    let [one, other] = apart([before.min(after), before.max(after)]);
    // Beside a large spread only the difference of the two shows: with another on both sides the rows are the same.
    let is_pair = [-before.min(after), before.max(after)].into_iter().filter(|more| *more != 0.0).all(|more| {
        let change = |row: &Row| factor(row.spread, before + more, after + more) - factor(row.spread, before, after);
        scaled.iter().any(|row| change(row).abs() > precision)
    });
    let details = Details { eps: is_pair.then_some(after), ..Details::default() };
    // Which of them the code has is not to be seen: it may ignore what the case says.
    let pair = match is_pair {
        true => format!("{one} and {other} fit"),
        false => {
            let by: f64 = format!("{:.1e}", (after - before).abs()).parse().unwrap_or_default();
            let word = if after > before { "larger" } else { "smaller" };
            format!("that of actual is {word} by {}", short(by))
        }
    };
    let evidence =
        format!("the two sides add different eps: {pair}; each row is off by its own factor, {least} to {most}");
    Some(Base::new(vec![Part::new(Hypothesis::Eps, evidence, details)], values, 1))
}

/// The eps of one side, given that of the other and what the factors become: rows of small spread tell most. 0 where it is
/// not to be told from none.
fn eps(rows: &[Row], other: f64, ratio: impl Fn(f64) -> f64, precision: f64) -> f64 {
    let (sum, weights) = rows.iter().fold((0.0, 0.0), |(sum, weights), row| {
        let total = row.spread + other;
        let weight = 1.0 / (total * total);
        (sum + weight * (total * ratio(row.factor) - row.spread), weights + weight)
    });
    let (eps, error) = (sum / weights, precision / f64::sqrt(weights));
    if eps.abs() <= error { 0.0 } else { eps }
}

/// Both eps from the rows alone: `(1 / factor^2 - 1) x spread = after - before / factor^2` is a line.
fn both(rows: &[Row]) -> Option<(f64, f64)> {
    let inverse = |row: &Row| 1.0 / (row.factor * row.factor);
    let (slope, after) = line(rows, |row| ((inverse(row) - 1.0) * row.spread, inverse(row)));
    // Where that of the reference is not to be told from none.
    let (_, alone) = line(rows, |row| ((inverse(row) - 1.0) * row.spread, 0.0));
    Some(if slope < 0.0 && after >= 0.0 { (-slope, after) } else { (0.0, alone) })
        .filter(|(_, after)| after.is_finite())
}

/// The slope and the value at 0 of a line through points `(y, x)`, of which those of small spread are the surest.
fn line(rows: &[Row], point: impl Fn(&Row) -> (f64, f64)) -> (f64, f64) {
    let weight = |row: &Row| 1.0 / (row.spread * row.spread);
    let weights: f64 = rows.iter().map(weight).sum();
    let mean =
        |of: &dyn Fn((f64, f64)) -> f64| rows.iter().map(|row| weight(row) * of(point(row))).sum::<f64>() / weights;
    let (y, x) = (mean(&|p| p.0), mean(&|p| p.1));
    let run = mean(&|p| (p.1 - x) * (p.1 - x));
    let slope = if run > 0.0 { mean(&|p| (p.1 - x) * (p.0 - y)) / run } else { 0.0 };
    (slope, y - slope * x)
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
