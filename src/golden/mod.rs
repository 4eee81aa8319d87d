//! Remembering: cases, suites and tensor files on disk. Runs nothing.

mod elements;
mod file;
mod id;
mod member;
mod npy;
mod npz;
mod place;
mod safetensors;

pub use file::{Contents, Header, contents, inspect, read_tensor};
pub use id::CaseId;
pub use npy::write_npy;
