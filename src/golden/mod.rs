//! Remembering: cases, suites and tensor files on disk. Runs nothing.

mod atomic;
mod buffers;
#[cfg(feature = "harness")]
mod cases;
mod checksum;
mod elements;
mod entry;
mod file;
mod fortran;
mod gathered;
mod link;
mod mapping;
mod member;
mod name;
mod nearest;
mod npy;
mod npz;
mod part;
mod place;
mod pointer;
mod regular;
mod safetensors;
mod stream;
mod tensor_file;
mod view;

#[cfg(feature = "harness")]
pub(crate) use atomic::{beside, leftovers, sweep};
#[cfg(feature = "harness")]
pub use cases::*;
#[cfg(feature = "harness")]
pub(crate) use file::inspect_large;
pub use file::{Container, Containers, Contents, Header, contents, inspect, is_tensor_file, read_tensor};
pub(crate) use link::{link_below, refusal};
pub(crate) use name::check_name;
#[cfg(feature = "harness")]
pub(crate) use name::fold;
#[cfg(feature = "harness")]
pub(crate) use nearest::{likeness, nearest_first};
pub use npy::write_npy;
#[cfg(feature = "harness")]
pub(crate) use pointer::Pointer;
#[cfg(feature = "harness")]
pub(crate) use regular::RECORD_LIMIT;
pub(crate) use regular::{Found, TEXT_LIMIT, read as read_regular, read_text};
pub use tensor_file::TensorFile;
