//! Checks cases, their tensors and their snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::health::{Complaint, ComplaintKind, Health, Setup};
use crate::case::{Address, Case, CaseId, Suites, Tree, sha256};
use crate::compare::{NanRule, Summary, summarize};
use crate::error::{Error, Result};
use crate::run::{Executor, Reference, ReferenceInfo, check_link, facts, vacuous_label};
use crate::snapshot::SnapshotIndex;
use crate::tensor::{Containers, DType, Pointer, Tensor};
use crate::text::name::sort_by_similarity;

/// A case that a run would execute, with each output whose reference is readable.
type CaseWithOutputs = (Case, Vec<(String, ReferenceInfo, Summary)>);

/// Finds every problem of the cases and their snapshots that is visible without running a checkpoint.
pub(super) fn check(setup: &Setup<'_>, tree: &Tree, health: &mut Health) {
    if tree.cases.is_empty() && tree.problems.is_empty() {
        health.add(Complaint::new(ComplaintKind::Empty));
    }
    let root = &setup.goldens.root;
    let problems = tree.problems.iter().map(|(id, text)| (text.clone(), (id.clone(), id.below(root))));
    let mut checker = Checker {
        setup,
        suites: Suites::new(root),
        tensors: Tensors::default(),
        errors: problems.collect::<BTreeMap<_, _>>(),
    };
    let cases = checker.check_cases(tree, health);
    checker.check_drift(&cases, health);
    for (text, (id, file)) in checker.errors {
        let complaint = Complaint::with_text(ComplaintKind::Broken, text);
        health.add(Complaint { case: Some(id), files: vec![file], ..complaint });
    }
    for (pointer, files) in checker.tensors.pointers {
        let complaint = Complaint::with_text(ComplaintKind::Pointers, pointer.to_string());
        health.add(Complaint { files: files.into_iter().collect(), ..complaint });
    }
    health.complaints.extend(checker.tensors.complaints);
    let cases: Vec<Case> = cases.into_iter().map(|(case, _)| case).collect();
    check_snapshots(setup, tree, &cases, health);
}

struct Checker<'a> {
    setup: &'a Setup<'a>,
    suites: Suites,
    tensors: Tensors,
    /// The errors in `case.json` and `suite.json`, with the file and the first case. Cases below the same suite share its
    /// errors.
    errors: BTreeMap<String, (CaseId, PathBuf)>,
}

