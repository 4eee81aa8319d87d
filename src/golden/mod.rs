//! Remembering: cases, suites and tensor files on disk. Runs nothing.

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
pub use cases::*;
pub use file::{Container, Containers, Contents, Header, contents, inspect, is_tensor_file, read_tensor};
pub(crate) use link::{link_below, refusal};
pub(crate) use name::check_name;
pub use npy::write_npy;
pub(crate) use pointer::Pointer;
pub(crate) use regular::{Found, read as read_regular};
pub use tensor_file::TensorFile;
