//! The executors that ship: GPT-2 and BERT on ndarray, and the same on candle.

#[cfg(feature = "candle")]
pub mod candle;
#[cfg(feature = "gpt2")]
pub mod gpt2;
#[cfg(any(feature = "candle", feature = "gpt2"))]
mod shape;

/// What both executors read of a case.
#[cfg(any(feature = "candle", feature = "gpt2"))]
pub use shape::{Config, Gelu};

#[cfg(test)]
#[cfg(any(feature = "candle", feature = "gpt2"))]
mod tests;
