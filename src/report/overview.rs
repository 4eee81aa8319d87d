//! What karat says of a run as a whole, and of each case and chain in a line.

use std::cmp::Reverse;

use super::commands::Commands;
use super::message::{self, deciding, listed, review};
use crate::case::CaseId;
use crate::compare::{Comparison, Mismatch};
use crate::run::{
    CaseOutcome, ChainOutcome, Difference, Finding, Gates, OutputOutcome, Problem, Role, RunOutcome, Step, Sum,
    Verdict, vacuous_label,
};
use crate::text::layout::pad_name;
use crate::text::number::{count, float, plural, ratio, share};
use crate::text::safe::escape_name;

/// How many fail.
pub(super) fn failed(failed: usize) -> String {
    match failed as u64 {
        0 => "none fails".to_owned(),
        1 => "1 fails".to_owned(),
        failed => format!("{} fail", count(failed)),
    }
}

/// How many a filter left out, where it left out some.
pub(super) fn filtered_out(cases: usize) -> String {
    if cases > 0 { format!(", {cases} filtered out") } else { String::new() }
}

/// Which executor ran, and whether it was held to accuracy alone: the last line of every run.
pub(super) fn executor(run: &RunOutcome) -> String {
    let executor = escape_name(&run.executor);
    match run.gates {
        Gates::Both => format!("executor {executor}"),
        Gates::Accuracy => format!("executor {executor}, {ACCURACY_ALONE}"),
    }
}

/// That a run was held to accuracy alone.
pub(super) const ACCURACY_ALONE: &str = "accuracy alone: no snapshot was looked at";

/// That a run followed chains, and found none.
pub(super) const NO_CHAIN: &str = "no chain: no case here takes another's output by `from`";

/// What ended a run before its end, and how many cases did not run; `None` of one that ran to its end.
pub(super) fn ended_early(run: &RunOutcome) -> Option<String> {
    let not_run = (run.not_run > 0).then(|| format!("{} did not run", plural(run.not_run as u64, "case")));
    match (&run.interrupted, not_run) {
        (Some(signal), None) => Some(format!("interrupted by {signal}: no case is left that did not run")),
        (Some(signal), Some(not_run)) => Some(format!("interrupted by {signal}: {not_run}")),
        (None, Some(not_run)) => Some(format!("{not_run}: the run ended early")),
        (None, None) => None,
    }
}

/// How many references changed since their snapshots, and that the outputs agree with the new ones; `None` where at most one
/// did.
pub(super) fn changed_references(cases: &[&CaseOutcome]) -> Option<String> {
    let outputs = cases.iter().flat_map(|case| &case.outputs);
    // Only of an output within its tolerance are the lines of the snapshot compared.
    let changed = outputs.filter(|output| output.drift.iter().any(|line| line.quantity == "reference")).count();
    (changed > 1).then(|| format!("{changed} references changed; all still agree, as each of these says:"))
}

/// How many outputs of a run have a comparison that is vacuous, and which; `None` where none has.
pub(super) fn vacuous_outputs(run: &RunOutcome) -> Option<String> {
    let names: Vec<String> = run
        .vacuous()
        .map(|(case, output)| vacuous_label(&case.id, &output.name, output.own_vacuous().is_none()))
        .collect();
    let denied = if run.gate.denies_vacuous() { "" } else { " (--deny vacuous makes the run fail)" };
    let count = plural(names.len() as u64, "output");
    (!names.is_empty()).then(|| format!("{count} cannot fail, or not on zeros or NaN{denied}: {}", listed(names)))
}

/// What to do about the run as a whole, and the command of each: what may be tightened, what must be corrected, then what
/// may be reviewed. `told` is where each case stands: above or below.
pub(super) fn after(commands: &Commands, run: &RunOutcome, told: &str) -> Vec<(String, String)> {
    let is_reviewed = |case: &CaseOutcome| matches!(case.verdict, Verdict::Drift | Verdict::Unrecorded);
    let is_improved = |case: &CaseOutcome| case.outputs.iter().any(|output| !output.improved.is_empty());
    let count = |of: &dyn Fn(&CaseOutcome) -> bool| run.cases.iter().filter(|case| of(case)).count() as u64;
    let improved = count(&is_improved);
    let uncorrected = count(&|case| run.gate.fails(case) && !is_reviewed(case));
    let unreviewed = count(&|case| run.gate.fails(case) && is_reviewed(case));
    let cases = |count| plural(count, "case");
    let mut steps = Vec::new();
    if improved > 0 {
        steps.push((format!("{} improved; to tighten what is accepted", cases(improved)), commands.accept(None)));
    }
    if uncorrected > 0 {
        steps.push((format!("{} to correct, each as said {told}; then", cases(uncorrected)), commands.run(None)));
    }
    if unreviewed > 0 {
        let command = review(commands, &run.gate, None).command;
        steps.push((format!("{} to review, where intended", cases(unreviewed)), command));
    }
    if !run.passed() && run.failed() == 0 {
        steps.push(("to run all of it".to_owned(), commands.run(None)));
    }
    steps
}

