//! Cases that cannot be read, tensors that are not there, snapshots that are too many, too few or not reviewed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::complaint::{Complaint, ComplaintKind, Health, Setup};
use crate::case::{Address, Case, CaseId, Suites, Tree, sha256};
use crate::compare::{NanRule, Summary, summarize};
use crate::error::{Error, Result};
use crate::run::{Executor, Reference, ReferenceInfo, check_link, facts, vacuous_label};
use crate::snapshot::Shelf;
use crate::tensor::{Containers, DType, Pointer, Tensor};
use crate::text::name::sort_by_similarity;

/// A case that a run would run, and what it says of each output with a reference that can be read.
type Read = (Case, Vec<(String, ReferenceInfo, Summary)>);

/// Looks through the tree and the snapshots, for everything on which a run would fail that shows without running anything.
pub(super) fn check(setup: &Setup<'_>, tree: &Tree, health: &mut Health) {
    if tree.cases.is_empty() && tree.problems.is_empty() {
        health.add(Complaint::of(ComplaintKind::Empty));
    }
    let mut cases =
        Cases { setup, suites: Suites::new(&setup.goldens.root), tensors: Tensors::default(), faults: BTreeMap::new() };
    for (id, what) in &tree.problems {
        cases.faults.insert(what.clone(), (id.clone(), id.below(&setup.goldens.root)));
    }
    let read = cases.references(tree, health);
    cases.declarations(&read, health);
    for (text, (id, file)) in cases.faults {
        health.add(Complaint { case: Some(id), ..Complaint::about(ComplaintKind::Broken, text, vec![file]) });
    }
    for (pointer, files) in cases.tensors.pointers {
        health.add(Complaint::about(ComplaintKind::Pointers, pointer.to_string(), files.into_iter().collect()));
    }
    health.complaints.extend(cases.tensors.complaints);
    let cases: Vec<Case> = read.into_iter().map(|(case, _)| case).collect();
    snapshots(setup, tree, &cases, health);
}

/// What is known of the cases so far.
struct Cases<'a> {
    setup: &'a Setup<'a>,
    suites: Suites,
    tensors: Tensors,
    /// What is wrong with a `case.json` or `suite.json`, with the first case and the file. A suite is wrong once, however many
    /// cases are below it.
    faults: BTreeMap<String, (CaseId, PathBuf)>,
}

