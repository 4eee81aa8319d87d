//! Remembering: cases, suites and tensor files on disk. Runs nothing.

mod case;
mod digest;
mod discover;
mod fields;
mod id;
mod place;
mod suite;

pub(crate) use case::check_name;
pub use case::{Case, Input, Limits, Link, Output};
pub use digest::sha256;
pub use discover::{Goldens, Tree};
pub use fields::{CaseFile, InputField, NanField, OutputField, SuiteFile, ToleranceField};
pub use id::CaseId;
pub use place::Place;
