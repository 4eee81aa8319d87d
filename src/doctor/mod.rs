//! Finds problems of a setup without running a checkpoint.

mod cases;
mod environment;
mod health;

pub use environment::examine;
pub use health::{Complaint, ComplaintKind, Health};
