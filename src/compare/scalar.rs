//! Measures one block element by element, for all dtypes and all values: the definition of every measure.
//!
//! The loops of `kernel.rs`, for blocks of ordinary finite numbers, must give the same results to the last bit.

use num_complex::Complex;

use super::findings::{Block, Findings, SideFindings, Tally, raise};
use super::moments::Moments;
use super::rules::Rules;
use super::sums::Sums;
use super::ulp::key_at;
use super::wide::{Wide, dispatch_wide};
use crate::tensor::{Kind, Slice, Value};

/// Measures a block of a pair.
pub(crate) fn measure_block(block: &Block<'_>, rules: &Rules, findings: &mut Findings) -> Tally {
    let [actual, reference] = [block.actual, block.reference].map(|side| side.dtype().kind());
    Tally {
        sums: dispatch_wide!(actual, reference, W => measure_pair::<W>(block, rules, findings)),
        actual: measure_side(block.actual, block, &mut findings.actual),
        reference: measure_side(block.reference, block, &mut findings.reference),
    }
}

fn measure_pair<W: Wide>(block: &Block<'_>, rules: &Rules, findings: &mut Findings) -> Sums {
    let has_ulps = block.actual.dtype() == block.reference.dtype();
    let [mut actuals, mut references] = [Vec::new(), Vec::new()];
    for place in 0..block.reference.len() {
        if !block.includes(place) {
            findings.left_out += 1;
            continue;
        }
        findings.elements += 1;
        let [actual, reference] = [block.actual, block.reference].map(|side| W::from_value(side.value(place)));
        let spot = || block.spot(place);
        if !(actual.is_finite() && reference.is_finite()) {
            if !actual.matches(reference, rules.nan) {
                findings.differing += 1;
                findings.non_finite_mismatches += 1;
                findings.first_non_finite_mismatch.get_or_insert_with(spot);
            }
            continue;
        }
        let gap = findings.add_numbers(actual, reference, rules, spot);
        findings.numbers += 1;
        findings.differing += u64::from(actual != reference);
        findings.zero_references += u64::from(gap.magnitude == 0.0);
        if !gap.is_within {
            findings.numbers_outside += 1;
            findings.first_outside.get_or_insert(block.start + place);
        }
        raise(&mut findings.distance, gap.distance, spot);
        let key = |side| key_at(side, place).filter(|_| has_ulps);
        if let (Some(actual), Some(reference)) = (key(block.actual), key(block.reference)) {
            raise(&mut findings.ulps, actual.abs_diff(reference), spot);
        }
        actuals.push(actual);
        references.push(reference);
    }
    findings.required_atols.prune();
    Sums::of(&actuals, &references)
}

/// Returns the moments of the finite elements of one side that the mask includes.
fn measure_side(side: Slice<'_>, block: &Block<'_>, findings: &mut SideFindings) -> Option<Moments> {
    match side.dtype().kind() {
        Kind::Integer => Moments::of_integers(&finite::<i128>(side, block, findings)),
        Kind::Float => Moments::of(finite(side, block, findings)),
        Kind::Complex => {
            Moments::of(finite::<Complex<f64>>(side, block, findings).into_iter().map(Wide::magnitude).collect())
        }
    }
}

/// Returns the finite elements that the mask includes, and counts the non-finite ones.
fn finite<W: Wide>(side: Slice<'_>, block: &Block<'_>, findings: &mut SideFindings) -> Vec<W> {
    let mut finite = Vec::with_capacity(side.len());
    for value in (0..side.len()).filter(|place| block.includes(*place)).map(|place| side.value(place)) {
        let element = W::from_value(value);
        if !element.is_finite() {
            findings.non_finite.add(element);
            continue;
        }
        findings.add_finite(match value {
            Value::Complex(_) => Value::Float64(element.magnitude()),
            real => real,
        });
        finite.push(element);
    }
    finite
}
