//! Judging outputs: against the reference by the tolerance, then against the snapshot by its band.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::chain::Difference;
use super::checkpoint::Inputs;
use super::outcome::{OutputOutcome, Problem, Verdict};
use super::session::{Ask, Session};
use crate::case::{Address, Case, CaseId, Output, sha256};
use crate::compare::{
    Comparison, Form, LARGE, Measurement, Mismatch, Pair, Picture, Rules, Summary, Tolerance, Vacuous, check_structure,
    measure, summarize, vacuous,
};
use crate::error::{Error, Result};
use crate::explain::{Explanation, Other, Question, explain};
use crate::fs::link_below;
use crate::snapshot::{Facts, Recorded};
use crate::tensor::{Containers, DType, Header, Kind, Tensor, inspect, may_exceed, read_tensor, write_npy};
use crate::text::check_name;

/// A case that ran, and what decides about its outputs.
pub(super) struct Judge<'a> {
    pub(super) session: &'a Session,
    pub(super) ask: Ask,
    pub(super) case: &'a Case,
    pub(super) inputs: &'a Inputs,
    pub(super) digests: &'a BTreeMap<String, String>,
    /// What the checkpoint returned.
    pub(super) actuals: &'a BTreeMap<String, Tensor>,
    pub(super) unstable: &'a BTreeMap<String, usize>,
}

