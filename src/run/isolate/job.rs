//! Isolated cases: a folder contains the job for the process of a case, and the outcome that it writes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::process::{Exit, exit_with_parent, limit_memory, run};
use crate::case::{Case, CaseId, Goldens};
use crate::error::{Error, Result};
use crate::run::checkpoint::{Executor, Inputs};
use crate::run::execution::{CaseRun, execute, read_inputs};
use crate::run::options::{Isolation, Options, Scope};
use crate::run::outcome::{CaseOutcome, Problem};
use crate::run::registry::register;
use crate::run::session::{RunMode, Session};
use crate::tensor::{DType, Tensor, read_tensor, write_npy};

/// The hidden verb that runs an isolated case; its argument is the folder.
pub(crate) const ISOLATED: &str = "__case";

/// The files and folders in the folder of a job.
const JOB: &str = "job.json";
const OUTCOME: &str = "outcome.json";
const INPUTS: &str = "inputs";
const OUTPUTS: &str = "outputs";

/// The job of an isolated process: one case to run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The name of the executor.
    pub(crate) executor: String,
    case: CaseId,
    root: OsString,
    snapshots: OsString,
    options: Options,
    memory_limit: Option<u64>,
    /// The id of the process that waits for the outcome.
    parent: u32,
    /// How to run it; output tensors are written to the folder.
    mode: RunMode,
}

impl Job {
    /// Reads the job from a folder.
    pub(crate) fn read(folder: &Path) -> Result<Job> {
        read_json(&folder.join(JOB))
    }

    /// Limits this process to the memory of the job and the life of its parent.
    pub(crate) fn apply_limits(&self) -> Result<()> {
        exit_with_parent(self.parent).map_err(|error| Error::Usage(error.to_string()))?;
        // Starts the thread pool first, so that its stacks do not count towards the limit.
        rayon::current_num_threads();
        self.memory_limit
            .map_or(Ok(()), limit_memory)
            .map_err(|error| Error::Usage(format!("cannot limit memory: {error}")))
    }

    /// Runs the case, and writes its outcome to the folder. If the folder has inputs, they replace golden ones, and the outcome
    /// contains no outputs, only a problem if there is one.
    pub(crate) fn run(self, folder: &Path, executor: Executor) -> Result<()> {
        let Job { case: id, root, snapshots, options, mode, .. } = self;
        let goldens = Goldens { root: root.into(), snapshots: snapshots.into(), below: PathBuf::new() };
        let session = Session::new(goldens, executor, options)?;
        let inputs = folder.join(INPUTS);
        let (outcome, outputs) = if inputs.exists() {
            run_with_inputs(&session, &id, &inputs)?
        } else {
            let (outcome, run) = session.run_in_mode(&id, mode);
            (outcome, run.map(|run| run.outputs))
        };
        if let Some(outputs) = outputs.filter(|_| mode.keeps_outputs) {
            write_tensors(&folder.join(OUTPUTS), outputs.iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
        }
        // The rename makes the file appear complete or not at all.
        let (file, part) = (folder.join(OUTCOME), folder.join("outcome.part"));
        write_json(&part, &outcome)?;
        fs::rename(&part, &file).map_err(|error| Error::write(file, error))
    }
}

/// Runs a checkpoint with the golden inputs replaced by those in a folder.
fn run_with_inputs(session: &Session, id: &CaseId, folder: &Path) -> Result<Answer> {
    let case = session.suites.case(id)?;
    let outcome = |problems| CaseOutcome::new(id, case.file.clone(), Some(case.checkpoint.clone()), problems);
    let mut inputs = match read_inputs(session.goldens(), &session.suites, &case) {
        Ok((inputs, _)) => inputs,
        Err(problems) => return Ok((outcome(problems), None)),
    };
    for (name, tensor) in read_tensors(folder)? {
        inputs = inputs.with(&name, tensor);
    }
    let _registration = register(id);
    Ok(match execute(&session.executor, &case, &inputs, 1) {
        Err(problem) => (outcome(vec![problem]), None),
        Ok(execution) => (outcome(Vec::new()), Some(execution.outputs)),
    })
}

/// The outcome of an isolated case, and the outputs of the checkpoint if they were requested and there are any.
type Answer = (CaseOutcome, Option<BTreeMap<String, Tensor>>);

impl Session {
    /// Returns how to isolate a case, or `None` if it runs in this process.
    pub(in crate::run) fn isolation(&self, case: &Case) -> Option<&Isolation> {
        self.options.isolation.as_ref().filter(|isolation| isolation.scope == Scope::All || case.timeout.is_some())
    }

