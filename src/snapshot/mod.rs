//! The drift gate: compares a summary with its accepted snapshot, within a band, and records changes through insta.
//!
//! *text* formats and parses snapshots, *band* compares them, *file* reads and writes their files and calls insta, and *recorder*
//! combines these for one snapshot: of an assertion in an ordinary test, or, in *cases*, of a tree of cases.

mod band;
#[cfg(feature = "harness")]
mod cases;
mod file;
#[cfg(feature = "harness")]
mod index;
pub(crate) mod panic;
mod recorder;
mod settings;
mod text;
mod workspace;

#[cfg(feature = "reports")]
pub(crate) use band::DRIFT_COLUMNS;
pub use band::Drift;
#[cfg(feature = "harness")]
pub(crate) use band::drift_row;
pub(crate) use band::format_drift;
#[cfg(feature = "harness")]
pub use cases::AcceptOutcome;
#[cfg(feature = "harness")]
pub(crate) use file::silence_insta;
#[cfg(feature = "harness")]
pub use index::Orphan;
#[cfg(feature = "harness")]
pub(crate) use index::SnapshotIndex;
pub use recorder::{RecordOutcome, Recorder, TestSite, record_in_test};
pub use settings::{Caller, in_ci, insta_reviews};
pub use text::{Facts, format_snapshot};
#[cfg(feature = "harness")]
pub(crate) use workspace::cargo_insta;
pub use workspace::{find_workspace, has_cargo_insta};
