//! Judges outputs: compares them with the reference within the tolerance, then with the snapshot within its band.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::chain::Difference;
use super::checkpoint::Inputs;
use super::outcome::{OutputOutcome, Problem, Verdict};
use super::session::{RunMode, Session};
use crate::case::{Address, Case, CaseId, Output, sha256};
use crate::compare::{
    Comparison, Form, LARGE, Measurement, Mismatch, Pair, Picture, Rules, Summary, Tolerance, Vacuous, check_structure,
    measure, summarize, vacuous,
};
use crate::error::{Error, Result};
use crate::explain::{Explanation, Other, Question, explain};
use crate::fs::link_below;
use crate::snapshot::{Facts, RecordOutcome};
use crate::tensor::{Containers, DType, Header, Kind, Tensor, inspect, may_exceed, read_tensor, write_npy};
use crate::text::check_name;

/// Judges the outputs of an executed case.
pub(super) struct Judge<'a> {
    pub(super) session: &'a Session,
    pub(super) mode: RunMode,
    pub(super) case: &'a Case,
    pub(super) inputs: &'a Inputs,
    /// The sha256 of each input.
    pub(super) digests: &'a BTreeMap<String, String>,
    /// The outputs that the checkpoint returned.
    pub(super) actuals: &'a BTreeMap<String, Tensor>,
    /// The outputs that differed in a repeated call, with the number of that call.
    pub(super) unstable: &'a BTreeMap<String, usize>,
}