impl Judge<'_> {
    /// Judges every output that the case names, that the checkpoint returned, or that has a snapshot.
    pub(super) fn all(&self) -> Vec<OutputOutcome> {
        let Judge { case, actuals, unstable, .. } = *self;
        let gate = self.session.drift_gate(self.ask);
        let mut names: BTreeSet<String> =
            case.outputs.keys().chain(actuals.keys()).chain(unstable.keys()).cloned().collect();
        if let Some(recorder) = gate {
            // Where the folder cannot be read, recording says so for every output.
            let recorded = self.session.recorded(&case.id).unwrap_or_default();
            names.extend(recorded.into_iter().filter(|name| {
                let is_known = case.outputs.contains_key(name) || actuals.contains_key(name);
                is_known || recorder.owns(&case.id, name)
            }));
        }
        let judge = |name: String| {
            let is_snapshot_only = case.outputs.is_empty();
            let mut outcome = match (case.outputs.get(&name), actuals.get(&name)) {
                (None, Some(_)) if !is_snapshot_only => {
                    let known = case.outputs.keys().cloned().collect();
                    self.stop(OutputOutcome::new(&name), Problem::ExtraOutput { known })
                }
                (output, Some(actual)) => self.hold(&name, output, actual),
                (_, None) if unstable.contains_key(&name) => self.settle(OutputOutcome::new(&name)),
                (None, None) if !is_snapshot_only => {
                    let recorder = gate.filter(|recorder| !recorder.leaves_orphans())?;
                    let file = case.id.below(recorder.snapshots()).join(format!("{name}.snap"));
                    return Some(OutputOutcome::orphaned(name, file));
                }
                (_, None) => {
                    let returned = actuals.keys().cloned().collect();
                    self.stop(OutputOutcome::new(&name), Problem::LeftOut { returned })
                }
            };
            if outcome.reference.is_none() {
                outcome.reference = case.outputs.get(&name).map(|output| output.address.text.clone());
            }
            if let Some(actual) = actuals.get(&name) {
                self.keep(&mut outcome, actual);
            }
            Some(outcome)
        };
        names.into_iter().filter_map(judge).collect()
    }

    /// Judges one output; without a reference its snapshot alone holds it.
    fn hold(&self, name: &str, output: Option<&Output>, actual: &Tensor) -> OutputOutcome {
        let mut outcome = OutputOutcome::new(name);
        let found = output.map(|output| Reference::find(self.case, name, output, actual)).transpose();
        let reference = match found {
            Ok(None) => None,
            Ok(Some(Ok(reference))) => Some(reference),
            Ok(Some(Err(Misfit { mismatch, tolerance, chained: _ }))) => {
                outcome.tolerance = Some(tolerance);
                outcome.summary = Some(summarize(actual, None));
                return self.stop(outcome, Problem::Mismatch(mismatch));
            }
            Err(error) => {
                outcome.summary = Some(summarize(actual, None));
                return self.stop(outcome, Problem::from_error("", &error));
            }
        };
        let mut closest = 0;
        if let (Some(output), Some(reference)) = (output, &reference) {
            let (held, found) = reference.hold(actual);
            closest = held;
            outcome.tolerance = Some(reference.declared.rules.tolerance);
            outcome.alternatives =
                [&output.address].into_iter().chain(&output.alternatives).map(|address| address.text.clone()).collect();
            outcome.reference = Some(outcome.alternatives.remove(held));
            match found.comparison {
                // A mask that does not fit cannot say what to summarise.
                Err(mismatch) => outcome.problems.push(Problem::Mismatch(mismatch)),
                Ok(comparison) => {
                    outcome.problems = comparison.mismatches.iter().cloned().map(Problem::Mismatch).collect();
                    outcome.comparison = Some(comparison);
                    outcome.summary = Some(found.actual);
                }
            }
            if outcome.problems.is_empty() {
                // As with a comparison, only what passes can be vacuous.
                outcome.chained_vacuous = reference.declared.chained.and_then(|chained| reference.vacuous(chained));
            } else if self.session.options.explain {
                outcome.explanations = self.explain(name, reference, actual);
            }
        }
        outcome.summary.get_or_insert_with(|| summarize(actual, None));
        let mut outcome = match outcome.problems.is_empty() && !self.unstable.contains_key(name) {
            true => self.record(outcome, reference.as_ref()),
            false => self.settle(outcome),
        };
        if let Some(reference) = reference.filter(|_| self.session.options.pictures.wants(outcome.verdict)) {
            outcome.picture = reference.picture(closest, actual);
        }
        outcome
    }

    /// Asks why an output is not its reference.
    fn explain(&self, name: &str, reference: &Reference, actual: &Tensor) -> Vec<Explanation> {
        // A reference that cannot be read is reported where that output is judged.
        let others = self.case.outputs.iter().filter(|(other, _)| *other != name);
        let others: Vec<(&String, Tensor)> = others
            .filter_map(|(other, output)| {
                Some((other, read_tensor(&output.address.path, output.address.member.as_deref(), output.dtype).ok()?))
            })
            .collect();
        explain(&Question {
            pair: Pair { actual, reference: &reference.tensor, mask: reference.mask.as_ref() },
            inputs: self.inputs.tensors().collect(),
            others: others
                .iter()
                .map(|(name, reference)| Other { name, actual: self.actuals.get(*name), reference })
                .collect(),
            params: self.case.params.iter().map(|(name, value)| (name.as_str(), value)).collect(),
            checkpoint: Some(&self.case.checkpoint),
        })
    }

    /// Holds an output that is close to its reference against its snapshot.
    fn record(&self, mut outcome: OutputOutcome, reference: Option<&Reference>) -> OutputOutcome {
        let gate = self.session.drift_gate(self.ask);
        let Some(recorder) = gate.or(self.session.past(self.ask)) else { return outcome };
        let summary = outcome.summary.as_ref().expect("an output that is recorded was summarised");
        let declared = facts(self.case, self.digests, reference.map(|reference| &reference.declared), summary);
        let facts = Facts { comparison: outcome.comparison.as_ref(), ..declared };
        match recorder.record_with(self.session.shelf(), &self.case.id, &outcome.name, &facts) {
            Ok(Recorded::Drift(lines)) => {
                outcome.verdict = Verdict::Drift;
                outcome.drift = lines;
            }
            // Where drift is no gate, only what moved is reported.
            _ if gate.is_none() => {}
            Ok(Recorded::Pass) => {}
            Ok(Recorded::Improved(lines)) => outcome.improved = lines,
            Ok(Recorded::Unrecorded) => outcome.verdict = Verdict::Unrecorded,
            Err(error) => outcome.add(Problem::from_error("", &error)),
        }
        outcome
    }

    /// Ends with that problem.
    fn stop(&self, mut outcome: OutputOutcome, problem: Problem) -> OutputOutcome {
        outcome.problems.push(problem);
        self.settle(outcome)
    }

    /// Takes the worst verdict of the problems; the snapshot counts as referenced all the same.
    fn settle(&self, mut outcome: OutputOutcome) -> OutputOutcome {
        if let Some(&repeat) = self.unstable.get(&outcome.name) {
            outcome.problems.push(Problem::NotRepeatable { repeat });
        }
        let gate = self.session.drift_gate(self.ask);
        if let Some(Err(error)) = gate.map(|recorder| recorder.touch(&self.case.id, &outcome.name)) {
            outcome.problems.push(Problem::from_error("", &error));
        }
        outcome.verdict = outcome.problems.iter().map(Problem::verdict).min().unwrap_or(Verdict::Pass);
        outcome
    }

    /// Keeps the actual tensor of an output that did not pass, and removes what an earlier run kept of one that did.
    fn keep(&self, outcome: &mut OutputOutcome, actual: &Tensor) {
        // The output of a snapshot-only case may have any name; one that is no file name was refused when it was recorded.
        if self.ask.aside || check_name(&outcome.name).is_err() {
            return;
        }
        let (keep, id) = (&self.session.keep, &self.case.id);
        if outcome.verdict != Verdict::Pass {
            return keep_actual(keep, id, outcome, actual);
        }
        // Nothing to remove is the usual case, and a stale copy harms nobody.
        let path = kept(keep, id, &outcome.name);
        if self.session.has_kept && unlink(keep, &path).is_ok() {
            std::fs::remove_file(path).ok();
        }
    }
}

