//! Integers of 64 bits, of which doubles hold only some: what is rounded may hide nothing.

use super::super::found::Known;
use super::ties::found;
use super::*;
use crate::compare::summarize;

/// As many integers as fit, in either type.
fn either(pairs: &[(i128, i128)]) -> [[Tensor; 2]; 2] {
    fn of<T: Element + TryFrom<i128>>(pairs: &[(i128, i128)], ends: [i128; 2]) -> [Tensor; 2] {
        let whole = |x: i128| T::try_from(x.clamp(ends[0], ends[1])).ok().expect("it is between the ends");
        [pairs.iter().map(|pair| whole(pair.0)).collect(), pairs.iter().map(|pair| whole(pair.1)).collect()].map(vector)
    }
    [of::<i64>(pairs, [i64::MIN, i64::MAX].map(i128::from)), of::<u64>(pairs, [0, u64::MAX.into()])]
}

#[track_caller]
fn agree_on(pairs: &[(i128, i128)], rules: &Rules) {
    for [actual, reference] in either(pairs) {
        agree(&actual, &reference, None, rules);
        agree(&reference, &actual, None, rules);
    }
}

fn rules_of(atol: f64, rtol: f64, outliers: u64) -> Rules {
    Rules::new(Tolerance::new(atol, rtol).expect("both are finite").with_outliers(outliers))
}

/// Pairs of blocks of equal elements, in each but a few at its end.
fn blocks(equal: i128, others: &[&[(i128, i128)]]) -> Vec<(i128, i128)> {
    let block = |others: &[(i128, i128)]| {
        let mut block = vec![(equal, equal); 1024];
        block[1000..1000 + others.len()].copy_from_slice(others);
        block
    };
    others.iter().flat_map(|others| block(others)).collect()
}

/// Where doubles, or 64 bits, come to an end.
fn edge() -> impl Strategy<Value = i128> {
    let edges = [0, 40, 50, 51, 52, 53, 54, 61, 62, 63, 64].map(|bits| if bits == 0 { 0 } else { 1i128 << bits });
    (proptest::sample::select(edges.to_vec()), any::<bool>()).prop_map(|(x, negative)| if negative { -x } else { x })
}

fn integer() -> impl Strategy<Value = i128> {
    prop_oneof![
        4 => (edge(), -4..=4i128).prop_map(|(edge, step)| edge + step),
        1 => any::<i64>().prop_map(i128::from),
        1 => any::<u64>().prop_map(i128::from),
        1 => (any::<i64>(), 1..62u32).prop_map(|(x, shift)| i128::from(x >> shift)),
    ]
}

/// An integer, and what is near it or not.
fn pair(reference: impl Strategy<Value = i128>) -> impl Strategy<Value = (i128, i128)> {
    let step = prop_oneof![
        3 => Just(0i128),
        3 => -3..=3i128,
        2 => (0..64u32, any::<bool>(), -1..=1i128).prop_map(|(bits, negative, step)| {
            let distance = (1i128 << bits) + step;
            if negative { -distance } else { distance }
        }),
        2 => integer(),
    ];
    (reference, step).prop_map(|(reference, step)| (reference + step, reference))
}