impl Judge<'_> {
    /// Judges every output that the case names, that the checkpoint returned, or that has a snapshot.
    pub(super) fn judge_all(&self) -> Vec<OutputOutcome> {
        let Judge { case, actuals, unstable, .. } = *self;
        let gate = self.session.drift_gate(self.mode);
        let mut names: BTreeSet<String> =
            case.outputs.keys().chain(actuals.keys()).chain(unstable.keys()).cloned().collect();
        if let Some(recorder) = gate {
            // If the folder cannot be read, every output reports that error when it is compared with its snapshot.
            let mut recorded = self.session.recorded_outputs(&case.id).unwrap_or_default();
            recorded.retain(|name| names.contains(name) || recorder.owns(&case.id, name));
            names.extend(recorded);
        }
        let is_snapshot_only = case.outputs.is_empty();
        let judge = |name: String| {
            let reference = case.outputs.get(&name);
            let mut outcome = match (reference, actuals.get(&name)) {
                (None, Some(_)) if !is_snapshot_only => {
                    let known = case.outputs.keys().cloned().collect();
                    self.reject(&name, Some(Problem::ExtraOutput { known }))
                }
                (output, Some(actual)) => self.judge_output(&name, output, actual),
                (_, None) if unstable.contains_key(&name) => self.reject(&name, None),
                (None, None) if !is_snapshot_only => {
                    let recorder = gate.filter(|recorder| !recorder.leaves_orphans_to_insta())?;
                    let file = case.id.below(recorder.snapshots()).join(format!("{name}.snap"));
                    return Some(OutputOutcome::orphaned(name, file));
                }
                (_, None) => {
                    let returned = actuals.keys().cloned().collect();
                    self.reject(&name, Some(Problem::MissingOutput { returned }))
                }
            };
            if outcome.reference.is_none() {
                outcome.reference = reference.map(|output| output.address.text.clone());
            }
            if let Some(actual) = actuals.get(&name) {
                self.update_saved_actual(&mut outcome, actual);
            }
            Some(outcome)
        };
        names.into_iter().filter_map(judge).collect()
    }

    /// Judges one output. Without a reference, it is compared with its snapshot only.
    fn judge_output(&self, name: &str, output: Option<&Output>, actual: &Tensor) -> OutputOutcome {
        let mut outcome = OutputOutcome::new(name);
        let loaded = output.map(|output| Reference::load(self.case, name, output, actual)).transpose();
        let reference = match loaded {
            Ok(None) => None,
            Ok(Some(Ok(reference))) => Some(reference),
            Ok(Some(Err(StructureMismatch { mismatch, tolerance, chained: _ }))) => {
                outcome.tolerance = Some(tolerance);
                outcome.problems.push(Problem::Mismatch(mismatch));
                None
            }
            Err(error) => {
                outcome.problems.push(Problem::from_error(&error));
                None
            }
        };
        let mut picture_of = 0;
        if let (Some(output), Some(reference)) = (output, &reference) {
            let (index, measurement) = reference.compare_with_closest(actual);
            picture_of = index;
            outcome.tolerance = Some(reference.info.rules.tolerance);
            outcome.alternatives =
                [&output.address].into_iter().chain(&output.alternatives).map(|address| address.text.clone()).collect();
            outcome.reference = Some(outcome.alternatives.remove(index));
            match measurement.comparison {
                // The mask may be what does not fit, so the summary cannot use it.
                Err(mismatch) => outcome.problems.push(Problem::Mismatch(mismatch)),
                Ok(comparison) => {
                    outcome.problems = comparison.mismatches.iter().cloned().map(Problem::Mismatch).collect();
                    outcome.comparison = Some(comparison);
                    outcome.summary = Some(measurement.actual);
                }
            }
            if outcome.problems.is_empty() {
                // Like a comparison, the chained tolerance is only called vacuous on a pass.
                outcome.chained_vacuous = reference.info.chained.and_then(|tolerance| reference.vacuous(tolerance));
            } else if self.session.options.explain {
                outcome.explanations = self.explain(name, reference, actual);
            }
        }
        outcome.summary.get_or_insert_with(|| summarize(actual, None));
        if outcome.problems.is_empty() && !self.unstable.contains_key(name) {
            self.compare_with_snapshot(&mut outcome, reference.as_ref());
        } else {
            self.conclude(&mut outcome);
        }
        if let Some(reference) = reference.filter(|_| self.session.options.pictures.includes(outcome.verdict)) {
            outcome.picture = reference.picture(picture_of, actual);
        }
        outcome
    }

    /// Looks for explanations of a mismatch.
    fn explain(&self, name: &str, reference: &Reference, actual: &Tensor) -> Vec<Explanation> {
        // A reference that cannot be read is skipped: the outcome of its own output reports it.
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

    /// Compares an output that matches its reference with its snapshot.
    fn compare_with_snapshot(&self, outcome: &mut OutputOutcome, reference: Option<&Reference>) {
        let gate = self.session.drift_gate(self.mode);
        let Some(recorder) = gate.or(self.session.drift_preview(self.mode)) else { return };
        let summary = outcome.summary.as_ref().expect("the summary was set before");
        let facts = Facts {
            comparison: outcome.comparison.as_ref(),
            ..facts(self.case, self.digests, reference.map(|reference| &reference.info), summary)
        };
        match recorder.record_with(self.session.known_snapshots(), &self.case.id, &outcome.name, &facts) {
            Ok(RecordOutcome::Drift(lines)) => {
                outcome.verdict = Verdict::Drift;
                outcome.drift = lines;
            }
            // A preview reports drift and nothing else.
            _ if gate.is_none() => {}
            Ok(RecordOutcome::Pass) => {}
            Ok(RecordOutcome::Improved(lines)) => outcome.improved = lines,
            Ok(RecordOutcome::Unrecorded) => outcome.verdict = Verdict::Unrecorded,
            Err(error) => outcome.add_problem(Problem::from_error(&error)),
        }
    }

    /// Returns the outcome of an output that cannot be compared.
    fn reject(&self, name: &str, problem: Option<Problem>) -> OutputOutcome {
        let mut outcome = OutputOutcome::new(name);
        outcome.problems.extend(problem);
        self.conclude(&mut outcome);
        outcome
    }

    /// Sets the verdict of an output with problems, and marks its snapshot as referenced.
    fn conclude(&self, outcome: &mut OutputOutcome) {
        if let Some(&repeat) = self.unstable.get(&outcome.name) {
            outcome.problems.push(Problem::NotRepeatable { repeat });
        }
        let gate = self.session.drift_gate(self.mode);
        if let Some(Err(error)) = gate.map(|recorder| recorder.touch(&self.case.id, &outcome.name)) {
            outcome.problems.push(Problem::from_error(&error));
        }
        outcome.verdict = outcome.problems.iter().map(Problem::verdict).min().unwrap_or(Verdict::Pass);
    }

    /// Saves the actual tensor of an output that did not pass; deletes the one that an earlier run saved if it did.
    fn update_saved_actual(&self, outcome: &mut OutputOutcome, actual: &Tensor) {
        // An output of a snapshot-only case can have any name; names that are not valid file names were rejected before.
        if self.mode.is_unreported || check_name(&outcome.name).is_err() {
            return;
        }
        let (folder, id) = (&self.session.artifacts, &self.case.id);
        if outcome.verdict != Verdict::Pass {
            return save_actual(folder, id, outcome, actual);
        }
        // Usually there is no file to delete, and an outdated one does no harm.
        let path = actual_path(folder, id, &outcome.name);
        if self.session.has_artifacts && remove_link(folder, &path).is_ok() {
            std::fs::remove_file(path).ok();
        }
    }
}

