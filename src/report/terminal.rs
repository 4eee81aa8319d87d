//! For people: plain text of 80 columns where ids allow it, coloured where the caller says so. Here is a run, a case, a matrix of
//! runs, a setup: a line a case, in full what failed, and the count.

mod palette;
mod tensor;

use std::collections::BTreeMap;

use super::message::{self, Message, Next, Part, messages, unrecorded_cases, whole};
use super::overview::{self, after, ended_early, vacuous_outputs};
use super::view::CaseLine;
use super::{Commands, doctor::advice};
use crate::compare::mismatch;
use crate::doctor::Health;
use crate::run::{
    CaseOutcome, ChainOutcome, Column, Gate, Group, Matrix, OutputOutcome, Partition, Problem, Row, RunOutcome, Sum,
    Verdict,
};
use crate::snapshot::moved;
use crate::text::layout::{Table, WIDTH, pad, pad_name, paragraphs, width};
use crate::text::number::{duration, plural};
use crate::text::safe::{escape_line, escape_lines, escape_name};

pub use palette::Palette;
pub(super) use tensor::map;
pub use tensor::{diff, show, show_case};
use tensor::{explanations, picture};

/// How much is told of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// What failed, and the count.
    Failures,
    /// A line a case besides.
    #[default]
    Cases,
    /// What was measured of each output that passed besides.
    Measurements,
}

/// A whole run: a line a case, what was skipped, what became of each chain, in full what failed, the worst last, and the end.
#[must_use]
pub fn run(detail: Detail, palette: &Palette, commands: &Commands, run: &RunOutcome) -> String {
    let skipped = skipped(palette, run.cases.iter().filter_map(|case| Some((case.id.as_str(), reason(case)?))));
    if detail == Detail::Failures {
        let failing = run.cases.iter().filter(|case| run.gate.fails(case)).collect();
        let failing = all(palette, commands, run, failing);
        return format!("{skipped}{failing}{}{}\n", counts(palette, run), overview::executor(run));
    }
    let passes = if detail == Detail::Measurements { passes(palette, run) } else { String::new() };
    let chains = match run.chains.as_deref() {
        None => String::new(),
        Some([]) => format!("{}\n", overview::NO_CHAIN),
        Some(chains) => chains.iter().map(|of| chain(palette, of)).collect(),
    };
    let lines = case_lines(palette, commands, run);
    format!("{lines}\n{passes}{skipped}{chains}{}{}", failures(palette, commands, run), end(palette, commands, run))
}

/// A line for each case: verdict, id, checkpoint, the largest difference of the output that uses most of its tolerance and how
/// much it uses, or what kept it from being measured.
pub(super) fn case_lines(palette: &Palette, commands: &Commands, run: &RunOutcome) -> String {
    /// The widest verdict, `unrecorded`, and a gap.
    const VERDICT: usize = 12;
    // What is wider does not push the columns of the other lines to the right.
    let widest = |most, of: fn(&CaseOutcome) -> &str| {
        run.cases.iter().map(|case| width(of(case)).min(most)).max().unwrap_or_default()
    };
    let ids = widest(32, |case| case.id.as_str());
    let checkpoints = widest(16, |case| case.checkpoint.as_deref().unwrap_or("-"));
    let line = |case: &CaseOutcome| {
        let verdict = palette.verdict(case.verdict, VERDICT);
        let id = palette.strong(&pad(escape_line(case.id.as_str()), ids));
        let checkpoint = pad_name(case.checkpoint.as_deref().unwrap_or("-"), checkpoints);
        let line = format!("{verdict}{id}  {checkpoint}  {}", overview::found(commands, case));
        line.trim_end().to_owned() + "\n"
    };
    run.cases.iter().map(line).collect()
}

/// The message of each case that did not pass: the case's own problem, then every output, the ones that passed too. A skipped
/// case has one only where it fails the gate.
pub(super) fn failures(palette: &Palette, commands: &Commands, run: &RunOutcome) -> String {
    let is_told = |case: &&CaseOutcome| match case.verdict {
        Verdict::Pass | Verdict::Skipped => run.gate.fails(case),
        _ => true,
    };
    all(palette, commands, run, run.cases.iter().filter(is_told).collect())
}

