//! Assertions for ordinary tests: closeness to a reference, or to an accepted summary.

use std::collections::BTreeMap;

use half::{bf16, f16};
use ndarray::{ArrayBase, Data, Dimension};
use num_complex::Complex;

use crate::compare::mismatch::{are_both_nan, describe_differences, describe_mismatch};
use crate::compare::{Comparison, Mismatch, Pair, Rules, Tolerance, compare, summarize};
use crate::snapshot::format_drift;
use crate::snapshot::{Facts, RecordOutcome, TestSite, has_cargo_insta, in_ci, insta_reviews, record_in_test};
use crate::tensor::{Element, Tensor};
use crate::text::layout::paragraphs;

/// Panics unless the first tensor is close to the second, the reference.
///
/// Accepts ndarrays, slices, vectors, arrays, numbers and [`Tensor`]s, by value or by reference. Without `atol` and `rtol`, the
/// tolerance is the default of `torch.testing.assert_close` for the dtype of the reference.
///
/// ```
/// karat::assert_close!([1.0f32, 2.0], [1.0f32, 2.000001]);
/// karat::assert_close!(vec![1.0f64], vec![1.1], atol = 0.2, rtol = 0.0);
/// ```
///
/// Shapes must be equal, NaN is not close to anything, and empty tensors are not close to each other:
///
/// ```should_panic
/// karat::assert_close!([1.0f32, 2.0], [1.0f32, 2.0, 3.0]);
/// ```
#[macro_export]
macro_rules! assert_close {
    ($actual:expr, $reference:expr $(,)?) => {
        $crate::assert_close!(@ $actual, $reference, ::core::option::Option::None)
    };
    ($actual:expr, $reference:expr, atol = $atol:expr, rtol = $rtol:expr $(,)?) => {
        $crate::assert_close!(@ $actual, $reference, ::core::option::Option::Some(($atol, $rtol)))
    };
    ($actual:expr, $reference:expr, rtol = $rtol:expr, atol = $atol:expr $(,)?) => {
        $crate::assert_close!(@ $actual, $reference, ::core::option::Option::Some(($atol, $rtol)))
    };
    (@ $actual:expr, $reference:expr, $tolerance:expr) => {
        if let ::core::result::Result::Err(message) =
            $crate::harness::check_close(&$actual, &$reference, $tolerance)
        {
            ::core::panic!("{} is not close to {}\n{message}", stringify!($actual), stringify!($reference));
        }
    };
}

/// Panics unless the summary of a tensor is within the band of the accepted snapshot of that name.
///
/// The snapshot is where insta stores those of the test: `snapshots/<module>__<name>.snap` beside the source. The first run
/// writes a pending snapshot and fails; accept it with `cargo insta review`.
///
/// ```no_run
/// let logits = ndarray::arr1(&[1.0f32, 2.0]);
/// karat::assert_summary!("logits", &logits);
/// ```
#[macro_export]
macro_rules! assert_summary {
    ($name:expr, $actual:expr $(,)?) => {
        if let ::core::result::Result::Err(message) = $crate::harness::check_summary(
            $name,
            &$actual,
            env!("CARGO_MANIFEST_DIR"),
            ::core::file!(),
            ::core::module_path!(),
        ) {
            ::core::panic!("{message}");
        }
    };
}

/// A type that [`assert_close!`](crate::assert_close) accepts.
pub trait AsTensor {
    /// Copies the elements to a tensor.
    fn to_tensor(&self) -> Tensor;
}

impl AsTensor for Tensor {
    fn to_tensor(&self) -> Tensor {
        self.clone()
    }
}

impl<T: Element> AsTensor for [T] {
    fn to_tensor(&self) -> Tensor {
        Tensor::new(&[self.len()], self.to_vec()).expect("the shape is the length")
    }
}

impl<T: Element> AsTensor for Vec<T> {
    fn to_tensor(&self) -> Tensor {
        self.as_slice().to_tensor()
    }
}

impl<T: Element, const N: usize> AsTensor for [T; N] {
    fn to_tensor(&self) -> Tensor {
        self.as_slice().to_tensor()
    }
}

impl<T: Element, S: Data<Elem = T>, D: Dimension> AsTensor for ArrayBase<S, D> {
    fn to_tensor(&self) -> Tensor {
        self.into()
    }
}