impl Cases<'_> {
    fn tell(&mut self, id: &CaseId, error: &Error) {
        let file = match error {
            Error::Case { path, .. } => path.clone(),
            _ => id.below(&self.setup.goldens.root).join("case.json"),
        };
        self.faults.entry(error.to_string()).or_insert_with(|| (id.clone(), file));
    }

    /// Reads every case and its references, and checks what it says of these.
    fn references(&mut self, tree: &Tree, health: &mut Health) -> Vec<Read> {
        let (mut skipped, mut vacuous) = (Vec::new(), Vec::new());
        let mut read = Vec::new();
        for id in &tree.cases {
            match self.suites.case(id) {
                Err(error) => self.tell(id, &error),
                // Nothing of it is looked at in a run either.
                Ok(case) if case.skip.is_some() => {
                    if !self.setup.allowed_skips.iter().any(|allowed| allowed == id.as_str()) {
                        skipped.push((id.clone(), id.to_string(), case.set_in("skip").to_path_buf()));
                    }
                }
                Ok(case) => {
                    if let Some(error) = self.setup.executor.and_then(|executor| unknown(&case, executor)) {
                        self.tell(id, &error);
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
                            let what = ": the reference holds NaN, which match nothing without \"nan\": \"match\"";
                            self.tell(id, &wrong(&case, name, what));
                        }
                        summary.dtype = rules.cast.unwrap_or(summary.dtype);
                        outputs.push((name.clone(), reference.info, summary));
                    }
                    read.push((case, outputs));
                }
            }
        }
        for (kind, found, between) in [(ComplaintKind::Skipped, skipped, "\n"), (ComplaintKind::Vacuous, vacuous, ", ")]
        {
            let Some((first, ..)) = found.first().cloned() else { continue };
            let names: Vec<&str> = found.iter().map(|(_, name, _)| name.as_str()).collect();
            let text = names.join(between);
            let mut files: Vec<PathBuf> = found.into_iter().map(|(.., file)| file).collect();
            files.dedup();
            health.add(Complaint { case: Some(first), ..Complaint::about(kind, text, files) });
        }
        read
    }

    /// Reads the tensors of an output, and checks whether they fit one another. What cannot be read is reported by itself.
    fn reference(&mut self, case: &Case, name: &str) -> Option<Reference> {
        let output = &case.outputs[name];
        let tensors = &mut self.tensors;
        let read = Reference::read(case, name, output, |address, dtype| tensors.read(case, address, dtype));
        let reference = match read {
            Ok(reference) => reference,
            Err(error) => {
                if matches!(error, Error::Case { .. }) {
                    self.tell(&case.id, &error);
                }
                // Those that were not reached.
                let same = [&output.address].into_iter().chain(&output.alternatives).map(|of| (of, output.dtype));
                for (address, dtype) in same.chain(output.mask.iter().map(|mask| (mask, None))) {
                    self.tensors.digest(case, address, dtype);
                }
                return None;
            }
        };
        self.tensors.digests.insert(key(&output.address, output.dtype), Some(reference.info.digest.clone()));
        let is_mask = |mask: &Tensor| mask.shape() == reference.tensor.shape() && mask.dtype() == DType::Bool;
        if reference.mask.as_ref().is_none_or(is_mask) {
            return Some(reference);
        }
        self.tell(
            &case.id,
            &wrong(case, name, ".where: the mask is not bool, or has another shape than the reference"),
        );
        None
    }

    /// Checks the inputs of every case, and holds what it declares against its snapshots.
    fn declarations(&mut self, read: &[Read], health: &mut Health) {
        let mut moved = BTreeMap::new();
        let Setup { recorder, .. } = *self.setup;
        for (case, outputs) in read {
            let Some(digests) = self.inputs(case) else { continue };
            let mut compare = |name: &str, reference: Option<&ReferenceInfo>, summary: &Summary| {
                let Ok(file) = recorder.file(&case.id, name) else { return };
                // One that is damaged is reported by itself.
                let lines = recorder.inspect(&file, Some(&facts(case, &digests, reference, summary)));
                if let Some(line) = lines.unwrap_or_default().into_iter().next() {
                    moved.insert(file, (case.id.clone(), line.quantity));
                }
            };
            outputs.iter().for_each(|(name, reference, summary)| compare(name, Some(reference), summary));
            if case.outputs.is_empty() {
                let nothing = summarize(&Tensor::from(0.0f32), None);
                owned(self.setup, &case.id).iter().for_each(|name| compare(name, None, &nothing));
            }
        }
        if let Some((_, (first, quantity))) = moved.first_key_value() {
            let (first, quantity) = (first.clone(), quantity.clone());
            let of = Complaint::about(ComplaintKind::Drift, quantity, moved.into_keys().collect());
            health.add(Complaint { case: Some(first), ..of });
        }
    }

    /// The sha256 of every input of a case; `None` where one cannot be read, or is not what it says it is.
    fn inputs(&mut self, case: &Case) -> Option<BTreeMap<String, String>> {
        let mut digests = Some(BTreeMap::new());
        for (name, input) in &case.inputs {
            let Some(digest) = self.tensors.digest(case, &input.address, input.dtype) else {
                digests = None;
                continue;
            };
            let (tensors, goldens) = (&mut self.tensors, self.setup.goldens);
            let unread = || Error::Invalid("it is reported by itself".to_owned());
            let digest_of = |address: &Address, dtype| tensors.digest(case, address, dtype).ok_or_else(unread);
            if let Err(error) = check_link(goldens, &self.suites, case, (name, input), &digest, digest_of) {
                digests = None;
                if matches!(error, Error::Case { .. }) {
                    self.tell(&case.id, &error);
                }
            }
            digests.as_mut().map(|digests| digests.insert(name.clone(), digest));
        }
        digests
    }
}

fn wrong(case: &Case, name: &str, what: &str) -> Error {
    let field = format!("outputs.{name}");
    Error::Case { path: case.set_in(&field).to_path_buf(), what: format!("{field}{what}") }
}

/// The error that an executor lacks the checkpoint of a case, if it does.
fn unknown(case: &Case, executor: &Executor) -> Option<Error> {
    if executor.get(&case.checkpoint).is_some() {
        return None;
    }
    let nearest = sort_by_similarity(&case.checkpoint, executor.names()).join(", ");
    let registered =
        if nearest.is_empty() { "none is".to_owned() } else { format!("registered, nearest first: {nearest}") };
    Some(Error::Case {
        path: case.set_in("checkpoint").to_path_buf(),
        what: format!("nobody registered a checkpoint {:?}; {registered}", case.checkpoint),
    })
}

