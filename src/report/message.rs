//! Everything karat says about a case or one of its outputs, once and in order: what is wrong, where, how much, why if known,
//! and one command to type. The reports only lay it out.

use std::path::Path;

use super::commands::{Commands, quote, remove};
use crate::compare::mismatch::{are_both_nan, largest, measured, mismatch, tolerance};
use crate::compare::{Mismatch, Tolerance, Vacuous};
use crate::explain::Explanation;
use crate::run::{CaseOutcome, Gate, OutputOutcome, Problem, Verdict};
use crate::snapshot::Drift;
use crate::snapshot::moved_row;
use crate::text::name::sort_by_similarity;
use crate::text::number::{bytes, count, exact, percent, plural, shape};
use crate::text::safe::escape_line;

/// What holds a case that names no reference.
pub(super) const SNAPSHOT_ONLY: &str = "no reference, held by its snapshot alone";

/// What is said of a case as a whole, or of one of its outputs.
pub(super) struct Message<'a> {
    /// What decides whether it passes.
    pub(super) verdict: Verdict,
    /// The id of the case, or how many cases it is about.
    pub(super) case: String,
    /// The name of the output.
    pub(super) output: Option<&'a str>,
    /// The dtype and shape of the actual tensor.
    pub(super) kind: Option<String>,
    /// What is said, in the order in which it is read.
    pub(super) parts: Vec<Part<'a>>,
}

/// A part of a message.
pub(super) enum Part<'a> {
    /// Lines, without indentation or colour.
    Lines(Vec<String>),
    /// The lines of a snapshot that moved.
    Moved(&'a [Drift]),
    /// What the mismatch looks like, best first.
    Looks(&'a [Explanation]),
    /// The file that keeps the actual tensor.
    Kept(String),
    /// What to do.
    Next(Next),
}

/// The last line of a message: one command to type. A mismatch is never accepted by it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Next {
    /// What comes before the command, where something does.
    pub(super) first: Option<String>,
    /// What the command is for.
    pub(super) label: &'static str,
    /// The command.
    pub(super) command: String,
}

impl<'a> Message<'a> {
    fn new(verdict: Verdict, case: String) -> Message<'a> {
        Message { verdict, case, output: None, kind: None, parts: Vec::new() }
    }

    fn say(&mut self, lines: impl IntoIterator<Item = String>) {
        match self.parts.last_mut() {
            Some(Part::Lines(said)) => said.extend(lines),
            _ => self.parts.push(Part::Lines(lines.into_iter().collect())),
        }
    }

    /// The head of what is said of an output.
    pub(super) fn of_output(case: &CaseOutcome, output: &'a OutputOutcome) -> Message<'a> {
        let kind = output.summary.as_ref().map(|summary| format!("{} {}", summary.dtype, shape(&summary.shape)));
        Message { output: Some(&output.name), kind, ..Message::new(output.verdict, case.id.to_string()) }
    }
}

/// Everything about a case: its own problem, then every output, the ones that passed too.
pub(super) fn messages<'a>(commands: &Commands, gate: &Gate, case: &'a CaseOutcome) -> Vec<Message<'a>> {
    let whole = (!case.problems.is_empty() || case.outputs.is_empty()).then(|| whole(commands, gate, case, &[]));
    whole.into_iter().chain(case.outputs.iter().map(|output| of_output(commands, gate, case, output))).collect()
}

/// What is wrong with the case itself, and with others in the same words.
pub(super) fn whole<'a>(commands: &Commands, gate: &Gate, case: &CaseOutcome, alike: &[&CaseOutcome]) -> Message<'a> {
    let mut message = Message::new(case.verdict, case.id.to_string());
    message.say(case.problems.iter().flat_map(|of| said(commands, case, None, of).lines));
    if !alike.is_empty() {
        let others = plural(alike.len() as u64, "other case");
        message.say([format!("the same breaks {others}: {}", listed(alike.iter().map(|case| case.id.as_str())))]);
    }
    match case.problems.first() {
        None if case.verdict == Verdict::Unrecorded => message.say(unrecorded(None)),
        Some(Problem::Skipped { .. }) if gate.fails(case) => {
            let option = format!("--allow-skip={}", case.id);
            message.say([format!("in CI a skipped case fails unless it is allowed by name: {}", quote(&option))]);
        }
        _ => {}
    }
    message.parts.extend(next(commands, gate, case, None).map(Part::Next));
    message
}

