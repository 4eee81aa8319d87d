//! A case in a process of its own: the job that it is given and the outcome that it answers with, in one folder.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::process::{Ended, How, die_with, limit_memory, run};
use crate::case::{Case, CaseId, Goldens};
use crate::error::{Error, Result};
use crate::run::checkpoint::{Executor, Inputs};
use crate::run::examine::{Ran, execute, gather};
use crate::run::options::{Isolation, Options, Scope};
use crate::run::outcome::{CaseOutcome, Problem};
use crate::run::running::begin;
use crate::run::session::Ask;
use crate::run::session::Session;
use crate::tensor::{DType, Tensor, read_tensor, write_npy};

/// The verb of the process of one case, which is given its folder.
pub(crate) const ISOLATED: &str = "__case";

/// The files and folders of a job.
const JOB: &str = "job.json";
const OUTCOME: &str = "outcome.json";
const INPUTS: &str = "inputs";
const OUTPUTS: &str = "outputs";

/// What the process of one case is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The name of the executor.
    pub(crate) executor: String,
    case: CaseId,
    root: OsString,
    snapshots: OsString,
    options: Options,
    memory_limit: Option<u64>,
    /// The process that waits for the answer.
    parent: u32,
    /// Whether nothing is recorded or kept: another process reports the case.
    is_aside: bool,
    /// Whether the checkpoint is given tensors of the folder in place of golden ones. Then nothing is judged.
    has_inputs: bool,
    /// Whether the tensors that the checkpoint returns are wanted.
    wants_outputs: bool,
}

impl Job {
    /// The job in that folder.
    pub(crate) fn read(folder: &Path) -> Result<Job> {
        read_json(&folder.join(JOB))
    }

    /// Limits this process as the job says.
    pub(crate) fn limit(&self) -> Result<()> {
        die_with(self.parent).map_err(|error| Error::Usage(error.to_string()))?;
        // The threads that every case finds, with their stacks, are no case's: as many as there are cores.
        rayon::current_num_threads();
        self.memory_limit
            .map_or(Ok(()), limit_memory)
            .map_err(|error| Error::Usage(format!("memory cannot be limited: {error}")))
    }

    /// Runs the case, and leaves its outcome in the folder. On inputs in place of golden ones the outcome has nothing but the
    /// problem that there was, if any.
    pub(crate) fn run(self, folder: &Path, executor: Executor) -> Result<()> {
        let Job { case: id, root, snapshots, options, is_aside, has_inputs, wants_outputs, .. } = self;
        let goldens = Goldens { root: root.into(), snapshots: snapshots.into(), below: PathBuf::new() };
        let session = Session::new(goldens, executor, options)?;
        let (outcome, outputs) = match has_inputs {
            true => substitute(&session, &id, &folder.join(INPUTS))?,
            false => {
                let (outcome, ran) = session.examine(&id, Ask { aside: is_aside, outputs: wants_outputs });
                (outcome, ran.map(|ran| ran.outputs))
            }
        };
        if let Some(outputs) = outputs.filter(|_| wants_outputs) {
            write_tensors(&folder.join(OUTPUTS), outputs.iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
        }
        // It appears whole or not at all.
        let (file, part) = (folder.join(OUTCOME), folder.join("outcome.part"));
        write_json(&part, &outcome)?;
        fs::rename(&part, &file).map_err(|error| Error::write(file, error))
    }
}

/// Runs a checkpoint on what the cases before it produced.
fn substitute(
    session: &Session,
    id: &CaseId,
    inputs: &Path,
) -> Result<(CaseOutcome, Option<BTreeMap<String, Tensor>>)> {
    let case = session.suites.case(id)?;
    let ended = |problems| CaseOutcome::whole(id, case.file.clone(), Some(case.checkpoint.clone()), problems);
    let mut given = match gather(session.goldens(), &session.suites, &case) {
        Ok((inputs, _)) => inputs,
        Err(problems) => return Ok((ended(problems), None)),
    };
    for (name, tensor) in read_tensors(inputs)? {
        given = given.with(&name, tensor);
    }
    let _running = begin(id);
    Ok(match execute(&session.executor, &case, &given, 1) {
        Err(problem) => (ended(vec![problem]), None),
        Ok(executed) => (ended(Vec::new()), Some(executed.outputs)),
    })
}

/// What the process of a case answered.
struct Answer {
    outcome: CaseOutcome,
    /// What the checkpoint returned, where it was asked for and there is something.
    outputs: Option<BTreeMap<String, Tensor>>,
}

impl Session {
    /// How that case is given a process of its own, if it is to have one.
    pub(in crate::run) fn isolation(&self, case: &Case) -> Option<&Isolation> {
        self.options.isolation.as_ref().filter(|isolation| isolation.scope == Scope::All || case.timeout.is_some())
    }

