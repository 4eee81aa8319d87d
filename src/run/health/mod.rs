//! What is wrong with a setup, found without running a checkpoint.

mod assertions;
mod cases;
mod complaint;
mod git;
mod tools;
mod vacuous;

pub use complaint::{Ailment, Complaint, Health};

use crate::error::Result;
use crate::golden::{Goldens, leftovers};
use crate::snapshot::Recorder;

/// Looks at goldens, snapshots, the settings of insta, version control and the tools.
///
/// # Errors
///
/// [`Error::Usage`](crate::Error::Usage) where the root cannot be read.
pub fn examine(goldens: &Goldens, recorder: &Recorder) -> Result<Health> {
    let tree = goldens.discover()?;
    let mut health =
        Health { root: goldens.root.clone(), cases: tree.cases.len(), snapshots: 0, complaints: Vec::new() };
    cases::check(goldens, recorder, &tree, &mut health);
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
