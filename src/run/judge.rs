//! Judging outputs: against the reference by the tolerance, then against the snapshot by its band.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::checkpoint::Inputs;
use super::execute::read;
use super::options::Pictures;
use super::outcome::{OutputOutcome, Problem, Verdict};
use super::survey::Survey;
use crate::case::{Address, Case, CaseId, Output, sha256};
use crate::compare::{
    Comparison, Form, LARGE, Measurement, Mismatch, Pair, Picture, Rules, Summary, Tolerance, Vacuous, check_structure,
    measure, summarize, vacuous,
};
use crate::error::{Error, Result};
use crate::explain::explanation::{Explain, Explanation};
use crate::explain::question::{Other, Question};
use crate::fs::link_below;
use crate::snapshot::{Facts, Recorded, Recorder};
use crate::tensor::{Containers, Header, inspect, inspect_large, write_npy};
use crate::tensor::{DType, Kind, Tensor};
use crate::text::check_name;

/// What judging the outputs of a case needs besides the outputs.
pub(crate) struct Held<'a> {
    pub(crate) case: &'a Case,
    pub(crate) inputs: &'a Inputs,
    pub(crate) digests: &'a BTreeMap<String, String>,
    pub(crate) unstable: &'a BTreeMap<String, usize>,
    /// `None` where accuracy alone is a gate.
    pub(crate) recorder: Option<&'a Recorder>,
    /// Where accuracy alone is a gate and drift is told all the same.
    pub(crate) past: Option<&'a Recorder>,
    pub(crate) survey: &'a Survey,
    /// Where actual tensors of outputs that did not pass are kept, where they are.
    pub(crate) keep: Option<&'a Path>,
    /// What finds the reason of a mismatch.
    pub(crate) explain: Option<Explain>,
    /// Of which outputs there is a picture.
    pub(crate) pictures: Pictures,
}

/// What was found of a reference before its elements were read.
enum Found {
    Whole(Box<Reference>),
    /// Its structure alone is a mismatch, and it has so many elements more or fewer that nothing would be learned from them.
    Misfit {
        mismatch: Mismatch,
        tolerance: Tolerance,
        chained: Option<Tolerance>,
    },
}

/// A reference with all that decides whether an actual tensor is close to it.
pub(crate) struct Reference {
    pub(crate) tensor: Tensor,
    /// The references that the output may equal instead.
    alternatives: Vec<Tensor>,
    pub(crate) mask: Option<Tensor>,
    digest: String,
    alternative_digests: Vec<String>,
    mask_digest: Option<String>,
    rules: Rules,
    chained: Option<Tolerance>,
}

/// Judges every output that the case names, that the checkpoint returned, or that has a snapshot.
pub(crate) fn hold_all(held: &Held<'_>, actuals: &BTreeMap<String, Tensor>) -> Vec<OutputOutcome> {
    let case = held.case;
    // Where the folder cannot be read, recording says so for every output.
    let recorded = held.recorder.and_then(|recorder| held.survey.recorded(recorder, &case.id).ok()).unwrap_or_default();
    let is_ours = |name: &&String| {
        let is_known = case.outputs.contains_key(*name) || actuals.contains_key(*name);
        is_known || held.recorder.is_some_and(|recorder| recorder.owns(&case.id, name))
    };
    let mut names: Vec<&String> = case
        .outputs
        .keys()
        .chain(actuals.keys())
        .chain(held.unstable.keys())
        .chain(recorded.iter().filter(is_ours))
        .collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter_map(|name| {
            let mut outcome = match (case.outputs.get(name), actuals.get(name)) {
                (Some(output), Some(actual)) => held.hold(name, Some(output), actual, actuals),
                (None, Some(actual)) if case.outputs.is_empty() => held.hold(name, None, actual, actuals),
                (None, Some(_)) => held.extra(name),
                (_, None) if held.unstable.contains_key(name) => held.settle(OutputOutcome::new(name)),
                (Some(_), None) => held.left_out(name, actuals),
                (None, None) if case.outputs.is_empty() => held.left_out(name, actuals),
                (None, None) => {
                    let recorder = held.recorder.filter(|recorder| !recorder.leaves_orphans())?;
                    let file = case.id.below(recorder.snapshots()).join(format!("{name}.snap"));
                    return Some(OutputOutcome::orphaned(name.clone(), file));
                }
            };
            if outcome.reference.is_none() {
                outcome.reference = case.outputs.get(name).map(|output| output.address.text.clone());
            }
            if let Some(actual) = actuals.get(name) {
                held.keep(&mut outcome, actual);
            }
            Some(outcome)
        })
        .collect()
}

