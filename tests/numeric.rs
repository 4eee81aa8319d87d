//! karat's numbers against numpy, torch, exact arithmetic and a naive oracle.

use half::{bf16, f16};
use karat::compare::{Comparison, Mismatch, NanRule, Pair, Rules, Summary, compare, summarize, ulp_distance};
use karat::tensor::{Element, F8E4M3, F8E5M2, Value};
use karat::{DType, Tensor, Tolerance};
use num_complex::Complex;
use proptest::prelude::*;
use serde_json::Value as Json;

/// What `tests/data/numeric/generate.py` wrote.
fn reference_file() -> Json {
    serde_json::from_str(include_str!("data/numeric/reference.json")).expect("the generator writes JSON")
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hexadecimal")).collect()
}

fn vector<T: Element>(elements: &[T]) -> Tensor {
    Tensor::new(&[elements.len()], elements.to_vec()).expect("a vector of its own length")
}

fn tensor(dtype: DType, hex: &str) -> Tensor {
    fn of<T: Element>(bytes: &[u8]) -> Tensor {
        let elements = bytes.chunks_exact(T::DTYPE.size()).map(bytemuck::checked::pod_read_unaligned);
        vector(&elements.collect::<Vec<T>>())
    }
    let bytes = bytes(hex);
    match dtype {
        DType::Bool => of::<bool>(&bytes),
        DType::I8 => of::<i8>(&bytes),
        DType::I16 => of::<i16>(&bytes),
        DType::I32 => of::<i32>(&bytes),
        DType::I64 => of::<i64>(&bytes),
        DType::U8 => of::<u8>(&bytes),
        DType::F8E4M3 => of::<F8E4M3>(&bytes),
        DType::F8E5M2 => of::<F8E5M2>(&bytes),
        DType::F16 => of::<f16>(&bytes),
        DType::BF16 => of::<bf16>(&bytes),
        DType::F32 => of::<f32>(&bytes),
        DType::F64 => of::<f64>(&bytes),
        DType::C64 => of::<Complex<f32>>(&bytes),
        DType::C128 => of::<Complex<f64>>(&bytes),
        other => panic!("the generator writes no {other}"),
    }
}

fn measure(actual: &Tensor, reference: &Tensor, tolerance: Tolerance) -> Comparison {
    compare(Pair::new(actual, reference), &Rules::new(tolerance)).expect("two comparable tensors")
}

fn tolerance(atol: f64, rtol: f64) -> Tolerance {
    Tolerance::new(atol, rtol).expect("a tolerance that makes sense")
}

fn value(extreme: &Option<karat::compare::Extreme>) -> Option<f64> {
    extreme.as_ref().map(|extreme| extreme.value)
}

/// Holds a measurement against one that was rounded once, within the rounding of some sums.
#[track_caller]
fn assert_near(case: &str, quantity: &str, measured: Option<f64>, expected: &Json, scale: f64) {
    match (measured, expected.as_f64()) {
        (Some(measured), Some(expected)) => {
            let allowed = 4e-14 * (expected.abs() + scale);
            assert!((measured - expected).abs() <= allowed, "{case}: {quantity} is {measured}, not {expected}");
        }
        (Some(f64::INFINITY), _) if expected == "inf" => {}
        (measured, _) => {
            assert!(measured.is_none() && expected.is_null(), "{case}: {quantity} {measured:?}, {expected}")
        }
    }
}

#[test]
fn all_codes_of_both_8_bit_floats_are_those_of_torch() {
    let file = reference_file();
    let expected = |name: &str| bytes(file[name].as_str().expect("a string"));
    let bits = |value: f32| value.to_bits();
    for code in 0..=255u8 {
        let at = usize::from(code) * 4..usize::from(code) * 4 + 4;
        for (name, value) in [("f8_e4m3", F8E4M3(code).to_f32()), ("f8_e5m2", F8E5M2(code).to_f32())] {
            let torch = bytemuck::pod_read_unaligned::<f32>(&expected(name)[at.clone()]);
            let is_same = bits(value) == bits(torch) || (value.is_nan() && torch.is_nan());
            assert!(is_same, "{name} {code:#x}: {value} is not {torch}");
        }
    }
}

