//! `karat run`: every case against its reference and its snapshot.

use std::sync::Arc;

use clap::Args;

use super::cases::{Cases, Selected, choose};
use super::isolate::{Isolate, Told};
use super::progress::Progress;
use super::{Context, Gate, guard, interrupt};
use crate::error::Result;
use crate::explain::explain;
use crate::report::{json, terminal};
use crate::run::{Executors, Following, Gates, Options, Session};

/// The arguments of `karat run`.
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    cases: Cases,
    /// Run another executor than the default one; it has no snapshots and is held to accuracy alone
    #[arg(long, value_name = "NAME")]
    executor: Option<String>,
    /// Hold outputs against their references alone: no snapshot is read or written
    #[arg(long)]
    accuracy_only: bool,
    /// Follow every chain too: each case once more, on what the cases before it really produced
    #[arg(long)]
    chained: bool,
    #[command(flatten)]
    isolate: Isolate,
    /// Print one JSON document and nothing else
    #[arg(long)]
    json: bool,
}

impl Run {
    pub(super) fn main(self, executors: Executors, context: &Context<'_>) -> Result<Gate> {
        let Run { cases, executor: typed, accuracy_only, chained, isolate, json } = self;
        let (executor, other) = choose(executors, typed)?;
        let gates = if accuracy_only || other.is_some() { Gates::Accuracy } else { Gates::Both };
        let mut selected = cases.select(context, gates)?;
        selected.options.following = if chained { Following::Chained } else { Following::Isolated };
        let progress = Arc::new(Progress::start(selected.count(), context.screen.is_watched && !json));
        let Selected { goldens, tree, filter, options } = selected;
        let isolation = isolate.isolation(&Told {
            goldens: &goldens,
            executor: executor.name(),
            gates,
            repeats: options.repeats,
            caller: options.caller,
            skips: options.skips,
            pictures: options.pictures,
        })?;
        let interrupt = interrupt::listen()?;
        let options =
            Options { explain: Some(explain), isolation: Some(isolation), interrupt: interrupt.clone(), ..options };
        let session = Arc::new(Session::new(goldens, executor, options)?);
        let mut voice = context.voice(cases.root.as_ref(), Some(&cases.place), Some(session.recorder()));
        voice.executor = other;
        let options = [option(accuracy_only, "--accuracy-only"), option(chained, "--chained"), isolate.typed()];
        voice.options = options.into_iter().flatten().reduce(|one, other| format!("{one} {other}"));

        let advanced = Arc::clone(&progress);
        let outcome = session.watched(&tree, &filter, move |case| advanced.advance(case))?;
        guard::disarm();
        progress.finish();
        context.screen.print(|out, palette| match json {
            true => json::run(out, &voice, &outcome),
            false => terminal::run(out, palette, &voice, &outcome),
        })?;
        Ok(match interrupt::exit_code(&interrupt) {
            Some(code) => Gate::Interrupted(code),
            None if outcome.passes() => Gate::Passed,
            None => Gate::Failed,
        })
    }
}

/// A flag that was typed.
fn option(is_typed: bool, flag: &str) -> Option<String> {
    is_typed.then(|| flag.to_owned())
}
