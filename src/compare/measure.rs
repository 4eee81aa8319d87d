//! Everything that is measured of a pair, in one pass over it: a branch at a time, by as many threads as there are.

use std::ops::Range;
use std::ptr;

use super::blocks::{Branch, fold};
use super::comparison::{Comparison, Form, Mismatch, check_structure, judge};
use super::found::{Block, Found, Tally};
use super::kernel::Kernel;
use super::rules::{Rules, Tolerance};
use super::summary::Summary;
use super::vector::Room;
use super::{scalar, vector};
use crate::error::Result;
use crate::tensor::{Access, Slice, Source, Tensor};

/// How many bytes of elements are read at most where the structure is wrong already.
#[cfg(feature = "harness")]
pub(crate) const LARGE: usize = 64 << 20;

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
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) found: Found,
    pub(crate) tally: Tally,
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
    let forms = sides.map(Form::of);
    if let Err(mismatch) = check_structure(forms[0], forms[1], mask.map(|mask| Form::of(mask)), rules) {
        let summary = |source| match Form::of(source).bytes() > limit {
            true => Ok(Summary::unread(source)),
            false => describe(source, None, kernel),
        };
        return Ok(Measurement { comparison: Err(mismatch), actual: summary(actual)?, reference: summary(reference)? });
    }
    let measured = pass(sides, mask, rules, kernel)?;
    let Measured { found, tally } = &measured;
    Ok(Measurement {
        actual: Summary::new(actual, found.elements, found.actual, tally.actual),
        reference: Summary::new(reference, found.elements, found.reference, tally.reference),
        comparison: judge(actual, reference, rules, measured),
    })
}

/// Describes one tensor, where the mask of its shape is true: measured against itself.
pub(super) fn describe(source: &dyn Source, mask: Option<&Tensor>, kernel: Option<Kernel>) -> Result<Summary> {
    let Measured { found, tally } = pass([source; 2], mask, &Rules::new(Tolerance::EXACT), kernel)?;
    Ok(Summary::new(source, found.elements, found.actual, tally.actual))
}

/// Measures a pair of one shape, under a mask of that shape.
fn pass(sides: [&dyn Source; 2], mask: Option<&Tensor>, rules: &Rules, kernel: Option<Kernel>) -> Result<Measured> {
    let access = match sides.map(|side| side.access()) {
        [Access::Any, Access::Any] => Access::Any,
        _ => Access::InTurn,
    };
    let mask = mask.and_then(Tensor::as_slice::<bool>);
    let [size, other_size] = sides.map(|side| side.dtype().size());
    let measure = |branch: &Branch| {
        let mut measured = None;
        visit(sides, branch.elements(), &mut |actual, reference| {
            let range = branch.elements();
            let mask = mask.map(|mask| &mask[range.clone()]);
            let elements = Block { actual, reference, mask, start: range.start };
            measured = Some(measure_branch(branch, &elements, rules, kernel));
        })?;
        Ok(measured.expect("a source calls what it is given"))
    };
    let len = sides[1].shape().iter().product();
    let measured = fold(len, size.max(other_size), access, measure, |earlier, later| Measured {
        found: earlier.found.join(later.found),
        tally: earlier.tally.join(later.tally),
    })?;
    sides.iter().try_for_each(|side| side.finish())?;
    Ok(measured)
}

/// Calls `take` with the elements of both in that range; one that is on both sides is visited once.
fn visit(
    [actual, reference]: [&dyn Source; 2],
    range: Range<usize>,
    take: &mut dyn FnMut(Slice<'_>, Slice<'_>),
) -> Result<()> {
    if ptr::addr_eq(actual, reference) {
        return actual.visit(range, &mut |side| take(side, side));
    }
    let mut inner = Ok(());
    actual.visit(range.clone(), &mut |actual| {
        inner = reference.visit(range.clone(), &mut |reference| take(actual, reference));
    })?;
    inner
}

fn measure_branch(branch: &Branch, elements: &Block<'_>, rules: &Rules, kernel: Option<Kernel>) -> Measured {
    let (mut found, mut room) = (Found::new(rules), Room::default());
    let mut block = |range: Range<usize>| {
        let block = elements.part(range.start - elements.start, range.end - elements.start);
        found.slack.add(&block, block.actual.dtype(), rules);
        let tally = kernel.and_then(|kernel| vector::block(kernel, &block, rules, &mut room, &mut found));
        tally.unwrap_or_else(|| scalar::block(&block, rules, &mut found))
    };
    let tally = branch.fold(&mut block, &Tally::join);
    Measured { found, tally }
}
