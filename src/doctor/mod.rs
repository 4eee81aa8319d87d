//! What is wrong with a setup, found without running a checkpoint.

mod assertions;
mod cases;
mod complaint;
mod git;
mod tools;
mod vacuous;

pub use complaint::{Ailment, Complaint, Health};

use crate::case::Goldens;
use crate::error::Result;
use crate::fs::leftovers;
use crate::run::checkpoint::Executor;
use crate::snapshot::Recorder;

/// Looks at goldens, snapshots, the settings of insta, version control and the tools: at all on which a run in CI would fail
/// that can be told without running anything. `executor` is what would run them, where that is known.
///
/// # Errors
///
/// [`Error::Usage`](crate::Error::Usage) where the root cannot be read.
pub fn examine(
    goldens: &Goldens,
    recorder: &Recorder,
    executor: Option<&Executor>,
    allowed_skips: &[String],
) -> Result<Health> {
    let tree = goldens.discover()?;
    let mut health =
        Health { root: goldens.root.clone(), cases: tree.cases.len(), snapshots: 0, complaints: Vec::new() };
    cases::Check { goldens, recorder, executor, allowed_skips }.all(&tree, &mut health);
    assertions::check(goldens, recorder, &mut health);
    vacuous::check(goldens, &tree, &mut health);
    let left = leftovers(&[&goldens.root, recorder.snapshots()]);
    if !left.is_empty() {
        health.complain(Complaint { files: left, ..Complaint::of(Ailment::Leftover) });
    }
    tools::check(recorder, &mut health);
    git::check(goldens, recorder, &mut health);
    health.complaints.sort_by_key(|complaint| complaint.ailment);
    Ok(health)
}
