//! `karat doctor`: what is wrong with this setup, and what to type.

use std::path::PathBuf;

use clap::Args;

use super::{Context, Gate, Place, own};
use crate::error::Result;
use crate::report::{json, terminal};
use crate::run::examine;
use crate::snapshot::{Caller, Recorder};

/// The arguments of `karat doctor`.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// The goldens root, or a folder below it [default: goldens]
    root: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Print one JSON document and nothing else
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn main(self, context: &Context<'_>) -> Result<Gate> {
        let Doctor { root, place, json } = self;
        let goldens = place.locate(root.as_ref(), context)?;
        let recorder = Recorder::new(&goldens.root, &goldens.snapshots, Caller::CommandLine)?;
        let mut voice = context.voice(root.as_ref(), Some(&place), Some(&recorder));
        let typed = root.as_ref().unwrap_or(&context.home.root);
        if let Some(harness) = own::commands(context.home, typed).first() {
            harness.speak(context, &mut voice, typed);
        }
        let health = examine(&goldens, &recorder)?;
        context.screen.print(|out, palette| match json {
            true => json::doctor(out, &voice, &health),
            false => terminal::doctor(out, palette, &voice, &health),
        })?;
        Ok(if health.is_well() { Gate::Passed } else { Gate::Failed })
    }
}
