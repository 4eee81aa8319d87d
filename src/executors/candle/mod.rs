//! The checkpoints of the built-in executor once more, each by the operations of
//! [candle](https://github.com/huggingface/candle) on the CPU.
//!
//! It computes with candle's own layers as a model written on candle does (`LayerNorm`, `Linear`, `Embedding`,
//! `softmax_last_dim`, `gelu`, `gelu_erf`, `matmul`, `cat`, `argmax`), all in `f32`; where candle has none, from its
//! tensor operations. It shares no mathematics with [`gpt2`](crate::executors::gpt2), so that the two can be held against each
//! other and against the same goldens.
//!
//! Names, inputs, params and outputs are the same, and so is what is refused: a shape that does not fit is an
//! [`Error::Checkpoint`](crate::Error::Checkpoint) that names it.

mod attention;
mod executor;
mod layers;
mod model;

pub use executor::executor;
