//! The command line: one file per verb. The only user of clap.

mod accept;
mod add;
mod cases;
#[cfg(feature = "cli")]
mod completions;
mod context;
mod destination;
mod diff;
mod doctor;
mod examples;
mod explain;
mod harnesses;
mod interrupt;
mod isolate;
mod list;
mod main;
#[cfg(feature = "cli")]
mod manifest;
mod matrix;
mod new_files;
mod output;
mod param;
mod report;
mod reports;
mod run;
#[cfg(feature = "cli")]
mod schema;
mod show;
mod suggest;

use context::{Context, Exit, SnapshotsArg};
pub(crate) use context::{Host, Program};
pub(crate) use examples::VERBS;
pub(crate) use interrupt::{arm, disarm};
#[cfg(feature = "cli")]
pub use main::binary;
pub(crate) use main::{main, verbs_help};
pub(crate) use suggest::similar_verb;
