//! Planting every fault, asking, and counting.

use std::collections::BTreeMap;
use std::fmt::Write;

use karat::compare::Pair;
use karat::explain::{Explanation, Other, Question, explain};
use karat::{DType, Tensor};

use super::dice::Dice;
use super::faults::{Plant, Planted, SINGLE, nothing};
use super::material::{Array, Material};
use super::mixed::{PAIRS, UNCOVERED};

/// What was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// What was planted, all of it and nothing else; of what no rule covers: nothing.
    pub(crate) right: usize,
    /// One of two faults.
    pub(crate) half: usize,
    /// Nothing fits.
    pub(crate) none: usize,
    /// Anything else.
    pub(crate) wrong: usize,
}

impl Count {
    pub(crate) fn all(&self) -> usize {
        self.right + self.half + self.none + self.wrong
    }

    pub(crate) fn add(&mut self, other: Count) {
        self.right += other.right;
        self.half += other.half;
        self.none += other.none;
        self.wrong += other.wrong;
    }

    pub(crate) fn share(&self, count: usize) -> f64 {
        count as f64 / self.all().max(1) as f64
    }
}

/// The counts of a group of faults.
#[derive(Default)]
pub(crate) struct Score {
    pub(crate) counts: BTreeMap<&'static str, Count>,
    /// Faults that changed nothing that shows, and were not asked about.
    pub(crate) unseen: usize,
    /// What was not right, in words.
    pub(crate) misses: Vec<String>,
}

impl Score {
    pub(crate) fn total(&self) -> Count {
        self.counts.values().fold(Count::default(), |mut total, count| {
            total.add(*count);
            total
        })
    }
}

/// The four groups of faults.
#[derive(Default)]
pub(crate) struct Scores {
    pub(crate) single: Score,
    pub(crate) pairs: Score,
    pub(crate) uncovered: Score,
    pub(crate) noise: Score,
}

/// Plants every fault in every material in every dtype.
pub(crate) fn measure(materials: &[Material], dtypes: &[DType], seed: u64, scores: &mut Scores) {
    for material in materials {
        for &dtype in dtypes {
            for (name, plant) in SINGLE {
                ask(&mut scores.single, name, *plant, material, dtype, seed);
            }
            for (name, plant) in PAIRS {
                ask(&mut scores.pairs, name, *plant, material, dtype, seed);
            }
            for (name, plant) in UNCOVERED {
                ask(&mut scores.uncovered, name, *plant, material, dtype, seed);
            }
            ask(&mut scores.noise, "rounding noise", nothing, material, dtype, seed);
        }
    }
}

/// Plants one fault, if the material can have it, and counts the answer.
fn ask(score: &mut Score, name: &'static str, plant: Plant, material: &Material, dtype: DType, seed: u64) {
    let mut dice = Dice::new(&format!("{name} {} {dtype}", material.name), seed);
    // In the dtype first: what is planted is planted in numbers that it has.
    let exact = Array::of(&material.reference.tensor(dtype));
    let material = Material { reference: exact, ..material.clone() };
    let Some(planted) = plant(&material, &mut dice, dtype) else { return };
    let is_noise = std::ptr::fn_addr_eq(plant, nothing as Plant);
    if !is_noise && !is_applied(&planted, dtype) {
        score.unseen += 1;
        return;
    }
    let level: f64 =
        dice.pick(if matches!(dtype, DType::F32 | DType::F64) { &[0.0, 0.5, 2.0][..] } else { &[0.0, 0.3] });
    // Alone it may be as large as honest implementations are apart.
    let level = match is_noise {
        true if matches!(dtype, DType::F32 | DType::F64) => dice.pick(&[0.5, 2.0, 8.0]),
        true => 0.3,
        false => level,
    };
    let rms = planted.material.reference.rms();
    let noisy = planted.actual.map(|x| match x == 0.0 || x.abs() > 1e9 {
        true => x,
        false => x + level * dtype.eps() * (x * dice.normal() + 0.3 * rms.min(x.abs() * 30.0) * dice.normal()),
    });
    let explanations = question(&planted.material, &noisy, dtype);
    let count = judge(&planted, &explanations, is_noise);
    if count.right == 0 {
        let said = explanations.first().map_or("nothing fits".to_owned(), |first| {
            let with: Vec<&str> = first.with.iter().map(|id| id.word()).collect();
            format!("{} {with:?} {:.4}: {}", first.id.word(), first.removes, first.evidence)
        });
        let expected: Vec<Vec<&str>> =
            planted.expected.iter().map(|any| any.iter().map(|id| id.word()).collect()).collect();
        let mut miss = String::new();
        let kind = if count.wrong > 0 {
            "wrong"
        } else if count.half > 0 {
            "half"
        } else {
            "none"
        };
        write!(
            miss,
            "{kind}: {name} in {} {dtype} seed {seed} noise {level}: {said}; planted {expected:?}",
            material.name
        )
        .expect("a string takes every character");
        score.misses.push(miss);
    }
    score.counts.entry(name).or_default().add(count);
}

