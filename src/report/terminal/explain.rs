//! Why the outputs of a case are not their references.

use std::io::{self, Write};

use super::failure::{Ask, foot, part, whole};
use super::picture::picture;
use crate::explain::Explanation;
use crate::report::message::{self, nothing_fits};
use crate::report::next::closer;
use crate::report::palette::Palette;
use crate::report::view::ExplainView;
use crate::report::voice::Voice;
use crate::run::Verdict;
use crate::text::wrap::{padded, paragraphs, width};

/// Tells of each output what differs, what it looks like, best first, where it is and how large; of one that passes only so.
///
/// # Errors
///
/// What `out` returns.
pub fn explain(out: &mut dyn Write, palette: &Palette, voice: &Voice, explained: &ExplainView) -> io::Result<()> {
    let ExplainView { executor: _, gate, case } = explained;
    if !case.problems.is_empty() || case.outputs.is_empty() {
        whole(out, palette, voice, gate, case, &[])?;
    }
    for output in &case.outputs {
        if output.verdict != Verdict::Mismatch {
            part(out, palette, voice, gate, case, output, Ask::Best)?;
            continue;
        }
        let indent = part(out, palette, voice, gate, case, output, Ask::Elsewhere)?;
        writeln!(out)?;
        explanations(out, indent, &output.explanations)?;
        if let Some(drawn) = &output.picture {
            picture(out, indent, drawn)?;
        }
        writeln!(out)?;
        foot(out, palette, indent, Some(closer(voice, case, output)))?;
    }
    Ok(())
}

/// A line each, best first; those that hold together once.
pub(super) fn explanations(out: &mut dyn Write, indent: usize, explanations: &[Explanation]) -> io::Result<()> {
    if explanations.is_empty() {
        return paragraphs(out, indent, &nothing_fits());
    }
    let told = message::together(explanations);
    writeln!(out, "{:indent$}{}", "", message::LOOKS_LIKE)?;
    let widest = told.iter().map(|(names, _)| width(names)).max().unwrap_or(0);
    for (place, (names, explanation)) in (1..).zip(told) {
        let removes = message::removes(explanation);
        writeln!(out, "{:indent$}{place}. {}  {removes}", "", padded(&names, widest))?;
        paragraphs(out, indent + 3, std::slice::from_ref(&explanation.evidence))?;
    }
    Ok(())
}
