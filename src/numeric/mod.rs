//! Measuring: tensors, their summaries, and how close two of them are. Pure: no files, no printing.

mod compare;
mod dtype;
mod scaled;
mod summary;
mod tensor;
mod tolerance;
mod ulp;

pub use compare::{Comparison, Extreme, Mismatch, NanRule, NonFinite, Pair, Rules, compare};
pub use dtype::{DType, Element, F8E4M3, F8E5M2, Kind};
pub use summary::{Summary, summarize};
pub(crate) use tensor::dispatch;
pub use tensor::{Data, Tensor, Value};
pub use tolerance::Tolerance;
pub use ulp::ulp_distance;
