//! The process of one case, from the side of the run that starts it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use super::process::{Ended, How, run};
use super::{Isolation, exchange};
use crate::case::Case;
use crate::error::Error;
use crate::run::checkpoint::Inputs;
use crate::run::examine::{Ran, execute, gather};
use crate::run::outcome::{CaseOutcome, Problem};
use crate::run::running::begin;
use crate::run::session::{Ask, Session};
use crate::tensor::Tensor;

/// What the process of a case wrote.
struct Answer {
    outcome: CaseOutcome,
    /// What the checkpoint returned, where it was asked for and there is something.
    outputs: Option<BTreeMap<String, Tensor>>,
}

impl Session {
    /// How that case is given a process of its own, if it is to have one.
    pub(in crate::run) fn isolation(&self, case: &Case) -> Option<&Isolation> {
        self.options.isolation.as_ref().filter(|isolation| isolation.covers(case))
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

    /// Starts the process, and reads what it wrote.
    fn ask(&self, isolation: &Isolation, case: &Case, inputs: Option<&Inputs>, ask: Ask) -> Result<Answer, Problem> {
        let error = |what: &str, error: &dyn std::fmt::Display| Problem::Error { text: format!("{what}: {error}") };
        let folder = tempfile::Builder::new().prefix("karat-").tempdir();
        let folder = folder.map_err(|e| error("the case was given no folder to write its outcome to", &e))?;
        let file = folder.path().join("outcome.json");
        let (given, taken) = (folder.path().join("inputs"), folder.path().join("outputs"));
        let mut command = Command::new(&isolation.program);
        command.args(&isolation.arguments).arg(format!("--case={}", case.id)).arg("--outcome").arg(&file);
        if ask.aside {
            command.arg("--aside");
        }
        if ask.outputs {
            command.arg("--outputs").arg(&taken);
            fs::create_dir(&taken).map_err(|e| error("its tensors have no place", &e))?;
        }
        if let Some(inputs) = inputs {
            command.arg("--inputs").arg(&given);
            let written = fs::create_dir(&given).map_err(|error| Error::write(&given, error));
            written
                .and_then(|()| exchange::write(&given, inputs.tensors()))
                .map_err(|e| error("its inputs could not be handed over", &e))?;
        }
        let limit = case.timeout.or(isolation.timeout);
        let ended = run(command, limit, &self.options.interrupt)
            .map_err(|e| error(&format!("{} could not be started", isolation.program.display()), &e))?;
        if let Some(problem) = self.ending(isolation, case, &ended, file.exists()) {
            return Err(problem);
        }
        let read = |file: &Path| -> Result<Answer, Error> {
            let text = fs::read(file).map_err(|error| Error::read(file, error))?;
            let mut outcome: CaseOutcome =
                serde_json::from_slice(&text).map_err(|error| Error::Invalid(error.to_string()))?;
            outcome.restore().map_err(Error::Invalid)?;
            let outputs = taken.join("tensors.json").exists().then(|| exchange::read(&taken)).transpose()?;
            Ok(Answer { outcome, outputs })
        };
        read(&file).map_err(|e| error("what its process wrote cannot be read", &e))
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

#[cfg(test)]
mod tests {
    use super::is_out_of_memory;

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
}