#[test]
fn comparisons_agree_with_numpy_torch_and_exact_arithmetic() {
    let file = reference_file();
    for case in file["cases"].as_array().expect("an array") {
        let name = case["name"].as_str().expect("a name");
        let dtype = DType::from_name(case["dtype"].as_str().expect("a dtype")).expect("a dtype of karat's");
        let [actual, reference] = ["actual", "reference"].map(|side| tensor(dtype, case[side].as_str().expect("hex")));
        let number = |key: &str| case[key].as_f64().expect("a number");
        let rules = Rules::new(tolerance(number("atol"), number("rtol")));

        for (index, nan) in [NanRule::Mismatch, NanRule::Match].into_iter().enumerate() {
            let comparison = compare(Pair::new(&actual, &reference), &rules.with_nan(nan)).expect("comparable");
            assert_eq!(comparison.outside, case["outside"][index].as_u64().expect("a count"), "{name}, {nan:?}");
            assert_eq!(comparison.is_close(), comparison.outside == 0, "{name}, {nan:?}");
            // torch takes the tolerance of 64-bit integers in f32, where any two of that size are close.
            if dtype != DType::I64 {
                assert_eq!(Some(comparison.is_close()), case["torch_passes"][index].as_bool(), "{name}, {nan:?}");
            }
        }

        let comparison = compare(Pair::new(&actual, &reference), &rules).expect("comparable");
        assert_eq!(value(&comparison.max_ulp_diff), case["ulps"].as_u64().map(|ulps| ulps as f64), "{name}");
        let expected = &case["comparison"];
        let near = |quantity: &str, measured, scale| assert_near(name, quantity, measured, &expected[quantity], scale);
        near("max_abs_diff", value(&comparison.max_abs_diff), 0.0);
        near("max_rel_diff", value(&comparison.max_rel_diff), 0.0);
        near("mean_abs_diff", comparison.mean_abs_diff, 0.0);
        near("rmse", comparison.rmse, 0.0);
        near("rel_rms", comparison.rel_rms, 0.0);
        near("bias", comparison.bias, comparison.mean_abs_diff.unwrap_or_default());
        near("scale", comparison.scale, 1.0);
        near("cosine", comparison.cosine, 1.0);
        near("worst", value(&comparison.worst), 0.0);
        if comparison.non_finite_mismatches == 0 {
            near("smallest_atol", comparison.smallest_atol, value(&comparison.max_abs_diff).unwrap_or_default());
        } else {
            assert_eq!(comparison.smallest_atol, None, "{name}");
        }
    }
}

#[test]
fn summaries_agree_with_exact_arithmetic() {
    let file = reference_file();
    for case in file["cases"].as_array().expect("an array") {
        let name = case["name"].as_str().expect("a name");
        let dtype = DType::from_name(case["dtype"].as_str().expect("a dtype")).expect("a dtype of karat's");
        let summary = summarize(&tensor(dtype, case["actual"].as_str().expect("hex")), None);
        let expected = &case["summary"];
        assert_eq!(Some(summary.non_finite.nan), expected["nan"].as_u64(), "{name}");
        assert_eq!(Some(summary.elements - summary.non_finite.total()), expected["finite"].as_u64(), "{name}");
        let near = |quantity: &str, measured, scale| assert_near(name, quantity, measured, &expected[quantity], scale);
        near("min", summary.min.map(Value::to_f64), 0.0);
        near("max", summary.max.map(Value::to_f64), 0.0);
        near("mean", summary.mean, summary.std.unwrap_or_default());
        near("std", summary.std, 0.0);
        near("l2", summary.l2, 0.0);
    }
}

// Structure.

#[test]
fn a_mask_of_another_shape_or_dtype_is_refused() {
    let ones = Tensor::new(&[2, 2], vec![1.0f32; 4]).expect("a tensor");
    let rules = Rules::new(Tolerance::EXACT);
    for mask in [vector(&[true; 4]), Tensor::new(&[2, 2], vec![1u8; 4]).expect("a tensor")] {
        let refused = Mismatch::Mask { dtype: mask.dtype(), shape: mask.shape().to_vec(), reference: vec![2, 2] };
        assert_eq!(compare(Pair::new(&ones, &ones).within(&mask), &rules), Err(refused));
    }
}

#[test]
fn structure_is_read_in_order() {
    let (actual, reference) = (vector(&[1.0f32; 2]), vector(&[1.0f64; 3]));
    let mask = vector(&[1u8]);
    let rules = Rules::new(Tolerance::EXACT);
    let refuse = |actual: &Tensor, reference: &Tensor| {
        compare(Pair::new(actual, reference).within(&mask), &rules).expect_err("not comparable")
    };
    assert!(matches!(refuse(&actual, &reference), Mismatch::Dtype { .. }));
    assert!(matches!(refuse(&vector(&[1.0f64; 2]), &reference), Mismatch::Shape { .. }));
    assert!(matches!(refuse(&reference, &reference), Mismatch::Mask { .. }));
    let empty = vector::<f64>(&[]);
    assert_eq!(compare(Pair::new(&empty, &empty), &rules), Err(Mismatch::Empty));
}