impl<T: AsTensor + ?Sized> AsTensor for &T {
    fn to_tensor(&self) -> Tensor {
        (**self).to_tensor()
    }
}

macro_rules! scalar {
    ($($type:ty)*) => {$(
        impl AsTensor for $type {
            fn to_tensor(&self) -> Tensor {
                Tensor::new(&[], vec![*self]).expect("a scalar has one element")
            }
        }
    )*};
}

scalar! { bool i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64 Complex<f32> Complex<f64> }

/// Compares two tensors for [`assert_close!`](crate::assert_close).
///
/// # Errors
///
/// The message of the failed assertion.
pub fn check_close(
    actual: &impl AsTensor,
    reference: &impl AsTensor,
    tolerance: Option<(f64, f64)>,
) -> Result<(), String> {
    let (actual, reference) = (actual.to_tensor(), reference.to_tensor());
    let tolerance = match tolerance {
        Some((atol, rtol)) => Tolerance::new(atol, rtol).map_err(|error| error.to_string())?,
        None => Tolerance::default_for(reference.dtype())
            .ok_or_else(|| format!("{} has no default tolerance; give atol and rtol", reference.dtype()))?,
    };
    let rules = Rules::new(tolerance);
    let comparison = compare(Pair { actual: &actual, reference: &reference, mask: None }, &rules);
    if comparison.as_ref().is_ok_and(Comparison::is_close) {
        return Ok(());
    }
    Err(describe_failure(&tolerance, comparison.as_ref()).trim_end().to_owned())
}

/// Describes why two tensors are not close.
fn describe_failure(tolerance: &Tolerance, comparison: Result<&Comparison, &Mismatch>) -> String {
    const RULES: &str = "to allow it, compare with karat::compare and Rules::";
    let mut lines = Vec::new();
    match comparison {
        Err(mismatch) => {
            lines.extend(describe_mismatch(mismatch, None, Some(tolerance)));
            if let Mismatch::Dtype { .. } = mismatch {
                lines.push(format!("{RULES}with_cast(DType::..)"));
            }
        }
        Ok(comparison) => {
            let mismatches = comparison.mismatches.iter();
            lines.extend(mismatches.flat_map(|one| describe_mismatch(one, Some(comparison), Some(tolerance))));
            if are_both_nan(comparison) {
                lines.push(format!("{RULES}with_nan(NanRule::Match)"));
            }
            lines.extend(describe_differences(comparison));
        }
    }
    paragraphs(2, &lines)
}

/// Compares the summary of a tensor with its snapshot for [`assert_summary!`](crate::assert_summary).
///
/// # Errors
///
/// The message of the failed assertion.
pub fn check_summary(
    name: &str,
    actual: &impl AsTensor,
    manifest: &str,
    file: &str,
    module: &str,
) -> Result<(), String> {
    let summary = summarize(&actual.to_tensor(), None);
    let (params, inputs) = (BTreeMap::new(), BTreeMap::new());
    let facts = Facts {
        checkpoint: name,
        params: &params,
        inputs: &inputs,
        reference: None,
        alternatives: &[],
        mask: None,
        rules: None,
        chained: None,
        summary: &summary,
        comparison: None,
    };
    let site = TestSite { manifest: manifest.as_ref(), file, module };
    match record_in_test(&site, name, &facts) {
        Ok(RecordOutcome::Pass | RecordOutcome::Improved(_)) => Ok(()),
        // `cargo insta test` reviews pending snapshots afterwards.
        Ok(RecordOutcome::Unrecorded | RecordOutcome::Drift(_)) if insta_reviews() => Ok(()),
        Ok(RecordOutcome::Unrecorded) => Err(format!("`{name}` has no accepted snapshot yet\n{}", review())),
        Ok(RecordOutcome::Drift(lines)) => {
            Err(format!("`{name}` has left the band of its snapshot\n{}{}", format_drift(0, &lines), review()))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Describes how to accept a changed summary. In CI there is no pending snapshot, so the test must first run elsewhere.
fn review() -> String {
    let first = if in_ci() { ", on your machine:  cargo test; " } else { ":  " };
    let install = if has_cargo_insta() { "" } else { "cargo install --locked cargo-insta; " };
    format!("if it is intended{first}{install}cargo insta review")
}
