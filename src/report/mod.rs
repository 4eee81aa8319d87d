//! Telling: finished outcomes become text for a reader. Decides nothing.
//!
//! [`terminal`] and [`html`] write for people, [`json`] for programs, [`markdown`] for pages, `junit` for test viewers and
//! [`github`] for GitHub Actions. What they say is written once: of a case or an output in `message`, of a run in `overview`, of
//! numbers in `figures`. Nothing here reads the environment or a file: colours and commands are the caller's to choose.

#![cfg_attr(
    not(feature = "reports"),
    allow(dead_code, unused_imports, reason = "the reports for CI share words and pictures with the others")
)]

mod commands;
mod doctor;
mod figures;
mod message;
mod overview;
mod view;

#[cfg(feature = "reports")]
pub mod github;
#[cfg(feature = "reports")]
pub mod html;
pub mod json;
#[cfg(feature = "reports")]
pub mod junit;
pub mod markdown;
pub mod terminal;

#[cfg(all(test, feature = "reports"))]
mod tests;

pub(crate) use commands::quote;
pub use commands::{Commands, Review};
pub use figures::{Bin, histogram};
pub use terminal::Palette;
pub use view::{CaseLine, CaseView, DiffView, InputView, OutputView, PairView, TensorView, UnreadableTensor};
