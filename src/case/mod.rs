//! Cases and suites: the computations to run, their inputs and their references, from `case.json` and `suite.json`.

#[expect(clippy::module_inception, reason = "it is the case itself")]
mod case;
mod digest;
mod discover;
mod format;
mod id;
mod pool;
mod walk;

pub use case::{Case, Input, Link, Output};
pub(crate) use case::{MOST_TENSORS, Suites, seconds_from};
pub use digest::sha256;
pub(crate) use digest::{sha256_of_lines, sha256_of_text};
pub(crate) use discover::absolute;
pub use discover::{Goldens, Tree};
pub use format::Limits;
pub(crate) use format::{CaseFile, InputField, OutputField, is_wide, numbers, read_value};
pub use id::{Address, CaseId};
pub(crate) use pool::{cores, parallel_map};
pub(crate) use walk::{WalkEvent, walk};