    /// Runs one case in its own process.
    pub(in crate::run) fn run_isolated(
        &self,
        isolation: &Isolation,
        case: Case,
        mode: RunMode,
    ) -> Result<(CaseOutcome, Option<CaseRun>), Vec<Problem>> {
        let (outcome, outputs) = self.run_job(isolation, &case, None, mode).map_err(|problem| vec![problem])?;
        let Some(outputs) = outputs else { return Ok((outcome, None)) };
        let (inputs, _) = read_inputs(self.goldens(), &self.suites, &case)?;
        Ok((outcome, Some(CaseRun { case, inputs, outputs })))
    }

    /// Runs the checkpoint of a case again with other inputs, in its own process if the case is isolated.
    pub(in crate::run) fn rerun_checkpoint(
        &self,
        case: &Case,
        inputs: &Inputs,
    ) -> Result<BTreeMap<String, Tensor>, Problem> {
        let Some(isolation) = self.isolation(case) else {
            let _registration = register(&case.id);
            return execute(&self.executor, case, inputs, 1).map(|execution| execution.outputs);
        };
        let mode = RunMode { is_unreported: true, keeps_outputs: true };
        let (outcome, outputs) = self.run_job(isolation, case, Some(inputs), mode)?;
        match outcome.problems.into_iter().next() {
            Some(problem) => Err(problem),
            None => outputs.ok_or_else(|| Problem::Failed { text: "it returned no outputs".to_owned() }),
        }
    }

