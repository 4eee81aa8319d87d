//! Vacuous comparisons: those that cannot fail, or that pass on an output that was never computed.

use half::{bf16, f16};
use num_complex::Complex;

use super::blocks::BLOCK;
use super::comparison::{Form, Vacuous, check_structure};
use super::findings::Block;
use super::rules::{NanRule, Rules};
use super::ulp::key_at;
use super::wide::{Wide, dispatch_wide};
use crate::error::Result;
use crate::tensor::{Buffer, DType, F8E4M3, F8E5M2, Kind, Source, Tensor, Value};

/// Determines from a reference and the rules whether a comparison is vacuous, without an actual tensor.
///
/// [`compare`](super::compare()) determines the same for a comparison that passed. The reference is read only up to the first
/// element that decides the question, which is usually the very first.
///
/// # Zeros pass, and the reference is not 0
///
/// ```
/// # use karat::{DType, Tensor, Tolerance, NanRule, Rules, Vacuous, compare::vacuous};
/// let reference = Tensor::new(&[3], vec![0.0f32, 1e-20, -1e-7])?;
/// let says = |rules: Rules| vacuous(&reference, None, &rules).unwrap();
/// let tolerance = |atol, rtol| Rules::new(Tolerance::new(atol, rtol).unwrap());
///
/// assert_eq!(says(tolerance(1e-5, 0.0)), Some(Vacuous::Zeros)); // all below atol
/// assert_eq!(says(tolerance(0.0, 1.0)), Some(Vacuous::Zeros)); // 0 is just within the tolerance
/// assert_eq!(says(tolerance(1e-8, 0.0)), None);
/// let outliers = |count| Rules::new(Tolerance::new(1e-8, 0.0).unwrap().with_outliers(count));
/// assert_eq!(says(outliers(1)), Some(Vacuous::Zeros));
///
/// // A narrower limit rules zeros out.
/// let tolerance = Tolerance::new(1e-5, 0.0)?;
/// assert_eq!(says(Rules::new(tolerance.with_max_ulps(4))), None);
/// assert_eq!(says(Rules::new(tolerance.with_max_rel_rms(0.5)?)), None);
/// # Ok::<(), karat::Error>(())
/// ```
///
/// # Every finite tensor passes
///
/// ```
/// # use karat::{DType, Tensor, Tolerance, Rules, Vacuous, compare::vacuous};
/// let reference = Tensor::new(&[2], vec![1.0f32, -2.0])?;
/// let says = |tolerance: Tolerance| vacuous(&reference, None, &Rules::new(tolerance)).unwrap();
/// assert_eq!(says(Tolerance::new(1e300, 0.0)?), Some(Vacuous::Anything));
/// assert_eq!(says(Tolerance::EXACT.with_outliers(2)), Some(Vacuous::Anything));
///
/// // It depends on the range of the dtype: f64 can exceed 1e300, bool cannot exceed 1.
/// let wide = Tensor::new(&[1], vec![1.0f64])?;
/// assert_eq!(vacuous(&wide, None, &Rules::new(Tolerance::new(1e300, 0.0)?))?, Some(Vacuous::Zeros));
/// let truth = Tensor::new(&[2], vec![false, true])?;
/// assert_eq!(vacuous(&truth, None, &Rules::new(Tolerance::new(1.0, 0.0)?))?, Some(Vacuous::Anything));
/// # Ok::<(), karat::Error>(())
/// ```
///
/// Any limit on the ULP difference or on the RMSE is assumed to rule this out.
///
/// # The mask excludes every element
///
/// ```
/// # use karat::{Tensor, Tolerance, Rules, Vacuous, compare::vacuous};
/// let (reference, mask) = (Tensor::new(&[2], vec![1.0f32; 2])?, Tensor::new(&[2], vec![false; 2])?);
/// let rules = Rules::new(Tolerance::EXACT);
/// assert_eq!(vacuous(&reference, Some(&mask), &rules.with_empty())?, Some(Vacuous::Masked));
/// assert_eq!(vacuous(&reference, Some(&mask), &rules)?, None); // always a mismatch
///
/// // The comparison of an empty tensor still checks the shape.
/// let empty = Tensor::new(&[0], Vec::<f32>::new())?;
/// assert_eq!(vacuous(&empty, None, &rules.with_empty())?, None);
/// # Ok::<(), karat::Error>(())
/// ```
///
/// # The reference is all zeros, or all NaN
///
/// ```
/// # use karat::{Tensor, Tolerance, NanRule, Rules, Vacuous, compare::vacuous};
/// let rules = Rules::new(Tolerance::EXACT);
/// let zeros = Tensor::new(&[2], vec![0.0f32; 2])?;
/// assert_eq!(vacuous(&zeros, None, &rules)?, Some(Vacuous::ZeroReference));
/// let zero = Tensor::new(&[], vec![0.0f32])?;
/// assert_eq!(vacuous(&zero, None, &rules)?, None); // a single number can well be 0
/// let tokens = Tensor::new(&[2], vec![0i64; 2])?;
/// assert_eq!(vacuous(&tokens, None, &rules)?, None); // and so can integers
///
/// let nan = Tensor::new(&[2], vec![f32::NAN; 2])?;
/// assert_eq!(vacuous(&nan, None, &rules.with_nan(NanRule::Match))?, Some(Vacuous::NanReference));
/// assert_eq!(vacuous(&nan, None, &rules)?, None); // always a mismatch
/// # Ok::<(), karat::Error>(())
/// ```
///
/// # Only numbers count
///
/// Non-finite elements of the reference are ignored, like those that the mask excludes: comparing them does not test the numbers.
///
/// ```
/// # use karat::{Tensor, Tolerance, NanRule, Rules, Vacuous, compare::vacuous};
/// let reference = Tensor::new(&[3], vec![f32::NAN, f32::NEG_INFINITY, 1e-9])?;
/// let rules = Rules::new(Tolerance::new(1.0, 0.0)?);
/// assert_eq!(vacuous(&reference, None, &rules.with_nan(NanRule::Match))?, Some(Vacuous::Zeros));
/// assert_eq!(vacuous(&reference, None, &rules)?, None); // always a mismatch
///
/// let infinite = Tensor::new(&[2], vec![f32::INFINITY; 2])?;
/// assert_eq!(vacuous(&infinite, None, &rules)?, None); // nothing else matches
/// # Ok::<(), karat::Error>(())
/// ```
///
/// # Errors
///
/// The errors of the source.
pub fn vacuous(reference: &dyn Source, mask: Option<&Tensor>, rules: &Rules) -> Result<Option<Vacuous>> {
    let form = Form::of(reference);
    let actual = Form { dtype: rules.cast.unwrap_or(form.dtype), ..form };
    let has_ulps = actual.dtype == form.dtype && form.dtype.kind() == Kind::Float;
    if check_structure(actual, form, mask.map(|mask| Form::of(mask)), rules).is_err()
        || rules.tolerance.max_ulps.is_some() && !has_ulps
    {
        return Ok(None);
    }
    let mask = mask.and_then(Tensor::as_slice::<bool>);
    let (mut check, mut buffer) = (VacuousCheck::default(), Buffer::default());
    for start in (0..form.len()).step_by(BLOCK) {
        let range = start..form.len().min(start + BLOCK);
        let mask = mask.map(|mask| &mask[range.clone()]);
        let reference = reference.read(range, &mut buffer)?;
        check.add(&Block { actual: reference, reference, mask, start }, actual.dtype, rules);
        if check.is_decided(rules) {
            break;
        }
    }
    Ok(check.result(rules, form))
}

