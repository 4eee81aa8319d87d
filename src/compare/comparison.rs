//! What "close" means, and everything that is measured besides.

use serde::{Deserialize, Serialize};

use super::found::{Found, Peak, Spot};
use super::measure::{Measured, measure};
use super::rules::{Pair, Rules, Tolerance};
use super::scaled::Scaled;
use super::summary::NonFinite;
use super::vacuous::Vacuous;
use crate::tensor::tensor::index;
use crate::tensor::value::{Float, MaybeFloat, Types, nullable};
use crate::tensor::{DType, Kind, Source, Value};

/// A largest difference, and where it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Extreme {
    /// The difference, in the unit of the quantity that it is the largest of.
    #[serde(with = "Float")]
    pub value: f64,
    /// Its index, one number an axis; the first in C order where several are equal.
    pub index: Vec<usize>,
    /// The element of the actual tensor there.
    pub actual: Value,
    /// The element of the reference there.
    pub reference: Value,
}

/// Everything that is measured between two tensors of one shape.
///
/// Differences, means and shares are over the *numbers*: the elements of which both sides are finite. Complex numbers differ
/// by the modulus of their difference, and count as vectors of two components where vectors are meant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Comparison {
    /// What the elements in it are; `None` where there is none.
    #[serde(deserialize_with = "nullable")]
    pub(crate) types: Option<Types>,
    /// Elements compared, finite or not.
    pub elements: u64,
    /// Elements that a `where` left out.
    pub left_out: u64,
    /// Elements that are not equal (-0 equals 0; NaN equals NaN only by rule).
    pub differing: u64,
    /// Elements outside the tolerance, those of `non_finite_mismatches` among them.
    pub outside: u64,
    /// The index of the first number outside the tolerance; `None` where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_outside: Option<Vec<usize>>,
    /// Elements where one side at least is not finite and the two do not match.
    pub non_finite_mismatches: u64,
    /// The first such place; its difference is an infinity.
    #[serde(deserialize_with = "nullable")]
    pub first_non_finite_mismatch: Option<Extreme>,
    /// The largest absolute difference; `None` where there are no numbers, an infinity where the difference overflows.
    #[serde(deserialize_with = "nullable")]
    pub max_abs_diff: Option<Extreme>,
    /// The largest relative difference, `|actual - reference| / |reference|` where the reference is not 0.
    #[serde(deserialize_with = "nullable")]
    pub max_rel_diff: Option<Extreme>,
    /// The largest difference in units in the last place, for real floats of one dtype: see
    /// [`ulp_distance`](super::ulp_distance).
    #[serde(deserialize_with = "nullable")]
    pub max_ulp_diff: Option<Extreme>,
    /// The number that uses most of its tolerance, and the share that it uses.
    #[serde(deserialize_with = "nullable")]
    pub worst: Option<Extreme>,
    /// Numbers with a reference of 0, which have no relative difference.
    pub zero_references: u64,
    /// The mean of the absolute differences.
    #[serde(with = "MaybeFloat")]
    pub mean_abs_diff: Option<f64>,
    /// The root of the mean squared difference.
    #[serde(with = "MaybeFloat")]
    pub rmse: Option<f64>,
    /// `rmse` over the root mean square of the reference, which is `norm(actual - reference) / norm(reference)`; `None`
    /// where the reference is 0 throughout.
    #[serde(with = "MaybeFloat")]
    pub rel_rms: Option<f64>,
    /// The mean of `actual - reference` (complex: its modulus).
    #[serde(with = "MaybeFloat")]
    pub bias: Option<f64>,
    /// The real factor that maps the reference closest onto the actual, by least squares:
    /// `dot(actual, reference) / dot(reference, reference)`. `None` where the reference is 0 throughout.
    #[serde(with = "MaybeFloat")]
    pub scale: Option<f64>,
    /// The cosine of the angle between the two as vectors,
    /// `dot(actual, reference) / (norm(actual) * norm(reference))`; `None` where one is 0.
    #[serde(with = "MaybeFloat")]
    pub cosine: Option<f64>,
    /// The largest share of the tolerance that an element uses, `|actual - reference| / (atol + rtol * |reference|)`: at
    /// most 1 within it; 0 where both are 0; an infinity where nothing may differ and something does, and where an element
    /// is not finite and does not match.
    #[serde(with = "Float")]
    pub tolerance_used: f64,
    /// The smallest atol that would have passed at this rtol with these outliers, exactly: the next smaller `f64` would not
    /// have. `None` where none would.
    #[serde(with = "MaybeFloat")]
    pub smallest_atol: Option<f64>,
    /// Of the actual tensor.
    pub actual_non_finite: NonFinite,
    /// Of the reference.
    pub reference_non_finite: NonFinite,
    /// What else would have passed, where this did: see [`vacuous`](super::vacuous()).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vacuous: Option<Vacuous>,
    /// Why it is not close, in the order in which to read it; empty where it is.
    pub mismatches: Vec<Mismatch>,
}