/// Saves the actual tensor of an output below the artifacts folder.
pub(super) fn save_actual(folder: &Path, id: &CaseId, outcome: &mut OutputOutcome, actual: &Tensor) {
    let path = actual_path(folder, id, &outcome.name);
    match remove_link(folder, &path).and_then(|()| write_npy(&path, actual)) {
        Ok(()) => outcome.actual_file = Some(path),
        Err(error) => outcome.add_problem(Problem::Error { text: format!("cannot save the actual tensor: {error}") }),
    }
}

/// Removes a symbolic link between the target folder and a path in the artifacts folder, where all files belong to karat.
pub(super) fn remove_link(folder: &Path, path: &Path) -> Result<()> {
    match link_below(folder.parent().unwrap_or(folder), path) {
        Some(link) => std::fs::remove_file(&link).map_err(|error| Error::write(&link, error)),
        None => Ok(()),
    }
}

fn actual_path(folder: &Path, id: &CaseId, output: &str) -> PathBuf {
    id.below(folder).join(format!("{output}.npy"))
}

/// The reference tensors of an output.
pub(crate) struct Reference {
    pub(crate) tensor: Tensor,
    /// References that the output may match instead.
    alternatives: Vec<Tensor>,
    pub(crate) mask: Option<Tensor>,
    pub(crate) info: ReferenceInfo,
}

/// What a snapshot records about the reference of an output: the digests of its tensors, and the rules of the comparison.
pub(crate) struct ReferenceInfo {
    pub(crate) digest: String,
    alternatives: Vec<String>,
    mask: Option<String>,
    pub(crate) rules: Rules,
    /// The tolerance for chained runs.
    pub(crate) chained: Option<Tolerance>,
}

/// A mismatch found in the header of a large reference, so that the reference was not read.
struct StructureMismatch {
    mismatch: Mismatch,
    tolerance: Tolerance,
    chained: Option<Tolerance>,
}

impl Reference {
    /// Reads the reference of an output, unless the headers already show a mismatch.
    fn load(case: &Case, name: &str, output: &Output, actual: &Tensor) -> Result<Result<Reference, StructureMismatch>> {
        if let Some((mismatch, dtype)) = check_headers(output, actual)? {
            let tolerance = tolerance(case, name, output, dtype)?;
            return Ok(Err(StructureMismatch { mismatch, tolerance, chained: output.chained_tolerance(dtype) }));
        }
        let mut files = Containers::default();
        let read = |address: &Address, dtype| files.at(&address.path)?.read(address.member.as_deref(), dtype);
        Reference::read(case, name, output, read).map(Ok)
    }

    /// Reads the reference, its alternatives and the mask of an output.
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
        let info = ReferenceInfo {
            digest: sha256(&tensor),
            alternatives: alternatives.iter().map(sha256).collect(),
            mask: mask.as_ref().map(sha256),
            rules,
            chained: output.chained_tolerance(tensor.dtype()),
        };
        Ok(Reference { tensor, alternatives, mask, info })
    }

    fn all(&self) -> impl Iterator<Item = &Tensor> {
        [&self.tensor].into_iter().chain(&self.alternatives)
    }

    /// Compares a tensor with the first reference that it is close to, or else with the first of all. Returns the index of that
    /// reference with the measurement.
    fn compare_with_closest(&self, actual: &Tensor) -> (usize, Measurement) {
        let measure = |reference: &Tensor| {
            measure(actual, reference, self.mask.as_ref(), &self.info.rules, usize::MAX)
                .expect("tensors have their elements in memory")
        };
        let is_close =
            |(_, measurement): &(usize, Measurement)| measurement.comparison.as_ref().is_ok_and(Comparison::is_close);
        let mut measurements = self.all().map(measure).enumerate();
        let first = measurements.next().expect("there is at least one reference");
        if is_close(&first) { first } else { measurements.find(is_close).unwrap_or(first) }
    }

    /// Returns which trivial output would pass with a tolerance, if one would.
    pub(crate) fn vacuous(&self, tolerance: Tolerance) -> Option<Vacuous> {
        let rules = self.info.rules.with_tolerance(tolerance);
        vacuous(&self.tensor, self.mask.as_ref(), &rules).expect("a tensor has its elements in memory")
    }

    /// Returns a picture of where a tensor differs from the reference with that index.
    fn picture(&self, index: usize, actual: &Tensor) -> Option<Picture> {
        let reference = self.all().nth(index)?;
        Picture::of(Pair { actual, reference, mask: self.mask.as_ref() }, &self.info.rules)
    }
}

