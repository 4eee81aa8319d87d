//! Cases that cannot be read, tensors that are not there, snapshots that are too many, too few or not reviewed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::complaint::{Ailment, Complaint, Health};
use crate::case::{Address, Case, CaseId, Goldens, Suites, Tree, sha256};
use crate::compare::{NanRule, Summary, summarize};
use crate::error::Error;
use crate::fs::nearest_first;
use crate::run::checkpoint::Executor;
use crate::run::execute::{check_link, gather, read};
use crate::run::judge::{Reference, facts, tolerance};
use crate::snapshot::{Recorder, Shelf};
use crate::tensor::{Containers, Pointer};
use crate::tensor::{DType, Tensor};

/// What is looked at, and what a run of it would be given.
pub(crate) struct Check<'a> {
    pub(crate) goldens: &'a Goldens,
    pub(crate) recorder: &'a Recorder,
    /// What would run the cases, where that is known.
    pub(crate) executor: Option<&'a Executor>,
    /// The ids of the cases that may be skipped in CI.
    pub(crate) allowed_skips: &'a [String],
}

impl Check<'_> {
    /// Looks through the tree and the snapshots: at all on which a run would fail that can be told without running anything.
    pub(crate) fn all(&self, tree: &Tree, health: &mut Health) {
        let Check { goldens, executor, allowed_skips, .. } = *self;
        if tree.cases.is_empty() && tree.problems.is_empty() {
            health.complain(Complaint::of(Ailment::Empty));
        }
        let suites = Suites::new(&goldens.root);
        let mut known: BTreeMap<CaseId, Option<BTreeSet<String>>> =
            tree.problems.keys().map(|id| (id.clone(), None)).collect();
        let mut unread: BTreeMap<String, (CaseId, PathBuf)> =
            tree.problems.iter().map(|(id, what)| (what.clone(), (id.clone(), id.below(&goldens.root)))).collect();
        let mut tensors = Tensors::default();
        let (mut expected, mut skipped, mut moved) = (Vec::new(), Vec::new(), BTreeMap::new());
        for id in &tree.cases {
            // A suite is wrong once, however many cases are below it.
            let mut tell = |error: Error| {
                let file = match &error {
                    Error::Case { path, .. } => path.clone(),
                    _ => id.below(&goldens.root).join("case.json"),
                };
                unread.entry(error.to_string()).or_insert_with(|| (id.clone(), file));
            };
            let outputs = match suites.case(id) {
                // Nothing of it is looked at in a run either.
                Ok(case) if case.skip.is_some() => {
                    if !allowed_skips.iter().any(|allowed| allowed == id.as_str()) {
                        skipped.push((id.clone(), case.set_in("skip").to_path_buf()));
                    }
                    None
                }
                Ok(case) => {
                    if let Some(executor) = executor.filter(|executor| executor.get(&case.checkpoint).is_none()) {
                        tell(unknown(&case, executor));
                    }
                    tensors.check(&case, &mut tell);
                    for (name, input) in case.inputs.iter().filter(|(_, input)| input.link.is_some()) {
                        let digest = || Ok(sha256(&read(&input.address, input.dtype)?));
                        // A tensor that cannot be read is told of by itself.
                        if let Err(error @ Error::Case { .. }) =
                            check_link(goldens, &suites, &case, (name, input), digest)
                        {
                            tell(error);
                        }
                    }
                    self.compare(&suites, &case, &mut tell, &mut moved);
                    expected.push((id.clone(), case.outputs.keys().cloned().collect()));
                    // The outputs of a case without a reference are known when it runs.
                    (!case.outputs.is_empty()).then(|| case.outputs.into_keys().collect())
                }
                Err(error) => {
                    tell(error);
                    None
                }
            };
            known.insert(id.clone(), outputs);
        }
        for (text, (id, file)) in unread {
            health.complain(Complaint { files: vec![file], case: Some(id), ..Complaint::about(Ailment::Broken, text) });
        }
        tensors.tell(health);
        if let Some((first, _)) = skipped.first().cloned() {
            let ids: Vec<&str> = skipped.iter().map(|(id, _)| id.as_str()).collect();
            let of = Complaint::about(Ailment::Skipped, ids.join("\n"));
            let mut files: Vec<PathBuf> = skipped.iter().map(|(_, file)| file.clone()).collect();
            files.dedup();
            health.complain(Complaint { files, case: Some(first), ..of });
        }
        if let Some((_, (first, quantity))) = moved.first_key_value() {
            let of = Complaint::about(Ailment::Drift, quantity.clone());
            health.complain(Complaint { case: Some(first.clone()), files: moved.into_keys().collect(), ..of });
        }
        snapshots(goldens, self.recorder, &known, &expected, health);
    }

    /// Holds what a case declares against its snapshots: `moved` are those that hold something else, with the first such line.
    /// What cannot be read is told of by itself.
    fn compare(
        &self,
        suites: &Suites,
        case: &Case,
        tell: &mut impl FnMut(Error),
        moved: &mut BTreeMap<PathBuf, (CaseId, String)>,
    ) {
        let mut compare =
            |name: &str, digests: &BTreeMap<String, String>, reference: Option<&Reference>, summary: &Summary| {
                let Ok(file) = self.recorder.file(&case.id, name) else { return };
                let facts = facts(case, digests, reference, summary);
                // One that is damaged is told of by itself.
                let lines = self.recorder.inspect(&file, Some(&facts)).unwrap_or_default();
                if let Some(line) = lines.into_iter().next() {
                    moved.insert(file, (case.id.clone(), line.quantity));
                }
            };
        let gathered = gather(self.goldens, suites, case);
        let digests = gathered.as_ref().ok().map(|gathered| &gathered.digests);
        for (name, output) in &case.outputs {
            let Ok(reference) = Reference::read(case, name, output) else { continue };
            let wrong = |what: &str| Error::Case {
                path: case.set_in(&format!("outputs.{name}")).to_path_buf(),
                what: format!("outputs.{name}{what}"),
            };
            let is_mask = |mask: &Tensor| mask.shape() == reference.tensor.shape() && mask.dtype() == DType::Bool;
            if !reference.mask.as_ref().is_none_or(is_mask) {
                tell(wrong(".where: the mask is not bool, or has another shape than the reference"));
                continue;
            }
            let mut summary = summarize(&reference.tensor, reference.mask.as_ref());
            if output.nan == NanRule::Mismatch && summary.non_finite.nan > 0 {
                tell(wrong(": the reference holds NaN, which match nothing without \"nan\": \"match\""));
            }
            if let Some(digests) = digests {
                summary.dtype = output.cast.unwrap_or(summary.dtype);
                compare(name, digests, Some(&reference), &summary);
            }
        }
        if let (true, Some(digests)) = (case.outputs.is_empty(), digests) {
            let recorded = self.recorder.recorded(&case.id).unwrap_or_default();
            let owned = recorded.iter().filter(|output| self.recorder.owns(&case.id, output));
            let nothing = summarize(&Tensor::from(0.0f32), None);
            owned.for_each(|name| compare(name, digests, None, &nothing));
        }
    }
}

