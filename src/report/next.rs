//! What the reader does about a case that did not pass: one command to type. A mismatch is never accepted by it.

use std::path::Path;

use super::voice::{Voice, remove};
use crate::compare::{Mismatch, Tolerance, Vacuous};
use crate::run::{CaseOutcome, Gate, OutputOutcome, Problem, RunOutcome, Verdict};
use crate::tensor::DType;
use crate::text::number::counted;

/// The last line of a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Next {
    /// What comes before the command, where something does.
    pub(super) first: Option<String>,
    /// What the command is for.
    pub(super) label: &'static str,
    /// The command.
    pub(super) command: String,
}

/// What to do about an output, or about a case as a whole; `None` where it passed.
pub(super) fn next(voice: &Voice, gate: &Gate, case: &CaseOutcome, output: Option<&OutputOutcome>) -> Option<Next> {
    let (verdict, problems) = match output {
        Some(output) => (output.verdict, &output.problems),
        None => (case.verdict, &case.problems),
    };
    let problem = deciding(verdict, problems);
    if output.is_none() && problem.is_none() && !case.outputs.is_empty() {
        // It is the outputs that say what to do.
        return None;
    }
    let vacuous = output.filter(|output| gate.denies(case) && output.vacuous().is_some());
    if let (None, Some(output)) = (problem, vacuous) {
        return Some(substantiate(voice, case, output));
    }
    match (problem, verdict) {
        (Some(problem), _) => Some(correct(voice, case, output, problem)),
        (None, Verdict::Drift | Verdict::Unrecorded) => Some(review(voice, gate, case)),
        (None, Verdict::Pass | Verdict::Skipped) => None,
        (None, Verdict::Mismatch) => Some(look(voice, case, output)),
        (None, Verdict::Broken | Verdict::Missing | Verdict::Orphaned) => Some(again(voice, case, None)),
    }
}

/// What to do about the run as a whole, and the command of each: what may be tightened, what must be corrected, then what
/// may be reviewed. `told` is where each case stands: above or below.
pub(super) fn after(voice: &Voice, run: &RunOutcome, told: &str) -> Vec<(String, String)> {
    let is_improved = |case: &&CaseOutcome| case.outputs.iter().any(|output| !output.improved.is_empty());
    let failing = |is_told: fn(Verdict) -> bool| {
        run.cases.iter().filter(|case| run.gate.fails(case) && is_told(case.verdict)).count() as u64
    };
    let improved = run.cases.iter().filter(is_improved).count() as u64;
    let uncorrected = failing(|verdict| !matches!(verdict, Verdict::Drift | Verdict::Unrecorded));
    let unreviewed = failing(|verdict| matches!(verdict, Verdict::Drift | Verdict::Unrecorded));
    let mut steps = Vec::new();
    if improved > 0 {
        let what = format!("{} improved; to tighten what is accepted", counted(improved, "case"));
        steps.push((what, voice.accept(None)));
    }
    if uncorrected > 0 {
        steps
            .push((format!("{} to correct, each as said {told}; then", counted(uncorrected, "case")), voice.run(None)));
    }
    if unreviewed > 0 {
        let Next { command, .. } = review_all(voice, &run.gate);
        steps.push((format!("{} to review, where intended", counted(unreviewed, "case")), command));
    }
    if !run.passed() && run.failed() == 0 {
        steps.push(("to run all of it".to_owned(), voice.run(None)));
    }
    steps
}

/// The problem that decides the verdict: the first of its kind.
pub(super) fn deciding(verdict: Verdict, problems: &[Problem]) -> Option<&Problem> {
    problems.iter().find(|problem| problem.verdict() == verdict).or(problems.first())
}

fn correct(voice: &Voice, case: &CaseOutcome, output: Option<&OutputOutcome>, problem: &Problem) -> Next {
    let id = case.id.as_str();
    let file = |field: &str| voice.path(case.set_in(field));
    let of_output = |field: &str| file(&format!("{field}.{}", output.map_or("", |output| &output.name)));
    match problem {
        Problem::Error { .. } => again(voice, case, Some("correct it".into())),
        Problem::Missing { .. } => again(voice, case, Some("put it back, or correct its name".into())),
        Problem::Panicked { .. } | Problem::Failed { .. } => step("to see what it was given", voice.show_case(id)),
        Problem::Crashed { .. } | Problem::Exited { .. } | Problem::Interrupted { .. } => {
            step("to run it alone", voice.run(Some(id)))
        }
        Problem::TimedOut { .. } => {
            again(voice, case, Some(format!("correct it, or set \"timeout\" in {}", file("timeout"))))
        }
        Problem::OutOfMemory { .. } => again(voice, case, Some("correct it, or let it take more".into())),
        Problem::UnknownCheckpoint { .. } => {
            again(voice, case, Some(format!("register it, or correct \"checkpoint\" in {}", file("checkpoint"))))
        }
        Problem::ExtraOutput { .. } => {
            again(voice, case, Some(format!("name it in {} or do not return it", of_output("outputs"))))
        }
        Problem::LeftOut { .. } => {
            again(voice, case, Some(format!("return it, or take it out of {}", of_output("outputs"))))
        }
        Problem::Mismatch(Mismatch::Mask { .. }) => {
            again(voice, case, Some(format!("correct the mask in {}", of_output("outputs"))))
        }
        Problem::Mismatch(Mismatch::NoUlps { .. }) => {
            again(voice, case, Some(format!("take \"max_ulps\" out of {}", of_output("tolerance"))))
        }
        Problem::Mismatch(_) => step("to see it", voice.explain(id)),
        Problem::NotRepeatable { repeat } => {
            step("to see it again", format!("{} --repeat {repeat}", voice.run(Some(id))))
        }
        Problem::ChainedOutside { .. } | Problem::NotChained { .. } => step("to see its chain", voice.chained()),
        Problem::Orphaned { snapshot } => step("to delete it", remove(&voice.path(snapshot))),
        Problem::Skipped { .. } => again(voice, case, Some(format!("take \"skip\" out of {}", file("skip")))),
    }
}

