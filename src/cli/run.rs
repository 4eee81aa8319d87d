//! `karat run`: runs cases and compares their outputs with references and snapshots.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};

use super::cases::{Cases, PartitionArg, SelectedCases, choose};
use super::context::{EXECUTION, GATE, OUTPUT, SELECTION, join_flags};
use super::isolate::IsolationArgs;
use super::output::Progress;
use super::reports::{Reports, TerminalReport};
use super::{Context, Exit, harnesses, interrupt};
use crate::case::{CaseId, Tree};
use crate::error::Result;
use crate::report::terminal::Detail;
use crate::run::{Executors, Gates, LastFailures, Options, Session};

/// The arguments of `karat run`.
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    cases: Cases,
    /// Run this executor instead of the default one; only accuracy is checked, since snapshots belong to the default executor
    #[arg(long, value_name = "NAME", help_heading = EXECUTION)]
    executor: Option<String>,
    /// Compare outputs with their references only: do not read or write snapshots
    #[arg(long, help_heading = GATE)]
    accuracy_only: bool,
    /// Also run every chain: each case once more, on the actual outputs of the cases before it
    #[arg(long, conflicts_with = "partition", help_heading = EXECUTION)]
    chained: bool,
    #[command(flatten)]
    partition: PartitionArg,
    #[command(flatten)]
    isolation: IsolationArgs,
    /// Run only the cases that failed in the last run
    #[arg(long, conflicts_with = "partition", help_heading = SELECTION)]
    failed: bool,
    /// Start no further case after the first failure
    #[arg(long, conflicts_with = "chained", help_heading = EXECUTION)]
    fail_fast: bool,
    /// Run as in CI whatever the environment says: no pending snapshots are written, and a skipped case fails
    #[arg(long, help_heading = GATE)]
    ci: bool,
    /// Fail cases that would pass otherwise: `vacuous`, a comparison that cannot fail, or that passes on all zeros or NaN
    #[arg(long, value_name = "KIND", help_heading = GATE)]
    deny: Vec<Deny>,
    /// Show the measurements of passing outputs too
    #[arg(short, long, help_heading = OUTPUT)]
    verbose: bool,
    /// Show only failures and the final count
    #[arg(short, long, conflicts_with = "verbose", help_heading = OUTPUT)]
    quiet: bool,
    #[command(flatten, next_help_heading = OUTPUT)]
    reports: Reports,
}

/// What `--deny` can turn into a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Deny {
    /// A comparison that cannot fail, or that passes on all zeros or NaN
    Vacuous,
}

impl Run {
    pub(super) fn main(self, executors: Executors, context: &Context<'_>) -> Result<Exit> {
        let Run {
            cases,
            executor: name,
            accuracy_only,
            chained,
            partition,
            isolation,
            failed,
            fail_fast,
            ci,
            deny,
            verbose,
            quiet,
            reports,
        } = self;
        let root = cases.root.as_ref().unwrap_or(&context.program.root);
        harnesses::check(context, root, name.is_some(), executors.default_name())?;
        let (executor, is_default) = choose(executors, name.clone())?;
        let gates = if accuracy_only || !is_default { Gates::Accuracy } else { Gates::Both };
        let SelectedCases { goldens, tree, mut filter, options } = cases.select(context, gates)?;
        reports.check(&[&goldens.root, &goldens.snapshots], &[])?;
        filter.shard = partition.shard(context)?;
        let interrupt = interrupt::listen()?;
        let options = Options {
            chained,
            fail_fast,
            ci,
            deny_vacuous: context.program.deny_vacuous || deny.contains(&Deny::Vacuous),
            explain: true,
            pictures: reports.pictures(),
            isolation: Some(isolation.isolation()?),
            interrupt: interrupt.clone(),
            ..options
        };
        let session = Session::new(goldens, executor, options)?;
        if failed {
            filter.only = Some(last_failures(&session, &tree, context)?);
        }
        let count = filter.select(&tree).cases.len();
        let progress = Progress::start(count, context.screen.shows_progress && !reports.is_document());
        let mut commands = context.commands(cases.root.as_ref(), Some(&cases.snapshots), Some(session.recorder()));
        commands.executor = name;
        let flags = [
            accuracy_only.then(|| "--accuracy-only".to_owned()),
            chained.then(|| "--chained".to_owned()),
            (!deny.is_empty()).then(|| "--deny vacuous".to_owned()),
            isolation.to_flags(),
        ];
        commands.options = join_flags(flags);

        let outcome = session.run(&tree, &filter, |case| progress.advance(case))?;
        interrupt::disarm();
        progress.finish();
        if let Err(error) = session.save_failures(&filter, &outcome) {
            context.screen.warn(&format!("{error}; --failed will not include this run"));
        }
        if failed && outcome.passed() {
            context
                .screen
                .warn("all cases that failed in the last run now pass; run without --failed to check the others");
        }
        let detail = match (verbose, quiet) {
            (true, _) => Detail::Measurements,
            (_, true) => Detail::Failures,
            _ => Detail::Cases,
        };
        reports.write(context, &commands, &outcome, TerminalReport::Always(detail))?;
        let exit = match interrupt::exit_code(&interrupt) {
            Some(code) => Exit::Interrupted(code),
            None => Exit::from_passed(outcome.passed()),
        };
        // The process is about to exit, which frees the memory faster than dropping every outcome.
        std::mem::forget(outcome);
        Ok(exit)
    }
}

/// Returns the cases that failed in the last run and still exist, and warns about those that do not.
fn last_failures(session: &Session, tree: &Tree, context: &Context<'_>) -> Result<BTreeSet<CaseId>> {
    let LastFailures { failed, gone } = session.last_failures(tree)?;
    if !gone.is_empty() {
        let gone: Vec<&str> = gone.iter().map(CaseId::as_str).collect();
        context.screen.warn(&format!("cases that failed in the last run and no longer exist: {}", gone.join(", ")));
    }
    Ok(failed)
}
