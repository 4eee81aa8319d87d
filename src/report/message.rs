//! The text of every message about a case or an output: what is wrong, where, how much, why if known, and one command to
//! type. The reports only lay it out.

use std::path::Path;

use super::commands::{Commands, quote, remove};
use crate::compare::mismatch::{
    are_both_nan, describe_differences, describe_largest, describe_mismatch, describe_tolerance,
};
use crate::compare::{Comparison, Mismatch, Tolerance, Vacuous};
use crate::explain::Explanation;
use crate::run::{CaseOutcome, Gate, OutputOutcome, Problem, Verdict};
use crate::snapshot::Drift;
use crate::snapshot::drift_row;
use crate::text::name::sort_by_similarity;
use crate::text::number::{bytes, count, exact, percent, plural, shape};
use crate::text::safe::escape_line;

/// Describes an output without a reference.
pub(super) const SNAPSHOT_ONLY: &str = "no reference, compared with its snapshot only";

/// A message about a case or one of its outputs.
pub(super) struct Message<'a> {
    /// The verdict of the case or output.
    pub(super) verdict: Verdict,
    /// The id of the case, or the number of cases.
    pub(super) case: String,
    /// The output.
    pub(super) output: Option<&'a OutputOutcome>,
    /// The content, in reading order.
    pub(super) parts: Vec<Part<'a>>,
}

/// A part of a message.
pub(super) enum Part<'a> {
    /// Lines without indentation or colour.
    Lines(Vec<String>),
    /// Lines of a snapshot that changed.
    SnapshotLines(&'a [Drift]),
    /// Explanations of the mismatch, best first.
    Explanations(&'a [Explanation]),
    /// Where the actual tensor was saved.
    SavedActual(String),
    /// What to do next.
    Next(Next),
}

/// The last line of a message: a command to type. It never accepts a mismatch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Next {
    /// What to do before the command, if anything.
    pub(super) first: Option<String>,
    /// What the command is for.
    pub(super) label: &'static str,
    /// The command.
    pub(super) command: String,
}

impl Next {
    fn new(label: &'static str, command: String) -> Next {
        Next { first: None, label, command }
    }
}

impl<'a> Message<'a> {
    pub(super) fn new(case: &CaseOutcome, output: Option<&'a OutputOutcome>) -> Message<'a> {
        let verdict = output.map_or(case.verdict, |output| output.verdict);
        Message { verdict, case: case.id.to_string(), output, parts: Vec::new() }
    }

    /// Returns the dtype and shape of the actual tensor.
    pub(super) fn kind(&self) -> Option<String> {
        let summary = self.output?.summary.as_ref()?;
        Some(format!("{} {}", summary.dtype, shape(&summary.shape)))
    }

    fn add(&mut self, lines: impl IntoIterator<Item = String>) {
        match self.parts.last_mut() {
            Some(Part::Lines(last)) => last.extend(lines),
            _ => self.parts.push(Part::Lines(lines.into_iter().collect())),
        }
    }
}

/// The text of a problem: in a few words, in full, and what to do about it.
pub(super) struct Description {
    pub(super) brief: &'static str,
    pub(super) lines: Vec<String>,
    pub(super) next: Next,
}

/// Writes the messages about a case.
#[derive(Clone, Copy)]
pub(super) struct Messages<'a> {
    pub(super) commands: &'a Commands,
    pub(super) gate: &'a Gate,
    pub(super) case: &'a CaseOutcome,
}

