//! Runs a case in its own process, so that a crash or a timeout affects only that case.

mod job;
mod process;

pub(crate) use job::{ISOLATED, Job};
pub(crate) use process::can_limit_memory;
