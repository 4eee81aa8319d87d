//! Planting every fault of a suite, one at a time, and finding out whether karat catches it there and only there.

use std::collections::BTreeMap;

use karat::run::{CaseOutcome, Verdict};

use crate::effect::{Effect, Effects, all, measure, told};
use crate::fault::{Fault, Plant};
use crate::plain::{Array, Outputs, compute};
use crate::planted;
use crate::suite::{Golden, Reference, Suite};

/// A fault that was planted, and what karat said of each case.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) plant: Plant,
    /// By the case's id; empty where the goldens cannot see it.
    pub(crate) effects: BTreeMap<String, Effects>,
}

/// Whether the rest of the suite is run with a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    Run,
    Left,
}

/// A suite with what its checkpoints give without a fault.
pub(crate) struct Field<'a> {
    pub(crate) suite: &'a Suite,
    sound: BTreeMap<&'a str, Outputs>,
}

impl<'a> Field<'a> {
    pub(crate) fn new(suite: &'a Suite) -> Field<'a> {
        let compute = |golden: &'a Golden| (golden.id(), compute(golden, None).expect("a golden's shapes fit"));
        Field { suite, sound: suite.cases.iter().map(compute).collect() }
    }

    /// How far the plain loops are from the reference.
    pub(crate) fn noise(&self, golden: &Golden) -> Effects {
        let reference = |(name, reference): (&String, &Reference)| (name.clone(), Array::of(&reference.tensor));
        measure(golden, Ok(self.sound[golden.id()].clone()), &golden.references.iter().map(reference).collect())
    }

    /// Every fault at every checkpoint where it can be planted.
    pub(crate) fn plants(&self) -> Vec<Plant> {
        let mut plants = Vec::new();
        for fault in Fault::ALL {
            for checkpoint in self.suite.checkpoints() {
                let golden = self.suite.of(checkpoint).next().expect("a checkpoint has a case");
                for place in fault.places(golden).unwrap_or_default() {
                    plants.push(Plant { fault, checkpoint: checkpoint.to_owned(), place });
                }
            }
        }
        plants
    }

    /// Plants every fault; what karat did not catch, or caught elsewhere, is a complaint.
    ///
    /// The first time that a fault is planted all of the suite is run, if the fault is among `whole`.
    pub(crate) fn find(&self, whole: &[Fault]) -> (Vec<Finding>, Vec<String>) {
        let (mut findings, mut complaints, mut whole) = (Vec::new(), Vec::new(), whole.to_vec());
        for plant in self.plants() {
            let is_planted = plant.fault.unseen(&plant.checkpoint).is_none();
            let place = whole.iter().position(|fault| is_planted && *fault == plant.fault);
            let rest = place.map_or(Rest::Left, |place| {
                whole.remove(place);
                Rest::Run
            });
            match self.plant(&plant, rest) {
                Ok(effects) => findings.push(Finding { plant, effects }),
                Err(these) => complaints.extend(these.into_iter().map(|what| format!("{plant:?}: {what}"))),
            }
        }
        complaints.extend(whole.iter().map(|fault| format!("{fault:?} is planted nowhere")));
        (findings, complaints)
    }

    /// What the fault does to each case of its checkpoint by the plain loops.
    fn expect(&self, plant: &Plant) -> BTreeMap<String, Effects> {
        let effects = |golden: &Golden| match plant.fault {
            Fault::Nan => all(golden, &Effect::Nan),
            Fault::Empty | Fault::Truncated => all(golden, &Effect::Reshaped),
            _ => measure(golden, compute(golden, Some(plant)), &self.sound[golden.id()]),
        };
        self.suite.of(&plant.checkpoint).map(|golden| (golden.id().to_owned(), effects(golden))).collect()
    }

    /// Plants a fault and returns what karat reported for each case of its checkpoint.
    ///
    /// # Errors
    ///
    /// What is wrong with that.
    pub(crate) fn plant(&self, plant: &Plant, rest: Rest) -> Result<BTreeMap<String, Effects>, Vec<String>> {
        let expected = self.expect(plant);
        if plant.fault.unseen(&plant.checkpoint).is_some() {
            let is_seen = expected.values().flat_map(Effects::values).any(|effect| *effect != Effect::Unmoved);
            return if is_seen {
                Err(vec![format!("is declared undetectable: {expected:?}")])
            } else {
                Ok(BTreeMap::new())
            };
        }
        let blind = expected.iter().filter(|(_, effects)| !is_seen(effects));
        let blind: Vec<String> = blind.map(|(id, effects)| format!("{id} cannot see it: {effects:?}")).collect();
        if !blind.is_empty() {
            return Err(blind);
        }
        let goldens: Vec<&Golden> = self.suite.of(&plant.checkpoint).collect();
        let planted: Vec<_> = goldens.iter().map(|golden| planted::plant(self.suite, golden, plant)).collect();
        let executor = planted::executor(self.suite, plant);
        let outcomes = match rest {
            Rest::Run => self.suite.run(executor).cases,
            Rest::Left => self.suite.run_cases(executor, &goldens),
        };
        drop(planted);
        let mut found = BTreeMap::new();
        let mut complaints = Vec::new();
        for outcome in &outcomes {
            let Some(golden) = goldens.iter().find(|golden| golden.case.id == outcome.id) else {
                if outcome.verdict != Verdict::Pass {
                    complaints.push(format!("{} is {:?} by a fault elsewhere", outcome.id, outcome.verdict));
                }
                continue;
            };
            let effects = told(golden, outcome);
            complaints.extend(objections(outcome, &effects, &expected[golden.id()]));
            found.insert(golden.id().to_owned(), effects);
        }
        if found.len() != goldens.len() {
            complaints.push(format!("{} of {} cases have an outcome", found.len(), goldens.len()));
        }
        if complaints.is_empty() { Ok(found) } else { Err(complaints) }
    }
}

/// Whether the goldens of a case see a fault: it moves an output, and none only a little.
fn is_seen(effects: &Effects) -> bool {
    effects.values().any(|effect| *effect != Effect::Unmoved) && effects.values().all(Effect::is_enough)
}

/// What is wrong with what karat said of a faulty case.
fn objections(outcome: &CaseOutcome, told: &Effects, expected: &Effects) -> Vec<String> {
    let mut objections = Vec::new();
    let verdict = expected.values().map(Effect::verdict).min().expect("a case has an output");
    if outcome.verdict != verdict {
        objections.push(format!("{} is {:?}, and should be {verdict:?}", outcome.id, outcome.verdict));
    }
    let agrees = |(name, effect): (&String, &Effect)| told.get(name).is_some_and(|told| told.agrees(effect));
    if told.len() != expected.len() || !expected.iter().all(agrees) {
        objections.push(format!("karat says of {} {told:?}, and the plain loops {expected:?}", outcome.id));
    }
    objections
}
