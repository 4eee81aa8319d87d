//! Reports for people: plain text of 80 columns if ids allow it, optionally coloured. This file prints a run, a case, a
//! matrix, a list and a diagnosis: one line per case, the failures in full, and the count.

mod palette;
mod tensor;

use std::collections::BTreeMap;

use super::message::{self, Message, Messages, Next, Part, unrecorded_cases};
use super::overview::{self, ended_early, next_steps, vacuous_outputs};
use super::view::CaseLine;
use super::{Commands, doctor::advice};
use crate::compare::mismatch;
use crate::doctor::Health;
use crate::run::{
    CaseOutcome, ChainOutcome, Column, Gate, Group, Matrix, OutputOutcome, Partition, Problem, Row, RunOutcome, Sum,
    Verdict,
};
use crate::snapshot::format_drift;
use crate::text::layout::{Table, WIDTH, pad, pad_name, paragraphs, width};
use crate::text::number::{duration, plural};
use crate::text::safe::{escape_line, escape_lines, escape_name};

pub use palette::Palette;
pub(super) use tensor::map;
pub use tensor::{diff, show, show_case};
use tensor::{explanations, picture};

/// How much detail a report of a run has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Failures and the count.
    Failures,
    /// Also one line per case.
    #[default]
    Cases,
    /// Also the measurements of each output that passed.
    Measurements,
}

/// Formats a run: one line per case, skipped cases, chains, the failures in full with the worst last, and the count.
#[must_use]
pub fn run(detail: Detail, palette: &Palette, commands: &Commands, run: &RunOutcome) -> String {
    let skipped = skipped(palette, run.cases.iter().filter_map(|case| Some((case.id.as_str(), skip_reason(case)?))));
    if detail == Detail::Failures {
        let failing = run.cases.iter().filter(|case| run.gate.fails(case)).collect();
        let failing = all_failures(palette, commands, run, failing);
        return format!("{skipped}{failing}{}{}\n", counts(palette, run), overview::executor_line(run));
    }
    let passes = if detail == Detail::Measurements { passes(palette, run) } else { String::new() };
    let chains = match run.chains.as_deref() {
        None => String::new(),
        Some([]) => format!("{}\n", overview::NO_CHAIN),
        Some(chains) => chains.iter().map(|one| chain(palette, one)).collect(),
    };
    let lines = case_lines(palette, commands, run);
    format!("{lines}\n{passes}{skipped}{chains}{}{}", failures(palette, commands, run), end(palette, commands, run))
}

/// Formats one line per case: verdict, id, checkpoint, and the largest difference with the share of the tolerance that it
/// uses, or why there is none.
pub(super) fn case_lines(palette: &Palette, commands: &Commands, run: &RunOutcome) -> String {
    /// The longest verdict, `unrecorded`, and a gap.
    const VERDICT: usize = 12;
    // A wider cell does not shift the columns of the other lines.
    let widest = |most, cell: fn(&CaseOutcome) -> &str| {
        run.cases.iter().map(|case| width(cell(case)).min(most)).max().unwrap_or_default()
    };
    let checkpoint: fn(&CaseOutcome) -> &str = |case| case.checkpoint.as_deref().unwrap_or("-");
    let (ids, checkpoints) = (widest(32, |case| case.id.as_str()), widest(16, checkpoint));
    let line = |case: &CaseOutcome| {
        let verdict = palette.verdict(case.verdict, VERDICT);
        let id = palette.strong(&pad(escape_line(case.id.as_str()), ids));
        let checkpoint = pad_name(checkpoint(case), checkpoints);
        let line = format!("{verdict}{id}  {checkpoint}  {}", overview::case_result(commands, run, case));
        line.trim_end().to_owned() + "\n"
    };
    run.cases.iter().map(line).collect()
}

/// Formats each case that did not pass: its own problems, then every output, including those that passed. A skipped case
/// is included only if it fails the run.
pub(super) fn failures(palette: &Palette, commands: &Commands, run: &RunOutcome) -> String {
    let is_included = |case: &&CaseOutcome| match case.verdict {
        Verdict::Pass | Verdict::Skipped => run.gate.fails(case),
        _ => true,
    };
    all_failures(palette, commands, run, run.cases.iter().filter(is_included).collect())
}

