//! Telling: finished outcomes become bytes for a reader. Decides nothing.
//!
//! [`terminal`] and [`html`] write for people, [`json`] for programs and [`markdown`] for pages; what either says about a problem is written once, in
//! `message`. Nothing here reads the environment or a file: colours and commands are the caller's to choose.

mod histogram;
mod message;
mod next;
pub mod number;
mod palette;
mod view;
mod voice;

pub mod html;
pub mod json;
pub mod markdown;
pub mod terminal;

#[cfg(test)]
mod tests;

pub use histogram::{Bin, Histogram};
pub use palette::Palette;
pub use view::{CaseLine, CaseView, DiffView, ExplainView, InputView, OutputView, PairView, TensorView, Unread};
pub use voice::{Review, Voice};
