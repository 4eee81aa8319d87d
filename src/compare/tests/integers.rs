//! 64-bit integers, most of which `f64` cannot represent: rounding must not hide a difference.

use super::*;
use crate::compare::summarize;

/// Returns the pairs as i64 and as u64 tensors, saturated.
fn either(pairs: &[(i128, i128)]) -> [[Tensor; 2]; 2] {
    fn of<T: Element + TryFrom<i128>>(pairs: &[(i128, i128)], ends: [i128; 2]) -> [Tensor; 2] {
        let saturate = |x: i128| T::try_from(x.clamp(ends[0], ends[1])).ok().expect("it is between the ends");
        [pairs.iter().map(|pair| saturate(pair.0)).collect(), pairs.iter().map(|pair| saturate(pair.1)).collect()]
            .map(vector)
    }
    [of::<i64>(pairs, [i64::MIN, i64::MAX].map(i128::from)), of::<u64>(pairs, [0, u64::MAX.into()])]
}

fn rules_of(atol: f64, rtol: f64, outliers: u64) -> Rules {
    Rules::new(Tolerance::new(atol, rtol).expect("both are finite").with_outliers(outliers))
}

/// Returns blocks of equal pairs, each with a few other pairs near its end.
fn blocks(equal: i128, others: &[&[(i128, i128)]]) -> Vec<(i128, i128)> {
    let block = |others: &[(i128, i128)]| {
        let mut block = vec![(equal, equal); 1024];
        block[1000..1000 + others.len()].copy_from_slice(others);
        block
    };
    others.iter().flat_map(|others| block(others)).collect()
}

#[test]
fn a_distance_that_rounds_down_to_the_tolerance_is_outside() {
    let (bound, large) = (1i128 << 53, 1i128 << 62);
    let [at, past] = [0, 1].map(|step| (large + bound + step, large));
    let [[actual, reference], _] = either(&blocks(large, &[&[at], &[past]]));
    let comparison = compare(Pair::new(&actual, &reference), &rules_of(2f64.powi(53), 0.0, 0)).expect("one shape");
    assert_eq!((comparison.outside, comparison.smallest_atol), (1, Some(2f64.powi(53) + 2.0)));
    assert_eq!(comparison.worst.map(|worst| (worst.value, worst.index)), Some((1.0 + f64::EPSILON, vec![2024])));
}

#[test]
fn the_mean_of_integers_at_the_ends_of_their_range_is_exact() {
    let signed = (vector(vec![i64::MAX, 5, i64::MIN]), vector(vec![i64::MAX, 5, 7, i64::MIN]), 4.0 / 3.0);
    let mean = (u64::MAX / 3 * 2 - 1) as f64;
    let unsigned = (vector(vec![u64::MAX, u64::MAX - 1, 0]), vector(vec![u64::MAX, u64::MAX - 1, 7, 0]), mean);
    let mask = vector(vec![true, true, false, true]);
    for (whole, masked, mean) in [signed, unsigned] {
        assert_eq!(summarize(&whole, None).mean, Some(mean));
        assert_eq!(summarize(&masked, Some(&mask)).mean, Some(mean));
    }
}
