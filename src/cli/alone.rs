//! The process of one case, which a run with `--isolate` starts: a verb that nobody types.

use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Gate;
use super::cases::choose;
use crate::case::{CaseId, Goldens};
use crate::error::{Error, Result};
use crate::run::{Alone as Asked, CaseOutcome, Executors, Gates, Options, Pictures, Session, die_with, limit_memory};
use crate::snapshot::Caller;

/// How the verb is called.
pub(crate) const ALONE: &str = "__case";

/// The arguments of the verb. Which case, and where its outcome goes, `run` adds to those of the run.
#[derive(Debug, Args)]
pub(super) struct Alone {
    #[arg(long)]
    root: PathBuf,
    #[arg(long)]
    snapshots: PathBuf,
    #[arg(long)]
    executor: String,
    #[arg(long = "repeat")]
    repeats: NonZeroUsize,
    #[arg(long)]
    accuracy_only: bool,
    #[arg(long)]
    as_test: bool,
    #[arg(long)]
    unskipped: bool,
    #[arg(long)]
    ci: bool,
    #[arg(long)]
    pictures: bool,
    #[arg(long)]
    all_pictures: bool,
    #[arg(long)]
    memory_limit: Option<u64>,
    #[arg(long)]
    parent: u32,
    #[arg(long)]
    case: String,
    #[arg(long)]
    outcome: PathBuf,
    #[arg(long)]
    inputs: Option<PathBuf>,
    #[arg(long)]
    outputs: Option<PathBuf>,
    #[arg(long)]
    aside: bool,
}

impl Alone {
    pub(super) fn main(self, executors: Executors) -> Result<Gate> {
        die_with(self.parent).map_err(|error| Error::Usage(error.to_string()))?;
        // The threads that every case finds, with their stacks, are no case's: as many as there are cores.
        rayon::current_num_threads();
        if let Some(bytes) = self.memory_limit {
            limit_memory(bytes).map_err(|error| Error::Usage(format!("memory cannot be limited: {error}")))?;
        }
        let (executor, _) = choose(executors, Some(self.executor))?;
        let options = Options {
            repeats: self.repeats,
            caller: if self.as_test { Caller::Test } else { Caller::CommandLine },
            runs_skipped: self.unskipped,
            gates: if self.accuracy_only { Gates::Accuracy } else { Gates::Both },
            explain: true,
            ci: self.ci,
            pictures: match (self.pictures, self.all_pictures) {
                (_, true) => Pictures::All,
                (true, false) => Pictures::NotPassed,
                (false, false) => Pictures::None,
            },
            ..Options::default()
        };
        let goldens = Goldens { root: self.root, snapshots: self.snapshots, below: PathBuf::new() };
        let session = Session::new(goldens, executor, options)?;
        let id = CaseId::new(&self.case)?;
        let outcome = session.alone(&Asked { id, inputs: self.inputs, outputs: self.outputs, is_aside: self.aside })?;
        hand_over(&self.outcome, &outcome)?;
        Ok(Gate::Passed)
    }
}

/// Writes the outcome whole or not at all.
fn hand_over(path: &Path, outcome: &CaseOutcome) -> Result<()> {
    let text = serde_json::to_vec(outcome).map_err(|error| Error::write(path, error.into()))?;
    let beside = path.with_extension("part");
    let write = || {
        fs::File::create(&beside)?.write_all(&text)?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| Error::write(path, error))
}
