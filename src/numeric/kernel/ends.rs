//! Extremes, and what is counted of a pair of blocks.

use std::iter::zip;

use super::four::Number;

/// Elements at a time: a register of AVX2 holds as many singles.
const WIDTH: usize = 8;

/// The extremes of both sides of a pair, and counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends<N> {
    /// The smallest and the largest; of two zeros either.
    pub(crate) actual: [N; 2],
    pub(crate) reference: [N; 2],
    /// Elements that are not equal.
    pub(crate) differing: u64,
    /// References that are 0.
    pub(crate) zeros: u64,
}

pub(super) fn ends<N: Number>(actual: &[N], reference: &[N]) -> Ends<N> {
    let (mut least_actual, mut most_actual) = ([actual[0]; WIDTH], [actual[0]; WIDTH]);
    let (mut least_reference, mut most_reference) = ([reference[0]; WIDTH], [reference[0]; WIDTH]);
    let (mut differing, mut zeros) = ([0u32; WIDTH], [0u32; WIDTH]);
    let mut add = |lane: usize, a: N, r: N| {
        least_actual[lane] = lower(least_actual[lane], a);
        most_actual[lane] = higher(most_actual[lane], a);
        least_reference[lane] = lower(least_reference[lane], r);
        most_reference[lane] = higher(most_reference[lane], r);
        differing[lane] += u32::from(a != r);
        zeros[lane] += u32::from(r == N::default());
    };
    let (actual, actual_rest) = actual.as_chunks::<WIDTH>();
    let (reference, reference_rest) = reference.as_chunks::<WIDTH>();
    for (a, r) in zip(actual, reference) {
        for lane in 0..WIDTH {
            add(lane, a[lane], r[lane]);
        }
    }
    for (lane, (a, r)) in zip(actual_rest, reference_rest).enumerate() {
        add(lane, *a, *r);
    }
    let total = |counts: [u32; WIDTH]| counts.into_iter().map(u64::from).sum();
    Ends {
        actual: [fold(least_actual, lower), fold(most_actual, higher)],
        reference: [fold(least_reference, lower), fold(most_reference, higher)],
        differing: total(differing),
        zeros: total(zeros),
    }
}

/// The one of all lanes.
fn fold<N: Number, const WIDTH: usize>(lanes: [N; WIDTH], choose: impl Fn(N, N) -> N) -> N {
    lanes.into_iter().fold(lanes[0], choose)
}

/// The lower of two numbers: a plain comparison, unlike `f64::min`, is one instruction.
#[inline(always)]
pub(super) fn lower<N: PartialOrd>(left: N, right: N) -> N {
    if right < left { right } else { left }
}

/// The higher of two numbers.
#[inline(always)]
pub(super) fn higher<N: PartialOrd>(left: N, right: N) -> N {
    if right > left { right } else { left }
}