/// Compares the structure of an output with the headers of its references.
///
/// Returns the mismatch with the first reference, and its dtype, if every reference is large, has a different number of
/// elements and does not match. Then nothing in the references could explain the mismatch.
fn check_headers(output: &Output, actual: &Tensor) -> Result<Option<(Mismatch, DType)>> {
    let (actual, rules) = (Form::of(actual), rules(output, Tolerance::EXACT));
    let is_unusable = |header: &Header| form(header).bytes() > LARGE && form(header).len() != actual.len();
    let header_if_large = |address: &Address, dtype| {
        may_exceed(&address.path, LARGE).then(|| inspect(&address.path, address.member.as_deref(), dtype)).transpose()
    };
    if let Some(mask) = output.mask.as_ref().map(|mask| header_if_large(mask, None)).transpose()?.flatten()
        && is_unusable(&mask)
    {
        let Output { address, dtype, .. } = output;
        let reference = inspect(&address.path, address.member.as_deref(), *dtype)?;
        let mismatch = check_structure(actual, form(&reference), Some(form(&mask)), &rules).err();
        return Ok(mismatch.map(|mismatch| (mismatch, reference.dtype)));
    }
    let mut first = None;
    for address in [&output.address].into_iter().chain(&output.alternatives) {
        let Some(header) = header_if_large(address, output.dtype)? else { return Ok(None) };
        match check_structure(actual, form(&header), None, &rules) {
            Err(mismatch) if is_unusable(&header) => first.get_or_insert((mismatch, header.dtype)),
            _ => return Ok(None),
        };
    }
    Ok(first)
}

fn form(header: &Header) -> Form<'_> {
    Form { dtype: header.dtype, shape: &header.shape }
}

/// Returns the tolerance of an output whose reference has that dtype, or an error if the case gives none that fits.
fn tolerance(case: &Case, name: &str, output: &Output, dtype: DType) -> Result<Tolerance> {
    let error = |field: &str, what: String| {
        let field = format!("{field}.{name}");
        Error::Case { path: case.set_in(&field).to_path_buf(), what: format!("{field}{what}") }
    };
    if !output.alternatives.is_empty() && dtype.kind() != Kind::Integer {
        let what = format!(".or: only integers, such as tokens, can have alternatives; {dtype} has a tolerance");
        return Err(error("outputs", what));
    }
    output
        .tolerance(dtype)
        .ok_or_else(|| error("tolerance", format!(": {dtype} has no default tolerance; give atol and rtol")))
}

fn rules(output: &Output, tolerance: Tolerance) -> Rules {
    let mut rules = Rules::new(tolerance);
    (rules.nan, rules.cast, rules.empty) = (output.nan, output.cast, output.empty);
    rules
}

/// Returns what a snapshot records about an output, except the comparison with the reference.
pub(crate) fn facts<'a>(
    case: &'a Case,
    digests: &'a BTreeMap<String, String>,
    reference: Option<&'a ReferenceInfo>,
    summary: &'a Summary,
) -> Facts<'a> {
    Facts {
        checkpoint: &case.checkpoint,
        params: &case.params,
        inputs: digests,
        reference: reference.map(|reference| reference.digest.as_str()),
        alternatives: reference.map_or(&[], |reference| &reference.alternatives),
        mask: reference.and_then(|reference| reference.mask.as_deref()),
        rules: reference.map(|reference| &reference.rules),
        chained: reference.and_then(|reference| reference.chained.as_ref()),
        summary,
        comparison: None,
    }
}

/// Compares an output of a chained run with its reference, within the tolerance for chained runs, or else that of the isolated
/// run.
///
/// Returns the difference, the problem if it is outside a tolerance for chained runs, and the sha256 of the reference if it
/// was read.
pub(super) fn compare_chained(
    case: &Case,
    name: &str,
    output: &Output,
    actual: &Tensor,
) -> Result<(Difference, Option<Problem>, Option<String>)> {
    let mut reference = match Reference::load(case, name, output, actual)? {
        Ok(reference) => reference,
        Err(StructureMismatch { chained, .. }) => {
            let problem = chained.map(|tolerance| Problem::ChainedOutside { comparison: None, tolerance });
            return Ok((Difference::INCOMPARABLE, problem, None));
        }
    };
    let chained = reference.info.chained;
    reference.info.rules.tolerance = chained.unwrap_or(reference.info.rules.tolerance);
    let comparison = reference.compare_with_closest(actual).1.comparison.ok();
    let difference = comparison.as_ref().map_or(Difference::INCOMPARABLE, Difference::from);
    let problem = chained
        .filter(|_| !difference.is_close)
        .map(|tolerance| Problem::ChainedOutside { comparison: comparison.map(Box::new), tolerance });
    Ok((difference, problem, Some(reference.info.digest)))
}
