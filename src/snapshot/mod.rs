//! The drift gate: a summary as text, held against the accepted text in a band, and recorded through insta.
//!
//! *text* writes what a snapshot says and reads it back, *band* judges, *file* knows insta and the files, and *recorder* puts
//! these together for one file: of an assertion in an ordinary test, or, in *cases*, of a whole tree.

mod band;
#[cfg(feature = "harness")]
mod cases;
pub(crate) mod catch;
mod file;
mod recorder;
mod settings;
#[cfg(feature = "harness")]
mod shelf;
mod text;
mod workspace;

pub use band::Drift;
#[cfg(feature = "reports")]
pub(crate) use band::MOVED;
pub(crate) use band::moved;
#[cfg(feature = "harness")]
pub(crate) use band::moved_row;
#[cfg(feature = "harness")]
pub use cases::Accepted;
#[cfg(feature = "harness")]
pub(crate) use file::silence;
pub use recorder::{Recorded, Recorder, TestSite, record_in_test};
pub use settings::{Caller, in_ci, reviewed};
#[cfg(feature = "harness")]
pub use shelf::Orphan;
#[cfg(feature = "harness")]
pub(crate) use shelf::Shelf;
pub use text::{Facts, text};
#[cfg(feature = "harness")]
pub(crate) use workspace::cargo_insta;
pub use workspace::{has_cargo_insta, workspace};