/// Formats these cases, the worst last. An error that several cases share, such as one in their `suite.json`, appears
/// once, and so do many unrecorded cases.
fn all_failures(palette: &Palette, commands: &Commands, run: &RunOutcome, cases: Vec<&CaseOutcome>) -> String {
    /// The largest number of unrecorded cases that are reported one by one.
    const UNRECORDED: usize = 3;
    let (unrecorded, mut cases): (Vec<&CaseOutcome>, Vec<&CaseOutcome>) =
        cases.into_iter().partition(|case| is_only_unrecorded(case));
    let mut text = String::new();
    if unrecorded.len() > UNRECORDED {
        text += &format_message(palette, &unrecorded_cases(commands, &run.gate, &unrecorded));
    } else {
        cases.extend(unrecorded);
    }
    if let Some(changed) = overview::changed_references(&cases) {
        text += &format!("{}\n\n", palette.strong(&changed));
    }
    cases.sort_by(|a, b| overview::severity(b).cmp(&overview::severity(a)).then_with(|| a.id.cmp(&b.id)));
    let mut by_error: BTreeMap<&str, Vec<&CaseOutcome>> = BTreeMap::new();
    for case in &cases {
        only_error(case).into_iter().for_each(|error| by_error.entry(error).or_default().push(case));
    }
    for case in &cases {
        match only_error(case).map(|error| by_error.remove(error).unwrap_or_default()).as_deref() {
            Some([]) => {}
            Some([_, others @ ..]) => {
                let messages = Messages { commands, gate: &run.gate, case };
                text += &format_message(palette, &messages.case_message(others));
            }
            None => text += &failure(palette, commands, &run.gate, case),
        }
    }
    text
}

/// Whether the only thing to report about a case is that it has no snapshot yet.
fn is_only_unrecorded(case: &CaseOutcome) -> bool {
    let is_ok = |output: &OutputOutcome| matches!(output.verdict, Verdict::Unrecorded | Verdict::Pass);
    case.verdict == Verdict::Unrecorded && case.problems.is_empty() && case.outputs.iter().all(is_ok)
}

/// Returns the error of a case that has no other problems.
fn only_error(case: &CaseOutcome) -> Option<&str> {
    match (case.problems.as_slice(), case.outputs.as_slice()) {
        ([Problem::Error { text }], []) => Some(text),
        _ => None,
    }
}

/// Formats one case in full, with every output.
pub(super) fn failure(palette: &Palette, commands: &Commands, gate: &Gate, case: &CaseOutcome) -> String {
    Messages { commands, gate, case }.all().iter().map(|message| format_message(palette, message)).collect()
}

/// Formats one case in full without colours, safe to print anywhere.
pub(crate) fn message(commands: &Commands, gate: &Gate, case: &CaseOutcome) -> String {
    escape_lines(failure(&Palette::plain(), commands, gate, case).trim_end())
}

/// Formats the measurements of every output of each case that passed.
fn passes(palette: &Palette, run: &RunOutcome) -> String {
    let passed = run.cases.iter().filter(|case| case.verdict == Verdict::Pass);
    let outputs = passed.flat_map(|case| case.outputs.iter().map(move |output| (case, output)));
    let format = |(case, output): (&CaseOutcome, &OutputOutcome)| {
        let (head, indent) = head(palette, &Message::new(case, Some(output)));
        let measured = output.comparison.as_ref().map(mismatch::describe_differences);
        let measured = measured.unwrap_or_else(|| vec![message::SNAPSHOT_ONLY.into()]);
        format!("{head}{}{}\n", paragraphs(indent, &measured), paragraphs(indent, &message::vacuous_lines(output)))
    };
    outputs.map(format).collect()
}

/// Formats a message, followed by a blank line.
fn format_message(palette: &Palette, message: &Message<'_>) -> String {
    let (head, indent) = head(palette, message);
    head + &message.parts.iter().map(|part| self::part(palette, indent, part)).collect::<String>() + "\n"
}