impl<'a> Messages<'a> {
    /// Describes the case in full: its own problems, then every output, including those that passed.
    pub(super) fn all(&self) -> Vec<Message<'a>> {
        let own = !self.case.problems.is_empty() || self.case.outputs.is_empty();
        let own = own.then(|| self.case_message(&[]));
        own.into_iter().chain(self.case.outputs.iter().map(|output| self.output_message(output))).collect()
    }

    /// Describes the problems of the case as a whole. `others` are cases with exactly the same problem.
    pub(super) fn case_message(&self, others: &[&CaseOutcome]) -> Message<'a> {
        let case = self.case;
        let mut message = Message::new(case, None);
        message.add(case.problems.iter().flat_map(|problem| self.describe(None, problem).lines));
        if !others.is_empty() {
            let (count, ids) = (plural(others.len() as u64, "other case"), others.iter().map(|case| case.id.as_str()));
            message.add([format!("the same error breaks {count}: {}", first_few(ids))]);
        }
        match case.problems.first() {
            None if case.verdict == Verdict::Unrecorded => message.add(unrecorded(None)),
            Some(Problem::Skipped { .. }) if self.gate.fails(case) => {
                let option = format!("--allow-skip={}", case.id);
                message.add([format!("in CI a skipped case fails unless it is allowed by name: {}", quote(&option))]);
            }
            _ => {}
        }
        message.parts.extend(self.next(None).map(Part::Next));
        message
    }

    /// Describes an output, including one that passed.
    fn output_message(&self, output: &'a OutputOutcome) -> Message<'a> {
        let OutputOutcome { verdict, problems, comparison, tolerance, drift, improved, explanations, .. } = output;
        let mut message = Message::new(self.case, Some(output));
        message.add(problems.iter().flat_map(|problem| self.describe(Some(output), problem).lines));
        if *verdict == Verdict::Drift {
            message.add([drift_line(output)]);
            message.parts.push(Part::SnapshotLines(drift));
        }
        match (verdict, comparison) {
            (Verdict::Unrecorded, _) => message.add(unrecorded(Some(output))),
            (Verdict::Pass, Some(comparison)) => message.add([describe_largest(comparison)]),
            (Verdict::Pass, None) => message.add([SNAPSHOT_ONLY.into()]),
            (_, comparison) => message.add(comparison.iter().flat_map(describe_differences)),
        }
        if let Some(comparison) = comparison
            && comparison.outside > 0
            && *verdict >= Verdict::Orphaned
        {
            let allowed = count(tolerance.as_ref().map_or(0, |tolerance| tolerance.outliers));
            let outside = plural(comparison.outside, "element");
            message.add([format!("{outside} outside tolerance; the case allows {allowed}")]);
        }
        message.add(vacuous_lines(output));
        message.add(alternatives(output));
        if !improved.is_empty() {
            message.add(["much closer than the accepted snapshot:".into()]);
            message.parts.push(Part::SnapshotLines(improved));
        }
        if !explanations.is_empty() && *verdict != Verdict::Pass {
            message.parts.push(Part::Explanations(explanations));
        }
        let saved = output.actual_file.iter().map(|file| format!("actual saved to {}", self.commands.path(file)));
        message.parts.extend(saved.map(Part::SavedActual));
        message.parts.extend(self.next(Some(output)).map(Part::Next));
        message
    }

    /// Describes a problem of a case, or of one of its outputs.
    pub(super) fn describe(&self, output: Option<&OutputOutcome>, problem: &Problem) -> Description {
        let Messages { commands, gate: _, case } = *self;
        let id = case.id.as_str();
        let checkpoint = case.checkpoint.as_deref().unwrap_or("?");
        let name = output.map_or("?", |output| output.name.as_str());
        let file = |field: &str| commands.path(case.set_in(field));
        let output_file = |field: &str| file(&format!("{field}.{name}"));
        let rerun = |first: &str| self.rerun(Some(first.to_owned()));
        let run_alone = || Next::new("to run it alone", commands.run(Some(id)));
        let show_inputs = || Next::new("to see its inputs", commands.show_case(id));
        let show_chain = || Next::new("to see its chain", commands.chained());
        let (brief, text, next) = match problem {
            Problem::Error { text } => ("error", commands.relative(text), rerun("fix it")),
            Problem::Missing { text } => {
                ("missing tensor", commands.relative(text), rerun("restore it, or correct its name"))
            }
            Problem::Panicked { text } => {
                ("checkpoint panicked", format!("checkpoint {checkpoint} panicked: {text}"), show_inputs())
            }
            Problem::Failed { text } => {
                let text = format!("checkpoint {checkpoint} returned an error: {text}");
                ("checkpoint returned an error", text, show_inputs())
            }
            Problem::Crashed { signal, printed } => {
                let text = format!("checkpoint {checkpoint} crashed with {signal}{}", signal_meaning(signal));
                ("process crashed", text + &last_output(printed), run_alone())
            }
            Problem::Exited { status, printed } => {
                let text =
                    format!("checkpoint {checkpoint} exited the process with status {status} before it returned");
                ("process exited early", text + &last_output(printed), run_alone())
            }
            Problem::TimedOut { limit, printed } => {
                let text = format!("timed out after {} s", exact(limit.as_secs_f64()));
                let next = format!("fix it, or set \"timeout\" in {}", file("timeout"));
                ("timed out", text + &last_output(printed), rerun(&next))
            }
            Problem::OutOfMemory { limit, printed } => {
                let text = match limit {
                    Some(limit) => format!("exceeded the memory limit ({})", bytes(*limit)),
                    None => "out of memory: the system had no more".into(),
                };
                ("out of memory", text + &last_output(printed), rerun("fix it, or give it more memory"))
            }
            Problem::Interrupted { signal } => {
                ("interrupted", format!("{signal} interrupted the run during this case"), run_alone())
            }
            Problem::UnknownCheckpoint { name, known } => {
                let known = match sort_by_similarity(name, known.iter().map(String::as_str)).join(", ").as_str() {
                    "" => "there are no registered checkpoints".to_owned(),
                    nearest => format!("registered, most similar first: {nearest}"),
                };
                let text = format!("no checkpoint {name:?} is registered\n{known}");
                let next = format!("register it, or correct \"checkpoint\" in {}", file("checkpoint"));
                ("unknown checkpoint", text, rerun(&next))
            }
            Problem::ExtraOutput { known } => {
                let text = format!("unexpected output {name:?}; the case names {}", join_names(known));
                let next = format!("add it to {}, or do not return it", output_file("outputs"));
                ("unexpected output", text, rerun(&next))
            }
            Problem::MissingOutput { returned } => {
                let text =
                    format!("the checkpoint did not return output {name:?}; it returned {}", join_names(returned));
                let next = format!("return it, or remove it from {}", output_file("outputs"));
                ("output not returned", text, rerun(&next))
            }
            Problem::Mismatch(kind) => {
                let comparison = output.and_then(|output| output.comparison.as_ref());
                let mut lines =
                    describe_mismatch(kind, comparison, output.and_then(|output| output.tolerance.as_ref()));
                lines.extend(output.and_then(|output| self.how_to_allow(kind, output)));
                let next = match kind {
                    Mismatch::Mask { .. } => rerun(&format!("correct the mask in {}", output_file("outputs"))),
                    Mismatch::NoUlps { .. } => rerun(&format!("remove \"max_ulps\" from {}", output_file("tolerance"))),
                    _ => Next::new("to see it", commands.explain(id)),
                };
                (brief_mismatch(kind), lines.join("\n"), next)
            }
            Problem::NotRepeatable { repeat } => {
                let text = format!("repeat {repeat} returned different bits than the first run, for the same inputs");
                let command = format!("{} --repeat {repeat}", commands.run(Some(id)));
                ("not repeatable", text, Next::new("to reproduce it", command))
            }
            Problem::ChainedOutside { comparison, tolerance } => {
                let difference = match comparison {
                    Some(comparison) => describe_differences(comparison).join("\n"),
                    None => "the dtype or shape is different".into(),
                };
                let limit = describe_tolerance(tolerance);
                let text = format!(
                    "outside the \"chained\" tolerance: {limit}\nin its chain:\n{difference}\non golden inputs:"
                );
                ("outside tolerance in its chain", text, show_chain())
            }
            Problem::NotChained { why } => {
                let text = format!("the case has a \"chained\" tolerance, but its chain has a hole:\n{why}");
                ("hole in its chain", text, show_chain())
            }
            Problem::Orphaned { snapshot } => {
                let snapshot = commands.path(snapshot);
                let text = format!(
                    "no case has this output; its snapshot is {snapshot}\n\
                     if the case was removed by mistake, restore it; otherwise delete the snapshot"
                );
                ("snapshot without a case", text, Next::new("to delete it", remove(&snapshot)))
            }
            Problem::Skipped { reason } => {
                ("not run", reason.clone(), rerun(&format!("remove \"skip\" from {}", file("skip"))))
            }
        };
        Description { brief, lines: text.lines().map(escape_line).collect(), next }
    }

    /// Returns the first line about an output, or about the case.
    pub(super) fn first_line(&self, output: Option<&OutputOutcome>) -> Option<String> {
        let problems = output.map_or(&self.case.problems, |output| &output.problems);
        let lines = match (problems.first(), output) {
            (Some(problem), _) => self.describe(output, problem).lines,
            (None, None) => Vec::new(),
            (None, Some(output)) => match (output.verdict, output.drift.first()) {
                (Verdict::Drift, Some(line)) => {
                    let [quantity, stored, measured, _] = drift_row(line);
                    let band = if line.band.is_empty() { String::new() } else { format!(" ({})", line.band) };
                    vec![format!("{quantity}: changed from {stored} to {measured}{band}")]
                }
                (Verdict::Pass, _) => vacuous_lines(output),
                _ => unrecorded(Some(output)),
            },
        };
        lines.into_iter().next()
    }

    /// Returns what to do about an output, or about a case as a whole. Returns `None` if it passed, or if the messages of its
    /// outputs tell what to do.
    pub(super) fn next(&self, output: Option<&OutputOutcome>) -> Option<Next> {
        let Messages { commands, gate, case } = *self;
        let (verdict, problems) = match output {
            Some(output) => (output.verdict, &output.problems),
            None => (case.verdict, &case.problems),
        };
        if let Some(problem) = deciding_problem(verdict, problems) {
            return Some(self.describe(output, problem).next);
        }
        match output {
            None if !case.outputs.is_empty() => return None,
            Some(output) if gate.denies(case) && output.vacuous().is_some() => {
                return Some(self.fix_vacuous(output));
            }
            _ => {}
        }
        match verdict {
            Verdict::Drift | Verdict::Unrecorded => Some(review(commands, gate, Some(case.id.as_str()))),
            Verdict::Pass | Verdict::Skipped => None,
            Verdict::Mismatch => Some(Next::new("to see it", self.show_command(output))),
            Verdict::Broken | Verdict::Missing | Verdict::Orphaned => Some(self.rerun(None)),
        }
    }

    /// Returns the step after an explanation: show both tensors, or as many of them as exist.
    pub(super) fn next_after_explain(&self, output: &OutputOutcome) -> Next {
        Next::new("to see the numbers", self.show_command(Some(output)))
    }

    /// Returns the command that shows both tensors, or as many of them as exist.
    fn show_command(&self, output: Option<&OutputOutcome>) -> String {
        let Messages { commands, gate: _, case } = *self;
        let actual = output.and_then(|output| output.actual_file.as_deref()).map(|file| commands.path(file));
        let reference = output.and_then(|output| output.reference.as_deref());
        // `diff` knows no mask, so it would show another difference.
        let comparison = output.and_then(|output| output.comparison.as_ref());
        let is_masked = comparison.is_some_and(|comparison| comparison.left_out > 0);
        match (actual, reference) {
            (Some(actual), Some(reference)) if !is_masked => {
                let folder = case.file.parent().unwrap_or(Path::new(""));
                commands.diff(&actual, &commands.path(&folder.join(reference)), output.and_then(own_tolerance))
            }
            (Some(actual), _) => commands.show(&actual),
            (None, _) => commands.show_case(case.id.as_str()),
        }
    }

    /// Returns what to write into the case if the mismatch is intended.
    fn how_to_allow(&self, mismatch: &Mismatch, output: &OutputOutcome) -> Option<String> {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let (name, tensor) = (quoted(&output.name), quoted(output.reference.as_deref()?));
        let field = match mismatch {
            Mismatch::Dtype { actual, .. } => format!("\"cast\": \"{actual}\""),
            Mismatch::NonFinite { .. } if output.comparison.as_ref().is_some_and(are_both_nan) => {
                "\"nan\": \"match\"".into()
            }
            // If a mask excludes every element, the mask is wrong.
            Mismatch::Empty
                if output.summary.as_ref().is_some_and(|summary| summary.elements + summary.left_out == 0) =>
            {
                "\"empty\": true".into()
            }
            _ => return None,
        };
        let suite = self.case.inherited.get(&format!("outputs.{}", output.name));
        let file = suite.map_or("case.json".to_owned(), |suite| self.commands.path(suite));
        Some(format!("to allow it, in {file}: \"outputs\": {{ {name}: {{ \"tensor\": {tensor}, {field} }} }}"))
    }

    /// Returns how to fix a vacuous comparison.
    fn fix_vacuous(&self, output: &OutputOutcome) -> Next {
        let file = |field: &str| self.commands.path(self.case.set_in(&format!("{field}.{}", output.name)));
        let first = match output.vacuous() {
            Some(Vacuous::Masked) => format!("correct the mask in {}", file("outputs")),
            Some(Vacuous::ZeroReference | Vacuous::NanReference) => "create a reference from other inputs".to_owned(),
            _ if output.own_vacuous().is_some() => format!("tighten the tolerance in {}", file("tolerance")),
            _ => format!("tighten \"chained\" in {}", file("chained")),
        };
        self.rerun(Some(first))
    }

    fn rerun(&self, first: Option<String>) -> Next {
        // An error in a suite is reported under the name of its file; every case below it must run again.
        let filter = self.case.id.as_str().strip_suffix("suite.json").unwrap_or(self.case.id.as_str());
        Next { first, ..Next::new("then", self.commands.run(Some(filter).filter(|text| !text.is_empty()))) }
    }
}

