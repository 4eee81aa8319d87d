//! The `karat` binary: the command line over the built-in executor.

fn main() {}
