//! `karat explain`: runs one case and explains its mismatches.

use std::path::PathBuf;

use clap::Args;

use super::cases::{choose, find};
use super::{Context, Exit, SnapshotsArg, harnesses, suggest};
use crate::case::{CaseId, Goldens};
use crate::error::Result;
use crate::report::{Commands, json, terminal};
use crate::run::{Executors, Gates, Options, Pictures, Session};

/// The arguments of `karat explain`.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The id or folder of a case
    case: String,
    /// The goldens root that the id is relative to [default: goldens]
    #[arg(long, value_name = "ROOT")]
    root: Option<PathBuf>,
    #[command(flatten)]
    snapshots: SnapshotsArg,
    /// Run this executor instead of the default one
    #[arg(long, value_name = "NAME")]
    executor: Option<String>,
    /// Print one JSON document and nothing else
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn main(self, executors: Executors, context: &Context<'_>) -> Result<Exit> {
        let case = self.find(context);
        let root = match &case {
            Ok((goldens, _)) => &goldens.root,
            Err(_) => self.root.as_ref().unwrap_or(&context.program.root),
        };
        harnesses::check(context, root, self.executor.is_some(), executors.default_name())?;
        let (executor, _) = choose(executors, self.executor.clone())?;
        let (goldens, id) = case?;
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
        let mut commands = context.commands(self.root.as_ref(), Some(&self.snapshots), Some(session.recorder()));
        commands.executor = self.executor;
        commands.leaves_pending = false;

        let case = session.run_case(&id);
        let gate = session.gate();
        context.screen.print_view(
            self.json,
            |out| json::explain(out, &commands, &name, gate, &case),
            |palette| terminal::explain(palette, &commands, gate, &case),
        )?;
        Ok(Exit::from_passed(!gate.fails(&case)))
    }

    fn find(&self, context: &Context<'_>) -> Result<(Goldens, CaseId)> {
        find(context, &self.case, self.root.as_ref())
            .ok_or_else(|| suggest::case(context, (&self.case, "not a case"), self.root.as_ref(), Commands::explain))
    }
}