    /// Runs one case in a process of its own.
    pub(in crate::run) fn apart(
        &self,
        isolation: &Isolation,
        case: Case,
        ask: Ask,
    ) -> Result<(CaseOutcome, Option<Ran>), Vec<Problem>> {
        let Answer { outcome, outputs } = self.ask(isolation, &case, None, ask).map_err(|problem| vec![problem])?;
        let Some(outputs) = outputs else { return Ok((outcome, None)) };
        let (inputs, _) = gather(self.goldens(), &self.suites, &case)?;
        Ok((outcome, Some(Ran { case, inputs, outputs })))
    }

    /// Runs the checkpoint of a case once more, on other inputs than golden ones, where its case runs.
    pub(in crate::run) fn again(&self, case: &Case, inputs: &Inputs) -> Result<BTreeMap<String, Tensor>, Problem> {
        let Some(isolation) = self.isolation(case) else {
            let _running = begin(&case.id);
            return execute(&self.executor, case, inputs, 1).map(|executed| executed.outputs);
        };
        let Answer { mut outcome, outputs } =
            self.ask(isolation, case, Some(inputs), Ask { aside: true, outputs: true })?;
        match (outcome.problems.is_empty(), outputs) {
            (false, _) => Err(outcome.problems.swap_remove(0)),
            (true, Some(outputs)) => Ok(outputs),
            (true, None) => Err(Problem::Failed { text: "it returned nothing".to_owned() }),
        }
    }

    /// Starts the process with its job, and reads what it answers.
    fn ask(&self, isolation: &Isolation, case: &Case, inputs: Option<&Inputs>, ask: Ask) -> Result<Answer, Problem> {
        let error = |what: &str, error: &dyn std::fmt::Display| Problem::Error { text: format!("{what}: {error}") };
        let folder = tempfile::Builder::new().prefix("karat-").tempdir();
        let folder = folder.map_err(|e| error("the case was given no folder to write its outcome to", &e))?;
        let folder = folder.path();
        let job = Job {
            executor: self.executor.name().to_owned(),
            case: case.id.clone(),
            root: self.goldens().root.clone().into(),
            snapshots: self.goldens().snapshots.clone().into(),
            options: self.options.clone(),
            memory_limit: isolation.memory_limit,
            parent: std::process::id(),
            is_aside: ask.aside,
            has_inputs: inputs.is_some(),
            wants_outputs: ask.outputs,
        };
        let written = write_json(&folder.join(JOB), &job);
        let written = match inputs {
            Some(inputs) => written.and_then(|()| write_tensors(&folder.join(INPUTS), inputs.tensors())),
            None => written,
        };
        written.map_err(|e| error("its inputs could not be handed over", &e))?;
        let mut command = Command::new(&isolation.program);
        command.arg(ISOLATED).arg(folder);
        let limit = case.timeout.or(isolation.timeout);
        let ended = run(command, limit, &self.options.interrupt)
            .map_err(|e| error(&format!("{} could not be started", isolation.program.display()), &e))?;
        let file = folder.join(OUTCOME);
        if let Some(problem) = self.ending(isolation, case, &ended, file.exists()) {
            return Err(problem);
        }
        let read = || -> Result<Answer> {
            let mut outcome: CaseOutcome = read_json(&file)?;
            outcome.restore().map_err(Error::Invalid)?;
            let taken = folder.join(OUTPUTS);
            Ok(Answer { outcome, outputs: taken.exists().then(|| read_tensors(&taken)).transpose()? })
        };
        read().map_err(|e| error("what its process wrote cannot be read", &e))
    }

