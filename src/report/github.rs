//! For GitHub Actions: annotations where the case is, and the summary of a step.
//!
//! Workflow commands: <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::markdown::{code, plain, row};
use super::next::next;
use super::terminal;
use super::voice::slashes;
use super::{Voice, message};
use crate::run::{CaseOutcome, OutputOutcome, Problem, RunOutcome, Verdict};
use crate::snapshot::Drift;
use crate::text::number::{counted, duration, float, percent, ratio};
use crate::text::safe::{escaped, visible};

/// How many annotations of one level GitHub shows of a step: those that come after are dropped without a word.
const ANNOTATIONS: usize = 10;

/// The bytes of a message: GitHub keeps 64 KiB, and each that is escaped becomes three.
const MESSAGE: usize = 16_000;

/// How large the summary of a step may be: <https://docs.github.com/en/actions/reference/limits>. A larger one is not shown.
pub const SUMMARY_LIMIT: usize = 1024 * 1024;

/// Room for the end of a summary that is cut.
const END: usize = 200;

/// The level of an annotation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// What must be corrected.
    Error,
    /// What may be reviewed.
    Warning,
}

/// Writes an annotation for each case that fails the gate, the worst first: an error where it must be corrected, a warning
/// where it may be reviewed. `workspace` is the repository's folder; below it files are named relative to it. Where there are more than
/// GitHub shows, the last says how many.
///
/// # Errors
///
/// What `out` returns.
pub fn annotations(out: &mut dyn Write, voice: &Voice, run: &RunOutcome, workspace: Option<&Path>) -> io::Result<()> {
    let early = message::ended_early(run);
    if let Some(early) = &early {
        writeln!(out, "::error title=the run ended early::{}", data(&visible(early)))?;
    }
    let failing = failing(run);
    for level in [Level::Error, Level::Warning] {
        let cases: Vec<&CaseOutcome> = failing.iter().copied().filter(|case| Level::of(case) == level).collect();
        let room = if level == Level::Error { ANNOTATIONS - usize::from(early.is_some()) } else { ANNOTATIONS };
        let shown = if cases.len() > room { room - 1 } else { cases.len() };
        let (shown, rest) = cases.split_at(shown);
        for case in shown {
            let told = terminal::message(voice, &run.gate, case);
            let title = match case.verdict {
                Verdict::Pass => format!("cannot fail: {}", case.id),
                verdict => format!("{}: {}", verdict.word(), case.id),
            };
            let file = place(voice, &file(case), workspace);
            writeln!(
                out,
                "::{} file={},title={}::{}",
                level.word(),
                property(&file),
                property(&title),
                data(cut(&told))
            )?;
        }
        if !rest.is_empty() {
            let ids: Vec<&str> = rest.iter().map(|case| case.id.as_str()).collect();
            let title = format!("{} more", counted(rest.len() as u64, "case"));
            writeln!(out, "::{} title={}::{}", level.word(), property(&title), data(cut(&ids.join("\n"))))?;
        }
    }
    notices(out, voice, run, workspace)
}

/// Writes a notice for each case that does not fail, though a comparison of it is vacuous.
fn notices(out: &mut dyn Write, voice: &Voice, run: &RunOutcome, workspace: Option<&Path>) -> io::Result<()> {
    let vacuous = run.vacuous().filter(|(case, _)| !run.gate.fails(case));
    for (case, output) in vacuous.take(ANNOTATIONS) {
        let said = message::vacuous_in(output);
        let file = place(voice, &file(case), workspace);
        let title = format!("cannot fail: {}:{}", case.id, output.name);
        writeln!(out, "::notice file={},title={}::{}", property(&file), property(&title), data(&said.join("\n")))?;
    }
    Ok(())
}

/// Writes the summary of a step in Markdown, of at most `limit` bytes: how many cases have which verdict, and of each that
/// fails the gate what it is, by how much, and what to type.
///
/// # Errors
///
/// What `out` returns.
pub fn summary(out: &mut dyn Write, voice: &Voice, run: &RunOutcome, limit: usize) -> io::Result<()> {
    let mut page = head(run);
    let rows: Vec<String> = failing(run).into_iter().flat_map(|case| rows(voice, run, case)).collect();
    if !rows.is_empty() {
        page += &row(["verdict", "case", "output", "largest difference", "of the tolerance", "what", "to type"]);
        page += &row(["---", "---", "---", "---:", "---:", "---", "---"]);
    }
    let total = rows.len();
    for (at, row) in rows.into_iter().enumerate() {
        if page.len() + row.len() + END > limit {
            page += &format!("\nand {} more, which have no room here: see the log.\n", total - at);
            break;
        }
        page += &row;
    }
    // Nothing but the head could be longer: then GitHub would show nothing at all.
    if page.len() <= limit { out.write_all(page.as_bytes()) } else { Ok(()) }
}

