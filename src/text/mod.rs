//! Text formatting that reports and messages share: numbers, names, columns, lines, and escaping.

#![cfg_attr(not(feature = "reports"), allow(dead_code, reason = "assertions and tests use less than reports"))]

pub(crate) mod layout;
pub(crate) mod name;
pub(crate) mod number;
pub(crate) mod safe;
pub(crate) mod word;

pub(crate) use name::check_name;
#[cfg(feature = "harness")]
pub(crate) use name::fold;
pub(crate) use safe::is_hidden;