/// That many cases have no accepted snapshot yet: some of them, and the one command.
pub(super) fn unrecorded_cases<'a>(commands: &Commands, gate: &Gate, cases: &[&CaseOutcome]) -> Message<'a> {
    let mut message = Message::new(Verdict::Unrecorded, plural(cases.len() as u64, "case"));
    let ids = listed(cases.iter().map(|case| case.id.as_str()));
    message.say([format!("within tolerance or without a reference, and no snapshot is accepted yet: {ids}")]);
    message.parts.push(Part::Next(review(commands, gate, None)));
    message
}

/// What is wrong with an output, or that nothing is.
fn of_output<'a>(commands: &Commands, gate: &Gate, case: &CaseOutcome, output: &'a OutputOutcome) -> Message<'a> {
    let OutputOutcome { verdict, problems, comparison, tolerance, drift, improved, explanations, .. } = output;
    let mut message = Message::of_output(case, output);
    message.say(problems.iter().flat_map(|of| said(commands, case, Some(output), of).lines));
    match verdict {
        Verdict::Drift => {
            message.say([drifted(output)]);
            message.parts.push(Part::Moved(drift));
        }
        Verdict::Unrecorded => message.say(unrecorded(Some(output))),
        _ => {}
    }
    match (comparison, verdict) {
        (_, Verdict::Unrecorded) => {}
        (Some(measured), Verdict::Pass) => message.say([largest(measured)]),
        (Some(measured), _) => message.say(self::measured(measured)),
        (None, Verdict::Pass) => message.say([SNAPSHOT_ONLY.into()]),
        (None, _) => {}
    }
    if let Some(measured) = comparison.as_ref().filter(|of| *verdict >= Verdict::Orphaned && of.outside > 0) {
        let allowed = count(tolerance.as_ref().map_or(0, |tolerance| tolerance.outliers));
        message.say([format!("{} outside tolerance; the case allows {allowed}", plural(measured.outside, "element"))]);
    }
    message.say(vacuous_in(output));
    message.say(alternatives(output));
    if !improved.is_empty() {
        message.say(["much closer than its accepted snapshot:".into()]);
        message.parts.push(Part::Moved(improved));
    }
    if !explanations.is_empty() && *verdict != Verdict::Pass {
        message.parts.push(Part::Looks(explanations));
    }
    message.parts.extend(output.kept.iter().map(|kept| Part::Kept(format!("actual kept in {}", commands.path(kept)))));
    message.parts.extend(next(commands, gate, case, Some(output)).map(Part::Next));
    message
}

/// What is said of a problem: in a word or two, in full, and what to do about it.
pub(super) struct Said {
    pub(super) brief: &'static str,
    pub(super) lines: Vec<String>,
    pub(super) next: Next,
}

