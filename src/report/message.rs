//! Everything karat says about a problem: one function for each thing it can say, lines without indentation or colour.
//! Every report takes its words from here. What to do about it is in `next`.

use std::cmp::Reverse;
use std::time::Duration;

use super::signal::meaning;
use super::voice::{Voice, quote};
pub(super) use crate::compare::mismatch::{
    are_both_nan, largest, measured, mismatch, non_finite_counts, tolerance, used_share,
};
use crate::compare::{Comparison, Mismatch, Tolerance, Vacuous};
use crate::explain::Explanation;
use crate::fs::nearest_first;
use crate::run::{
    Amplifier, CaseOutcome, Difference, Finding, Gates, OutputOutcome, Part, Problem, RunOutcome, Step, Sum, Verdict,
    vacuous_name,
};
use crate::tensor::{DType, Kind};
use crate::text::number::{bytes, count, counted, exact, float, percent, ratio};
use crate::text::safe::{name, visible};

/// What holds a case that names no reference.
pub(super) const SNAPSHOT_ONLY: &str = "no reference, held by its snapshot alone";

/// What is wrong with a case as a whole.
pub(super) fn of_case(case: &CaseOutcome, problem: &Problem, voice: &Voice) -> Vec<String> {
    said(problem, case, None, voice)
}

/// What is wrong with an output, in one of the ways in which it is.
pub(super) fn of_output(case: &CaseOutcome, output: &OutputOutcome, problem: &Problem, voice: &Voice) -> Vec<String> {
    said(problem, case, Some(output), voice)
}

fn said(problem: &Problem, case: &CaseOutcome, output: Option<&OutputOutcome>, voice: &Voice) -> Vec<String> {
    let checkpoint = case.checkpoint.as_deref().unwrap_or("?");
    let name = output.map_or("?", |output| output.name.as_str());
    let said = match problem {
        Problem::Error { text } | Problem::Missing { text } => lines(&voice.relative(text)),
        Problem::Panicked { text } => panicked(checkpoint, text),
        Problem::Failed { text } => failed(checkpoint, text),
        Problem::Crashed { signal, printed } => crashed(checkpoint, signal, printed),
        Problem::Exited { status, printed } => exited(checkpoint, *status, printed),
        Problem::TimedOut { limit, printed } => timed_out(*limit, printed),
        Problem::OutOfMemory { limit, printed } => out_of_memory(*limit, printed),
        Problem::Interrupted { signal } => vec![format!("{signal} interrupted the run while this case ran")],
        Problem::UnknownCheckpoint { name, known } => unknown_checkpoint(name, known),
        Problem::ExtraOutput { known } => extra_output(name, known),
        Problem::LeftOut { returned } => left_out(name, returned),
        Problem::Mismatch(mismatch) => {
            let measured = output.and_then(|output| output.comparison.as_ref());
            let tolerance = output.and_then(|output| output.tolerance.as_ref());
            let mut said = self::mismatch(mismatch, measured, tolerance);
            said.extend(output.and_then(|output| to_allow(mismatch, case, output, voice)));
            said
        }
        Problem::NotRepeatable { repeat } => not_repeatable(*repeat),
        Problem::ChainedOutside { comparison, tolerance } => chained_outside(comparison.as_deref(), tolerance),
        Problem::NotChained { why } => not_chained(why),
        Problem::Orphaned { snapshot } => orphaned(&voice.path(snapshot)),
        Problem::Skipped { reason } => lines(reason),
    };
    said.iter().map(|line| visible(line)).collect()
}

/// Which executor ran, and whether it was held to accuracy alone: the last line of every run.
pub(super) fn executor(run: &RunOutcome) -> String {
    let executor = name(&run.executor);
    match run.gates {
        Gates::Both => format!("executor {executor}"),
        Gates::Accuracy => format!("executor {executor}, accuracy alone: no snapshot was looked at"),
    }
}

