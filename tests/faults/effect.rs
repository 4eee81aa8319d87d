//! What a fault does to an output: by the plain loops, and as karat tells it.

use std::collections::BTreeMap;

use karat::compare::Mismatch;
use karat::run::{CaseOutcome, OutputOutcome, Problem, Verdict};
use karat::snapshot::Drift;

use crate::plain::{Fit, Outputs};
use crate::suite::{Golden, Reference};

/// What a fault does to an output.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Nothing.
    Unmoved,
    /// It is moved by so many times the tolerance; infinitely many where it must be exact.
    Moved(f64),
    /// It has another shape.
    Reshaped,
    /// It is NaN.
    Nan,
    /// It does not come about.
    Failed,
    /// Anything else that karat says.
    Other(String),
}

/// The effects on the outputs of a case, by name.
pub(crate) type Effects = BTreeMap<String, Effect>;

/// How many times the tolerance a fault must move an output to count as one.
pub(crate) const ENOUGH: f64 = 10.0;

/// How far the two measurements of one effect may be apart, as a share.
const AGREEMENT: f64 = 0.05;

impl Effect {
    /// Whether the same was measured, up to what `f32` does to it.
    pub(crate) fn agrees(&self, other: &Effect) -> bool {
        match (self, other) {
            (Effect::Moved(one), Effect::Moved(other)) => one == other || (one - other).abs() <= AGREEMENT * other,
            _ => self == other,
        }
    }

    /// Whether the goldens see it: not at all is honest, a little is not.
    pub(crate) fn is_enough(&self) -> bool {
        !matches!(self, Effect::Moved(times) if *times <= ENOUGH)
    }

    /// The verdict of a case with that effect on an output.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Effect::Unmoved => Verdict::Pass,
            Effect::Failed => Verdict::Broken,
            _ => Verdict::Mismatch,
        }
    }
}

/// The same effect on every output of a case.
pub(crate) fn all(golden: &Golden, effect: &Effect) -> Effects {
    golden.references.keys().map(|name| (name.clone(), effect.clone())).collect()
}

/// How far what is faulty is from what is sound.
pub(crate) fn measure(golden: &Golden, faulty: Fit<Outputs>, sound: &Outputs) -> Effects {
    let Ok(faulty) = faulty else { return all(golden, &Effect::Failed) };
    assert!(faulty.keys().eq(golden.references.keys()), "{} has other outputs", golden.id());
    let effect = |(name, reference): (&String, &Reference)| {
        let (faulty, sound) = (&faulty[name], &sound[name]);
        if faulty.shape != sound.shape {
            return (name.clone(), Effect::Reshaped);
        }
        let tolerance = reference.tolerance;
        let mut largest = 0f64;
        for (place, (faulty, sound)) in faulty.data.iter().zip(&sound.data).enumerate() {
            if reference.mask.as_ref().is_none_or(|mask| mask[place]) && faulty != sound {
                let share = (faulty - sound).abs() / (tolerance.atol + tolerance.rtol * sound.abs());
                assert!(!share.is_nan(), "{}: plain loops give NaN", golden.id());
                largest = largest.max(share);
            }
        }
        (name.clone(), if largest == 0.0 { Effect::Unmoved } else { Effect::Moved(largest) })
    };
    golden.references.iter().map(effect).collect()
}

/// What karat says of each output of a case.
pub(crate) fn told(golden: &Golden, outcome: &CaseOutcome) -> Effects {
    assert_eq!(outcome.id, golden.case.id);
    match &outcome.problems[..] {
        [] => {}
        [Problem::Failed { .. }] if outcome.verdict == Verdict::Broken => return all(golden, &Effect::Failed),
        problems => return all(golden, &Effect::Other(format!("{problems:?}"))),
    }
    let effect = |output: &OutputOutcome| match (output.verdict, output.problems.first()) {
        (Verdict::Pass, None) => Effect::Unmoved,
        // What the fault was planted in is in the snapshot of every output, also of one that it leaves as it was.
        (Verdict::Drift, None) if output.drift.iter().all(is_planted) => Effect::Unmoved,
        (Verdict::Mismatch, Some(Problem::Mismatch(Mismatch::Shape { .. }))) => Effect::Reshaped,
        (Verdict::Mismatch, Some(Problem::Mismatch(Mismatch::NonFinite { .. }))) => Effect::Nan,
        (Verdict::Mismatch, Some(Problem::Mismatch(Mismatch::Outside { .. }))) => {
            Effect::Moved(output.comparison.as_ref().expect("it was compared").tolerance_used)
        }
        (verdict, _) => Effect::Other(format!("{verdict:?}: {:?} {:?}", output.problems, output.drift)),
    };
    outcome.outputs.iter().map(|output| (output.name.clone(), effect(output))).collect()
}

/// Whether that line of a snapshot is of an input or a param: what planting changes.
fn is_planted(drift: &Drift) -> bool {
    drift.quantity.starts_with("input ") || drift.quantity.starts_with("param ")
}