#[test]
fn all_nan_does_not_pass_without_a_rule_and_is_counted() {
    let nans = vector(&[f32::NAN; 3]);
    let comparison = measure(&nans, &nans, tolerance(1.0, 1.0).with_outliers(3));
    assert_eq!(comparison.mismatches, [Mismatch::NonFinite { count: 3 }]);
    assert_eq!((comparison.outside, comparison.differing, comparison.actual_non_finite.nan), (3, 3, 3));
    assert_eq!((comparison.tolerance_used, comparison.smallest_atol), (f64::INFINITY, None));
    assert_eq!((comparison.max_abs_diff, comparison.rmse, comparison.cosine), (None, None, None));
    assert_eq!(comparison.first_non_finite_mismatch.expect("one").index, [0]);

    let matched = compare(Pair::new(&nans, &nans), &Rules::new(Tolerance::EXACT).with_nan(NanRule::Match));
    let matched = matched.expect("comparable");
    assert!(matched.is_close());
    assert_eq!((matched.elements, matched.differing, matched.outside, matched.tolerance_used), (3, 0, 0, 0.0));
}

#[test]
fn mismatches_are_in_reading_order() {
    let actual = vector(&[f32::NAN, 3.0, 1.0]);
    let reference = vector(&[1.0f32, 1.0, 1.0]);
    let strict = tolerance(0.5, 0.0).with_max_ulps(1).with_max_rel_rms(0.1).expect("a share");
    let mismatches = measure(&actual, &reference, strict).mismatches;
    assert!(
        matches!(
            mismatches[..],
            [
                Mismatch::NonFinite { count: 1 },
                Mismatch::Outside { count: 1 },
                Mismatch::Ulps { .. },
                Mismatch::RelRms { .. }
            ]
        ),
        "{mismatches:?}"
    );
}

// Values.

#[test]
fn a_limit_in_ulp_is_never_silently_without_effect() {
    let ulps = Tolerance::EXACT.with_max_ulps(0);
    let integers = vector(&[1i32]);
    let no_ulps = Mismatch::NoUlps { actual: DType::I32, reference: DType::I32 };
    assert_eq!(measure(&integers, &integers, ulps).mismatches, [no_ulps]);

    let (actual, reference) = (vector(&[1.0f32]), vector(&[1.0f64]));
    let rules = Rules::new(ulps).with_cast(DType::F32);
    let cast = compare(Pair::new(&actual, &reference), &rules).expect("a declared cast");
    assert_eq!(cast.mismatches, [Mismatch::NoUlps { actual: DType::F32, reference: DType::F64 }]);
}

#[test]
fn a_share_of_a_reference_of_zeros_is_infinite() {
    let zeros = vector(&[0.0f32; 2]);
    let share = tolerance(1.0, 0.0).with_max_rel_rms(0.5).expect("a share");
    assert!(measure(&zeros, &zeros, share).is_close());
    let judged = measure(&vector(&[1e-3f32, 0.0]), &zeros, share);
    assert_eq!(judged.mismatches, [Mismatch::RelRms { rel_rms: f64::INFINITY, allowed: 0.5 }]);
    assert_eq!((judged.rel_rms, judged.scale, judged.cosine), (None, None, None));
    assert_eq!((judged.zero_references, judged.max_rel_diff), (2, None));
}

#[test]
fn a_tensor_is_close_to_itself_and_every_difference_is_0() {
    fn check<T: Element>(elements: &[T]) {
        let tensor = vector(elements);
        let comparison = measure(&tensor, &tensor, Tolerance::EXACT);
        assert!(comparison.is_close(), "{}", T::DTYPE);
        assert_eq!((comparison.differing, comparison.outside, comparison.tolerance_used), (0, 0, 0.0));
        assert_eq!(value(&comparison.max_abs_diff), Some(0.0));
        assert_eq!(value(&comparison.worst), Some(0.0));
        assert_eq!((comparison.rmse, comparison.bias, comparison.mean_abs_diff), (Some(0.0), Some(0.0), Some(0.0)));
        assert_eq!((comparison.scale, comparison.cosine), (Some(1.0), Some(1.0)), "{}", T::DTYPE);
        assert_eq!(comparison.smallest_atol, Some(0.0));
    }
    let floats: Vec<f64> = (0..3000).map(|i| (f64::from(i) * 0.7).sin() * 1e3).collect();
    check(&floats);
    check(&floats.iter().map(|x| x * 1e304).collect::<Vec<_>>());
    check(&floats.iter().map(|x| x * 1e-320).collect::<Vec<_>>());
    check(&floats.iter().map(|&x| x as f32).collect::<Vec<_>>());
    check(&floats.iter().map(|&x| f16::from_f64(x)).collect::<Vec<_>>());
    check(&floats.iter().map(|&x| bf16::from_f64(x)).collect::<Vec<_>>());
    check(&(0..3000).map(|i| F8E4M3((i % 0x7f) as u8)).collect::<Vec<_>>());
    check(&(0..3000).map(|i| F8E5M2((i % 0x7c) as u8)).collect::<Vec<_>>());
    check(&floats.iter().map(|&x| Complex::new(x, 1.0 - x)).collect::<Vec<_>>());
    check(&floats.iter().map(|&x| Complex::new(x as f32, 1.0)).collect::<Vec<_>>());
    check(&floats.iter().map(|&x| x as i8).collect::<Vec<_>>());
    check(&floats.iter().map(|&x| x as u16).collect::<Vec<_>>());
    check(&[i64::MIN, 0, i64::MAX]);
    check(&[0, u64::MAX]);
    check(&[true, false]);
}

