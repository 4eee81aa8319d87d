//! Programs that messages name: one that is not there is no help.

use std::env::{consts::EXE_SUFFIX, home_dir, split_paths, var_os};
use std::path::PathBuf;

/// Whether cargo finds `cargo insta`: among its own programs, or on the path.
#[must_use]
pub fn has_cargo_insta() -> bool {
    cargo_insta().is_some()
}

/// The program of `cargo insta`, where cargo finds it.
pub(crate) fn cargo_insta() -> Option<PathBuf> {
    let own = var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(home_dir()?.join(".cargo")));
    let path = var_os("PATH").unwrap_or_default();
    let folders = own.into_iter().map(|home| home.join("bin")).chain(split_paths(&path));
    folders.map(|folder| folder.join(format!("cargo-insta{EXE_SUFFIX}"))).find(|program| program.is_file())
}
