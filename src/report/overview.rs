//! The text about a run as a whole, and the one line of each case and chain.

use std::cmp::Reverse;

use super::commands::Commands;
use super::message::{self, Messages, deciding_problem, first_few, review};
use crate::case::CaseId;
use crate::compare::{Comparison, Mismatch};
use crate::run::{
    CaseOutcome, ChainOutcome, Difference, Finding, Gates, OutputOutcome, Problem, Role, RunOutcome, Step, Sum,
    Verdict, vacuous_label,
};
use crate::text::layout::pad_name;
use crate::text::number::{count, float, plural, ratio, share};
use crate::text::safe::escape_name;

/// Whether a case passed and does not fail the run.
pub(super) fn is_pass(run: &RunOutcome, case: &CaseOutcome) -> bool {
    case.verdict == Verdict::Pass && !run.gate.fails(case)
}

/// Whether a case may be reviewed and accepted.
pub(super) fn is_reviewable(case: &CaseOutcome) -> bool {
    matches!(case.verdict, Verdict::Drift | Verdict::Unrecorded)
}

/// Returns the number of cases that passed.
pub(super) fn passed(run: &RunOutcome) -> u64 {
    run.cases.iter().filter(|case| is_pass(run, case)).count() as u64
}

/// Summarises a run: `45 passed`, or `17 of 23 cases failed`.
pub(super) fn result(run: &RunOutcome) -> String {
    match run.failed() as u64 {
        0 => format!("{} passed", count(passed(run))),
        failed => format!("{} of {} failed", count(failed), plural(run.cases.len() as u64, "case")),
    }
}

/// Returns how many cases a filter excluded, or nothing if none.
pub(super) fn filtered_out(cases: usize) -> String {
    if cases > 0 { format!(", {cases} filtered out") } else { String::new() }
}

/// Returns the last line of every run: the executor, and whether only accuracy was checked.
pub(super) fn executor_line(run: &RunOutcome) -> String {
    let executor = escape_name(&run.executor);
    match run.gates {
        Gates::Both => format!("executor {executor}"),
        Gates::Accuracy => format!("executor {executor}, {ACCURACY_ONLY}"),
    }
}

/// Tells that a run checked accuracy only.
pub(super) const ACCURACY_ONLY: &str = "accuracy only: snapshots were not compared";

/// Tells that a run with `--chained` found no chain.
pub(super) const NO_CHAIN: &str = "no chains: no case uses another case's output (`from`)";

/// Tells what interrupted a run, and how many cases did not run. Returns `None` for a complete run.
pub(super) fn ended_early(run: &RunOutcome) -> Option<String> {
    let not_run = (run.not_run > 0).then(|| format!("{} did not run", plural(run.not_run as u64, "case")));
    match (&run.interrupted, not_run) {
        (Some(signal), None) => Some(format!("interrupted by {signal}: all cases had already run")),
        (Some(signal), Some(not_run)) => Some(format!("interrupted by {signal}: {not_run}")),
        (None, Some(not_run)) => Some(format!("{not_run}: the run ended early")),
        (None, None) => None,
    }
}

/// Tells how many references changed since their snapshots, if more than one did. The outputs match the new references.
pub(super) fn changed_references(cases: &[&CaseOutcome]) -> Option<String> {
    let outputs = cases.iter().flat_map(|case| &case.outputs);
    // Snapshot lines are compared only if the output is within its tolerance.
    let changed = outputs.filter(|output| output.drift.iter().any(|line| line.quantity == "reference")).count();
    (changed > 1).then(|| format!("{changed} references changed; every output still matches, as shown below:"))
}

/// Lists the outputs with a vacuous comparison, if there are any.
pub(super) fn vacuous_outputs(run: &RunOutcome) -> Option<String> {
    let names: Vec<String> = run
        .vacuous()
        .map(|(case, output)| vacuous_label(&case.id, &output.name, output.own_vacuous().is_none()))
        .collect();
    let hint = if run.gate.denies_vacuous() { "" } else { " (--deny vacuous makes the run fail)" };
    let count = plural(names.len() as u64, "output");
    (!names.is_empty()).then(|| format!("{count} {CANNOT_FAIL}{hint}: {}", first_few(names)))
}

/// Describes several vacuous comparisons at once.
pub(super) const CANNOT_FAIL: &str = "cannot fail, or cannot fail on zeros or NaN";

