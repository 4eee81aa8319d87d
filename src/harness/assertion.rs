//! Why an assertion in an ordinary test does not hold.

use std::io::{self, Write};

use crate::compare::mismatch;
use crate::compare::{Comparison, Mismatch, Tolerance};
use crate::snapshot::Drift;
use crate::snapshot::moved::moved;
use crate::text::wrap::paragraphs;

/// How an assertion is given a rule that it does not have.
const RULES: &str = "to allow it, compare with karat::compare::compare and Rules::{}";

/// Tells why two tensors are not close.
///
/// # Errors
///
/// What `out` returns.
pub(super) fn mismatches(
    out: &mut dyn Write,
    tolerance: &Tolerance,
    compared: Result<&Comparison, &Mismatch>,
) -> io::Result<()> {
    match compared {
        Err(mismatch) => {
            paragraphs(out, 2, &mismatch::mismatch(mismatch, None, Some(tolerance)))?;
            match mismatch {
                Mismatch::Dtype { .. } => paragraphs(out, 2, &[RULES.replace("{}", "with_cast(DType::..)")]),
                _ => Ok(()),
            }
        }
        Ok(comparison) => {
            for mismatch in &comparison.mismatches {
                paragraphs(out, 2, &mismatch::mismatch(mismatch, Some(comparison), Some(tolerance)))?;
            }
            if mismatch::are_both_nan(comparison) {
                paragraphs(out, 2, &[RULES.replace("{}", "with_nan(NanRule::Match)")])?;
            }
            paragraphs(out, 2, &mismatch::measured(comparison))
        }
    }
}

/// Tells which lines of a snapshot moved.
///
/// # Errors
///
/// What `out` returns.
pub(super) fn drift(out: &mut dyn Write, lines: &[Drift]) -> io::Result<()> {
    moved(out, 0, lines)
}