impl Checker<'_> {
    fn add_error(&mut self, id: &CaseId, error: &Error) {
        let file = match error {
            Error::Case { path, .. } => path.clone(),
            _ => id.below(&self.setup.goldens.root).join("case.json"),
        };
        self.errors.entry(error.to_string()).or_insert_with(|| (id.clone(), file));
    }

    /// Reads and checks every case and its references.
    fn check_cases(&mut self, tree: &Tree, health: &mut Health) -> Vec<CaseWithOutputs> {
        let (mut skipped, mut vacuous) = (Vec::new(), Vec::new());
        let mut cases = Vec::new();
        for id in &tree.cases {
            let case = match self.suites.case(id) {
                Err(error) => {
                    self.add_error(id, &error);
                    continue;
                }
                // A run does not read the tensors of a skipped case either.
                Ok(case) if case.skip.is_some() => {
                    if !self.setup.allowed_skips.iter().any(|allowed| allowed == id.as_str()) {
                        skipped.push((id.clone(), id.to_string(), case.set_in("skip").to_path_buf()));
                    }
                    continue;
                }
                Ok(case) => case,
            };
            if let Some(error) = self.setup.executor.and_then(|executor| unknown_checkpoint(&case, executor)) {
                self.add_error(id, &error);
            }
            let mut outputs = Vec::new();
            for name in case.outputs.keys() {
                let Some(reference) = self.reference(&case, name) else { continue };
                let ReferenceInfo { rules, chained, .. } = &reference.info;
                let is_vacuous = |tolerance| reference.vacuous(tolerance).is_some();
                let is_own = is_vacuous(rules.tolerance);
                if is_own || chained.is_some_and(is_vacuous) {
                    vacuous.push((id.clone(), vacuous_label(id, name, !is_own), case.file.clone()));
                }
                let mut summary = summarize(&reference.tensor, reference.mask.as_ref());
                if rules.nan == NanRule::Mismatch && summary.non_finite.nan > 0 {
                    let what = ": the reference contains NaN, which matches nothing without \"nan\": \"match\"";
                    self.add_error(id, &output_error(&case, name, what));
                }
                summary.dtype = rules.cast.unwrap_or(summary.dtype);
                outputs.push((name.clone(), reference.info, summary));
            }
            cases.push((case, outputs));
        }
        for (kind, list, separator) in
            [(ComplaintKind::Skipped, skipped, "\n"), (ComplaintKind::Vacuous, vacuous, ", ")]
        {
            let Some((first, ..)) = list.first().cloned() else { continue };
            let names: Vec<&str> = list.iter().map(|(_, name, _)| name.as_str()).collect();
            let complaint = Complaint::with_text(kind, names.join(separator));
            let mut files: Vec<PathBuf> = list.into_iter().map(|(.., file)| file).collect();
            files.dedup();
            health.add(Complaint { case: Some(first), files, ..complaint });
        }
        cases
    }

    /// Reads the tensors of an output and checks that they fit each other. Adds errors as separate complaints.
    fn reference(&mut self, case: &Case, name: &str) -> Option<Reference> {
        let output = &case.outputs[name];
        let tensors = &mut self.tensors;
        let reference = match Reference::read(case, name, output, |address, dtype| tensors.read(case, address, dtype)) {
            Ok(reference) => reference,
            Err(error) => {
                if matches!(error, Error::Case { .. }) {
                    self.add_error(&case.id, &error);
                }
                // Also check the tensors after the one with the error.
                let addresses = [&output.address].into_iter().chain(&output.alternatives);
                let addresses = addresses.map(|address| (address, output.dtype));
                for (address, dtype) in addresses.chain(output.mask.iter().map(|mask| (mask, None))) {
                    self.tensors.digest(case, address, dtype);
                }
                return None;
            }
        };
        self.tensors.digests.insert(key(&output.address, output.dtype), Some(reference.info.digest.clone()));
        let fits = |mask: &Tensor| mask.shape() == reference.tensor.shape() && mask.dtype() == DType::Bool;
        if reference.mask.as_ref().is_none_or(fits) {
            return Some(reference);
        }
        let what = ".where: the mask must be bool and have the shape of the reference";
        self.add_error(&case.id, &output_error(case, name, what));
        None
    }

    /// Checks the inputs of every case, and compares what it declares with its snapshots.
    fn check_drift(&mut self, cases: &[CaseWithOutputs], health: &mut Health) {
        let mut drift = BTreeMap::new();
        let recorder = self.setup.recorder;
        for (case, outputs) in cases {
            let Some(digests) = self.input_digests(case) else { continue };
            let mut compare = |name: &str, reference: Option<&ReferenceInfo>, summary: &Summary| {
                let Ok(file) = recorder.file(&case.id, name) else { return };
                // A damaged snapshot is a complaint of its own.
                let lines = recorder.inspect(&file, Some(&facts(case, &digests, reference, summary)));
                if let Some(line) = lines.unwrap_or_default().into_iter().next() {
                    drift.insert(file, (case.id.clone(), line.quantity));
                }
            };
            outputs.iter().for_each(|(name, reference, summary)| compare(name, Some(reference), summary));
            if case.outputs.is_empty() {
                let nothing = summarize(&Tensor::from(0.0f32), None);
                recorded_outputs(self.setup, &case.id).iter().for_each(|name| compare(name, None, &nothing));
            }
        }
        if let Some((_, (first, quantity))) = drift.first_key_value() {
            let (case, complaint) = (first.clone(), Complaint::with_text(ComplaintKind::Drift, quantity.clone()));
            health.add(Complaint { case: Some(case), files: drift.into_keys().collect(), ..complaint });
        }
    }

    /// Returns the sha256 of every input of a case, or `None` if one is unreadable or differs from its `from`.
    fn input_digests(&mut self, case: &Case) -> Option<BTreeMap<String, String>> {
        let mut digests = Some(BTreeMap::new());
        for (name, input) in &case.inputs {
            let Some(digest) = self.tensors.digest(case, &input.address, input.dtype) else {
                digests = None;
                continue;
            };
            let (tensors, goldens) = (&mut self.tensors, self.setup.goldens);
            let unreadable = || Error::Invalid("reported separately".to_owned());
            let digest_of = |address: &Address, dtype| tensors.digest(case, address, dtype).ok_or_else(unreadable);
            if let Err(error) = check_link(goldens, &self.suites, case, (name, input), &digest, digest_of) {
                digests = None;
                if matches!(error, Error::Case { .. }) {
                    self.add_error(&case.id, &error);
                }
            }
            digests.as_mut().map(|digests| digests.insert(name.clone(), digest));
        }
        digests
    }
}

fn output_error(case: &Case, name: &str, what: &str) -> Error {
    let field = format!("outputs.{name}");
    Error::Case { path: case.set_in(&field).to_path_buf(), what: format!("{field}{what}") }
}

/// Returns an error if the executor does not have the checkpoint of a case.
fn unknown_checkpoint(case: &Case, executor: &Executor) -> Option<Error> {
    if executor.get(&case.checkpoint).is_some() {
        return None;
    }
    let registered = match sort_by_similarity(&case.checkpoint, executor.names()).join(", ").as_str() {
        "" => "there are no registered checkpoints".to_owned(),
        names => format!("registered, most similar first: {names}"),
    };
    let what = format!("no checkpoint {:?} is registered; {registered}", case.checkpoint);
    Some(Error::Case { path: case.set_in("checkpoint").to_path_buf(), what })
}

