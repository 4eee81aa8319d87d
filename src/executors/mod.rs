//! The executors that ship: GPT-2 and BERT on ndarray, and the same on candle.

#[cfg(feature = "candle")]
pub mod candle;
#[cfg(feature = "gpt2")]
pub mod gpt2;
#[cfg(any(feature = "candle", feature = "gpt2"))]
mod shape;

/// What both executors read of a case, and the weights of a model.
#[cfg(any(feature = "candle", feature = "gpt2"))]
pub use shape::{Block, Config, Gelu, Model};

#[cfg(test)]
#[cfg(any(feature = "candle", feature = "gpt2"))]
mod tests;
