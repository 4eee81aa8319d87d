//! Another formula of the GELU: exact, by tanh, or by a logistic function.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use rayon::prelude::*;

use super::bases::Base;
use super::parts::Part;
use super::sides::{CHUNK, Sides};
use crate::explain::{Details, Hypothesis};

/// A formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Formula {
    /// `x * Phi(x)` with the normal distribution: `torch.nn.GELU()`.
    Exact,
    /// `0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))`: `approximate="tanh"`, "gelu_new".
    Tanh,
    /// `x * sigmoid(1.702 * x)`: "quick_gelu".
    Quick,
}

/// Every change from one formula to another: reference first.
pub(super) const CHANGES: [(Formula, Formula); 6] = [
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
    pub(super) fn at(self, x: f64) -> f64 {
        match self {
            Formula::Exact => 0.5 * x * (1.0 + libm::erf(x * FRAC_1_SQRT_2)),
            Formula::Tanh => 0.5 * x * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044715 * x * x * x)).tanh()),
            Formula::Quick => x / (1.0 + (-1.702 * x).exp()),
        }
    }

    pub(super) fn word(self) -> &'static str {
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
pub(super) fn part((reference, actual): (Formula, Formula)) -> Part {
    Part {
        id: Hypothesis::GeluVariant,
        evidence: format!("actual has the {} GELU, the reference the {}", actual.word(), reference.word()),
        details: Details::default(),
    }
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
            let mut values = vec![0.0; sides.len()];
            values.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, values)| {
                for (place, value) in values.iter_mut().enumerate() {
                    let position = chunk * CHUNK + place;
                    *value = predict(sides.actual[position], sides.reference[position]);
                }
            });
            Some(Base::new(vec![part(change)], values, 0))
        })
        .collect()
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