/// What is said of a problem of a case, or of one of its outputs.
pub(super) fn said(commands: &Commands, case: &CaseOutcome, output: Option<&OutputOutcome>, problem: &Problem) -> Said {
    let id = case.id.as_str();
    let checkpoint = case.checkpoint.as_deref().unwrap_or("?");
    let name = output.map_or("?", |output| output.name.as_str());
    let file = |field: &str| commands.path(case.set_in(field));
    let of_output = |field: &str| file(&format!("{field}.{name}"));
    let again = |first: &str| again(commands, case, Some(first.to_owned()));
    let alone = || step("to run it alone", commands.run(Some(id)));
    let given = || step("to see what it was given", commands.show_case(id));
    let chained = || step("to see its chain", commands.chained());
    let (brief, text, next) = match problem {
        Problem::Error { text } => ("an error", commands.relative(text), again("correct it")),
        Problem::Missing { text } => {
            ("a tensor is not there", commands.relative(text), again("put it back, or correct its name"))
        }
        Problem::Panicked { text } => {
            ("the checkpoint panicked", format!("checkpoint {checkpoint} panicked: {text}"), given())
        }
        Problem::Failed { text } => {
            ("the checkpoint returned an error", format!("checkpoint {checkpoint} returned an error: {text}"), given())
        }
        Problem::Crashed { signal, printed } => {
            let what = format!("{signal} ended the process of checkpoint {checkpoint}{}", meaning(signal));
            ("its process crashed", what + &last(printed), alone())
        }
        Problem::Exited { status, printed } => {
            let what = format!("checkpoint {checkpoint} ended its process with status {status}");
            ("its process ended early", format!("{what}, and so returned nothing{}", last(printed)), alone())
        }
        Problem::TimedOut { limit, printed } => {
            let what = format!("it took longer than it may, which is {} s, and was ended", exact(limit.as_secs_f64()));
            let next = format!("correct it, or set \"timeout\" in {}", file("timeout"));
            ("it took too long", what + &last(printed), again(&next))
        }
        Problem::OutOfMemory { limit, printed } => {
            let what = match limit {
                Some(limit) => format!(", of which it may take {}", bytes(*limit)),
                None => ": the system had no more".into(),
            };
            let what = format!("it ran out of memory{what}{}", last(printed));
            ("it ran out of memory", what, again("correct it, or let it take more"))
        }
        Problem::Interrupted { signal } => {
            ("interrupted", format!("{signal} interrupted the run while this case ran"), alone())
        }
        Problem::UnknownCheckpoint { name, known } => {
            let known = match sort_by_similarity(name, known.iter().map(String::as_str)).join(", ").as_str() {
                "" => "no checkpoint is registered at all".to_owned(),
                nearest => format!("registered, nearest first: {nearest}"),
            };
            let what = format!("nobody registered a checkpoint {name:?}\n{known}");
            let next = format!("register it, or correct \"checkpoint\" in {}", file("checkpoint"));
            ("nobody registered the checkpoint", what, again(&next))
        }
        Problem::ExtraOutput { known } => {
            let what = format!("the checkpoint returned an output {name:?} that the case does not name");
            let next = format!("name it in {} or do not return it", of_output("outputs"));
            ("an output too many", format!("{what}; it names {}", names(known)), again(&next))
        }
        Problem::MissingOutput { returned } => {
            let what = format!("the checkpoint did not return the output {name:?}; it returned {}", names(returned));
            let next = format!("return it, or take it out of {}", of_output("outputs"));
            ("an output left out", what, again(&next))
        }
        Problem::Mismatch(of) => {
            let measured = output.and_then(|output| output.comparison.as_ref());
            let mut what = mismatch(of, measured, output.and_then(|output| output.tolerance.as_ref()));
            what.extend(output.and_then(|output| to_allow(of, case, output, commands)));
            let next = match of {
                Mismatch::Mask { .. } => again(&format!("correct the mask in {}", of_output("outputs"))),
                Mismatch::NoUlps { .. } => again(&format!("take \"max_ulps\" out of {}", of_output("tolerance"))),
                _ => step("to see it", commands.explain(id)),
            };
            (brief_mismatch(of), what.join("\n"), next)
        }
        Problem::NotRepeatable { repeat } => {
            let what = format!("repeat {repeat} returned other bits than the first, for the same inputs");
            let command = format!("{} --repeat {repeat}", commands.run(Some(id)));
            ("not repeatable", what, step("to see it again", command))
        }
        Problem::ChainedOutside { comparison, tolerance } => {
            let what = match comparison {
                Some(measured) => self::measured(measured).join("\n"),
                None => "what comes out has another structure".into(),
            };
            let limit = self::tolerance(tolerance);
            let what = format!("outside what \"chained\" allows: {limit}\nin its chain:\n{what}\non golden inputs:");
            ("outside tolerance in its chain", what, chained())
        }
        Problem::NotChained { why } => {
            let what = "the case has a tolerance for a chained run, and could not be followed to:";
            ("its chain has a hole", format!("{what}\n{why}"), chained())
        }
        Problem::Orphaned { snapshot } => {
            let snapshot = commands.path(snapshot);
            let what = format!(
                "no case has this output; its snapshot is {snapshot}\n\
                 if the case went by accident, restore it; if not, delete the snapshot"
            );
            ("a snapshot without a case", what, step("to delete it", remove(&snapshot)))
        }
        Problem::Skipped { reason } => {
            ("not run", reason.clone(), again(&format!("take \"skip\" out of {}", file("skip"))))
        }
    };
    Said { brief, lines: text.lines().map(escape_line).collect(), next }
}

