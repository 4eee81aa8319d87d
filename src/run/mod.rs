//! Executing and judging: runs checkpoints, compares, holds against snapshots. Prints nothing.

mod outcome;

pub use outcome::{CaseOutcome, Counts, Drift, Gate, OutputOutcome, Problem, RunOutcome, Verdict};
