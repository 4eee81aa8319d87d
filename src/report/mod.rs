//! Reports: formats finished outcomes as text. Makes no decisions about them.
//!
//! [`terminal`] and [`html`] write for people, [`json`] for programs, [`markdown`] for web pages, `junit` for test viewers
//! and [`github`] for GitHub Actions. They share their texts: `message` describes a case or an output, `overview` a run,
//! `figures` its numbers. Nothing here reads the environment or a file; the caller chooses colours and commands.

#![cfg_attr(
    not(feature = "reports"),
    allow(dead_code, unused_imports, reason = "some helpers are used by the reports for CI only")
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