/// Tells of those cases, the worst last. What is wrong with several in the same words, as a `suite.json` above them, is told
/// once, and so is that many have no snapshot yet.
fn all(palette: &Palette, commands: &Commands, run: &RunOutcome, cases: Vec<&CaseOutcome>) -> String {
    /// How many unrecorded cases are told of one by one.
    const UNRECORDED: usize = 3;
    let (unrecorded, mut cases): (Vec<&CaseOutcome>, Vec<&CaseOutcome>) =
        cases.into_iter().partition(|case| is_only_unrecorded(case));
    let mut text = String::new();
    if unrecorded.len() > UNRECORDED {
        text += &written(palette, &unrecorded_cases(commands, &run.gate, &unrecorded));
    } else {
        cases.extend(unrecorded);
    }
    if let Some(changed) = overview::changed_references(&cases) {
        text += &format!("{}\n\n", palette.strong(&changed));
    }
    cases.sort_by(|a, b| overview::severity(b).cmp(&overview::severity(a)).then_with(|| a.id.cmp(&b.id)));
    let mut alike: BTreeMap<&str, Vec<&CaseOutcome>> = BTreeMap::new();
    for case in &cases {
        only_error(case).into_iter().for_each(|text| alike.entry(text).or_default().push(case));
    }
    for case in &cases {
        match only_error(case).map(|text| alike.remove(text).unwrap_or_default()).as_deref() {
            Some([]) => {}
            Some([_, others @ ..]) => text += &written(palette, &whole(commands, &run.gate, case, others)),
            None => text += &failure(palette, commands, &run.gate, case),
        }
    }
    text
}

/// Whether nothing is to be said of a case but that it has no snapshot yet.
fn is_only_unrecorded(case: &CaseOutcome) -> bool {
    let of = |output: &OutputOutcome| output.verdict == Verdict::Unrecorded || output.verdict == Verdict::Pass;
    case.verdict == Verdict::Unrecorded && case.problems.is_empty() && case.outputs.iter().all(of)
}

/// The error of a case with which nothing else is wrong.
fn only_error(case: &CaseOutcome) -> Option<&str> {
    match (case.problems.as_slice(), case.outputs.as_slice()) {
        ([Problem::Error { text }], []) => Some(text),
        _ => None,
    }
}

/// One case in full, every output of it.
pub(super) fn failure(palette: &Palette, commands: &Commands, gate: &Gate, case: &CaseOutcome) -> String {
    messages(commands, gate, case).iter().map(|message| written(palette, message)).collect()
}

/// The same as text without colours, safe wherever it is printed.
pub(crate) fn message(commands: &Commands, gate: &Gate, case: &CaseOutcome) -> String {
    escape_lines(failure(&Palette::plain(), commands, gate, case).trim_end())
}

/// What was measured of every output of each case that passed.
fn passes(palette: &Palette, run: &RunOutcome) -> String {
    let passed = run.cases.iter().filter(|case| case.verdict == Verdict::Pass);
    let outputs = passed.flat_map(|case| case.outputs.iter().map(move |output| (case, output)));
    let told = |(case, output): (&CaseOutcome, &OutputOutcome)| {
        let (head, indent) = head(palette, &Message::of_output(case, output));
        let measured = output.comparison.as_ref().map(mismatch::measured);
        let measured = measured.unwrap_or_else(|| vec![message::SNAPSHOT_ONLY.into()]);
        format!("{head}{}{}\n", paragraphs(indent, &measured), paragraphs(indent, &message::vacuous_in(output)))
    };
    outputs.map(told).collect()
}

/// A message and a blank line.
fn written(palette: &Palette, message: &Message<'_>) -> String {
    let (head, indent) = head(palette, message);
    head + &message.parts.iter().map(|part| self::part(palette, indent, part)).collect::<String>() + "\n"
}

/// Verdict and place, and the dtype and shape at the right margin; and the column below which the message stands.
fn head(palette: &Palette, message: &Message<'_>) -> (String, usize) {
    let Message { verdict, case, output, kind, parts: _ } = message;
    let indent = verdict.word().len().max(8) + 2;
    let output = output.map(|output| format!("  ›  {}", escape_name(output))).unwrap_or_default();
    let (place, kind) = (escape_line(case) + &output, kind.as_deref().unwrap_or_default());
    let gap = WIDTH.saturating_sub(indent + width(&place) + width(kind)).max(2);
    let (verdict, place) = (palette.verdict(*verdict, indent), palette.strong(&place));
    (format!("{verdict}{place}{:gap$}{}", "", palette.dim(kind)).trim_end().to_owned() + "\n", indent)
}

fn part(palette: &Palette, indent: usize, part: &Part<'_>) -> String {
    match part {
        Part::Lines(lines) => paragraphs(indent, lines),
        Part::Moved(lines) => moved(indent, lines),
        Part::Looks(explanations) => paragraphs(indent, message::looks_like(explanations).as_slice()),
        Part::Kept(kept) => format!("{:indent$}{}\n", "", escape_line(kept)),
        Part::Next(Next { first, label, command }) => {
            format!("{}{:indent$}{label}:  {}\n", paragraphs(indent, first.as_slice()), "", palette.command(command))
        }
    }
}

