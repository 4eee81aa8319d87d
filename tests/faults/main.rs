//! The proof that the checks can fail: every fault of the list, planted at every checkpoint where it can be, is caught
//! there by karat as it runs, and the unchanged suites pass.
//!
//! *fault* lists what goes wrong and where; *plain* computes each checkpoint in `f64`, sound and faulty, and *effect*
//! says how far that moves it; *planted* puts the same fault before the built-in executor
//! (*change* says how), and *finding* compares what
//! karat says with what the plain loops say. *table* holds `docs/faults.md` to it.

mod alone;
mod change;
mod effect;
mod fault;
mod finding;
mod plain;
mod planted;
mod suite;
mod table;
mod threads;
mod unmasked;

use karat::run::Verdict;

use alone::alone;
use effect::Effect;
use fault::{Fault, Plant};
use finding::{Field, Rest};
use suite::Suite;

/// Each suite with the number of its cases, so that none is lost unseen.
const SUITES: [(&str, usize); 2] = [("gpt2-tiny", 34), ("minilm", 11)];

#[test]
fn the_unchanged_control_passes() {
    alone("control", &[]);
}

#[test]
#[ignore = "run by the test above, as a process of its own"]
fn control() {
    for (name, count) in SUITES {
        let suite = Suite::copy(name);
        let run = suite.run(karat::executors::gpt2::executor());
        assert_eq!(run.cases.len(), count, "{name}");
        for case in &run.cases {
            assert_eq!(case.verdict, Verdict::Pass, "{}: {:?}", case.id, case.problems);
        }
    }
}

#[test]
fn plain_loops_without_a_fault_are_within_the_tolerance_of_every_reference() {
    for (name, count) in SUITES {
        let suite = Suite::copy(name);
        let field = Field::new(&suite);
        assert_eq!(suite.cases.len(), count, "{name}");
        for golden in &suite.cases {
            for (output, effect) in field.noise(golden) {
                let is_within = match effect {
                    Effect::Unmoved => true,
                    Effect::Moved(times) => times <= 1.0,
                    _ => false,
                };
                assert!(is_within, "{}: {output}: {effect:?}", golden.id());
            }
        }
    }
}

#[test]
fn every_fault_in_gpt2_tiny_is_caught_where_it_is_planted_and_the_table_says_so() {
    alone("gpt2_tiny", &[]);
}

#[test]
#[ignore = "run by the test above, as a process of its own"]
fn gpt2_tiny() {
    every_fault_is_caught("gpt2-tiny", &Fault::ALL);
}

#[test]
fn every_fault_in_minilm_is_caught_where_it_is_planted_and_the_table_says_so() {
    alone("minilm", &[]);
}

#[test]
#[ignore = "run by the test above, as a process of its own"]
fn minilm() {
    // One that is planted in what a checkpoint is given, and one in what it returns: all of this suite takes a second.
    every_fault_is_caught("minilm", &[Fault::Eps, Fault::Nan]);
}

/// Where the fault is among `whole`, every other case passes.
fn every_fault_is_caught(name: &str, whole: &[Fault]) {
    let suite = Suite::copy(name);
    let field = Field::new(&suite);
    let (findings, complaints) = field.find(whole);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    for fault in Fault::ALL {
        let is_caught = findings.iter().any(|found| found.plant.fault == fault && !found.effects.is_empty());
        assert!(is_caught, "{fault:?} is caught nowhere in {name}");
    }
    table::hold(name, &table::rows(&suite, &findings));
}

#[test]
fn a_fault_without_effect_is_rejected() {
    let suite = Suite::copy("gpt2-tiny");
    let nowhere = Plant { fault: Fault::Zeroed, checkpoint: "layer_norm".to_owned(), place: "nowhere".to_owned() };
    let complaints = Field::new(&suite).plant(&nowhere, Rest::Left).expect_err("it moves nothing");
    assert_eq!(complaints.len(), suite.of("layer_norm").count());
    assert!(complaints.iter().all(|complaint| complaint.contains("cannot see it")), "{complaints:?}");
}
