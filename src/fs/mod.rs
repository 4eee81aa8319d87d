//! Files: written whole or not at all, read within a bound, and what was meant by a name that is not there.

pub(crate) mod atomic;
pub(crate) mod link;
pub(crate) mod nearest;
pub(crate) mod regular;

pub(crate) use atomic::beside;
#[cfg(feature = "harness")]
pub(crate) use atomic::{leftovers, sweep};
pub(crate) use link::{link_below, refusal};
#[cfg(feature = "harness")]
pub(crate) use nearest::{likeness, nearest_first};
#[cfg(feature = "harness")]
pub(crate) use regular::RECORD_LIMIT;
pub(crate) use regular::{Found, TEXT_LIMIT, read as read_regular, read_text};