/// One way in which an actual tensor is not its reference, structure before values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mismatch {
    /// The dtypes differ, and the case declares no cast, or another.
    Dtype {
        /// Of the actual tensor.
        actual: DType,
        /// What it should be.
        required: DType,
    },
    /// The shapes differ.
    Shape {
        /// Of the actual tensor.
        actual: Vec<usize>,
        /// Of the reference.
        reference: Vec<usize>,
    },
    /// The mask of the case is not a boolean tensor of the reference's shape.
    Mask {
        /// Of the mask.
        dtype: DType,
        /// Of the mask.
        shape: Vec<usize>,
        /// Of the reference.
        reference: Vec<usize>,
    },
    /// There is nothing to compare: the tensor is empty, or its mask leaves everything out.
    Empty,
    /// NaN, or an infinity, where the other side has something else.
    NonFinite {
        /// At how many elements.
        count: u64,
    },
    /// Numbers outside the tolerance, more than the outliers allowed.
    Outside {
        /// How many, without those that are not finite.
        count: u64,
    },
    /// The largest ULP difference is more than the case allows.
    Ulps {
        /// What it is.
        ulps: u64,
        /// What is allowed.
        allowed: u64,
    },
    /// The case limits the ULP difference, but these have none: they are no real floats of one dtype.
    NoUlps {
        /// Of the actual tensor.
        actual: DType,
        /// Of the reference.
        reference: DType,
    },
    /// The RMSE as a share of the reference's RMS is more than the case allows.
    RelRms {
        /// What it is; an infinity where the reference is 0 throughout and the actual is not.
        #[serde(with = "Float")]
        rel_rms: f64,
        /// What is allowed.
        #[serde(with = "Float")]
        allowed: f64,
    },
}

impl Comparison {
    /// Whether nothing is outside the rules.
    #[must_use]
    pub fn is_close(&self) -> bool {
        self.mismatches.is_empty()
    }

    /// Makes of a comparison that was read the one that was written.
    #[cfg(feature = "harness")]
    pub(crate) fn restore(&mut self) -> Result<(), String> {
        let places = [
            &mut self.first_non_finite_mismatch,
            &mut self.max_abs_diff,
            &mut self.max_rel_diff,
            &mut self.max_ulp_diff,
            &mut self.worst,
        ];
        let pairs = places.into_iter().flatten().map(|place| (&mut place.actual, &mut place.reference));
        Types::restore(self.types, "comparison", pairs)
    }
}