/// The state of the check over the blocks so far. Once it is decided that only the right output passes, no more elements are
/// checked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct VacuousCheck {
    /// The number of elements that the mask includes.
    elements: u64,
    /// The number of these that are finite.
    numbers: u64,
    /// The number of finite elements for which 0 is outside the tolerance.
    zeros_outside: u64,
    /// The number of finite elements for which the farthest finite number of the dtype is outside the tolerance.
    farthest_outside: u64,
    /// Whether zeros fail because of a single element: a NaN that matches nothing, or a number that is too many ULPs from 0.
    zeros_fail: bool,
    /// Whether any number is not 0.
    has_value: bool,
    /// Whether any element is not NaN.
    has_number: bool,
}

impl VacuousCheck {
    /// Adds a block of the reference. `actual` is the dtype of the actual tensor.
    pub(crate) fn add(&mut self, block: &Block<'_>, actual: DType, rules: &Rules) {
        if !self.is_decided(rules) {
            dispatch_wide!(actual.kind(), block.reference.dtype().kind(), W => self.add_as::<W>(block, actual, rules));
        }
    }

    fn add_as<W: Wide>(&mut self, block: &Block<'_>, actual: DType, rules: &Rules) {
        let tolerance = rules.tolerance;
        let zero = W::from_value(Value::Integer(0));
        let farthest = farthest(actual).map(W::from_value);
        for place in (0..block.reference.len()).filter(|place| block.includes(*place)) {
            let element = W::from_value(block.reference.value(place));
            self.elements += 1;
            self.has_number |= !element.is_nan();
            if !element.is_finite() {
                self.zeros_fail |= element.is_nan() && rules.nan == NanRule::Mismatch;
            } else {
                self.numbers += 1;
                let allowed = tolerance.atol + tolerance.rtol * element.magnitude();
                let is_outside = |number: W| !number.is_within(element, allowed);
                self.has_value |= element != zero;
                self.zeros_outside += u64::from(is_outside(zero));
                // One more than the allowed outliers decides it.
                if self.farthest_outside <= tolerance.outliers {
                    self.farthest_outside += u64::from(farthest.into_iter().any(is_outside));
                }
                let ulps = || key_at(block.reference, place).map_or(0, i64::unsigned_abs);
                self.zeros_fail |= tolerance.max_ulps.is_some_and(|allowed| ulps() > allowed);
            }
            if self.is_decided(rules) {
                return;
            }
        }
    }