/// Whether the fault shows: more than noise can be.
fn is_applied(planted: &Planted, dtype: DType) -> bool {
    let Planted { material, actual, .. } = planted;
    let pairs = actual.values.iter().zip(&material.reference.values).enumerate();
    let seen = pairs.filter(|(at, _)| material.mask.as_ref().is_none_or(|mask| mask[*at]));
    let mut squares = 0.0;
    for (_, (a, r)) in seen {
        if !a.is_finite() {
            return true;
        }
        squares += (a - r) * (a - r);
    }
    let limit = if matches!(dtype, DType::F32 | DType::F64) { 60.0 } else { 10.0 };
    (squares / actual.len() as f64).sqrt() > limit * dtype.eps() * material.reference.rms()
}

/// Asks as `karat explain` does.
pub(crate) fn question(material: &Material, actual: &Array, dtype: DType) -> Vec<Explanation> {
    let (actual, reference) = (actual.tensor(dtype), material.reference.tensor(dtype));
    let mask = material.mask.as_ref().map(|mask| Tensor::new(reference.shape(), mask.clone()).expect("as many"));
    let inputs: Vec<(&String, Tensor)> =
        material.inputs.iter().map(|(name, array)| (name, array.tensor(dtype))).collect();
    let others: Vec<(&String, Tensor)> =
        material.others.iter().map(|(name, array)| (name, array.tensor(dtype))).collect();
    let mut question = Question::new(Pair { actual: &actual, reference: &reference, mask: mask.as_ref() });
    question = question.with_checkpoint(&material.checkpoint);
    for (name, tensor) in &inputs {
        question = question.with_input(name, tensor);
    }
    for (name, value) in &material.params {
        question = question.with_param(name, value);
    }
    for (name, reference) in &others {
        question = question.with_other(Other { name, actual: None, reference });
    }
    explain(&question)
}

fn judge(planted: &Planted, explanations: &[Explanation], is_noise: bool) -> Count {
    let Some(first) = explanations.first() else {
        // Of noise, nothing is as good as its name.
        return match planted.expected.is_empty() {
            true => Count { right: 1, ..Count::default() },
            false => Count { none: 1, ..Count::default() },
        };
    };
    let said: Vec<_> = std::iter::once(first.id).chain(first.with.iter().copied()).collect();
    if is_noise {
        let is_noise = said == [karat::explain::Hypothesis::Accumulation] && explanations.len() == 1;
        return if is_noise { Count { right: 1, ..Count::default() } } else { Count { wrong: 1, ..Count::default() } };
    }
    let found = planted.expected.iter().filter(|any| any.iter().any(|id| said.contains(id))).count();
    let is_true = said.iter().all(|id| planted.expected.iter().any(|any| any.contains(id)));
    match (is_true, found) {
        (true, found) if found == planted.expected.len() => Count { right: 1, ..Count::default() },
        (true, _) => Count { half: 1, ..Count::default() },
        _ => Count { wrong: 1, ..Count::default() },
    }
}