/// Why the outputs of a case are not their references: of each output what differs, what it looks like, best first, where it
/// is and how large; of one that passes only so.
#[must_use]
pub fn explain(palette: &Palette, commands: &Commands, gate: &Gate, case: &CaseOutcome) -> String {
    let explain = |message: Message<'_>| {
        let mut outputs = case.outputs.iter().filter(|output| output.verdict == Verdict::Mismatch);
        let Some(output) = outputs.find(|output| Some(output.name.as_str()) == message.output) else {
            return written(palette, &message);
        };
        let (head, indent) = head(palette, &message);
        let parts = message.parts.iter().filter(|part| !matches!(part, Part::Looks(_) | Part::Next(_)));
        let parts: String = parts.map(|of| part(palette, indent, of)).collect();
        let drawn = output.picture.as_ref().map(|drawn| picture(indent, drawn)).unwrap_or_default();
        let next = part(palette, indent, &Part::Next(message::closer(commands, case, output)));
        format!("{head}{parts}\n{}{drawn}\n{next}\n", explanations(indent, &output.explanations))
    };
    messages(commands, gate, case).into_iter().map(explain).collect()
}

/// A row for each case of the chain, in the order of the computation, and where the chain leaves its reference.
fn chain(palette: &Palette, chain: &ChainOutcome) -> String {
    let ChainOutcome { name, steps, finding } = chain;
    let [head @ .., _] = overview::CHAIN;
    let mut table = Table::default();
    table.row(head.into_iter().chain([""]));
    for step in steps {
        let [id, cells @ ..] = overview::step(chain, step);
        table.case(&id, cells);
    }
    let finding = paragraphs(0, &[overview::finding(finding)]);
    let (name, count) = (palette.strong(&escape_line(name)), plural(steps.len() as u64, "case"));
    format!("chain {name}, {count}\n{}{finding}\n", table.text(2))
}

/// The end of a run: the counts by verdict, worst first, what to do next, and which executor ran.
pub(super) fn end(palette: &Palette, commands: &Commands, run: &RunOutcome) -> String {
    let after = after(commands, run, "above").into_iter();
    let after: String = after.map(|(what, command)| format!("{what}:  {}\n", palette.command(&command))).collect();
    format!("{}{after}{}\n", counts(palette, run), overview::executor(run))
}

/// The counts by verdict, worst first, what of the whole this is not, and what cannot fail.
fn counts(palette: &Palette, run: &RunOutcome) -> String {
    let cases = plural(run.cases.len() as u64, "case");
    let count = palette.strong(&format!("{cases}, {},", overview::failed(run.failed())));
    let filtered = overview::filtered_out(run.filtered_out);
    let mut text = format!("{count} in {}{filtered}\n{}", duration(run.elapsed), tallies(palette, run));
    if let Some(Partition { shard, total, .. }) = &run.partition {
        let whole = plural(*total as u64, "case");
        text += &match run.cases.is_empty() && run.not_run == 0 {
            true => format!("{shard} of {whole} is empty: every one is in another shard\n"),
            false => format!("{shard} of {whole}; `merge` puts the records of all shards together\n"),
        };
    }
    if let Some(early) = ended_early(run) {
        text += &format!("{}\n", palette.strong(&escape_line(&early)));
    }
    text + &paragraphs(0, vacuous_outputs(run).as_slice())
}

/// How many cases have each verdict, on one line where there is room.
fn tallies(palette: &Palette, run: &RunOutcome) -> String {
    let counts = run.counts();
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

/// Why a case was skipped, if it was.
fn reason(case: &CaseOutcome) -> Option<&str> {
    match case.problems.first() {
        Some(Problem::Skipped { reason }) if case.verdict == Verdict::Skipped => Some(reason),
        _ => None,
    }
}

/// What was skipped and why.
fn skipped<'a>(palette: &Palette, cases: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let told = |(id, reason): (&str, &str)| {
        let reason = paragraphs(10, &reason.lines().collect::<Vec<_>>());
        format!("{}{}\n{reason}", palette.verdict(Verdict::Skipped, 10), palette.strong(id))
    };
    cases.map(told).collect()
}

/// What a row of a matrix is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// One case.
    Case,
    /// All cases of one checkpoint in one suite.
    Checkpoint,
}

