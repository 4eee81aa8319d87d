//! Text that every report and message shares: numbers, names, columns, lines, and what is not printed as it is.

#![cfg_attr(not(feature = "reports"), allow(dead_code, reason = "an assertion or a test says less than a report"))]

pub(crate) mod layout;
pub(crate) mod name;
pub(crate) mod number;
pub(crate) mod safe;
pub(crate) mod word;

pub(crate) use name::check_name;
#[cfg(feature = "harness")]
pub(crate) use name::fold;
pub(crate) use safe::is_hidden;
