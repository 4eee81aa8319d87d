//! Numeric golden testing: hold every checkpoint of ported code against an independent reference.
//!
//! A [`Harness`] walks a folder of golden cases, each a `case.json` beside its tensors, and makes every case a cargo test.
//! What flows where:
//!
//! 1. [`case::Goldens`] finds the cases, [`case::Case`] reads one, and [`tensor::read_tensor`] its tensors;
//! 2. an [`Executor`] runs the checkpoint that the case names: it is given [`Inputs`] and returns [`Outputs`];
//! 3. [`compare::compare`] holds each output against its reference by a [`Tolerance`]: the accuracy gate;
//! 4. [`snapshot::Recorder`] holds its summary against the accepted insta snapshot: the drift gate;
//! 5. [`mod@explain`] says what a mismatch looks like;
//! 6. a [`run::Session`] puts these together into a [`run::RunOutcome`], which [`report`] tells.
//!
//! The rooms in the order of use: *tensor* reads, *compare* measures, *explain* finds the reason, *case* says what to run,
//! *snapshot* holds, *run* executes and judges, *doctor* looks at the setup, *report* prints.
//! In an ordinary test, [`assert_close!`] and [`assert_summary!`] do without cases, and need no feature: cases, runs and what
//! tells of them are behind `harness`.

// What is explained here is linked to, and some of it is behind features.
#![cfg_attr(
    not(all(feature = "cli", feature = "candle")),
    allow(rustdoc::broken_intra_doc_links, reason = "what is linked may be behind a feature")
)]

#[cfg(feature = "harness")]
pub mod case;
#[cfg(feature = "harness")]
pub mod cli;
pub mod compare;
#[cfg(test)]
#[cfg(any(feature = "gpt2", feature = "candle"))]
mod contract;
#[cfg(feature = "harness")]
pub mod doctor;
mod error;
#[cfg(any(feature = "gpt2", feature = "candle"))]
pub mod executors;
#[cfg(feature = "harness")]
pub mod explain;
mod fs;
pub mod harness;
#[cfg(feature = "harness")]
pub mod report;
#[cfg(feature = "harness")]
pub mod run;
pub mod snapshot;
pub mod tensor;
mod text;

pub use compare::Tolerance;
pub use error::{Error, Result};
#[cfg(feature = "harness")]
pub use harness::Harness;
#[cfg(feature = "harness")]
pub use run::{CheckpointResult, Executor, Inputs, Outputs, Skip};
pub use tensor::{DType, Tensor};

/// The README's examples, as doctests.
#[cfg(all(doctest, feature = "gpt2"))]
#[doc = include_str!("../README.md")]
pub struct Readme;
