//! For people: plain text of 80 columns where ids allow it, coloured where the caller says so.

mod case_line;
mod diff;
mod end;
mod failure;
mod list;
mod show;
mod table;
mod text;

pub use case_line::{Columns, case_line};
pub use diff::diff;
pub use end::end;
pub use failure::failures;
pub use list::list;
pub use show::{show_case, show_members, show_tensor};

/// How wide a line is where ids and commands allow it.
const WIDTH: usize = 80;