#[test]
fn numbers_as_large_as_doubles_overflow_nothing() {
    let actual = vector(&[f64::MAX, f64::MIN, 1.0]);
    let reference = vector(&[f64::MIN, f64::MAX, 1.0]);
    let comparison = measure(&actual, &reference, tolerance(f64::MAX, 1.0));
    assert_eq!((comparison.outside, comparison.differing), (2, 2));
    assert_eq!((value(&comparison.max_abs_diff), comparison.tolerance_used), (Some(f64::INFINITY), f64::INFINITY));
    assert_eq!((comparison.bias, comparison.smallest_atol), (Some(0.0), None));
    assert_eq!((comparison.scale, comparison.cosine, comparison.rel_rms), (Some(-1.0), Some(-1.0), Some(2.0)));

    let summary = summarize(&vector(&[f64::MAX; 2000]), None);
    assert_eq!((summary.mean, summary.std, summary.l2), (Some(f64::MAX), Some(0.0), Some(f64::INFINITY)));
}

#[test]
fn an_additive_mask_of_the_lowest_float_does_not_overflow() {
    let filled = vector(&[[f32::MIN; 4], [0.0; 4]].concat());
    let summary = summarize(&filled, None);
    let lowest = f64::from(f32::MIN);
    assert_eq!((summary.mean, summary.std), (Some(lowest / 2.0), Some(-lowest / 2.0)));
    assert_eq!(summary.l2, Some(-lowest * 2.0));
    let comparison = measure(&filled, &filled, Tolerance::EXACT);
    assert_eq!((comparison.rel_rms, comparison.cosine), (Some(0.0), Some(1.0)));
}

#[test]
fn differences_of_64_bit_integers_are_exact() {
    let (actual, reference) = (vector(&[i64::MAX, i64::MIN]), vector(&[i64::MAX - 1, i64::MIN]));
    let comparison = measure(&actual, &reference, Tolerance::EXACT);
    assert_eq!((comparison.differing, comparison.outside), (1, 1));
    assert_eq!((value(&comparison.max_abs_diff), comparison.bias), (Some(1.0), Some(0.5)));
    assert_eq!(comparison.max_abs_diff.expect("one").actual, Value::Integer(i64::MAX.into()));

    // 2^53 + 1 apart, which no double holds: outside 2^53, and seen to be.
    let (actual, reference) = (vector(&[(1u64 << 53) + 1]), vector(&[0u64]));
    let comparison = measure(&actual, &reference, tolerance(2f64.powi(53), 0.0));
    assert!(comparison.outside == 1 && comparison.tolerance_used > 1.0);
    assert!(measure(&actual, &reference, tolerance(2f64.powi(53) + 2.0, 0.0)).is_close());

    let summary = summarize(&vector(&[i64::MAX, i64::MAX - 1, i64::MAX - 2]), None);
    assert_eq!(summary.std, Some((2f64 / 3.0).sqrt()));
    assert_eq!(summary.min, Some(Value::Integer(i128::from(i64::MAX) - 2)));
}

#[test]
fn integers_beyond_64_bits_apart_are_measured() {
    let (actual, reference) = (vector(&[u64::MAX]), vector(&[i64::MIN]));
    let cast = |atol: f64| {
        let rules = Rules::new(tolerance(atol, 0.0)).with_cast(DType::U64);
        compare(Pair::new(&actual, &reference), &rules).expect("a declared cast")
    };
    let apart = 2f64.powi(64) + 2f64.powi(63); // and one less, which no double holds
    assert_eq!(value(&cast(0.0).max_abs_diff), Some(apart));
    assert_eq!(cast(0.0).smallest_atol, Some(apart));
    assert!(cast(apart).is_close() && !cast(apart.next_down()).is_close());
    assert_eq!(summarize(&actual, None).mean, Some(2f64.powi(64)));
}