/// Keeps an actual tensor below that folder.
pub(super) fn keep_actual(keep: &Path, id: &CaseId, outcome: &mut OutputOutcome, actual: &Tensor) {
    let path = kept(keep, id, &outcome.name);
    match unlink(keep, &path).and_then(|()| write_npy(&path, actual)) {
        Ok(()) => outcome.kept = Some(path),
        Err(error) => outcome.add(Problem::Error { text: format!("the actual tensor could not be kept: {error}") }),
    }
}

/// Removes a link on the way from cargo's target folder to what is kept: what lies there is karat's own.
pub(super) fn unlink(keep: &Path, path: &Path) -> Result<()> {
    match link_below(keep.parent().unwrap_or(keep), path) {
        Some(link) => std::fs::remove_file(&link).map_err(|error| Error::write(&link, error)),
        None => Ok(()),
    }
}

/// Where the actual tensor of an output is kept.
fn kept(keep: &Path, id: &CaseId, output: &str) -> PathBuf {
    id.below(keep).join(format!("{output}.npy"))
}

/// The tensors that an output is held against, and what a snapshot holds of them.
pub(crate) struct Reference {
    pub(crate) tensor: Tensor,
    /// The references that the output may equal instead.
    alternatives: Vec<Tensor>,
    pub(crate) mask: Option<Tensor>,
    pub(crate) declared: Declared,
}

/// What a case declares of an output: its reference by digests, and how much may differ.
pub(crate) struct Declared {
    pub(crate) digest: String,
    alternatives: Vec<String>,
    mask: Option<String>,
    pub(crate) rules: Rules,
    pub(crate) chained: Option<Tolerance>,
}

/// A reference that was not read: its header alone shows a mismatch, and it is large and of another number of elements, so
/// that its elements would explain nothing.
struct Misfit {
    mismatch: Mismatch,
    tolerance: Tolerance,
    chained: Option<Tolerance>,
}

