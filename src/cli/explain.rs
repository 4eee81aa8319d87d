//! `karat explain`: one case, and why its outputs are not their references.

use std::path::PathBuf;

use clap::Args;

use super::cases::{choose, find};
use super::{Context, Gate, Place, near, own};
use crate::case::{CaseId, Goldens};
use crate::error::Result;
use crate::report::{Commands, json, terminal};
use crate::run::{Executors, Gates, Options, Pictures, Session};

/// The arguments of `karat explain`.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The id or folder of a case
    case: String,
    /// The goldens root that the id is below [default: goldens]
    #[arg(long, value_name = "ROOT")]
    root: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Run another executor than the default one
    #[arg(long, value_name = "NAME")]
    executor: Option<String>,
    /// Print one JSON document and nothing else
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn main(self, executors: Executors, context: &Context<'_>) -> Result<Gate> {
        let found = self.find(context);
        let root = match &found {
            Ok((goldens, _)) => &goldens.root,
            Err(_) => self.root.as_ref().unwrap_or(&context.home.root),
        };
        own::check(context, root, self.executor.is_some(), executors.default_name())?;
        let (executor, _) = choose(executors, self.executor.clone())?;
        let (goldens, id) = found?;
        let options = Options {
            gates: Gates::Accuracy,
            // Only the default executor has snapshots.
            previews_drift: self.executor.is_none(),
            runs_skipped: true,
            explain: true,
            pictures: Pictures::NotPassed,
            ..Options::default()
        };
        let name = executor.name().to_owned();
        let session = Session::new(goldens, executor, options)?;
        let mut commands = context.commands(self.root.as_ref(), Some(&self.place), Some(session.recorder()));
        commands.executor = self.executor.clone();
        commands.leaves_pending = false;

        let case = session.run_case(&id);
        let gate = session.gate();
        context.screen.print(|out, palette| match self.json {
            true => json::explain(out, &commands, &name, gate, &case),
            false => out.write_all(terminal::explain(palette, &commands, gate, &case).as_bytes()),
        })?;
        Ok(if gate.fails(&case) { Gate::Failed } else { Gate::Passed })
    }

    fn find(&self, context: &Context<'_>) -> Result<(Goldens, CaseId)> {
        find(context, &self.case, self.root.as_ref())
            .ok_or_else(|| near::case(context, (&self.case, "not a case"), self.root.as_ref(), Commands::explain))
    }
}