#[test]
fn a_cast_compares_values_without_loss() {
    let compare_as = |actual: &Tensor, reference: &Tensor| {
        let rules = Rules::new(Tolerance::EXACT).with_cast(actual.dtype());
        compare(Pair::new(actual, reference), &rules).expect("a declared cast")
    };
    assert!(compare_as(&vector(&[255u8, 0]), &vector(&[255i64, 0])).is_close());
    assert!(compare_as(&vector(&[f16::from_f32(0.1)]), &vector(&[f16::from_f32(0.1).to_f64()])).is_close());
    assert!(!compare_as(&vector(&[0.1f32]), &vector(&[0.1f64])).is_close());
    assert!(compare_as(&vector(&[true]), &vector(&[1.0f32])).is_close());
    assert!(compare_as(&vector(&[2.0f32]), &vector(&[Complex::new(2.0f64, 0.0)])).is_close());
    // 2^53 + 1 becomes 2^53 in a double; it is not.
    let comparison = compare_as(&vector(&[(1i64 << 53) + 1]), &vector(&[2f64.powi(53)]));
    assert_eq!((comparison.outside, value(&comparison.max_abs_diff)), (1, Some(1.0)));
    assert!(compare_as(&vector(&[i64::MIN]), &vector(&[-(2f64.powi(63))])).is_close());
    // The other way round, and not finite.
    let comparison = compare_as(&vector(&[f32::INFINITY]), &vector(&[i64::MAX]));
    assert_eq!(comparison.mismatches, [Mismatch::NonFinite { count: 1 }]);
}

#[test]
fn a_complex_number_that_is_not_finite_matches_component_by_component() {
    let is_close = |actual: Complex<f32>, reference: Complex<f32>| {
        let (actual, reference) = (vector(&[actual]), vector(&[reference]));
        let rules = Rules::new(tolerance(1.0, 0.0)).with_nan(NanRule::Match);
        compare(Pair::new(&actual, &reference), &rules).expect("comparable").is_close()
    };
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    assert!(is_close(Complex::new(nan, 1.0), Complex::new(nan, 1.0)));
    assert!(!is_close(Complex::new(nan, 1.0), Complex::new(1.0, nan)));
    assert!(!is_close(Complex::new(nan, 1.0), Complex::new(nan, 1.5)));
    assert!(is_close(Complex::new(nan, inf), Complex::new(nan, inf)));
    assert!(!is_close(Complex::new(1.0, inf), Complex::new(1.0, -inf)));

    let summary = summarize(&vector(&[Complex::new(nan, inf), Complex::new(1.0, -inf), Complex::new(3.0, 4.0)]), None);
    assert_eq!((summary.non_finite.nan, summary.non_finite.neg_inf, summary.mean), (1, 1, Some(5.0)));
    assert_eq!(summary.max, Some(Value::Float64(5.0)));
}

#[test]
fn of_equal_extremes_the_first_in_c_order_is_shown() {
    let len = 5000;
    let mut actual = vec![0.0f32; len];
    let reference = vec![1.0f32; len];
    for place in [4999, 4000, 1500] {
        actual[place] = 3.0;
    }
    let [actual, reference] = [actual, reference].map(|x| Tensor::new(&[5, 1000], x).expect("a tensor"));
    let comparison = measure(&actual, &reference, tolerance(1.0, 0.0));
    for extreme in [&comparison.max_abs_diff, &comparison.max_rel_diff, &comparison.worst] {
        let extreme = extreme.as_ref().expect("an extreme");
        assert_eq!((extreme.index.as_slice(), extreme.value), (&[1, 500][..], 2.0));
        assert_eq!((extreme.actual, extreme.reference), (Value::Float32(3.0), Value::Float32(1.0)));
    }
    assert_eq!(comparison.max_ulp_diff.expect("an extreme").index, [0, 0]);
}

#[test]
fn a_large_offset_hides_no_spread() {
    // Doubles around 1e15 are an eighth apart; the deviations are exact, and so must their spread be.
    let elements: Vec<f64> = (0..100_000).map(|i| 1e15 + 0.125 * f64::from(i % 7)).collect();
    let small: Vec<f64> = (0..100_000).map(|i| 0.125 * f64::from(i % 7)).collect();
    let (summary, expected) = (summarize(&vector(&elements), None), summarize(&vector(&small), None));
    let (std, expected_std) = (summary.std.expect("a std"), expected.std.expect("a std"));
    assert!((std - expected_std).abs() < 1e-14, "{std} {expected_std}");
    assert_eq!(summary.mean, Some(1e15 + expected.mean.expect("a mean")));
}

