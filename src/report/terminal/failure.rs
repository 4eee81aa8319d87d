//! The full message of each case that did not pass.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::report::message;
use crate::report::next::{Next, next, review_all};
use crate::report::palette::Palette;
use crate::report::voice::Voice;
use crate::run::{CaseOutcome, Gate, OutputOutcome, Problem, RunOutcome, Verdict};
use crate::snapshot::moved::moved;
use crate::text::WIDTH;
use crate::text::number::{counted, shape};
use crate::text::safe::{lines, name as shown, visible};
use crate::text::wrap::{paragraphs, width};

/// Writes the message of each case that did not pass: the case's own problem, then every output, the ones that passed
/// too. A skipped case has one only where it fails the gate; the [end](super::end()) lists the others.
///
/// # Errors
///
/// What `out` returns.
pub fn failures(out: &mut dyn Write, palette: &Palette, voice: &Voice, run: &RunOutcome) -> io::Result<()> {
    let told = |case: &&CaseOutcome| match case.verdict {
        Verdict::Pass | Verdict::Skipped => run.gate.fails(case),
        _ => true,
    };
    all(out, palette, voice, run, &run.cases.iter().filter(told).collect::<Vec<_>>())
}

/// Writes the message of each case that fails the gate, and of no other.
///
/// # Errors
///
/// What `out` returns.
pub fn failing(out: &mut dyn Write, palette: &Palette, voice: &Voice, run: &RunOutcome) -> io::Result<()> {
    all(out, palette, voice, run, &run.cases.iter().filter(|case| run.gate.fails(case)).collect::<Vec<_>>())
}

/// How many unrecorded cases are told of one by one; more are in one block.
const UNRECORDED: usize = 3;

/// Tells of those cases, the worst last. What is wrong with several in the same words, as a `suite.json` above them, is told
/// once, and so is that many have no snapshot yet.
fn all(
    out: &mut dyn Write,
    palette: &Palette,
    voice: &Voice,
    run: &RunOutcome,
    cases: &[&CaseOutcome],
) -> io::Result<()> {
    let (unrecorded, mut cases): (Vec<&CaseOutcome>, Vec<&CaseOutcome>) =
        cases.iter().partition(|case| is_only_unrecorded(case));
    if unrecorded.len() > UNRECORDED {
        block(out, palette, voice, &run.gate, &unrecorded)?;
    } else {
        cases.extend(unrecorded);
    }
    if let Some(text) = message::changed_references(&cases) {
        writeln!(out, "{}\n", palette.strong(&text))?;
    }
    cases.sort_by(|a, b| message::severity(b).cmp(&message::severity(a)).then_with(|| a.id.cmp(&b.id)));
    let mut alike: BTreeMap<&str, Vec<&CaseOutcome>> = BTreeMap::new();
    for case in &cases {
        only_error(case).into_iter().for_each(|text| alike.entry(text).or_default().push(case));
    }
    for case in &cases {
        match only_error(case).and_then(|text| alike.remove(text).or(Some(Vec::new()))) {
            Some(alike) if alike.is_empty() => {}
            Some(alike) if alike.len() > 1 => whole(out, palette, voice, &run.gate, case, &alike[1..])?,
            _ => failure(out, palette, voice, &run.gate, case)?,
        }
    }
    Ok(())
}

/// Whether nothing is to be said of a case but that it has no snapshot yet.
fn is_only_unrecorded(case: &CaseOutcome) -> bool {
    let of = |output: &OutputOutcome| output.verdict == Verdict::Unrecorded || output.verdict == Verdict::Pass;
    case.verdict == Verdict::Unrecorded && case.problems.is_empty() && case.outputs.iter().all(of)
}

/// Tells of cases that have no snapshot yet: how many, some of them, and the one command.
fn block(out: &mut dyn Write, palette: &Palette, voice: &Voice, gate: &Gate, cases: &[&CaseOutcome]) -> io::Result<()> {
    let count = counted(cases.len() as u64, "case");
    let indent = head(out, palette, Verdict::Unrecorded, &count, None, None)?;
    paragraphs(out, indent, &[message::unrecorded_cases(cases)])?;
    foot(out, palette, indent, Some(review_all(voice, gate)))
}

/// The error of a case with which nothing else is wrong.
fn only_error(case: &CaseOutcome) -> Option<&str> {
    match (case.problems.as_slice(), case.outputs.as_slice()) {
        ([Problem::Error { text }], []) => Some(text),
        _ => None,
    }
}

/// Writes what was measured of every output of each case that passed.
///
/// # Errors
///
/// What `out` returns.
pub fn passes(out: &mut dyn Write, palette: &Palette, run: &RunOutcome) -> io::Result<()> {
    let passed = run.cases.iter().filter(|case| case.verdict == Verdict::Pass);
    for (case, output) in passed.flat_map(|case| case.outputs.iter().map(move |output| (case, output))) {
        let kind = output.summary.as_ref().map(|summary| format!("{} {}", summary.dtype, shape(&summary.shape)));
        let indent = head(out, palette, output.verdict, case.id.as_str(), Some(&output.name), kind.as_deref())?;
        match &output.comparison {
            Some(measured) => paragraphs(out, indent, &message::measured(measured))?,
            None => paragraphs(out, indent, &[message::SNAPSHOT_ONLY.into()])?,
        }
        paragraphs(out, indent, &message::vacuous_in(output))?;
        writeln!(out)?;
    }
    Ok(())
}