fn head(run: &RunOutcome) -> String {
    let failed = match run.failed() {
        0 => "none fails".to_owned(),
        1 => "1 fails".to_owned(),
        failed => format!("{failed} fail"),
    };
    let cases = counted(run.cases.len() as u64, "case");
    let mut page = format!("## karat: {cases}, {failed}\n\n");
    let filtered = match run.filtered_out {
        0 => String::new(),
        count => format!(", {count} filtered out"),
    };
    page += &format!("{} in {}{filtered}.\n\n", code(&run.executor), duration(run.elapsed));
    if let Some(early) = message::ended_early(run) {
        page += &format!("**{}**\n\n", plain(&early));
    }
    if let Some(vacuous) = message::vacuous_outputs(run) {
        page += &format!("{}\n\n", plain(&vacuous));
    }
    let counts = run.counts();
    let there: Vec<Verdict> = Verdict::ALL.into_iter().filter(|verdict| counts.of(*verdict) > 0).collect();
    page += &row(there.iter().map(|verdict| verdict.word()));
    page += &row(there.iter().map(|_| "---:"));
    page += &row(there.iter().map(|verdict| counts.of(*verdict).to_string()));
    page + "\n"
}

/// Whether an output did not pass, or fails all the same.
fn is_told(run: &RunOutcome, case: &CaseOutcome, output: &OutputOutcome) -> bool {
    output.verdict != Verdict::Pass || run.gate.denies(case) && output.vacuous().is_some()
}

/// A row for each output that did not pass, or one for the case.
fn rows(voice: &Voice, run: &RunOutcome, case: &CaseOutcome) -> Vec<String> {
    let outputs: Vec<&OutputOutcome> = case.outputs.iter().filter(|output| is_told(run, case, output)).collect();
    let whole = (!case.problems.is_empty() || outputs.is_empty()).then_some(None);
    let command = |output: Option<&OutputOutcome>| {
        next(voice, &run.gate, case, output).map(|next| code(&next.command)).unwrap_or_default()
    };
    let line = |output: Option<&OutputOutcome>| {
        let measured = output.and_then(|output| output.comparison.as_ref());
        let largest = measured.and_then(|measured| measured.max_abs_diff.as_ref()).map(|extreme| float(extreme.value));
        let looks = output.map(|output| message::looks_like(&output.explanations)).unwrap_or_default();
        let said = looks.into_iter().next().or_else(|| problem(voice, case, output)).unwrap_or_default();
        row([
            output.map_or(case.verdict, |output| output.verdict).word().to_owned(),
            code(case.id.as_str()),
            output.map(|output| code(&output.name)).unwrap_or_default(),
            largest.unwrap_or_default(),
            measured.map(|measured| share(measured.tolerance_used)).unwrap_or_default(),
            plain(&said),
            command(output),
        ])
    };
    whole.into_iter().chain(outputs.into_iter().map(Some)).map(line).collect()
}

/// The first line of what is wrong.
fn problem(voice: &Voice, case: &CaseOutcome, output: Option<&OutputOutcome>) -> Option<String> {
    let said = match output {
        Some(output) => match (output.problems.first(), output.verdict) {
            (Some(problem), _) => message::of_output(case, output, problem, voice),
            (None, Verdict::Drift) => output.drift.iter().map(moved).collect(),
            (None, Verdict::Pass) => message::vacuous_in(output),
            (None, _) => message::unrecorded(Some(output)),
        },
        None => message::of_case(case, case.problems.first()?, voice),
    };
    said.into_iter().next()
}

/// A line of a snapshot that left its band.
fn moved(Drift { quantity, stored, measured, band }: &Drift) -> String {
    let or_none = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
    let band = if band.is_empty() { String::new() } else { format!(" ({band})") };
    format!("{quantity}: {} became {}{band}", or_none(stored), or_none(measured))
}

fn share(used: f64) -> String {
    match used {
        used if !used.is_finite() => "inf".into(),
        used if used > 1.0 => ratio(used),
        used => percent(used),
    }
}

/// What fails the gate, the worst first.
fn failing(run: &RunOutcome) -> Vec<&CaseOutcome> {
    let mut cases: Vec<&CaseOutcome> = run.cases.iter().filter(|case| run.gate.fails(case)).collect();
    cases.sort_by_key(|case| message::severity(case));
    cases
}

/// The file that an annotation is at: an orphan has no `case.json`, but a snapshot.
fn file(case: &CaseOutcome) -> PathBuf {
    let mut problems = case.outputs.iter().flat_map(|output| &output.problems);
    let snapshot = problems.find_map(|problem| match problem {
        Problem::Orphaned { snapshot } if case.verdict == Verdict::Orphaned => Some(snapshot),
        _ => None,
    });
    snapshot.unwrap_or(&case.file).clone()
}

/// A file as the repository names it.
fn place(voice: &Voice, file: &Path, workspace: Option<&Path>) -> String {
    let full = voice.base.join(file);
    match workspace.and_then(|workspace| full.strip_prefix(workspace).ok()) {
        Some(below) => slashes(below),
        None => voice.path(file),
    }
}

impl Level {
    fn of(case: &CaseOutcome) -> Level {
        match case.verdict {
            Verdict::Drift | Verdict::Unrecorded => Level::Warning,
            _ => Level::Error,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
        }
    }
}

/// As much of a message as GitHub keeps.
fn cut(text: &str) -> &str {
    let end = (0..=text.len().min(MESSAGE)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    &text[..end]
}

/// A message on one line, as the runner reads it.
fn data(text: &str) -> String {
    // A message may have several lines, each of which is safe.
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A value between a message's commas and colons.
fn property(text: &str) -> String {
    data(&escaped(text)).replace(':', "%3A").replace(',', "%2C")
}