/// How many references changed since their snapshots, and how many outputs agree with the new ones; `None` where at most one did.
pub(super) fn changed_references(cases: &[&CaseOutcome]) -> Option<String> {
    let outputs = cases.iter().flat_map(|case| &case.outputs);
    // Only of an output within its tolerance are the lines of the snapshot compared.
    let changed = outputs.filter(|output| output.drift.iter().any(|line| line.quantity == "reference")).count();
    (changed > 1).then(|| format!("{changed} references changed; all still agree, as each of these says:"))
}

/// What a case declares where that mismatch is meant.
fn to_allow(mismatch: &Mismatch, case: &CaseOutcome, output: &OutputOutcome, voice: &Voice) -> Option<String> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let (name, tensor) = (quoted(&output.name), quoted(output.reference.as_deref()?));
    let field = match mismatch {
        Mismatch::Dtype { actual, .. } => format!("\"cast\": \"{actual}\""),
        Mismatch::NonFinite { .. } if output.comparison.as_ref().is_some_and(are_both_nan) => {
            "\"nan\": \"match\"".into()
        }
        // Where a mask leaves everything out it is the mask that is wrong.
        Mismatch::Empty if output.summary.as_ref().is_some_and(|summary| summary.elements + summary.left_out == 0) => {
            "\"empty\": true".into()
        }
        _ => return None,
    };
    let file = match case.inherited.get(&format!("outputs.{}", output.name)) {
        Some(suite) => voice.path(suite),
        None => "case.json".to_owned(),
    };
    Some(format!("to allow it, in {file}: \"outputs\": {{ {name}: {{ \"tensor\": {tensor}, {field} }} }}"))
}

/// That other cases have the same problem.
pub(super) fn alike(ids: &[&str]) -> String {
    format!("the same breaks {}: {}", counted(ids.len() as u64, "other case"), listed(ids))
}

/// The first few of some names, and how many more there are.
pub(super) fn listed(names: &[impl std::borrow::Borrow<str>]) -> String {
    const LISTED: usize = 3;
    let listed = names[..names.len().min(LISTED)].join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => listed,
        more => format!("{listed}, and {more} more"),
    }
}

/// What sorts cases, the worst first: the verdict, then the share of the tolerance that it uses.
pub(super) fn severity(case: &CaseOutcome) -> (Verdict, Reverse<u64>) {
    let shares = case.outputs.iter().filter_map(|output| Some(output.comparison.as_ref()?.tolerance_used));
    // The bits of numbers from 0 up are in their order.
    (case.verdict, Reverse(shares.fold(0.0, f64::max).to_bits()))
}

/// The same in a word or two, for the line of a case.
pub(super) fn brief(problem: &Problem) -> &'static str {
    match problem {
        Problem::Error { .. } => "an error",
        Problem::Missing { .. } => "a tensor is not there",
        Problem::Panicked { .. } => "the checkpoint panicked",
        Problem::Failed { .. } => "the checkpoint returned an error",
        Problem::Crashed { .. } => "its process crashed",
        Problem::Exited { .. } => "its process ended early",
        Problem::TimedOut { .. } => "it took too long",
        Problem::OutOfMemory { .. } => "it ran out of memory",
        Problem::Interrupted { .. } => "interrupted",
        Problem::UnknownCheckpoint { .. } => "nobody registered the checkpoint",
        Problem::ExtraOutput { .. } => "an output too many",
        Problem::LeftOut { .. } => "an output left out",
        Problem::Mismatch(mismatch) => brief_mismatch(mismatch),
        Problem::NotRepeatable { .. } => "not repeatable",
        Problem::ChainedOutside { .. } => "outside tolerance in its chain",
        Problem::NotChained { .. } => "its chain has a hole",
        Problem::Orphaned { .. } => "a snapshot without a case",
        Problem::Skipped { .. } => "not run",
    }
}

/// What decides the verdict of a case, in a line.
pub(super) fn line(case: &CaseOutcome) -> String {
    let outputs = case.outputs.iter().filter(|output| output.verdict == case.verdict);
    let problems = case.problems.iter().chain(outputs.flat_map(|output| &output.problems));
    match problems.map(brief).next() {
        Some(brief) => format!("{}: {brief}", case.verdict.word()),
        None if case.verdict == Verdict::Pass && case.is_vacuous() => {
            format!("pass: {}", vacuous_in_case(case).unwrap_or_default())
        }
        None => case.verdict.word().to_owned(),
    }
}