fn whole_rules() -> impl Strategy<Value = Rules> {
    let power = (50..65i32, 0..2u8).prop_map(|(bits, step)| 2f64.powi(bits) + f64::from(step) * 2f64.powi(bits - 52));
    let atol = prop_oneof![
        3 => Just(0.0),
        2 => (0..4u8).prop_map(f64::from),
        2 => (0..4u8).prop_map(|x| f64::from(x) + 0.5),
        2 => power,
        1 => 0.0..1e19f64,
    ];
    let rtol = prop_oneof![
        3 => Just(0.0),
        2 => (0..64i32).prop_map(|bits| 2f64.powi(-bits)),
        1 => Just(1e-16),
        1 => Just(1e-3),
        1 => 0.0..2.0f64,
    ];
    (atol, rtol, prop_oneof![3 => Just(0u64), 1 => 1..4u64])
        .prop_map(|(atol, rtol, outliers)| rules_of(atol, rtol, outliers))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn integers_of_every_size_are_measured_alike(
        pool in prop_oneof![
            proptest::collection::vec(pair(integer()), 1..20),
            edge().prop_flat_map(|edge| proptest::collection::vec(pair((-9..9i128).prop_map(move |x| edge + x)), 1..20)),
        ],
        odd in proptest::collection::vec((any::<prop::sample::Index>(), pair(integer())), 0..6),
        len in prop_oneof![4 => 1..40usize, 1 => 1000..1030usize, 2 => 2040..4200usize],
        rules in whole_rules(),
    ) {
        let mut pairs: Vec<_> = pool.iter().copied().cycle().take(len).collect();
        for (place, pair) in odd {
            *place.get_mut(&mut pairs) = pair;
        }
        agree_on(&pairs, &rules);
    }
}

#[test]
fn a_distance_that_rounds_to_what_is_allowed_is_outside() {
    let (bound, large) = (1i128 << 53, 1i128 << 62);
    let [at, past, far] = [0, 1, 64].map(|step| (large + bound + step, large));
    let kinds: [&[(i128, i128)]; 4] = [&[at], &[far], &[past], &[(1, 0), at, past]];
    for (atol, rtol) in [(2f64.powi(53), 0.0), (0.0, 2f64.powi(-9)), (2f64.powi(52), 2f64.powi(-10))] {
        for before in kinds {
            for after in kinds {
                for outliers in 0..2 {
                    agree_on(&blocks(large, &[before, after]), &rules_of(atol, rtol, outliers));
                }
            }
        }
    }
    let [[actual, reference], _] = either(&blocks(large, &[&[at], &[past]]));
    let found = measure_by([&actual, &reference], None, &rules_of(2f64.powi(53), 0.0, 0), By::best(), Limit::None)
        .expect("in memory");
    let found = found.comparison.expect("one shape");
    assert_eq!((found.outside, found.smallest_atol), (1, Some(2f64.powi(53) + 2.0)));
    assert_eq!(found.worst.map(|worst| (worst.value, worst.index)), Some((1.0 + f64::EPSILON, vec![2024])));
}

#[test]
fn distances_that_round_to_one_double_have_one_peak_and_the_first_place() {
    let large = 3i128 << 60;
    for scale in [1i128 << 54, 1 << 60, 1 << 61] {
        let [low, high] = [0, 1].map(|step| (large - scale - step, large));
        for order in [[low, high], [high, low], [low, low]] {
            agree_on(&blocks(large, &[&order, &order]), &rules_of(1.0, 0.0, 1));
            agree_on(&blocks(large, &[&order[..1], &order[1..], &order]), &rules_of(0.0, 1e-3, 0));
        }
    }
}

#[test]
fn the_largest_distance_is_found_where_it_is_no_large_share() {
    let large = 1i128 << 60;
    let [near, far] = [1024, 0].map(|step| (large + (1 << 50) - step, large));
    agree_on(&blocks(1, &[&[(3, 1)], &[near, far, near, far]]), &rules_of(0.0, 1.0, 0));
}

