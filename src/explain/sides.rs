//! Both tensors of a pair as `f64`, the rounding noise to expect between them, and samples of their elements.

use crate::compare::Pair;
use crate::tensor::{DType, Kind, Tensor};

/// Both sides of a pair as `f64`, in C order and with the same number of elements. Elements that are masked or not finite are
/// NaN.
#[derive(Debug, Default)]
pub(super) struct Sides {
    /// The shape of the reference.
    pub(super) shape: Vec<usize>,
    pub(super) actual_shape: Vec<usize>,
    pub(super) actual: Vec<f64>,
    pub(super) reference: Vec<f64>,
    pub(super) noise: Noise,
    /// The machine epsilon of the finer of the two dtypes.
    pub(super) finer_eps: f64,
    /// The positions where one side is not finite and the other differs from it, in C order.
    pub(super) non_finite: Vec<usize>,
    /// The number of masked places: elements that both sides fill with a huge number. They are not compared.
    pub(super) fill_count: u64,
    /// The number of elements that are finite on both sides.
    pub(super) finite_count: u64,
    /// The root mean squares of the actual elements and of the reference's, with extreme elements clipped.
    pub(super) rms: f64,
    pub(super) rms_reference: f64,
    /// The sum of the squared differences of finite elements.
    pub(super) squares: f64,
    /// The squared difference that the non-finite elements count for.
    pub(super) non_finite_squares: f64,
}

