//! Executing and judging: runs checkpoints, compares, holds against snapshots. Prints nothing.

mod accept;
mod band;
mod catch;
mod checkpoint;
mod execute;
mod judge;
mod orphan;
mod outcome;
mod parse;
mod record;
#[cfg(test)]
mod sample;
mod session;
mod settings;
mod site;
mod snapshot;
mod text;
mod tool;
mod workspace;

pub use accept::Accepted;
pub use checkpoint::{CheckpointResult, Executor, Inputs, Outputs, Skip};
pub use orphan::Orphan;
pub use outcome::{CaseOutcome, Counts, Drift, Gate, OutputOutcome, Problem, RunOutcome, Verdict};
pub use record::{Recorded, Recorder};
pub use session::{Filter, Options, Session, Skips};
pub use settings::{in_ci, reviewed};
pub use site::{TestSite, record_in_test};
pub use snapshot::silence;
pub use text::{Facts, text};
pub use tool::has_cargo_insta;
pub use workspace::workspace;