/// Tells of one case in full, every output of it.
///
/// # Errors
///
/// What `out` returns.
pub fn failure(
    out: &mut dyn Write,
    palette: &Palette,
    voice: &Voice,
    gate: &Gate,
    case: &CaseOutcome,
) -> io::Result<()> {
    if !case.problems.is_empty() || case.outputs.is_empty() {
        whole(out, palette, voice, gate, case, &[])?;
    }
    case.outputs.iter().try_for_each(|output| part(out, palette, voice, gate, case, output, Ask::Best).map(drop))
}

/// The same as text without colours, safe wherever it is printed.
pub(crate) fn message(voice: &Voice, gate: &Gate, case: &CaseOutcome) -> String {
    let mut text = Vec::new();
    failure(&mut text, &Palette::plain(), voice, gate, case).expect("a vector takes every byte");
    lines(String::from_utf8_lossy(&text).trim_end())
}

/// What is wrong with the case itself, and with others in the same words.
pub(super) fn whole(
    out: &mut dyn Write,
    palette: &Palette,
    voice: &Voice,
    gate: &Gate,
    case: &CaseOutcome,
    alike: &[&CaseOutcome],
) -> io::Result<()> {
    let indent = head(out, palette, case.verdict, case.id.as_str(), None, None)?;
    for problem in &case.problems {
        paragraphs(out, indent, &message::of_case(case, problem, voice))?;
    }
    if !alike.is_empty() {
        let ids: Vec<&str> = alike.iter().map(|case| case.id.as_str()).collect();
        paragraphs(out, indent, &[message::alike(&ids)])?;
    }
    if case.problems.is_empty() && case.verdict == Verdict::Unrecorded {
        paragraphs(out, indent, &message::unrecorded(None))?;
    }
    if matches!(case.problems.first(), Some(Problem::Skipped { .. })) {
        paragraphs(out, indent, &[message::skip_fails(case.id.as_str())])?;
    }
    foot(out, palette, indent, next(voice, gate, case, None))
}

/// Where explanations are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The best one, here.
    Best,
    /// All of them, by the caller, who also ends the message.
    Elsewhere,
}

/// What is wrong with an output, or that nothing is. Returns the column below which the message stands.
pub(super) fn part(
    out: &mut dyn Write,
    palette: &Palette,
    voice: &Voice,
    gate: &Gate,
    case: &CaseOutcome,
    output: &OutputOutcome,
    ask: Ask,
) -> io::Result<usize> {
    let OutputOutcome {
        name,
        verdict,
        problems,
        summary,
        tolerance,
        comparison,
        chained_vacuous: _,
        drift,
        improved,
        kept,
        reference,
        alternatives,
        explanations,
        picture: _,
    } = output;
    let kind = summary.as_ref().map(|summary| format!("{} {}", summary.dtype, shape(&summary.shape)));
    let indent = head(out, palette, *verdict, case.id.as_str(), Some(name), kind.as_deref())?;
    for problem in problems {
        paragraphs(out, indent, &message::of_output(case, output, problem, voice))?;
    }
    match verdict {
        Verdict::Drift => {
            paragraphs(out, indent, &message::drift(output))?;
            moved(out, indent, drift)?;
        }
        Verdict::Unrecorded => paragraphs(out, indent, &message::unrecorded(Some(output)))?,
        _ => {}
    }
    if let Some(measured) = comparison {
        match verdict {
            Verdict::Unrecorded => {}
            Verdict::Pass => paragraphs(out, indent, &[message::largest(measured)])?,
            _ => paragraphs(out, indent, &message::measured(measured))?,
        }
        if *verdict >= Verdict::Orphaned && measured.outside > 0 {
            paragraphs(out, indent, &message::outliers(measured.outside, tolerance.as_ref()))?;
        }
    } else if *verdict == Verdict::Pass {
        paragraphs(out, indent, &[message::SNAPSHOT_ONLY.into()])?;
    }
    paragraphs(out, indent, &message::vacuous_in(output))?;
    if let (Some(reference), false) = (reference, alternatives.is_empty()) {
        paragraphs(out, indent, &message::alternatives(*verdict, reference, alternatives))?;
    }
    if !improved.is_empty() {
        paragraphs(out, indent, &message::improved())?;
        moved(out, indent, improved)?;
    }
    if ask == Ask::Best {
        paragraphs(out, indent, &message::looks_like(explanations))?;
    }
    if let Some(kept) = kept {
        writeln!(out, "{:indent$}{}", "", visible(&message::kept(&voice.path(kept))))?;
    }
    if ask == Ask::Elsewhere {
        return Ok(indent);
    }
    foot(out, palette, indent, next(voice, gate, case, Some(output)))?;
    Ok(indent)
}

/// Verdict and place, and the dtype and shape at the right margin. Returns the column below which the message stands.
fn head(
    out: &mut dyn Write,
    palette: &Palette,
    verdict: Verdict,
    id: &str,
    output: Option<&str>,
    kind: Option<&str>,
) -> io::Result<usize> {
    let indent = verdict.word().len().max(8) + 2;
    let place = output.map_or(visible(id), |output| format!("{}  ›  {}", visible(id), shown(output)));
    let kind = kind.unwrap_or_default();
    let gap = WIDTH.saturating_sub(indent + width(&place) + width(kind)).max(2);
    let line =
        format!("{}{}{:gap$}{}", palette.verdict(verdict, indent), palette.strong(&place), "", palette.dim(kind));
    writeln!(out, "{}", line.trim_end())?;
    Ok(indent)
}

/// What to do, and a blank line: the end of a message.
pub(super) fn foot(out: &mut dyn Write, palette: &Palette, indent: usize, next: Option<Next>) -> io::Result<()> {
    if let Some(Next { first, label, command }) = next {
        paragraphs(out, indent, first.as_slice())?;
        writeln!(out, "{:indent$}{label}:  {}", "", palette.command(&command))?;
    }
    writeln!(out)
}
