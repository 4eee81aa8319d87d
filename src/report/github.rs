//! The report for GitHub Actions: annotations at the files of cases, and the summary of a step.
//!
//! Workflow commands: <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>.

use std::path::Path;

use super::commands::with_slashes;
use super::markdown::{code, plain, row};
use super::message::{self, Messages};
use super::{Commands, overview, terminal};
use crate::run::{CaseOutcome, OutputOutcome, Problem, RunOutcome, Verdict};
use crate::text::number::{duration, float, plural, share};
use crate::text::safe::{escape_line, escape_text};

/// The number of annotations per level that GitHub shows for a step. It silently drops the others.
const MAX_ANNOTATIONS: usize = 10;

/// The maximum size of a message in bytes: GitHub keeps 64 KiB, and an escaped byte becomes three.
const MAX_MESSAGE: usize = 16_000;

/// The maximum size of a step summary: <https://docs.github.com/en/actions/reference/limits>. GitHub does not show a larger
/// one.
pub const SUMMARY_LIMIT: usize = 1024 * 1024;

/// Space for the end of a summary that is cut.
const END: usize = 200;

/// Formats an annotation for each case that fails the run, the worst first: errors to fix, and warnings to review. A pass
/// that cannot fail gets a notice. Files below `workspace`, the folder of the repository, are named relative to it. If
/// there are more annotations than GitHub shows, the last one lists the others.
#[must_use]
pub fn annotations(commands: &Commands, run: &RunOutcome, workspace: Option<&Path>) -> String {
    let early = overview::ended_early(run);
    let annotation = |level: &str, case: Option<&CaseOutcome>, title: &str, message: &str| {
        let file = case.map(|case| format!("file={},", escape_property(&place(commands, case, workspace))));
        let file = file.unwrap_or_default();
        format!("::{level} {file}title={}::{}\n", escape_property(title), escape_message(truncate(message)))
    };
    let mut text = String::new();
    text.extend(early.iter().map(|early| annotation("error", None, "the run ended early", &escape_line(early))));
    let (warnings, errors): (Vec<&CaseOutcome>, Vec<&CaseOutcome>) =
        failing_cases(run).into_iter().partition(|case| overview::is_reviewable(case));
    for (level, cases, room) in
        [("error", errors, MAX_ANNOTATIONS - usize::from(early.is_some())), ("warning", warnings, MAX_ANNOTATIONS)]
    {
        let (shown, rest) = cases.split_at(if cases.len() > room { room - 1 } else { cases.len() });
        for case in shown {
            let title = match case.verdict {
                Verdict::Pass => format!("cannot fail: {}", case.id),
                verdict => format!("{}: {}", verdict.word(), case.id),
            };
            text += &annotation(level, Some(case), &title, &terminal::message(commands, &run.gate, case));
        }
        if !rest.is_empty() {
            let ids: Vec<&str> = rest.iter().map(|case| case.id.as_str()).collect();
            let title = format!("{} more", plural(rest.len() as u64, "case"));
            text += &annotation(level, None, &title, &ids.join("\n"));
        }
    }
    for (case, output) in run.vacuous().filter(|(case, _)| !run.gate.fails(case)).take(MAX_ANNOTATIONS) {
        let title = format!("cannot fail: {}:{}", case.id, output.name);
        text += &annotation("notice", Some(case), &title, &message::vacuous_lines(output).join("\n"));
    }
    text
}

/// Formats the summary of a step in Markdown: the number of cases with each verdict, and for each failure what is wrong, by
/// how much, and a command. Returns at most `limit` bytes, and nothing if the heading does not fit.
#[must_use]
pub fn summary(commands: &Commands, run: &RunOutcome, limit: usize) -> String {
    let mut page = head(run);
    let rows: Vec<String> = failing_cases(run).into_iter().flat_map(|case| rows(commands, run, case)).collect();
    if !rows.is_empty() {
        page +=
            &row(["verdict", "case", "output", "largest difference", "of the tolerance", "problem", "next command"]);
        page += &row(["---", "---", "---", "---:", "---:", "---", "---"]);
    }
    for (at, row) in rows.iter().enumerate() {
        if page.len() + row.len() + END > limit {
            page += &format!("\n{} more rows do not fit here; see the log.\n", rows.len() - at);
            break;
        }
        page += row;
    }
    if page.len() <= limit { page } else { String::new() }
}