/// Formats the verdict, the case and the output, with dtype and shape at the right margin. Also returns the indentation of
/// the message below it.
fn head(palette: &Palette, message: &Message<'_>) -> (String, usize) {
    let Message { verdict, case, output, parts: _ } = message;
    let indent = verdict.word().len().max(8) + 2;
    let output = output.map(|output| format!("  ›  {}", escape_name(&output.name))).unwrap_or_default();
    let (place, kind) = (escape_line(case) + &output, message.kind().unwrap_or_default());
    let gap = WIDTH.saturating_sub(indent + width(&place) + width(&kind)).max(2);
    let (verdict, place) = (palette.verdict(*verdict, indent), palette.strong(&place));
    (format!("{verdict}{place}{:gap$}{}", "", palette.dim(&kind)).trim_end().to_owned() + "\n", indent)
}

fn part(palette: &Palette, indent: usize, part: &Part<'_>) -> String {
    match part {
        Part::Lines(lines) => paragraphs(indent, lines),
        Part::SnapshotLines(lines) => format_drift(indent, lines),
        Part::Explanations(explanations) => {
            paragraphs(indent, message::convincing_explanation(explanations).as_slice())
        }
        Part::SavedActual(line) => format!("{:indent$}{}\n", "", escape_line(line)),
        Part::Next(Next { first, label, command }) => {
            format!("{}{:indent$}{label}:  {}\n", paragraphs(indent, first.as_slice()), "", palette.command(command))
        }
    }
}

/// Formats why each output differs from its reference: what differs, the explanations, best first, where it differs and by
/// how much. An output that did not mismatch is reported as usual.
#[must_use]
pub fn explain(palette: &Palette, commands: &Commands, gate: &Gate, case: &CaseOutcome) -> String {
    let messages = Messages { commands, gate, case };
    let explain = |message: Message<'_>| {
        let Some(output) = message.output.filter(|output| output.verdict == Verdict::Mismatch) else {
            return format_message(palette, &message);
        };
        let (head, indent) = head(palette, &message);
        let parts = message.parts.iter().filter(|part| !matches!(part, Part::Explanations(_) | Part::Next(_)));
        let parts: String = parts.map(|part| self::part(palette, indent, part)).collect();
        let picture = output.picture.as_ref().map(|drawn| picture(indent, drawn)).unwrap_or_default();
        let next = part(palette, indent, &Part::Next(messages.next_after_explain(output)));
        format!("{head}{parts}\n{}{picture}\n{next}\n", explanations(indent, &output.explanations))
    };
    messages.all().into_iter().map(explain).collect()
}

/// Formats a chain: a row for each case in the order of the computation, and where the chain leaves its reference.
fn chain(palette: &Palette, chain: &ChainOutcome) -> String {
    let ChainOutcome { name, steps, finding } = chain;
    let [head @ .., _] = overview::CHAIN;
    let mut table = Table::default();
    table.row(head.into_iter().chain([""]));
    for step in steps {
        let [id, cells @ ..] = overview::chain_row(chain, step);
        table.case(&id, cells);
    }
    let finding = paragraphs(0, &[overview::finding(finding)]);
    let (name, count) = (palette.strong(&escape_line(name)), plural(steps.len() as u64, "case"));
    format!("chain {name}, {count}\n{}{finding}\n", table.text(2))
}

/// Formats the end of a run: the counts, the next steps, and the executor.
pub(super) fn end(palette: &Palette, commands: &Commands, run: &RunOutcome) -> String {
    let steps = next_steps(commands, run, "above").into_iter();
    let steps: String = steps.map(|(what, command)| format!("{what}:  {}\n", palette.command(&command))).collect();
    format!("{}{steps}{}\n", counts(palette, run), overview::executor_line(run))
}

