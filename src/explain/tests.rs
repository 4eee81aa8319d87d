//! Tests of whole explanations: their evidence, and properties that hold for any pair of tensors.

use num_complex::Complex;
use proptest::prelude::*;
use serde_json::json;

use super::{Hypothesis, Other, Question, explain};
use crate::compare::Pair;
use crate::tensor::Tensor;

fn tensor(shape: &[usize], values: Vec<f32>) -> Tensor {
    Tensor::new(shape, values).expect("the shape fits")
}

/// Returns numbers without a pattern.
fn values(count: usize) -> Vec<f32> {
    (0..count).map(|at| ((at * at) as f32 * 0.37 + at as f32).sin() * 2.0).collect()
}

/// Returns the ids and the evidence of all explanations.
fn explain_pair(actual: &Tensor, reference: &Tensor) -> Vec<(Hypothesis, String)> {
    let explanations = explain(&Question::new(Pair::new(actual, reference)));
    explanations.into_iter().map(|explanation| (explanation.id, explanation.evidence)).collect()
}

#[test]
fn the_evidence_is_one_line_of_text() {
    let reference = tensor(&[2, 4, 8], values(64));
    let with = |change: &dyn Fn(usize, f32) -> f32| {
        let changed = values(64).into_iter().enumerate().map(|(at, x)| change(at, x)).collect();
        explain_pair(&tensor(&[2, 4, 8], changed), &reference).into_iter().next().map(|(_, evidence)| evidence)
    };
    let evidence = [
        with(&|_, x| -x),
        with(&|_, x| x * 8f32.sqrt()),
        with(&|_, x| x + 0.5),
        with(&|at, x| x + (at % 8) as f32),
        with(&|at, _| values(64)[(at + 32) % 64]),
        with(&|at, x| if at == 37 { 1e3 } else { x }),
        with(&|at, x| if at / 8 % 4 == 2 { f32::NAN } else { x }),
        with(&|_, _| 0.0),
        with(&|at, x| if at / 8 % 4 >= 2 { x * x + 1.0 } else { x }),
        with(&|at, x| if at / 8 % 4 == 1 { x * x + 1.0 } else { x }),
    ];
    let expected = [
        Some("actual = -reference"),
        Some("actual = 2.828 x reference, which is sqrt(8)"),
        Some("actual = reference + 0.5 throughout"),
        Some("actual - reference is constant along axes (0, 1): 8 distinct values"),
        Some("shifted by 1 position along axis 0: each element is 1 position later, wrapping around"),
        Some("only 1 of 64 elements is wrong, at [1, 0, 5]"),
        Some("actual is NaN or infinite at 16 of 64 elements, all of [:, 2, :]"),
        Some("every element of actual is 0"),
        Some("right up to position 1 of axis 1, wrong from position 2 on (a location, not a cause)"),
        None,
    ];
    assert_eq!(evidence.each_ref().map(Option::as_deref), expected);
}

#[test]
fn a_rule_that_holds_for_every_element_is_named() {
    let reference = tensor(&[2, 4, 8], values(64));
    let with = |change: &dyn Fn(usize, f32) -> f32| {
        let changed = values(64).into_iter().enumerate().map(|(at, x)| change(at, x)).collect();
        explain_pair(&tensor(&[2, 4, 8], changed), &reference).into_iter().next().map(|(_, evidence)| evidence)
    };
    let evidence = [
        with(&|_, x| x * 1.0004),
        with(&|_, x| x.max(0.0)),
        with(&|_, x| x.clamp(-1.5, 1.0)),
        with(&|_, x| x.min(1.00004)),
        with(&|_, x| 1.0 - x),
        with(&|_, x| 2.0 * x + 1.0),
        with(&|at, x| (at % 8) as f32 - x),
        // An average of factors is not a factor.
        with(&|at, x| x * (4.0 + 0.1 * (at % 8) as f32)),
        with(&|at, x| x * (4.0 + 0.2 * (at / 8 % 4) as f32)),
        with(&|at, x| if [1, 5].contains(&(at % 8)) { -x } else { x }),
        with(&|at, x| x * (1.0 + (at % 8) as f32)),
        with(&|at, _| values(64)[at / 8 * 8 + 7 - at % 8]),
        with(&|at, _| values(64)[at / 8 * 8 + [0, 1, 6, 3, 4, 5, 2, 7][at % 8]]),
        with(&|at, _| values(64)[at / 8 * 8 + [0, 1, 6, 7, 4, 5, 2, 3][at % 8]]),
        // A factor for each row has many reasons, and so has one value in scattered places.
        with(&|at, x| x * (1.0 + (at / 8 % 4) as f32)),
        with(&|at, x| if at % 3 == 1 { 0.0 } else { x }),
        // The first step of a recurrence or a rotation is right.
        with(&|at, x| if at / 8 % 4 >= 1 { x * x + 1.0 } else { x }),
    ];
    let expected = [
        Some("actual = 1.0004 x reference"),
        Some("actual = max(reference, 0), like a ReLU"),
        Some("actual = reference clamped to [-1.5, 1]"),
        Some("actual = min(reference, 1.00004)"),
        Some("actual = 1 - reference throughout"),
        Some("actual = 2 x reference + 1 throughout; the factor is sqrt(4)"),
        Some("actual + reference is constant along axes (0, 1): 8 distinct values"),
        Some("each index of axis 2 is off by its own factor, 4 to 4.7"),
        None,
        Some("actual = -reference at indices 1, 5 of axis 2; the rest is right"),
        Some("each index of axis 2 is off by its own factor, 1 to 8"),
        Some("axis 2 is reversed"),
        Some("indices 2 and 6 of axis 2 are swapped"),
        Some("the indices of axis 2 are in a different order: 0..2, 6..8, 4..6, 2..4"),
        None,
        None,
        None,
    ];
    assert_eq!(evidence.each_ref().map(Option::as_deref), expected);
}

