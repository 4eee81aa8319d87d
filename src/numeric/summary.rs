//! The numbers that describe one tensor.

use std::ops::Range;

use num_complex::Complex;

use super::blocks::fold;
use super::class::NonFinite;
use super::dtype::{DType, Kind};
use super::measure::load;
use super::moments::{Moments, Sample};
use super::tensor::{Tensor, Value};
use super::wide::Wide;

/// The numbers that describe one tensor. Statistics are over its finite elements that no mask leaves out.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The extent of each axis.
    pub shape: Vec<usize>,
    /// The type of the elements.
    pub dtype: DType,
    /// How many elements were summarised, finite or not.
    pub elements: u64,
    /// How many elements a `where` left out.
    pub left_out: u64,
    /// How many of the summarised elements are not finite.
    pub non_finite: NonFinite,
    /// The smallest finite element (complex: the smallest modulus, a `Value::Float64`); `None` where there is none.
    pub min: Option<Value>,
    /// The largest finite element (complex: the largest modulus).
    pub max: Option<Value>,
    /// The arithmetic mean (complex: of the moduli).
    pub mean: Option<f64>,
    /// The population standard deviation, which divides by the count as `numpy.std` does (complex: of the moduli).
    pub std: Option<f64>,
    /// The Euclidean norm, `numpy.linalg.norm` of the flattened tensor. An infinity where no `f64` is large enough.
    pub l2: Option<f64>,
}

/// Summarises the elements where `mask` is true, or all of them.
///
/// All is calculated in `f64` (deviations and extremes of integers exactly), and the result has the same bits for every
/// number of threads.
///
/// ```
/// # use karat::{Tensor, numeric::{Value, summarize}};
/// let tensor = Tensor::new(&[2, 3], vec![1.0f32, 2.0, 2.0, 3.0, f32::NAN, f32::NEG_INFINITY])?;
/// let summary = summarize(&tensor, None);
/// assert_eq!((summary.elements, summary.non_finite.nan, summary.non_finite.neg_inf), (6, 1, 1));
/// assert_eq!((summary.min, summary.max), (Some(Value::Float32(1.0)), Some(Value::Float32(3.0))));
/// assert_eq!((summary.mean, summary.std), (Some(2.0), Some(0.5f64.sqrt())));
/// assert_eq!(summary.l2, Some(18f64.sqrt()));
///
/// // A large offset hides no spread, and squares do not overflow.
/// let tensor = Tensor::new(&[3], vec![100_000_000f32, 100_000_008.0, 100_000_016.0])?;
/// assert_eq!(summarize(&tensor, None).std, Some((128f64 / 3.0).sqrt()));
/// let tensor = Tensor::new(&[2], vec![3e300, 4e300])?;
/// assert_eq!(summarize(&tensor, None).l2, Some(5e300));
///
/// // Nothing finite has no mean.
/// assert_eq!(summarize(&Tensor::new(&[0], Vec::<f32>::new())?, None).mean, None);
/// # Ok::<(), karat::Error>(())
/// ```
///
/// # Panics
///
/// Where the mask has another shape, or is not boolean.
#[must_use]
pub fn summarize(tensor: &Tensor, mask: Option<&Tensor>) -> Summary {
    let mask = mask.map(|mask| {
        assert_eq!(mask.shape(), tensor.shape(), "the mask has another shape than the tensor");
        mask.as_slice::<bool>().unwrap_or_else(|| panic!("the mask is {}, not bool", mask.dtype()))
    });
    match tensor.dtype().kind() {
        Kind::Integer => summarize_as(tensor, mask, |x: i128| x),
        Kind::Float => summarize_as(tensor, mask, |x: f64| x),
        Kind::Complex => summarize_as(tensor, mask, Complex::<f64>::magnitude),
    }
}

/// What was found in some blocks.
struct Part<S> {
    elements: u64,
    non_finite: NonFinite,
    /// The smallest and the largest sample, the first in C order of each, with their positions.
    extremes: Option<[(S, usize); 2]>,
    moments: Option<Moments<S>>,
}

fn summarize_as<W: Wide, S: Sample>(
    tensor: &Tensor,
    mask: Option<&[bool]>,
    sample: impl Fn(W) -> S + Copy + Sync,
) -> Summary {
    let part = fold(tensor.len(), |range| summarize_block(tensor, mask, sample, range), Part::join);
    let value = |(sample, position): (S, usize)| match tensor.value(position) {
        Value::Complex(_) => Value::Float64(sample.to_f64()),
        real => real,
    };
    Summary {
        shape: tensor.shape().to_vec(),
        dtype: tensor.dtype(),
        elements: part.elements,
        left_out: tensor.len() as u64 - part.elements,
        non_finite: part.non_finite,
        min: part.extremes.map(|[smallest, _]| value(smallest)),
        max: part.extremes.map(|[_, largest]| value(largest)),
        mean: part.moments.map(|moments| moments.mean()),
        std: part.moments.map(|moments| moments.std()),
        l2: part.moments.map(|moments| moments.l2()),
    }
}

fn summarize_block<W: Wide, S: Sample>(
    tensor: &Tensor,
    mask: Option<&[bool]>,
    sample: impl Fn(W) -> S,
    range: Range<usize>,
) -> Part<S> {
    let mut part = Part { elements: 0, non_finite: NonFinite::default(), extremes: None, moments: None };
    let mut samples = Vec::with_capacity(range.len());
    for (position, element) in range.clone().zip(load::<W>(tensor, range)) {
        if mask.is_some_and(|mask| !mask[position]) {
            continue;
        }
        part.elements += 1;
        if !element.is_finite() {
            part.non_finite.add(element.class());
            continue;
        }
        let sample = sample(element);
        let [smallest, largest] = part.extremes.get_or_insert([(sample, position); 2]);
        if sample < smallest.0 {
            *smallest = (sample, position);
        }
        if sample > largest.0 {
            *largest = (sample, position);
        }
        samples.push(sample);
    }
    part.moments = Moments::of(samples);
    part
}

impl<S: Sample> Part<S> {
    /// What was found in both, `self` first in C order.
    fn join(self, later: Part<S>) -> Part<S> {
        Part {
            elements: self.elements + later.elements,
            non_finite: self.non_finite.join(later.non_finite),
            extremes: both(self.extremes, later.extremes, |[smallest, largest], [later_smallest, later_largest]| {
                [
                    if later_smallest.0 < smallest.0 { later_smallest } else { smallest },
                    if later_largest.0 > largest.0 { later_largest } else { largest },
                ]
            }),
            moments: both(self.moments, later.moments, Moments::join),
        }
    }
}

/// The two joined, or the one that is there.
fn both<T>(left: Option<T>, right: Option<T>, join: impl Fn(T, T) -> T) -> Option<T> {
    match (left, right) {
        (Some(left), Some(right)) => Some(join(left, right)),
        (left, right) => left.or(right),
    }
}