impl Sides {
    /// Reads both sides. Returns `None` if hypotheses cannot be tested on them: if the sizes differ, for complex numbers, and for
    /// integers that `f64` cannot represent.
    pub(super) fn new(pair: Pair<'_>) -> Option<Sides> {
        let Pair { actual, reference, mask } = pair;
        let tensors = [actual, reference];
        if actual.len() != reference.len() || tensors.iter().any(|tensor| tensor.dtype().kind() == Kind::Complex) {
            return None;
        }
        let [one, other] = tensors.map(|tensor| Noise::new(tensor.dtype()));
        let mut sides = Sides {
            shape: reference.shape().to_vec(),
            actual_shape: actual.shape().to_vec(),
            actual: to_f64(actual),
            reference: to_f64(reference),
            noise: if one.eps >= other.eps { one } else { other },
            finer_eps: one.eps.min(other.eps),
            ..Sides::default()
        };
        // Larger integers may become equal when they are converted.
        let is_exact = |tensor: &Tensor, values: &[f64]| {
            !matches!(tensor.dtype(), DType::I64 | DType::U64) || values.iter().all(|x| x.abs() < MAX_EXACT_INTEGER)
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

    /// Whether both shapes are the same, so that a position means the same on both sides.
    pub(super) fn is_aligned(&self) -> bool {
        self.shape == self.actual_shape
    }

    /// The axes longer than 1.
    pub(super) fn axes(&self) -> impl Iterator<Item = usize> {
        (0..self.shape.len()).filter(|&axis| self.shape[axis] > 1)
    }

    /// Returns a function from a position to its index on the axis.
    pub(super) fn index_on(&self, axis: usize) -> impl Fn(usize) -> usize + use<> {
        let (stride, extent) = (self.shape[axis + 1..].iter().product::<usize>(), self.shape[axis]);
        move |position| position / stride % extent
    }

    /// The actual element minus the reference element.
    pub(super) fn difference(&self, position: usize) -> f64 {
        self.actual[position] - self.reference[position]
    }

    /// The root mean square of the differences between finite elements.
    pub(super) fn rmse(&self) -> f64 {
        (self.squares / self.finite_count.max(1) as f64).sqrt()
    }

    /// Returns the share of the difference that an explanation removes which leaves these squares of the finite elements.
    pub(super) fn removed_share(&self, left: f64, explains_non_finite: bool) -> f64 {
        let all = self.squares + self.non_finite_squares;
        let left = left + if explains_non_finite { 0.0 } else { self.non_finite_squares };
        if all > 0.0 { (1.0 - (left / all).sqrt()).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Replaces elements that are not compared by NaN (masked, not finite, or filling a masked place), and measures the others.
    fn measure(&mut self, mask: Option<&[bool]>) {
        let (typical, typical_reference) = (typical_magnitude(&self.actual), typical_magnitude(&self.reference));
        let (clip, clip_reference) = (typical * EXTREME, typical_reference * EXTREME);
        let fill = typical_reference * FILL;
        for (position, (a, r)) in self.actual.iter_mut().zip(&mut self.reference).enumerate() {
            let is_masked = mask.is_some_and(|mask| !mask[position]);
            // Fill values of different sizes hide the same element.
            let is_filled = a.abs() > fill && r.abs() > fill && (*a < 0.0) == (*r < 0.0);
            if is_masked || is_filled {
                self.fill_count += u64::from(!is_masked);
                (*a, *r) = (f64::NAN, f64::NAN);
            } else if a.is_finite() && r.is_finite() {
                self.finite_count += 1;
                self.rms += (*a * *a).min(clip * clip);
                self.rms_reference += (*r * *r).min(clip_reference * clip_reference);
                self.squares += (*a - *r) * (*a - *r);
            } else {
                if *a != *r && !(a.is_nan() && r.is_nan()) {
                    self.non_finite.push(position);
                }
                *a = if a.is_finite() { *a } else { f64::NAN };
                *r = if r.is_finite() { *r } else { f64::NAN };
            }
        }
        let count = self.finite_count.max(1) as f64;
        (self.rms, self.rms_reference) = ((self.rms / count).sqrt(), (self.rms_reference / count).sqrt());
        let least = self.rms_reference.max(self.rms);
        // `f64::max` ignores NaN.
        let size = |&position: &usize| least.max(self.actual[position].abs()).max(self.reference[position].abs());
        // If all finite elements are 0, the others still count.
        let squares = self.non_finite.iter().map(size).map(|size| if size > 0.0 { size * size } else { 1.0 });
        self.non_finite_squares = squares.sum();
    }
}

/// Converts the elements to `f64`.
pub(super) fn to_f64(tensor: &Tensor) -> Vec<f64> {
    (0..tensor.len()).map(|at| tensor.value(at).to_f64()).collect()
}

/// Below this `f64` represents every integer exactly.
const MAX_EXACT_INTEGER: f64 = (1u64 << 53) as f64;

/// An element this many times as large as a typical one is extreme. Activations of real models reach 200.
const EXTREME: f64 = 100.0;

/// An element this many times as large as a typical one only fills a masked place: -3.4e38 or -1e9 where the others are near 1.
const FILL: f64 = 1e6;

/// Returns the magnitude of most nonzero elements, or infinity if there are none.
fn typical_magnitude(elements: &[f64]) -> f64 {
    let step = elements.len().div_ceil(4096).max(1);
    let mut sizes: Vec<f64> = elements.iter().step_by(step).map(|x| x.abs()).filter(|x| *x > 0.0).collect();
    sizes.sort_by(f64::total_cmp);
    // The lower third, because up to half of the scores of a causal model are fill values.
    sizes.get(sizes.len() / 3).copied().unwrap_or(f64::INFINITY)
}

/// Returns the number of elements that a step along each axis covers.
pub(super) fn strides(extents: &[usize]) -> Vec<usize> {
    (0..extents.len()).map(|axis| extents[axis + 1..].iter().product()).collect()
}

/// Returns the smallest and the largest value that is not NaN.
pub(super) fn min_max<'a>(values: impl IntoIterator<Item = &'a f64>) -> (f64, f64) {
    values.into_iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), x| (min.min(*x), max.max(*x)))
}

/// The rounding noise to expect between the sides.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Noise {
    /// The machine epsilon of the coarser of the two dtypes; 0 for integers.
    pub(super) eps: f64,
    /// The RMS that rounding may have, in units of `eps` times the RMS of the actual tensor.
    level: f64,
}

impl Noise {
    /// The noise of a dtype, with a margin. Independent f32 implementations of a whole model differ by at most 20 eps of the RMS;
    /// in 16 bits only the last rounding counts, because sums are in f32.
    pub(super) fn new(dtype: DType) -> Noise {
        let level = match dtype {
            DType::F64 | DType::C128 => 64.0,
            DType::F32 | DType::C64 => 32.0,
            DType::F16 | DType::BF16 => 1.5,
            _ => 1.0,
        };
        Noise { eps: dtype.eps(), level }
    }

    /// The RMS that rounding may have for elements of this RMS.
    pub(super) fn limit(&self, rms: f64) -> f64 {
        self.level * self.eps * rms
    }

    /// The share of elements that may be right by chance, with a margin.
    pub(super) fn chance(&self) -> f64 {
        // Twice the slack, for numbers spread over a few RMS.
        (24.0 * self.level * self.eps).max(0.02)
    }

    /// The largest difference that rounding explains in one element of at most this magnitude.
    pub(super) fn slack(&self, magnitude: f64, rms: f64) -> f64 {
        // Four times the RMS limit of a whole tensor: exceeded by one element in 15,000 of a normal distribution.
        4.0 * self.level * self.eps * (magnitude + rms)
    }
}

/// A pseudorandom number generator (SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
pub(super) struct Rng(pub(super) u64);

