//! Remembering: cases, suites and tensor files on disk. Runs nothing.

mod address;
mod case;
mod digest;
mod discover;
mod elements;
mod fields;
mod file;
mod id;
mod idle;
mod layer;
mod literal;
mod member;
mod npy;
mod npz;
mod object;
mod place;
mod regular;
mod resolve;
mod safetensors;
mod share;
mod suites;
mod walk;

pub use address::Address;
pub use case::{Case, Input, Limits, Link, Output};
pub use digest::sha256;
pub(crate) use digest::sha256_of_lines;
pub(crate) use discover::absolute;
pub use discover::{Goldens, Tree};
pub use fields::{CaseFile, InputField, NanField, OutputField, SuiteFile, ToleranceField};
pub use file::{Contents, Header, contents, inspect, is_tensor_file, read_tensor};
pub use id::CaseId;
pub use npy::write_npy;
pub(crate) use regular::{Found, read as read_regular};
pub(crate) use resolve::check_name;
#[cfg(feature = "harness")]
pub(crate) use resolve::seconds_from;
pub(crate) use share::share;
pub(crate) use suites::Suites;
pub(crate) use walk::{Kind, Seen, walk};