/// Measures the pair and judges it by the rules.
///
/// Structure comes before values, and what is not finite before numbers. All sums have the same bits for every number of
/// threads.
///
/// # The dtypes are equal, unless a cast is declared
///
/// ```
/// # use karat::{DType, Tensor, Tolerance, Mismatch, Pair, Rules, compare};
/// let actual = Tensor::new(&[2], vec![1.0f32, 2.0])?;
/// let reference = Tensor::new(&[2], vec![1.0f64, 2.0])?;
/// let pair = Pair::new(&actual, &reference);
/// let rules = Rules::new(Tolerance::EXACT);
///
/// assert_eq!(compare(pair, &rules), Err(Mismatch::Dtype { actual: DType::F32, required: DType::F64 }));
/// assert!(compare(pair, &rules.with_cast(DType::F32)).unwrap().is_close());
///
/// // A declared cast is held to: the actual tensor must have that dtype.
/// let rules = rules.with_cast(DType::F16);
/// assert_eq!(compare(pair, &rules), Err(Mismatch::Dtype { actual: DType::F32, required: DType::F16 }));
/// # Ok::<(), karat::Error>(())
/// ```
///
/// # The shapes are equal: no broadcasting, no truncation
///
/// ```
/// # use karat::{Tensor, Tolerance, Mismatch, Pair, Rules, compare};
/// let reference = Tensor::new(&[2, 2], vec![1.0f32; 4])?;
/// for shape in [vec![4], vec![2], vec![1, 2, 2], vec![]] {
///     let actual = Tensor::new(&shape, vec![1.0f32; shape.iter().product()])?;
///     let refused = Mismatch::Shape { actual: shape, reference: vec![2, 2] };
///     assert_eq!(compare(Pair::new(&actual, &reference), &Rules::new(Tolerance::EXACT)), Err(refused));
/// }
/// # Ok::<(), karat::Error>(())
/// ```
///
/// # Nothing to compare is a mismatch, unless it is declared
///
/// ```
/// # use karat::{Tensor, Tolerance, Mismatch, Pair, Rules, compare};
/// let empty = Tensor::new(&[0, 3], Vec::<f32>::new())?;
/// let rules = Rules::new(Tolerance::EXACT);
/// assert_eq!(compare(Pair::new(&empty, &empty), &rules), Err(Mismatch::Empty));
/// assert!(compare(Pair::new(&empty, &empty), &rules.with_empty()).unwrap().is_close());
///
/// // A mask that leaves everything out leaves nothing to compare.
/// let (tensor, mask) = (Tensor::new(&[2], vec![1.0f32; 2])?, Tensor::new(&[2], vec![false; 2])?);
/// assert_eq!(compare(Pair::new(&tensor, &tensor).within(&mask), &rules), Err(Mismatch::Empty));
/// # Ok::<(), karat::Error>(())
/// ```
///
/// # NaN matches NaN only by rule, an infinity only the infinity of the same sign
///
/// ```
/// # use karat::{Tensor, Tolerance, Mismatch, NanRule, Pair, Rules, compare};
/// let is_close = |actual: f32, reference: f32, nan| {
///     let actual = Tensor::new(&[1], vec![actual]).unwrap();
///     let reference = Tensor::new(&[1], vec![reference]).unwrap();
///     let anything = Tolerance::new(f64::MAX, f64::MAX).unwrap();
///     compare(Pair::new(&actual, &reference), &Rules::new(anything).with_nan(nan)).unwrap().is_close()
/// };
/// use NanRule::{Match, Mismatch as Differ};
///
/// assert!(!is_close(f32::NAN, f32::NAN, Differ));
/// assert!(is_close(f32::NAN, f32::NAN, Match));
/// assert!(!is_close(f32::NAN, 1.0, Match));
/// assert!(!is_close(1.0, f32::NAN, Match));
///
/// assert!(is_close(f32::INFINITY, f32::INFINITY, Differ));
/// assert!(!is_close(f32::INFINITY, f32::NEG_INFINITY, Differ));
/// assert!(!is_close(f32::INFINITY, f32::MAX, Differ));
/// assert!(!is_close(1.0, f32::INFINITY, Differ)); // although 1 <= rtol * infinity
/// assert!(!is_close(f32::NAN, f32::INFINITY, Match));
///
/// assert!(is_close(0.0, -0.0, Differ));
/// ```
///
/// A complex number of which a component is NaN or infinite is compared component by component: NaN with NaN by rule, all
/// else equal.
///
/// # `|actual - reference| <= atol + rtol * |reference|`
///
/// The formula of [`numpy.isclose`] and [`torch.testing.assert_close`], the golden on the right.
///
/// ```
/// # use karat::{Tensor, Tolerance, Element, Pair, Rules, compare};
/// fn is_close<T: Element>(actual: T, reference: T, atol: f64, rtol: f64) -> bool {
///     let actual = Tensor::new(&[1], vec![actual]).unwrap();
///     let reference = Tensor::new(&[1], vec![reference]).unwrap();
///     let tolerance = Tolerance::new(atol, rtol).unwrap();
///     compare(Pair::new(&actual, &reference), &Rules::new(tolerance)).unwrap().is_close()
/// }
///
/// assert!(is_close(1.5, 1.0, 0.5, 0.0)); // up to the tolerance, and with it
/// assert!(!is_close(1.5f64.next_up(), 1.0, 0.5, 0.0));
/// assert!(is_close(10.0, 11.0, 0.0, 0.1)); // a tenth of 11 is more than 1 ..
/// assert!(!is_close(11.0, 10.0, 0.0, 0.0999)); // .. and of 10 not quite
///
/// // Nothing is cast down: these two differ, by less than an f32 can tell.
/// assert!(!is_close(1.0f64, 1.0 + 1e-12, 1e-13, 0.0));
///
/// // Integers are exact, also those that no f64 can hold.
/// assert!(!is_close(i64::MAX, i64::MAX - 1, 0.0, 0.0));
/// assert!(is_close(u64::MAX, u64::MAX - 1, 1.0, 0.0));
/// assert!(!is_close(i64::MIN, i64::MAX, 1.8e19, 0.0));
/// assert!(!is_close(true, false, 0.5, 0.0));
///
/// // Complex numbers differ by the modulus of their difference.
/// use num_complex::Complex;
/// assert!(is_close(Complex::new(3.0, 4.0), Complex::new(0.0, 0.0), 5.0, 0.0));
/// assert!(!is_close(Complex::new(3.0, 4.0), Complex::new(0.0, 0.0), 4.9, 0.0));
///
/// // A difference that no f64 can hold is outside, whatever the tolerance.
/// assert!(!is_close(f64::MAX, f64::MIN, f64::MAX, 2.0));
/// ```
///
/// # No element may be outside, unless outliers are allowed, by count
///
/// ```
/// # use karat::{Tensor, Tolerance, Mismatch, Pair, Rules, compare};
/// let actual = Tensor::new(&[4], vec![1.0f32, 2.5, 3.0, 4.5])?;
/// let reference = Tensor::new(&[4], vec![1.0f32, 2.0, 3.0, 4.0])?;
/// let compare = |tolerance| compare(Pair::new(&actual, &reference), &Rules::new(tolerance)).unwrap();
/// let tolerance = Tolerance::new(0.1, 0.0)?;
///
/// assert_eq!(compare(tolerance).mismatches, [Mismatch::Outside { count: 2 }]);
/// assert!(!compare(tolerance.with_outliers(1)).is_close());
/// assert_eq!(compare(tolerance).first_outside, Some(vec![1]));
/// assert!(compare(tolerance.with_outliers(2)).is_close());
/// assert_eq!(compare(tolerance.with_outliers(2)).outside, 2); // counted all the same
///
/// // A NaN out of place is never an outlier.
/// let actual = Tensor::new(&[1], vec![f32::NAN])?;
/// let reference = Tensor::new(&[1], vec![1.0f32])?;
/// let rules = Rules::new(tolerance.with_outliers(1));
/// let comparison = karat::compare(Pair::new(&actual, &reference), &rules).unwrap();
/// assert_eq!(comparison.mismatches, [Mismatch::NonFinite { count: 1 }]);
/// # Ok::<(), karat::Error>(())
/// ```
///
/// # Similarity replaces nothing, but a case may ask for more
///
/// ```
/// # use karat::{Tensor, Tolerance, Mismatch, Pair, Rules, compare};
/// let reference = Tensor::new(&[3], vec![1.0f32, 2.0, 3.0])?;
/// let doubled = Tensor::new(&[3], vec![2.0f32, 4.0, 6.0])?;
/// let comparison = compare(Pair::new(&doubled, &reference), &Rules::new(Tolerance::EXACT)).unwrap();
/// assert_eq!(comparison.cosine, Some(1.0)); // sees nothing
/// assert_eq!((comparison.scale, comparison.bias, comparison.rel_rms), (Some(2.0), Some(2.0), Some(1.0)));
/// assert!(!comparison.is_close());
///
/// // Within the tolerance, but not within what is asked besides.
/// let wide = Tolerance::new(10.0, 0.0)?;
/// let judge = |tolerance| compare(Pair::new(&doubled, &reference), &Rules::new(tolerance)).unwrap().mismatches;
/// assert_eq!(judge(wide), []);
/// assert_eq!(judge(wide.with_max_ulps(4)), [Mismatch::Ulps { ulps: 1 << 23, allowed: 4 }]);
/// assert_eq!(judge(wide.with_max_rel_rms(0.5)?), [Mismatch::RelRms { rel_rms: 1.0, allowed: 0.5 }]);
///
/// // The tolerance that would have done is exact.
/// assert_eq!(comparison.smallest_atol, Some(3.0));
/// assert_eq!(judge(Tolerance::new(3.0, 0.0)?), []);
/// # Ok::<(), karat::Error>(())
/// ```
///
/// # Errors
///
/// The structural [`Mismatch`] that makes the values incomparable: dtype, shape, mask, or nothing to compare.
///
/// [`numpy.isclose`]: https://numpy.org/doc/stable/reference/generated/numpy.isclose.html
/// [`torch.testing.assert_close`]: https://docs.pytorch.org/docs/stable/testing.html#torch.testing.assert_close
pub fn compare(pair: Pair<'_>, rules: &Rules) -> Result<Comparison, Mismatch> {
    let Pair { actual, reference, mask } = pair;
    let measured = measure(actual, reference, mask, rules, 0).expect("a tensor has its elements in memory");
    measured.comparison
}

