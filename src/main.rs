//! The `karat` binary: the command line over the built-in executor, and the others that are built in.

use std::process::ExitCode;

use karat::run::Executors;

fn main() -> ExitCode {
    let executors = Executors::new(karat::executors::gpt2::executor());
    #[cfg(feature = "candle")]
    let executors = executors.with(karat::executors::candle::executor());
    karat::cli::binary(executors)
}
