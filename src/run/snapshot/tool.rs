//! Programs that messages name: one that is not there is no help.

use std::env::{consts::EXE_SUFFIX, home_dir, split_paths, var_os};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Whether cargo finds `cargo insta`: among its own programs, or on the path.
#[must_use]
pub fn has_cargo_insta() -> bool {
    cargo_insta().is_some()
}

/// The version of `cargo insta`, as it says it; `None` where cargo does not find it.
pub(in crate::run) fn cargo_insta_version() -> Option<String> {
    let mut command = Command::new(cargo_insta()?);
    let output = command.args(["insta", "--version"]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).split_whitespace().nth(1).unwrap_or_default().to_owned())
}

/// The program of `cargo insta`.
fn cargo_insta() -> Option<PathBuf> {
    let own = var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(home_dir()?.join(".cargo")));
    let path = var_os("PATH").unwrap_or_default();
    let folders = own.into_iter().map(|home| home.join("bin")).chain(split_paths(&path));
    folders.map(|folder| folder.join(format!("cargo-insta{EXE_SUFFIX}"))).find(|program| program.is_file())
}
