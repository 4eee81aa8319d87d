//! The causal mask, where the last two axes are query and key: one side sees the future, the other does not.

use super::exceptions::is_attention;
use super::explanation::{Details, Hypothesis, Question};
use super::parts::{Base, Part};
use super::sides::Sides;

/// The last two axes.
#[derive(Clone, Copy)]
struct Square {
    queries: usize,
    keys: usize,
}

impl Square {
    /// By how many places the key at that position comes after its query; 0 where it does not.
    fn ahead(self, position: usize) -> usize {
        let (query, key) = (position / self.keys % self.queries, position % self.keys);
        key.saturating_sub(query + (self.keys - self.queries))
    }
}

/// The sides with the mask that one of them has on both.
pub(super) fn bases(question: &Question<'_>, sides: &Sides) -> Vec<Base<'static>> {
    let [.., queries, keys] = sides.shape[..] else { return Vec::new() };
    if queries < 2 || keys < queries {
        return Vec::new();
    }
    let square = Square { queries, keys };
    let (reference, actual) = (masked(sides, &sides.reference, square), masked(sides, &sides.actual, square));
    // Two values that fill the same places mask the same.
    if reference.is_some() && actual.is_some() {
        return Vec::new();
    }
    // A triangle of zeros is one half of a matrix as well: only of probabilities, or by its name, it is a mask.
    let zeros = [(&reference, &sides.reference), (&actual, &sides.actual)];
    let is_half = zeros.into_iter().any(|(value, side)| *value == Some(0.0) && !is_probability(sides, side, square));
    if is_half && !is_attention(question) && !is_zero_or_one(sides) {
        return Vec::new();
    }
    let tells_lost = sides.lost.iter().all(|&position| square.ahead(position) > 0);
    if let Some(value) = reference {
        let Some(open) = open(sides, &sides.actual, square, value) else { return Vec::new() };
        let undone = mask(sides, &sides.actual, &sides.reference, square, value);
        let evidence = match open {
            Open::Everywhere => "the mask is missing: actual sees the future, the reference does not".to_owned(),
            Open::Ahead(1) => "the mask is off by one: actual sees 1 position ahead".to_owned(),
            Open::Ahead(places) => format!("the mask is off by {places}: actual sees {places} positions ahead"),
        };
        return vec![Base { actual: Some(undone), tells_lost, ..base(&evidence, sides.reference.clone()) }];
    }
    let Some(value) = actual else { return Vec::new() };
    match open(sides, &sides.reference, square, value) {
        Some(Open::Everywhere) => {
            let masked = mask(sides, &sides.reference, &sides.actual, square, value);
            vec![Base { tells_lost, ..base("actual masks the future, the reference does not", masked) }]
        }
        _ => Vec::new(),
    }
}

fn base(evidence: &str, values: Vec<f64>) -> Base<'static> {
    Base::new(vec![Part::new(Hypothesis::CausalMask, evidence, Details::default())], values, 0)
}

/// The positions in the future that are compared.
fn future(sides: &Sides, square: Square) -> impl Iterator<Item = usize> {
    let is_lost = |position: usize| sides.lost.binary_search(&position).is_ok();
    let is_compared = move |p: &usize| !sides.difference(*p).is_nan() || is_lost(*p);
    (0..sides.len()).filter(move |&position| square.ahead(position) > 0).filter(is_compared)
}

/// The one value that a side has in the future: 0 after a softmax, a large negative one before it, NaN for an infinity.
fn masked(sides: &Sides, side: &[f64], square: Square) -> Option<f64> {
    let mut future = future(sides, square);
    let first = side[future.next()?];
    future.all(|position| is_same(side[position], first)).then_some(first)
}

/// How far a side sees beyond the mask of the other.
enum Open {
    Everywhere,
    /// So many positions, and no further.
    Ahead(usize),
}

/// How far a side sees where the other has that value; `None` where what it has there looks like another fault.
fn open(sides: &Sides, side: &[f64], square: Square, value: f64) -> Option<Open> {
    // Of fewer any fault may hit all.
    if future(sides, square).take(6).count() < 6 {
        return None;
    }
    // By how far ahead a key is: how many are seen, of how many.
    let mut counts = vec![(0usize, 0usize); square.keys];
    for position in future(sides, square) {
        let count = &mut counts[square.ahead(position)];
        *count = (count.0 + usize::from(!is_same(side[position], value)), count.1 + 1);
    }
    let furthest = counts.iter().rposition(|(seen, _)| *seen > 0)?;
    let (seen, all) = counts[..=furthest].iter().fold((0, 0), |(s, n), (seen, all)| (s + seen, n + all));
    // Single elements are another fault.
    // What both sides fill is not compared.
    let last = if sides.filled > 0 { square.keys - 1 } else { counts.iter().rposition(|(_, all)| *all > 0)? };
    (seen * 10 >= all * 9).then_some(if furthest == last { Open::Everywhere } else { Open::Ahead(furthest) })
}

/// Whether each row shares out the whole.
fn is_probability(sides: &Sides, side: &[f64], square: Square) -> bool {
    let rows = side.chunks(square.keys).filter(|row| row.iter().all(|x| !x.is_nan()));
    let sums: Vec<f64> = rows.map(|row| row.iter().sum()).collect();
    !sums.is_empty() && sums.iter().all(|sum: &f64| (sum - 1.0).abs() < (8.0 * sides.noise.eps).max(1e-3))
}

/// Whether it is a mask itself.
fn is_zero_or_one(sides: &Sides) -> bool {
    sides.actual.iter().chain(&sides.reference).all(|x| *x == 0.0 || *x == 1.0)
}

fn is_same(x: f64, value: f64) -> bool {
    x == value || (x.is_nan() && value.is_nan())
}

/// The open side with the mask of the other: of probabilities what is left shares the whole again.
fn mask(sides: &Sides, open: &[f64], masked: &[f64], square: Square, value: f64) -> Vec<f64> {
    let is_probability = value == 0.0 && is_probability(sides, masked, square);
    let mut values = open.to_vec();
    for (row, values) in values.chunks_mut(square.keys).enumerate() {
        let start = row * square.keys;
        let mut sum = 0.0;
        for (place, x) in values.iter_mut().enumerate() {
            if square.ahead(start + place) > 0 {
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
