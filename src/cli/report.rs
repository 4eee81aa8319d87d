//! `karat report` and `karat merge`: write reports from the record of a run, or from the records of its shards.

use std::path::PathBuf;

use clap::Args;

use super::context::join_flags;
use super::reports::{Reports, TerminalReport, read_record};
use super::{Context, Exit, harnesses, interrupt};
use crate::error::{Error, Result};
use crate::report::terminal::Detail;
use crate::report::{Commands, json};
use crate::run::{Executors, Gates, Record, RunOutcome, merge};
use crate::snapshot::{Caller, Recorder};

/// The arguments of `karat report`.
#[derive(Debug, Args)]
pub(super) struct Report {
    /// The record of a run, written by `run --json FILE`
    run: PathBuf,
    #[command(flatten)]
    reports: Reports,
}

impl Report {
    pub(super) fn main(self, executors: &Executors, context: &Context<'_>) -> Result<Exit> {
        let Report { run: file, reports } = self;
        let text = read_record(context, &file)?;
        let run = json::read_run(&text).map_err(|error| Error::Usage(format!("{}: {error}", file.display())))?;
        write(&reports, executors, context, &run, &[file], TerminalReport::IfAlone)
    }
}

/// The arguments of `karat merge`.
#[derive(Debug, Args)]
pub(super) struct Merge {
    /// The records of all shards, written by `run --partition .. --json FILE`
    #[arg(required = true, value_name = "RECORD")]
    records: Vec<PathBuf>,
    #[command(flatten)]
    reports: Reports,
}

impl Merge {
    pub(super) fn main(self, executors: &Executors, context: &Context<'_>) -> Result<Exit> {
        let Merge { records, reports } = self;
        let run = merge(read_all(context, &records)?)?;
        write(&reports, executors, context, &run, &records, TerminalReport::Always(Detail::Cases))
    }
}

/// Writes the reports of a run that was read from `files`, and returns how the run ended.
fn write(
    reports: &Reports,
    executors: &Executors,
    context: &Context<'_>,
    run: &RunOutcome,
    files: &[PathBuf],
    terminal: TerminalReport,
) -> Result<Exit> {
    let base = &context.program.base;
    reports.check(&[&base.join(&run.root), &base.join(&run.snapshots)], files)?;
    reports.write(context, &commands(executors, context, run), run, terminal)?;
    Ok(match &run.interrupted {
        Some(signal) => interrupt::exit_code_of(signal).map_or(Exit::Failed, Exit::Interrupted),
        None => Exit::from_passed(run.passed()),
    })
}

/// Reads every record; the error names all that cannot be read.
fn read_all(context: &Context<'_>, files: &[PathBuf]) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    let mut errors = Vec::new();
    for file in files {
        let name = file.display().to_string();
        match read_record(context, file) {
            Err(error) => errors.push(error.to_string()),
            Ok(text) => match json::read_run(&text).and_then(|run| Ok((json::version(&text)?, run))) {
                Ok((version, run)) => records.push(Record { name, version, run }),
                Err(error) => errors.push(format!("{name}: {error}")),
            },
        }
    }
    if errors.is_empty() { Ok(records) } else { Err(Error::Usage(errors.join("\n"))) }
}

/// Returns how to write karat's commands so that they repeat the recorded run.
fn commands(executors: &Executors, context: &Context<'_>, run: &RunOutcome) -> Commands {
    let program = context.program;
    let is_default_root = program.base.join(&run.root) == program.base.join(&program.root);
    let root = (!is_default_root).then(|| run.root.clone());
    let recorder =
        Recorder::new(&program.base.join(&run.root), &program.base.join(&run.snapshots), Caller::CommandLine).ok();
    let mut commands = context.commands(root.as_ref(), None, recorder.as_ref());
    let mut is_default = executors.default_name() == run.executor;
    let harnesses = harnesses::commands(program, &program.base.join(&run.root));
    match harnesses.first() {
        // A harness ran, with its default executor if it checked snapshots.
        Some(harness) if executors.names().all(|name| name != run.executor) => {
            harness.use_in(&mut commands, context, &run.root);
            is_default = run.gates == Gates::Both;
        }
        Some(_) => is_default = false,
        None => {}
    }
    commands.executor = (!is_default).then(|| run.executor.clone());
    let accuracy = (is_default && run.gates == Gates::Accuracy).then(|| "--accuracy-only".to_owned());
    let chained = run.chains.is_some().then(|| "--chained".to_owned());
    let denied = run.gate.denies_vacuous().then(|| "--deny vacuous".to_owned());
    commands.options = join_flags([accuracy, chained, denied]);
    commands
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output;
    use crate::cli::{Host, Program};
    use crate::run::Executor;

    #[test]
    fn suggested_commands_repeat_the_recorded_run() {
        let program = Program {
            command: "karat".into(),
            root: "goldens".into(),
            snapshots: None,
            allowed_skips: Vec::new(),
            deny_vacuous: false,
            base: "/home/me".into(),
            host: Host::Harness,
        };
        let context = Context { program: &program, screen: output::Screen::detect(), args: &[] };
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
