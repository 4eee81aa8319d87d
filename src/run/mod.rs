//! Executing and judging: runs checkpoints, compares, holds against snapshots. Prints nothing.

mod catch;
mod chain;
mod checkpoint;
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
mod snapshot;
mod survey;
mod watch;

pub use crate::golden::CaseId;
pub use chain::{ChainOutcome, Difference, Finding, Part, Step};
pub use checkpoint::{CheckpointResult, Executor, Inputs, Outputs, Skip};
pub use engine::{Engine, bazel, engine};
pub use executors::Executors;
pub use explanation::{Details, Explain, Explanation, Hypothesis};
pub use health::{Ailment, Complaint, Health, examine};
pub use interrupt::Interrupt;
pub use isolate::{Alone, Isolation, Scope};
#[cfg(feature = "harness")]
pub(crate) use isolate::{can_limit_memory, die_with, limit_memory};
pub use last::Recalled;
pub use matrix::{Cell, Column, Group, Matrix, Row, Sum};
pub use merge::{Record, merge};
pub use options::{Filter, Following, Options, Pictures, Skips, Stop};
pub use outcome::{CaseOutcome, Counts, Drift, Gate, Gates, OutputOutcome, Problem, RunOutcome, Verdict};
pub use partition::{Partition, PartitionKind, Selection, Shard};
pub use question::{Other, Question};
#[cfg(feature = "harness")]
pub(crate) use running::running;
pub use session::Session;
#[cfg(feature = "harness")]
pub(crate) use session::nothing_selected;
pub use snapshot::{
    Accepted, Caller, Facts, Orphan, Recorded, Recorder, TestSite, has_cargo_insta, in_ci, record_in_test, reviewed,
    silence, text, workspace,
};
#[cfg(feature = "harness")]
pub(crate) use survey::Survey;
