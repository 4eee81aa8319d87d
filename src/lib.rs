//! Numeric golden testing: hold every checkpoint of ported code against an independent reference.
//!
//! The folders read as a sentence: *numeric* measures, *golden* remembers, *run* executes and judges, *report* tells.

mod error;
pub mod golden;
pub mod gpt2;
pub mod numeric;
pub mod report;
pub mod run;

pub use error::{Error, Result};
pub use numeric::{DType, Tensor, Tolerance};
pub use run::{CheckpointResult, Executor, Inputs, Outputs, Skip};