#[test]
fn a_factor_that_equals_an_input_is_named_after_it() {
    let weight: Vec<f32> = (0..8).map(|at| 0.5 + at as f32 * 0.3).collect();
    let with = tensor(&[8, 8], values(64).iter().enumerate().map(|(at, x)| x * weight[at % 8]).collect());
    let (without, weight) = (tensor(&[8, 8], values(64)), tensor(&[8], weight.clone()));
    let explanations = explain(&Question::new(Pair::new(&without, &with)).with_input("weight", &weight));
    assert_eq!(explanations[0].id, Hypothesis::Scale);
    assert_eq!(
        explanations[0].evidence,
        "the input `weight` is not applied: each index of axis 1 is off by that factor"
    );
}

#[test]
fn complex_tensors_have_their_own_hypotheses() {
    let numbers: Vec<Complex<f64>> =
        values(66).chunks(2).map(|x| Complex::new(f64::from(x[0]), f64::from(x[1]))).collect();
    let reference = Tensor::new(&[33], numbers.clone()).expect("33");
    let explain = |change: &dyn Fn(usize) -> Complex<f64>| {
        let actual = Tensor::new(&[33], (0..33).map(change).collect()).expect("33");
        let explanations = explain(&Question::new(Pair::new(&actual, &reference)));
        explanations.first().map(|first| first.evidence.clone())
    };
    let evidence = [
        explain(&|at| numbers[at].conj()),
        explain(&|at| numbers[at] / 8.0),
        explain(&|at| -numbers[at]),
        explain(&|at| numbers[at].conj() / 64.0),
        explain(&|at| numbers[32 - at]),
        explain(&|at| numbers[(at + 16) % 33]),
        explain(&|at| numbers[at]),
        explain(&|at| numbers[at] * numbers[at]),
        explain(&|at| numbers[at] * Complex::new(0.0, 1.0)),
    ];
    let expected = [
        Some("actual is the complex conjugate of the reference"),
        Some("actual = 0.125 x reference, which is 1/sqrt(64)"),
        Some("actual = -reference"),
        Some("actual is the complex conjugate of the reference; and actual = 0.01562 x reference, which is 1/64"),
        Some("axis 0 is reversed"),
        Some("shifted by 16 positions along axis 0: each element is 16 positions earlier, wrapping around"),
        None,
        None,
        None,
    ];
    assert_eq!(evidence.each_ref().map(Option::as_deref), expected);
}

#[test]
fn a_number_that_was_flushed_to_zero_is_not_rounding_noise() {
    let exact: Vec<f64> = (0..64).map(|at| f64::from(at) * 0.1 + 0.01).collect();
    let with = |change: &dyn Fn(usize, f64) -> f64, tiny: f64| {
        let reference = exact.iter().enumerate().map(|(at, x)| if at == 27 { tiny } else { *x }).collect::<Vec<f64>>();
        let actual = reference.iter().enumerate().map(|(at, x)| change(at, *x)).collect();
        let [actual, reference] = [actual, reference].map(|x| Tensor::new(&[64], x).expect("64"));
        explain(&Question::new(Pair::new(&actual, &reference))).first().map(|first| first.id)
    };
    let noise = |at: usize, x: f64| if at.is_multiple_of(2) { x.next_up() } else { x };
    assert_eq!(with(&noise, 0.5), Some(Hypothesis::Accumulation));
    assert_eq!(with(&|at, x| if at == 27 { 0.0 } else { noise(at, x) }, 5.2e-319), None);
}

