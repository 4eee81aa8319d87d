//! Numeric golden testing: compare ported numeric code with reference outputs of the original.
//!
//! # In an ordinary test
//!
//! [`assert_close!`] compares whole tensors and needs no feature. It takes arrays, slices and `Vec`s:
//!
//! ```
//! let y: Vec<f32> = [0.5, 1.0].iter().map(|x| 2.0 * x).collect();
//! karat::assert_close!(y, [1.0f32, 2.0], atol = 1e-6, rtol = 0.0);
//! ```
//!
//! [`assert_summary!`] compares the statistics of a tensor with an insta snapshot, and [`read_tensor`] reads a reference from a file. The same
//! comparison without a panic is [`compare()`]:
//!
//! ```
//! # use karat::{Pair, Rules, Tensor, Tolerance, compare};
//! let actual = Tensor::new(&[2], vec![1.0f32, 2.5])?;
//! let reference = Tensor::new(&[2], vec![1.0f32, 2.0])?;
//! let comparison = compare(Pair::new(&actual, &reference), &Rules::new(Tolerance::new(1e-3, 0.0)?)).expect("one shape");
//! assert_eq!(comparison.outside, 1);
//! # Ok::<(), karat::Error>(())
//! ```
//!
//! # A folder of cases
//!
//! With the feature `harness`, a test target makes every case of a folder a test of its own. A case is a `case.json` beside its tensors; it
//! names a checkpoint, which is a function that you register:
//!
//! ```no_run
//! # #[cfg(feature = "harness")]
//! karat::goldens! {
//!     karat::Harness::new("goldens").checkpoint("double", |case| {
//!         let y: Vec<f32> = case.slice::<f32>("x")?.iter().map(|x| 2.0 * x).collect();
//!         Ok(karat::outputs! { "y" => y })
//!     })
//! }
//! ```
//!
//! The target needs `harness = false` in `Cargo.toml`. What happens to a case:
//!
//! 1. [`Goldens`] finds the cases;
//! 2. an [`Executor`] runs the checkpoint on [`Inputs`], and returns [`Outputs`];
//! 3. [`compare()`] compares each output with its reference by a [`Tolerance`]: accuracy;
//! 4. its summary is compared with the accepted insta snapshot: drift;
//! 5. [`explain()`] tests hypotheses about a mismatch;
//! 6. a [`Session`] combines these into a [`RunOutcome`], which reports are written from.
//!
//! # Features
//!
//! | feature | adds |
//! | --- | --- |
//! | none | tensors, tensor files, `assert_close!`, `assert_summary!` |
//! | `harness` | cases, snapshots, chains, explanations and the verbs, in a test target |
//! | `reports` | `--html`, `--junit`, `--github` |
//! | `gpt2`, `candle` | the built-in executor; a second one on candle |
//! | `cli` (default) | the binary, with all of these except `candle` |

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
