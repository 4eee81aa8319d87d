//! Tensors, and the file formats that store them: `.npy`, `.npz` and `.safetensors`.

pub(crate) mod container;
pub(crate) mod dtype;
mod file;
mod npy;
mod npz;
mod safetensors;
#[expect(clippy::module_inception, reason = "it is the tensor itself")]
pub(crate) mod tensor;
pub(crate) mod value;

#[cfg(feature = "harness")]
pub(crate) use container::may_exceed;
pub use container::{
    Container, Containers, Contents, Header, TensorFile, contents, inspect, is_tensor_file, read_tensor,
};
pub(crate) use dtype::dispatch;
pub use dtype::{DType, Element, F8E4M3, F8E5M2, Kind, Slice};
#[cfg(feature = "harness")]
pub(crate) use file::{Pointer, little_endian};
pub use npy::write_npy;
pub use tensor::{Buffer, Source, Tensor};
pub use value::Value;