/// A tensor as a case names it.
type Key = (PathBuf, Option<String>, Option<&'static str>);

fn key(address: &Address, dtype: Option<DType>) -> Key {
    (address.path.clone(), address.member.clone(), dtype.map(DType::name))
}

/// The tensors of all cases, each read once.
#[derive(Default)]
struct Tensors {
    files: Containers,
    /// The sha256 of each that was read; `None` where that failed, and was reported.
    digests: BTreeMap<Key, Option<String>>,
    pointers: BTreeMap<Pointer, BTreeSet<PathBuf>>,
    complaints: Vec<Complaint>,
}

impl Tensors {
    /// Reads a tensor. One that cannot be read is reported once.
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
            let complaint = Complaint::about(kind, error.to_string(), vec![path.clone()]);
            self.complaints.push(Complaint { case: Some(case.id.clone()), ..complaint });
        })
    }

    /// The sha256 of a tensor, which is read where none of that address was.
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

/// The outputs of a case without references that have a snapshot of karat's.
fn owned(setup: &Setup<'_>, id: &CaseId) -> Vec<String> {
    let mut outputs = setup.recorder.recorded(id).unwrap_or_default();
    outputs.retain(|output| setup.recorder.owns(id, output));
    outputs
}

/// Compares what is recorded and pending with the cases that a run would run.
fn snapshots(setup: &Setup<'_>, tree: &Tree, cases: &[Case], health: &mut Health) {
    let Setup { goldens, recorder, .. } = *setup;
    let shelf = Shelf::read(recorder.snapshots());
    let pending = match shelf.check().and_then(|()| recorder.pending_files()) {
        Ok(pending) => pending,
        Err(error) => return health.add(Complaint::about(ComplaintKind::Broken, error.to_string(), Vec::new())),
    };
    let is_selected = |id: &CaseId| id.below(&goldens.root).starts_with(goldens.selected());
    let is_known = |id: &CaseId, output: &str| match cases.binary_search_by(|case| case.id.cmp(id)) {
        // The outputs of a case without a reference are known when it runs.
        Ok(at) => cases[at].outputs.is_empty() || cases[at].outputs.contains_key(output),
        Err(_) => tree.cases.binary_search(id).is_ok() || tree.problems.contains_key(id),
    };
    let orphans = shelf.orphans(is_known).into_iter().filter(|orphan| is_selected(&orphan.id));
    health.list(ComplaintKind::Orphaned, orphans.map(|orphan| orphan.path).collect());
    let pending = pending.into_iter().filter(|(id, ..)| is_selected(id));
    let (pending, stray): (Vec<_>, Vec<_>) = pending.partition(|(id, output, _)| is_known(id, output));
    health.list(ComplaintKind::Pending, pending.iter().map(|(.., path)| path.clone()).collect());
    health.list(ComplaintKind::Stray, stray.into_iter().map(|(.., path)| path).collect());
    let waiting: BTreeSet<(&CaseId, &str)> = pending.iter().map(|(id, output, _)| (id, output.as_str())).collect();
    let (mut unrecorded, mut first) = (Vec::new(), None);
    for Case { id, outputs, .. } in cases {
        let held = if outputs.is_empty() { owned(setup, id) } else { outputs.keys().cloned().collect() };
        let before = unrecorded.len();
        if held.is_empty() && !waiting.iter().any(|(case, _)| *case == id) {
            unrecorded.push(id.below(recorder.snapshots()));
        }
        for output in held {
            match recorder.file(id, &output) {
                Ok(file) if file.exists() => {
                    health.snapshots += 1;
                    if let Err(error) = recorder.inspect(&file, None) {
                        let of = Complaint::about(ComplaintKind::Damaged, error.to_string(), vec![file]);
                        health.add(Complaint { case: Some(id.clone()), ..of });
                    }
                }
                Ok(file) if !waiting.contains(&(id, output.as_str())) => unrecorded.push(file),
                _ => {}
            }
        }
        if unrecorded.len() > before {
            first.get_or_insert(id);
        }
    }
    if !unrecorded.is_empty() {
        health.add(Complaint { files: unrecorded, case: first.cloned(), ..Complaint::of(ComplaintKind::Unrecorded) });
    }
}