/// What several executors made of the same cases: a table, then in full what failed, then each executor's count.
#[must_use]
pub fn matrix(by: By, palette: &Palette, commands: &Commands, matrix: &Matrix) -> String {
    let executors = matrix.columns.iter().map(|column| column.executor.as_str());
    let mut table = Table::default();
    match by {
        By::Case => {
            table.row(["case"].into_iter().chain(executors));
            for Row { id, checkpoint: _, cells } in &matrix.rows {
                table.case(id.as_str(), cells.iter().map(|cell| overview::sum(&Sum::new([cell]))));
            }
        }
        By::Checkpoint => {
            table.row(["suite", "checkpoint", "cases"].into_iter().chain(executors));
            for Group { suite, checkpoint, cases, sums, failed: _ } in matrix.groups() {
                let names = [suite, checkpoint.unwrap_or_else(|| "-".to_owned()), cases.to_string()];
                table.row(names.into_iter().chain(sums.iter().map(overview::sum)));
            }
        }
    }
    let columns = || 0..matrix.columns.len();
    let failures: String = columns().map(|column| column_failures(palette, commands, matrix, column)).collect();
    let reasons = matrix.rows.iter().flat_map(|row| {
        // Once for all executors that say the same.
        let mut reasons: Vec<&str> = row.cells.iter().filter_map(reason).collect();
        reasons.dedup();
        reasons.into_iter().map(|reason| (row.id.as_str(), reason))
    });
    let skipped = skipped(palette, reasons);
    let executors = plural(matrix.columns.len() as u64, "executor");
    let cases = plural(matrix.rows.len() as u64, "case");
    let count = palette.strong(&format!("{cases} by {executors}, {},", overview::failed(matrix.failed())));
    let (elapsed, filtered) = (duration(matrix.elapsed), overview::filtered_out(matrix.filtered_out));
    let tallies: String = columns().map(|column| column_tally(palette, matrix, column)).collect();
    let alone = overview::ACCURACY_ALONE;
    format!("{}\n{failures}{skipped}{count} in {elapsed}{filtered}\n{tallies}{alone}\n", table.text(0))
}

/// What failed by that executor, in full, below its name; a hole too, where it fails.
fn column_failures(palette: &Palette, commands: &Commands, matrix: &Matrix, column: usize) -> String {
    let executor = &matrix.columns[column].executor;
    let commands =
        Commands { executor: Some(executor.into()), options: Some("--accuracy-only".into()), ..commands.clone() };
    let failed = matrix.rows.iter().filter(|row| matrix.fails(row, column));
    let failed: String = failed.map(|row| failure(palette, &commands, &matrix.gate, &row.cells[column])).collect();
    if failed.is_empty() { failed } else { format!("executor {}\n\n{failed}", palette.strong(&escape_name(executor))) }
}

/// How many cases of an executor have each verdict, how many are holes, and what it lacks.
fn column_tally(palette: &Palette, matrix: &Matrix, column: usize) -> String {
    let Column { executor, required } = &matrix.columns[column];
    let Sum { counts, holes, .. } = matrix.sum(column);
    let verdicts = Verdict::ALL.into_iter().filter(|verdict| counts.get(*verdict) > 0);
    let mut said: Vec<String> = verdicts.map(|verdict| palette.tally(counts.get(verdict), verdict)).collect();
    if holes > 0 {
        let lacking = escape_line(&matrix.lacking(column).join(", "));
        let fails = if *required { "; it is required" } else { "" };
        said.push(format!("{}, it lacks {lacking}{fails}", plural(holes as u64, "hole")));
    }
    format!("{}: {}\n", escape_name(executor), said.join(", "))
}

/// Id, checkpoint and outputs of each case, then their number. A case that could not be read says why.
#[must_use]
pub fn list(palette: &Palette, cases: &[CaseLine]) -> String {
    let mut table = Table::default();
    let mut errors = String::new();
    for CaseLine { id, file: _, checkpoint, outputs, skip, error } in cases {
        let outputs = match (error, skip, outputs.as_slice()) {
            (Some(_), _, _) => "cannot be read".to_owned(),
            (None, Some(_), outputs) => format!("{} (skipped)", outputs.join(" ")).trim_start().to_owned(),
            (None, None, []) => "its snapshot alone".into(),
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

/// What is wrong with a setup, each with the command that helps, or that nothing is wrong.
#[must_use]
pub fn doctor(palette: &Palette, commands: &Commands, health: &Health) -> String {
    let mut text = String::new();
    for complaint in &health.complaints {
        let mark = if complaint.kind.is_fault() { "wrong" } else { "note" };
        let what = palette.strong(&complaint.kind.word().replace('_', " "));
        let (said, command) = advice(commands, complaint);
        text += &format!("{mark:6}{what}\n{}      {}\n\n", paragraphs(6, &[said]), palette.command(&command));
    }
    let (cases, snapshots) = (plural(health.cases as u64, "case"), plural(health.snapshots as u64, "snapshot"));
    let wrong = match health.complaints.iter().filter(|complaint| complaint.kind.is_fault()).count() {
        0 => "nothing is wrong".to_owned(),
        1 => "1 thing is wrong".to_owned(),
        many => format!("{many} things are wrong"),
    };
    format!("{text}{cases}, {snapshots} accepted: {wrong}\n")
}
