//! `karat accept`: promotes pending snapshots; runs nothing.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::{Context, Exit, SnapshotsArg};
use crate::error::{Error, Result};
use crate::snapshot::{AcceptOutcome, Caller, Recorder};

/// The arguments of `karat accept`.
#[derive(Debug, Args)]
pub(super) struct Accept {
    /// Accept only snapshots of the case with this id, or else of cases whose id contains FILTER
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    filter: Option<String>,
    /// Accept all pending snapshots (the default without FILTER)
    #[arg(long, conflicts_with = "filter")]
    all: bool,
    /// The goldens root [default: goldens]
    #[arg(long, value_name = "ROOT")]
    root: Option<PathBuf>,
    #[command(flatten)]
    snapshots: SnapshotsArg,
}

impl Accept {
    pub(super) fn main(self, context: &Context<'_>) -> Result<Exit> {
        let Accept { filter, all: _, root, snapshots } = self;
        let goldens = snapshots.locate(root.as_ref(), context)?;
        let recorder = Recorder::new(&goldens.root, &goldens.snapshots, Caller::CommandLine)?;
        let AcceptOutcome { written, refused } = recorder.accept(&goldens, filter.as_deref())?;
        if let (Some(filter), [], []) = (&filter, &*written, &*refused) {
            return Err(Error::Usage(format!(
                "no case id with a pending snapshot contains {filter:?}; nothing is pending"
            )));
        }
        context.screen.print(|out| {
            for path in &written {
                writeln!(out, "accepted {}", context.relative(path))?;
            }
            match (written.len(), refused.len()) {
                (0, 0) => writeln!(out, "no pending snapshots"),
                (0, _) => writeln!(out, "nothing was written"),
                (1, _) => writeln!(out, "1 snapshot written; commit it"),
                (count, _) => writeln!(out, "{count} snapshots written; commit them"),
            }
        })?;
        for error in &refused {
            context.screen.warn(&error.to_string());
        }
        Ok(Exit::from_passed(refused.is_empty()))
    }
}