/// Describes several cases without an accepted snapshot at once.
pub(super) fn unrecorded_cases<'a>(commands: &Commands, gate: &Gate, cases: &[&CaseOutcome]) -> Message<'a> {
    let ids = first_few(cases.iter().map(|case| case.id.as_str()));
    let line = format!("within tolerance or without a reference, and no snapshot has been accepted yet: {ids}");
    let parts = vec![Part::Lines(vec![line]), Part::Next(review(commands, gate, None))];
    Message { verdict: Verdict::Unrecorded, case: plural(cases.len() as u64, "case"), output: None, parts }
}

/// Describes a mismatch in a few words.
pub(super) fn brief_mismatch(mismatch: &Mismatch) -> &'static str {
    match mismatch {
        Mismatch::Dtype { .. } => "different dtype",
        Mismatch::Shape { .. } => "different shape",
        Mismatch::Mask { .. } => "mask does not fit",
        Mismatch::Empty => "nothing to compare",
        Mismatch::NonFinite { .. } => "NaN or infinities differ",
        Mismatch::Outside { .. } => "outside tolerance",
        Mismatch::Ulps { .. } => "ulp difference too large",
        Mismatch::NoUlps { .. } => "no ulp difference",
        Mismatch::RelRms { .. } => "rmse too large",
    }
}

