//! What a tensor is, and tensor files: `.npy`, `.npz` and `.safetensors`.

pub(crate) mod buffers;
pub(crate) mod checksum;
pub(crate) mod dtype;
pub(crate) mod elements;
pub(crate) mod entry;
pub(crate) mod file;
pub(crate) mod float;
pub(crate) mod fortran;
pub(crate) mod gathered;
pub(crate) mod json;
pub(crate) mod mapping;
pub(crate) mod member;
pub(crate) mod npy;
pub(crate) mod npz;
pub(crate) mod part;
pub(crate) mod place;
pub(crate) mod pointer;
pub(crate) mod safetensors;
pub(crate) mod source;
pub(crate) mod stream;
#[expect(clippy::module_inception, reason = "it is the tensor itself")]
pub(crate) mod tensor;
pub(crate) mod tensor_file;
pub(crate) mod view;

pub use dtype::{DType, Element, F8E4M3, F8E5M2, Kind};
#[cfg(feature = "harness")]
pub(crate) use file::inspect_large;
pub use file::{Container, Containers, Contents, Header, contents, inspect, is_tensor_file, read_tensor};
pub use npy::write_npy;
#[cfg(feature = "harness")]
pub(crate) use pointer::Pointer;
pub use source::{Access, Slice, Source};
pub(crate) use tensor::dispatch;
pub use tensor::{Data, Tensor, Value};
pub use tensor_file::TensorFile;