/// The error that nobody registered the checkpoint of a case.
fn unknown(case: &Case, executor: &Executor) -> Error {
    let nearest = nearest_first(&case.checkpoint, executor.names()).join(", ");
    let registered =
        if nearest.is_empty() { "none is".to_owned() } else { format!("registered, nearest first: {nearest}") };
    Error::Case {
        path: case.set_in("checkpoint").to_path_buf(),
        what: format!("nobody registered a checkpoint {:?}; {registered}", case.checkpoint),
    }
}

/// The tensors of every case, each looked at once.
#[derive(Default)]
struct Tensors {
    seen: BTreeMap<(PathBuf, Option<String>), Option<DType>>,
    files: Containers,
    pointers: BTreeMap<Pointer, BTreeSet<PathBuf>>,
    others: Vec<Complaint>,
}

impl Tensors {
    /// Looks at the header of every tensor that a case names, and whether what it says of its references fits them.
    fn check(&mut self, case: &Case, tell: &mut impl FnMut(Error)) {
        for input in case.inputs.values() {
            self.look(case, &input.address, input.dtype);
        }
        for (name, output) in &case.outputs {
            if let Some(dtype) = self.look(case, &output.address, output.dtype) {
                tolerance(case, name, output, dtype).map(drop).unwrap_or_else(&mut *tell);
            }
            let dtype = output.dtype;
            for (address, dtype) in
                output.alternatives.iter().map(|or| (or, dtype)).chain(output.mask.iter().map(|mask| (mask, None)))
            {
                self.look(case, address, dtype);
            }
        }
    }