/// The tolerance of an output with a reference of that dtype, where what the case says of it fits.
pub(crate) fn tolerance(case: &Case, name: &str, output: &Output, dtype: DType) -> Result<Tolerance, Error> {
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

/// Why no reference of an output fits the actual tensor, and the dtype of the first, where the headers tell and the first has
/// many elements, of another number: then they explain nothing either.
fn misfit(output: &Output, actual: &Tensor) -> Result<Option<(Mismatch, DType)>, Error> {
    let (actual, rules) = (Form::of(actual), rules(output, Tolerance::EXACT));
    let is_odd = |form: Form<'_>| form.is_large() && form.len() != actual.len();
    let look = |address: &Address, dtype| inspect_large(&address.path, address.member.as_deref(), dtype, LARGE);
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

impl Reference {
    /// Reads the reference and the mask of an output, and settles the rules. What the headers show not to fit is not read where
    /// that would take long.
    fn find(case: &Case, name: &str, output: &Output, actual: &Tensor) -> Result<Found, Error> {
        match misfit(output, actual)? {
            Some((mismatch, dtype)) => Ok(Found::Misfit {
                mismatch,
                tolerance: tolerance(case, name, output, dtype)?,
                chained: output.chained_tolerance(dtype),
            }),
            None => Reference::read(case, name, output).map(|reference| Found::Whole(Box::new(reference))),
        }
    }

    pub(crate) fn read(case: &Case, name: &str, output: &Output) -> Result<Reference, Error> {
        let mut files = Containers::default();
        let mut read = |Address { path, member, .. }: &Address, dtype| files.at(path)?.read(member.as_deref(), dtype);
        let tensor = read(&output.address, output.dtype)?;
        let alternatives: Vec<Tensor> =
            output.alternatives.iter().map(|address| read(address, output.dtype)).collect::<Result<_, Error>>()?;
        let dtype = tensor.dtype();
        let tolerance = tolerance(case, name, output, dtype)?;
        let mask = output.mask.as_ref().map(|address| read(address, None)).transpose()?;
        Ok(Reference {
            digest: sha256(&tensor),
            alternative_digests: alternatives.iter().map(sha256).collect(),
            mask_digest: mask.as_ref().map(sha256),
            tensor,
            alternatives,
            mask,
            rules: rules(output, tolerance),
            chained: output.chained_tolerance(dtype),
        })
    }

    /// Measures against the first of all references that the tensor is close to, or else against the first; and which it is.
    fn hold(&self, actual: &Tensor) -> (usize, Measurement) {
        let measure = |reference| measure(Pair { actual, reference, mask: self.mask.as_ref() }, &self.rules);
        let first = measure(&self.tensor);
        let is_close = |found: &Measurement| found.comparison.as_ref().is_ok_and(Comparison::is_close);
        if is_close(&first) {
            return (0, first);
        }
        let others = (1..).zip(self.alternatives.iter().map(measure));
        others.into_iter().find(|(_, found)| is_close(found)).unwrap_or((0, first))
    }

    /// What else would pass what the case allows in a chained run.
    fn chained_vacuous(&self) -> Option<Vacuous> {
        let rules = self.rules.with_tolerance(self.chained?);
        vacuous(&self.tensor, self.mask.as_ref(), &rules).expect("a tensor has its elements in memory")
    }

    /// Where an actual tensor differs from that one of all references.
    fn picture(&self, held: usize, actual: &Tensor) -> Option<Picture> {
        let reference = [&self.tensor].into_iter().chain(&self.alternatives).nth(held)?;
        Picture::of(Pair { actual, reference, mask: self.mask.as_ref() }, &self.rules)
    }
}

/// What a snapshot holds of an output, but for what was measured against its reference.
pub(crate) fn facts<'a>(
    case: &'a Case,
    digests: &'a BTreeMap<String, String>,
    reference: Option<&'a Reference>,
    summary: &'a Summary,
) -> Facts<'a> {
    Facts {
        checkpoint: &case.checkpoint,
        params: &case.params,
        inputs: digests,
        reference: reference.map(|reference| reference.digest.as_str()),
        alternatives: reference.map_or(&[], |reference| &reference.alternative_digests),
        mask: reference.and_then(|reference| reference.mask_digest.as_deref()),
        rules: reference.map(|reference| &reference.rules),
        chained: reference.and_then(|reference| reference.chained.as_ref()),
        summary,
        comparison: None,
    }
}