/// Returns the problem that decides the verdict: the first with that verdict.
pub(super) fn deciding_problem(verdict: Verdict, problems: &[Problem]) -> Option<&Problem> {
    problems.iter().find(|problem| problem.verdict() == verdict).or(problems.first())
}

/// Explains a signal, if it is a well-known one.
fn signal_meaning(signal: &str) -> &'static str {
    match signal {
        "SIGABRT" => ": aborted",
        "SIGBUS" => ": bus error, an access to memory that does not exist",
        "SIGFPE" => ": arithmetic error, such as an integer division by zero",
        "SIGILL" => ": illegal instruction, which this processor does not support, or a trap",
        "SIGKILL" => ": killed, possibly by the system because it ran out of memory",
        "SIGSEGV" => ": segmentation fault, an invalid memory access or a stack overflow",
        "SIGSYS" => ": forbidden system call",
        "SIGTERM" => ": asked to terminate",
        "SIGTRAP" => ": trap",
        _ => "",
    }
}

/// Returns the last lines that a process printed, if any.
fn last_output(printed: &[String]) -> String {
    if printed.is_empty() { String::new() } else { format!("\nlast output:\n  {}", printed.join("\n  ")) }
}

fn join_names(names: &[String]) -> String {
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}

/// Lists the first few names, and how many more there are.
pub(super) fn first_few(names: impl IntoIterator<Item = impl Into<String>>) -> String {
    const MAX: usize = 3;
    let mut names = names.into_iter().map(Into::into);
    let first = names.by_ref().take(MAX).collect::<Vec<String>>().join(", ");
    match names.count() {
        0 => first,
        more => format!("{first}, and {more} more"),
    }
}