    /// The dtype of a tensor, where it can be read.
    fn look(&mut self, case: &Case, address: &Address, dtype: Option<DType>) -> Option<DType> {
        let Address { text: _, path, member } = address;
        let key = (path.clone(), member.clone());
        if let Some(seen) = self.seen.get(&key) {
            return *seen;
        }
        let header = self.files.at(path).and_then(|file| file.inspect(member.as_deref(), dtype));
        let read = header.as_ref().ok().map(|header| header.dtype);
        self.seen.insert(key, read);
        let Err(error) = header else { return read };
        if let Error::Missing { what, .. } = &error
            && let Some(pointer) = Pointer::named_in(what)
        {
            self.pointers.entry(pointer).or_default().insert(path.clone());
            return None;
        }
        let ailment = if error.is_missing() { Ailment::Missing } else { Ailment::Damaged };
        self.others.push(Complaint {
            files: vec![path.clone()],
            case: Some(case.id.clone()),
            ..Complaint::about(ailment, error.to_string())
        });
        None
    }

    fn tell(self, health: &mut Health) {
        for (pointer, files) in self.pointers {
            let files = files.into_iter().collect();
            health.complain(Complaint { files, ..Complaint::about(Ailment::Pointers, pointer.to_string()) });
        }
        health.complaints.extend(self.others);
    }
}

/// Compares what is recorded and pending with what is known. `expected` are the outputs of each case that a run holds; none
/// where its snapshots alone say which there are.
fn snapshots(
    goldens: &Goldens,
    recorder: &Recorder,
    known: &BTreeMap<CaseId, Option<BTreeSet<String>>>,
    expected: &[(CaseId, Vec<String>)],
    health: &mut Health,
) {
    let is_selected = |id: &CaseId| id.below(&goldens.root).starts_with(goldens.selected());
    let shelf = Shelf::read(recorder.snapshots());
    let pending = match shelf.check().and_then(|()| recorder.pending_files()) {
        Ok(pending) => pending,
        Err(error) => {
            health.complain(Complaint::about(Ailment::Broken, error.to_string()));
            return;
        }
    };
    let mut complain = |ailment, files: Vec<PathBuf>, case: Option<CaseId>| {
        if !files.is_empty() {
            health.complaints.push(Complaint { files, case, ..Complaint::of(ailment) });
        }
    };
    let is_known = |id: &CaseId, output: &str| match known.get(id) {
        Some(outputs) => outputs.as_ref().is_none_or(|outputs| outputs.contains(output)),
        None => false,
    };
    let orphans = shelf.orphans(recorder.snapshots(), is_known);
    let orphans = orphans.into_iter().filter(|orphan| is_selected(&orphan.id)).map(|orphan| orphan.path);
    complain(Ailment::Orphaned, orphans.collect(), None);
    let pending = pending.into_iter().filter(|(id, ..)| is_selected(id));
    let (pending, stray): (Vec<_>, Vec<_>) = pending.partition(|(id, output, _)| is_known(id, output));
    complain(Ailment::Pending, pending.iter().map(|(.., path)| path.clone()).collect(), None);
    complain(Ailment::Stray, stray.into_iter().map(|(.., path)| path).collect(), None);
    let (mut unrecorded, mut damaged) = (Vec::new(), Vec::new());
    let mut first = None;
    for (id, outputs) in expected {
        let waits = |output: Option<&str>| {
            pending.iter().any(|(case, name, _)| case == id && output.is_none_or(|output| name == output))
        };
        let recorded = || recorder.recorded(id).unwrap_or_default();
        let held = match outputs.is_empty() {
            true => recorded().into_iter().filter(|output| recorder.owns(id, output)).collect(),
            false => outputs.clone(),
        };
        if held.is_empty() && !waits(None) {
            unrecorded.push(id.below(recorder.snapshots()));
            first.get_or_insert_with(|| id.clone());
        }
        for output in held {
            match recorder.file(id, &output) {
                Ok(file) if file.exists() => {
                    health.snapshots += 1;
                    if let Err(error) = recorder.inspect(&file, None) {
                        let of = Complaint::about(Ailment::Damaged, error.to_string());
                        damaged.push(Complaint { files: vec![file], case: Some(id.clone()), ..of });
                    }
                }
                Ok(file) if !waits(Some(&output)) => {
                    unrecorded.push(file);
                    first.get_or_insert_with(|| id.clone());
                }
                _ => {}
            }
        }
    }
    health.complaints.extend(damaged);
    if !unrecorded.is_empty() {
        health.complain(Complaint { files: unrecorded, case: first, ..Complaint::of(Ailment::Unrecorded) });
    }
}
