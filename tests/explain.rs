//! `karat explain` is as good as it says: a part of `cargo bench --bench explain`, held to a floor.

#[path = "../benches/explain/blocks.rs"]
mod blocks;
#[path = "../benches/explain/dice.rs"]
mod dice;
#[path = "../benches/explain/faults.rs"]
mod faults;
#[path = "../benches/explain/material.rs"]
mod material;
#[path = "../benches/explain/mixed.rs"]
mod mixed;
#[path = "../benches/explain/score.rs"]
mod score;

use karat::DType;

use self::material::Material;
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
fn planted_faults_are_found_in_random_tensors_and_none_where_there_is_none() {
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