impl Rng {
    /// Returns a number below `limit`, which must not be 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % limit as u64) as usize
    }
}

/// A sample of positions: some rows of the last axis, and the same columns in each, so that rows and columns have means.
#[derive(Debug)]
pub(super) struct Sample {
    /// The positions, row by row.
    pub(super) positions: Vec<usize>,
    /// The number of positions in a row.
    pub(super) columns: usize,
}

/// The number of rows, and of columns, of a sample.
const SIDE: usize = 64;

impl Sample {
    /// Draws a sample of a tensor with this shape.
    pub(super) fn new(shape: &[usize]) -> Sample {
        let width = shape.last().copied().unwrap_or(1).max(1);
        let count: usize = shape.iter().product();
        let mut rng = Rng(1);
        // If there are few rows, each has more columns.
        let is_flat = count / width < 4;
        let rows = pick(&mut rng, count / width, SIDE);
        let columns = pick(&mut rng, width, if is_flat { SIDE * SIDE / rows.len().max(1) } else { SIDE });
        let positions = rows.iter().flat_map(|row| columns.iter().map(move |column| row * width + column)).collect();
        Sample { positions, columns: columns.len() }
    }

    /// Returns a smaller sample, of evenly spaced rows and columns.
    pub(super) fn subsample(&self) -> Sample {
        /// The number of rows, and of columns.
        const SIDE: usize = 16;
        let columns = self.columns.max(1);
        let (row_step, step) = ((self.positions.len() / columns).div_ceil(SIDE).max(1), columns.div_ceil(SIDE).max(1));
        let rows = self.positions.chunks(columns).step_by(row_step);
        let positions = rows.flat_map(|row| row.iter().step_by(step)).copied().collect();
        Sample { positions, columns: columns.div_ceil(step) }
    }
}

/// Picks at most `count` of the numbers below `limit`, in order: one from each of `count` equal parts.
fn pick(rng: &mut Rng, limit: usize, count: usize) -> Vec<usize> {
    if limit <= count {
        return (0..limit).collect();
    }
    let part = |part| (limit * part / count, limit * (part + 1) / count);
    (0..count).map(part).map(|(from, to)| from + rng.below(to - from)).collect()
}

/// Draws pairs of positions that differ only on this axis.
pub(super) fn axis_pairs(shape: &[usize], axis: usize, count: usize) -> Vec<(usize, usize)> {
    let stride: usize = shape[axis + 1..].iter().product();
    let (all, extent) = (shape.iter().product::<usize>(), shape[axis]);
    if all == 0 || extent < 2 {
        return Vec::new();
    }
    let mut rng = Rng(2 + axis as u64);
    let mut draw = || {
        let one = rng.below(all);
        let at = one / stride % extent;
        let other = (at + 1 + rng.below(extent - 1)) % extent;
        (one, one + other * stride - at * stride)
    };
    (0..count).map(|_| draw()).collect()
}

/// Returns the quantile of the values, which are reordered, or `None` if there are none.
pub(super) fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    let at = (values.len().checked_sub(1)? as f64 * share) as usize;
    Some(*values.select_nth_unstable_by(at, f64::total_cmp).1)
}

/// Returns the middle of the narrowest range that holds this share of the values. Values outside that range have no influence.
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
        let sample = Sample::new(&[1000, 300]);
        assert_eq!((sample.positions.len(), sample.columns), (64 * 64, 64));
        let columns = |row: usize| sample.positions[row * 64..][..64].iter().map(|p| p % 300).collect::<Vec<_>>();
        assert_eq!(columns(0), columns(63));
        assert!(sample.positions.is_sorted() && sample.positions.iter().all(|p| *p < 300_000));
    }

    #[test]
    fn the_sample_of_a_small_tensor_is_all_of_it() {
        assert_eq!(Sample::new(&[2, 3]).positions, [0, 1, 2, 3, 4, 5]);
        assert_eq!(Sample::new(&[]).positions, [0]);
        assert_eq!(Sample::new(&[0, 3]).positions, [0usize; 0]);
    }

    #[test]
    fn axis_pairs_differ_on_one_axis() {
        for (one, other) in axis_pairs(&[3, 4, 5], 1, 100) {
            assert_eq!((one / 20, one % 5), (other / 20, other % 5));
            assert_ne!(one, other);
        }
    }

    #[test]
    fn the_mode_is_where_a_third_of_the_values_agree() {
        assert_eq!(mode(vec![9.0, 2.0, -4.0, 2.0, 77.0, 2.0, 31.0, -8.0], 0.34), Some(2.0));
        assert_eq!(mode(vec![], 0.3), None);
    }
}
