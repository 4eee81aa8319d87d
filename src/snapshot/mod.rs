//! The drift gate: a summary as text, held against the accepted text in a band, recorded and reviewed through insta.
//!
//! *text* writes what a snapshot says, *parse* reads it back, *band* judges, *store* knows insta and the files, and *hold* puts
//! these together for one file. *site* does so for an assertion in an ordinary test, *cases* for a whole tree.

mod band;
#[cfg(feature = "harness")]
mod cases;
pub(crate) mod catch;
mod drift;
mod hold;
mod lock;
pub(crate) mod moved;
mod parse;
#[cfg(test)]
mod sample;
mod settings;
mod site;
mod store;
mod text;
pub(crate) mod tool;
mod workspace;

#[cfg(feature = "harness")]
pub(crate) use cases::Shelf;
#[cfg(feature = "harness")]
pub use cases::{Accepted, Orphan, Recorder};
pub use drift::Drift;
pub use hold::Recorded;
pub use settings::{Caller, in_ci, reviewed};
pub use site::{TestSite, record_in_test};
pub use store::silence;
pub use text::{Facts, text};
pub use tool::has_cargo_insta;
pub use workspace::workspace;