/// Formats the result of a run, the counts by verdict, what did not run, and what cannot fail.
fn counts(palette: &Palette, run: &RunOutcome) -> String {
    let (result, elapsed) = (palette.strong(&overview::result(run)), duration(run.elapsed));
    let filtered = overview::filtered_out(run.filtered_out);
    let mut text = format!("{result} ({elapsed}){filtered}\n{}", tallies(palette, run));
    if let Some(Partition { shard, total, .. }) = &run.partition {
        let all = plural(*total as u64, "case");
        text += &match run.cases.is_empty() && run.not_run == 0 {
            true => format!("{shard} of {all} is empty: every case is in another shard\n"),
            false => format!("{shard} of {all}; to combine the records of all shards, use `merge`\n"),
        };
    }
    if let Some(early) = ended_early(run) {
        text += &format!("{}\n", palette.strong(&escape_line(&early)));
    }
    text + &paragraphs(0, vacuous_outputs(run).as_slice())
}

/// Formats the number of cases with each verdict, on one line if it fits; nothing if every case passed.
fn tallies(palette: &Palette, run: &RunOutcome) -> String {
    let counts = run.counts();
    if counts.get(Verdict::Pass) == run.cases.len() {
        // The line above says so.
        return String::new();
    }
    let mut text = String::new();
    let mut column = 0;
    for verdict in Verdict::ALL.into_iter().filter(|verdict| counts.get(*verdict) > 0) {
        let width = format!("{} {}, ", counts.get(verdict), verdict.word()).len();
        text += match column {
            0 => "",
            column if column + width > WIDTH => ",\n",
            _ => ", ",
        };
        column = if text.ends_with(", ") { column + width } else { width };
        text += &palette.tally(counts.get(verdict), verdict);
    }
    if text.is_empty() { text } else { text + "\n" }
}

/// Returns why a case was skipped, if it was.
fn skip_reason(case: &CaseOutcome) -> Option<&str> {
    match case.problems.first() {
        Some(Problem::Skipped { reason }) if case.verdict == Verdict::Skipped => Some(reason),
        _ => None,
    }
}

/// Formats skipped cases with their reasons.
fn skipped<'a>(palette: &Palette, cases: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let format = |(id, reason): (&str, &str)| {
        let reason = paragraphs(10, &reason.lines().collect::<Vec<_>>());
        format!("{}{}\n{reason}", palette.verdict(Verdict::Skipped, 10), palette.strong(id))
    };
    cases.map(format).collect()
}

/// What a row of a matrix contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// One case.
    Case,
    /// All cases of one checkpoint in one suite.
    Checkpoint,
}

/// Formats the results of several executors on the same cases: a table, the failures in full, and the count of each
/// executor.
#[must_use]
pub fn matrix(by: RowKind, palette: &Palette, commands: &Commands, matrix: &Matrix) -> String {
    let executors = matrix.columns.iter().map(|column| column.executor.as_str());
    let mut table = Table::default();
    match by {
        RowKind::Case => {
            table.row(["case"].into_iter().chain(executors));
            for Row { id, checkpoint: _, cells } in &matrix.rows {
                table.case(id.as_str(), cells.iter().map(|cell| overview::cell(&Sum::new([cell]))));
            }
        }
        RowKind::Checkpoint => {
            table.row(["suite", "checkpoint", "cases"].into_iter().chain(executors));
            for Group { suite, checkpoint, cases, sums, failed: _ } in matrix.groups() {
                let names = [suite, checkpoint.unwrap_or_else(|| "-".to_owned()), cases.to_string()];
                table.row(names.into_iter().chain(sums.iter().map(overview::cell)));
            }
        }
    }
    let columns = || 0..matrix.columns.len();
    let failures: String = columns().map(|column| column_failures(palette, commands, matrix, column)).collect();
    let reasons = matrix.rows.iter().flat_map(|row| {
        // Executors that give the same reason share one line.
        let mut reasons: Vec<&str> = row.cells.iter().filter_map(skip_reason).collect();
        reasons.dedup();
        reasons.into_iter().map(|reason| (row.id.as_str(), reason))
    });
    let skipped = skipped(palette, reasons);
    let executors = plural(matrix.columns.len() as u64, "executor");
    let cases = plural(matrix.rows.len() as u64, "case");
    let failed = match matrix.failed() {
        0 => "none failed".to_owned(),
        failed => format!("{failed} failed"),
    };
    let result = palette.strong(&format!("{cases} on {executors}: {failed}"));
    let (elapsed, filtered) = (duration(matrix.elapsed), overview::filtered_out(matrix.filtered_out));
    let tallies: String = columns().map(|column| column_tally(palette, matrix, column)).collect();
    let end = format!("{result} ({elapsed}){filtered}\n{tallies}{}\n", overview::ACCURACY_ONLY);
    format!("{}\n{failures}{skipped}{end}", table.text(0))
}

