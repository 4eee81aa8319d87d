//! Runs cases as cargo tests, and provides assertions for ordinary tests.

mod assertion;
#[cfg(feature = "harness")]
mod goldens;
#[cfg(feature = "harness")]
mod main;
#[cfg(feature = "harness")]
mod trial;

#[doc(hidden)]
pub use assertion::{AsTensor, check_close, check_summary};
#[cfg(feature = "harness")]
#[doc(hidden)]
pub use goldens::libtest_message;
#[cfg(feature = "harness")]
pub use main::Harness;
