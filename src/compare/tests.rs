//! Compares the vector loops with `scalar.rs`, to the last bit, with every instruction set of this machine.

mod integers;
mod ties;

use half::{bf16, f16};
use proptest::prelude::*;

use super::kernel::{Kernel, Real};
use super::measure::{Measurement, measure_by, summarize_source};
use super::{NanRule, Pair, Rules, Tolerance, compare};
use crate::tensor::{DType, Element, F8E4M3, F8E5M2, Tensor};

/// Formats all measures so that equal text means equal bits, and -0 differs from 0.
fn text(actual: &Tensor, reference: &Tensor, mask: Option<&Tensor>, rules: &Rules, kernel: Option<Kernel>) -> String {
    let measured: Measurement =
        measure_by([actual, reference], mask, rules, usize::MAX, kernel).expect("it is in memory");
    let summary = summarize_source(actual, mask, kernel).expect("it is in memory");
    format!("{measured:#?}\n{summary:#?}")
}

#[track_caller]
fn assert_agreement(actual: &Tensor, reference: &Tensor, mask: Option<&Tensor>, rules: &Rules) {
    let scalar = text(actual, reference, mask, rules, None);
    for kernel in Kernel::all() {
        let loops = text(actual, reference, mask, rules, Some(*kernel));
        if loops != scalar {
            let differing = loops.lines().zip(scalar.lines()).filter(|(loops, scalar)| loops != scalar);
            let differing: Vec<String> = differing.map(|(loops, scalar)| format!("{loops} is not {scalar}")).collect();
            panic!("{kernel:?}, {} {:?}: {differing:#?}", actual.dtype(), actual.shape());
        }
    }
}

fn vector<T: Element>(elements: Vec<T>) -> Tensor {
    Tensor::new(&[elements.len()], elements).expect("the shape matches")
}

/// Converts numbers to a tensor of that dtype; integers saturate.
fn tensor(dtype: DType, numbers: &[f64]) -> Tensor {
    fn of<T: Element>(numbers: &[f64], convert: impl Fn(f64) -> T) -> Tensor {
        vector(numbers.iter().map(|x| convert(*x)).collect())
    }
    match dtype {
        DType::Bool => of(numbers, |x| x > 0.0),
        DType::I8 => of(numbers, |x| x as i8),
        DType::I16 => of(numbers, |x| x as i16),
        DType::I32 => of(numbers, |x| x as i32),
        DType::I64 => of(numbers, |x| x as i64),
        DType::U8 => of(numbers, |x| x as u8),
        DType::U16 => of(numbers, |x| x as u16),
        DType::U32 => of(numbers, |x| x as u32),
        DType::U64 => of(numbers, |x| x as u64),
        DType::F8E4M3 => of(numbers, |x| F8E4M3(x.to_bits().wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[7])),
        DType::F8E5M2 => of(numbers, |x| F8E5M2(x.to_bits().wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[7])),
        DType::F16 => of(numbers, f16::from_f64),
        DType::BF16 => of(numbers, bf16::from_f64),
        DType::F32 => of(numbers, |x| x as f32),
        DType::F64 => of(numbers, |x| x),
        DType::C64 | DType::C128 => of(numbers, |x| num_complex::Complex::new(x, 1.0 - x)),
    }
}

fn dtype() -> impl Strategy<Value = DType> {
    proptest::sample::select(DType::ALL.to_vec())
}