/// Formats the failures of an executor under its name, including holes that fail.
fn column_failures(palette: &Palette, commands: &Commands, matrix: &Matrix, column: usize) -> String {
    let executor = &matrix.columns[column].executor;
    let commands =
        Commands { executor: Some(executor.into()), options: Some("--accuracy-only".into()), ..commands.clone() };
    let failed = matrix.rows.iter().filter(|row| matrix.fails(row, column));
    let failed: String = failed.map(|row| failure(palette, &commands, &matrix.gate, &row.cells[column])).collect();
    if failed.is_empty() { failed } else { format!("executor {}\n\n{failed}", palette.strong(&escape_name(executor))) }
}

/// Formats how many cases of an executor have each verdict, how many are holes, and which checkpoints it lacks.
fn column_tally(palette: &Palette, matrix: &Matrix, column: usize) -> String {
    let Column { executor, required } = &matrix.columns[column];
    let Sum { counts, holes, .. } = matrix.sum(column);
    let verdicts = Verdict::ALL.into_iter().filter(|verdict| counts.get(*verdict) > 0);
    let mut tallies: Vec<String> = verdicts.map(|verdict| palette.tally(counts.get(verdict), verdict)).collect();
    if holes > 0 {
        let lacking = escape_line(&matrix.lacking(column).join(", "));
        let required = if *required { "; the executor is required" } else { "" };
        tallies.push(format!("{} (lacks {lacking}{required})", plural(holes as u64, "hole")));
    }
    format!("{}: {}\n", escape_name(executor), tallies.join(", "))
}

/// Formats the id, checkpoint and outputs of each case, the errors of cases that could not be read, and the count.
#[must_use]
pub fn list(palette: &Palette, cases: &[CaseLine]) -> String {
    let mut table = Table::default();
    let mut errors = String::new();
    for CaseLine { id, file: _, checkpoint, outputs, skip, error } in cases {
        let outputs = match (error, skip, outputs.as_slice()) {
            (Some(_), _, _) => "cannot be read".to_owned(),
            (None, Some(_), outputs) => format!("{} (skipped)", outputs.join(" ")).trim_start().to_owned(),
            (None, None, []) => "snapshot only".into(),
            (None, None, outputs) => outputs.join(" "),
        };
        table.case(id.as_str(), [checkpoint.as_deref().unwrap_or("-"), &outputs]);
        if let Some(error) = error {
            let error = paragraphs(10, &error.lines().collect::<Vec<_>>());
            errors += &format!("{}\n{error}", palette.strong(id.as_str()));
        }
    }
    format!("{}{errors}{}\n", table.text(0), plural(cases.len() as u64, "case"))
}

/// Formats the problems of a setup, each with a command that helps, and their number.
#[must_use]
pub fn doctor(palette: &Palette, commands: &Commands, health: &Health) -> String {
    let mut text = String::new();
    for complaint in &health.complaints {
        let mark = if complaint.kind.is_fault() { "error" } else { "note" };
        let kind = palette.strong(&complaint.kind.word().replace('_', " "));
        let (message, command) = advice(commands, complaint);
        text += &format!("{mark:6}{kind}\n{}      {}\n\n", paragraphs(6, &[message]), palette.command(&command));
    }
    let (cases, snapshots) =
        (plural(health.cases as u64, "case"), plural(health.snapshots as u64, "accepted snapshot"));
    let problems = match health.complaints.iter().filter(|complaint| complaint.kind.is_fault()).count() {
        0 => "no problems found".to_owned(),
        count => format!("{} found", plural(count as u64, "problem")),
    };
    format!("{text}{cases}, {snapshots}: {problems}\n")
}