/// Returns the next steps after a run, each with its command: tighten, fix, then review. `place` is where the messages of
/// the cases are: above or below.
pub(super) fn next_steps(commands: &Commands, run: &RunOutcome, place: &str) -> Vec<(String, String)> {
    let is_improved = |case: &CaseOutcome| case.outputs.iter().any(|output| !output.improved.is_empty());
    // The number of such cases and their noun, or `None` if there are none.
    let cases = |is_included: &dyn Fn(&CaseOutcome) -> bool| {
        let number = run.cases.iter().filter(|case| is_included(case)).count() as u64;
        (number > 0).then(|| plural(number, "case"))
    };
    let improved = cases(&is_improved)
        .map(|cases| (format!("{cases} improved; to tighten the accepted snapshots"), commands.accept(None)));
    let to_fix = cases(&|case| run.gate.fails(case) && !is_reviewable(case))
        .map(|cases| (format!("{cases} to fix, as described {place}; then"), commands.run(None)));
    let to_review = cases(&|case| run.gate.fails(case) && is_reviewable(case))
        .map(|cases| (format!("{cases} to review, if intended"), review(commands, &run.gate, None).command));
    let incomplete = (!run.passed() && run.failed() == 0).then(|| ("to run all cases".to_owned(), commands.run(None)));
    [improved, to_fix, to_review, incomplete].into_iter().flatten().collect()
}

/// Returns the sort key that puts the worst case first: its verdict, then the share of the tolerance that it uses.
pub(super) fn severity(case: &CaseOutcome) -> (Verdict, Reverse<u64>) {
    let shares = case.outputs.iter().filter_map(|output| Some(output.comparison.as_ref()?.tolerance_used));
    // Non-negative floats sort like their bits.
    (case.verdict, Reverse(shares.fold(0.0, f64::max).to_bits()))
}

/// Returns the problem that decides the verdict of a case, and the output that has it.
fn worst_problem(case: &CaseOutcome) -> Option<(Option<&OutputOutcome>, &Problem)> {
    let output = case.outputs.iter().find(|output| output.verdict == case.verdict);
    let own = deciding_problem(case.verdict, &case.problems).map(|problem| (None, problem));
    own.or_else(|| Some((output, deciding_problem(case.verdict, &output?.problems)?)))
}

/// Returns the verdict of a case with its reason, as one line.
pub(super) fn verdict_line(commands: &Commands, run: &RunOutcome, case: &CaseOutcome) -> String {
    let messages = Messages { commands, gate: &run.gate, case };
    let brief = match worst_problem(case) {
        Some((output, problem)) => Some(messages.describe(output, problem).brief.to_owned()),
        None if case.verdict == Verdict::Pass => message::brief_vacuous_in(case),
        None => None,
    };
    case.verdict.word().to_owned() + &brief.map(|brief| format!(": {brief}")).unwrap_or_default()
}

/// Returns what was measured of a case, or why nothing was, as the end of its line.
pub(super) fn case_result(commands: &Commands, run: &RunOutcome, case: &CaseOutcome) -> String {
    match worst_problem(case) {
        // The largest difference shows that it is outside tolerance.
        Some((output, problem)) if !matches!(problem, Problem::Mismatch(Mismatch::Outside { .. })) => {
            Messages { commands, gate: &run.gate, case }.describe(output, problem).brief.to_owned()
        }
        _ if case.snapshot_only => "no reference, snapshot only".into(),
        _ => measurements(case),
    }
}

/// Follows a share.
const OF_TOLERANCE: &str = " of tolerance";
/// Follows a ratio.
const TIMES_TOLERANCE: &str = " tolerance";

fn measurements(case: &CaseOutcome) -> String {
    let comparisons: Vec<&Comparison> = case.outputs.iter().filter_map(|output| output.comparison.as_ref()).collect();
    if comparisons.is_empty() {
        return String::new();
    }
    let (difference, remarks) = (largest_difference(&comparisons), remarks(case));
    if remarks.is_empty() {
        return difference;
    }
    // Remarks take the place of words that every other line has.
    let short = difference.trim_end_matches(OF_TOLERANCE).trim_end_matches(TIMES_TOLERANCE);
    format!("{short}, {}", remarks.join(", "))
}

/// Returns the largest difference and the share of tolerance of the comparison that uses most of its tolerance.
pub(super) fn largest_difference(comparisons: &[&Comparison]) -> String {
    let largest = |comparison: &Comparison| comparison.max_abs_diff.as_ref().map_or(0.0, |extreme| extreme.value);
    let figures = comparisons.iter().map(|comparison| (comparison.tolerance_used, largest(comparison)));
    let (used, largest) = figures.fold((0.0, 0.0), |worst, next| if next > worst { next } else { worst });
    let share = match used {
        _ if largest == 0.0 => return "no difference".into(),
        used if !used.is_finite() => "none allowed".into(),
        used => share(used) + if used > 1.0 { TIMES_TOLERANCE } else { OF_TOLERANCE },
    };
    // Most numbers here are as wide as `2.38e-7`.
    format!("difference {} {share}", pad_name(&format!("{},", float(largest)), 8))
}

