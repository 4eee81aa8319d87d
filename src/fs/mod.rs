//! Files and names, as all of karat reads and writes them: one atomic write, one bounded read, one "did you mean".

mod atomic;
mod nearest;
mod read;

pub(crate) use atomic::{AtomicFile, Mode, folder, link_below, refusal, write_atomic};
#[cfg(feature = "harness")]
pub(crate) use atomic::{beside, leftovers, sweep};
pub(crate) use nearest::nearest;
#[cfg(feature = "harness")]
pub(crate) use nearest::{likeness, nearest_first};
#[cfg(feature = "harness")]
pub(crate) use read::RECORD_LIMIT;
pub(crate) use read::{Found, TEXT_LIMIT, open_regular, read_regular, read_text};
