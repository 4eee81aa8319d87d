//! Executing and judging: runs checkpoints, compares, holds against snapshots. Prints nothing.

mod chain;
mod checkpoint;
mod contradiction;
mod engine;
mod examine;
mod follow;
mod isolate;
mod judge;
mod last;
mod matrix;
mod merge;
mod options;
pub(crate) mod outcome;
mod partition;
mod running;
mod session;

pub use chain::{Amplifier, ChainOutcome, Difference, Finding, Part, Step};
pub use checkpoint::{CheckpointResult, Executor, Executors, Inputs, Outputs, Skip};
pub use engine::{Engine, bazel, engine};
pub(crate) use examine::check_link;
pub(crate) use isolate::{ISOLATED, Job, can_limit_memory};
pub(crate) use judge::{Declared, Reference, facts};
pub use last::Recalled;
pub use matrix::{Column, Group, Matrix, Row, Sum};
pub use merge::{Record, merge};
pub use options::{Interrupt, Isolation, Options, Pictures, Scope};
pub(crate) use outcome::vacuous_name;
pub use outcome::{CaseOutcome, Counts, Gate, Gates, OutputOutcome, Problem, RunOutcome, Verdict};
pub use partition::{Filter, Partition, PartitionKind, Selection, Shard};
#[cfg(unix)]
pub(crate) use running::listen_for_crashes;
pub(crate) use running::running;
pub use session::Session;
pub(crate) use session::nothing_selected;
