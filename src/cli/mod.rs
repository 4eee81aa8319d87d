//! The command line: one file a verb. The only user of clap.

mod accept;
mod add;
mod cases;
#[cfg(feature = "cli")]
mod completions;
mod context;
mod diff;
mod doctor;
mod examples;
mod explain;
#[cfg(feature = "cli")]
mod harnesses;
mod interrupt;
mod isolate;
mod list;
mod made;
mod main;
mod matrix;
mod near;
mod output;
mod own;
mod param;
mod replaced;
mod report;
mod reports;
mod run;
#[cfg(feature = "cli")]
mod schema;
mod show;

use context::{Context, Gate, Place};
pub(crate) use context::{Home, Host};
pub(crate) use examples::VERBS;
pub(crate) use interrupt::{arm, disarm};
#[cfg(feature = "cli")]
pub use main::binary;
pub(crate) use main::{main, verbs_help};
pub(crate) use near::near_verb;
use near::source;
