//! The full message of each case that did not pass.

use std::io::{self, Write};

use super::WIDTH;
use super::table::Table;
use super::text::{paragraphs, width};
use crate::report::message;
use crate::report::next::{Next, next};
use crate::report::number::shape;
use crate::report::palette::Palette;
use crate::report::voice::Voice;
use crate::run::{CaseOutcome, Drift, Gate, OutputOutcome, Problem, RunOutcome, Verdict};

/// Writes the message of each case that did not pass: the case's own problem, then every output, the ones that passed
/// too. A skipped case has one only where it fails the gate; the [end](super::end()) lists the others.
///
/// # Errors
///
/// What `out` returns.
pub fn failures(out: &mut dyn Write, palette: &Palette, voice: &Voice, run: &RunOutcome) -> io::Result<()> {
    let told = |case: &&CaseOutcome| match case.verdict {
        Verdict::Pass => false,
        Verdict::Skipped => run.gate.fails(case),
        _ => true,
    };
    run.cases.iter().filter(told).try_for_each(|case| failure(out, palette, voice, &run.gate, case))
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
        whole(out, palette, voice, gate, case)?;
    }
    case.outputs.iter().try_for_each(|output| part(out, palette, voice, gate, case, output, Ask::Best).map(drop))
}

/// What is wrong with the case itself.
pub(super) fn whole(
    out: &mut dyn Write,
    palette: &Palette,
    voice: &Voice,
    gate: &Gate,
    case: &CaseOutcome,
) -> io::Result<()> {
    let indent = head(out, palette, case.verdict, case.id.as_str(), None, None)?;
    for problem in &case.problems {
        paragraphs(out, indent, &message::of_case(case, problem, voice))?;
    }
    if case.problems.is_empty() && case.verdict == Verdict::Unrecorded {
        paragraphs(out, indent, &message::unrecorded(None))?;
    }
    if matches!(case.problems.first(), Some(Problem::Skipped(_))) {
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
        writeln!(out, "{:indent$}{}", "", message::kept(&voice.path(kept)))?;
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
    let place = output.map_or(id.to_owned(), |output| format!("{id}  ›  {output}"));
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

/// Lines of a snapshot, beside what holds now.
pub(super) fn moved(out: &mut dyn Write, indent: usize, lines: &[Drift]) -> io::Result<()> {
    let mut table = Table::default();
    table.row(["quantity", "snapshot", "now", "band"]);
    for Drift { quantity, stored, measured, band } in lines {
        table.row([quantity, or(stored, "none"), or(measured, "none"), or(band, "equal")]);
    }
    if indent + 2 + table.width() <= WIDTH {
        return table.write(out, indent + 2);
    }
    // Too wide side by side, as digests and the digits of a double are: one below the other.
    for Drift { quantity, stored, measured, band } in lines {
        let mut table = Table::default();
        table.row(["snapshot", or(stored, "none")]);
        table.row(["now", or(measured, "none")]);
        table.row(["band", or(band, "equal")]);
        writeln!(out, "{:indent$}  {quantity}", "")?;
        table.write(out, indent + 4)?;
    }
    Ok(())
}

fn or<'a>(text: &'a str, absent: &'a str) -> &'a str {
    if text.is_empty() { absent } else { text }
}
