//! `karat doctor`: diagnoses the setup and suggests commands that fix it.

use std::path::PathBuf;

use clap::Args;

use super::cases::check_skips;
use super::{Context, Exit, SnapshotsArg, harnesses};
use crate::doctor::examine;
use crate::error::Result;
use crate::report::{json, terminal};
use crate::run::Executors;
use crate::snapshot::{Caller, Recorder};

/// The arguments of `karat doctor`.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// The goldens root, or a folder below it [default: goldens]
    root: Option<PathBuf>,
    #[command(flatten)]
    snapshots: SnapshotsArg,
    /// Allow the case with this id to be skipped in CI; may be repeated
    #[arg(long = "allow-skip", value_name = "ID")]
    allow_skip: Vec<String>,
    /// Print one JSON document and nothing else
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn main(self, executors: Executors, context: &Context<'_>) -> Result<Exit> {
        let Doctor { root, snapshots, allow_skip, json } = self;
        let goldens = snapshots.locate(root.as_ref(), context)?;
        check_skips(&goldens, &allow_skip)?;
        let allowed: Vec<String> = allow_skip.iter().chain(&context.program.allowed_skips).cloned().collect();
        let recorder = Recorder::new(&goldens.root, &goldens.snapshots, Caller::CommandLine)?;
        let mut commands = context.commands(root.as_ref(), Some(&snapshots), Some(&recorder));
        let root = root.as_ref().unwrap_or(&context.program.root);
        let harnesses = harnesses::commands(context.program, root);
        if let Some(harness) = harnesses.first() {
            harness.use_in(&mut commands, context, root);
        }
        // The binary does not know the checkpoints of a harness.
        let executor = harnesses.is_empty().then(|| executors.into_default());
        let health = examine(&goldens, &recorder, executor.as_ref(), &allowed)?;
        context.screen.print_view(
            json,
            |out| json::doctor(out, &commands, &health),
            |palette| terminal::doctor(palette, &commands, &health),
        )?;
        Ok(Exit::from_passed(health.is_well()))
    }
}
