//! What is wrong with a setup, found without running a checkpoint.

mod cases;
mod examine;
mod project;

pub use examine::{Ailment, Complaint, Health, examine};
