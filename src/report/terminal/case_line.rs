//! A line for each case, as a run goes.

use std::io::{self, Write};

use crate::compare::{Comparison, Mismatch};
use crate::report::message;
use crate::report::next::deciding;
use crate::report::palette::Palette;
use crate::run::{CaseOutcome, OutputOutcome, Problem, Verdict};
use crate::text::number::{count, counted, float, percent, ratio};
use crate::text::safe::visible;
use crate::text::wrap::{filled, padded, width};

/// The widest verdict, `unrecorded`, and a gap.
const VERDICT: usize = 12;
/// Wider ids do not push the lines of the others to the right.
const ID_AT_MOST: usize = 32;
/// Nor do wider names of checkpoints.
const CHECKPOINT_AT_MOST: usize = 16;
/// After a share.
const OF_TOLERANCE: &str = " of tolerance";
/// After a ratio.
const TIMES_TOLERANCE: &str = " tolerance";

/// How wide the columns are: known before the first case is done, so that lines written one by one align.
#[derive(Clone, Copy, Debug, Default)]
pub struct Columns {
    id: usize,
    checkpoint: usize,
}

impl Columns {
    /// Fits the ids and checkpoints of the cases that will be run.
    pub fn of<'a>(cases: impl IntoIterator<Item = (&'a str, &'a str)>) -> Columns {
        cases.into_iter().fold(Columns::default(), |columns, (id, checkpoint)| Columns {
            id: columns.id.max(width(id)).min(ID_AT_MOST),
            checkpoint: columns.checkpoint.max(width(checkpoint)).min(CHECKPOINT_AT_MOST),
        })
    }
}

/// Writes the line of a case: verdict, id, checkpoint, the largest difference of the output that uses most of its tolerance
/// and how much it uses, or what kept it from being measured.
///
/// # Errors
///
/// What `out` returns.
pub fn case_line(out: &mut dyn Write, palette: &Palette, columns: Columns, case: &CaseOutcome) -> io::Result<()> {
    let verdict = palette.verdict(case.verdict, VERDICT);
    let id = palette.strong(&filled(visible(case.id.as_str()), columns.id));
    let checkpoint = padded(case.checkpoint.as_deref().unwrap_or("-"), columns.checkpoint);
    let line = format!("{verdict}{id}  {checkpoint}  {}", found(case));
    writeln!(out, "{}", line.trim_end())
}

/// What was measured of a case, or what kept it from being measured, in what fits beside its name.
pub(in crate::report) fn found(case: &CaseOutcome) -> String {
    let problem = deciding(case.verdict, &case.problems).or_else(|| worst_problem(case));
    match problem {
        Some(problem) if !is_measured(problem) => message::brief(problem).to_owned(),
        _ if case.snapshot_only => "no reference, its snapshot alone".into(),
        _ => measured(case),
    }
}

/// What decides the verdict of the first output that has the case's.
fn worst_problem(case: &CaseOutcome) -> Option<&Problem> {
    let worst = case.outputs.iter().find(|output| output.verdict == case.verdict)?;
    deciding(worst.verdict, &worst.problems)
}

/// Whether the largest difference says what is wrong.
fn is_measured(problem: &Problem) -> bool {
    matches!(problem, Problem::Mismatch(Mismatch::Outside { .. }))
}

fn measured(case: &CaseOutcome) -> String {
    let comparisons: Vec<&Comparison> = case.outputs.iter().filter_map(|output| output.comparison.as_ref()).collect();
    match comparisons.as_slice() {
        [] => String::new(),
        comparisons => match besides(case).as_slice() {
            [] => distance(comparisons),
            besides => {
                // The words that every other line has give way.
                let distance = distance(comparisons);
                let short = distance.trim_end_matches(OF_TOLERANCE).trim_end_matches(TIMES_TOLERANCE);
                format!("{short}, {}", besides.join(", "))
            }
        },
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
        used if used > 1.0 => ratio(used) + TIMES_TOLERANCE,
        used => percent(used) + OF_TOLERANCE,
    };
    // Most numbers here are as wide as `2.38e-7`.
    format!("difference {} {share}", padded(&format!("{},", float(largest)), 8))
}

/// What a pass hides: a mask that leaves most out, what else would have passed, outliers and further references that the case
/// allows, and what is much better than its snapshot.
fn besides(case: &CaseOutcome) -> Vec<String> {
    let outliers: u64 = case.outputs.iter().filter(|output| output.verdict == Verdict::Pass).map(outside).sum();
    let measured = case.outputs.iter().filter_map(|output| output.comparison.as_ref());
    let left_out: u64 =
        measured.filter(|measured| measured.left_out > measured.elements).map(|measured| measured.left_out).sum();
    let mut said = Vec::new();
    if left_out > 0 {
        said.push(format!("{} left out", count(left_out)));
    }
    if outliers > 0 {
        said.push(counted(outliers, "outlier"));
    }
    let references = case.outputs.iter().filter(|output| !output.alternatives.is_empty());
    said.extend(references.map(|output| format!("either of {} references", output.alternatives.len() + 1)));
    said.extend(message::vacuous_in_case(case));
    if case.outputs.iter().any(|output| !output.improved.is_empty()) {
        said.push("improved".into());
    }
    said
}

fn outside(output: &OutputOutcome) -> u64 {
    output.comparison.as_ref().map_or(0, |measured| measured.outside)
}
