//! For people: plain text of 80 columns where ids allow it, coloured where the caller says so.

mod palette;
mod run;
mod tensor;

pub use palette::Palette;
pub(crate) use run::message;
pub use run::{By, Detail, doctor, explain, list, matrix, run};
pub(super) use tensor::map;
pub use tensor::{diff, show, show_case};

#[cfg(test)]
pub(super) use run::{case_lines, end, failure, failures};
