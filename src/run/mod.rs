//! Runs cases: calls checkpoints, and compares their outputs with references and snapshots. Prints nothing.

mod chain;
mod checkpoint;
mod ci;
mod execution;
mod failures;
mod isolate;
mod judge;
mod matrix;
mod merge;
mod options;
pub(crate) mod outcome;
mod partition;
mod propagation;
mod registry;
mod session;
mod validation;

pub use chain::{Amplifier, ChainOutcome, Difference, Finding, Role, Step};
pub use checkpoint::{CheckpointResult, Executor, Executors, Inputs, Outputs, Skip};
pub use ci::{CiShard, bazel_shard, shard_from_env};
pub(crate) use execution::check_link;
pub use failures::LastFailures;
pub(crate) use isolate::{ISOLATED, Job, can_limit_memory};
pub(crate) use judge::{Reference, ReferenceInfo, facts};
pub use matrix::{Column, Group, Matrix, Row, Sum};
pub use merge::{Record, merge};
pub use options::{Interrupt, Isolation, Options, Pictures, Scope};
pub(crate) use outcome::vacuous_label;
pub use outcome::{CaseOutcome, Counts, Deny, Gate, Gates, OutputOutcome, Problem, RunOutcome, Verdict};
pub use partition::{Filter, Partition, PartitionKind, Selection, Shard};
#[cfg(unix)]
pub(crate) use registry::listen_for_crashes;
pub(crate) use registry::running_cases;
pub use session::Session;
pub(crate) use session::empty_selection_error;