/// The first line of what is wrong with an output, or with the case.
pub(super) fn first_line(commands: &Commands, case: &CaseOutcome, output: Option<&OutputOutcome>) -> Option<String> {
    let problems = output.map_or(&case.problems, |output| &output.problems);
    let said = match (problems.first(), output) {
        (Some(of), _) => said(commands, case, output, of).lines,
        (None, None) => Vec::new(),
        (None, Some(output)) => match (output.verdict, output.drift.first()) {
            (Verdict::Drift, Some(line)) => {
                let [quantity, stored, measured, _] = moved_row(line);
                let band = if line.band.is_empty() { String::new() } else { format!(" ({})", line.band) };
                vec![format!("{quantity}: {stored} became {measured}{band}")]
            }
            (Verdict::Pass, _) => vacuous_in(output),
            _ => unrecorded(Some(output)),
        },
    };
    said.into_iter().next()
}

/// What is not as in the reference, in a word or two.
pub(super) fn brief_mismatch(mismatch: &Mismatch) -> &'static str {
    match mismatch {
        Mismatch::Dtype { .. } => "another dtype",
        Mismatch::Shape { .. } => "another shape",
        Mismatch::Mask { .. } => "a mask that does not fit",
        Mismatch::Empty => "nothing to compare",
        Mismatch::NonFinite { .. } => "NaN or infinities differ",
        Mismatch::Outside { .. } => "outside tolerance",
        Mismatch::Ulps { .. } => "too many ulp apart",
        Mismatch::NoUlps { .. } => "no ulp to measure",
        Mismatch::RelRms { .. } => "rmse too large",
    }
}

/// The problem that decides the verdict: the first of its kind.
pub(super) fn deciding(verdict: Verdict, problems: &[Problem]) -> Option<&Problem> {
    problems.iter().find(|problem| problem.verdict() == verdict).or(problems.first())
}

/// What a signal says of the process that it ended, where it says something.
fn meaning(signal: &str) -> &'static str {
    match signal {
        "SIGABRT" => ": it aborted",
        "SIGBUS" => ": it used memory that is not there",
        "SIGFPE" => ": it divided an integer by zero, or the like",
        "SIGILL" => ": it ran an instruction that this processor does not have, or a trap",
        "SIGKILL" => ": something killed it; the system does where memory runs out",
        "SIGSEGV" => ": segmentation fault: it used memory that is not its own, or overflowed its stack",
        "SIGSYS" => ": a system call was forbidden",
        "SIGTERM" => ": something asked it to end",
        "SIGTRAP" => ": it ran into a trap",
        _ => "",
    }
}

/// The last that a process printed.
fn last(printed: &[String]) -> String {
    if printed.is_empty() { String::new() } else { format!("\nthe last that it printed:\n  {}", printed.join("\n  ")) }
}

fn names(names: &[String]) -> String {
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}

/// The first few of some names, and how many more there are.
pub(super) fn listed(names: impl IntoIterator<Item = impl Into<String>>) -> String {
    const LISTED: usize = 3;
    let mut names = names.into_iter().map(Into::into);
    let listed: Vec<String> = names.by_ref().take(LISTED).collect();
    match names.count() {
        0 => listed.join(", "),
        more => format!("{}, and {more} more", listed.join(", ")),
    }
}

