//! Both tensors in `f64`, with NaN where nothing is compared, how much rounding explains, and elements that stand for all.

use crate::compare::Pair;
use crate::tensor::{DType, Kind, Tensor};

/// A pair as hypotheses see it. Both are in C order and have the same number of elements.
#[derive(Debug)]
pub(super) struct Sides {
    /// Of the reference.
    pub(super) shape: Vec<usize>,
    /// Of the actual tensor.
    pub(super) actual_shape: Vec<usize>,
    /// NaN where a mask leaves it out and where it is not finite.
    pub(super) actual: Vec<f64>,
    /// The same.
    pub(super) reference: Vec<f64>,
    pub(super) noise: Noise,
    /// The distance from 1 to the next number of the finer of both dtypes.
    pub(super) finer_eps: f64,
    /// Where one side is not finite and the other has something else, in C order.
    pub(super) lost: Vec<usize>,
    /// Elements that both sides fill with a huge number: masked places, not compared.
    pub(super) filled: u64,
    /// Elements of which both sides are numbers.
    pub(super) numbers: u64,
    /// The root mean square of the actual numbers, and of the reference's, in which a few wild ones count for less.
    pub(super) rms: f64,
    pub(super) rms_reference: f64,
    /// The sum of the squared differences of numbers, and that of what is lost.
    pub(super) squares: f64,
    pub(super) lost_squares: f64,
}

impl Sides {
    /// Of real tensors with the same number of elements; `None` where hypotheses have nothing to work on:
    /// complex numbers, and whole ones that `f64` does not have.
    pub(super) fn of(pair: Pair<'_>) -> Option<Sides> {
        let Pair { actual, reference, mask } = pair;
        let sides = [actual, reference];
        if actual.len() != reference.len() || sides.iter().any(|side| side.dtype().kind() == Kind::Complex) {
            return None;
        }
        let [one, other] = sides.map(|side| Noise::of(side.dtype()));
        let mut sides = Sides {
            shape: reference.shape().to_vec(),
            actual_shape: actual.shape().to_vec(),
            actual: widen(actual),
            reference: widen(reference),
            noise: if one.eps >= other.eps { one } else { other },
            finer_eps: one.eps.min(other.eps),
            lost: Vec::new(),
            filled: 0,
            numbers: 0,
            rms: 0.0,
            rms_reference: 0.0,
            squares: 0.0,
            lost_squares: 0.0,
        };
        // Beyond it not every whole number is one of `f64`: equal there says nothing.
        let is_exact = |tensor: &Tensor, values: &[f64]| {
            !matches!(tensor.dtype(), DType::I64 | DType::U64) || values.iter().all(|x| x.abs() < WHOLE)
        };
        if !is_exact(actual, &sides.actual) || !is_exact(reference, &sides.reference) {
            return None;
        }
        sides.measure(mask.filter(|mask| mask.shape() == sides.shape).and_then(Tensor::as_slice::<bool>));
        Some(sides)
    }

    /// The number of elements.
    pub(super) fn len(&self) -> usize {
        self.reference.len()
    }

    /// Whether the shapes are the same, so that positions mean the same.
    pub(super) fn is_aligned(&self) -> bool {
        self.shape == self.actual_shape
    }

    /// The axes longer than 1.
    pub(super) fn axes(&self) -> impl Iterator<Item = usize> {
        (0..self.shape.len()).filter(|&axis| self.shape[axis] > 1)
    }

    /// The index on that axis of the element at a position.
    pub(super) fn along(&self, axis: usize) -> impl Fn(usize) -> usize + use<> {
        let (stride, extent) = (self.shape[axis + 1..].iter().product::<usize>(), self.shape[axis]);
        move |position| position / stride % extent
    }

    /// Actual less reference at that position.
    pub(super) fn difference(&self, position: usize) -> f64 {
        self.actual[position] - self.reference[position]
    }

    /// The root mean square of the difference between numbers.
    pub(super) fn rmse(&self) -> f64 {
        (self.squares / self.numbers.max(1) as f64).sqrt()
    }

