//! The command line as a user meets it: the real binary in temporary folders, what it says and what it leaves on disk.

mod bytes;
mod project;

mod bad_case;
mod bad_output;
mod bad_place;
mod bad_tensor;