/// What else would have passed the comparisons of an output.
pub(super) fn vacuous_in(output: &OutputOutcome) -> Vec<String> {
    let chained = output.chained_vacuous.map(|found| format!("in a chained run, {}", vacuous(found)));
    output.own_vacuous().map(vacuous).into_iter().chain(chained).collect()
}

/// The same of a case in a word or two, where something would.
pub(super) fn vacuous_in_case(case: &CaseOutcome) -> Option<String> {
    let own = case.outputs.iter().find_map(OutputOutcome::own_vacuous).map(|found| brief_vacuous(found).to_owned());
    let chained = || case.outputs.iter().find_map(|output| output.chained_vacuous);
    own.or_else(|| Some(format!("{} when chained", brief_vacuous(chained()?))))
}

/// What else would have passed a comparison.
pub(super) fn vacuous(found: Vacuous) -> String {
    let why = match found {
        Vacuous::Masked => "`where` leaves out every element",
        Vacuous::Anything => "every finite tensor of this shape and dtype passes",
        Vacuous::Zeros => "they pass too, though the reference is not 0 throughout",
        Vacuous::ZeroReference => "the reference is 0 throughout, and so is an output that was never written",
        Vacuous::NanReference => "the reference is NaN throughout, and NaN matches NaN",
    };
    format!("accuracy {}: {why}", brief_vacuous(found))
}

/// The same in a word or two.
pub(super) fn brief_vacuous(found: Vacuous) -> &'static str {
    match found {
        Vacuous::Masked | Vacuous::Anything => "cannot fail",
        Vacuous::Zeros | Vacuous::ZeroReference => "cannot fail on zeros",
        Vacuous::NanReference => "cannot fail on NaN",
    }
}

/// How many outputs of a run have such a comparison, and which; `None` where none has.
pub(super) fn vacuous_outputs(run: &RunOutcome) -> Option<String> {
    let names =
        run.vacuous().map(|(case, output)| vacuous_name(&case.id, &output.name, output.own_vacuous().is_none()));
    let names: Vec<String> = names.collect();
    let denied = if run.gate.deny_vacuous { "" } else { " (--deny vacuous makes the run fail)" };
    let count = counted(names.len() as u64, "output");
    (!names.is_empty()).then(|| format!("{count} cannot fail, or not on zeros or NaN{denied}: {}", listed(&names)))
}