/// An output of a chained run, held against its reference.
pub(crate) struct Chained {
    /// What was measured, by the tolerance for a chained run, or that of the isolated one where there is none.
    pub(crate) found: Result<Comparison, Mismatch>,
    /// What is wrong where the case has a tolerance for a chained run.
    pub(crate) outside: Option<Problem>,
    /// The sha256 of the reference, where it was read.
    pub(crate) digest: Option<String>,
}

/// Holds an output of a chained run against its reference.
pub(crate) fn chained(case: &Case, name: &str, output: &Output, actual: &Tensor) -> Result<Chained, Error> {
    let mut reference = match Reference::find(case, name, output, actual)? {
        Found::Whole(reference) => reference,
        Found::Misfit { mismatch, tolerance: _, chained } => {
            let outside = chained.map(|tolerance| Problem::ChainedOutside { comparison: None, tolerance });
            return Ok(Chained { found: Err(mismatch), outside, digest: None });
        }
    };
    reference.rules.tolerance = reference.chained.unwrap_or(reference.rules.tolerance);
    let (_, Measurement { comparison: found, .. }) = reference.hold(actual);
    let is_outside = !found.as_ref().is_ok_and(Comparison::is_close);
    let outside = reference
        .chained
        .filter(|_| is_outside)
        .map(|tolerance| Problem::ChainedOutside { comparison: found.as_ref().ok().cloned().map(Box::new), tolerance });
    Ok(Chained { found, outside, digest: Some(reference.digest) })
}