/// Describes the vacuous comparisons of an output.
pub(super) fn vacuous_lines(output: &OutputOutcome) -> Vec<String> {
    let chained = output.chained_vacuous.map(|kind| format!("in a chained run, {}", vacuous(kind)));
    output.own_vacuous().map(vacuous).into_iter().chain(chained).collect()
}

/// Describes the first vacuous comparison of a case in a few words.
pub(super) fn brief_vacuous_in(case: &CaseOutcome) -> Option<String> {
    let own = case.outputs.iter().find_map(OutputOutcome::own_vacuous).map(|kind| brief_vacuous(kind).to_owned());
    let chained = || case.outputs.iter().find_map(|output| output.chained_vacuous);
    own.or_else(|| Some(format!("{} when chained", brief_vacuous(chained()?))))
}

/// Describes a vacuous comparison.
pub(super) fn vacuous(kind: Vacuous) -> String {
    let why = match kind {
        Vacuous::Masked => "`where` excludes every element",
        Vacuous::Anything => "every finite tensor of this shape and dtype passes",
        Vacuous::Zeros => "all zeros would pass too, although the reference is not all zeros",
        Vacuous::ZeroReference => "the reference is all zeros, and so is an output that was never written",
        Vacuous::NanReference => "the reference is all NaN, and NaN matches NaN",
    };
    format!("accuracy {}: {why}", brief_vacuous(kind))
}

