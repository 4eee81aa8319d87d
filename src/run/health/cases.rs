//! Cases that cannot be read, tensors that are not there, snapshots that are too many, too few or not reviewed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::complaint::{Ailment, Complaint, Health};
use crate::error::Error;
use crate::golden::{Address, Case, CaseId, Containers, Goldens, Pointer, Tree};
use crate::numeric::DType;
use crate::snapshot::Recorder;

/// Looks through the tree and the snapshots.
pub(super) fn check(goldens: &Goldens, recorder: &Recorder, tree: &Tree, health: &mut Health) {
    if tree.cases.is_empty() && tree.problems.is_empty() {
        health.complain(Complaint::of(Ailment::Empty));
    }
    let mut known: BTreeMap<CaseId, Option<BTreeSet<String>>> =
        tree.problems.keys().map(|id| (id.clone(), None)).collect();
    let mut unread: BTreeMap<String, (CaseId, PathBuf)> =
        tree.problems.iter().map(|(id, what)| (what.clone(), (id.clone(), id.below(&goldens.root)))).collect();
    let mut tensors = Tensors::default();
    let mut expected = Vec::new();
    for id in &tree.cases {
        match Case::load(&goldens.root, id) {
            Ok(case) => {
                tensors.check(&case);
                expected.extend(case.outputs.keys().map(|output| (id.clone(), output.clone())));
                // The outputs of a case without a reference are known when it runs.
                let outputs = (!case.outputs.is_empty()).then(|| case.outputs.into_keys().collect());
                known.insert(id.clone(), outputs);
            }
            Err(error) => {
                known.insert(id.clone(), None);
                // A suite is wrong once, however many cases are below it.
                let file = id.below(&goldens.root).join("case.json");
                unread.entry(error.to_string()).or_insert((id.clone(), file));
            }
        }
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
    seen: BTreeSet<(PathBuf, Option<String>)>,
    files: Containers,
    pointers: BTreeMap<Pointer, BTreeSet<PathBuf>>,
    others: Vec<Complaint>,
}

impl Tensors {
    /// Looks at the header of every tensor that a case names.
    fn check(&mut self, case: &Case) {
        for input in case.inputs.values() {
            self.look(case, &input.address, input.dtype);
        }
        for output in case.outputs.values() {
            self.look(case, &output.address, output.dtype);
            output.alternatives.iter().for_each(|address| self.look(case, address, output.dtype));
            output.mask.iter().for_each(|address| self.look(case, address, None));
        }
    }

    fn look(&mut self, case: &Case, address: &Address, dtype: Option<DType>) {
        let Address { text: _, path, member } = address;
        if !self.seen.insert((path.clone(), member.clone())) {
            return;
        }
        let header = self.files.at(path).and_then(|file| file.inspect(member.as_deref(), dtype));
        let Err(error) = header else { return };
        if let Error::Missing { what, .. } = &error
            && let Some(pointer) = Pointer::named_in(what)
        {
            self.pointers.entry(pointer).or_default().insert(path.clone());
            return;
        }
        let ailment = if error.is_missing() { Ailment::Missing } else { Ailment::Damaged };
        self.others.push(Complaint {
            files: vec![path.clone()],
            case: Some(case.id.clone()),
            ..Complaint::about(ailment, error.to_string())
        });
    }

    fn tell(self, health: &mut Health) {
        for (pointer, files) in self.pointers {
            let files = files.into_iter().collect();
            health.complain(Complaint { files, ..Complaint::about(Ailment::Pointers, pointer.to_string()) });
        }
        health.complaints.extend(self.others);
    }
}

/// Compares what is recorded and pending with what is known.
fn snapshots(
    goldens: &Goldens,
    recorder: &Recorder,
    known: &BTreeMap<CaseId, Option<BTreeSet<String>>>,
    expected: &[(CaseId, String)],
    health: &mut Health,
) {
    let is_selected = |id: &CaseId| id.below(&goldens.root).starts_with(goldens.selected());
    let found = recorder.orphans(known).and_then(|orphans| Ok((orphans, recorder.pending_files()?)));
    let (orphans, pending) = match found {
        Ok(found) => found,
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
    let orphans: Vec<_> = orphans.into_iter().filter(|orphan| is_selected(&orphan.id)).collect();
    complain(Ailment::Orphaned, orphans.iter().map(|orphan| orphan.path.clone()).collect(), None);
    let pending: Vec<_> = pending.into_iter().filter(|(id, ..)| is_selected(id)).collect();
    complain(Ailment::Pending, pending.iter().map(|(.., path)| path.clone()).collect(), None);
    let is_there = |path: &Path| path.exists();
    let waits = |id: &CaseId, output: &str| pending.iter().any(|(case, name, _)| case == id && name == output);
    let (mut unrecorded, mut damaged) = (Vec::new(), Vec::new());
    let mut first = None;
    for (id, output) in expected {
        match recorder.file(id, output) {
            Ok(file) if is_there(&file) => {
                health.snapshots += 1;
                if let Err(error) = recorder.inspect(&file) {
                    let of = Complaint::about(Ailment::Damaged, error.to_string());
                    damaged.push(Complaint { files: vec![file], case: Some(id.clone()), ..of });
                }
            }
            Ok(file) if !waits(id, output) => {
                unrecorded.push(file);
                first.get_or_insert_with(|| id.clone());
            }
            _ => {}
        }
    }
    health.complaints.extend(damaged);
    if !unrecorded.is_empty() {
        health.complain(Complaint { files: unrecorded, case: first, ..Complaint::of(Ailment::Unrecorded) });
    }
}
