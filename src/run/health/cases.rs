//! Cases that cannot be read, tensors that are not there, snapshots that are too many, too few or not reviewed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::complaint::{Ailment, Complaint, Health};
use crate::error::Error;
use crate::golden::{Address, Case, CaseId, Containers, Goldens, Pointer, Suites, Tree, sha256};
use crate::numeric::DType;
use crate::run::execute::{check_link, read};
use crate::run::judge::tolerance;
use crate::snapshot::{Recorder, Shelf};

/// Looks through the tree and the snapshots: at all on which a run would fail that can be told without running anything.
pub(super) fn check(goldens: &Goldens, recorder: &Recorder, tree: &Tree, health: &mut Health) {
    if tree.cases.is_empty() && tree.problems.is_empty() {
        health.complain(Complaint::of(Ailment::Empty));
    }
    let suites = Suites::new(&goldens.root);
    let mut known: BTreeMap<CaseId, Option<BTreeSet<String>>> =
        tree.problems.keys().map(|id| (id.clone(), None)).collect();
    let mut unread: BTreeMap<String, (CaseId, PathBuf)> =
        tree.problems.iter().map(|(id, what)| (what.clone(), (id.clone(), id.below(&goldens.root)))).collect();
    let mut tensors = Tensors::default();
    let mut expected = Vec::new();
    for id in &tree.cases {
        // A suite is wrong once, however many cases are below it.
        let mut tell = |error: Error| {
            unread.entry(error.to_string()).or_insert_with(|| (id.clone(), id.below(&goldens.root).join("case.json")));
        };
        let outputs = match suites.case(id) {
            // Nothing of it is looked at in a run either.
            Ok(case) if case.skip.is_some() => None,
            Ok(case) => {
                tensors.check(&case, &mut tell);
                for (name, input) in case.inputs.iter().filter(|(_, input)| input.link.is_some()) {
                    let digest = || Ok(sha256(&read(&input.address, input.dtype)?));
                    // A tensor that cannot be read is told of by itself.
                    if let Err(error @ Error::Case { .. }) = check_link(goldens, &suites, &case, (name, input), digest)
                    {
                        tell(error);
                    }
                }
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
    snapshots(goldens, recorder, &known, &expected, health);
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
    let orphans = shelf.orphans(recorder.snapshots(), |id, output| match known.get(id) {
        Some(Some(outputs)) => outputs.contains(output),
        Some(None) => true,
        None => false,
    });
    let orphans = orphans.into_iter().filter(|orphan| is_selected(&orphan.id)).map(|orphan| orphan.path);
    complain(Ailment::Orphaned, orphans.collect(), None);
    let pending: Vec<_> = pending.into_iter().filter(|(id, ..)| is_selected(id)).collect();
    complain(Ailment::Pending, pending.iter().map(|(.., path)| path.clone()).collect(), None);
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
                    if let Err(error) = recorder.inspect(&file) {
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
