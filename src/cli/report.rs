//! `karat report` and `karat merge`: any report of a run, from its record or from those of its shards.

use std::path::PathBuf;

use clap::Args;

use super::reports::{Reports, Terminal, read, read_record};
use super::{Context, Gate, interrupt, own};
use crate::error::{Error, Result};
use crate::report::terminal::Detail;
use crate::report::{Commands, json};
use crate::run::{Executors, Gates, Record, RunOutcome, merge};
use crate::snapshot::{Caller, Recorder};

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
        let outcome = read(context, &run)?;
        let base = &context.home.base;
        reports.check(&[&base.join(&outcome.root), &base.join(&outcome.snapshots)], &[run])?;
        let commands = commands(executors, context, &outcome);
        reports.write(context, &commands, &outcome, Terminal::IfAlone)?;
        Ok(gate(&outcome))
    }
}

/// The arguments of `karat merge`.
#[derive(Debug, Args)]
pub(super) struct Merge {
    /// What `run --partition .. --json FILE` wrote, of every shard
    #[arg(required = true, value_name = "RECORD")]
    records: Vec<PathBuf>,
    #[command(flatten)]
    reports: Reports,
}

impl Merge {
    pub(super) fn main(self, executors: &Executors, context: &Context<'_>) -> Result<Gate> {
        let Merge { records, reports } = self;
        let run = merge(read_all(context, &records)?)?;
        let base = &context.home.base;
        reports.check(&[&base.join(&run.root), &base.join(&run.snapshots)], &records)?;
        let commands = commands(executors, context, &run);
        reports.write(context, &commands, &run, Terminal::Always(Detail::Cases))?;
        Ok(gate(&run))
    }
}

/// Reads every record; what is wrong with several is told of each.
fn read_all(context: &Context<'_>, files: &[PathBuf]) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    let mut unread = Vec::new();
    for file in files {
        let name = file.display().to_string();
        match read_record(context, file) {
            Err(error) => unread.push(error.to_string()),
            Ok(text) => match json::read_run(&text).and_then(|run| Ok((json::version(&text)?, run))) {
                Ok((version, run)) => records.push(Record { name, version, run }),
                Err(error) => unread.push(format!("{name}: {error}")),
            },
        }
    }
    if unread.is_empty() { Ok(records) } else { Err(Error::Usage(unread.join("\n"))) }
}

/// How the run ended.
fn gate(run: &RunOutcome) -> Gate {
    match &run.interrupted {
        Some(signal) => interrupt::ends(signal).map_or(Gate::Failed, Gate::Interrupted),
        None if run.passed() => Gate::Passed,
        None => Gate::Failed,
    }
}

/// How to name karat's commands, so that they run again what was run.
fn commands(executors: &Executors, context: &Context<'_>, run: &RunOutcome) -> Commands {
    let home = context.home;
    let is_home = home.base.join(&run.root) == home.base.join(&home.root);
    let root = (!is_home).then(|| run.root.clone());
    let recorder = Recorder::new(&home.base.join(&run.root), &home.base.join(&run.snapshots), Caller::CommandLine).ok();
    let mut commands = context.commands(root.as_ref(), None, recorder.as_ref());
    let mut is_default = executors.names().next() == Some(run.executor.as_str());
    let harnesses = own::commands(home, &home.base.join(&run.root));
    match harnesses.first() {
        // What ran was the harness; where it looked at snapshots, its default executor.
        Some(harness) if executors.names().all(|name| name != run.executor) => {
            harness.speak(context, &mut commands, &run.root);
            is_default = run.gates == Gates::Both;
        }
        Some(_) => is_default = false,
        None => {}
    }
    commands.executor = (!is_default).then(|| run.executor.clone());
    let accuracy = (is_default && run.gates == Gates::Accuracy).then(|| "--accuracy-only".to_owned());
    let chained = run.chains.is_some().then(|| "--chained".to_owned());
    let denied = run.gate.denies_vacuous().then(|| "--deny vacuous".to_owned());
    let options: Vec<String> = [accuracy, chained, denied].into_iter().flatten().collect();
    commands.options = Some(options.join(" ")).filter(|options| !options.is_empty());
    commands
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output;
    use crate::cli::{Home, Host};
    use crate::run::Executor;

    #[test]
    fn what_was_run_is_what_its_commands_run_again() {
        let home = Home {
            command: "karat".into(),
            root: "goldens".into(),
            snapshots: None,
            allowed_skips: Vec::new(),
            deny_vacuous: false,
            base: "/home/me".into(),
            host: Host::Harness,
        };
        let context = Context { home: &home, screen: output::Screen::detect(), typed: &[] };
        let executors = Executors::new(Executor::new("builtin")).with(Executor::new("candle"));
        let run = RunOutcome::empty();
        let command = |run: &RunOutcome| commands(&executors, &context, run).run(Some("a"));
        assert_eq!(command(&run), "karat run -k a");
        let run = RunOutcome { gates: Gates::Accuracy, chains: Some(Vec::new()), ..run };
        assert_eq!(command(&run), "karat run --accuracy-only --chained -k a");
        let run = RunOutcome { executor: "candle".into(), root: "/home/me/other".into(), ..run };
        assert_eq!(command(&run), "karat run /home/me/other --executor candle --chained -k a");
    }
}