    /// Starts a process with a job, and reads its answer.
    fn run_job(
        &self,
        isolation: &Isolation,
        case: &Case,
        inputs: Option<&Inputs>,
        mode: RunMode,
    ) -> Result<Answer, Problem> {
        let error = |what: &str, error: &dyn std::fmt::Display| Problem::Error { text: format!("{what}: {error}") };
        let folder = tempfile::Builder::new().prefix("karat-").tempdir();
        let folder = folder.map_err(|e| error("cannot create a temporary folder for the case", &e))?;
        let folder = folder.path();
        let job = Job {
            executor: self.executor.name().to_owned(),
            case: case.id.clone(),
            root: self.goldens().root.clone().into(),
            snapshots: self.goldens().snapshots.clone().into(),
            options: self.options.clone(),
            memory_limit: isolation.memory_limit,
            parent: std::process::id(),
            mode,
        };
        let write_inputs = |()| inputs.map_or(Ok(()), |inputs| write_tensors(&folder.join(INPUTS), inputs.tensors()));
        write_json(&folder.join(JOB), &job)
            .and_then(write_inputs)
            .map_err(|e| error("cannot write the job of the case", &e))?;
        let mut command = Command::new(&isolation.program);
        command.arg(ISOLATED).arg(folder);
        let limit = case.timeout.or(isolation.timeout);
        let (exit, printed) = run(command, limit, &self.options.interrupt)
            .map_err(|e| error(&format!("cannot start {}", isolation.program.display()), &e))?;
        let file = folder.join(OUTCOME);
        match exit {
            Exit::Status(0) if file.exists() => {
                let read = || -> Result<Answer> {
                    let mut outcome: CaseOutcome = read_json(&file)?;
                    outcome.restore().map_err(Error::Invalid)?;
                    let outputs = folder.join(OUTPUTS);
                    Ok((outcome, outputs.exists().then(|| read_tensors(&outputs)).transpose()?))
                };
                read().map_err(|e| error("cannot read the outcome of the case", &e))
            }
            Exit::TimedOut => Err(Problem::TimedOut { limit: limit.unwrap_or_default(), printed }),
            Exit::Interrupted => {
                Err(Problem::Interrupted { signal: self.options.interrupt.name().unwrap_or_default() })
            }
            _ if is_out_of_memory(&printed) => Err(Problem::OutOfMemory { limit: isolation.memory_limit, printed }),
            Exit::Status(status) => Err(Problem::Exited { status, printed }),
            Exit::Signal(signal) => Err(Problem::Crashed { signal, printed }),
        }
    }
}

/// Returns whether the output of a process contains the message of Rust, C++ or C that memory ran out.
fn is_out_of_memory(printed: &[String]) -> bool {
    let no_memory = io::Error::from(io::ErrorKind::OutOfMemory).to_string();
    printed.iter().map(|line| line.to_lowercase()).any(|line| {
        line.contains("memory allocation of ") && line.contains(" bytes failed")
            || ["std::bad_alloc", "cannot allocate memory", &no_memory].iter().any(|text| line.contains(text))
    })
}

fn write_json(file: &Path, content: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec(content).map_err(|error| Error::write(file, error.into()))?;
    fs::write(file, text).map_err(|error| Error::write(file, error))
}

fn read_json<T: serde::de::DeserializeOwned>(file: &Path) -> Result<T> {
    let text = fs::read(file).map_err(|error| Error::read(file, error))?;
    serde_json::from_slice(&text).map_err(|error| Error::Invalid(format!("{}: {error}", file.display())))
}

/// The list of the tensors in a folder. Files are named by position, since tensor names need not be valid file names.
const LIST: &str = "tensors.json";

/// Writes tensors to a new folder.
fn write_tensors<'a>(folder: &Path, tensors: impl Iterator<Item = (&'a str, &'a Tensor)>) -> Result<()> {
    fs::create_dir(folder).map_err(|error| Error::write(folder, error))?;
    let mut list: Vec<(&str, &str)> = Vec::new();
    for (name, tensor) in tensors {
        write_npy(&folder.join(format!("{}.npy", list.len())), tensor)?;
        list.push((name, tensor.dtype().name()));
    }
    write_json(&folder.join(LIST), &list)
}

/// Reads the tensors in a folder.
fn read_tensors(folder: &Path) -> Result<BTreeMap<String, Tensor>> {
    let list: Vec<(String, String)> = read_json(&folder.join(LIST))?;
    let tensor = |(at, (name, dtype)): (usize, (String, String))| {
        // An npy file cannot represent every dtype.
        let tensor = read_tensor(&folder.join(format!("{at}.npy")), None, DType::from_name(&dtype))?;
        Ok((name, tensor))
    };
    list.into_iter().enumerate().map(tensor).collect()
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;

    #[test]
    fn out_of_memory_messages_are_recognized() {
        for message in [
            "memory allocation of 1048576 bytes failed",
            "terminate called after throwing an instance of 'std::bad_alloc'",
            "mmap: Cannot allocate memory",
        ] {
            assert!(is_out_of_memory(&["loading".to_owned(), message.to_owned()]), "{message}");
        }
        assert!(!is_out_of_memory(&["free(): invalid pointer".to_owned()]));
    }

    #[test]
    fn tensors_of_any_name_and_dtype_round_trip() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let odd = Tensor::new(&[2], vec![bf16::from_f32(1.5), bf16::NAN]).expect("two elements");
        let empty = Tensor::new(&[0, 3], Vec::<i64>::new()).expect("no element");
        let mask = Tensor::new(&[1], vec![true]).expect("an element");
        let tensors = [("a/b: \"c\"", &odd), ("", &empty), ("mask", &mask)];
        write_tensors(&folder.path().join("t"), tensors.into_iter()).expect("they are written");
        let read = read_tensors(&folder.path().join("t")).expect("they are read");
        assert_eq!(read.len(), 3);
        for (name, tensor) in tensors {
            assert!(crate::run::execution::same_bits(tensor, &read[name]), "{name:?}");
        }
    }
}