/// Generates numbers of similar size, as in typical tensors, with some special values among them.
fn numbers() -> impl Strategy<Value = Vec<(f64, f64)>> {
    let scale = prop_oneof![
        8 => Just(1.0),
        4 => Just(300.0),
        1 => Just(1e-42),
        1 => Just(1e-310),
        1 => Just(1e30),
        1 => Just(1e17),
        1 => Just(1e300),
    ];
    let offset = prop_oneof![4 => Just(0.0), 1 => Just(1000.0), 1 => Just(-3e8)];
    let near = prop_oneof![Just(0.0), Just(1e-7), Just(1e-2), Just(2.0)];
    let odd = prop_oneof![
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(0.0),
        Just(-0.0),
        Just(f64::from(f32::MIN)),
        Just(f64::from_bits(1)),
        Just(f64::from(f32::from_bits(1))),
        Just(f64::MAX),
        Just(9.1e18),
        Just(-9.1e18),
    ];
    let odds = prop_oneof![3 => Just(Vec::new()), 2 => proptest::collection::vec((any::<prop::sample::Index>(), 0..3u8, odd), 1..4)];
    let lengths = prop_oneof![4 => 1..300usize, 1 => 1000..1030usize, 1 => 2040..4200usize];
    let pool = proptest::collection::vec((-1.0..1.0f64, -1.0..1.0f64), 1..40);
    (scale, offset, near, odds, lengths, pool).prop_map(|(scale, offset, near, odds, len, pool)| {
        let mut pairs: Vec<(f64, f64)> = (0..len)
            .map(|place| {
                // A long tensor repeats a short one with different factors: generating every element would be slow.
                let (x, step) = pool[place % pool.len()];
                let x = (x + offset) * scale * (1.0 + (place / pool.len()) as f64 / 64.0);
                (x * (1.0 + step * near), x)
            })
            .collect();
        for (place, side, odd) in odds {
            let pair = place.get_mut(&mut pairs);
            match side {
                0 => pair.0 = odd,
                1 => pair.1 = odd,
                _ => *pair = (odd, odd),
            }
        }
        pairs
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    let part = || prop_oneof![2 => Just(0.0), 1 => Just(1e-7), 1 => Just(1e-5), 1 => Just(1e-3), 1 => 0.0..2.0];
    (part(), part(), prop_oneof![3 => Just(0u64), 1 => 1..4u64], any::<bool>()).prop_map(
        |(atol, rtol, outliers, matching)| {
            let tolerance =
                Tolerance::new(atol, rtol).expect("both are finite").with_outliers(outliers).with_max_ulps(3);
            Rules::new(tolerance).with_nan(if matching { NanRule::Match } else { NanRule::Mismatch }).with_empty()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn loops_and_scalar_code_agree(dtype in dtype(), pairs in numbers(), rules in rules()) {
        let (actual, reference): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        assert_agreement(&tensor(dtype, &actual), &tensor(dtype, &reference), None, &rules);
    }

    #[test]
    fn loops_and_scalar_code_agree_with_a_mask_and_a_cast(
        dtypes in (dtype(), dtype()),
        pairs in numbers(),
        rules in rules(),
        mask in proptest::collection::vec(prop_oneof![1 => Just(false), 9 => Just(true)], 1..2000),
    ) {
        let (actual, reference): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let mask = vector(mask.into_iter().cycle().take(actual.len()).collect());
        assert_agreement(&tensor(dtypes.0, &actual), &tensor(dtypes.1, &reference), Some(&mask), &rules.with_cast(dtypes.0));
    }

    #[test]
    fn loops_and_scalar_code_agree_with_a_mask(
        dtype in dtype(),
        pairs in numbers(),
        rules in rules(),
        mask in proptest::collection::vec(any::<bool>(), 1..3000),
    ) {
        let (actual, reference): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let mask = vector(mask.into_iter().cycle().take(actual.len()).collect());
        assert_agreement(&tensor(dtype, &actual), &tensor(dtype, &reference), Some(&mask), &rules);
    }

    #[test]
    fn loops_and_scalar_code_agree_on_arbitrary_bits(
        pairs in proptest::collection::vec((any::<u64>(), any::<u64>(), 0..3u8), 1..80),
        rules in rules(),
    ) {
        let sides: (Vec<u64>, Vec<u64>) =
            pairs.into_iter().map(|(a, r, near)| (if near == 0 { a } else { r.wrapping_add(a % 4) }, r)).unzip();
        let of = |convert: &dyn Fn(&[u64]) -> Tensor| assert_agreement(&convert(&sides.0), &convert(&sides.1), None, &rules);
        of(&|bits| vector(bits.iter().map(|x| f64::from_bits(*x)).collect()));
        of(&|bits| vector(bits.iter().map(|x| f32::from_bits(*x as u32)).collect()));
        of(&|bits| vector(bits.iter().map(|x| f16::from_bits(*x as u16)).collect()));
        of(&|bits| vector(bits.iter().map(|x| bf16::from_bits(*x as u16)).collect()));
        of(&|bits| vector(bits.iter().map(|x| *x as i64).collect()));
        of(&|bits| vector(bits.iter().map(|x| *x as i32).collect()));
        of(&|bits| vector(bits.to_vec()));
    }
}

#[test]
fn loops_and_scalar_code_agree_for_every_length_and_alignment() {
    let numbers: Vec<f64> = (0..320).map(|place| f64::from(place * 7919 % 1000) / 250.0 - 2.0).collect();
    let rules = Rules::new(Tolerance::new(1e-3, 1e-3).expect("both are finite")).with_empty();
    for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64, DType::I32, DType::I64] {
        let steps = if dtype.kind() == crate::tensor::Kind::Integer { 1000.0 } else { 1.0 };
        // Covers every length, with one of four starts.
        for start in 0..4 {
            for len in (start..=300).step_by(4).chain(0..9) {
                let reference: Vec<f64> = numbers[start..start + len].iter().map(|x| x * steps).collect();
                let actual: Vec<f64> = reference.iter().rev().map(|x| x * 1.001).collect();
                assert_agreement(&tensor(dtype, &actual), &tensor(dtype, &reference), None, &rules);
            }
        }
    }
}

#[test]
fn the_first_of_equal_peaks_is_found_across_branches() {
    // Long enough for several branches. All contain the same largest values; one contains a larger value.
    let len = 300_000;
    let rules = Rules::new(Tolerance::new(1e-3, 1e-3).expect("both are finite"));
    for peak in [None, Some(0), Some(len / 2), Some(len - 1)] {
        let reference: Vec<f32> = (0..len).map(|place| ((place % 1000) as f32 - 500.0) / 16.0).collect();
        let mut actual: Vec<f32> = reference.iter().map(|x| x + 1.0 / 64.0).collect();
        if let Some(place) = peak {
            actual[place] += 3.0;
        }
        let (actual, reference) = (vector(actual), vector(reference));
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool");
            pool.install(|| assert_agreement(&actual, &reference, None, &rules));
        }
    }
}

#[test]
fn a_peak_that_is_higher_by_a_few_bits_is_found() {
    // The peak of each block is a few bits higher than that of the block before, all in one branch.
    let blocks = 30;
    for (atol, rtol) in [(0.0, 0.3), (0.3, 0.0), (0.1, 0.7)] {
        let rules = Rules::new(Tolerance::new(atol, rtol).expect("both are finite"));
        for negative in [false, true] {
            let sign = if negative { -1.0 } else { 1.0 };
            let mut actual = vec![1.0f64; blocks * 1024];
            let reference = actual.clone();
            for block in 0..blocks {
                actual[block * 1024 + 31 * block] = 1.0 + sign * (0.5 + block as f64 * 2f64.powi(-50));
            }
            let (actual, reference) = (vector(actual), vector(reference));
            assert_agreement(&actual, &reference, None, &rules);
            let found = compare(Pair::new(&actual, &reference), &rules).expect("one shape");
            let worst = found.worst.expect("there are numbers");
            assert_eq!(worst.index, [(blocks - 1) * 1024 + 31 * (blocks - 1)]);
        }
    }
}
