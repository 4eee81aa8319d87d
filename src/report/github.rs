//! For GitHub Actions: annotations where the case is, and the summary of a step.
//!
//! Workflow commands: <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>.

use std::path::Path;

use super::commands::slashes;
use super::markdown::{code, plain, row};
use super::{Commands, message, overview, terminal};
use crate::run::{CaseOutcome, OutputOutcome, Problem, RunOutcome, Verdict};
use crate::text::number::{duration, float, plural, share};
use crate::text::safe::{escape_line, escape_text};

/// How many annotations of one level GitHub shows of a step: those that come after are dropped without a word.
const ANNOTATIONS: usize = 10;

/// The bytes of a message: GitHub keeps 64 KiB, and each that is escaped becomes three.
const MESSAGE: usize = 16_000;

/// How large the summary of a step may be: <https://docs.github.com/en/actions/reference/limits>. A larger one is not shown.
pub const SUMMARY_LIMIT: usize = 1024 * 1024;

/// Room for the end of a summary that is cut.
const END: usize = 200;

/// An annotation for each case that fails the gate, the worst first: an error where it must be corrected, a warning where it
/// may be reviewed, and a notice for what passes though it cannot fail. `workspace` is the repository's folder; below it files
/// are named relative to it. Where there are more than GitHub shows, the last says how many.
#[must_use]
pub fn annotations(commands: &Commands, run: &RunOutcome, workspace: Option<&Path>) -> String {
    let early = overview::ended_early(run);
    let annotation = |level: &str, case: Option<&CaseOutcome>, title: &str, message: &str| {
        let file =
            case.map(|case| format!("file={},", property(&place(commands, case, workspace)))).unwrap_or_default();
        format!("::{level} {file}title={}::{}\n", property(title), data(cut(message)))
    };
    let mut text = String::new();
    text.extend(early.iter().map(|early| annotation("error", None, "the run ended early", &escape_line(early))));
    let is_review = |case: &CaseOutcome| matches!(case.verdict, Verdict::Drift | Verdict::Unrecorded);
    let (warnings, errors): (Vec<&CaseOutcome>, Vec<&CaseOutcome>) =
        failing(run).into_iter().partition(|case| is_review(case));
    for (level, cases, room) in
        [("error", errors, ANNOTATIONS - usize::from(early.is_some())), ("warning", warnings, ANNOTATIONS)]
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
    for (case, output) in run.vacuous().filter(|(case, _)| !run.gate.fails(case)).take(ANNOTATIONS) {
        let title = format!("cannot fail: {}:{}", case.id, output.name);
        text += &annotation("notice", Some(case), &title, &message::vacuous_in(output).join("\n"));
    }
    text
}

/// The summary of a step in Markdown, of at most `limit` bytes: how many cases have which verdict, and of each that fails the
/// gate what it is, by how much, and what to type. Nothing where there is no room for its head: what is longer is not shown.
#[must_use]
pub fn summary(commands: &Commands, run: &RunOutcome, limit: usize) -> String {
    let mut page = head(run);
    let rows: Vec<String> = failing(run).into_iter().flat_map(|case| rows(commands, run, case)).collect();
    if !rows.is_empty() {
        page += &row(["verdict", "case", "output", "largest difference", "of the tolerance", "what", "to type"]);
        page += &row(["---", "---", "---", "---:", "---:", "---", "---"]);
    }
    for (at, row) in rows.iter().enumerate() {
        if page.len() + row.len() + END > limit {
            page += &format!("\nand {} more, which have no room here: see the log.\n", rows.len() - at);
            break;
        }
        page += row;
    }
    if page.len() <= limit { page } else { String::new() }
}

fn head(run: &RunOutcome) -> String {
    let cases = plural(run.cases.len() as u64, "case");
    let (failed, filtered) = (overview::failed(run.failed()), overview::filtered_out(run.filtered_out));
    let early = overview::ended_early(run).map(|early| format!("**{}**\n\n", plain(&early))).unwrap_or_default();
    let vacuous = overview::vacuous_outputs(run).map(|found| format!("{}\n\n", plain(&found))).unwrap_or_default();
    let executor = format!("{} in {}{filtered}.", code(&run.executor), duration(run.elapsed));
    let counts = run.counts();
    let there = || Verdict::ALL.into_iter().filter(|verdict| counts.get(*verdict) > 0);
    let (words, line) = (row(there().map(Verdict::word)), row(there().map(|_| "---:")));
    let counts = row(there().map(|verdict| counts.get(verdict).to_string()));
    format!("## karat: {cases}, {failed}\n\n{executor}\n\n{early}{vacuous}{words}{line}{counts}\n")
}

/// A row for each output that did not pass or fails all the same, or one for the case.
fn rows(commands: &Commands, run: &RunOutcome, case: &CaseOutcome) -> Vec<String> {
    let is_told = |output: &&OutputOutcome| {
        output.verdict != Verdict::Pass || run.gate.denies(case) && output.vacuous().is_some()
    };
    let outputs: Vec<&OutputOutcome> = case.outputs.iter().filter(is_told).collect();
    let whole = (!case.problems.is_empty() || outputs.is_empty()).then_some(None);
    let line = |output: Option<&OutputOutcome>| {
        let measured = output.and_then(|output| output.comparison.as_ref());
        let largest = measured.and_then(|measured| measured.max_abs_diff.as_ref()).map(|extreme| float(extreme.value));
        let used = measured.map(|measured| measured.tolerance_used);
        let used = used.map(|used| if used.is_finite() { share(used) } else { "inf".into() });
        let looks = output.and_then(|output| message::looks_like(&output.explanations));
        let next = message::next(commands, &run.gate, case, output).map(|next| code(&next.command));
        row([
            output.map_or(case.verdict, |output| output.verdict).word().to_owned(),
            code(case.id.as_str()),
            output.map(|output| code(&output.name)).unwrap_or_default(),
            largest.unwrap_or_default(),
            used.unwrap_or_default(),
            plain(&looks.or_else(|| message::first_line(commands, case, output)).unwrap_or_default()),
            next.unwrap_or_default(),
        ])
    };
    whole.into_iter().chain(outputs.into_iter().map(Some)).map(line).collect()
}

/// What fails the gate, the worst first.
fn failing(run: &RunOutcome) -> Vec<&CaseOutcome> {
    let mut cases: Vec<&CaseOutcome> = run.cases.iter().filter(|case| run.gate.fails(case)).collect();
    cases.sort_by_key(|case| overview::severity(case));
    cases
}

/// The file that an annotation is at, as the repository names it: an orphan has no `case.json`, but a snapshot.
fn place(commands: &Commands, case: &CaseOutcome, workspace: Option<&Path>) -> String {
    let snapshot = case.outputs.iter().flat_map(|output| &output.problems).find_map(|problem| match problem {
        Problem::Orphaned { snapshot } if case.verdict == Verdict::Orphaned => Some(snapshot),
        _ => None,
    });
    let file = snapshot.unwrap_or(&case.file);
    let full = commands.base.join(file);
    match workspace.and_then(|workspace| full.strip_prefix(workspace).ok()) {
        Some(below) => slashes(below),
        None => commands.path(file),
    }
}

/// As much of a message as GitHub keeps.
fn cut(text: &str) -> &str {
    let end = (0..=text.len().min(MESSAGE)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    &text[..end]
}

/// A message on one line, as the runner reads it. It may have several lines, each of which is safe.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A value between a message's commas and colons.
fn property(text: &str) -> String {
    data(&escape_text(text)).replace(':', "%3A").replace(',', "%2C")
}