/// Returns what a pass could hide: a mask that excludes most elements, allowed outliers, alternative references, a vacuous
/// comparison, or an improvement.
fn remarks(case: &CaseOutcome) -> Vec<String> {
    let passed = case.outputs.iter().filter(|output| output.verdict == Verdict::Pass);
    let outliers: u64 = passed.filter_map(|output| Some(output.comparison.as_ref()?.outside)).sum();
    let comparisons = case.outputs.iter().filter_map(|output| output.comparison.as_ref());
    let masked = comparisons.filter(|comparison| comparison.left_out > comparison.elements);
    let excluded: u64 = masked.map(|comparison| comparison.left_out).sum();
    let references = case.outputs.iter().filter(|output| !output.alternatives.is_empty());
    let mut remarks = Vec::new();
    remarks.extend((excluded > 0).then(|| format!("{} excluded", count(excluded))));
    remarks.extend((outliers > 0).then(|| plural(outliers, "outlier")));
    remarks.extend(references.map(|output| format!("any of {} references", output.alternatives.len() + 1)));
    remarks.extend(message::brief_vacuous_in(case));
    remarks.extend(case.outputs.iter().any(|output| !output.improved.is_empty()).then(|| "improved".into()));
    remarks
}

/// Formats a cell of a matrix: `pass 2.38e-7 24%`, `mismatch 0.0475 47,542x`, `2 holes`.
pub(super) fn cell(sum: &Sum) -> String {
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

/// Formats a difference and the share of the tolerance that it uses: `2.38e-7 24%`.
pub(super) fn difference_cell(difference: &Difference) -> String {
    difference.max_abs_diff.map_or("n/a".to_owned(), float) + &used(difference.tolerance_used)
}

/// Formats the share of a tolerance after a space, or nothing if there is none.
fn used(used: f64) -> String {
    if used > 0.0 && used.is_finite() { format!(" {}", share(used)) } else { String::new() }
}

/// Describes the role of a case in a divergence, or returns nothing for a sound one.
pub(super) fn role(step: &Step) -> String {
    let why = step.why.as_deref().unwrap_or_default();
    match step.role {
        Role::Sound => String::new(),
        Role::Diverges => "first divergence".into(),
        Role::AtFaultToo => "also at fault".into(),
        Role::PassesOn => "propagates".into(),
        Role::Accumulates => "accumulates".into(),
        Role::Hole => format!("hole: {why}"),
        Role::PastHole => format!("past the hole {why}"),
    }
}

/// Describes where a chain leaves its reference.
pub(super) fn finding(finding: &Finding) -> String {
    match finding {
        Finding::Sound => "no divergence: every own difference and every end of the chain is within tolerance".into(),
        Finding::Divergence { id } => format!("first divergence: {id}"),
        Finding::Accumulation { end, amplifier } => {
            let amplifier =
                amplifier.as_ref().map(|of| format!("; {} amplified most, {}", of.id, ratio(of.amplification)));
            let amplifier = amplifier.unwrap_or_default();
            format!("accumulation: every own difference is within tolerance, but {end} is outside{amplifier}")
        }
        Finding::Unknown { hole } => format!("no divergence before the hole {hole}; unknown past it"),
    }
}

/// The columns of a chain's table.
pub(super) const CHAIN: [&str; 5] = ["case", "own", "propagated", "amplified", "role"];

/// Returns the cells of a case in the table of its chain.
pub(super) fn chain_row(chain: &ChainOutcome, step: &Step) -> [String; 5] {
    let Step { id, checkpoint: _, role: _, why: _, own, propagated, amplification } = step;
    let absent = || "-".to_owned();
    [
        short_id(chain, id).to_owned(),
        own.as_ref().map_or_else(absent, difference_cell),
        propagated.as_ref().map_or_else(absent, difference_cell),
        amplification.map_or_else(absent, ratio),
        role(step),
    ]
}

/// Returns the id without the chain's name.
pub(super) fn short_id<'a>(chain: &ChainOutcome, id: &'a CaseId) -> &'a str {
    let short = id.as_str().strip_prefix(chain.name.as_str()).and_then(|rest| rest.strip_prefix('/'));
    short.unwrap_or(id.as_str())
}