#[test]
fn a_computation_in_16_bits_is_named() {
    let exact: Vec<f32> = values(256).iter().map(|x| x.abs() + 0.1).collect();
    let steps =
        |x: f32, at: usize| f32::from(half::f16::from_bits(half::f16::from_f32(x).to_bits() + (at % 5) as u16 - 2));
    let short = exact.iter().enumerate().map(|(at, x)| steps(*x, at)).collect();
    let (short, exact) = (tensor(&[256], short), tensor(&[256], exact));
    let evidence =
        |one: &Tensor, other: &Tensor| explain_pair(one, other).first().map(|(_, evidence)| evidence.clone());
    let words = "has a 10-bit mantissa, as if computed in f16 or TF32; those of the reference have more bits";
    assert_eq!(evidence(&short, &exact), Some(format!("every value of actual {words}")));
    assert_eq!(evidence(&exact, &short), None);
    let quarters = tensor(&[256], values(256).iter().map(|x| (x.abs() * 4.0).round() / 4.0 + 1.0).collect());
    let near = tensor(&[256], values(256).iter().map(|x| x.abs() + 1.0).collect());
    assert_eq!(evidence(&quarters, &near), None);
}

#[test]
fn each_of_two_faults_has_an_explanation_that_names_the_other() {
    let reference = tensor(&[8, 8], values(64));
    let transposed = (0..64).map(|at| 3.0 * values(64)[at % 8 * 8 + at / 8]).collect();
    let explanations = explain(&Question::new(Pair::new(&tensor(&[8, 8], transposed), &reference)));
    let ids: Vec<_> = explanations.iter().map(|explanation| (explanation.id, explanation.with.clone())).collect();
    use Hypothesis::{Scale, Transpose};
    assert_eq!(ids, [(Transpose, vec![Scale]), (Scale, vec![Transpose])]);
    assert_eq!(explanations[0].evidence, "the last two axes are swapped; and actual = 3 x reference");
    assert!(explanations[1].details.factor.is_some_and(|factor| (factor - 3.0).abs() < 1e-6));
}

#[test]
fn another_output_is_named() {
    let (q, k) = (tensor(&[4, 16], values(64)), tensor(&[4, 16], values(128)[64..].to_vec()));
    let other = Other { name: "k", actual: Some(&q), reference: &k };
    let explanations = explain(&Question::new(Pair::new(&k, &q)).with_other(other));
    assert_eq!(explanations[0].id, Hypothesis::SwappedOutputs);
    assert_eq!(explanations[0].evidence, "two outputs are swapped: this is `k`, and `k` is this one");
}

#[test]
fn equal_elements_are_only_explained_if_the_shape_differs() {
    let (flat, square) = (tensor(&[64], values(64)), tensor(&[8, 8], values(64)));
    assert_eq!(explain_pair(&square, &square), []);
    assert_eq!(explain_pair(&flat, &square)[0].0, Hypothesis::ReshapeOrder);
    assert_eq!(explain_pair(&tensor(&[7], values(7)), &square), []);
}

#[test]
fn integers_are_explained_exactly() {
    let ids: Vec<i64> = (0..40).map(|at| at * at % 97).collect();
    let shifted: Vec<i64> = (0..40).map(|at| ids[(at + 39) % 40]).collect();
    let question = |actual: &[i64]| {
        let tensor = |ids: &[i64]| Tensor::new(&[40], ids.to_vec()).expect("40");
        let (actual, reference) = (tensor(actual), tensor(&ids));
        explain(&Question::new(Pair::new(&actual, &reference))).first().map(|first| first.id)
    };
    assert_eq!(question(&shifted), Some(Hypothesis::Shift));
    assert_eq!(question(&ids.iter().map(|id| id + 1).collect::<Vec<_>>()), Some(Hypothesis::Bias));
    assert_eq!(question(&ids.iter().map(|id| id * id % 89).collect::<Vec<_>>()), None);
}