    /// The share of the difference that is gone where those squares are left of the numbers, and what is lost is told or not.
    pub(super) fn removes(&self, left: f64, tells_lost: bool) -> f64 {
        let all = self.squares + self.lost_squares;
        let left = left + if tells_lost { 0.0 } else { self.lost_squares };
        if all > 0.0 { (1.0 - (left / all).sqrt()).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Makes NaN of what is not compared: what the mask leaves out, what is not finite, and what fills a masked place. And
    /// measures the others on the way.
    fn measure(&mut self, mask: Option<&[bool]>) {
        let (usual, usual_reference) = (typical(&self.actual), typical(&self.reference));
        let (wild, wild_reference, fill) = (usual * WILD, usual_reference * WILD, usual_reference * APART);
        for (position, (a, r)) in self.actual.iter_mut().zip(&mut self.reference).enumerate() {
            let is_left_out = mask.is_some_and(|mask| !mask[position]);
            // Two fills of another size hide the same element.
            let is_filled = a.abs() > fill && r.abs() > fill && (*a < 0.0) == (*r < 0.0);
            if is_left_out || is_filled {
                self.filled += u64::from(!is_left_out);
                (*a, *r) = (f64::NAN, f64::NAN);
            } else if a.is_finite() && r.is_finite() {
                self.numbers += 1;
                self.rms += (*a * *a).min(wild * wild);
                self.rms_reference += (*r * *r).min(wild_reference * wild_reference);
                self.squares += (*a - *r) * (*a - *r);
            } else {
                if *a != *r && !(a.is_nan() && r.is_nan()) {
                    self.lost.push(position);
                }
                *a = if a.is_finite() { *a } else { f64::NAN };
                *r = if r.is_finite() { *r } else { f64::NAN };
            }
        }
        let count = self.numbers.max(1) as f64;
        (self.rms, self.rms_reference) = ((self.rms / count).sqrt(), (self.rms_reference / count).sqrt());
        let least = self.rms_reference.max(self.rms);
        let size = |position: &usize| {
            let there = [self.actual[*position], self.reference[*position]];
            there.iter().filter(|x| !x.is_nan()).fold(least, |size, x| size.max(x.abs()))
        };
        // Where every number is 0 something is lost all the same.
        self.lost_squares = self.lost.iter().map(size).map(|size| if size > 0.0 { size * size } else { 1.0 }).sum();
    }
}

/// The elements in `f64`.
pub(super) fn widen(tensor: &Tensor) -> Vec<f64> {
    (0..tensor.len()).map(|at| tensor.value(at).to_f64()).collect()
}

/// Up to here `f64` has every whole number.
const WHOLE: f64 = (1u64 << 53) as f64;

/// How many times as large as a typical element one may be before it counts as wild: activations of real models reach 200.
const WILD: f64 = 100.0;

/// How many times as large one is that only fills a masked place: -3.4e38, -1e9, where all others are near 1.
const APART: f64 = 1e6;

/// The magnitude of most elements. Zeros have none; an infinity where there is nothing else.
fn typical(elements: &[f64]) -> f64 {
    let stride = elements.len().div_ceil(4096).max(1);
    let mut sizes: Vec<f64> = elements.iter().step_by(stride).map(|x| x.abs()).filter(|x| *x > 0.0).collect();
    sizes.sort_by(f64::total_cmp);
    // A third: up to half of the scores of a causal model are filled.
    sizes.get(sizes.len() / 3).copied().unwrap_or(f64::INFINITY)
}

/// How many elements a step along each axis is.
pub(super) fn strides(extents: &[usize]) -> Vec<usize> {
    (0..extents.len()).map(|axis| extents[axis + 1..].iter().product()).collect()
}

/// The lowest and the highest of the numbers among those.
pub(super) fn extremes<'a>(values: impl IntoIterator<Item = &'a f64>) -> (f64, f64) {
    let numbers = values.into_iter().filter(|x| !x.is_nan());
    numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)))
}

/// What rounding does to the elements of a pair.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noise {
    /// The distance from 1 to the next number of the coarser of both dtypes; 0 for integers.
    pub(super) eps: f64,
    /// The RMS that rounding may have, in `eps` times the RMS of the actual tensor.
    level: f64,
}

impl Noise {
    /// How many eps of the RMS honest implementations are apart, with room. Between honest references in f32 it is 20 at most,
    /// after a whole model; with 16 bits it is the last rounding that counts, since they sum in f32.
    pub(super) fn of(dtype: DType) -> Noise {
        let level = match dtype {
            DType::F64 | DType::C128 => 64.0,
            DType::F32 | DType::C64 => 32.0,
            DType::F16 | DType::BF16 => 1.5,
            _ => 1.0,
        };
        Noise { eps: dtype.eps(), level }
    }

    /// The RMS that rounding may have beside numbers of that RMS.
    pub(super) fn limit(&self, rms: f64) -> f64 {
        self.level * self.eps * rms
    }

    /// The share of elements that may be right by chance, with room.
    pub(super) fn chance(&self) -> f64 {
        // Twice the slack, of numbers that are spread over a few RMS.
        (24.0 * self.level * self.eps).max(0.02)
    }

    /// The difference from which on a single element is wrong, where both sides have that magnitude at most.
    pub(super) fn slack(&self, magnitude: f64, rms: f64) -> f64 {
        // Four times the RMS that a whole tensor may have: one element in 15,000 of a normal distribution.
        4.0 * self.level * self.eps * (magnitude + rms)
    }
}

/// A generator of numbers that look random (Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// A number below `limit`, which is not 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % limit as u64) as usize
    }
}

