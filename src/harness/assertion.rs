//! Why an assertion in an ordinary test does not hold.

use crate::compare::mismatch::{are_both_nan, measured, mismatch};
use crate::compare::{Comparison, Mismatch, Tolerance};
use crate::text::layout::paragraphs;

/// The message of an assertion that two tensors are close, which they are not.
pub(super) fn mismatches(tolerance: &Tolerance, compared: Result<&Comparison, &Mismatch>) -> String {
    const RULES: &str = "to allow it, compare with karat::compare::compare and Rules::";
    let mut said = Vec::new();
    match compared {
        Err(mismatch) => {
            said.extend(self::mismatch(mismatch, None, Some(tolerance)));
            if let Mismatch::Dtype { .. } = mismatch {
                said.push(format!("{RULES}with_cast(DType::..)"));
            }
        }
        Ok(comparison) => {
            let mismatches = comparison.mismatches.iter();
            said.extend(mismatches.flat_map(|one| mismatch(one, Some(comparison), Some(tolerance))));
            if are_both_nan(comparison) {
                said.push(format!("{RULES}with_nan(NanRule::Match)"));
            }
            said.extend(measured(comparison));
        }
    }
    paragraphs(2, &said)
}
