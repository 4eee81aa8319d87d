//! Every checkpoint of both suites in plain loops and `f64`, sound or with a fault: how far a fault moves an output.
//!
//! Written from the tables of `docs/capture.md`. A fault here is in the formula; where it is planted for real it is in
//! what the built-in executor is given. That both have the same effect shows that both are the fault that they say.

mod array;
mod attention;
mod compute;
mod layers;
mod model;

pub(crate) use array::{Array, Fit};
pub(crate) use compute::{Outputs, compute};