/// What a case declares where that mismatch is meant.
fn to_allow(mismatch: &Mismatch, case: &CaseOutcome, output: &OutputOutcome, commands: &Commands) -> Option<String> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let (name, tensor) = (quoted(&output.name), quoted(output.reference.as_deref()?));
    let field = match mismatch {
        Mismatch::Dtype { actual, .. } => format!("\"cast\": \"{actual}\""),
        Mismatch::NonFinite { .. } if output.comparison.as_ref().is_some_and(are_both_nan) => {
            "\"nan\": \"match\"".into()
        }
        // Where a mask leaves everything out it is the mask that is wrong.
        Mismatch::Empty if output.summary.as_ref().is_some_and(|summary| summary.elements + summary.left_out == 0) => {
            "\"empty\": true".into()
        }
        _ => return None,
    };
    let suite = case.inherited.get(&format!("outputs.{}", output.name));
    let file = suite.map_or("case.json".to_owned(), |suite| commands.path(suite));
    Some(format!("to allow it, in {file}: \"outputs\": {{ {name}: {{ \"tensor\": {tensor}, {field} }} }}"))
}

/// What else would have passed the comparisons of an output.
pub(super) fn vacuous_in(output: &OutputOutcome) -> Vec<String> {
    let chained = output.chained_vacuous.map(|found| format!("in a chained run, {}", vacuous(found)));
    output.own_vacuous().map(vacuous).into_iter().chain(chained).collect()
}

/// The same of a case in a word or two, where something would.
pub(super) fn vacuous_in_case(case: &CaseOutcome) -> Option<String> {
    let own = case.outputs.iter().find_map(OutputOutcome::own_vacuous).map(|found| brief_vacuous(found).to_owned());
    let chained = || case.outputs.iter().find_map(|output| output.chained_vacuous);
    own.or_else(|| Some(format!("{} when chained", brief_vacuous(chained()?))))
}

/// What else would have passed a comparison.
pub(super) fn vacuous(found: Vacuous) -> String {
    let why = match found {
        Vacuous::Masked => "`where` leaves out every element",
        Vacuous::Anything => "every finite tensor of this shape and dtype passes",
        Vacuous::Zeros => "they pass too, though the reference is not 0 throughout",
        Vacuous::ZeroReference => "the reference is 0 throughout, and so is an output that was never written",
        Vacuous::NanReference => "the reference is NaN throughout, and NaN matches NaN",
    };
    format!("accuracy {}: {why}", brief_vacuous(found))
}

/// The same in a word or two.
pub(super) fn brief_vacuous(found: Vacuous) -> &'static str {
    match found {
        Vacuous::Masked | Vacuous::Anything => "cannot fail",
        Vacuous::Zeros | Vacuous::ZeroReference => "cannot fail on zeros",
        Vacuous::NanReference => "cannot fail on NaN",
    }
}

