//! `karat run`: every case against its reference and its snapshot.

use clap::Args;

use super::cases::{Cases, Selected, choose};
use super::progress::Progress;
use super::reports::{Reports, Terminal};
use super::{Context, Gate};
use crate::error::Result;
use crate::explain::explain;
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
    reports: Reports,
}

impl Run {
    pub(super) fn main(self, executors: Executors, context: &Context<'_>) -> Result<Gate> {
        let Run { cases, executor: typed, accuracy_only, chained, reports } = self;
        reports.check()?;
        let (executor, other) = choose(executors, typed)?;
        let gates = if accuracy_only || other.is_some() { Gates::Accuracy } else { Gates::Both };
        let mut selected = cases.select(context, gates)?;
        selected.options.following = if chained { Following::Chained } else { Following::Isolated };
        let progress = Progress::start(selected.count(), context.screen.is_watched && !reports.is_document());
        let Selected { goldens, tree, filter, options } = selected;
        let options = Options { explain: Some(explain), pictures: reports.pictures(), ..options };
        let session = Session::new(goldens, executor, options)?;
        let mut voice = context.voice(cases.root.as_ref(), Some(&cases.place), Some(session.recorder()));
        let options = [other, option(accuracy_only, "--accuracy-only"), option(chained, "--chained")];
        voice.options = options.into_iter().flatten().reduce(|one, other| format!("{one} {other}"));

        let outcome = session.run(&tree, &filter, |case| progress.advance(case))?;
        progress.finish();
        reports.write(context, &voice, &outcome, Terminal::Always)?;
        Ok(if outcome.failed() == 0 { Gate::Passed } else { Gate::Failed })
    }
}

/// A flag that was typed.
fn option(is_typed: bool, flag: &str) -> Option<String> {
    is_typed.then(|| flag.to_owned())
}
