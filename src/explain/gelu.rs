//! Another formula of the GELU: exact, by tanh, or by a logistic function; of the output itself, or inside of an MLP where the
//! case has its input and both weights.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use ndarray::{Array1, Array2};

use super::explanation::{Details, Hypothesis, Question};
use super::parts::{Base, Part};
use super::sides::{Sides, widen};
use crate::tensor::Tensor;

/// A formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Formula {
    /// `x * Phi(x)` with the normal distribution: `torch.nn.GELU()`.
    Exact,
    /// `0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))`: `approximate="tanh"`, "gelu_new".
    Tanh,
    /// `x * sigmoid(1.702 * x)`: "quick_gelu".
    Quick,
}

/// Every change from one formula to another: reference first.
const CHANGES: [(Formula, Formula); 6] = [
    (Formula::Exact, Formula::Tanh),
    (Formula::Tanh, Formula::Exact),
    (Formula::Exact, Formula::Quick),
    (Formula::Quick, Formula::Exact),
    (Formula::Tanh, Formula::Quick),
    (Formula::Quick, Formula::Tanh),
];

/// Points of a table on each branch.
const POINTS: usize = 1 << 14;

/// Beyond it no two formulas differ by what single precision could show.
const FAR: f64 = 12.0;

impl Formula {
    fn at(self, x: f64) -> f64 {
        match self {
            Formula::Exact => 0.5 * x * (1.0 + libm::erf(x * FRAC_1_SQRT_2)),
            Formula::Tanh => 0.5 * x * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044715 * x * x * x)).tanh()),
            Formula::Quick => x / (1.0 + (-1.702 * x).exp()),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Formula::Exact => "exact",
            Formula::Tanh => "tanh",
            Formula::Quick => "quick (sigmoid)",
        }
    }

    /// Where it is lowest.
    fn lowest(self) -> f64 {
        let (mut low, mut high) = (-2.0, 0.0);
        for _ in 0..200 {
            let (left, right) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
            if self.at(left) < self.at(right) { high = right } else { low = left }
        }
        (low + high) / 2.0
    }
}

/// What a change is called.
fn part((reference, actual): (Formula, Formula)) -> Part {
    let evidence = format!("actual has the {} GELU, the reference the {}", actual.word(), reference.word());
    Part::new(Hypothesis::GeluVariant, evidence, Details::default())
}

/// How a value of one formula becomes that of another, on one branch of it: the values of the first, in order, and what
/// the second adds.
struct Branch {
    values: Vec<f64>,
    changes: Vec<f64>,
}

impl Branch {
    fn new((from, to): (Formula, Formula), ends: [f64; 2]) -> Branch {
        let points = (0..=POINTS).map(|point| {
            // Close to the lowest point, where the value hardly changes, closely.
            let share = point as f64 / POINTS as f64;
            let x = ends[0] + (ends[1] - ends[0]) * share * share;
            (from.at(x), to.at(x) - from.at(x))
        });
        let (values, changes) = points.unzip();
        Branch { values, changes }
    }

    /// What the second formula makes of that value; unchanged where the branch does not have it.
    fn apply(&self, value: f64) -> f64 {
        let above = self.values.partition_point(|known| *known <= value);
        if above == 0 || above == self.values.len() {
            // A value that noise carried below the lowest.
            return value + if above == 0 { self.changes[0] } else { 0.0 };
        }
        let (low, high) = (self.values[above - 1], self.values[above]);
        let share = if high > low { (value - low) / (high - low) } else { 0.0 };
        value + self.changes[above - 1] + share * (self.changes[above] - self.changes[above - 1])
    }
}