/// A tolerance as its formula, and what it asks or allows besides.
pub(super) fn limits(limit: &Tolerance) -> String {
    let Tolerance { atol: _, rtol: _, outliers, max_ulps, max_rel_rms } = limit;
    let outliers = (*outliers > 0).then(|| format!("{} allowed", plural(*outliers, "outlier")));
    let ulps = max_ulps.map(|ulps| format!("at most {} ulp", count(ulps)));
    let rel_rms = max_rel_rms.map(|share| format!("rmse at most {} of the reference's rms", exact(share)));
    let all = [Some(tolerance(limit)), outliers, ulps, rel_rms];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A case or output that has no accepted snapshot yet.
fn unrecorded(output: Option<&OutputOutcome>) -> Vec<String> {
    let measured = output.and_then(|output| output.comparison.as_ref());
    let (held, largest) = match measured {
        None => ("no reference", None),
        Some(measured) if measured.differing == 0 => ("no difference", None),
        Some(measured) => ("within tolerance", Some(largest(measured))),
    };
    [format!("{held}, and no snapshot is accepted yet")].into_iter().chain(largest).collect()
}

/// An output that is within tolerance, but not within its snapshot's band.
fn drifted(output: &OutputOutcome) -> String {
    let held = match output.comparison.as_ref().map(|measured| (measured.differing, measured.tolerance_used)) {
        None => "no reference".to_owned(),
        Some((0, _)) => "no difference".to_owned(),
        Some((_, used)) if used <= 1.0 => format!("within tolerance ({} used)", percent(used)),
        // More than all of it: by outliers that the case allows.
        Some(_) => "within tolerance".to_owned(),
    };
    format!("{held}, but {} left the snapshot's band:", plural(output.drift.len() as u64, "line"))
}

/// Which of several references the output was held against.
fn alternatives(output: &OutputOutcome) -> Option<String> {
    let reference = output.reference.as_ref().filter(|_| !output.alternatives.is_empty())?;
    let also = output.alternatives.join(" or ");
    Some(match output.verdict {
        Verdict::Mismatch => format!("that is from {reference}; the case accepts {also} as well, and it is none"),
        _ => format!("it is {reference}; the case accepts {also} as well"),
    })
}

/// What the failure looks like, if one explanation is convincing.
pub(super) fn looks_like(explanations: &[Explanation]) -> Option<String> {
    /// The share of a difference that an explanation has to remove to be told with the failure.
    const CONVINCING: f64 = 0.9;
    explanations.first().filter(|best| best.removes >= CONVINCING).map(looks)
}

/// One explanation in a line: a place is not told as a cause.
pub(super) fn looks(explanation: &Explanation) -> String {
    let what = if is_place(explanation) { "where" } else { "looks like" };
    format!("{what}: {}", explanation.evidence)
}

/// Whether an explanation says where elements are wrong, and not why.
fn is_place(explanation: &Explanation) -> bool {
    explanation.id.is_place() && explanation.with.iter().all(|id| id.is_place())
}

/// What explanations are headed with.
pub(super) const LOOKS_LIKE: &str = "looks like, and how much of the difference undoing it removes:";

/// That no hypothesis fits. Not all are tried of every pair: complex numbers have fewer.
pub(super) const NOTHING_FITS: &str = "nothing fits: no hypothesis for tensors of this kind explains it";

/// The names of each explanation and of those that hold at the same time, how good it is, and what speaks for it; those that
/// hold together once.
pub(super) fn together<'a>(explanations: &'a [Explanation]) -> Vec<(String, String, &'a str)> {
    let mut told: Vec<&Explanation> = Vec::new();
    for one in explanations {
        if !told.iter().any(|other| other.with.contains(&one.id) && one.with.contains(&other.id)) {
            told.push(one);
        }
    }
    let row = |one: &'a Explanation| {
        let names: Vec<&str> = [&one.id].into_iter().chain(&one.with).map(|id| id.word()).collect();
        let share = percent(one.removes);
        let good = if is_place(one) { format!("holds {share} of the difference") } else { format!("removes {share}") };
        (names.join(" + "), good, one.evidence.as_str())
    };
    told.into_iter().map(row).collect()
}

/// What to do about an output, or about a case as a whole; `None` where it passed, or where its outputs say what to do.
pub(super) fn next(
    commands: &Commands,
    gate: &Gate,
    case: &CaseOutcome,
    output: Option<&OutputOutcome>,
) -> Option<Next> {
    let (verdict, problems) = match output {
        Some(output) => (output.verdict, &output.problems),
        None => (case.verdict, &case.problems),
    };
    if let Some(of) = deciding(verdict, problems) {
        return Some(said(commands, case, output, of).next);
    }
    match output {
        None if !case.outputs.is_empty() => return None,
        Some(output) if gate.denies(case) && output.vacuous().is_some() => {
            return Some(substantiate(commands, case, output));
        }
        _ => {}
    }
    match verdict {
        Verdict::Drift | Verdict::Unrecorded => Some(review(commands, gate, Some(case.id.as_str()))),
        Verdict::Pass | Verdict::Skipped => None,
        Verdict::Mismatch => Some(step("to see it", look(commands, case, output))),
        Verdict::Broken | Verdict::Missing | Verdict::Orphaned => Some(again(commands, case, None)),
    }
}