/// The address and dtype of a tensor.
type Key = (PathBuf, Option<String>, Option<&'static str>);

fn key(address: &Address, dtype: Option<DType>) -> Key {
    (address.path.clone(), address.member.clone(), dtype.map(DType::name))
}

/// The tensors of all cases.
#[derive(Default)]
struct Tensors {
    files: Containers,
    /// The sha256 of each tensor read so far; `None` if it is unreadable, which has been reported.
    digests: BTreeMap<Key, Option<String>>,
    pointers: BTreeMap<Pointer, BTreeSet<PathBuf>>,
    complaints: Vec<Complaint>,
}

impl Tensors {
    /// Reads a tensor. Adds a complaint at the first error.
    fn read(&mut self, case: &Case, address: &Address, dtype: Option<DType>) -> Result<Tensor> {
        let Address { path, member, .. } = address;
        self.files.at(path).and_then(|file| file.read(member.as_deref(), dtype)).inspect_err(|error| {
            if self.digests.insert(key(address, dtype), None).is_some() {
                return;
            }
            if let Error::Missing { what, .. } = error
                && let Some(pointer) = Pointer::named_in(what)
            {
                self.pointers.entry(pointer).or_default().insert(path.clone());
                return;
            }
            let kind = if error.is_missing() { ComplaintKind::Missing } else { ComplaintKind::Damaged };
            let (case, files) = (Some(case.id.clone()), vec![path.clone()]);
            self.complaints.push(Complaint { case, files, ..Complaint::with_text(kind, error.to_string()) });
        })
    }

    /// Returns the sha256 of a tensor, reading it if necessary.
    fn digest(&mut self, case: &Case, address: &Address, dtype: Option<DType>) -> Option<String> {
        let key = key(address, dtype);
        if let Some(known) = self.digests.get(&key) {
            return known.clone();
        }
        let digest = self.read(case, address, dtype).ok().map(|tensor| sha256(&tensor));
        self.digests.insert(key, digest.clone());
        digest
    }
}

/// Returns the outputs of a case without references for which karat has recorded a snapshot.
fn recorded_outputs(setup: &Setup<'_>, id: &CaseId) -> Vec<String> {
    let mut outputs = setup.recorder.recorded_outputs(id).unwrap_or_default();
    outputs.retain(|output| setup.recorder.owns(id, output));
    outputs
}

/// Checks accepted and pending snapshots against the cases that a run would execute.
fn check_snapshots(setup: &Setup<'_>, tree: &Tree, cases: &[Case], health: &mut Health) {
    let Setup { goldens, recorder, .. } = *setup;
    let index = SnapshotIndex::read(recorder.snapshots());
    let pending = match index.check().and_then(|()| recorder.pending_files()) {
        Ok(pending) => pending,
        Err(error) => return health.add(Complaint::with_text(ComplaintKind::Broken, error.to_string())),
    };
    let is_selected = |id: &CaseId| id.below(&goldens.root).starts_with(goldens.selected());
    let is_known = |id: &CaseId, output: &str| match cases.binary_search_by(|case| case.id.cmp(id)) {
        // Without references, the outputs are known only when the case runs.
        Ok(at) => cases[at].outputs.is_empty() || cases[at].outputs.contains_key(output),
        Err(_) => tree.cases.binary_search(id).is_ok() || tree.problems.contains_key(id),
    };
    let orphans = index.orphans(is_known).into_iter().filter(|orphan| is_selected(&orphan.id));
    health.add_files(ComplaintKind::Orphaned, orphans.map(|orphan| orphan.path).collect());
    let pending = pending.into_iter().filter(|(id, ..)| is_selected(id));
    let (pending, stray): (Vec<_>, Vec<_>) = pending.partition(|(id, output, _)| is_known(id, output));
    health.add_files(ComplaintKind::Pending, pending.iter().map(|(.., path)| path.clone()).collect());
    health.add_files(ComplaintKind::Stray, stray.into_iter().map(|(.., path)| path).collect());
    let pending: BTreeSet<(&CaseId, &str)> = pending.iter().map(|(id, output, _)| (id, output.as_str())).collect();
    let (mut unrecorded, mut first) = (Vec::new(), None);
    for Case { id, outputs, .. } in cases {
        let outputs = if outputs.is_empty() { recorded_outputs(setup, id) } else { outputs.keys().cloned().collect() };
        let before = unrecorded.len();
        if outputs.is_empty() && !pending.iter().any(|(case, _)| *case == id) {
            unrecorded.push(id.below(recorder.snapshots()));
        }
        for output in outputs {
            match recorder.file(id, &output) {
                Ok(file) if file.exists() => {
                    health.snapshots += 1;
                    if let Err(error) = recorder.inspect(&file, None) {
                        let complaint = Complaint::with_text(ComplaintKind::Damaged, error.to_string());
                        health.add(Complaint { case: Some(id.clone()), files: vec![file], ..complaint });
                    }
                }
                Ok(file) if !pending.contains(&(id, output.as_str())) => unrecorded.push(file),
                _ => {}
            }
        }
        if unrecorded.len() > before {
            first.get_or_insert(id);
        }
    }
    if !unrecorded.is_empty() {
        let complaint = Complaint::new(ComplaintKind::Unrecorded);
        health.add(Complaint { files: unrecorded, case: first.cloned(), ..complaint });
    }
}
