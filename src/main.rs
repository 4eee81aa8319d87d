//! The `karat` binary: the command line over the built-in executor.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let home = karat::cli::Home {
        command: "karat".to_owned(),
        root: PathBuf::from("goldens"),
        snapshots: None,
        allowed_skips: Vec::new(),
        base: std::env::current_dir().unwrap_or_default(),
    };
    karat::cli::main(karat::gpt2::executor(), &home, std::env::args_os())
}
