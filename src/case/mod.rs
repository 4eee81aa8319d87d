//! Cases and suites: what to run, on what, held against what, as `case.json` and `suite.json` say.

mod address;
mod case;
mod digest;
mod discover;
mod fields;
mod id;
mod idle;
mod layer;
mod object;
mod resolve;
mod share;
mod suites;
mod walk;

pub use address::Address;
pub(crate) use case::MOST_TENSORS;
pub use case::{Case, Input, Limits, Link, Output};
pub use digest::sha256;
pub(crate) use digest::sha256_of_lines;
pub(crate) use discover::absolute;
pub use discover::{Goldens, Tree};
pub use fields::{CaseFile, InputField, NanField, OutputField, SuiteFile, ToleranceField};
pub use id::CaseId;
pub(crate) use object::{is_wide, read_value};
pub(crate) use resolve::seconds_from;
pub(crate) use share::{cores, share};
pub(crate) use suites::Suites;
pub(crate) use walk::{Kind, Seen, walk};