/// What is known of a tensor before its elements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form<'a> {
    pub(crate) dtype: DType,
    pub(crate) shape: &'a [usize],
}

impl<'a> Form<'a> {
    pub(crate) fn of(source: &'a dyn Source) -> Form<'a> {
        Form { dtype: source.dtype(), shape: source.shape() }
    }

    /// The number of elements.
    pub(crate) fn len(self) -> usize {
        self.shape.iter().product()
    }

    /// How many bytes the elements take.
    pub(crate) fn bytes(self) -> usize {
        self.len().saturating_mul(self.dtype.size())
    }
}

/// Whether there are two tensors of which the values can be compared.
pub(crate) fn check_structure(
    actual: Form<'_>,
    reference: Form<'_>,
    mask: Option<Form<'_>>,
    rules: &Rules,
) -> Result<(), Mismatch> {
    let required = rules.cast.unwrap_or(reference.dtype);
    if actual.dtype != required {
        return Err(Mismatch::Dtype { actual: actual.dtype, required });
    }
    let shape = reference.shape.to_vec();
    if actual.shape != shape {
        return Err(Mismatch::Shape { actual: actual.shape.to_vec(), reference: shape });
    }
    match mask {
        Some(mask) if mask.dtype != DType::Bool || mask.shape != shape => {
            Err(Mismatch::Mask { dtype: mask.dtype, shape: mask.shape.to_vec(), reference: shape })
        }
        _ => Ok(()),
    }
}

/// What was measured of a pair, judged by the rules.
pub(crate) fn judge(
    actual: &dyn Source,
    reference: &dyn Source,
    rules: &Rules,
    measured: Measured,
) -> Result<Comparison, Mismatch> {
    if measured.found.elements == 0 && !rules.empty {
        return Err(Mismatch::Empty);
    }
    let (actual, dtype, shape) = (actual.dtype(), reference.dtype(), reference.shape());
    let ulps = match actual == dtype && dtype.kind() == Kind::Float {
        true => Ok(measured.found.ulps.map(|peak| peak.value)),
        false => Err(Mismatch::NoUlps { actual, reference: dtype }),
    };
    let vacuous = measured.found.slack.found(rules, dtype, Form { dtype, shape }.len() as u64);
    let figures = describe(shape, measured);
    let mismatches = object(&figures, ulps, &rules.tolerance);
    Ok(Comparison { vacuous: vacuous.filter(|_| mismatches.is_empty()), mismatches, ..figures })
}

impl Comparison {
    /// Refuses a comparison whose counts are impossible, or that is said to be close and is not, in words: for one that was read.
    pub(crate) fn check(&self, tolerance: &Tolerance) -> Result<(), String> {
        let non_finite = self.actual_non_finite.total().max(self.reference_non_finite.total());
        let are_possible = self.non_finite_mismatches <= self.outside
            && self.outside <= self.differing
            && self.differing.max(self.zero_references).max(non_finite) <= self.elements;
        if !are_possible {
            return Err("its comparison has counts that exclude each other".to_owned());
        }
        let ulps = self.max_ulp_diff.as_ref().map(|extreme| extreme.value as u64);
        if self.is_close() && !object(self, Ok(ulps), tolerance).is_empty() {
            return Err("its comparison is said to be close, and is not".to_owned());
        }
        Ok(())
    }
}

/// Everything that a tolerance objects to in figures, of which the ULP difference is not exact: `ulps` is, or is a mismatch where a limit
/// of it has no meaning.
pub(crate) fn object(
    figures: &Comparison,
    ulps: Result<Option<u64>, Mismatch>,
    tolerance: &Tolerance,
) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    if figures.non_finite_mismatches > 0 {
        mismatches.push(Mismatch::NonFinite { count: figures.non_finite_mismatches });
    }
    let outside = figures.outside - figures.non_finite_mismatches;
    if outside > tolerance.outliers {
        mismatches.push(Mismatch::Outside { count: outside });
    }
    if let Some(allowed) = tolerance.max_ulps {
        match ulps {
            Err(no_ulps) => mismatches.push(no_ulps),
            Ok(Some(ulps)) if ulps > allowed => mismatches.push(Mismatch::Ulps { ulps, allowed }),
            Ok(_) => {}
        }
    }
    if let Some(allowed) = tolerance.max_rel_rms {
        let differs = figures.max_abs_diff.as_ref().is_some_and(|largest| largest.value > 0.0);
        let rel_rms = figures.rel_rms.unwrap_or(if differs { f64::INFINITY } else { 0.0 });
        // Should either be NaN, it is no pass.
        let is_within = rel_rms <= allowed;
        if !is_within {
            mismatches.push(Mismatch::RelRms { rel_rms, allowed });
        }
    }
    mismatches
}