/// Positions: some rows of the last axis and in each the same columns, so that columns and rows have means.
#[derive(Debug)]
pub(super) struct Sample {
    /// In rows, one after the other.
    pub(super) positions: Vec<usize>,
    /// How many there are in a row.
    pub(super) columns: usize,
}

/// Rows, and columns, of a sample.
const SIDE: usize = 64;

impl Sample {
    /// Of a tensor of that shape.
    pub(super) fn of(shape: &[usize]) -> Sample {
        let width = shape.last().copied().unwrap_or(1).max(1);
        let count: usize = shape.iter().product();
        let mut dice = Dice::new(1);
        // A vector has one row: all of the sample is in it.
        let is_flat = count / width < 4;
        let rows = pick(&mut dice, count / width, SIDE);
        let columns = pick(&mut dice, width, if is_flat { SIDE * SIDE / rows.len().max(1) } else { SIDE });
        let positions = rows.iter().flat_map(|row| columns.iter().map(move |column| row * width + column)).collect();
        Sample { positions, columns: columns.len() }
    }

    /// A part of it: every so many of its rows and columns.
    pub(super) fn few(&self) -> Sample {
        /// Rows and columns.
        const FEW: usize = 16;
        let columns = self.columns.max(1);
        let (row_step, step) = ((self.positions.len() / columns).div_ceil(FEW).max(1), columns.div_ceil(FEW).max(1));
        let rows = self.positions.chunks(columns).step_by(row_step);
        let positions = rows.flat_map(|row| row.iter().step_by(step)).copied().collect();
        Sample { positions, columns: columns.div_ceil(step) }
    }
}

/// At most `count` of the numbers below `limit`, in order.
fn pick(dice: &mut Dice, limit: usize, count: usize) -> Vec<usize> {
    if limit <= count {
        return (0..limit).collect();
    }
    // One from each of as many equal parts.
    (0..count)
        .map(|part| {
            let (from, to) = (limit * part / count, limit * (part + 1) / count);
            from + dice.below(to - from)
        })
        .collect()
}

/// Pairs of positions that differ in that axis alone.
pub(super) fn pairs(shape: &[usize], axis: usize, count: usize) -> Vec<(usize, usize)> {
    let stride: usize = shape[axis + 1..].iter().product();
    let (all, extent) = (shape.iter().product::<usize>(), shape[axis]);
    if all == 0 || extent < 2 {
        return Vec::new();
    }
    let mut dice = Dice::new(2 + axis as u64);
    (0..count)
        .map(|_| {
            let one = dice.below(all);
            let at = one / stride % extent;
            let other = (at + 1 + dice.below(extent - 1)) % extent;
            (one, one + other * stride - at * stride)
        })
        .collect()
}

/// The value at that share of the sorted values; the values are reordered. `None` where there is none.
pub(super) fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let at = ((values.len() - 1) as f64 * share) as usize;
    Some(*values.select_nth_unstable_by(at, f64::total_cmp).1)
}

/// The middle of the narrowest range that holds that share of the values: where most agree, whatever the others are.
pub(super) fn mode(mut values: Vec<f64>, share: f64) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let width = ((values.len() as f64 * share) as usize).max(1);
    let windows = values.windows(width);
    let narrowest = windows.min_by(|a, b| (a[width - 1] - a[0]).total_cmp(&(b[width - 1] - b[0])))?;
    Some(narrowest[width / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_the_same_columns_in_every_row() {
        let sample = Sample::of(&[1000, 300]);
        assert_eq!((sample.positions.len(), sample.columns), (64 * 64, 64));
        let columns = |row: usize| sample.positions[row * 64..][..64].iter().map(|p| p % 300).collect::<Vec<_>>();
        assert_eq!(columns(0), columns(63));
        assert!(sample.positions.is_sorted() && sample.positions.iter().all(|p| *p < 300_000));
    }

    #[test]
    fn a_small_tensor_is_its_own_sample() {
        assert_eq!(Sample::of(&[2, 3]).positions, [0, 1, 2, 3, 4, 5]);
        assert_eq!(Sample::of(&[]).positions, [0]);
        assert_eq!(Sample::of(&[0, 3]).positions, [0usize; 0]);
    }

    #[test]
    fn pairs_differ_in_one_axis() {
        for (one, other) in pairs(&[3, 4, 5], 1, 100) {
            assert_eq!((one / 20, one % 5), (other / 20, other % 5));
            assert_ne!(one, other);
        }
    }

    #[test]
    fn the_mode_is_where_a_third_agrees() {
        assert_eq!(mode(vec![9.0, 2.0, -4.0, 2.0, 77.0, 2.0, 31.0, -8.0], 0.34), Some(2.0));
        assert_eq!(mode(vec![], 0.3), None);
    }
}
