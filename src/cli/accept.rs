//! `karat accept`: promotes pending snapshots; runs nothing.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::{Context, Gate, Place};
use crate::error::{Error, Result};
use crate::snapshot::{AcceptOutcome, Caller, Recorder};

/// The arguments of `karat accept`.
#[derive(Debug, Args)]
pub(super) struct Accept {
    /// Accept only snapshots of the case with that id, or else of cases whose id contains FILTER
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    filter: Option<String>,
    /// Accept everything that is pending, as without FILTER
    #[arg(long, conflicts_with = "filter")]
    all: bool,
    /// The goldens root [default: goldens]
    #[arg(long, value_name = "ROOT")]
    root: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

impl Accept {
    pub(super) fn main(self, context: &Context<'_>) -> Result<Gate> {
        let Accept { filter, all: _, root, place } = self;
        let goldens = place.locate(root.as_ref(), context)?;
        let recorder = Recorder::new(&goldens.root, &goldens.snapshots, Caller::CommandLine)?;
        let AcceptOutcome { written, refused } = recorder.accept(&goldens, filter.as_deref())?;
        if let (Some(filter), [], []) = (&filter, &*written, &*refused) {
            return Err(Error::Usage(format!(
                "no case id with a pending snapshot contains {filter:?}; nothing is pending"
            )));
        }
        context.screen.print(|out, _| {
            for path in &written {
                writeln!(out, "accepted {}", path.strip_prefix(&context.home.base).unwrap_or(path).display())?;
            }
            match (written.len(), refused.len()) {
                (0, 0) => writeln!(out, "nothing is pending"),
                (0, _) => writeln!(out, "nothing was written"),
                (1, _) => writeln!(out, "1 snapshot written; commit it"),
                (count, _) => writeln!(out, "{count} snapshots written; commit them"),
            }
        })?;
        for error in &refused {
            context.screen.complain(&error.to_string());
        }
        Ok(if refused.is_empty() { Gate::Passed } else { Gate::Failed })
    }
}
