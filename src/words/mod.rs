//! Words for numbers, for tensors that are not close, and for a summary that moved: what an assertion says, and what every
//! report says as well.

mod assertion;
pub(crate) mod mismatch;
pub(crate) mod moved;
pub mod number;
pub(crate) mod safe;
pub(crate) mod table;
pub(crate) mod text;

pub use assertion::{drift, mismatches};

/// How wide a line is where ids and commands allow it.
pub(crate) const WIDTH: usize = 80;
