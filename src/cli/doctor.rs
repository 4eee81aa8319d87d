//! `karat doctor`: what is wrong with this setup, and what to type.

use std::path::PathBuf;

use clap::Args;

use super::cases::check_skips;
use super::{Context, Gate, Place, own};
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
    place: Place,
    /// Let the case with that id be skipped in CI; may be repeated
    #[arg(long = "allow-skip", value_name = "ID")]
    allow_skip: Vec<String>,
    /// Print one JSON document and nothing else
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn main(self, executors: Executors, context: &Context<'_>) -> Result<Gate> {
        let Doctor { root, place, allow_skip, json } = self;
        let goldens = place.locate(root.as_ref(), context)?;
        check_skips(&goldens, &allow_skip)?;
        let allowed: Vec<String> = allow_skip.iter().chain(&context.home.allowed_skips).cloned().collect();
        let recorder = Recorder::new(&goldens.root, &goldens.snapshots, Caller::CommandLine)?;
        let mut commands = context.commands(root.as_ref(), Some(&place), Some(&recorder));
        let typed = root.as_ref().unwrap_or(&context.home.root);
        let harnesses = own::commands(context.home, typed);
        if let Some(harness) = harnesses.first() {
            harness.speak(context, &mut commands, typed);
        }
        // The checkpoints of a harness are not known here.
        let executor = Some(executors.into_default()).filter(|_| harnesses.is_empty());
        let health = examine(&goldens, &recorder, executor.as_ref(), &allowed)?;
        context.screen.print(|out, palette| match json {
            true => json::doctor(out, &commands, &health),
            false => out.write_all(terminal::doctor(palette, &commands, &health).as_bytes()),
        })?;
        Ok(if health.is_well() { Gate::Passed } else { Gate::Failed })
    }
}