/// Describes a vacuous comparison in a few words.
pub(super) fn brief_vacuous(kind: Vacuous) -> &'static str {
    match kind {
        Vacuous::Masked | Vacuous::Anything => "cannot fail",
        Vacuous::Zeros | Vacuous::ZeroReference => "cannot fail on zeros",
        Vacuous::NanReference => "cannot fail on NaN",
    }
}

/// Formats a tolerance: its formula and its other limits.
pub(super) fn limits(limit: &Tolerance) -> String {
    let Tolerance { atol: _, rtol: _, outliers, max_ulps, max_rel_rms } = limit;
    let outliers = (*outliers > 0).then(|| format!("{} allowed", plural(*outliers, "outlier")));
    let ulps = max_ulps.map(|ulps| format!("at most {} ulp", count(ulps)));
    let rel_rms = max_rel_rms.map(|share| format!("rmse at most {} of the reference's rms", exact(share)));
    let all = [Some(describe_tolerance(limit)), outliers, ulps, rel_rms];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Describes a case or output without an accepted snapshot.
fn unrecorded(output: Option<&OutputOutcome>) -> Vec<String> {
    let (accuracy, largest) = match output.and_then(|output| output.comparison.as_ref()) {
        None => ("no reference", None),
        Some(comparison) if comparison.differing == 0 => ("no difference", None),
        Some(comparison) => ("within tolerance", Some(describe_largest(comparison))),
    };
    [format!("{accuracy}, and no snapshot has been accepted yet")].into_iter().chain(largest).collect()
}

/// Describes an output within tolerance, but outside its snapshot's band.
fn drift_line(output: &OutputOutcome) -> String {
    let accuracy = match &output.comparison {
        None => "no reference".to_owned(),
        Some(comparison) if comparison.differing == 0 => "no difference".to_owned(),
        Some(Comparison { tolerance_used, .. }) if *tolerance_used <= 1.0 => {
            format!("within tolerance ({} used)", percent(*tolerance_used))
        }
        // Outliers that the case allows use more than all of the tolerance.
        Some(_) => "within tolerance".to_owned(),
    };
    format!("{accuracy}, but {} left the snapshot's band:", plural(output.drift.len() as u64, "line"))
}

/// Tells which of several references the output was compared with.
fn alternatives(output: &OutputOutcome) -> Option<String> {
    let reference = output.reference.as_ref().filter(|_| !output.alternatives.is_empty())?;
    let others = output.alternatives.join(" or ");
    Some(match output.verdict {
        Verdict::Mismatch => format!("compared with {reference}; the case also accepts {others}, without a match"),
        _ => format!("matches {reference}; the case also accepts {others}"),
    })
}

/// Returns the best explanation, if it is convincing.
pub(super) fn convincing_explanation(explanations: &[Explanation]) -> Option<String> {
    /// The share of a difference that an explanation must remove to appear in the message of a failure.
    const CONVINCING: f64 = 0.9;
    explanations.first().filter(|best| best.removes >= CONVINCING).map(explanation_line)
}

/// Formats one explanation as a line. A location is not presented as a cause.
pub(super) fn explanation_line(explanation: &Explanation) -> String {
    let label = if is_location(explanation) { "where" } else { "looks like" };
    format!("{label}: {}", explanation.evidence)
}

/// Whether an explanation only tells where elements are wrong, not why.
fn is_location(explanation: &Explanation) -> bool {
    explanation.id.is_location() && explanation.with.iter().all(|id| id.is_location())
}

/// The heading of a list of explanations.
pub(super) const LOOKS_LIKE: &str = "looks like, and how much of the difference undoing it removes:";

/// Tells that no hypothesis fits. Some hypotheses do not apply to all tensors, such as complex ones.
pub(super) const NOTHING_FITS: &str = "nothing fits: no hypothesis for tensors of this kind explains it";

/// Returns the names, the quality and the evidence of each explanation. Explanations that hold together share one row.
pub(super) fn group_explanations<'a>(explanations: &'a [Explanation]) -> Vec<(String, String, &'a str)> {
    let mut groups: Vec<&'a Explanation> = Vec::new();
    for one in explanations {
        if !groups.iter().any(|other| other.with.contains(&one.id) && one.with.contains(&other.id)) {
            groups.push(one);
        }
    }
    let row = |one: &'a Explanation| {
        let names: Vec<&str> = [&one.id].into_iter().chain(&one.with).map(|id| id.word()).collect();
        let share = percent(one.removes);
        let quality =
            if is_location(one) { format!("holds {share} of the difference") } else { format!("removes {share}") };
        (names.join(" + "), quality, one.evidence.as_str())
    };
    groups.into_iter().map(row).collect()
}

/// Returns the tolerance of an output, unless it is the default of its dtype.
fn own_tolerance(output: &OutputOutcome) -> Option<&Tolerance> {
    let default = output.summary.as_ref().and_then(|summary| Tolerance::default_for(summary.dtype));
    let is_own = |own: &&Tolerance| default.is_none_or(|default| (own.atol, own.rtol) != (default.atol, default.rtol));
    output.tolerance.as_ref().filter(is_own)
}

/// Returns how to review pending snapshots: those of one case, or all.
pub(super) fn review(commands: &Commands, gate: &Gate, id: Option<&str>) -> Next {
    let run_and_review = || format!("{}; {}", commands.run(id), commands.review(id));
    match gate.ci {
        // CI writes no pending snapshots, so there is nothing to review there.
        true => Next::new("if it is intended, on your machine", run_and_review()),
        false if !commands.leaves_pending => Next::new("if it is intended", run_and_review()),
        false => Next::new("if it is intended", commands.review(id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_signals_are_explained() {
        assert!(signal_meaning("SIGSEGV").starts_with(": segmentation fault"));
        assert_eq!(signal_meaning("signal 1000"), "");
    }
}
