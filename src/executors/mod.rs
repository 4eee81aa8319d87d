//! The executors that ship: GPT-2 and BERT on ndarray, and the same on candle.

#[cfg(feature = "candle")]
pub mod candle;
#[cfg(feature = "gpt2")]
pub mod gpt2;
mod shape;
#[cfg(test)]
mod tests;
