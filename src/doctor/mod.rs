//! What is wrong with a setup, found without running a checkpoint.

mod cases;
mod complaint;
mod examine;

pub use complaint::{Complaint, ComplaintKind, Health};
pub use examine::examine;