#[test]
fn explanations_claim_only_what_the_tensors_show() {
    type Pair = (Vec<f32>, Vec<f32>);
    let first = |shape: &[usize], pair: Pair| {
        let (actual, reference) = (tensor(shape, pair.0), tensor(shape, pair.1));
        explain_pair(&actual, &reference).into_iter().next().map(|(_, evidence)| evidence)
    };
    let pair = |count: usize, actual: &dyn Fn(usize, f32) -> f32| -> Pair {
        let reference = values(count);
        (reference.iter().enumerate().map(|(at, x)| actual(at, *x)).collect(), reference)
    };
    let unit = |count: usize| values(count).iter().map(|x| (x + 2.0) / 4.0).collect::<Vec<f32>>();
    let fixed = |steps: f32| (unit(512).iter().map(|x| (x * steps).round() / steps).collect(), unit(512));
    let bits = |x: f32| f32::from_bits(x.to_bits() & 0xffff_e000);
    let srgb = |slope: f32| move |x: &f32| if *x <= 0.003 { slope * x } else { 1.055 * x.powf(1.0 / 2.4) - 0.055 };
    let squares: Vec<f32> = unit(8192).iter().map(|x| x * x).collect();
    let (one, other) = (12.92, 12.923_21);
    let half = |at: usize, x: f32| if at % 16 > at / 16 % 16 { 0.0 } else { x };
    let evidence = [
        // Half of the elements come from elsewhere, or those at the edge are arbitrary.
        first(&[100, 2], pair(200, &|at, _| if at % 2 == 0 { values(200)[at + 1] } else { -values(200)[at - 1] })),
        first(&[64, 4], pair(256, &|at, x| if at % 4 < 3 { values(256)[at + 1] } else { x * x - 1.0 })),
        // Only two distinct values.
        first(&[5], (vec![0.0, 1.0, 1.0, 0.0, 1.0], vec![1.0, 0.0, 1.0, 1.0, 0.0])),
        // The steps of a converter.
        first(&[512], fixed(256.0)),
        first(&[512], fixed(2048.0)),
        first(
            &[512],
            (unit(512).iter().map(|x| ((x + 1.0) * 1024.0).round() / 1024.0).collect(), {
                unit(512).iter().map(|x| x + 1.0).collect()
            }),
        ),
        // A 10-bit mantissa, with the exponents of f32 and without.
        first(&[256], pair(256, &|_, x| bits(x))),
        first(
            &[256],
            (values(256).iter().map(|x| bits(x * 1e-5)).collect(), values(256).iter().map(|x| x * 1e-5).collect()),
        ),
        // Another slope, only for a few small values.
        first(&[8192], (squares.iter().map(srgb(one)).collect(), squares.iter().map(srgb(other)).collect())),
        // A curve that is as small as rounding.
        first(&[512], pair(512, &|_, x| x + 1e-6 * (3.0 * x).sin())),
        // One half of a symmetric matrix.
        first(&[16, 16], pair(256, &half)),
        // A factor that is not the cause.
        first(&[64, 8], pair(512, &|at, x| 0.75 * x + if at > 7 { 0.02 * values(512)[at - 8] } else { 0.0 })),
        // A factor for each row, the first eight of which are equal.
        first(&[20, 16], pair(320, &|at, x| x * 3.0 * (at / 16).max(7) as f32)),
    ];
    let tf32 = "actual is the reference truncated to a 10-bit mantissa, as in f16 and TF32";
    let expected: [Option<&str>; 13] =
        [None, None, None, None, None, None, Some(tf32), None, None, None, None, None, None];
    assert_eq!(evidence.each_ref().map(Option::as_deref), expected);
}

#[test]
fn an_input_that_is_added_too_often_or_too_rarely_is_named() {
    let input = tensor(&[8, 8], values(128)[64..].to_vec());
    let with = |times: f32, of: f32| {
        let add = |times: f32| {
            let inputs = values(128);
            values(64).iter().zip(&inputs[64..]).map(|(x, h)| x + times * h).collect()
        };
        let (actual, reference) = (tensor(&[8, 8], add(times)), tensor(&[8, 8], add(of)));
        let explanations = explain(&Question::new(Pair::new(&actual, &reference)).with_input("h", &input));
        explanations.first().map(|first| first.evidence.clone())
    };
    // Added once instead of never, and twice instead of once; then the opposite.
    let once = Some("actual = reference + the input `h`".to_owned());
    assert_eq!([with(1.0, 0.0), with(2.0, 1.0)], [once.clone(), once]);
    let less = Some("actual = reference - the input `h`".to_owned());
    assert_eq!([with(0.0, 1.0), with(1.0, 2.0)], [less.clone(), less]);
    assert_eq!(with(-1.0, 1.0), Some("actual = reference - 2 x the input `h`".to_owned()));
    assert_eq!([with(1.0, 1.861), with(1.0, 2.213)], [None, None]);
}

