//! The drift gate: a summary as text, held against the accepted text in a band, recorded and reviewed through insta.
//!
//! *text* writes what a snapshot says, *parse* reads it back, *band* judges, *store* knows insta and the files, and
//! *record* puts these together; *orphan* and *accept* look at a whole tree of snapshots.

mod accept;
mod band;
mod lock;
mod orphan;
mod parse;
mod record;
#[cfg(test)]
mod sample;
mod settings;
mod shelf;
mod site;
mod store;
mod text;
mod tool;
mod workspace;

pub use accept::Accepted;
pub use orphan::Orphan;
pub use record::{Recorded, Recorder};
pub use settings::{Caller, in_ci, reviewed};
pub(in crate::run) use shelf::Shelf;
pub use site::{TestSite, record_in_test};
pub use store::silence;
pub use text::{Facts, text};
pub(in crate::run) use tool::cargo_insta_version;
pub use tool::has_cargo_insta;
pub use workspace::workspace;
