//! A process of its own for a case: what ends it costs that case its verdict, and no other.

mod job;
mod process;

pub(crate) use job::{ISOLATED, Job};
pub(crate) use process::can_limit_memory;
