//! The only folder that knows insta: snapshot files are read, asserted and accepted here.

mod assert;
#[cfg(feature = "harness")]
pub(super) mod promote;
mod stored;

pub use assert::silence;
pub(super) use assert::{Target, assert};
pub(super) use stored::Stored;
