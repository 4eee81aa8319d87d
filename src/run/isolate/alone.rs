//! The process of one case, from its own side.

use std::path::{Path, PathBuf};

use super::exchange;
use crate::case::CaseId;
use crate::error::Result;
use crate::run::examine::{execute, gather};
use crate::run::outcome::{CaseOutcome, Problem};
use crate::run::running::begin;
use crate::run::session::{Ask, Session};

/// What the process of one case is asked for.
#[derive(Clone, Debug)]
pub struct Alone {
    /// Which case.
    pub id: CaseId,
    /// A folder of tensors that the checkpoint is given in place of golden ones. Nothing is judged then.
    pub inputs: Option<PathBuf>,
    /// The folder that takes what the checkpoint returns, where it returns something.
    pub outputs: Option<PathBuf>,
    /// Whether nothing is recorded or kept: somebody else tells of the case.
    pub is_aside: bool,
}

impl Session {
    /// Runs one case as the process that was started for it. On inputs in place of golden ones the outcome has nothing but the
    /// problem that there was, if any.
    ///
    /// # Errors
    ///
    /// [`Error::Read`](crate::Error::Read) and [`Error::Write`](crate::Error::Write) where the folders of tensors cannot be.
    pub fn alone(&self, alone: &Alone) -> Result<CaseOutcome> {
        let Alone { id, inputs, outputs, is_aside } = alone;
        if let Some(inputs) = inputs {
            return again(self, id, inputs, outputs.as_deref());
        }
        let (outcome, ran) = self.examine(id, Ask { aside: *is_aside, outputs: outputs.is_some() });
        if let (Some(folder), Some(ran)) = (outputs, ran) {
            exchange::write(folder, ran.outputs.iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
        }
        Ok(outcome)
    }
}

/// Runs a checkpoint on what the cases before it produced.
fn again(session: &Session, id: &CaseId, inputs: &Path, outputs: Option<&Path>) -> Result<CaseOutcome> {
    let case = session.suites.case(id)?;
    let ended =
        |problems: Vec<Problem>| Ok(CaseOutcome::whole(id, case.file.clone(), Some(case.checkpoint.clone()), problems));
    let (mut given, _) = match gather(session.goldens(), &session.suites, &case) {
        Ok(gathered) => gathered,
        Err(problems) => return ended(problems),
    };
    for (name, tensor) in exchange::read(inputs)? {
        given = given.with(&name, tensor);
    }
    let _running = begin(id);
    match execute(&session.executor, &case, &given, 1) {
        Err(problem) => ended(vec![problem]),
        Ok(executed) => {
            if let Some(folder) = outputs {
                exchange::write(folder, executed.outputs.iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
            }
            ended(Vec::new())
        }
    }
}