/// The reference as another formula would make it, where it can be the output of a GELU itself.
pub(super) fn bases(sides: &Sides, positions: &[usize]) -> Vec<Base<'static>> {
    let rmse = sides.rmse();
    let here: Vec<usize> =
        positions.iter().copied().filter(|&p| !(sides.actual[p] - sides.reference[p]).is_nan()).collect();
    let outside = here.iter().any(|&p| sides.reference[p] < -0.18 || sides.actual[p] < -0.18);
    let has_negative = here.iter().any(|&p| sides.reference[p] < 0.0);
    // No two formulas are further apart than 0.021.
    let is_far = here.iter().filter(|&&p| (sides.actual[p] - sides.reference[p]).abs() > 0.03).count();
    if rmse == 0.0 || outside || !has_negative || is_far * 50 > here.len() || here.len() < 16 {
        return Vec::new();
    }
    CHANGES
        .into_iter()
        .filter_map(|change| {
            let lowest = change.0.lowest();
            let right = Branch::new(change, [lowest, FAR]);
            let mut left = Branch::new(change, [lowest, -FAR]);
            // Its values come down to the lowest from the left: 0 first.
            if left.values.first() > left.values.last() {
                left.values.reverse();
                left.changes.reverse();
            }
            // A negative value has two arguments; the one is meant that fits.
            let predict = |actual: f64, reference: f64| {
                let one = right.apply(reference);
                if reference >= 0.0 {
                    return one;
                }
                let other = left.apply(reference);
                if (actual - other).abs() < (actual - one).abs() { other } else { one }
            };
            // What is above 0 alone decides: there is no choice there.
            let (mut left_over, mut all) = (0.0, 0.0);
            for &p in here.iter().filter(|&&p| sides.reference[p] > 0.0) {
                let (a, r) = (sides.actual[p], sides.reference[p]);
                left_over += (a - predict(a, r)).powi(2).min(1e-3);
                all += (a - r).powi(2).min(1e-3);
            }
            if left_over > 0.04 * all {
                return None;
            }
            let values: Vec<f64> = sides.actual.iter().zip(&sides.reference).map(|(a, r)| predict(*a, *r)).collect();
            Some(Base::new(vec![part(change)], values, 0))
        })
        .collect()
}

/// Multiplications that are worth an answer.
const LIMIT: usize = 1 << 30;

/// Rows that a change is tried on before it is calculated for all.
const ROWS: usize = 16;

/// An MLP as the shapes of the inputs allow it: `gelu(x first + bias) second`.
struct Mlp {
    x: Array2<f64>,
    first: Array2<f64>,
    bias: Array1<f64>,
    second: Array2<f64>,
}

/// The reference with another GELU between the two products.
pub(super) fn inside_mlp(question: &Question<'_>, sides: &Sides) -> Vec<Base<'static>> {
    let Some(&width) = sides.shape.last().filter(|width| **width > 0) else { return Vec::new() };
    let rows = sides.len() / width;
    for mlp in candidates(question, sides, width) {
        let step = rows.div_ceil(ROWS).max(1);
        let some: Vec<usize> = (0..rows).step_by(step).collect();
        let hidden = mlp.hidden(&some);
        let left = |change: (Formula, Formula)| {
            let added = mlp.added(&hidden, change);
            let (mut left, mut all) = (0.0, 0.0);
            for ((place, column), added) in added.indexed_iter() {
                let difference = sides.difference(some[place] * width + column);
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
        hidden += &self.bias;
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
                let (Some(first), Some(second)) =
                    (oriented(first, inner), oriented(second, width).map(Array2::reversed_axes))
                else {
                    continue;
                };
                let hidden = first.ncols();
                if hidden != second.nrows() || rows * hidden * (inner + width) > LIMIT {
                    continue;
                }
                let bias = inputs.iter().find(|input| input.shape() == [hidden]);
                let x = Array2::from_shape_vec((rows, inner), widen(x)).expect("the rows are as many as they are");
                let bias = bias.map_or_else(|| Array1::zeros(hidden), |bias| widen(bias).into());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_maps_one_formula_to_another() {
        for change in CHANGES {
            let lowest = change.0.lowest();
            let branch = Branch::new(change, [lowest, FAR]);
            for x in (0..2000).map(|at| lowest + f64::from(at) * 0.002) {
                let (mapped, expected) = (branch.apply(change.0.at(x)), change.1.at(x));
                assert!((mapped - expected).abs() < 1e-6, "{change:?} at {x}: {mapped} for {expected}");
            }
        }
    }
}