/// What sorts cases, the worst first: the verdict, then the share of the tolerance that it uses.
pub(super) fn severity(case: &CaseOutcome) -> (Verdict, Reverse<u64>) {
    let shares = case.outputs.iter().filter_map(|output| Some(output.comparison.as_ref()?.tolerance_used));
    // The bits of numbers from 0 up are in their order.
    (case.verdict, Reverse(shares.fold(0.0, f64::max).to_bits()))
}

/// The first problem of a case, or of its outputs that have its verdict, of that kind where there is one.
fn worst(case: &CaseOutcome) -> Option<(Option<&OutputOutcome>, &Problem)> {
    let output = case.outputs.iter().find(|output| output.verdict == case.verdict);
    let own = deciding(case.verdict, &case.problems).map(|problem| (None, problem));
    own.or_else(|| Some((output, deciding(case.verdict, &output?.problems)?)))
}

/// What decides the verdict of a case, in a line.
pub(super) fn verdict(commands: &Commands, case: &CaseOutcome) -> String {
    let brief = match worst(case) {
        Some((output, problem)) => Some(message::said(commands, case, output, problem).brief.to_owned()),
        None if case.verdict == Verdict::Pass => message::vacuous_in_case(case),
        None => None,
    };
    case.verdict.word().to_owned() + &brief.map(|brief| format!(": {brief}")).unwrap_or_default()
}

/// What was measured of a case, or what kept it from being measured, in what fits beside its name.
pub(super) fn found(commands: &Commands, case: &CaseOutcome) -> String {
    match worst(case) {
        // What is outside is seen from the largest difference.
        Some((output, problem)) if !matches!(problem, Problem::Mismatch(Mismatch::Outside { .. })) => {
            message::said(commands, case, output, problem).brief.to_owned()
        }
        _ if case.snapshot_only => "no reference, its snapshot alone".into(),
        _ => measured(case),
    }
}

/// After a share.
const OF_TOLERANCE: &str = " of tolerance";
/// After a ratio.
const TIMES_TOLERANCE: &str = " tolerance";

fn measured(case: &CaseOutcome) -> String {
    let comparisons: Vec<&Comparison> = case.outputs.iter().filter_map(|output| output.comparison.as_ref()).collect();
    let besides = besides(case);
    match (&comparisons[..], besides.is_empty()) {
        ([], _) => String::new(),
        (comparisons, true) => distance(comparisons),
        (comparisons, false) => {
            // The words that every other line has give way.
            let distance = distance(comparisons);
            let short = distance.trim_end_matches(OF_TOLERANCE).trim_end_matches(TIMES_TOLERANCE);
            format!("{short}, {}", besides.join(", "))
        }
    }
}

/// The largest difference and the largest share of the tolerance, of the one that uses most of it.
pub(super) fn distance(comparisons: &[&Comparison]) -> String {
    let largest = |measured: &Comparison| measured.max_abs_diff.as_ref().map_or(0.0, |extreme| extreme.value);
    let figures = comparisons.iter().map(|measured| (measured.tolerance_used, largest(measured)));
    let (used, largest) = figures.fold((0.0, 0.0), |worst, one| if one > worst { one } else { worst });
    let share = match used {
        _ if largest == 0.0 => return "no difference".into(),
        used if !used.is_finite() => "none allowed".into(),
        used => share(used) + if used > 1.0 { TIMES_TOLERANCE } else { OF_TOLERANCE },
    };
    // Most numbers here are as wide as `2.38e-7`.
    format!("difference {} {share}", pad_name(&format!("{},", float(largest)), 8))
}