/// What is not as in the reference, in a word or two.
pub(super) fn brief_mismatch(mismatch: &Mismatch) -> &'static str {
    match mismatch {
        Mismatch::Dtype { .. } => "another dtype",
        Mismatch::Shape { .. } => "another shape",
        Mismatch::Mask { .. } => "a mask that does not fit",
        Mismatch::Empty => "nothing to compare",
        Mismatch::NonFinite { .. } => "NaN or infinities differ",
        Mismatch::Outside { .. } => "outside tolerance",
        Mismatch::Ulps { .. } => "too many ulp apart",
        Mismatch::NoUlps { .. } => "no ulp to measure",
        Mismatch::RelRms { .. } => "rmse too large",
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn panicked(checkpoint: &str, text: &str) -> Vec<String> {
    lines(&format!("checkpoint {checkpoint} panicked: {text}"))
}

fn failed(checkpoint: &str, text: &str) -> Vec<String> {
    lines(&format!("checkpoint {checkpoint} returned an error: {text}"))
}

fn crashed(checkpoint: &str, signal: &str, printed: &[String]) -> Vec<String> {
    let meaning = meaning(signal).map(|meaning| format!(": {meaning}")).unwrap_or_default();
    with_printed(format!("{signal} ended the process of checkpoint {checkpoint}{meaning}"), printed)
}

fn exited(checkpoint: &str, status: i32, printed: &[String]) -> Vec<String> {
    with_printed(
        format!("checkpoint {checkpoint} ended its process with status {status}, and so returned nothing"),
        printed,
    )
}

fn timed_out(limit: Duration, printed: &[String]) -> Vec<String> {
    with_printed(format!("it took longer than it may, which is {}, and was ended", seconds(limit)), printed)
}

fn out_of_memory(limit: Option<u64>, printed: &[String]) -> Vec<String> {
    let what = match limit {
        Some(limit) => format!("it ran out of memory, of which it may take {}", bytes(limit)),
        None => "it ran out of memory: the system had no more".to_owned(),
    };
    with_printed(what, printed)
}

/// What is wrong, and the last that a process printed before.
fn with_printed(what: String, printed: &[String]) -> Vec<String> {
    let mut said = vec![what];
    if !printed.is_empty() {
        said.push("the last that it printed:".to_owned());
        said.extend(printed.iter().map(|line| format!("  {line}")));
    }
    said
}

/// A time that somebody wrote, as it was written.
pub(super) fn seconds(time: Duration) -> String {
    format!("{} s", exact(time.as_secs_f64()))
}

/// What ended a run before its end, and how many cases did not run; `None` of one that ran to its end.
pub(super) fn ended_early(run: &RunOutcome) -> Option<String> {
    let not_run = match run.not_run as u64 {
        0 => None,
        count => Some(format!("{} did not run", counted(count, "case"))),
    };
    match (&run.interrupted, not_run) {
        (Some(signal), None) => Some(format!("interrupted by {signal}: no case is left that did not run")),
        (Some(signal), Some(not_run)) => Some(format!("interrupted by {signal}: {not_run}")),
        (None, Some(not_run)) => Some(format!("{not_run}: the run ended early")),
        (None, None) => None,
    }
}

fn unknown_checkpoint(name: &str, known: &[String]) -> Vec<String> {
    let mut said = vec![format!("nobody registered a checkpoint {name:?}")];
    match known {
        [] => said.push("no checkpoint is registered at all".into()),
        _ => said.push(format!(
            "registered, nearest first: {}",
            nearest_first(name, known.iter().map(String::as_str)).join(", ")
        )),
    }
    said
}

fn extra_output(name: &str, known: &[String]) -> Vec<String> {
    vec![format!("the checkpoint returned an output {name:?} that the case does not name; it names {}", names(known))]
}

fn left_out(name: &str, returned: &[String]) -> Vec<String> {
    vec![format!("the checkpoint did not return the output {name:?}; it returned {}", names(returned))]
}

fn names(names: &[String]) -> String {
    match names {
        [] => "nothing".into(),
        names => names.join(", "),
    }
}

fn not_repeatable(repeat: usize) -> Vec<String> {
    vec![format!("repeat {repeat} returned other bits than the first, for the same inputs")]
}

fn chained_outside(comparison: Option<&Comparison>, tolerance: &Tolerance) -> Vec<String> {
    let mut said =
        vec![format!("outside what \"chained\" allows: {}", self::tolerance(tolerance)), "in its chain:".into()];
    match comparison {
        Some(measured) => said.extend(self::measured(measured)),
        None => said.push("what comes out has another structure".into()),
    }
    said.push("on golden inputs:".into());
    said
}

fn not_chained(why: &str) -> Vec<String> {
    let mut said = vec!["the case has a tolerance for a chained run, and could not be followed to:".to_owned()];
    said.extend(lines(why));
    said
}

fn orphaned(snapshot: &str) -> Vec<String> {
    vec![
        format!("no case has this output; its snapshot is {snapshot}"),
        "if the case went by accident, restore it; if not, delete the snapshot".into(),
    ]
}

/// What a tolerance asks or allows besides its formula.
pub(super) fn more_asked(tolerance: &Tolerance) -> Vec<String> {
    let Tolerance { atol: _, rtol: _, outliers, max_ulps, max_rel_rms } = tolerance;
    let outliers = (*outliers > 0).then(|| format!("{} allowed", counted(*outliers, "outlier")));
    let ulps = max_ulps.map(|ulps| format!("at most {} ulp", count(ulps)));
    let rel_rms = max_rel_rms.map(|share| format!("rmse at most {} of the reference's rms", exact(share)));
    [outliers, ulps, rel_rms].into_iter().flatten().collect()
}

/// What came of one or several cases by one executor: `pass 2.38e-7 24%`, `mismatch 0.0475 47,542x`, `2 holes`.
pub(super) fn sum(sum: &Sum) -> String {
    let Sum { counts: _, holes, verdict, max_abs_diff, tolerance_used } = sum;
    let mut said = Vec::new();
    if let Some(verdict) = verdict {
        let largest = max_abs_diff.map(|largest| format!(" {}", float(largest))).unwrap_or_default();
        let share = match tolerance_used {
            Some(used) if *used > 0.0 && used.is_finite() => {
                format!(" {}", if *used > 1.0 { ratio(*used) } else { percent(*used) })
            }
            _ => String::new(),
        };
        said.push(format!("{}{largest}{share}", verdict.word()));
    }
    match (*holes, verdict) {
        (0, _) => {}
        (1, None) => said.push("hole".into()),
        (holes, _) => said.push(counted(holes as u64, "hole")),
    }
    said.join(", ")
}

/// The largest difference of a case's outputs, and the share of the tolerance: `2.38e-7 24%`.
pub(super) fn difference(difference: &Difference) -> String {
    let Difference { max_abs_diff, tolerance_used, rel_rms: _, is_close: _ } = difference;
    let largest = max_abs_diff.map_or("unlike".to_owned(), float);
    match tolerance_used {
        used if *used > 0.0 && used.is_finite() => {
            format!("{largest} {}", if *used > 1.0 { ratio(*used) } else { percent(*used) })
        }
        _ => largest,
    }
}

/// What a case has to do with a divergence, in a word or two; nothing where it is sound.
pub(super) fn part(step: &Step) -> String {
    let why = step.why.as_deref().unwrap_or_default();
    match step.part {
        Part::Sound => String::new(),
        Part::Diverges => "first divergence".into(),
        Part::AtFaultToo => "at fault too".into(),
        Part::PassesOn => "passes it on".into(),
        Part::Accumulates => "accumulates".into(),
        Part::Hole => format!("hole: {why}"),
        Part::PastHole => format!("past the hole {why}"),
    }
}

/// Where a chain leaves its reference.
pub(super) fn finding(finding: &Finding) -> String {
    match finding {
        Finding::Sound => "no divergence: every own difference and every end of the chain is inside tolerance".into(),
        Finding::Divergence { id } => format!("first divergence: {id}"),
        Finding::Accumulation { end, amplifier } => {
            let amplified = amplifier
                .as_ref()
                .map(|Amplifier { id, amplification }| format!("; {id} amplified most, {}", ratio(*amplification)));
            let amplified = amplified.unwrap_or_default();
            format!("accumulation: every own difference is inside tolerance, and {end} is outside{amplified}")
        }
        Finding::Unknown { hole } => format!("no divergence before the hole {hole}; past it nothing is claimed"),
    }
}

/// A case or output that has no accepted snapshot yet.
pub(super) fn unrecorded(output: Option<&OutputOutcome>) -> Vec<String> {
    let (held, largest) = match output.and_then(|output| output.comparison.as_ref()) {
        None => ("no reference", None),
        Some(measured) if measured.differing == 0 => ("no difference", None),
        Some(measured) => ("within tolerance", Some(largest(measured))),
    };
    [Some(format!("{held}, and no snapshot is accepted yet")), largest].into_iter().flatten().collect()
}

/// Cases that have no accepted snapshot yet.
pub(super) fn unrecorded_cases(cases: &[&CaseOutcome]) -> String {
    let ids: Vec<&str> = cases.iter().map(|case| case.id.as_str()).collect();
    format!("within tolerance or without a reference, and no snapshot is accepted yet: {}", listed(&ids))
}

/// An output that is within tolerance, but not within its snapshot's band.
pub(super) fn drift(output: &OutputOutcome) -> Vec<String> {
    let held = match output.comparison.as_ref() {
        None => "no reference".to_owned(),
        Some(measured) if measured.differing == 0 => "no difference".to_owned(),
        Some(Comparison { tolerance_used, .. }) if *tolerance_used <= 1.0 => {
            format!("within tolerance ({} used)", percent(*tolerance_used))
        }
        // More than all of it: by outliers that the case allows.
        Some(_) => "within tolerance".to_owned(),
    };
    vec![format!("{held}, but {} left the snapshot's band:", counted(output.drift.len() as u64, "line"))]
}

/// An output that is much closer than its snapshot remembers.
pub(super) fn improved() -> Vec<String> {
    vec!["much closer than its accepted snapshot:".into()]
}

/// Elements outside that the case allows.
pub(super) fn outliers(outside: u64, tolerance: Option<&Tolerance>) -> Vec<String> {
    let allowed = tolerance.map_or(0, |tolerance| tolerance.outliers);
    vec![format!("{} outside tolerance; the case allows {}", counted(outside, "element"), count(allowed))]
}

/// Which of several references the output was held against.
pub(super) fn alternatives(verdict: Verdict, reference: &str, others: &[String]) -> Vec<String> {
    let also = others.join(" or ");
    vec![match verdict {
        Verdict::Mismatch => format!("that is from {reference}; the case accepts {also} as well, and it is none"),
        _ => format!("it is {reference}; the case accepts {also} as well"),
    }]
}

/// The share of a difference that an explanation has to remove to be told with the failure.
const CONVINCING: f64 = 0.9;

/// What the failure looks like, if one explanation is convincing.
pub(super) fn looks_like(explanations: &[Explanation]) -> Vec<String> {
    let best = explanations.first().filter(|best| best.removes >= CONVINCING);
    best.map(looks).into_iter().collect()
}

/// One explanation in a line: a place is not told as a cause.
pub(super) fn looks(explanation: &Explanation) -> String {
    let what = if is_place(explanation) { "where" } else { "looks like" };
    format!("{what}: {}", explanation.evidence)
}

/// Whether an explanation says where elements are wrong, and not why.
fn is_place(explanation: &Explanation) -> bool {
    std::iter::once(&explanation.id).chain(&explanation.with).all(|id| id.is_place())
}

/// How good an explanation is: the share of the difference that undoing it removes, which a place does not undo.
pub(super) fn removes(explanation: &Explanation) -> String {
    match is_place(explanation) {
        true => format!("holds {} of the difference", percent(explanation.removes)),
        false => format!("removes {}", percent(explanation.removes)),
    }
}

/// What explanations are headed with.
pub(super) const LOOKS_LIKE: &str = "looks like, and how much of the difference undoing it removes:";

/// The names of each explanation and of those that hold at the same time; those that hold together once.
pub(super) fn together(explanations: &[Explanation]) -> Vec<(String, &Explanation)> {
    let mut told: Vec<(String, &Explanation)> = Vec::new();
    for explanation in explanations {
        let is_part = |(_, other): &(String, &Explanation)| {
            other.with.contains(&explanation.id) && explanation.with.contains(&other.id)
        };
        if !told.iter().any(is_part) {
            let with = explanation.with.iter().map(|id| format!(" + {}", id.word()));
            told.push((explanation.id.word().to_owned() + &with.collect::<String>(), explanation));
        }
    }
    told
}

/// What the extremes, the mean and the deviation of a summary are called: of complex numbers they are those of the moduli.
pub(super) fn quantities(dtype: DType) -> [&'static str; 4] {
    match dtype.kind() {
        Kind::Complex => ["min |z|", "max |z|", "mean |z|", "std |z|"],
        Kind::Integer | Kind::Float => ["min", "max", "mean", "std"],
    }
}

/// That no hypothesis fits. Not all are tried of every pair: complex numbers have fewer.
pub(super) fn nothing_fits() -> Vec<String> {
    vec!["nothing fits: no hypothesis for tensors of this kind explains it".into()]
}

/// Where the actual tensor is kept.
pub(super) fn kept(path: &str) -> String {
    format!("actual kept in {path}")
}

/// A skipped case that fails in CI.
pub(super) fn skip_fails(id: &str) -> String {
    let option = quote(&format!("--allow-skip={id}")).into_owned();
    format!("in CI a skipped case fails unless it is allowed by name: {option}")
}