#[test]
fn blocks_of_other_means_and_sizes_join() {
    let count = 5000;
    let summary = summarize(&vector(&(0..count).collect::<Vec<i32>>()), None);
    let std = ((f64::from(count).powi(2) - 1.0) / 12.0).sqrt();
    assert_eq!(summary.mean, Some(f64::from(count - 1) / 2.0));
    assert!((summary.std.expect("a std") - std).abs() < 1e-12 * std);

    // Each block has another power of two taken out.
    let (low, high) = (2f64.powi(1000), 2f64.powi(1010));
    for halves in [[low, high], [high, low]] {
        let summary = summarize(&vector(&halves.map(|x| [x; 1024]).concat()), None);
        assert_eq!((summary.mean, summary.std), (Some((low + high) / 2.0), Some((high - low) / 2.0)));
        assert_eq!(summary.l2, Some(32.0 * low * (1.0 + 2f64.powi(20)).sqrt()));
    }
    let (tiny, one) = (f64::MIN_POSITIVE, 1.0);
    let summary = summarize(&vector(&[[tiny; 1024], [one; 1024]].concat()), None);
    assert_eq!((summary.mean, summary.std, summary.l2), (Some(0.5), Some(0.5), Some(32.0)));
    let summary = summarize(&vector(&[[tiny; 1024], [0.0; 1024]].concat()), None);
    assert_eq!((summary.std, summary.l2), (Some(tiny / 2.0), Some(32.0 * tiny)));
}

#[test]
fn of_equal_smallest_and_largest_elements_the_first_is_shown() {
    for first in [0.0f64, -0.0] {
        let summary = summarize(&vector(&[first, -first]), None);
        for shown in [summary.min, summary.max] {
            assert_eq!(shown.map(|value| value.to_f64().to_bits()), Some(first.to_bits()));
        }
    }
}

#[test]
fn a_complex_number_whose_modulus_overflows_is_still_a_number() {
    let huge = vector(&[Complex::new(1.5e308, 1.5e308), Complex::new(0.0, 0.0)]);
    let comparison = measure(&huge, &huge, Tolerance::EXACT);
    assert!(comparison.is_close());
    assert_eq!((comparison.cosine, comparison.bias), (Some(1.0), Some(0.0)));
    let summary = summarize(&huge, None);
    assert_eq!((summary.non_finite.total(), summary.max), (0, Some(Value::Float64(f64::MAX))));
}

#[test]
fn only_nan_has_no_distance_in_ulp() {
    fn check<T: Element>(values: impl Iterator<Item = T>, one: T) {
        for x in values {
            assert_eq!(ulp_distance(x, one).is_none(), x.value().to_f64().is_nan(), "{x:?}");
        }
    }
    check((0..=255).map(F8E4M3), F8E4M3(0x38));
    check((0..=255).map(F8E5M2), F8E5M2(0x3c));
    check((0..=u16::MAX).map(f16::from_bits), f16::ONE);
    check((0..=u16::MAX).map(bf16::from_bits), bf16::ONE);
    check([0x7f7f_ffff, 0x7f80_0000, 0x7f80_0001, 0xff80_0000, 0xff80_0001].map(f32::from_bits).into_iter(), 1.0);
    let infinity = f64::INFINITY.to_bits();
    check([infinity - 1, infinity, infinity + 1, !0].map(f64::from_bits).into_iter(), 1.0);
}

#[test]
fn the_mask_leaves_out_and_counts() {
    let actual = vector(&[1.0f32, f32::NAN, 7.0, 4.0]);
    let reference = vector(&[1.0f32, 2.0, 3.0, 4.0]);
    let mask = vector(&[true, false, false, true]);
    let comparison = compare(Pair::new(&actual, &reference).within(&mask), &Rules::new(Tolerance::EXACT));
    let comparison = comparison.expect("comparable");
    assert!(comparison.is_close());
    assert_eq!((comparison.elements, comparison.left_out, comparison.actual_non_finite.total()), (2, 2, 0));
    let summary = summarize(&actual, Some(&mask));
    assert_eq!((summary.elements, summary.left_out, summary.max), (2, 2, Some(Value::Float32(4.0))));
}

#[test]
fn an_empty_tensor_that_is_declared_has_no_statistics() {
    let empty = Tensor::new(&[0, 2], Vec::<f32>::new()).expect("an empty tensor");
    let comparison = compare(Pair::new(&empty, &empty), &Rules::new(Tolerance::EXACT).with_empty());
    let comparison = comparison.expect("declared");
    assert!(comparison.is_close());
    assert_eq!((comparison.elements, comparison.tolerance_used, comparison.smallest_atol), (0, 0.0, Some(0.0)));
    assert_eq!((comparison.mean_abs_diff, comparison.max_abs_diff), (None, None));
    let summary = summarize(&empty, None);
    assert_eq!((summary.min, summary.mean, summary.std, summary.l2), (None, None, None, None));
}

// Threads.

