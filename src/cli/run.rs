//! `karat run`: every case against its reference and its snapshot.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};

use super::cases::{Cases, Part, Selected, choose};
use super::context::{EXECUTION, GATE, OUTPUT, SELECTION};
use super::isolate::Isolate;
use super::output::Progress;
use super::reports::{Reports, Terminal};
use super::{Context, Gate, interrupt, own};
use crate::case::CaseId;
use crate::case::Tree;
use crate::error::Result;
use crate::report::terminal::Detail;
use crate::run::{Executors, Gates, LastFailures, Options, Session};

/// The arguments of `karat run`.
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    cases: Cases,
    /// Run another executor than the default one; it has no snapshots and is held to accuracy alone
    #[arg(long, value_name = "NAME", help_heading = EXECUTION)]
    executor: Option<String>,
    /// Hold outputs against their references alone: no snapshot is read or written
    #[arg(long, help_heading = GATE)]
    accuracy_only: bool,
    /// Follow every chain too: each case once more, on what the cases before it really produced
    #[arg(long, conflicts_with = "partition", help_heading = EXECUTION)]
    chained: bool,
    #[command(flatten)]
    part: Part,
    #[command(flatten)]
    isolate: Isolate,
    /// Run only what failed in the last run
    #[arg(long, conflicts_with = "partition", help_heading = SELECTION)]
    failed: bool,
    /// Start no case after the first that fails
    #[arg(long, conflicts_with = "chained", help_heading = EXECUTION)]
    fail_fast: bool,
    /// Run as in CI, whatever the environment says: nothing is written into the tree, and a skip fails
    #[arg(long, help_heading = GATE)]
    ci: bool,
    /// Fail for what passes otherwise: `vacuous`, a comparison that cannot fail, or not on zeros or NaN
    #[arg(long, value_name = "KIND", help_heading = GATE)]
    deny: Vec<Deny>,
    /// Show what was measured of every output that passed too
    #[arg(short, long, help_heading = OUTPUT)]
    verbose: bool,
    /// Show only what failed, and the count
    #[arg(short, long, conflicts_with = "verbose", help_heading = OUTPUT)]
    quiet: bool,
    #[command(flatten, next_help_heading = OUTPUT)]
    reports: Reports,
}

/// What a run may be told to fail for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Deny {
    /// A comparison that cannot fail, or not on zeros or NaN
    Vacuous,
}

impl Run {
    pub(super) fn main(self, executors: Executors, context: &Context<'_>) -> Result<Gate> {
        let Run {
            cases,
            executor: typed,
            accuracy_only,
            chained,
            part,
            isolate,
            failed,
            fail_fast,
            ci,
            deny,
            verbose,
            quiet,
            reports,
        } = self;
        let root = cases.root.as_ref().unwrap_or(&context.home.root);
        own::check(context, root, typed.is_some(), executors.default_name())?;
        let (executor, other) = choose(executors, typed.clone())?;
        let gates = if accuracy_only || other.is_some() { Gates::Accuracy } else { Gates::Both };
        let mut selected = cases.select(context, gates)?;
        reports.check(&[&selected.goldens.root, &selected.goldens.snapshots], &[])?;
        selected.options.chained = chained;
        selected.options.fail_fast = fail_fast;
        selected.options.ci = ci;
        selected.options.deny_vacuous = context.home.deny_vacuous || deny.contains(&Deny::Vacuous);
        selected.filter.shard = part.shard(context)?;
        let Selected { goldens, tree, mut filter, options } = selected;
        let interrupt = interrupt::listen()?;
        let options = Options {
            explain: true,
            pictures: reports.pictures(),
            isolation: Some(isolate.isolation()?),
            interrupt: interrupt.clone(),
            ..options
        };
        let session = Session::new(goldens, executor, options)?;
        if failed {
            filter.only = Some(again(&session, &tree, context)?);
        }
        let count = filter.select(&tree).cases.len();
        let progress = Progress::start(count, context.screen.is_watched && !reports.is_document());
        let mut commands = context.commands(cases.root.as_ref(), Some(&cases.place), Some(session.recorder()));
        commands.executor = typed;
        let options = [
            option(accuracy_only, "--accuracy-only"),
            option(chained, "--chained"),
            option(!deny.is_empty(), "--deny vacuous"),
            isolate.typed(),
        ];
        commands.options = options.into_iter().flatten().reduce(|one, other| format!("{one} {other}"));

        let outcome = session.run(&tree, &filter, |case| progress.advance(case))?;
        interrupt::disarm();
        progress.finish();
        if let Err(error) = session.save_failures(&filter, &outcome) {
            context.screen.complain(&format!("{error}; --failed will not know of this run"));
        }
        if failed && outcome.passed() {
            context.screen.complain("what failed in the last run passes; a run without --failed is of all cases");
        }
        let detail = match (verbose, quiet) {
            (true, _) => Detail::Measurements,
            (_, true) => Detail::Failures,
            _ => Detail::Cases,
        };
        reports.write(context, &commands, &outcome, Terminal::Always(detail))?;
        let gate = match interrupt::exit_code(&interrupt) {
            Some(code) => Gate::Interrupted(code),
            None if outcome.passed() => Gate::Passed,
            None => Gate::Failed,
        };
        // The process is about to end, and takes it along faster than it can be taken apart.
        std::mem::forget(outcome);
        Ok(gate)
    }
}

/// What failed in the last run and is still there; what is not is said.
fn again(session: &Session, tree: &Tree, context: &Context<'_>) -> Result<BTreeSet<CaseId>> {
    let LastFailures { failed, gone } = session.last_failures(tree)?;
    if !gone.is_empty() {
        let gone: Vec<&str> = gone.iter().map(CaseId::as_str).collect();
        context.screen.complain(&format!("failed in the last run and not there any more: {}", gone.join(", ")));
    }
    Ok(failed)
}

/// A flag that was typed.
fn option(is_typed: bool, flag: &str) -> Option<String> {
    is_typed.then(|| flag.to_owned())
}
