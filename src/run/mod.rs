//! Executing and judging: runs checkpoints, compares, holds against snapshots. Prints nothing.

mod chain;
mod checkpoint;
mod contradiction;
#[cfg(unix)]
mod crash;
mod engine;
mod examine;
mod execute;
mod executors;
mod explanation;
mod health;
mod interrupt;
mod isolate;
mod journal;
mod judge;
mod last;
mod matrix;
mod merge;
mod options;
mod outcome;
mod partition;
mod question;
mod running;
mod session;
mod signal;
mod survey;
mod watch;

pub use crate::golden::CaseId;
pub use chain::{ChainOutcome, Difference, Finding, Part, Step};
pub use checkpoint::{CheckpointResult, Executor, Inputs, Outputs, Skip};
#[cfg(unix)]
pub(crate) use crash::listen as listen_for_crashes;
pub use engine::{Engine, bazel, engine};
pub use executors::Executors;
pub use explanation::{Details, Explain, Explanation, Hypothesis};
pub use health::{Ailment, Complaint, Health, examine};
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
pub use question::{Other, Question};
pub(crate) use running::running;
pub use session::Session;
pub(crate) use session::nothing_selected;
pub(crate) use survey::Survey;
