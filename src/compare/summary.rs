//! The numbers that describe one tensor.

use serde::{Deserialize, Serialize};

use super::class::NonFinite;
use super::compare::Form;
use super::found::Seen;
use super::pass::{By, Described, describe};
use crate::tensor::dtype::DType;
use crate::tensor::json::{ElementType, MaybeFloat, nullable};
use crate::tensor::source::Source;
use crate::tensor::tensor::{Tensor, Value};

/// The numbers that describe one tensor. Statistics are over its finite elements that no mask leaves out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
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
    let described = describe(tensor, mask, By::best()).expect("a tensor has its elements in memory");
    Summary::new(tensor, described)
}

impl Summary {
    /// Of a tensor of which no element was read.
    pub(super) fn of_form(Form { dtype, shape }: Form<'_>) -> Summary {
        Summary {
            shape: shape.to_vec(),
            dtype,
            elements: 0,
            left_out: 0,
            non_finite: NonFinite::default(),
            min: None,
            max: None,
            mean: None,
            std: None,
            l2: None,
        }
    }

    /// Makes of a summary that was read the one that was written.
    #[cfg(feature = "harness")]
    pub(crate) fn restore(&mut self) -> Result<(), String> {
        let of = ElementType::of_summary(self.dtype);
        [&mut self.min, &mut self.max].into_iter().flatten().try_for_each(|extreme| of.restore(extreme))
    }

    /// Whether no element was read: the structure said enough.
    #[cfg(feature = "harness")]
    pub(crate) fn is_unread(&self) -> bool {
        self.elements + self.left_out != self.shape.iter().product::<usize>() as u64
    }

    /// What was measured of a source, as a reader wants it.
    pub(crate) fn new(source: &dyn Source, described: Described) -> Summary {
        let Described { elements, seen: Seen { non_finite, ends }, moments } = described;
        let len = source.shape().iter().product::<usize>() as u64;
        Summary {
            shape: source.shape().to_vec(),
            dtype: source.dtype(),
            elements,
            left_out: len - elements,
            non_finite,
            min: ends.map(|[smallest, _]| smallest),
            max: ends.map(|[_, largest]| largest),
            mean: moments.map(|moments| moments.mean()),
            std: moments.map(|moments| moments.std()),
            l2: moments.map(|moments| moments.l2()),
        }
    }
}
