//! `karat report`: any report of a run, from its record.

use std::path::PathBuf;

use clap::Args;

use super::reports::{Reports, Terminal, read};
use super::{Context, Gate};
use crate::error::Result;
use crate::report::Voice;
use crate::run::{Executors, Gates, RunOutcome};

/// The arguments of `karat report`.
#[derive(Debug, Args)]
pub(super) struct Report {
    /// What `run --json FILE` wrote
    run: PathBuf,
    #[command(flatten)]
    reports: Reports,
}

impl Report {
    pub(super) fn main(self, executors: &Executors, context: &Context<'_>) -> Result<Gate> {
        let Report { run, reports } = self;
        let outcome = read(&run)?;
        reports.check()?;
        let voice = voice(executors, context, &outcome);
        reports.write(context, &voice, &outcome, Terminal::IfAlone)?;
        Ok(if outcome.failed() == 0 { Gate::Passed } else { Gate::Failed })
    }
}

/// How to name karat's commands, so that they run again what was run.
pub(super) fn voice(executors: &Executors, context: &Context<'_>, run: &RunOutcome) -> Voice {
    let home = context.home;
    let is_home = home.base.join(&run.root) == home.base.join(&home.root);
    let root = (!is_home).then(|| run.root.clone());
    let mut voice = context.voice(root.as_ref(), None, None);
    let is_default = executors.names().next() == Some(run.executor.as_str());
    let executor = (!is_default).then(|| format!("--executor {}", run.executor));
    let accuracy = (is_default && run.gates == Gates::Accuracy).then(|| "--accuracy-only".to_owned());
    let chained = run.chains.is_some().then(|| "--chained".to_owned());
    let options: Vec<String> = [executor, accuracy, chained].into_iter().flatten().collect();
    voice.options = Some(options.join(" ")).filter(|options| !options.is_empty());
    voice
}
