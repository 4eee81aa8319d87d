//! Measuring a pair of tensors in one parallel pass, and judging the result by the rules.

use std::ptr;

use super::blocks::{BLOCK, Branch, fold};
use super::comparison::{Comparison, Extreme, Form, Mismatch, Summary, check_structure};
use super::findings::{Block, Findings, Peak, SideFindings, Spot, Tally};
use super::kernel::Kernel;
use super::moments::Moments;
use super::rules::{Pair, Rules, Tolerance};
use super::scaling::ScaledFloat;
use super::vacuous::VacuousCheck;
use super::vector::Buffers;
use super::{scalar, vector};
use crate::error::Result;
use crate::tensor::tensor::index;
use crate::tensor::value::Types;
use crate::tensor::{Buffer, DType, Kind, Source, Tensor};

/// The maximum number of bytes of elements that are read if the structure already differs.
#[cfg(feature = "harness")]
pub(crate) const LARGE: usize = 64 << 20;

/// The number of bytes of one side that a thread reads at a time. With more, the bytes would leave the cache before they are
/// measured.
const READ_SIZE: usize = 64 << 10;

/// A comparison, and the summary of each side.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Measurement {
    /// The comparison, or why the two cannot be compared.
    pub comparison: Result<Comparison, Mismatch>,
    /// The summary of the actual tensor.
    pub actual: Summary,
    /// The summary of the reference.
    pub reference: Summary,
}

/// The result of a pass over a pair.
struct PassResult {
    findings: Findings,
    vacuous: VacuousCheck,
    tally: Tally,
}

