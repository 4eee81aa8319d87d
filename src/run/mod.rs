//! Executing and judging: runs checkpoints, compares, holds against snapshots. Prints nothing.

mod band;
mod outcome;
mod parse;
#[cfg(test)]
mod sample;
mod settings;
mod text;
mod workspace;

pub use outcome::{CaseOutcome, Counts, Drift, Gate, OutputOutcome, Problem, RunOutcome, Verdict};
pub use settings::{in_ci, reviewed};
pub use text::{Facts, text};
