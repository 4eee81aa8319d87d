//! One pass over a pair, or over one tensor: a branch at a time, by as many threads as there are.

use std::ops::Range;

use super::blocks::{Branch, fold};
use super::excess::Excess;
use super::fast::{self, Fast};
use super::found::{Found, Known, Seen, Sides};
use super::kernel::Kernel;
use super::moments::Moments;
use super::rules::Rules;
use super::scratch::Scratch;
use super::tally::Tally;
use super::twin;
use crate::error::Result;
use crate::tensor::source::{Access, Slice, Source};

/// What does the work on a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The vector loops, where they can, and else the twin.
    Kernel(Kernel),
    /// One element after the other: what the loops are tested against.
    #[cfg(test)]
    Twin,
}

/// What was measured of a pair.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) found: Found,
    pub(crate) tally: Tally,
}

/// What was measured of one tensor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Described {
    pub(crate) elements: u64,
    pub(crate) seen: Seen,
    pub(crate) moments: Option<Moments>,
}

/// Measures a pair of one shape, under a mask of that shape.
pub(crate) fn measure(
    actual: &dyn Source,
    reference: &dyn Source,
    mask: Option<&[bool]>,
    rules: &Rules,
    by: By,
) -> Result<Measured> {
    let known = Known::default();
    let access = match (actual.access(), reference.access()) {
        (Access::Any, Access::Any) => Access::Any,
        _ => Access::InTurn,
    };
    let len = reference.shape().iter().product();
    let measure = |branch: Branch| {
        let range = branch.elements();
        let mut measured = None;
        let mut inner = Ok(());
        actual.visit(range.clone(), &mut |actual| {
            inner = reference.visit(range.clone(), &mut |reference| {
                let sides = Sides { actual, reference, start: range.start };
                measured = Some(measure_branch(&branch, &sides, mask, rules, by, &known));
            });
        })?;
        inner?;
        Ok(measured.expect("a source calls what it is given"))
    };
    let size = actual.dtype().size().max(reference.dtype().size());
    let measured = fold(len, size, access, measure, |earlier, later| Measured {
        found: earlier.found.join(later.found, &known),
        tally: earlier.tally.join(later.tally),
    })?;
    actual.finish()?;
    reference.finish()?;
    Ok(measured)
}

fn measure_branch(
    branch: &Branch,
    sides: &Sides<'_>,
    mask: Option<&[bool]>,
    rules: &Rules,
    by: By,
    known: &Known,
) -> Measured {
    let mut found = Found::nothing(Excess::new(rules.tolerance.outliers, &known.excess));
    let mut fast = match by {
        By::Kernel(kernel) => Some(Fast::new(kernel, rules, known)),
        #[cfg(test)]
        By::Twin => None,
    };
    let mut block = |range: Range<usize>| {
        let mask = mask.map(|mask| &mask[range.clone()]).filter(|mask| mask.contains(&false));
        let block = range.start - sides.start..range.end - sides.start;
        found.slack.look(sides.reference.part(block), mask, sides.actual.dtype(), rules, &known.slack);
        let tally = fast.as_mut().and_then(|fast| fast.block(sides, mask, range.clone(), &mut found));
        tally.unwrap_or_else(|| twin::block(sides, mask, range, rules, &mut found))
    };
    let tally = branch.fold(&mut block, &Tally::join);
    found.tell(known);
    Measured { found, tally }
}

/// Describes one tensor, where the mask of its shape is true.
pub(crate) fn describe(source: &dyn Source, mask: Option<&[bool]>, by: By) -> Result<Described> {
    let len = source.shape().iter().product();
    let measure = |branch: Branch| {
        let range = branch.elements();
        let mut described = None;
        source.visit(range, &mut |elements| described = Some(describe_branch(&branch, elements, mask, by)))?;
        Ok(described.expect("a source calls what it is given"))
    };
    let described = fold(len, source.dtype().size(), source.access(), measure, |earlier, later| Described {
        elements: earlier.elements + later.elements,
        seen: earlier.seen.join(later.seen),
        moments: Moments::join_some(earlier.moments, later.moments),
    })?;
    source.finish()?;
    Ok(described)
}

fn describe_branch(branch: &Branch, elements: Slice<'_>, mask: Option<&[bool]>, by: By) -> Described {
    let start = branch.elements().start;
    let (mut seen, mut scratch, mut kept) = (Seen::default(), Scratch::default(), 0);
    let mut block = |range: Range<usize>| {
        let mask = mask.map(|mask| &mask[range.clone()]).filter(|mask| mask.contains(&false));
        let elements = elements.part(range.start - start..range.end - start);
        kept += twin::kept(mask, elements.len());
        let fast = match (by, mask) {
            (By::Kernel(kernel), None) => fast::side(kernel, elements, &mut seen, &mut scratch),
            _ => None,
        };
        fast.or_else(|| twin::side(elements, mask, &mut seen))
    };
    let moments = branch.fold(&mut block, &Moments::join_some);
    Described { elements: kept, seen, moments }
}

impl By {
    /// What this machine does best.
    pub(crate) fn best() -> By {
        By::Kernel(Kernel::best())
    }
}