/// Compares two tensors by the rules.
///
/// The structure is checked before values, and non-finite values before numbers. All sums have the same bits for every number of
/// threads.
///
/// # The dtypes must be equal, unless a cast is declared
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
/// // With a declared cast, the actual tensor must have exactly that dtype.
/// let rules = rules.with_cast(DType::F16);
/// assert_eq!(compare(pair, &rules), Err(Mismatch::Dtype { actual: DType::F32, required: DType::F16 }));
/// # Ok::<(), karat::Error>(())
/// ```
///
/// # The shapes must be equal: no broadcasting, no truncation
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
/// # An empty comparison is a mismatch, unless it is declared
///
/// ```
/// # use karat::{Tensor, Tolerance, Mismatch, Pair, Rules, compare};
/// let empty = Tensor::new(&[0, 3], Vec::<f32>::new())?;
/// let rules = Rules::new(Tolerance::EXACT);
/// assert_eq!(compare(Pair::new(&empty, &empty), &rules), Err(Mismatch::Empty));
/// assert!(compare(Pair::new(&empty, &empty), &rules.with_empty()).unwrap().is_close());
///
/// // A mask that excludes every element makes the comparison empty.
/// let (tensor, mask) = (Tensor::new(&[2], vec![1.0f32; 2])?, Tensor::new(&[2], vec![false; 2])?);
/// assert_eq!(compare(Pair::new(&tensor, &tensor).within(&mask), &rules), Err(Mismatch::Empty));
/// # Ok::<(), karat::Error>(())
/// ```
///
/// # NaN matches NaN only if the rules say so, an infinity only the infinity of the same sign
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
/// A complex number with a NaN or infinite component is compared component by component: NaN matches NaN by the rule, other
/// components must be equal.
///
/// # `|actual - reference| <= atol + rtol * |reference|`
///
/// The formula of [`numpy.isclose`] and [`torch.testing.assert_close`], with the golden as the reference.
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
/// assert!(is_close(1.5, 1.0, 0.5, 0.0)); // the bound is included
/// assert!(!is_close(1.5f64.next_up(), 1.0, 0.5, 0.0));
/// assert!(is_close(10.0, 11.0, 0.0, 0.1)); // a tenth of 11 is more than 1 ..
/// assert!(!is_close(11.0, 10.0, 0.0, 0.0999)); // .. and of 10 not quite
///
/// // Nothing is cast to a narrower type: an f32 could not represent this difference.
/// assert!(!is_close(1.0f64, 1.0 + 1e-12, 1e-13, 0.0));
///
/// // Integers are compared exactly, even those that f64 cannot represent.
/// assert!(!is_close(i64::MAX, i64::MAX - 1, 0.0, 0.0));
/// assert!(is_close(u64::MAX, u64::MAX - 1, 1.0, 0.0));
/// assert!(!is_close(i64::MIN, i64::MAX, 1.8e19, 0.0));
/// assert!(!is_close(true, false, 0.5, 0.0));
///
/// // The difference of complex numbers is the modulus.
/// use num_complex::Complex;
/// assert!(is_close(Complex::new(3.0, 4.0), Complex::new(0.0, 0.0), 5.0, 0.0));
/// assert!(!is_close(Complex::new(3.0, 4.0), Complex::new(0.0, 0.0), 4.9, 0.0));
///
/// // A difference that overflows f64 is outside, whatever the tolerance.
/// assert!(!is_close(f64::MAX, f64::MIN, f64::MAX, 2.0));
/// ```
///
/// # Every element must be within the tolerance, except for an allowed number of outliers
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
/// assert_eq!(compare(tolerance.with_outliers(2)).outside, 2); // still counted
///
/// // A NaN mismatch is never an outlier.
/// let actual = Tensor::new(&[1], vec![f32::NAN])?;
/// let reference = Tensor::new(&[1], vec![1.0f32])?;
/// let rules = Rules::new(tolerance.with_outliers(1));
/// let comparison = karat::compare(Pair::new(&actual, &reference), &rules).unwrap();
/// assert_eq!(comparison.mismatches, [Mismatch::NonFinite { count: 1 }]);
/// # Ok::<(), karat::Error>(())
/// ```
///
/// # Measures of similarity are reported, and further limits can be set
///
/// ```
/// # use karat::{Tensor, Tolerance, Mismatch, Pair, Rules, compare};
/// let reference = Tensor::new(&[3], vec![1.0f32, 2.0, 3.0])?;
/// let doubled = Tensor::new(&[3], vec![2.0f32, 4.0, 6.0])?;
/// let comparison = compare(Pair::new(&doubled, &reference), &Rules::new(Tolerance::EXACT)).unwrap();
/// assert_eq!(comparison.cosine, Some(1.0)); // does not see the difference
/// assert_eq!((comparison.scale, comparison.bias, comparison.rel_rms), (Some(2.0), Some(2.0), Some(1.0)));
/// assert!(!comparison.is_close());
///
/// // Within the tolerance, but not within the additional limits.
/// let wide = Tolerance::new(10.0, 0.0)?;
/// let judge = |tolerance| compare(Pair::new(&doubled, &reference), &Rules::new(tolerance)).unwrap().mismatches;
/// assert_eq!(judge(wide), []);
/// assert_eq!(judge(wide.with_max_ulps(4)), [Mismatch::Ulps { ulps: 1 << 23, allowed: 4 }]);
/// assert_eq!(judge(wide.with_max_rel_rms(0.5)?), [Mismatch::RelRms { rel_rms: 1.0, allowed: 0.5 }]);
///
/// // The smallest atol that would have passed is exact.
/// assert_eq!(comparison.smallest_atol, Some(3.0));
/// assert_eq!(judge(Tolerance::new(3.0, 0.0)?), []);
/// # Ok::<(), karat::Error>(())
/// ```
///
/// # Errors
///
/// The structural [`Mismatch`] that prevents a comparison of values: dtype, shape, mask, or nothing to compare.
///
/// [`numpy.isclose`]: https://numpy.org/doc/stable/reference/generated/numpy.isclose.html
/// [`torch.testing.assert_close`]: https://docs.pytorch.org/docs/stable/testing.html#torch.testing.assert_close
pub fn compare(pair: Pair<'_>, rules: &Rules) -> Result<Comparison, Mismatch> {
    let Pair { actual, reference, mask } = pair;
    measure(actual, reference, mask, rules, 0).expect("the elements are in memory").comparison
}

/// Summarises a tensor, or the elements where `mask` is true.
///
/// Statistics are calculated in `f64` (deviations and extremes of integers exactly), and have the same bits for every number of
/// threads.
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
/// // A large offset does not hide the deviation, and squares do not overflow.
/// let tensor = Tensor::new(&[3], vec![100_000_000f32, 100_000_008.0, 100_000_016.0])?;
/// assert_eq!(summarize(&tensor, None).std, Some((128f64 / 3.0).sqrt()));
/// let tensor = Tensor::new(&[2], vec![3e300, 4e300])?;
/// assert_eq!(summarize(&tensor, None).l2, Some(5e300));
///
/// // Without finite elements there is no mean.
/// assert_eq!(summarize(&Tensor::new(&[0], Vec::<f32>::new())?, None).mean, None);
/// # Ok::<(), karat::Error>(())
/// ```
///
/// # Panics
///
/// If the mask is not boolean, or has a different shape.
#[must_use]
pub fn summarize(tensor: &Tensor, mask: Option<&Tensor>) -> Summary {
    if let Some(mask) = mask {
        assert_eq!(mask.shape(), tensor.shape(), "the mask must have the shape of the tensor");
        assert_eq!(mask.dtype(), DType::Bool, "the mask must be boolean");
    }
    summarize_source(tensor, mask, Some(Kernel::best())).expect("the elements are in memory")
}

