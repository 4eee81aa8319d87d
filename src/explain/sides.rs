//! Both tensors in `f64`, with NaN where nothing is compared.

use rayon::prelude::*;

use super::noise::Noise;
use crate::compare::Pair;
use crate::tensor::{DType, Element, Kind, Tensor, dispatch};

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
        let is_complex = |tensor: &Tensor| tensor.dtype().kind() == Kind::Complex;
        if actual.len() != reference.len() || is_complex(actual) || is_complex(reference) {
            return None;
        }
        let mut sides = Sides {
            shape: reference.shape().to_vec(),
            actual_shape: actual.shape().to_vec(),
            actual: widen(actual),
            reference: widen(reference),
            noise: Noise::of(actual, reference),
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
        let parts: Vec<(Vec<usize>, [f64; 5])> = self
            .actual
            .par_chunks_mut(CHUNK)
            .zip(self.reference.par_chunks_mut(CHUNK))
            .enumerate()
            .map(|(chunk, (actual, reference))| {
                let (mut lost, mut sums) = (Vec::new(), [0.0; 5]);
                for (place, (a, r)) in actual.iter_mut().zip(reference).enumerate() {
                    let position = chunk * CHUNK + place;
                    let is_left_out = mask.is_some_and(|mask| !mask[position]);
                    // Two fills of another size hide the same element.
                    let is_filled = a.abs() > fill && r.abs() > fill && (*a < 0.0) == (*r < 0.0);
                    if is_left_out || is_filled {
                        sums[4] += f64::from(u8::from(!is_left_out));
                        (*a, *r) = (f64::NAN, f64::NAN);
                    } else if a.is_finite() && r.is_finite() {
                        let d = *a - *r;
                        sums[0] += 1.0;
                        sums[1] += (*a * *a).min(wild * wild);
                        sums[2] += (*r * *r).min(wild_reference * wild_reference);
                        sums[3] += d * d;
                    } else {
                        if *a != *r && !(a.is_nan() && r.is_nan()) {
                            lost.push(position);
                        }
                        *a = if a.is_finite() { *a } else { f64::NAN };
                        *r = if r.is_finite() { *r } else { f64::NAN };
                    }
                }
                (lost, sums)
            })
            .collect();
        // In the order of the chunks: the same bits for every number of threads.
        let add = |all: [f64; 5], part: [f64; 5]| std::array::from_fn(|at| all[at] + part[at]);
        let [numbers, actual, reference, difference, filled] = parts.iter().map(|(_, sums)| *sums).fold([0.0; 5], add);
        self.filled = filled as u64;
        self.lost = parts.into_iter().flat_map(|(lost, _)| lost).collect();
        self.numbers = numbers as u64;
        let mean = |sum: f64| if numbers > 0.0 { (sum / numbers).sqrt() } else { 0.0 };
        (self.rms, self.rms_reference, self.squares) = (mean(actual), mean(reference), difference);
        let least = self.rms_reference.max(self.rms);
        let size = |position: &usize| {
            let there = [self.actual[*position], self.reference[*position]];
            there.iter().filter(|x| !x.is_nan()).fold(least, |size, x| size.max(x.abs()))
        };
        // Where every number is 0 something is lost all the same.
        self.lost_squares = self.lost.iter().map(size).map(|size| if size > 0.0 { size * size } else { 1.0 }).sum();
    }
}

/// Elements that one task takes at a time.
pub(super) const CHUNK: usize = 1 << 14;

/// The elements in `f64`.
pub(super) fn widen(tensor: &Tensor) -> Vec<f64> {
    fn of<T: Element>(elements: &[T], start: usize, wide: &mut [f64]) {
        for (x, wide) in elements[start..].iter().zip(wide) {
            *wide = x.value().to_f64();
        }
    }
    // One parallel loop, not one for each dtype: there is much behind it to compile.
    let mut wide = vec![0.0; tensor.len()];
    wide.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, wide)| {
        dispatch!(tensor.data(), elements => of(elements, chunk * CHUNK, wide));
    });
    wide
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
