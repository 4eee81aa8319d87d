//! The numbers that describe one tensor.

use serde::{Deserialize, Serialize};

use super::found::Seen;
use super::kernel::Kernel;
use super::measure::describe;
use super::moments::Moments;
use super::wide::Wide;
use crate::tensor::value::{MaybeFloat, nullable};
use crate::tensor::{DType, Source, Tensor, Value};

/// How many elements are not finite. A complex number counts as NaN where a component is NaN, else by the sign of its
/// first infinite component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "each field is the count of its name")]
#[non_exhaustive]
pub struct NonFinite {
    pub nan: u64,
    pub pos_inf: u64,
    pub neg_inf: u64,
}

/// The numbers that describe one tensor. Statistics are over its finite elements that no mask leaves out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Summary {
    /// The type of the elements.
    pub dtype: DType,
    /// The extent of each axis.
    pub shape: Vec<usize>,
    /// How many elements were summarised, finite or not.
    pub elements: u64,
    /// How many elements a `where` left out.
    pub left_out: u64,
    /// How many of the summarised elements are not finite.
    pub non_finite: NonFinite,
    /// The smallest finite element (complex: the smallest modulus, a `Value::Float64`); `None` where there is none.
    #[serde(deserialize_with = "nullable")]
    pub min: Option<Value>,
    /// The largest finite element (complex: the largest modulus).
    #[serde(deserialize_with = "nullable")]
    pub max: Option<Value>,
    /// The arithmetic mean (complex: of the moduli).
    #[serde(with = "MaybeFloat")]
    pub mean: Option<f64>,
    /// The population standard deviation, which divides by the count as `numpy.std` does (complex: of the moduli).
    #[serde(with = "MaybeFloat")]
    pub std: Option<f64>,
    /// The Euclidean norm, `numpy.linalg.norm` of the flattened tensor. An infinity where no `f64` is large enough.
    #[serde(with = "MaybeFloat")]
    pub l2: Option<f64>,
}

/// Summarises the elements where `mask` is true, or all of them.
///
/// All is calculated in `f64` (deviations and extremes of integers exactly), and the result has the same bits for every
/// number of threads.
///
/// ```
/// # use karat::{Tensor, Value, summarize};
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
    if let Some(mask) = mask {
        assert_eq!(mask.shape(), tensor.shape(), "the mask has another shape than the tensor");
        assert_eq!(mask.dtype(), DType::Bool, "the mask is not boolean");
    }
    describe(tensor, mask, Some(Kernel::best())).expect("a tensor has its elements in memory")
}

impl NonFinite {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.nan.saturating_add(self.pos_inf).saturating_add(self.neg_inf)
    }

    /// Counts one more element, which is not finite.
    pub(crate) fn add<W: Wide>(&mut self, element: W) {
        let [first, second] = element.parts();
        match () {
            () if element.is_nan() => self.nan += 1,
            () if first == f64::INFINITY || first.is_finite() && second > 0.0 => self.pos_inf += 1,
            () => self.neg_inf += 1,
        }
    }

    /// The counts of two sets of elements together.
    pub(crate) fn join(self, other: NonFinite) -> NonFinite {
        NonFinite {
            nan: self.nan + other.nan,
            pos_inf: self.pos_inf + other.pos_inf,
            neg_inf: self.neg_inf + other.neg_inf,
        }
    }
}

impl Summary {
    /// What was measured of a tensor.
    pub(super) fn new(source: &dyn Source, elements: u64, seen: Seen, moments: Option<Moments>) -> Summary {
        let len = source.shape().iter().product::<usize>() as u64;
        Summary {
            shape: source.shape().to_vec(),
            dtype: source.dtype(),
            elements,
            left_out: len - elements,
            non_finite: seen.non_finite,
            min: seen.ends.map(|[smallest, _]| smallest),
            max: seen.ends.map(|[_, largest]| largest),
            mean: moments.map(|moments| moments.mean()),
            std: moments.map(|moments| moments.std()),
            l2: moments.map(|moments| moments.l2()),
        }
    }

    /// Of a tensor that was not read.
    pub(super) fn unread(source: &dyn Source) -> Summary {
        Summary { left_out: 0, ..Summary::new(source, 0, Seen::default(), None) }
    }

    /// Makes of a summary that was read the one that was written.
    #[cfg(feature = "harness")]
    pub(crate) fn restore(&mut self) -> Result<(), String> {
        let of = crate::tensor::value::ElementType::of_summary(self.dtype);
        [&mut self.min, &mut self.max].into_iter().flatten().try_for_each(|extreme| of.restore(extreme))
    }

    /// Whether no element was read: the structure said enough.
    #[cfg(feature = "harness")]
    pub(crate) fn is_unread(&self) -> bool {
        self.elements + self.left_out != self.shape.iter().product::<usize>() as u64
    }
}
