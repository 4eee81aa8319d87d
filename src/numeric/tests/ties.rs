//! Elements that equal the largest so far, nearly equal it, or are larger by as little as can be: what the lines of the loops have
//! to tell apart.

use super::*;

/// A pair of two blocks, with zeros but for the first element of each.
fn two_blocks<T: Element + Default>(first: (T, T), second: (T, T)) -> [Tensor; 2] {
    let mut sides = [vec![T::default(); 1030], vec![T::default(); 1030]];
    for (place, (actual, reference)) in [(0, first), (1024, second)] {
        sides[0][place] = actual;
        sides[1][place] = reference;
    }
    sides.map(vector)
}

fn tolerance(atol: f64, rtol: f64) -> Tolerance {
    Tolerance::new(atol, rtol).expect("both are finite")
}

/// References of `bits` digits in one binade, and as many halves of a unit more as keep the quotient at most `largest`: quotients of
/// each kind, in their order.
fn quotients(bits: u32, largest: f64) -> Vec<(f64, u32, u32)> {
    let references = 1 << (bits - 1)..1 << bits;
    let mut quotients: Vec<(f64, u32, u32)> = references
        .flat_map(|r| (1..2 * r).map(move |d| (f64::from(d) / f64::from(2 * r), d, r)))
        .filter(|(quotient, ..)| *quotient <= largest)
        .collect();
    quotients.sort_by(|left, right| left.0.total_cmp(&right.0));
    quotients
}

#[test]
fn different_relative_differences_of_short_floats_are_far_apart() {
    for (bits, largest) in [(11, f16::DISTINCT), (8, bf16::DISTINCT)] {
        for pair in quotients(bits, 2.0 * largest).windows(2) {
            let [(lower, ..), (higher, ..)] = [pair[0], pair[1]];
            // A difference of two quotients of small integers is known to far more digits.
            let apart = higher / lower - 1.0;
            assert!(lower > largest || apart == 0.0 || apart > 2f64.powi(-17), "{pair:?}");
        }
    }
}

#[test]
fn the_next_larger_relative_difference_is_found_and_an_equal_one_is_not() {
    fn hold<T: Element + Default>(bits: u32, largest: f64, of: fn(f64) -> T) {
        let mut pairs: Vec<_> = quotients(bits, largest).windows(2).map(|pair| (pair[0], pair[1])).collect();
        // Those that are equal, and the nearest of the others.
        pairs.sort_by(|left, right| (left.1.0 / left.0.0).total_cmp(&(right.1.0 / right.0.0)));
        let different = pairs.partition_point(|(lower, higher)| lower.0 == higher.0);
        let few = pairs[..different].iter().step_by(different / 20 + 1).chain(pairs[different..].iter().take(60));
        for (lower, higher) in few {
            // At the lower end of a binade half a unit less is a float as well; elsewhere only whole units are.
            let pair = |(_, d, r): (f64, u32, u32)| (of(f64::from(r) - f64::from(d) / 2.0), of(f64::from(r)));
            let [actual, reference] = two_blocks(pair(*lower), pair(*higher));
            for rules in [tolerance(0.0, 0.0), tolerance(1e-5, 1e-3), tolerance(1.0, 1.0)] {
                agree(&actual, &reference, None, &Rules::new(rules));
            }
        }
    }
    hold(11, f16::DISTINCT, f16::from_f64);
    hold(8, bf16::DISTINCT, bf16::from_f64);
}

#[test]
fn a_pair_that_has_the_largest_share_may_come_again_and_a_larger_one_of_its_reference_is_found() {
    fn hold<T: Element + Default>(reference: f64, unit: f64, of: fn(f64) -> T) {
        let pair = |units: f64| (of(reference + units * unit), of(reference));
        for (first, second) in [(2.0, 2.0), (2.0, -2.0), (2.0, 3.0), (3.0, 2.0), (1.0, 40.0)] {
            let [actual, reference] = two_blocks(pair(first), pair(second));
            for outliers in [0, 1, 2] {
                let rules = Rules::new(tolerance(1e-9, 1e-9).with_outliers(outliers));
                agree(&actual, &reference, None, &rules);
            }
        }
    }
    for scale in [1.0, -1.0, 2f64.powi(-9), 2f64.powi(9)] {
        hold(1.5 * scale, scale * 2f64.powi(-10), f16::from_f64);
        hold(1.5 * scale, scale * 2f64.powi(-7), bf16::from_f64);
        hold(1.5 * scale, scale * 2f64.powi(-23), |x| x as f32);
        hold(1.5 * scale, scale * 2f64.powi(-52), |x| x);
    }
}

