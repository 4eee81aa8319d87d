//! Executing and judging: runs checkpoints, compares, holds against snapshots. Prints nothing.

mod checkpoint;
mod outcome;

pub use checkpoint::{CheckpointResult, Executor, Inputs, Outputs, Skip};
pub use outcome::{CaseOutcome, Counts, Drift, Gate, OutputOutcome, Problem, RunOutcome, Verdict};
