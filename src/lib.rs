//! Numeric golden testing: hold every checkpoint of ported code against an independent reference.
//!
//! A [`Harness`] walks a folder of golden cases, each a `case.json` beside its tensors, and makes every case a cargo test.
//! What flows where:
//!
//! 1. [`Goldens`] finds the cases, and [`read_tensor`] reads a tensor;
//! 2. an [`Executor`] runs the checkpoint that the case names: it is given [`Inputs`] and returns [`Outputs`];
//! 3. [`compare()`] holds each output against its reference by a [`Tolerance`]: the accuracy gate;
//! 4. its summary is held against the accepted insta snapshot: the drift gate;
//! 5. [`explain()`] says what a mismatch looks like;
//! 6. a [`Session`] puts these together into a [`RunOutcome`].
//!
//! In an ordinary test, [`assert_close!`] and [`assert_summary!`] do without cases, and need no feature: cases, runs and what
//! they need are behind `harness`.

#![cfg_attr(
    not(feature = "harness"),
    allow(dead_code, unused_imports, reason = "what the harness alone uses stays beside what it belongs to")
)]
// What is explained here is linked to, and some of it is behind features.
#![cfg_attr(
    not(all(feature = "cli", feature = "candle")),
    allow(rustdoc::broken_intra_doc_links, reason = "what is linked may be behind a feature")
)]

// The rooms, in the order of use. What is public is below: the rest is for karat's own tests and benchmarks, and may change.
mod error;
mod fs;
mod text;

#[doc(hidden)]
pub mod tensor;

#[doc(hidden)]
pub mod compare;

#[cfg(feature = "harness")]
#[doc(hidden)]
pub mod explain;

#[cfg(feature = "harness")]
#[doc(hidden)]
pub mod case;

#[doc(hidden)]
pub mod snapshot;

#[cfg(feature = "harness")]
#[doc(hidden)]
pub mod run;

#[cfg(feature = "harness")]
#[doc(hidden)]
pub mod doctor;

#[cfg(feature = "harness")]
#[doc(hidden)]
pub mod report;

#[cfg(feature = "harness")]
#[doc(hidden)]
pub mod cli;

#[doc(hidden)]
pub mod harness;

#[cfg(any(feature = "gpt2", feature = "candle"))]
pub mod executors;

pub use compare::{
    Comparison, Extreme, Mismatch, NanRule, NonFinite, Pair, Rules, Summary, Tolerance, Vacuous, compare, summarize,
    ulp_distance,
};
pub use error::{Error, Result};
pub use tensor::{DType, Element, F8E4M3, F8E5M2, Tensor, Value, read_tensor, write_npy};

#[cfg(feature = "harness")]
pub use {
    case::{CaseId, Goldens, Tree},
    explain::{Details, Explanation, Hypothesis, Other, Question, explain},
    harness::Harness,
    report::json::read_run,
    run::{
        CaseOutcome, CheckpointResult, Executor, Filter, Inputs, Options, OutputOutcome, Outputs, Problem, RunOutcome,
        Session, Skip, Verdict,
    },
};

/// The README's examples, as doctests.
#[cfg(all(doctest, feature = "gpt2"))]
#[doc = include_str!("../README.md")]
pub struct Readme;
