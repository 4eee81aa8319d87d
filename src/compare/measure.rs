//! Everything that is measured of a pair, in one pass over it, and judged by the rules: a branch at a time, by as many threads
//! as there are.

use std::ptr;

use super::blocks::{BLOCK, Branch, fold};
use super::comparison::{Comparison, Extreme, Form, Mismatch, Summary, check_structure};
use super::found::{Block, Found, Peak, Seen, Spot, Tally};
use super::kernel::Kernel;
use super::moments::Moments;
use super::rules::{Pair, Rules, Tolerance};
use super::scaled::Scaled;
use super::vacuous::Slack;
use super::vector::Room;
use super::{scalar, vector};
use crate::error::Result;
use crate::tensor::tensor::index;
use crate::tensor::value::Types;
use crate::tensor::{Buffer, DType, Kind, Source, Tensor};

/// How many bytes of elements are read at most where the structure is wrong already.
#[cfg(feature = "harness")]
pub(crate) const LARGE: usize = 64 << 20;

/// Bytes of one side that a thread reads in one go: with more, what was read of a file has left the cache before it is measured.
const PIECE: usize = 64 << 10;

/// A comparison, and what describes either side.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Measurement {
    /// How close the two are, or why that cannot be told.
    pub comparison: Result<Comparison, Mismatch>,
    /// Of the actual tensor.
    pub actual: Summary,
    /// Of the reference.
    pub reference: Summary,
}

/// What was measured of a pair.
struct Measured {
    found: Found,
    slack: Slack,
    tally: Tally,
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
    measure(actual, reference, mask, rules, 0).expect("a tensor has its elements in memory").comparison
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

/// Measures two sources and judges them by the rules: what [`compare`](super::compare()) and, of either side,
/// [`summarize`](super::summarize()) say, in one pass over both. A mask that does not fit masks nothing.
///
/// Where their structure forbids it, the elements of a source of more than `limit` bytes are not read, and its summary is of 0 elements.
///
/// # Errors
///
/// What the sources say.
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

/// The same by the loops of a kernel, where they can, or by `scalar.rs` alone: what the loops are tested against.
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
            true => Ok(Summary { left_out: 0, ..summary(source, 0, Seen::default(), None) }),
            false => describe(source, None, kernel),
        };
        return Ok(Measurement { comparison: Err(mismatch), actual: summary(actual)?, reference: summary(reference)? });
    }
    let measured = pass(sides, mask, rules, kernel)?;
    let Measured { found, tally, .. } = &measured;
    Ok(Measurement {
        actual: summary(actual, found.elements, found.actual, tally.actual),
        reference: summary(reference, found.elements, found.reference, tally.reference),
        comparison: judge(sides, rules, measured),
    })
}

/// Describes one tensor, where the mask of its shape is true: measured against itself.
pub(super) fn describe(source: &dyn Source, mask: Option<&Tensor>, kernel: Option<Kernel>) -> Result<Summary> {
    let Measured { found, tally, .. } = pass([source; 2], mask, &Rules::new(Tolerance::EXACT), kernel)?;
    Ok(summary(source, found.elements, found.actual, tally.actual))
}

fn summary(source: &dyn Source, elements: u64, seen: Seen, moments: Option<Moments>) -> Summary {
    Summary {
        shape: source.shape().to_vec(),
        dtype: source.dtype(),
        elements,
        left_out: Form::of(source).len() as u64 - elements,
        non_finite: seen.non_finite,
        min: seen.ends.map(|[smallest, _]| smallest),
        max: seen.ends.map(|[_, largest]| largest),
        mean: moments.map(|moments| moments.mean()),
        std: moments.map(|moments| moments.std()),
        l2: moments.map(|moments| moments.l2()),
    }
}

/// Measures a pair of one shape, under a mask of that shape.
fn pass(sides: [&dyn Source; 2], mask: Option<&Tensor>, rules: &Rules, kernel: Option<Kernel>) -> Result<Measured> {
    let mask = mask.and_then(Tensor::as_slice::<bool>);
    // What is wrong with a file as a whole is found here, whichever thread would be the first to read.
    sides.iter().try_for_each(|side| side.read(0..0, &mut Buffer::default()).map(drop))?;
    let size = sides.map(|side| side.dtype().size()).into_iter().max().unwrap_or(1);
    let measure = |branch: &Branch| {
        let (mut found, mut slack, mut room) = (Found::new(rules), Slack::default(), Room::default());
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
                slack.add(&block, block.actual.dtype(), rules);
                let tally = kernel.and_then(|kernel| vector::block(kernel, &block, rules, &mut room, &mut found));
                tally.unwrap_or_else(|| scalar::block(&block, rules, &mut found))
            };
            Ok(piece.fold(1, &mut block, &Tally::join))
        };
        let blocks = (PIECE / (BLOCK * size)).max(1);
        let tally: Result<Tally> = branch.fold(blocks, &mut piece, &|earlier, later| Ok(Tally::join(earlier?, later?)));
        tally.map(|tally| Measured { found, slack, tally })
    };
    fold(sides[1].shape().iter().product(), measure, |earlier, later| Measured {
        found: earlier.found.join(later.found),
        slack: earlier.slack.join(later.slack),
        tally: earlier.tally.join(later.tally),
    })
}

/// Judges what was measured by the rules.
fn judge(sides: [&dyn Source; 2], rules: &Rules, measured: Measured) -> Result<Comparison, Mismatch> {
    let Measured { found, slack, tally: Tally { sums, .. } } = measured;
    if found.elements == 0 && !rules.empty {
        return Err(Mismatch::Empty);
    }
    let ([actual, dtype], shape) = (sides.map(|side| side.dtype()), sides[1].shape());
    let Found { elements, left_out, numbers, differing, non_finite_mismatches, zero_references, .. } = found;
    let extreme = |value: f64, spot: Spot| {
        let Spot { position, actual, reference } = spot;
        Extreme { value, index: index(shape, position), actual, reference }
    };
    let at = |peak: Option<Peak<f64>>| peak.map(|peak| extreme(peak.value, peak.spot));
    let mean = |sum: Scaled| (numbers > 0).then(|| (sum / numbers).to_f64());
    let first = found.first_non_finite_mismatch.or(found.distance.map(|peak| peak.spot));
    let mut comparison = Comparison {
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
        rmse: (numbers > 0).then(|| (sums.squared_distance / numbers).sqrt().to_f64()),
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
    };
    let ulps = match actual == dtype && dtype.kind() == Kind::Float {
        true => Ok(found.ulps.map(|peak| peak.value)),
        false => Err(Mismatch::NoUlps { actual, reference: dtype }),
    };
    comparison.mismatches = comparison.objections(ulps, &rules.tolerance);
    if comparison.is_close() {
        comparison.vacuous = slack.found(rules, Form::of(sides[1]));
    }
    Ok(comparison)
}