#[test]
fn the_first_relative_difference_is_found_behind_references_of_zero() {
    for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64, DType::I32] {
        let mut reference = vec![0.0; 3000];
        reference[2050..].fill(1.0);
        let tensor = tensor(dtype, &reference);
        agree(&tensor, &tensor, None, &Rules::new(tolerance(1.0, 1.0)));
    }
}

#[test]
fn distances_at_the_ends_of_the_range_are_told_apart() {
    let singles = |first: [f32; 2], second: [f32; 2]| two_blocks((first[0], first[1]), (second[0], second[1]));
    let brains = |first: [f32; 2], second: [f32; 2]| {
        let pair = |[actual, reference]: [f32; 2]| (bf16::from_f32(actual), bf16::from_f32(reference));
        two_blocks(pair(first), pair(second))
    };
    let small = f32::from_bits;
    let pairs = [
        ([small(1), small(3)], [small(2), small(5)]),
        ([small(700), small(1000)], [small(7), small(9)]),
        ([small(0x0001_0000), small(0x0003_0000)], [small(0x0002_0000), small(0x0005_0000)]),
        ([f32::MIN_POSITIVE, 0.0], [f32::MIN_POSITIVE * 1.5, 0.0]),
        ([f32::MAX / 2.0, 1.0], [f32::MAX, f32::MIN]),
        ([f32::MAX, f32::MIN], [f32::MAX, f32::MIN / 2.0]),
        ([1e-30, 1e30], [1e30, 1e-30]),
    ];
    for (first, second) in pairs {
        for [actual, reference] in [singles(first, second), brains(first, second)] {
            for (atol, rtol) in [(0.0, 0.0), (1e-45, 0.3), (0.0, 0.5), (0.0, 1e-40), (1e30, 1e30), (1e38, 3.0)] {
                agree(&actual, &reference, None, &Rules::new(tolerance(atol, rtol)));
                agree(&reference, &actual, None, &Rules::new(tolerance(atol, rtol)));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// What a conversion to fewer bits makes: steps of one unit, and values that come again and again.
    #[test]
    fn steps_of_one_unit_are_measured_alike(
        pool in proptest::collection::vec((0..400u16, -2..=2i16), 1..60),
        exponent in prop_oneof![Just(-130i32), Just(-20), Just(-3), Just(0), Just(8)],
        exact in any::<bool>(),
        rules in rules(),
    ) {
        let reference: Vec<f64> = (0..3000)
            .map(|place| f64::from(pool[place * 7919 % 3001 % pool.len()].0) * 2f64.powi(exponent))
            .collect();
        let step = |place: usize| pool[place % pool.len()].1;
        let halves: Vec<f16> = reference.iter().map(|x| f16::from_f64(*x)).collect();
        let brains: Vec<bf16> = reference.iter().map(|x| bf16::from_f64(*x)).collect();
        let singles: Vec<f32> = reference.iter().map(|x| *x as f32).collect();
        let other = |bits: u16, place| bits.saturating_add_signed(step(place));
        // A tolerance that is itself a step: many are exactly at it.
        let of = |tolerance: f64| if exact { Rules::new(self::tolerance(0.0, tolerance)) } else { rules };
        let actual = halves.iter().enumerate().map(|(place, x)| f16::from_bits(other(x.to_bits(), place))).collect();
        agree(&vector::<f16>(actual), &vector(halves), None, &of(2f64.powi(-10)));
        let actual = brains.iter().enumerate().map(|(place, x)| bf16::from_bits(other(x.to_bits(), place))).collect();
        agree(&vector::<bf16>(actual), &vector(brains), None, &of(2f64.powi(-7)));
        let next = |(place, x): (usize, &f32)| f32::from_bits(x.to_bits().saturating_add_signed(step(place).into()));
        let actual = singles.iter().enumerate().map(next).collect();
        agree(&vector::<f32>(actual), &vector(singles), None, &of(2f64.powi(-23)));
    }

    /// What a wrong factor makes: every element is off by the same share, but for rounding.
    #[test]
    fn one_factor_for_all_is_measured_alike(factor in prop_oneof![Just(1.01f64), Just(1.0 + 1e-6), Just(0.5), 0.9..1.1f64], rules in rules()) {
        let reference: Vec<f64> = (0..5000).map(|place| f64::from(place * 7919 % 4999) / 250.0 - 10.0).collect();
        let actual: Vec<f64> = reference.iter().map(|x| x * factor).collect();
        for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
            agree(&tensor(dtype, &actual), &tensor(dtype, &reference), None, &rules);
        }
    }
}
