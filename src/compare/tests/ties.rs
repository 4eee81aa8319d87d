//! Elements that equal the largest so far, nearly equal it, or are larger by the least possible amount: the lines of the loops must
//! distinguish them.

use super::*;

/// Returns a pair of tensors of two blocks, all zeros except the first element of each block.
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

/// Returns relative differences of floats of `bits` bits with both floats: a reference in one binade, and a float that is a whole number
/// of half units away. Odd numbers of half units give floats only below that binade.
fn quotients(bits: u32, largest: f64) -> Vec<(f64, f64, f64)> {
    let mut quotients = Vec::new();
    for reference in 1 << (bits - 1)..1 << bits {
        let reference = f64::from(reference);
        for halves in 1..=(2.0 * largest * reference) as u32 {
            let distance = f64::from(halves) / 2.0;
            let below = reference - distance;
            let is_float = |x: f64| x.fract() == 0.0 || x < f64::from(1 << (bits - 1));
            if let Some(actual) = [below, reference + distance].into_iter().find(|x| is_float(*x)) {
                quotients.push((distance / reference, actual, reference));
            }
        }
    }
    quotients.sort_by(|left, right| left.0.total_cmp(&right.0));
    quotients
}

#[test]
fn different_relative_differences_of_short_floats_are_clearly_distinct() {
    for (bits, largest) in [(11, f16::DISTINCT), (8, bf16::DISTINCT)] {
        for pair in quotients(bits, 2.0 * largest).windows(2) {
            // Quotients of small integers are accurate to far more digits.
            let (lower, apart) = (pair[0].0, pair[1].0 / pair[0].0 - 1.0);
            assert!(lower > largest || apart == 0.0 || apart > 2f64.powi(-17), "{pair:?}");
        }
    }
}

#[test]
fn a_slightly_larger_relative_difference_is_found_but_an_equal_one_is_not() {
    fn check<T: Element + Default>(bits: u32, largest: f64, of: fn(f64) -> T) {
        let quotients = quotients(bits, largest);
        let mut pairs: Vec<_> = quotients.windows(2).map(|pair| (pair[1].0 / pair[0].0, pair[0], pair[1])).collect();
        // Checks some equal pairs, and the closest of the different ones.
        pairs.sort_by(|left, right| left.0.total_cmp(&right.0));
        let different = pairs.partition_point(|(ratio, ..)| *ratio == 1.0);
        let few = pairs[..different].iter().step_by(different / 20 + 1).chain(pairs[different..].iter().take(60));
        for (_, lower, higher) in few {
            let [actual, reference] = two_blocks((of(lower.1), of(lower.2)), (of(higher.1), of(higher.2)));
            for rules in [tolerance(0.0, 0.0), tolerance(1e-5, 1e-3), tolerance(1e4, 1e-3)] {
                assert_agreement(&actual, &reference, None, &Rules::new(rules));
            }
        }
    }
    check(11, f16::DISTINCT, f16::from_f64);
    check(8, bf16::DISTINCT, bf16::from_f64);
}

#[test]
fn a_repeated_peak_does_not_hide_a_larger_one_with_the_same_reference() {
    fn check<T: Element + Default>(reference: f64, unit: f64, of: fn(f64) -> T) {
        let pair = |units: f64| (of(reference + units * unit), of(reference));
        for (first, second) in [(2.0, 2.0), (2.0, -2.0), (2.0, 3.0), (3.0, 2.0), (1.0, 40.0)] {
            let [actual, reference] = two_blocks(pair(first), pair(second));
            for outliers in [0, 1, 2] {
                let rules = Rules::new(tolerance(1e-9, 1e-9).with_outliers(outliers));
                assert_agreement(&actual, &reference, None, &rules);
            }
        }
    }
    for scale in [1.0, -1.0, 2f64.powi(-9), 2f64.powi(9)] {
        check(1.5 * scale, scale * 2f64.powi(-10), f16::from_f64);
        check(1.5 * scale, scale * 2f64.powi(-7), bf16::from_f64);
        check(1.5 * scale, scale * 2f64.powi(-23), |x| x as f32);
        check(1.5 * scale, scale * 2f64.powi(-52), |x| x);
    }
}

#[test]
fn the_first_relative_difference_is_found_after_references_of_zero() {
    for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64, DType::I32] {
        let mut reference = vec![0.0; 3000];
        reference[2050..].fill(1.0);
        let tensor = tensor(dtype, &reference);
        assert_agreement(&tensor, &tensor, None, &Rules::new(tolerance(1.0, 1.0)));
    }
}

#[test]
fn distances_at_the_ends_of_the_range_are_distinguished() {
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
        // The second distance overflows `f32`, and so does the line at its reference.
        ([0.9, -1.0], [f32::MAX, f32::MIN]),
        // Two distances that are equal as `f32`.
        ([1e9, 1.0], [-1e9, 1.0]),
    ];
    for (first, second) in pairs {
        for [actual, reference] in [singles(first, second), brains(first, second)] {
            for (atol, rtol) in
                [(0.0, 0.0), (1e-45, 0.3), (0.0, 0.5), (0.0, 1e-40), (0.0, 3.0), (1e30, 1e30), (1e38, 3.0)]
            {
                assert_agreement(&actual, &reference, None, &Rules::new(tolerance(atol, rtol)));
                assert_agreement(&reference, &actual, None, &Rules::new(tolerance(atol, rtol)));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Simulates a conversion to fewer bits: steps of one unit, and repeated values.
    #[test]
    fn loops_and_scalar_code_agree_on_steps_of_one_unit(
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
        // If the tolerance is one step, many elements are exactly at it.
        let of = |tolerance: f64| if exact { Rules::new(self::tolerance(0.0, tolerance)) } else { rules };
        let actual = halves.iter().enumerate().map(|(place, x)| f16::from_bits(other(x.to_bits(), place))).collect();
        assert_agreement(&vector::<f16>(actual), &vector(halves), None, &of(2f64.powi(-10)));
        let actual = brains.iter().enumerate().map(|(place, x)| bf16::from_bits(other(x.to_bits(), place))).collect();
        assert_agreement(&vector::<bf16>(actual), &vector(brains), None, &of(2f64.powi(-7)));
        let next = |(place, x): (usize, &f32)| f32::from_bits(x.to_bits().saturating_add_signed(step(place).into()));
        let actual = singles.iter().enumerate().map(next).collect();
        assert_agreement(&vector::<f32>(actual), &vector(singles), None, &of(2f64.powi(-23)));
    }

    /// Simulates a wrong factor: every element has the same relative difference, except for rounding.
    #[test]
    fn loops_and_scalar_code_agree_on_a_constant_factor(factor in prop_oneof![Just(1.01f64), Just(1.0 + 1e-6), Just(0.5), 0.9..1.1f64], rules in rules()) {
        let reference: Vec<f64> = (0..5000).map(|place| f64::from(place * 7919 % 4999) / 250.0 - 10.0).collect();
        let actual: Vec<f64> = reference.iter().map(|x| x * factor).collect();
        for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
            assert_agreement(&tensor(dtype, &actual), &tensor(dtype, &reference), None, &rules);
        }
    }
}
