//! Executing and judging: runs checkpoints, compares, holds against snapshots. Prints nothing.

mod chain;
pub(crate) mod checkpoint;
mod contradiction;
#[cfg(unix)]
mod crash;
mod engine;
mod examine;
pub(crate) mod execute;
mod executors;
mod interrupt;
mod isolate;
mod journal;
pub(crate) mod judge;
mod last;
mod matrix;
mod merge;
mod options;
pub(crate) mod outcome;
mod partition;
mod running;
mod session;
mod signal;
mod survey;
mod watch;

pub use chain::{Amplifier, ChainOutcome, Difference, Finding, Part, Step};
pub use checkpoint::{CheckpointResult, Executor, Inputs, Outputs, Skip};
#[cfg(unix)]
pub(crate) use crash::listen as listen_for_crashes;
pub use engine::{Engine, bazel, engine};
pub use executors::Executors;
pub use interrupt::Interrupt;
pub use isolate::{Alone, Isolation, Scope};
pub(crate) use isolate::{can_limit_memory, die_with, limit_memory};
pub use last::Recalled;
pub use matrix::{Cell, Column, Group, Matrix, Row, Sum};
pub use merge::{Record, merge};
pub use options::{Filter, Following, Options, Pictures, Skips, Stop};
pub(crate) use outcome::vacuous_name;
pub use outcome::{CaseOutcome, Counts, Gate, Gates, OutputOutcome, Problem, RunOutcome, Verdict};
pub use partition::{Partition, PartitionKind, Selection, Shard};
pub(crate) use running::running;
pub use session::Session;
pub(crate) use session::nothing_selected;
pub(crate) use survey::Survey;
