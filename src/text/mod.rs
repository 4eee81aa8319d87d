//! Text that every report and message shares: numbers, names, tables, lines, and what is not printed as it is.

pub(crate) mod hidden;
pub(crate) mod name;
pub mod number;
pub(crate) mod safe;
pub(crate) mod table;
pub(crate) mod word;
pub(crate) mod wrap;

pub(crate) use name::check_name;
#[cfg(feature = "harness")]
pub(crate) use name::fold;

/// How wide a line is where ids and commands allow it.
pub(crate) const WIDTH: usize = 80;
