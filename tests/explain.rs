//! The quality of `karat explain`: a part of `cargo bench --bench explain`, with minimum figures.

#[path = "../benches/explain/blocks.rs"]
mod blocks;
#[path = "explain/conv.rs"]
mod conv;
#[path = "../benches/explain/dice.rs"]
mod dice;
#[path = "../benches/explain/faults.rs"]
mod faults;
#[path = "explain/llama.rs"]
mod llama;
#[path = "../benches/explain/material.rs"]
mod material;
#[path = "../benches/explain/mixed.rs"]
mod mixed;
#[path = "explain/ports.rs"]
mod ports;
#[path = "../benches/explain/score.rs"]
mod score;
#[path = "explain/steps.rs"]
mod steps;

use karat::compare::Pair;
use karat::explain::{Hypothesis, Question, explain};
use karat::{DType, Tensor};
use rayon::prelude::*;
use serde_json::json;

use self::dice::Dice;
use self::material::Material;
use self::ports::Fault;
use self::score::{Score, Scores, measure};

/// Other seeds than those that the rules were made with.
const SEED: u64 = 1000;

/// The tensors that are small enough for a build without optimisation.
fn small(materials: Vec<Material>) -> Vec<Material> {
    materials.into_iter().filter(|material| material.reference.len() <= 1024).collect()
}

#[track_caller]
fn holds(score: &Score, at_least: usize, right: f64, wrong: f64) {
    let total = score.total();
    assert!(total.all() >= at_least, "{} faults planted", total.all());
    let told = format!("{total:?}\n{}", score.misses.join("\n"));
    assert!(total.share(total.right) >= right, "{told}");
    assert!(total.share(total.wrong) <= wrong, "{told}");
}

#[test]
fn planted_faults_are_found_in_random_tensors_and_none_without_a_fault() {
    let mut scores = Scores::default();
    let materials: Vec<Material> = small(material::random(SEED)).into_iter().step_by(11).collect();
    measure(&materials[..1], &[DType::F64, DType::F16], SEED, &mut scores);
    measure(&materials[1..], &[DType::F32, DType::BF16], SEED, &mut scores);
    holds(&scores.single, 70, 0.97, 0.01);
    holds(&scores.pairs, 70, 0.95, 0.01);
    holds(&scores.uncovered, 50, 1.0, 0.0);
    holds(&scores.noise, 4, 1.0, 0.0);
}

#[test]
fn planted_faults_are_found_in_the_goldens() {
    let mut scores = Scores::default();
    let materials: Vec<Material> = small(material::goldens()).into_iter().step_by(6).collect();
    measure(&materials, &[DType::F32], SEED, &mut scores);
    holds(&scores.single, 60, 0.97, 0.01);
    holds(&scores.pairs, 50, 0.93, 0.01);
    holds(&scores.uncovered, 40, 1.0, 0.0);
    holds(&scores.noise, 4, 1.0, 0.0);
}

/// What is said of a fault in a port, in f32 and under the noise of single precision: the ids, and the evidence of the first.
fn said(fault: &Fault, dice: &mut Dice) -> Option<(Vec<Hypothesis>, String)> {
    let noisy = fault.actual.map(|x| x * (1.0 + f64::from(f32::EPSILON) * dice.normal()));
    // In 16 bits a value is one of theirs, and where it is cut off it is the limit.
    // What is done to the bits of an element shows in its bits.
    let is_plain = fault.name.starts_with("functions") || fault.name.ends_with("at image");
    let is_exact = is_plain || fault.allowed.iter().any(|id| [Hypothesis::RoundedF16, Hypothesis::Clamp].contains(id));
    let actual = if is_exact { &fault.actual } else { &noisy }.tensor(DType::F32);
    let reference = fault.reference.tensor(DType::F32);
    let inputs: Vec<(&str, Tensor)> = fault.inputs.iter().map(|(name, x)| (*name, x.tensor(DType::F32))).collect();
    let eps = json!(fault.eps);
    let mut question = Question::new(Pair::new(&actual, &reference)).with_checkpoint(fault.checkpoint);
    for (name, input) in &inputs {
        question = question.with_input(name, input);
    }
    if fault.eps.is_some() {
        question = question.with_param("eps", &eps);
    }
    let found = explain(&question);
    let evidence = found.first()?.evidence.clone();
    Some((found.iter().flat_map(|one| std::iter::once(one.id).chain(one.with.iter().copied())).collect(), evidence))
}

/// How an answer about a port is counted.
enum Answer {
    Right,
    /// Nothing is said of what no rule covers.
    Unknown,
    None(String),
    Wrong(String),
}

#[test]
fn faults_in_ports_that_no_rule_was_made_for_are_named_right_or_not_at_all() {
    let shows = |fault: &Fault| {
        let mut pairs = fault.actual.values.iter().zip(&fault.reference.values);
        pairs.any(|(a, r)| a.is_nan() || (a - r).abs() > 1e-5)
    };
    let answers: Vec<Answer> = ports::all(SEED)
        .into_par_iter()
        .filter(shows)
        .map(|fault| match said(&fault, &mut Dice::new(&fault.name, SEED)) {
            None if fault.allowed.is_empty() => Answer::Unknown,
            None => Answer::None(fault.name),
            Some((ids, _)) if ids.iter().all(|id| fault.allowed.contains(id)) => Answer::Right,
            Some((ids, evidence)) => Answer::Wrong(format!("{}: {ids:?}: {evidence}", fault.name)),
        })
        .collect();
    let count = |is: fn(&Answer) -> bool| answers.iter().filter(|answer| is(answer)).count();
    let words =
        |of: fn(&Answer) -> Option<&String>| answers.iter().filter_map(of).cloned().collect::<Vec<_>>().join("\n");
    let counts = [
        count(|answer| matches!(answer, Answer::Right)),
        count(|answer| matches!(answer, Answer::None(_))),
        count(|answer| matches!(answer, Answer::Unknown)),
        count(|answer| matches!(answer, Answer::Wrong(_))),
    ];
    let wrong = words(|answer| if let Answer::Wrong(text) = answer { Some(text) } else { None });
    let missed = words(|answer| if let Answer::None(text) = answer { Some(text) } else { None });
    let told = format!("[right, none, unknown, wrong]: {counts:?}\n{wrong}\n\nnot named:\n{missed}");
    let [right, _, unknown, wrong] = counts;
    assert_eq!(wrong, 0, "{told}");
    assert!(right >= 50 && unknown >= 200, "{told}");
}