    /// What is wrong with how the process ended, if something is.
    fn ending(&self, isolation: &Isolation, case: &Case, ended: &Ended, has_outcome: bool) -> Option<Problem> {
        let Ended { how, printed } = ended;
        let printed = printed.clone();
        Some(match how {
            How::Status(0) if has_outcome => return None,
            How::TimedOut => {
                let limit = case.timeout.or(isolation.timeout).unwrap_or_default();
                Problem::TimedOut { limit, printed }
            }
            How::Interrupted => Problem::Interrupted { signal: self.options.interrupt.name().unwrap_or_default() },
            How::Status(_) | How::Signal(_) if is_out_of_memory(&printed) => {
                Problem::OutOfMemory { limit: isolation.memory_limit, printed }
            }
            How::Status(status) => Problem::Exited { status: *status, printed },
            How::Signal(signal) => Problem::Crashed { signal: signal.clone(), printed },
        })
    }
}

/// Whether the last that a process said is that it got no more memory: as Rust says it, C++, and C.
fn is_out_of_memory(printed: &[String]) -> bool {
    let no_memory = io::Error::from(io::ErrorKind::OutOfMemory).to_string();
    let is_rust = |line: &str| line.contains("memory allocation of ") && line.contains(" bytes failed");
    let is_other = |line: &str| {
        let line = line.to_lowercase();
        ["std::bad_alloc", "cannot allocate memory", &no_memory].iter().any(|said| line.contains(said))
    };
    printed.iter().any(|line| is_rust(line) || is_other(line))
}

fn write_json(file: &Path, content: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec(content).map_err(|error| Error::write(file, error.into()))?;
    fs::write(file, text).map_err(|error| Error::write(file, error))
}

fn read_json<T: serde::de::DeserializeOwned>(file: &Path) -> Result<T> {
    let text = fs::read(file).map_err(|error| Error::read(file, error))?;
    serde_json::from_slice(&text).map_err(|error| Error::Invalid(format!("{}: {error}", file.display())))
}

/// The list of the tensors of a folder: each in a file named by its place there, since a name may be none for a file.
const LIST: &str = "tensors.json";

/// Writes tensors into a folder.
fn write_tensors<'a>(folder: &Path, tensors: impl Iterator<Item = (&'a str, &'a Tensor)>) -> Result<()> {
    fs::create_dir(folder).map_err(|error| Error::write(folder, error))?;
    let mut list: Vec<(&str, &str)> = Vec::new();
    for (name, tensor) in tensors {
        write_npy(&folder.join(format!("{}.npy", list.len())), tensor)?;
        list.push((name, tensor.dtype().name()));
    }
    write_json(&folder.join(LIST), &list)
}

/// Reads them back.
fn read_tensors(folder: &Path) -> Result<BTreeMap<String, Tensor>> {
    let list: Vec<(String, String)> = read_json(&folder.join(LIST))?;
    let tensor = |(at, (name, dtype)): (usize, (String, String))| {
        // An npy file does not say of every dtype which it is.
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
    fn what_is_said_where_memory_runs_out_is_known() {
        for said in [
            "memory allocation of 1048576 bytes failed",
            "terminate called after throwing an instance of 'std::bad_alloc'",
            "mmap: Cannot allocate memory",
        ] {
            assert!(is_out_of_memory(&["loading".to_owned(), said.to_owned()]), "{said}");
        }
        assert!(!is_out_of_memory(&["free(): invalid pointer".to_owned()]));
    }

    #[test]
    fn tensors_of_any_name_and_dtype_come_back() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let odd = Tensor::new(&[2], vec![bf16::from_f32(1.5), bf16::NAN]).expect("two elements");
        let empty = Tensor::new(&[0, 3], Vec::<i64>::new()).expect("no element");
        let mask = Tensor::new(&[1], vec![true]).expect("an element");
        let tensors = [("a/b: \"c\"", &odd), ("", &empty), ("mask", &mask)];
        write_tensors(&folder.path().join("t"), tensors.into_iter()).expect("they are written");
        let read = read_tensors(&folder.path().join("t")).expect("they are read");
        assert_eq!(read.len(), 3);
        for (name, tensor) in tensors {
            assert!(crate::run::examine::same_bits(tensor, &read[name]), "{name:?}");
        }
    }
}