impl Reference {
    /// Reads the reference and the mask of an output, unless their headers show that there is no point in it.
    fn find(case: &Case, name: &str, output: &Output, actual: &Tensor) -> Result<Result<Reference, Misfit>> {
        if let Some((mismatch, dtype)) = misfit(output, actual)? {
            let tolerance = tolerance(case, name, output, dtype)?;
            return Ok(Err(Misfit { mismatch, tolerance, chained: output.chained_tolerance(dtype) }));
        }
        let mut files = Containers::default();
        let read = |address: &Address, dtype| files.at(&address.path)?.read(address.member.as_deref(), dtype);
        Reference::read(case, name, output, read).map(Ok)
    }

    /// Reads the reference and the mask of an output, and settles the rules.
    pub(crate) fn read(
        case: &Case,
        name: &str,
        output: &Output,
        mut read: impl FnMut(&Address, Option<DType>) -> Result<Tensor>,
    ) -> Result<Reference> {
        let tensor = read(&output.address, output.dtype)?;
        let alternatives = output.alternatives.iter().map(|address| read(address, output.dtype));
        let alternatives = alternatives.collect::<Result<Vec<Tensor>>>()?;
        let rules = rules(output, tolerance(case, name, output, tensor.dtype())?);
        let mask = output.mask.as_ref().map(|address| read(address, None)).transpose()?;
        let declared = Declared {
            digest: sha256(&tensor),
            alternatives: alternatives.iter().map(sha256).collect(),
            mask: mask.as_ref().map(sha256),
            rules,
            chained: output.chained_tolerance(tensor.dtype()),
        };
        Ok(Reference { tensor, alternatives, mask, declared })
    }

    fn all(&self) -> impl Iterator<Item = &Tensor> {
        [&self.tensor].into_iter().chain(&self.alternatives)
    }

    /// Measures against the first of all references that the tensor is close to, or else against the first; and which it is.
    fn hold(&self, actual: &Tensor) -> (usize, Measurement) {
        let measure = |reference: &Tensor| {
            let measured = measure(actual, reference, self.mask.as_ref(), &self.declared.rules, usize::MAX);
            measured.expect("tensors have their elements in memory")
        };
        let is_close = |found: &Measurement| found.comparison.as_ref().is_ok_and(Comparison::is_close);
        let mut measured = self.all().map(measure).enumerate();
        let first = measured.next().expect("there is a reference");
        if is_close(&first.1) { first } else { measured.find(|(_, found)| is_close(found)).unwrap_or(first) }
    }

    /// What else would pass by that tolerance.
    pub(crate) fn vacuous(&self, tolerance: Tolerance) -> Option<Vacuous> {
        let rules = self.declared.rules.with_tolerance(tolerance);
        vacuous(&self.tensor, self.mask.as_ref(), &rules).expect("a tensor has its elements in memory")
    }

    /// Where an actual tensor differs from that one of all references.
    fn picture(&self, held: usize, actual: &Tensor) -> Option<Picture> {
        let reference = self.all().nth(held)?;
        Picture::of(Pair { actual, reference, mask: self.mask.as_ref() }, &self.declared.rules)
    }
}