    /// Returns whether it is certain that only the right output passes.
    fn is_decided(&self, rules: &Rules) -> bool {
        self.has_number && (self.zeros_fail || self.zeros_outside > rules.tolerance.outliers)
    }

    /// Combines two sets of elements.
    pub(crate) fn join(self, later: VacuousCheck) -> VacuousCheck {
        VacuousCheck {
            elements: self.elements + later.elements,
            numbers: self.numbers + later.numbers,
            zeros_outside: self.zeros_outside + later.zeros_outside,
            farthest_outside: self.farthest_outside + later.farthest_outside,
            zeros_fail: self.zeros_fail || later.zeros_fail,
            has_value: self.has_value || later.has_value,
            has_number: self.has_number || later.has_number,
        }
    }

    /// Returns the wrong output that passes, given that the right one does.
    pub(crate) fn result(&self, rules: &Rules, reference: Form<'_>) -> Option<Vacuous> {
        let tolerance = rules.tolerance;
        match self {
            _ if reference.len() == 0 => None,
            VacuousCheck { elements: 0, .. } => rules.empty.then_some(Vacuous::Masked),
            VacuousCheck { has_number: false, .. } => (rules.nan == NanRule::Match).then_some(Vacuous::NanReference),
            // Only the same infinities match infinities.
            VacuousCheck { numbers: 0, .. } => None,
            _ if self.is_decided(rules) => None,
            // The RMSE of zeros is the reference's RMS.
            _ if self.has_value && tolerance.max_rel_rms.is_some_and(|allowed| allowed < 1.0) => None,
            _ if self.farthest_outside <= tolerance.outliers
                && tolerance.max_ulps.is_none()
                && tolerance.max_rel_rms.is_none() =>
            {
                Some(Vacuous::Anything)
            }
            VacuousCheck { has_value: true, .. } => Some(Vacuous::Zeros),
            _ => (self.numbers > 1 && reference.dtype.kind() != Kind::Integer).then_some(Vacuous::ZeroReference),
        }
    }
}