#[test]
fn every_number_of_threads_gives_the_same_bits() {
    let count = 200_000;
    let reference: Vec<f32> = (0..count).map(|i| (i as f32 * 0.37).sin()).collect();
    let actual: Vec<f32> = reference.iter().enumerate().map(|(i, x)| x + (i as f32 * 0.11).cos() * 1e-6).collect();
    let (actual, reference) = (vector(&actual), vector(&reference));
    let rules = Rules::new(tolerance(1e-7, 1e-6).with_outliers(1000));
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool");
        // Debug prints the shortest digits that read back the same: equal text is equal bits.
        pool.install(|| {
            let comparison = compare(Pair::new(&actual, &reference), &rules).expect("comparable");
            format!("{comparison:?} {:?}", summarize(&actual, None))
        })
    };
    let one = on(1);
    assert!([2, 3, 2].into_iter().all(|threads| on(threads) == one));
}

// A naive oracle: one element after the other, as the design says it.

fn is_outside(actual: f64, reference: f64, rules: &Rules) -> bool {
    if actual.is_finite() && reference.is_finite() {
        let distance = (actual - reference).abs();
        let bound = rules.tolerance.atol + rules.tolerance.rtol * reference.abs();
        return distance.is_infinite() || distance > bound;
    }
    let are_nan = actual.is_nan() && reference.is_nan() && rules.nan == NanRule::Match;
    !(are_nan || actual == reference)
}

/// Numbers that meet each other, and all sorts of others.
fn element() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => -2.0..2.0,
        4 => (-8i32..8).prop_map(|x| f64::from(x) / 4.0),
        2 => proptest::num::f64::NORMAL,
        1 => proptest::num::f64::ANY,
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(f64::MAX), Just(-0.0)],
    ]
}

/// Pairs that are mostly close, from empty ones to several blocks.
fn pairs() -> impl Strategy<Value = Vec<(f64, f64)>> {
    let pair = prop_oneof![
        (element(), element()),
        (element(), -1e-6..1e-6).prop_map(|(x, step)| (x * (1.0 + step), x)),
        element().prop_map(|x| (x, x)),
    ];
    let lengths = prop_oneof![8 => 0..40usize, 1 => Just(1023usize), 1 => Just(1024), 1 => Just(1025), 1 => Just(3073)];
    // A long tensor repeats a short one: drawing each element would take the time, and show no more.
    (proptest::collection::vec(pair, 1..60), lengths)
        .prop_map(|(pool, len)| pool.into_iter().cycle().take(len).collect())
}

fn some_rules() -> impl Strategy<Value = Rules> {
    let part = || prop_oneof![Just(0.0), Just(1e-6), Just(0.25), 0.0..2.0];
    (part(), part(), 0..4u64, any::<bool>()).prop_map(|(atol, rtol, outliers, matching)| {
        let nan = if matching { NanRule::Match } else { NanRule::Mismatch };
        Rules::new(tolerance(atol, rtol).with_outliers(outliers)).with_nan(nan).with_empty()
    })
}

