//! The causal mask, where the last two axes are query and key: one side sees the future, the other does not.

use super::bases::Base;
use super::search::Part;
use super::sides::Sides;
use crate::run::{Details, Hypothesis};

/// The last two axes.
#[derive(Clone, Copy)]
struct Square {
    queries: usize,
    keys: usize,
}

impl Square {
    /// Whether the key at that position comes after its query.
    fn is_future(self, position: usize) -> bool {
        let (query, key) = (position / self.keys % self.queries, position % self.keys);
        key > query + (self.keys - self.queries)
    }
}

/// What one side has where the key comes after the query.
enum Future {
    /// One value: 0 after a softmax, a large negative one before it. NaN for an infinity.
    Masked(f64),
    Open,
}

/// The sides with the mask that one of them has on both.
pub(super) fn bases(sides: &Sides) -> Vec<Base<'static>> {
    let [.., queries, keys] = sides.shape[..] else { return Vec::new() };
    if queries < 2 || keys < queries || !sides.is_aligned() {
        return Vec::new();
    }
    let square = Square { queries, keys };
    // A look at a few: nothing is masked where two of them differ on both sides.
    let step = (sides.len() / 4096).max(1);
    let varies = |side: &[f64]| {
        let mut future = (0..side.len()).step_by(step).filter(|&p| square.is_future(p) && !side[p].is_nan());
        let first = future.next();
        first.is_some_and(|first| future.any(|position| side[position] != side[first]))
    };
    if varies(&sides.actual) && varies(&sides.reference) {
        return Vec::new();
    }
    match (future(sides, &sides.actual, square), future(sides, &sides.reference, square)) {
        (Some(Future::Open), Some(Future::Masked(value))) => {
            let masked = mask(sides, &sides.actual, &sides.reference, square, value);
            let evidence = "the mask is missing: actual sees the future, the reference does not";
            vec![Base { actual: Some(masked), ..base(evidence, sides.reference.clone()) }]
        }
        (Some(Future::Masked(value)), Some(Future::Open)) => {
            let masked = mask(sides, &sides.reference, &sides.actual, square, value);
            vec![base("actual masks the future, the reference does not", masked)]
        }
        _ => Vec::new(),
    }
}

fn base(evidence: &str, values: Vec<f64>) -> Base<'static> {
    let part = Part { id: Hypothesis::CausalMask, evidence: evidence.into(), details: Details::default() };
    Base { tells_lost: true, ..Base::new(vec![part], values, 0) }
}

/// What a side has in the future; `None` where nothing is compared there.
fn future(sides: &Sides, side: &[f64], square: Square) -> Option<Future> {
    let is_lost = |position: usize| sides.lost.binary_search(&position).is_ok();
    let positions = || (0..side.len()).filter(|&position| square.is_future(position));
    let mut compared = positions().filter(|&p| !(sides.actual[p] - sides.reference[p]).is_nan() || is_lost(p));
    let first = side[compared.next()?];
    let same = |position: usize| side[position] == first || (first.is_nan() && side[position].is_nan());
    let (mut other, mut all) = (0, 1);
    for position in compared {
        all += 1;
        other += usize::from(!same(position));
    }
    match other {
        0 => Some(Future::Masked(first)),
        // Some that are not are another fault.
        other if other * 2 > all => Some(Future::Open),
        _ => None,
    }
}

/// The open side with the mask of the other: of probabilities what is left shares the whole again.
fn mask(sides: &Sides, open: &[f64], masked: &[f64], square: Square, value: f64) -> Vec<f64> {
    let is_probability = value == 0.0 && {
        let rows = masked.chunks(square.keys).filter(|row| row.iter().all(|x| !x.is_nan()));
        let sums: Vec<f64> = rows.map(|row| row.iter().sum()).collect();
        !sums.is_empty() && sums.iter().all(|sum: &f64| (sum - 1.0).abs() < (8.0 * sides.noise.eps).max(1e-3))
    };
    let mut values = open.to_vec();
    for (row, values) in values.chunks_mut(square.keys).enumerate() {
        let start = row * square.keys;
        let mut sum = 0.0;
        for (place, x) in values.iter_mut().enumerate() {
            if square.is_future(start + place) {
                *x = value;
            } else if !x.is_nan() {
                sum += *x;
            }
        }
        if is_probability && sum > 0.0 {
            values.iter_mut().for_each(|x| *x /= sum);
        }
    }
    values
}
