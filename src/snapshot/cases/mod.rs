//! The snapshots of cases: recorded by case and output, found without a case, accepted after a review.

mod accept;
mod orphan;
mod record;
mod shelf;

pub use accept::Accepted;
pub use orphan::Orphan;
pub use record::Recorder;
pub(crate) use shelf::Shelf;