/// Returns the ends (for complex numbers, the corners) of the range of a dtype: one of them is the farthest from any number.
fn farthest(dtype: DType) -> [Value; 4] {
    let bits = 8 * dtype.size();
    let integers = |min: i128, max: i128| [min, max, min, max].map(Value::Integer);
    let max: f64 = match dtype {
        DType::Bool => return integers(0, 1),
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => return integers(-1 << (bits - 1), (1 << (bits - 1)) - 1),
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => return integers(0, (1 << bits) - 1),
        DType::F8E4M3 => F8E4M3(0x7e).to_f32().into(),
        DType::F8E5M2 => F8E5M2(0x7b).to_f32().into(),
        DType::F16 => f16::MAX.into(),
        DType::BF16 => bf16::MAX.into(),
        DType::F32 | DType::C64 => f32::MAX.into(),
        DType::F64 | DType::C128 => f64::MAX,
    };
    [(-max, -max), (-max, max), (max, -max), (max, max)].map(|(re, im)| match dtype.kind() {
        Kind::Complex => Value::Complex(Complex::new(re, im)),
        _ => Value::Float64(re),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Pair, Tolerance, compare};
    use crate::tensor::Element;
    use proptest::prelude::*;
    use std::iter::zip;

    fn tensor<T: Element>(elements: &[T]) -> Tensor {
        Tensor::new(&[elements.len()], elements.to_vec()).expect("the shape is the length")
    }

    fn is_close(actual: &Tensor, reference: &Tensor, mask: &Tensor, rules: &Rules) -> bool {
        compare(Pair::new(actual, reference).within(mask), rules).is_ok_and(|comparison| comparison.is_close())
    }

    /// Checks the result for a reference against actual comparisons. `ends` are the ends of the range of the dtype.
    fn check<T: Element>(
        elements: &[T],
        mask: &[bool],
        zero: T,
        ends: [T; 2],
        rules: &Rules,
    ) -> Result<(), TestCaseError> {
        let is_finite = |x: &T| Complex::<f64>::from_value(x.value()).is_finite();
        let numbers = zip(elements, mask).filter(|(x, is_included)| **is_included && is_finite(x)).count();
        let (reference, mask) = (tensor(elements), tensor(mask));
        // Non-finite elements always match.
        let fill =
            |number: T| tensor(&elements.iter().map(|x| if is_finite(x) { number } else { *x }).collect::<Vec<T>>());
        let passes = |actual: &Tensor| is_close(actual, &reference, &mask, rules);
        let result = vacuous(&reference, Some(&mask), rules).expect("a tensor is in memory");
        let exact = Rules { tolerance: Tolerance::EXACT, ..*rules };
        let can_be_vacuous =
            !is_close(&fill(zero), &reference, &mask, &exact) || numbers > 1 && T::DTYPE.kind() != Kind::Integer;
        if numbers > 0 && can_be_vacuous {
            let zeros = matches!(result, Some(Vacuous::Anything | Vacuous::Zeros | Vacuous::ZeroReference));
            prop_assert_eq!(zeros, passes(&fill(zero)));
        }
        if result == Some(Vacuous::Anything) {
            prop_assert!(ends.into_iter().all(|end| passes(&fill(end))));
        }
        // A comparison that passes has the same result; one that fails has none.
        let own = compare(Pair::new(&reference, &reference).within(&mask), rules);
        match own {
            Ok(own) if own.is_close() => prop_assert_eq!(own.vacuous, result),
            Ok(own) => prop_assert_eq!(own.vacuous, None),
            Err(_) => prop_assert_eq!(result, None),
        }
        Ok(())
    }

    prop_compose! {
        fn some_rules()(
            atol in prop_oneof![Just(0.0), Just(1e-5), Just(1.0), Just(1e300), Just(f64::MAX), 0.0..4.0],
            rtol in prop_oneof![Just(0.0), Just(1.0), Just(1f64.next_down()), Just(2.0), 0.0..1.5],
            outliers in prop_oneof![Just(0u64), 0u64..4, Just(u64::MAX)],
            ulps in proptest::option::weighted(0.2, prop_oneof![0u64..8, any::<u64>()]),
            rel_rms in proptest::option::weighted(0.2, prop_oneof![Just(1.0), Just(1f64.next_down()), 0.0..2.0]),
            nan in any::<bool>(),
            empty in any::<bool>(),
        ) -> Rules {
            let mut tolerance = Tolerance::new(atol, rtol).expect("valid").with_outliers(outliers);
            tolerance.max_ulps = ulps;
            tolerance.max_rel_rms = rel_rms;
            let nan = if nan { NanRule::Match } else { NanRule::Mismatch };
            Rules { empty, ..Rules::new(tolerance).with_nan(nan) }
        }
    }

    /// Generates elements and a mask.
    fn masked<T: std::fmt::Debug + Clone>(
        element: impl Strategy<Value = T>,
    ) -> impl Strategy<Value = (Vec<T>, Vec<bool>)> {
        proptest::collection::vec((element, proptest::bool::weighted(0.8)), 1..6)
            .prop_map(|pairs| pairs.into_iter().unzip())
    }

    fn floats() -> impl Strategy<Value = f64> {
        prop_oneof![4 => Just(0.0), 2 => -4.0..4.0f64, 2 => Just(1e-20), 1 => proptest::num::f64::ANY, 2 => Just(f64::NAN), 1 => Just(-f64::INFINITY)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn the_result_for_floats_agrees_with_comparisons(
            (reference, mask) in masked(floats()),
            rules in some_rules(),
        ) {
            check(&reference, &mask, 0.0, [f64::MIN, f64::MAX], &rules)?;
            let single: Vec<f32> = reference.iter().map(|x| *x as f32).collect();
            check(&single, &mask, 0.0, [f32::MIN, f32::MAX], &rules)?;
            let complex: Vec<_> = single.iter().map(|x| Complex::new(*x, 0.5 * x)).collect();
            let corner = Complex::new(f32::MAX, f32::MIN);
            check(&complex, &mask, Complex::ZERO, [corner, -corner], &rules)?;
        }

        #[test]
        fn the_result_for_integers_agrees_with_comparisons(
            (reference, mask) in masked(prop_oneof![3 => Just(0i64), 2 => -4..4i64, 1 => any::<i64>()]),
            rules in some_rules(),
        ) {
            check(&reference, &mask, 0, [i64::MIN, i64::MAX], &rules)?;
            let truth: Vec<bool> = reference.iter().map(|x| *x != 0).collect();
            check(&truth, &mask, false, [false, true], &rules)?;
        }
    }

    #[test]
    fn the_last_element_can_decide_with_any_number_of_threads() {
        let rules = Rules::new(Tolerance::new(1e-5, 0.0).expect("valid"));
        let mut elements = vec![1e-7f32; 300 * BLOCK];
        let result = |elements: &[f32]| {
            let tensor = tensor(elements);
            let measured = compare(Pair::new(&tensor, &tensor), &rules).expect("one structure").vacuous;
            assert_eq!(vacuous(&tensor, None, &rules).expect("a tensor is in memory"), measured);
            measured
        };
        assert_eq!(result(&elements), Some(Vacuous::Zeros));
        *elements.last_mut().expect("there are some") = 1.0;
        assert_eq!(result(&elements), None);
    }
}