/// Compares two sources by the rules and summarizes both, in one pass: combines [`compare`](super::compare()) with
/// [`summarize`](super::summarize()) of each side.
///
/// If the sources cannot be compared, those of more than `limit` bytes are not read and have a summary of 0 elements, and a mask of
/// the wrong shape is ignored.
///
/// # Errors
///
/// The errors of the sources.
#[doc(hidden)]
pub fn measure(
    actual: &dyn Source,
    reference: &dyn Source,
    mask: Option<&Tensor>,
    rules: &Rules,
    limit: usize,
) -> Result<Measurement> {
    measure_by([actual, reference], mask, rules, limit, Some(Kernel::best()))
}

/// Like [`measure`], but with the loops of a given kernel where possible, or with `scalar.rs` only. Tests compare the two.
pub(super) fn measure_by(
    sides: [&dyn Source; 2],
    mask: Option<&Tensor>,
    rules: &Rules,
    limit: usize,
    kernel: Option<Kernel>,
) -> Result<Measurement> {
    let [actual, reference] = sides;
    if let Err(mismatch) =
        check_structure(Form::of(actual), Form::of(reference), mask.map(|mask| Form::of(mask)), rules)
    {
        let summary = |source| match Form::of(source).bytes() > limit {
            true => Ok(Summary { left_out: 0, ..summary(source, 0, SideFindings::default(), None) }),
            false => summarize_source(source, None, kernel),
        };
        return Ok(Measurement { comparison: Err(mismatch), actual: summary(actual)?, reference: summary(reference)? });
    }
    let result = pass(sides, mask, rules, kernel)?;
    let PassResult { findings, tally, .. } = &result;
    Ok(Measurement {
        actual: summary(actual, findings.elements, findings.actual, tally.actual),
        reference: summary(reference, findings.elements, findings.reference, tally.reference),
        comparison: judge(sides, rules, result),
    })
}

/// Summarizes one source, by comparing it with itself.
pub(super) fn summarize_source(source: &dyn Source, mask: Option<&Tensor>, kernel: Option<Kernel>) -> Result<Summary> {
    let PassResult { findings, tally, .. } = pass([source; 2], mask, &Rules::new(Tolerance::EXACT), kernel)?;
    Ok(summary(source, findings.elements, findings.actual, tally.actual))
}

fn summary(source: &dyn Source, elements: u64, findings: SideFindings, moments: Option<Moments>) -> Summary {
    Summary {
        shape: source.shape().to_vec(),
        dtype: source.dtype(),
        elements,
        left_out: Form::of(source).len() as u64 - elements,
        non_finite: findings.non_finite,
        min: findings.extremes.map(|[smallest, _]| smallest),
        max: findings.extremes.map(|[_, largest]| largest),
        mean: moments.map(|moments| moments.mean()),
        std: moments.map(|moments| moments.std()),
        l2: moments.map(|moments| moments.l2()),
    }
}

