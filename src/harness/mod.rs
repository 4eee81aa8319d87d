//! Being a cargo test: every case a test of its own, and assertions for ordinary tests.

mod assert;
#[cfg(feature = "harness")]
mod goldens;
#[cfg(feature = "harness")]
mod main;
#[cfg(feature = "harness")]
mod trial;

#[doc(hidden)]
pub use assert::{AsTensor, check_close, check_summary};
#[cfg(feature = "harness")]
#[doc(hidden)]
pub use goldens::with_libtest;
#[cfg(feature = "harness")]
pub use main::Harness;
