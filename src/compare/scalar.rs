//! One block, one element after the other, whatever the dtypes and whatever the elements are: what every measurement means.
//!
//! The loops of `kernel.rs` measure the blocks of plain finite numbers, and must find the same to the last bit.

use num_complex::Complex;

use super::found::{Block, Found, Seen, Tally, raise};
use super::moments::Moments;
use super::rules::Rules;
use super::sums::Sums;
use super::ulp::key_at;
use super::wide::{Wide, dispatch_wide};
use crate::tensor::{Kind, Slice, Value};

/// Measures a block of a pair.
pub(crate) fn block(block: &Block<'_>, rules: &Rules, found: &mut Found) -> Tally {
    let [actual, reference] = [block.actual, block.reference].map(|side| side.dtype().kind());
    Tally {
        sums: dispatch_wide!(actual, reference, W => pair::<W>(block, rules, found)),
        actual: side(block.actual, block, &mut found.actual),
        reference: side(block.reference, block, &mut found.reference),
    }
}

fn pair<W: Wide>(block: &Block<'_>, rules: &Rules, found: &mut Found) -> Sums {
    let has_ulps = block.actual.dtype() == block.reference.dtype();
    let [mut actuals, mut references] = [Vec::new(), Vec::new()];
    for place in 0..block.reference.len() {
        if !block.keeps(place) {
            found.left_out += 1;
            continue;
        }
        found.elements += 1;
        let [actual, reference] = [block.actual, block.reference].map(|side| W::from_value(side.value(place)));
        let spot = || block.spot(place);
        if !(actual.is_finite() && reference.is_finite()) {
            if !actual.matches(reference, rules.nan) {
                found.differing += 1;
                found.non_finite_mismatches += 1;
                found.first_non_finite_mismatch.get_or_insert_with(spot);
            }
            continue;
        }
        let gap = found.judge(actual, reference, rules, spot);
        found.numbers += 1;
        found.differing += u64::from(actual != reference);
        found.zero_references += u64::from(gap.magnitude == 0.0);
        if !gap.is_within {
            found.numbers_outside += 1;
            found.first_outside.get_or_insert(block.start + place);
        }
        raise(&mut found.distance, gap.distance, spot);
        let key = |side| key_at(side, place).filter(|_| has_ulps);
        if let (Some(actual), Some(reference)) = (key(block.actual), key(block.reference)) {
            raise(&mut found.ulps, actual.abs_diff(reference), spot);
        }
        actuals.push(actual);
        references.push(reference);
    }
    found.excess.prune();
    Sums::of(&actuals, &references)
}

/// Describes one side of a block: the moments of its finite elements that the mask keeps.
fn side(side: Slice<'_>, block: &Block<'_>, seen: &mut Seen) -> Option<Moments> {
    match side.dtype().kind() {
        Kind::Integer => Moments::of_integers(&finite::<i128>(side, block, seen)),
        Kind::Float => Moments::of(finite(side, block, seen)),
        Kind::Complex => {
            Moments::of(finite::<Complex<f64>>(side, block, seen).into_iter().map(Wide::magnitude).collect())
        }
    }
}

/// The finite elements that the mask keeps; the others are counted.
fn finite<W: Wide>(side: Slice<'_>, block: &Block<'_>, seen: &mut Seen) -> Vec<W> {
    let mut finite = Vec::with_capacity(side.len());
    for value in (0..side.len()).filter(|place| block.keeps(*place)).map(|place| side.value(place)) {
        let element = W::from_value(value);
        if !element.is_finite() {
            seen.non_finite.add(element);
            continue;
        }
        seen.widen(match value {
            Value::Complex(_) => Value::Float64(element.magnitude()),
            real => real,
        });
        finite.push(element);
    }
    finite
}