/// Why no reference of an output fits the actual tensor, and the dtype of the first, where the headers tell and the first is
/// large and of another number of elements.
fn misfit(output: &Output, actual: &Tensor) -> Result<Option<(Mismatch, DType)>> {
    let (actual, rules) = (Form::of(actual), rules(output, Tolerance::EXACT));
    let is_odd = |form: Form<'_>| form.bytes() > LARGE && form.len() != actual.len();
    let look = |address: &Address, dtype| {
        may_exceed(&address.path, LARGE).then(|| inspect(&address.path, address.member.as_deref(), dtype)).transpose()
    };
    if let Some(mask) = output.mask.as_ref().map(|mask| look(mask, None)).transpose()?.flatten()
        && is_odd(form(&mask))
    {
        let Output { address, dtype, .. } = output;
        let reference = inspect(&address.path, address.member.as_deref(), *dtype)?;
        let mismatch = check_structure(actual, form(&reference), Some(form(&mask)), &rules).err();
        return Ok(mismatch.map(|mismatch| (mismatch, reference.dtype)));
    }
    let mut found = None;
    for address in [&output.address].into_iter().chain(&output.alternatives) {
        let Some(header) = look(address, output.dtype)? else { return Ok(None) };
        match check_structure(actual, form(&header), None, &rules) {
            Err(mismatch) if is_odd(form(&header)) => found.get_or_insert((mismatch, header.dtype)),
            _ => return Ok(None),
        };
    }
    Ok(found)
}

fn form(header: &Header) -> Form<'_> {
    Form { dtype: header.dtype, shape: &header.shape }
}

/// The tolerance of an output with a reference of that dtype, where what the case says of it fits.
fn tolerance(case: &Case, name: &str, output: &Output, dtype: DType) -> Result<Tolerance> {
    let wrong = |field: &str, what: String| {
        let field = format!("{field}.{name}");
        Error::Case { path: case.set_in(&field).to_path_buf(), what: format!("{field}{what}") }
    };
    if !output.alternatives.is_empty() && dtype.kind() != Kind::Integer {
        return Err(wrong("outputs", format!(".or: is for integers, such as tokens; {dtype} has a tolerance")));
    }
    let none = || wrong("tolerance", format!(": {dtype} has no default tolerance; give atol and rtol"));
    output.tolerance(dtype).ok_or_else(none)
}

fn rules(output: &Output, tolerance: Tolerance) -> Rules {
    let mut rules = Rules::new(tolerance);
    (rules.nan, rules.cast, rules.empty) = (output.nan, output.cast, output.empty);
    rules
}

/// What a snapshot holds of an output, but for what was measured against its reference.
pub(crate) fn facts<'a>(
    case: &'a Case,
    digests: &'a BTreeMap<String, String>,
    declared: Option<&'a Declared>,
    summary: &'a Summary,
) -> Facts<'a> {
    Facts {
        checkpoint: &case.checkpoint,
        params: &case.params,
        inputs: digests,
        reference: declared.map(|declared| declared.digest.as_str()),
        alternatives: declared.map_or(&[], |declared| &declared.alternatives),
        mask: declared.and_then(|declared| declared.mask.as_deref()),
        rules: declared.map(|declared| &declared.rules),
        chained: declared.and_then(|declared| declared.chained.as_ref()),
        summary,
        comparison: None,
    }
}

/// Holds an output of a chained run against its reference, by the tolerance for a chained run, or that of the isolated one
/// where there is none: how far it is, what is wrong where there is one, and the sha256 of the reference if it was read.
pub(super) fn chained(
    case: &Case,
    name: &str,
    output: &Output,
    actual: &Tensor,
) -> Result<(Difference, Option<Problem>, Option<String>)> {
    let mut reference = match Reference::find(case, name, output, actual)? {
        Ok(reference) => reference,
        Err(Misfit { chained, .. }) => {
            let outside = chained.map(|tolerance| Problem::ChainedOutside { comparison: None, tolerance });
            return Ok((Difference::of(None), outside, None));
        }
    };
    let Declared { rules, chained, digest, .. } = &mut reference.declared;
    let (chained, digest) = (*chained, std::mem::take(digest));
    rules.tolerance = chained.unwrap_or(rules.tolerance);
    let comparison = reference.hold(actual).1.comparison.ok();
    let difference = Difference::of(comparison.as_ref());
    let outside = chained.filter(|_| !difference.is_close);
    let problem = outside.map(|tolerance| Problem::ChainedOutside { comparison: comparison.map(Box::new), tolerance });
    Ok((difference, problem, Some(digest)))
}
