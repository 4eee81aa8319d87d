//! A suite of this repository: its cases as they were captured, and a copy that faults can be planted in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use karat::case::{Address, Case, CaseId, Goldens, Tree};
use karat::run::{CaseOutcome, Filter, Options, RunOutcome, Session};
use karat::tensor::read_tensor;
use karat::{Executor, Tensor, Tolerance};
use tempfile::TempDir;
use walkdir::WalkDir;

/// The cases that compare the scores which a mask hides.
pub(crate) const ATTENTION_MASK: &str = "attention_mask";

/// A case with its tensors.
pub(crate) struct Golden {
    pub(crate) case: Case,
    pub(crate) inputs: BTreeMap<String, Tensor>,
    pub(crate) references: BTreeMap<String, Reference>,
}

/// The reference of an output.
pub(crate) struct Reference {
    pub(crate) tensor: Tensor,
    /// True where an element is compared.
    pub(crate) mask: Option<Vec<bool>>,
    pub(crate) tolerance: Tolerance,
}

/// A copy of a suite and its snapshots in a temporary folder, so that whatever karat writes is not in this repository.
pub(crate) struct Suite {
    pub(crate) cases: Vec<Golden>,
    folder: TempDir,
    tree: Tree,
}

pub(crate) fn repository(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

impl Suite {
    pub(crate) fn copy(name: &str) -> Suite {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for tree in ["goldens", "snapshots"] {
            let below = format!("{tree}/{name}");
            copy(&repository(&below), &folder.path().join(below));
        }
        let mut suite = Suite { cases: Vec::new(), tree: Tree::default(), folder };
        suite.tree = suite.goldens().discover().expect("the copy can be walked");
        assert!(suite.tree.problems.is_empty(), "{:?}", suite.tree.problems);
        suite.cases = suite.tree.cases.iter().map(|id| Golden::load(&suite.goldens().root, id)).collect();
        suite
    }

    fn goldens(&self) -> Goldens {
        Goldens::locate(&self.folder.path().join("goldens"), None).expect("the copy has goldens")
    }

    /// The folder of a case.
    pub(crate) fn folder(&self, golden: &Golden) -> PathBuf {
        golden.case.id.below(&self.goldens().root)
    }

    /// The checkpoints, each once, by name; and apart from them what compares another part of what one returns.
    pub(crate) fn checkpoints(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.cases.iter().map(Golden::checkpoint).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The cases of a checkpoint.
    pub(crate) fn of<'a>(&'a self, checkpoint: &'a str) -> impl Iterator<Item = &'a Golden> {
        self.cases.iter().filter(move |golden| golden.checkpoint() == checkpoint)
    }

    /// Runs all of it.
    pub(crate) fn run(&self, executor: Executor) -> RunOutcome {
        self.session(executor).run(&self.tree, &Filter::default(), |_| ()).expect("there are cases")
    }

    /// Runs those cases alone.
    pub(crate) fn run_cases(&self, executor: Executor, cases: &[&Golden]) -> Vec<CaseOutcome> {
        let session = self.session(executor);
        cases.iter().map(|golden| session.run_case(&golden.case.id)).collect()
    }

    fn session(&self, executor: Executor) -> Arc<Session> {
        Session::new(self.goldens(), executor, Options::default()).expect("insta's settings are sound")
    }
}

impl Golden {
    fn load(root: &Path, id: &CaseId) -> Golden {
        let case = Case::load(root, id).expect("the case is sound");
        let read = |address: &Address| {
            read_tensor(&address.path, address.member.as_deref(), None).expect("the tensor is there")
        };
        let inputs = case.inputs.iter().map(|(name, input)| (name.clone(), read(&input.address))).collect();
        let references = case.outputs.iter().map(|(name, output)| {
            let tensor = read(&output.address);
            let mask = output.mask.as_ref().map(|address| read(address).as_slice().expect("it is boolean").to_vec());
            let tolerance = output.tolerance(tensor.dtype()).expect("the case has a tolerance");
            (name.clone(), Reference { tensor, mask, tolerance })
        });
        Golden { references: references.collect(), inputs, case }
    }

    /// Its checkpoint, or the name of the case where it compares what the other cases of its checkpoint leave out.
    pub(crate) fn checkpoint(&self) -> &str {
        match self.id().rsplit('/').next() {
            Some(ATTENTION_MASK) => ATTENTION_MASK,
            _ => &self.case.checkpoint,
        }
    }

    pub(crate) fn id(&self) -> &str {
        self.case.id.as_str()
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in WalkDir::new(from) {
        let entry = entry.expect("this repository can be walked");
        let target = to.join(entry.path().strip_prefix(from).expect("the walk stays below"));
        match entry.file_type().is_dir() {
            true => fs::create_dir_all(target).expect("a folder"),
            false => drop(fs::copy(entry.path(), target).expect("a file")),
        }
    }
}