/// What shows an output that was explained more closely: both tensors, or as much as there is of them.
pub(super) fn closer(commands: &Commands, case: &CaseOutcome, output: &OutputOutcome) -> Next {
    step("to see the numbers", look(commands, case, Some(output)))
}

/// The command that shows both tensors, or as much as there is of them.
fn look(commands: &Commands, case: &CaseOutcome, output: Option<&OutputOutcome>) -> String {
    let kept = output.and_then(|output| output.kept.as_deref()).map(|kept| commands.path(kept));
    let reference = output.and_then(|output| output.reference.as_deref());
    // Files alone do not say what a mask leaves out: their difference would be another.
    let is_masked = output.and_then(|output| output.comparison.as_ref()).is_some_and(|measured| measured.left_out > 0);
    match (kept, reference) {
        (Some(kept), Some(reference)) if !is_masked => {
            let folder = case.file.parent().unwrap_or(Path::new(""));
            commands.diff(&kept, &commands.path(&folder.join(reference)), output.and_then(own_tolerance))
        }
        (Some(kept), _) => commands.show(&kept),
        (None, _) => commands.show_case(case.id.as_str()),
    }
}

/// The tolerance of an output where it is not the one that files of its dtype are compared by anyway.
fn own_tolerance(output: &OutputOutcome) -> Option<&Tolerance> {
    let default = output.summary.as_ref().and_then(|summary| Tolerance::default_for(summary.dtype));
    let is_own = |own: &&Tolerance| default.is_none_or(|default| (own.atol, own.rtol) != (default.atol, default.rtol));
    output.tolerance.as_ref().filter(is_own)
}

/// What to do about what waits for a review: one case, or all.
pub(super) fn review(commands: &Commands, gate: &Gate, id: Option<&str>) -> Next {
    let from_the_run_on = || format!("{}; {}", commands.run(id), commands.review(id));
    match gate.ci {
        // CI writes no pending snapshot: there is nothing to review there.
        true => step("if it is intended, on your machine", from_the_run_on()),
        false if !commands.leaves_pending => step("if it is intended", from_the_run_on()),
        false => step("if it is intended", commands.review(id)),
    }
}

/// What to do about a comparison that is vacuous, where that fails.
fn substantiate(commands: &Commands, case: &CaseOutcome, output: &OutputOutcome) -> Next {
    let file = |field: &str| commands.path(case.set_in(&format!("{field}.{}", output.name)));
    let first = match output.vacuous() {
        Some(Vacuous::Masked) => format!("correct the mask in {}", file("outputs")),
        Some(Vacuous::ZeroReference | Vacuous::NanReference) => "make a reference of inputs that show more".to_owned(),
        _ if output.own_vacuous().is_some() => format!("narrow the tolerance in {}", file("tolerance")),
        _ => format!("narrow \"chained\" in {}", file("chained")),
    };
    again(commands, case, Some(first))
}

fn again(commands: &Commands, case: &CaseOutcome, first: Option<String>) -> Next {
    // What is wrong with a suite is told once, under the name of its file: every case below it is to run again.
    let selected = case.id.as_str().strip_suffix("suite.json").unwrap_or(case.id.as_str());
    Next { first, ..step("then", commands.run(Some(selected).filter(|text| !text.is_empty()))) }
}

fn step(label: &'static str, command: String) -> Next {
    Next { first: None, label, command }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_a_meaning_where_one_is_known() {
        assert!(meaning("SIGSEGV").starts_with(": segmentation fault"));
        assert_eq!(meaning("signal 1000"), "");
    }
}