#[test]
fn an_input_near_1_is_not_mistaken_for_another_factor() {
    let near = |salt: usize| (0..8).map(|at| 1.0 + 1e-4 * values(64)[at * 3 + salt]).collect::<Vec<f32>>();
    let factors: Vec<f32> = near(0).iter().map(|x| (x - 1.0) * 3.0 + 1.0).collect();
    for weight in [vec![1.0; 8], near(5)] {
        let actual = tensor(&[8, 8], values(64).iter().enumerate().map(|(at, x)| x * factors[at % 8]).collect());
        let (reference, weight) = (tensor(&[8, 8], values(64)), tensor(&[8], weight));
        let explanations = explain(&Question::new(Pair::new(&actual, &reference)).with_input("weight", &weight));
        assert!(explanations.iter().all(|one| !one.evidence.contains("weight")), "{explanations:?}");
    }
}

#[test]
fn only_the_difference_of_two_eps_is_named_if_the_variance_is_large() {
    let x = values(256);
    let norm = |eps: f64, least: f64, decay: f64| {
        let rows = x.chunks(32).enumerate().flat_map(|(row, x)| {
            let x: Vec<f64> = x.iter().map(|x| f64::from(*x) * decay.powi(row as i32)).collect();
            let mean = x.iter().sum::<f64>() / 32.0;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 32.0;
            x.into_iter().map(move |x| ((x - mean) / (variance.max(least) + eps).sqrt()) as f32).collect::<Vec<f32>>()
        });
        tensor(&[8, 32], rows.collect())
    };
    let evidence = |decay: f64, [actual, reference]: [(f64, f64); 2]| {
        let scaled = x.iter().enumerate().map(|(at, x)| x * (decay as f32).powi(at as i32 / 32)).collect();
        let (input, eps) = (tensor(&[8, 32], scaled), json!(1e-5));
        let (actual, reference) = (norm(actual.0, actual.1, decay), norm(reference.0, reference.1, decay));
        let question = Question::new(Pair::new(&actual, &reference)).with_input("x", &input).with_param("eps", &eps);
        let first = explain(&question).into_iter().next()?;
        Some(first.evidence.split("; each row").next()?.to_owned())
    };
    let words = |pair: &str| Some(format!("the two sides add different eps: {pair}"));
    assert_eq!(evidence(0.5, [(1e-5, 0.0), (1e-3, 0.0)]), words("1e-5 and 0.001 fit"));
    assert_eq!(evidence(0.8, [(1e-5, 0.0), (1e-12, 0.0)]), words("that of actual is larger by 1e-5"));
    assert_eq!(evidence(0.8, [(1e-5, 0.0), (0.0, 0.0)]), words("that of actual is larger by 1e-5"));
    assert_eq!(evidence(0.8, [(1e-6, 0.0), (1e-5, 0.0)]), words("that of actual is smaller by 9e-6"));
    // One side has a minimum variance, where the other adds an eps.
    assert_eq!(evidence(0.5, [(1e-2, 0.0), (0.0, 1e-2)]), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_pair_of_tensors_causes_a_panic(
        shape in prop::collection::vec(0usize..7, 0..5),
        other in prop::option::of(prop::collection::vec(0usize..7, 0..5)),
        kind in 0..6,
        seed in any::<u32>(),
        wild in prop::sample::select(&[f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE, 1e-45, 0.0, -1e9][..]),
        often in 1usize..40,
        masked in any::<bool>(),
    ) {
        let count = |shape: &[usize]| shape.iter().product::<usize>();
        let make = |shape: &[usize], salt: u32| {
            let number = |at: usize| {
                let x = ((at as u32).wrapping_mul(2_654_435_761).wrapping_add(seed ^ salt) >> 8) as f32 / 1e6 - 8.0;
                match kind {
                    0 => 0.0,
                    1 => x.round(),
                    2 => wild,
                    3 if at.is_multiple_of(often) => wild,
                    4 => x * 1e30,
                    _ => x,
                }
            };
            tensor(shape, (0..count(shape)).map(number).collect())
        };
        let reference = make(&shape, 0);
        let actual = make(&other.unwrap_or(shape.clone()), u32::from(often > 20));
        let mask = Tensor::new(&shape, (0..count(&shape)).map(|at| at % 3 != 0).collect()).expect("the shape fits");
        let mut pair = Pair::new(&actual, &reference);
        if masked {
            pair = pair.within(&mask);
        }
        let eps = serde_json::json!(1e-5);
        let question = Question::new(pair).with_input("x", &reference).with_input("y", &actual).with_param("eps", &eps);
        for explanation in explain(&question.with_checkpoint("attention")) {
            prop_assert!((0.0..=1.0).contains(&explanation.removes), "{explanation:?}");
            prop_assert!(!explanation.evidence.contains('\n'));
        }
    }
}
