//! The built-in executors: GPT-2 and BERT on ndarray, and the same on candle.

#[cfg(feature = "candle")]
pub mod candle;
#[cfg(feature = "gpt2")]
pub mod gpt2;
#[cfg(any(feature = "candle", feature = "gpt2"))]
mod shape;

/// The configuration and the weights of a model, which both executors use.
#[cfg(any(feature = "candle", feature = "gpt2"))]
pub use shape::{Block, Config, Gelu, Model};

#[cfg(test)]
#[cfg(any(feature = "candle", feature = "gpt2"))]
mod tests;