impl Held<'_> {
    /// Judges one output; without a reference its snapshot alone holds it.
    fn hold(
        &self,
        name: &str,
        output: Option<&Output>,
        actual: &Tensor,
        actuals: &BTreeMap<String, Tensor>,
    ) -> OutputOutcome {
        let mut outcome = OutputOutcome::new(name);
        let reference = match output.map(|output| Reference::find(self.case, name, output, actual)).transpose() {
            Ok(None) => None,
            Ok(Some(Found::Whole(reference))) => Some(reference),
            Ok(Some(Found::Misfit { mismatch, tolerance, chained: _ })) => {
                outcome.tolerance = Some(tolerance);
                outcome.summary = Some(summarize(actual, None));
                return self.stop(outcome, Problem::Mismatch(mismatch));
            }
            Err(error) => {
                outcome.summary = Some(summarize(actual, None));
                return self.stop(outcome, Problem::from_error("", &error));
            }
        };
        outcome.tolerance = reference.as_ref().map(|reference| reference.rules.tolerance);
        let mut closest = 0;
        if let (Some(output), Some(reference)) = (output, &reference) {
            let (held, found) = reference.hold(actual);
            closest = held;
            let addresses = [&output.address].into_iter().chain(&output.alternatives);
            outcome.alternatives = addresses.map(|address| address.text.clone()).collect();
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
            // As of a comparison, it is said of what passes.
            outcome.chained_vacuous = reference.chained_vacuous().filter(|_| outcome.problems.is_empty());
            let is_mismatch = outcome.problems.iter().any(|problem| matches!(problem, Problem::Mismatch(_)));
            if let (true, Some(explain)) = (is_mismatch, self.explain) {
                let pair = Pair { actual, reference: &reference.tensor, mask: reference.mask.as_ref() };
                outcome.explanations = self.ask(explain, name, pair, actuals);
            }
        }
        outcome.summary.get_or_insert_with(|| summarize(actual, None));
        let mut outcome = match outcome.problems.is_empty() && !self.unstable.contains_key(name) {
            true => self.record(outcome, reference.as_deref()),
            false => self.settle(outcome),
        };
        if let (Some(reference), true) = (&reference, self.pictures.wants(outcome.verdict)) {
            outcome.picture = reference.picture(closest, actual);
        }
        outcome
    }

    /// Asks why an output is not its reference.
    fn ask(
        &self,
        explain: Explain,
        name: &str,
        pair: Pair<'_>,
        actuals: &BTreeMap<String, Tensor>,
    ) -> Vec<Explanation> {
        // A reference that cannot be read is told where that output is judged.
        let others: Vec<(&String, Tensor)> = self
            .case
            .outputs
            .iter()
            .filter(|(other, _)| *other != name)
            .filter_map(|(other, output)| Some((other, read(&output.address, output.dtype).ok()?)))
            .collect();
        explain(&Question {
            pair,
            inputs: self.inputs.tensors().collect(),
            others: others
                .iter()
                .map(|(name, reference)| Other { name, actual: actuals.get(*name), reference })
                .collect(),
            params: self.case.params.iter().map(|(name, value)| (name.as_str(), value)).collect(),
            checkpoint: Some(&self.case.checkpoint),
        })
    }

    /// Holds an output that is close to its reference against its snapshot.
    fn record(&self, mut outcome: OutputOutcome, reference: Option<&Reference>) -> OutputOutcome {
        let Some(recorder) = self.recorder.or(self.past) else { return outcome };
        let summary = outcome.summary.as_ref().expect("an output that is recorded was summarised");
        let declared = facts(self.case, self.digests, reference, summary);
        let facts = Facts { comparison: outcome.comparison.as_ref(), ..declared };
        match recorder.record_with(self.survey.shelf(recorder), &self.case.id, &outcome.name, &facts) {
            Ok(Recorded::Drift(lines)) => {
                outcome.verdict = Verdict::Drift;
                outcome.drift = lines;
            }
            // Only what moved is told.
            _ if self.recorder.is_none() => {}
            Ok(Recorded::Pass) => {}
            Ok(Recorded::Improved(lines)) => outcome.improved = lines,
            Ok(Recorded::Unrecorded) => outcome.verdict = Verdict::Unrecorded,
            Err(error) => {
                outcome.verdict = Verdict::Broken;
                outcome.problems.push(Problem::from_error("", &error));
            }
        }
        outcome
    }

    fn extra(&self, name: &str) -> OutputOutcome {
        let known = self.case.outputs.keys().cloned().collect();
        self.stop(OutputOutcome::new(name), Problem::ExtraOutput { known })
    }

    fn left_out(&self, name: &str, actuals: &BTreeMap<String, Tensor>) -> OutputOutcome {
        let returned = actuals.keys().cloned().collect();
        self.stop(OutputOutcome::new(name), Problem::LeftOut { returned })
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
        let touched = self.recorder.map(|recorder| recorder.touch(&self.case.id, &outcome.name));
        if let Some(Err(error)) = touched {
            outcome.problems.push(Problem::from_error("", &error));
        }
        outcome.verdict = outcome.problems.iter().map(Problem::verdict).min().unwrap_or(Verdict::Pass);
        outcome
    }

    /// Keeps the actual tensor of an output that did not pass, and removes what an earlier run kept of one that did.
    fn keep(&self, outcome: &mut OutputOutcome, actual: &Tensor) {
        let Some(keep) = self.keep else { return };
        // The output of a snapshot-only case may have any name; one that is no file name was refused when it was recorded.
        if check_name(&outcome.name).is_err() {
            return;
        }
        if outcome.verdict == Verdict::Pass {
            // Nothing to remove is the usual case, and a stale copy harms nobody.
            let path = kept(keep, &self.case.id, &outcome.name);
            if self.survey.keeps() && unlink(keep, &path).is_ok() {
                std::fs::remove_file(path).ok();
            }
            return;
        }
        keep_actual(keep, &self.case.id, outcome, actual);
    }
}

/// Keeps an actual tensor below that folder.
pub(crate) fn keep_actual(keep: &Path, id: &CaseId, outcome: &mut OutputOutcome, actual: &Tensor) {
    let path = kept(keep, id, &outcome.name);
    match unlink(keep, &path).and_then(|()| write_npy(&path, actual)) {
        Ok(()) => outcome.kept = Some(path),
        Err(error) => {
            let problem = Problem::Error { text: format!("the actual tensor could not be kept: {error}") };
            outcome.verdict = outcome.verdict.min(problem.verdict());
            outcome.problems.push(problem);
        }
    }
}

/// Removes a link on the way from cargo's target folder to what is kept: what lies there is karat's own.
pub(crate) fn unlink(keep: &Path, path: &Path) -> Result<()> {
    match link_below(keep.parent().unwrap_or(keep), path) {
        Some(link) => std::fs::remove_file(&link).map_err(|error| Error::write(&link, error)),
        None => Ok(()),
    }
}

/// Where the actual tensor of an output is kept.
fn kept(keep: &Path, id: &CaseId, output: &str) -> PathBuf {
    id.below(keep).join(format!("{output}.npy"))
}
