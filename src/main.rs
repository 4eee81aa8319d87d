//! The `karat` binary: the command line over the built-in executor, and the others that are built in.

use std::path::PathBuf;
use std::process::ExitCode;

use karat::cli::Host;
use karat::run::Executors;

fn main() -> ExitCode {
    let home = karat::cli::Home {
        command: "karat".to_owned(),
        root: PathBuf::from("goldens"),
        snapshots: None,
        allowed_skips: Vec::new(),
        deny_vacuous: false,
        base: std::env::current_dir().unwrap_or_default(),
        host: Host::Binary,
    };
    let executors = Executors::new(karat::executors::gpt2::executor());
    #[cfg(feature = "candle")]
    let executors = executors.with(karat::executors::candle::executor());
    karat::cli::main(executors, &home, std::env::args_os())
}
