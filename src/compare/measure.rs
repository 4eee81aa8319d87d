//! Everything that is measured of a pair, in one pass over it: a branch at a time, by as many threads as there are.

use std::ptr;

use super::blocks::{BLOCK, Branch, fold};
use super::comparison::{Comparison, Form, Mismatch, check_structure, judge};
use super::found::{Block, Found, Tally};
use super::kernel::Kernel;
use super::rules::{Rules, Tolerance};
use super::summary::Summary;
use super::vector::Room;
use super::{scalar, vector};
use crate::error::Result;
use crate::tensor::{Buffer, Source, Tensor};

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
    let mask = mask.and_then(Tensor::as_slice::<bool>);
    // What is wrong with a file as a whole is found here, whichever thread would be the first to read.
    sides.iter().try_for_each(|side| side.read(0..0, &mut Buffer::default()).map(drop))?;
    let size = sides.map(|side| side.dtype().size()).into_iter().max().unwrap_or(1);
    let measure = |branch: &Branch| {
        let (mut found, mut room, mut buffers) =
            (Found::new(rules), Room::default(), [Buffer::default(), Buffer::default()]);
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
                found.slack.add(&block, block.actual.dtype(), rules);
                let tally = kernel.and_then(|kernel| vector::block(kernel, &block, rules, &mut room, &mut found));
                tally.unwrap_or_else(|| scalar::block(&block, rules, &mut found))
            };
            Ok(piece.fold(1, &mut block, &Tally::join))
        };
        let blocks = (PIECE / (BLOCK * size)).max(1);
        let tally: Result<Tally> = branch.fold(blocks, &mut piece, &|earlier, later| Ok(Tally::join(earlier?, later?)));
        tally.map(|tally| Measured { found, tally })
    };
    fold(sides[1].shape().iter().product(), measure, |earlier, later| Measured {
        found: earlier.found.join(later.found),
        tally: earlier.tally.join(later.tally),
    })
}