fn sides(pairs: &[(f64, f64)]) -> (Tensor, Tensor) {
    let (actual, reference): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    (vector(&actual), vector(&reference))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_naive_comparison_says_the_same(pairs in pairs(), rules in some_rules()) {
        let (actual, reference) = sides(&pairs);
        let comparison = compare(Pair::new(&actual, &reference), &rules).expect("comparable");
        let outside = pairs.iter().filter(|(a, r)| is_outside(*a, *r, &rules)).count() as u64;
        let exact = rules.with_tolerance(Tolerance::EXACT);
        let differing = pairs.iter().filter(|(a, r)| is_outside(*a, *r, &exact)).count() as u64;
        let numbers: Vec<(f64, f64)> = pairs.iter().copied().filter(|(a, r)| a.is_finite() && r.is_finite()).collect();
        let lost = pairs.iter().filter(|(a, r)| !(a.is_finite() && r.is_finite()) && is_outside(*a, *r, &rules)).count();

        prop_assert_eq!(comparison.elements, pairs.len() as u64);
        prop_assert_eq!(comparison.outside, outside);
        prop_assert_eq!(comparison.differing, differing);
        prop_assert_eq!(comparison.non_finite_mismatches, lost as u64);
        prop_assert_eq!(comparison.is_close(), lost == 0 && outside <= rules.tolerance.outliers);
        prop_assert_eq!(comparison.tolerance_used > 1.0, outside > 0);
        let largest = numbers.iter().map(|(a, r)| (a - r).abs()).reduce(f64::max);
        prop_assert_eq!(value(&comparison.max_abs_diff), largest);
        let ulps = numbers.iter().filter_map(|(a, r)| ulp_distance(*a, *r)).max();
        prop_assert_eq!(value(&comparison.max_ulp_diff), ulps.map(|ulps| ulps as f64));
        if let Some(extreme) = &comparison.max_abs_diff {
            let first = pairs.iter().position(|(a, r)| a.is_finite() && r.is_finite() && Some((a - r).abs()) == largest);
            prop_assert_eq!(Some(extreme.index[0]), first);
        }
        for mean in [comparison.rmse, comparison.bias, comparison.mean_abs_diff, comparison.scale, comparison.cosine] {
            prop_assert!(mean.is_none_or(|mean| !mean.is_nan()));
        }
    }

    #[test]
    fn the_smallest_atol_passes_and_the_next_smaller_does_not(pairs in pairs(), rules in some_rules()) {
        let (actual, reference) = sides(&pairs);
        let is_close = |atol: f64| {
            let rules = rules.with_tolerance(tolerance(atol, rules.tolerance.rtol).with_outliers(rules.tolerance.outliers));
            compare(Pair::new(&actual, &reference), &rules).expect("comparable").is_close()
        };
        match compare(Pair::new(&actual, &reference), &rules).expect("comparable").smallest_atol {
            Some(atol) => {
                prop_assert!(is_close(atol));
                prop_assert!(atol == 0.0 || !is_close(atol.next_down()));
            }
            None => prop_assert!(!is_close(f64::MAX)),
        }
    }

    #[test]
    fn a_mask_is_the_same_as_leaving_the_elements_out(
        pairs in pairs(),
        pattern in proptest::collection::vec(any::<bool>(), 1..9),
        rules in some_rules(),
    ) {
        let mask: Vec<bool> = pattern.into_iter().cycle().take(pairs.len()).collect();
        let kept: Vec<(f64, f64)> = pairs.iter().zip(&mask).filter(|(_, kept)| **kept).map(|(pair, _)| *pair).collect();
        let (actual, reference) = sides(&pairs);
        let (short_actual, short_reference) = sides(&kept);
        let mask = vector(&mask);
        let masked = compare(Pair::new(&actual, &reference).within(&mask), &rules).expect("comparable");
        let short = compare(Pair::new(&short_actual, &short_reference), &rules).expect("comparable");
        prop_assert_eq!(masked.left_out, (pairs.len() - kept.len()) as u64);
        prop_assert_eq!(&masked.mismatches, &short.mismatches);
        prop_assert_eq!((masked.elements, masked.differing), (short.elements, short.differing));
        prop_assert_eq!(masked.smallest_atol, short.smallest_atol);
        prop_assert_eq!(masked.tolerance_used, short.tolerance_used);
        prop_assert_eq!(value(&masked.max_abs_diff), value(&short.max_abs_diff));
        prop_assert_eq!(value(&masked.max_rel_diff), value(&short.max_rel_diff));
        prop_assert_eq!(masked.reference_non_finite, short.reference_non_finite);

        let (masked, short) = (summarize(&actual, Some(&mask)), summarize(&short_actual, None));
        prop_assert_eq!(masked.min.map(Value::to_f64), short.min.map(Value::to_f64));
        prop_assert_eq!(masked.max.map(Value::to_f64), short.max.map(Value::to_f64));
        if pairs.len() <= 1024 {
            // Within one block the order of summation is the same, too.
            prop_assert_eq!((masked.mean, masked.std, masked.l2), (short.mean, short.std, short.l2));
        }
    }

    #[test]
    fn integers_are_compared_as_integers(
        pairs in proptest::collection::vec((any::<i64>(), prop_oneof![Just(0i64), -3i64..3, any::<i64>()]), 0..30),
        atol in prop_oneof![Just(0.0), Just(1.0), Just(2.5), 0.0..1e19],
    ) {
        let actual: Vec<i64> = pairs.iter().map(|(x, _)| *x).collect();
        let reference: Vec<i64> = pairs.iter().map(|(x, step)| x.wrapping_add(*step)).collect();
        let rules = Rules::new(tolerance(atol, 0.0)).with_empty();
        let (left, right) = (vector(&actual), vector(&reference));
        let comparison = compare(Pair::new(&left, &right), &rules).expect("comparable");
        let distances = actual.iter().zip(&reference).map(|(a, r)| a.abs_diff(*r));
        let outside = distances.clone().filter(|distance| u128::from(*distance) > atol.floor() as u128).count();
        prop_assert_eq!(comparison.outside, outside as u64);
        prop_assert_eq!(comparison.differing, distances.filter(|distance| *distance > 0).count() as u64);
        prop_assert_eq!(comparison.tolerance_used > 1.0, outside > 0);
        let atol = comparison.smallest_atol.expect("integers are finite");
        let is_close = |atol| measure(&left, &right, tolerance(atol, 0.0)).is_close();
        prop_assert!(pairs.is_empty() || (is_close(atol) && (atol == 0.0 || !is_close(atol.next_down()))));
    }

    #[test]
    fn a_constant_has_no_spread_and_is_its_own_mean(x in proptest::num::f64::NORMAL, len in 1..5000usize) {
        let Summary { mean, std, .. } = summarize(&vector(&vec![x; len]), None);
        prop_assert_eq!((mean, std), (Some(x), Some(0.0)));
    }
}