/// What a pass hides: a mask that leaves most out, what else would have passed, outliers and further references that the case
/// allows, and what is much better than its snapshot.
fn besides(case: &CaseOutcome) -> Vec<String> {
    let measured = || case.outputs.iter().filter_map(|output| Some((output.verdict, output.comparison.as_ref()?)));
    let outliers: u64 = measured().filter(|(of, _)| *of == Verdict::Pass).map(|(_, measured)| measured.outside).sum();
    let masked = measured().filter(|(_, measured)| measured.left_out > measured.elements);
    let left_out: u64 = masked.map(|(_, measured)| measured.left_out).sum();
    let references = case.outputs.iter().filter(|output| !output.alternatives.is_empty());
    let mut said = Vec::new();
    said.extend((left_out > 0).then(|| format!("{} left out", count(left_out))));
    said.extend((outliers > 0).then(|| plural(outliers, "outlier")));
    said.extend(references.map(|output| format!("either of {} references", output.alternatives.len() + 1)));
    said.extend(message::vacuous_in_case(case));
    said.extend(case.outputs.iter().any(|output| !output.improved.is_empty()).then(|| "improved".into()));
    said
}

/// What came of one or several cases by one executor: `pass 2.38e-7 24%`, `mismatch 0.0475 47,542x`, `2 holes`.
pub(super) fn sum(sum: &Sum) -> String {
    let Sum { counts: _, holes, verdict, max_abs_diff, tolerance_used } = sum;
    let verdict = verdict.map(|verdict| {
        let largest = max_abs_diff.map(|largest| format!(" {}", float(largest))).unwrap_or_default();
        format!("{}{largest}{}", verdict.word(), used(tolerance_used.unwrap_or_default()))
    });
    let holes = match (*holes, &verdict) {
        (0, _) => None,
        (1, None) => Some("hole".to_owned()),
        (holes, _) => Some(plural(holes as u64, "hole")),
    };
    [verdict, holes].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The largest difference of a case's outputs, and the share of the tolerance: `2.38e-7 24%`.
pub(super) fn difference(difference: &Difference) -> String {
    difference.max_abs_diff.map_or("unlike".to_owned(), float) + &used(difference.tolerance_used)
}

/// The share of a tolerance behind a blank, where there is one.
fn used(used: f64) -> String {
    if used > 0.0 && used.is_finite() { format!(" {}", share(used)) } else { String::new() }
}

/// What a case has to do with a divergence, in a word or two; nothing where it is sound.
pub(super) fn part(step: &Step) -> String {
    let why = step.why.as_deref().unwrap_or_default();
    match step.role {
        Role::Sound => String::new(),
        Role::Diverges => "first divergence".into(),
        Role::AtFaultToo => "at fault too".into(),
        Role::PassesOn => "passes it on".into(),
        Role::Accumulates => "accumulates".into(),
        Role::Hole => format!("hole: {why}"),
        Role::PastHole => format!("past the hole {why}"),
    }
}

/// Where a chain leaves its reference.
pub(super) fn finding(finding: &Finding) -> String {
    match finding {
        Finding::Sound => "no divergence: every own difference and every end of the chain is inside tolerance".into(),
        Finding::Divergence { id } => format!("first divergence: {id}"),
        Finding::Accumulation { end, amplifier } => {
            let amplified =
                amplifier.as_ref().map(|of| format!("; {} amplified most, {}", of.id, ratio(of.amplification)));
            let amplified = amplified.unwrap_or_default();
            format!("accumulation: every own difference is inside tolerance, and {end} is outside{amplified}")
        }
        Finding::Unknown { hole } => format!("no divergence before the hole {hole}; past it nothing is claimed"),
    }
}

/// The columns of a chain's table.
pub(super) const CHAIN: [&str; 5] = ["case", "own", "propagated", "amplified", "part"];

/// The cells of a case in it, its id without what the chain's name has said.
pub(super) fn step(chain: &ChainOutcome, step: &Step) -> [String; 5] {
    let Step { id, checkpoint: _, role: _, why: _, own, propagated, amplification } = step;
    let absent = || "-".to_owned();
    [
        short(chain, id).to_owned(),
        own.as_ref().map_or_else(absent, difference),
        propagated.as_ref().map_or_else(absent, difference),
        amplification.map_or_else(absent, ratio),
        part(step),
    ]
}

/// The id without what the chain's name has said.
pub(super) fn short<'a>(chain: &ChainOutcome, id: &'a CaseId) -> &'a str {
    let short = id.as_str().strip_prefix(chain.name.as_str()).and_then(|rest| rest.strip_prefix('/'));
    short.unwrap_or(id.as_str())
}