/// What shows an output that was explained more closely: both tensors, or as much as there is of them.
pub(super) fn closer(voice: &Voice, case: &CaseOutcome, output: &OutputOutcome) -> Next {
    Next { label: "to see the numbers", ..look(voice, case, Some(output)) }
}

/// The command that shows both tensors, or as much as there is of them.
fn look(voice: &Voice, case: &CaseOutcome, output: Option<&OutputOutcome>) -> Next {
    let kept = output.and_then(|output| output.kept.as_deref()).map(|kept| voice.path(kept));
    let reference = output.and_then(|output| output.reference.as_deref());
    // Files alone do not say what a mask leaves out: their difference would be another.
    let is_masked = output.and_then(|output| output.comparison.as_ref()).is_some_and(|measured| measured.left_out > 0);
    let command = match (kept, reference) {
        (Some(kept), Some(reference)) if !is_masked => {
            let folder = case.file.parent().unwrap_or(Path::new(""));
            voice.diff(&kept, &voice.path(&folder.join(reference)), own_tolerance(output))
        }
        (Some(kept), _) => voice.show(&kept),
        (None, _) => voice.show_case(case.id.as_str()),
    };
    step("to see it", command)
}

/// The tolerance of an output where it is not the one that files of its dtype are compared by anyway.
fn own_tolerance(output: Option<&OutputOutcome>) -> Option<&Tolerance> {
    let output = output?;
    let dtype: Option<DType> = output.summary.as_ref().map(|summary| summary.dtype);
    let default = dtype.and_then(Tolerance::default_for);
    let is_own = |own: &&Tolerance| default.is_none_or(|default| (own.atol, own.rtol) != (default.atol, default.rtol));
    output.tolerance.as_ref().filter(is_own)
}

fn review(voice: &Voice, gate: &Gate, case: &CaseOutcome) -> Next {
    reviewed(voice, gate, Some(case.id.as_str()))
}

/// What to do about everything that waits for a review.
pub(super) fn review_all(voice: &Voice, gate: &Gate) -> Next {
    reviewed(voice, gate, None)
}

fn reviewed(voice: &Voice, gate: &Gate, id: Option<&str>) -> Next {
    let from_the_run_on = || format!("{}; {}", voice.run(id), voice.review(id));
    match gate.ci {
        // CI writes no pending snapshot: there is nothing to review there.
        true => step("if it is intended, on your machine", from_the_run_on()),
        false if !voice.leaves_pending => step("if it is intended", from_the_run_on()),
        false => step("if it is intended", voice.review(id)),
    }
}

/// What to do about a comparison that is vacuous, where that fails.
fn substantiate(voice: &Voice, case: &CaseOutcome, output: &OutputOutcome) -> Next {
    let file = |field: &str| voice.path(case.set_in(&format!("{field}.{}", output.name)));
    let first = match output.vacuous() {
        Some(Vacuous::Masked) => format!("correct the mask in {}", file("outputs")),
        Some(Vacuous::ZeroReference | Vacuous::NanReference) => "make a reference of inputs that show more".to_owned(),
        Some(Vacuous::Anything | Vacuous::Zeros) | None => match output.own_vacuous() {
            Some(_) => format!("narrow the tolerance in {}", file("tolerance")),
            None => format!("narrow \"chained\" in {}", file("chained")),
        },
    };
    again(voice, case, Some(first))
}

fn again(voice: &Voice, case: &CaseOutcome, first: Option<String>) -> Next {
    // What is wrong with a suite is told once, under the name of its file: every case below it is to run again.
    let selected = case.id.as_str().strip_suffix("suite.json").unwrap_or(case.id.as_str());
    Next { first, label: "then", command: voice.run(Some(selected).filter(|text| !text.is_empty())) }
}

fn step(label: &'static str, command: String) -> Next {
    Next { first: None, label, command }
}