#[test]
fn what_a_later_branch_knows_hides_no_integer() {
    let (large, bound) = (1i128 << 62, 1i128 << 53);
    let known = |relative: f64, share: f64, distance: f64, atol: f64| {
        let known = Known::default();
        let floors = [&known.relative, &known.share, &known.distance, &known.excess];
        floors.into_iter().zip([relative, share, distance, atol]).for_each(|(floor, value)| floor.raise(value));
        known
    };
    let (none, past) = (1e30, 1.0 + f64::EPSILON);
    for kernel in Kernel::all() {
        let found = |other: i128, rules: &Rules, known: &Known| {
            let [[actual, reference], _] = either(&blocks(large, &[&[(large + other, large); 2]]));
            found(&actual, &reference, rules, *kernel, known)
        };
        let place = Some(1000);
        // The same is there.
        let quarter = bound as f64 / large as f64;
        let same = found(bound, &rules_of(bound as f64 / 2.0, 0.0, 0), &known(none, 2.0, none, none));
        assert_eq!((same.share.map(|peak| peak.spot.position), same.numbers_outside), (place, 2));
        let same = found(bound, &rules_of(1.0, 0.0, 0), &known(quarter, none, none, none));
        assert_eq!((same.relative.map(|peak| peak.spot.position), same.numbers_outside), (place, 2));
        let same = found(bound, &rules_of(1.0, 0.0, 0), &known(none, none, bound as f64, none));
        assert_eq!(same.distance.map(|peak| peak.spot.position), place);
        let same = found(1, &rules_of(0.0, 0.0, 0), &known(none, f64::INFINITY, none, none));
        assert_eq!((same.share.map(|peak| peak.spot.position), same.numbers_outside), (place, 2));
        // It is larger than what is allowed by less than doubles tell.
        let same = found(bound + 1, &rules_of(bound as f64, 0.0, 0), &known(none, past, none, none));
        assert_eq!(same.share.map(|peak| (peak.value, peak.spot.position)), Some((past, 1000)));
        let same = found(bound + 1, &rules_of(bound as f64, 0.0, 0), &known(none, none, none, none));
        assert_eq!(same.numbers_outside, 2);
    }
}

#[test]
fn extremes_that_are_one_double_are_told_apart() {
    for edge in [i128::from(i64::MAX), i128::from(i64::MIN), u64::MAX.into(), 1 << 60] {
        let inner = edge - edge.signum();
        let [outer, inner] = [edge, inner].map(|x| (x, x));
        agree_on(&blocks(0, &[&[inner], &[outer], &[inner, outer]]), &rules_of(0.0, 0.0, 0));
        agree_on(&blocks(0, &[&[outer], &[inner]]), &rules_of(0.0, 0.0, 0));
    }
}

#[test]
fn the_mean_is_exact_up_to_the_ends_of_the_range() {
    let signed = [i64::MIN, -1, i64::MAX - 600, i64::MAX].map(i128::from);
    let unsigned = [1 << 53, (1 << 53) + 1, 1 << 63, (1 << 64) - 2000, (1 << 64) - 1];
    for x in signed.into_iter().chain(unsigned) {
        for y in signed.into_iter().chain(unsigned) {
            for len in [1, 7, 1030] {
                let pairs: Vec<_> = (0..len).map(|place| if place % 3 == 0 { (y, x) } else { (x, y) }).collect();
                agree_on(&pairs, &rules_of(0.0, 0.0, 0));
            }
        }
    }
}

#[test]
fn zeros_are_counted_of_either_type() {
    for len in [1, 5, 1024, 1030] {
        let zeros: Vec<_> = (0..len).map(|place| (1 << 60, if place % 3 == 1 { 0 } else { 1 << 61 })).collect();
        agree_on(&zeros, &rules_of(1.0, 0.0, 0));
        agree_on(&vec![(1 << 60, 0); len], &rules_of(0.0, 1.0, 0));
    }
}

#[test]
fn branches_find_the_first_of_equal_integers() {
    let len = 100_000;
    // All off by one, all off by what has no tolerance left, and one that is off by more.
    for (atol, step) in [(0.0, 1), (1.0, 1), (0.0, 1 << 55), (2f64.powi(55), 1 << 55), (0.0, 0)] {
        for peak in [None, Some(0), Some(len / 2), Some(len - 1)] {
            let mut pairs: Vec<_> =
                (0..len).map(|place| (1i128 << 58) + (place % 1000) as i128).map(|x| (x + step, x)).collect();
            if let Some(place) = peak {
                pairs[place].0 += 1 << 20;
            }
            let [[actual, reference], _] = either(&pairs);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("a small pool");
            pool.install(|| agree(&actual, &reference, None, &rules_of(atol, 0.0, 0)));
        }
    }
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
    agree_on(&[(i64::MAX.into(), 5), (5, 5), (i64::MIN.into(), -1)], &rules_of(1.0, 0.0, 0));
}
