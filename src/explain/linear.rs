//! Another GELU inside of an MLP, where the case has its input and both weights.

use ndarray::Array2;

use super::bases::Base;
use super::gelu::{CHANGES, Formula, part};
use super::sides::{Sides, widen};
use crate::explain::Question;
use crate::tensor::Tensor;

/// Multiplications that are worth an answer.
const LIMIT: usize = 1 << 30;

/// Rows that a change is tried on before it is calculated for all.
const ROWS: usize = 16;

/// An MLP as the shapes of the inputs allow it: `gelu(x first + bias) second`.
struct Mlp {
    x: Array2<f64>,
    first: Array2<f64>,
    bias: Vec<f64>,
    second: Array2<f64>,
}

/// The reference with another GELU between the two products.
pub(super) fn bases(question: &Question<'_>, sides: &Sides) -> Vec<Base<'static>> {
    let Some(&width) = sides.shape.last().filter(|width| **width > 0 && sides.is_aligned()) else { return Vec::new() };
    let rows = sides.len() / width;
    let difference =
        |row: usize, column: usize| sides.actual[row * width + column] - sides.reference[row * width + column];
    for mlp in candidates(question, sides, width) {
        let step = rows.div_ceil(ROWS).max(1);
        let some: Vec<usize> = (0..rows).step_by(step).collect();
        let hidden = mlp.hidden(&some);
        let left = |change: (Formula, Formula)| {
            let added = mlp.added(&hidden, change);
            let (mut left, mut all) = (0.0, 0.0);
            for ((place, column), added) in added.indexed_iter() {
                let difference = difference(some[place], column);
                if !difference.is_nan() {
                    left += (difference - added).powi(2);
                    all += difference * difference;
                }
            }
            // A constant that is off by a tenth leaves a hundredth.
            let rounding = (4.0 * sides.noise.eps * sides.rms).powi(2) * added.len() as f64;
            (left <= (0.04 * all).min((1e-3 * all).max(rounding)) && all > 0.0).then_some((left, change))
        };
        let best = CHANGES.into_iter().filter_map(left).min_by(|(one, _), (other, _)| one.total_cmp(other));
        if let Some((_, change)) = best {
            let every: Vec<usize> = (0..rows).collect();
            let added = mlp.added(&mlp.hidden(&every), change);
            let values: Vec<f64> = sides.reference.iter().zip(&added).map(|(r, added)| r + added).collect();
            return vec![Base::new(vec![part(change)], values, 0)];
        }
    }
    Vec::new()
}

impl Mlp {
    /// What goes into the GELU, of those rows.
    fn hidden(&self, rows: &[usize]) -> Array2<f64> {
        let mut hidden = self.x.select(ndarray::Axis(0), rows).dot(&self.first);
        for mut row in hidden.rows_mut() {
            row.iter_mut().zip(&self.bias).for_each(|(x, b)| *x += b);
        }
        hidden
    }

    /// What the change of formula adds to the output.
    fn added(&self, hidden: &Array2<f64>, (reference, actual): (Formula, Formula)) -> Array2<f64> {
        hidden.mapv(|x| actual.at(x) - reference.at(x)).dot(&self.second)
    }
}

/// Every way to read the inputs as an MLP with that width of output.
fn candidates(question: &Question<'_>, sides: &Sides, width: usize) -> Vec<Mlp> {
    let rows = sides.len() / width;
    let inputs: Vec<&Tensor> = question.inputs.values().copied().collect();
    let weights: Vec<&Tensor> = inputs.iter().copied().filter(|input| input.shape().len() == 2).collect();
    let mut found = Vec::new();
    for x in inputs.iter().filter(|x| x.len() >= rows && x.shape().len() >= 2 && x.len().is_multiple_of(rows)) {
        let inner = x.len() / rows;
        if x.shape().last() != Some(&inner) {
            continue;
        }
        for (at, first) in weights.iter().enumerate() {
            for (_, second) in weights.iter().enumerate().filter(|(other, _)| *other != at) {
                let (Some(first), Some(second)) = (oriented(first, inner), oriented_out(second, width)) else {
                    continue;
                };
                let hidden = first.ncols();
                if hidden != second.nrows() || rows * hidden * (inner + width) > LIMIT {
                    continue;
                }
                let bias = inputs.iter().find(|input| input.shape() == [hidden]);
                let x = Array2::from_shape_vec((rows, inner), widen(x)).expect("the rows are as many as they are");
                let bias = bias.map_or_else(|| vec![0.0; hidden], |bias| widen(bias));
                found.push(Mlp { x, first, bias, second });
            }
        }
    }
    found
}

/// A weight as `[inner, hidden]`.
fn oriented(weight: &Tensor, inner: usize) -> Option<Array2<f64>> {
    let shape = (weight.shape()[0], weight.shape()[1]);
    let weight = Array2::from_shape_vec(shape, widen(weight)).ok()?;
    match shape {
        (rows, _) if rows == inner => Some(weight),
        (_, columns) if columns == inner => Some(weight.reversed_axes()),
        _ => None,
    }
}

/// A weight as `[hidden, width]`.
fn oriented_out(weight: &Tensor, width: usize) -> Option<Array2<f64>> {
    oriented(weight, width).map(Array2::reversed_axes)
}
