//! Executing and judging: runs checkpoints, compares, holds against snapshots. Prints nothing.

mod accept;
mod band;
mod orphan;
mod outcome;
mod parse;
mod record;
#[cfg(test)]
mod sample;
mod settings;
mod snapshot;
mod text;
mod workspace;

pub use accept::Accepted;
pub use orphan::Orphan;
pub use outcome::{CaseOutcome, Counts, Drift, Gate, OutputOutcome, Problem, RunOutcome, Verdict};
pub use record::{Recorded, Recorder};
pub use settings::{in_ci, reviewed};
pub use snapshot::silence;
pub use text::{Facts, text};