/// What was measured, as a reader wants it.
fn describe(shape: &[usize], measured: Measured) -> Comparison {
    let Measured { found, tally } = measured;
    let extreme = |value: f64, spot: Spot| Extreme {
        value,
        index: index(shape, spot.position),
        actual: spot.actual,
        reference: spot.reference,
    };
    let at = |peak: Option<Peak<f64>>| peak.map(|peak| extreme(peak.value, peak.spot));
    let sums = tally.sums;
    let mean = |sum: Scaled| (found.numbers > 0).then(|| (sum / found.numbers).to_f64());
    let Found { elements, left_out, differing, non_finite_mismatches, zero_references, .. } = found;
    let first = found.first_non_finite_mismatch.or(found.distance.map(|peak| peak.spot));
    Comparison {
        types: first.map(|spot| Types::of(spot.actual, spot.reference)),
        elements,
        left_out,
        differing,
        outside: found.numbers_outside + non_finite_mismatches,
        first_outside: found.first_outside.map(|position| index(shape, position)),
        non_finite_mismatches,
        first_non_finite_mismatch: found.first_non_finite_mismatch.map(|spot| extreme(f64::INFINITY, spot)),
        max_abs_diff: at(found.distance),
        max_rel_diff: at(found.relative),
        max_ulp_diff: found.ulps.map(|peak| extreme(peak.value as f64, peak.spot)),
        worst: at(found.share),
        zero_references,
        mean_abs_diff: mean(sums.distance),
        rmse: (found.numbers > 0).then(|| (sums.squared_distance / found.numbers).sqrt().to_f64()),
        rel_rms: sums.rel_rms(),
        bias: mean(sums.difference()),
        scale: sums.scale(),
        cosine: sums.cosine(),
        tolerance_used: match non_finite_mismatches {
            0 => found.share.map_or(0.0, |peak| peak.value),
            _ => f64::INFINITY,
        },
        smallest_atol: found.excess.smallest_atol().filter(|_| non_finite_mismatches == 0),
        actual_non_finite: found.actual.non_finite,
        reference_non_finite: found.reference.non_finite,
        vacuous: None,
        mismatches: Vec::new(),
    }
}