fn head(run: &RunOutcome) -> String {
    let (result, filtered) = (overview::result(run), overview::filtered_out(run.filtered_out));
    let early = overview::ended_early(run).map(|early| format!("**{}**\n\n", plain(&early))).unwrap_or_default();
    let vacuous = overview::vacuous_outputs(run).map(|text| format!("{}\n\n", plain(&text))).unwrap_or_default();
    let executor = format!("{} in {}{filtered}.", code(&run.executor), duration(run.elapsed));
    let counts = run.counts();
    let verdicts = || Verdict::ALL.into_iter().filter(|verdict| counts.get(*verdict) > 0);
    let (words, line) = (row(verdicts().map(Verdict::word)), row(verdicts().map(|_| "---:")));
    let counts = row(verdicts().map(|verdict| counts.get(verdict).to_string()));
    format!("## karat: {result}\n\n{executor}\n\n{early}{vacuous}{words}{line}{counts}\n")
}

/// Returns a row for each output that did not pass or that fails because it is vacuous, and one for the case if needed.
fn rows(commands: &Commands, run: &RunOutcome, case: &CaseOutcome) -> Vec<String> {
    let is_included = |output: &&OutputOutcome| {
        output.verdict != Verdict::Pass || run.gate.denies(case) && output.vacuous().is_some()
    };
    let outputs: Vec<&OutputOutcome> = case.outputs.iter().filter(is_included).collect();
    let own = (!case.problems.is_empty() || outputs.is_empty()).then_some(None);
    let messages = Messages { commands, gate: &run.gate, case };
    let line = |output: Option<&OutputOutcome>| {
        let comparison = output.and_then(|output| output.comparison.as_ref());
        let largest =
            comparison.and_then(|comparison| comparison.max_abs_diff.as_ref()).map(|extreme| float(extreme.value));
        let used = comparison.map(|comparison| comparison.tolerance_used);
        let used = used.map(|used| if used.is_finite() { share(used) } else { "inf".into() });
        let explanation = output.and_then(|output| message::convincing_explanation(&output.explanations));
        let next = messages.next(output).map(|next| code(&next.command));
        row([
            output.map_or(case.verdict, |output| output.verdict).word().to_owned(),
            code(case.id.as_str()),
            output.map(|output| code(&output.name)).unwrap_or_default(),
            largest.unwrap_or_default(),
            used.unwrap_or_default(),
            plain(&explanation.or_else(|| messages.first_line(output)).unwrap_or_default()),
            next.unwrap_or_default(),
        ])
    };
    own.into_iter().chain(outputs.into_iter().map(Some)).map(line).collect()
}

/// Returns the cases that fail the run, the worst first.
fn failing_cases(run: &RunOutcome) -> Vec<&CaseOutcome> {
    let mut cases: Vec<&CaseOutcome> = run.cases.iter().filter(|case| run.gate.fails(case)).collect();
    cases.sort_by_key(|case| overview::severity(case));
    cases
}

/// Returns the file for an annotation: the `case.json`, or the snapshot of an orphan.
fn place(commands: &Commands, case: &CaseOutcome, workspace: Option<&Path>) -> String {
    let snapshot = case.outputs.iter().flat_map(|output| &output.problems).find_map(|problem| match problem {
        Problem::Orphaned { snapshot } if case.verdict == Verdict::Orphaned => Some(snapshot),
        _ => None,
    });
    let file = snapshot.unwrap_or(&case.file);
    let full = commands.base.join(file);
    match workspace.and_then(|workspace| full.strip_prefix(workspace).ok()) {
        Some(below) => with_slashes(below),
        None => commands.path(file),
    }
}

/// Cuts a message to the size that GitHub keeps.
fn truncate(text: &str) -> &str {
    let end = (0..=text.len().min(MAX_MESSAGE)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    &text[..end]
}

/// Escapes the message of a command, which may have several lines.
fn escape_message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property of a command.
fn escape_property(text: &str) -> String {
    escape_message(&escape_text(text)).replace(':', "%3A").replace(',', "%2C")
}
