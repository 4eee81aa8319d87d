//! Remembering: cases, suites and tensor files on disk. Runs nothing.

mod id;

pub use id::CaseId;
