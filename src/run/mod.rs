//! Executing and judging: runs checkpoints, compares, holds against snapshots. Prints nothing.

mod catch;
mod checkpoint;
mod execute;
mod judge;
mod outcome;
mod session;
mod snapshot;

pub use crate::golden::CaseId;
pub use checkpoint::{CheckpointResult, Executor, Inputs, Outputs, Skip};
pub use outcome::{CaseOutcome, Counts, Drift, Gate, OutputOutcome, Problem, RunOutcome, Verdict};
#[cfg(feature = "harness")]
pub(crate) use session::nothing_selected;
pub use session::{Filter, Options, Session, Skips};
pub use snapshot::{
    Accepted, Caller, Facts, Orphan, Recorded, Recorder, TestSite, has_cargo_insta, in_ci, record_in_test, reviewed,
    silence, text, workspace,
};
