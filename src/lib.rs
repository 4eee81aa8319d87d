//! Numeric golden testing: hold every checkpoint of ported code against an independent reference.
//!
//! The folders read as a sentence: *numeric* measures, *golden* remembers, *run* executes and judges, *report* tells.

#[cfg(feature = "harness")]
pub mod cli;
mod error;
pub mod golden;
pub mod gpt2;
pub mod harness;
pub mod numeric;
pub mod report;
pub mod run;

pub use error::{Error, Result};
#[cfg(feature = "harness")]
pub use harness::Harness;
pub use numeric::{DType, Tensor, Tolerance};
pub use run::{CheckpointResult, Executor, Inputs, Outputs, Skip};