/// Measures a pair of the same shape, with a mask of that shape.
fn pass(sides: [&dyn Source; 2], mask: Option<&Tensor>, rules: &Rules, kernel: Option<Kernel>) -> Result<PassResult> {
    let mask = mask.and_then(Tensor::as_slice::<bool>);
    // Errors that concern a whole file are found here, before the threads start.
    sides.iter().try_for_each(|side| side.read(0..0, &mut Buffer::default()).map(drop))?;
    let size = sides.map(|side| side.dtype().size()).into_iter().max().unwrap_or(1);
    let measure = |branch: &Branch| {
        let (mut findings, mut vacuous) = (Findings::new(rules), VacuousCheck::default());
        let mut kernel_buffers = Buffers::default();
        let mut buffers = [Buffer::default(), Buffer::default()];
        let mut piece = |piece: &Branch| {
            let range = piece.elements();
            let [actual_buffer, buffer] = &mut buffers;
            let reference = sides[1].read(range.clone(), buffer)?;
            let actual = match ptr::addr_eq(sides[0], sides[1]) {
                true => reference,
                false => sides[0].read(range.clone(), actual_buffer)?,
            };
            let elements = Block { actual, reference, mask: mask.map(|mask| &mask[range.clone()]), start: range.start };
            let mut block = |block: &Branch| {
                let block = elements.part(block.elements().start - range.start, block.elements().end - range.start);
                vacuous.add(&block, block.actual.dtype(), rules);
                let by_kernel =
                    |kernel| vector::measure_block(kernel, &block, rules, &mut kernel_buffers, &mut findings);
                let tally = kernel.and_then(by_kernel);
                tally.unwrap_or_else(|| scalar::measure_block(&block, rules, &mut findings))
            };
            Ok(piece.fold(1, &mut block, &Tally::join))
        };
        let blocks = (READ_SIZE / (BLOCK * size)).max(1);
        let tally: Result<Tally> = branch.fold(blocks, &mut piece, &|earlier, later| Ok(Tally::join(earlier?, later?)));
        tally.map(|tally| PassResult { findings, vacuous, tally })
    };
    fold(sides[1].shape().iter().product(), measure, |earlier, later| PassResult {
        findings: earlier.findings.join(later.findings),
        vacuous: earlier.vacuous.join(later.vacuous),
        tally: earlier.tally.join(later.tally),
    })
}

/// Judges the result of a pass by the rules.
fn judge(sides: [&dyn Source; 2], rules: &Rules, result: PassResult) -> Result<Comparison, Mismatch> {
    let PassResult { findings, vacuous, tally: Tally { sums, .. } } = result;
    if findings.elements == 0 && !rules.empty {
        return Err(Mismatch::Empty);
    }
    let ([actual, dtype], shape) = (sides.map(|side| side.dtype()), sides[1].shape());
    let Findings { elements, left_out, numbers, differing, non_finite_mismatches, zero_references, .. } = findings;
    let extreme = |value: f64, spot: Spot| {
        let Spot { position, actual, reference } = spot;
        Extreme { value, index: index(shape, position), actual, reference }
    };
    let at = |peak: Option<Peak<f64>>| peak.map(|peak| extreme(peak.value, peak.spot));
    let mean = |sum: ScaledFloat| (numbers > 0).then(|| (sum / numbers).to_f64());
    let first = findings.first_non_finite_mismatch.or(findings.distance.map(|peak| peak.spot));
    let mut comparison = Comparison {
        types: first.map(|spot| Types::of(spot.actual, spot.reference)),
        elements,
        left_out,
        differing,
        outside: findings.numbers_outside + non_finite_mismatches,
        first_outside: findings.first_outside.map(|position| index(shape, position)),
        non_finite_mismatches,
        first_non_finite_mismatch: findings.first_non_finite_mismatch.map(|spot| extreme(f64::INFINITY, spot)),
        max_abs_diff: at(findings.distance),
        max_rel_diff: at(findings.relative),
        max_ulp_diff: findings.ulps.map(|peak| extreme(peak.value as f64, peak.spot)),
        worst: at(findings.share),
        zero_references,
        mean_abs_diff: mean(sums.distance),
        rmse: (numbers > 0).then(|| (sums.squared_distance / numbers).sqrt().to_f64()),
        rel_rms: sums.rel_rms(),
        bias: mean(sums.difference()),
        scale: sums.scale(),
        cosine: sums.cosine(),
        tolerance_used: match non_finite_mismatches {
            0 => findings.share.map_or(0.0, |peak| peak.value),
            _ => f64::INFINITY,
        },
        smallest_atol: findings.required_atols.smallest_atol().filter(|_| non_finite_mismatches == 0),
        actual_non_finite: findings.actual.non_finite,
        reference_non_finite: findings.reference.non_finite,
        vacuous: None,
        mismatches: Vec::new(),
    };
    let ulps = match actual == dtype && dtype.kind() == Kind::Float {
        true => Ok(findings.ulps.map(|peak| peak.value)),
        false => Err(Mismatch::NoUlps { actual, reference: dtype }),
    };
    comparison.mismatches = comparison.find_mismatches(ulps, &rules.tolerance);
    if comparison.is_close() {
        comparison.vacuous = vacuous.result(rules, Form::of(sides[1]));
    }
    Ok(comparison)
}
