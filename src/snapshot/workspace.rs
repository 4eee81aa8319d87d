//! Finds the project that snapshots belong to, and `cargo insta`.

use std::env::{consts::EXE_SUFFIX, home_dir, split_paths, var_os};
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};
use crate::fs::{TEXT_LIMIT, read_text};

/// Finds the root folder of the user's project by insta's rules, as an absolute path in the spelling of the goldens root: `chosen` if
/// given, else the nearest folder above whose `Cargo.toml` has a `[workspace]`, else the nearest with a `Cargo.toml`, else the folder
/// that contains the goldens root. `cargo metadata` would take a tenth of a second, and fails without cargo.
pub(super) fn find_from(goldens: &Path, chosen: Option<&Path>) -> Result<PathBuf> {
    // A manifest that cannot be read is ignored, because cargo could not read it either.
    let manifest = |folder: &Path| read_text(&folder.join("Cargo.toml"), TEXT_LIMIT).ok();
    if let Some(chosen) = chosen {
        return Ok(respell(&normalize(chosen)?, goldens));
    }
    let crates: Vec<(&Path, String)> =
        goldens.ancestors().filter_map(|folder| Some((folder, manifest(folder)?))).collect();
    let nearest = crates.iter().find(|(_, manifest)| is_workspace(manifest)).or(crates.first());
    Ok(match nearest {
        Some((folder, _)) => folder.to_path_buf(),
        None => goldens.parent().unwrap_or(goldens).to_path_buf(),
    })
}

/// Returns the root folder of the cargo workspace that a package belongs to, or its own folder.
///
/// # Errors
///
/// [`Error::Read`] if the current folder does not exist.
pub fn find_workspace(package: &Path) -> Result<PathBuf> {
    find_from(&normalize(package)?, None)
}

/// Returns an absolute path without `..`. Links are only resolved if a `..` leads out of one.
pub(super) fn normalize(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path).map_err(|error| Error::read(path, error))?;
    let parts: Vec<Component<'_>> = path.components().collect();
    let Some(last) = parts.iter().rposition(|part| *part == Component::ParentDir) else {
        return Ok(path);
    };
    let (ascending, rest) = parts.split_at(last + 1);
    let ascending: PathBuf = ascending.iter().collect();
    let real = ascending.canonicalize().map_err(|error| Error::read(&ascending, error))?;
    let mut short = PathBuf::new();
    for part in ascending.components() {
        match part {
            Component::ParentDir => drop(short.pop()),
            part => short.push(part),
        }
    }
    let is_same = short.canonicalize().is_ok_and(|short| short == real);
    Ok(if is_same { short } else { real }.join(rest.iter().collect::<PathBuf>()))
}

/// Returns the ancestor of `inside` that is the same folder as `folder`, or else `folder`. The spellings may differ completely if the
/// temporary folder is a link, such as `/tmp` on macOS.
fn respell(folder: &Path, inside: &Path) -> PathBuf {
    let real = |path: &Path| path.canonicalize().ok();
    let wanted = real(folder);
    let other = inside.ancestors().find(|above| *above == folder || (wanted.is_some() && real(above) == wanted));
    other.unwrap_or(folder).to_path_buf()
}

/// Whether this is the manifest of a workspace root.
fn is_workspace(manifest: &str) -> bool {
    manifest.lines().any(|line| {
        let line: String = line.chars().filter(|c| !c.is_whitespace()).collect();
        line.starts_with("[workspace]") || line.starts_with("[workspace.")
    })
}

/// Whether `cargo insta` is installed: among cargo's own programs, or in `PATH`.
#[must_use]
pub fn has_cargo_insta() -> bool {
    cargo_insta().is_some()
}

/// Returns the path of the `cargo-insta` program, if it is installed.
pub(crate) fn cargo_insta() -> Option<PathBuf> {
    let own = var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(home_dir()?.join(".cargo")));
    let path = var_os("PATH").unwrap_or_default();
    let folders = own.into_iter().map(|home| home.join("bin")).chain(split_paths(&path));
    folders.map(|folder| folder.join(format!("cargo-insta{EXE_SUFFIX}"))).find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, content) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().expect("a file has a folder")).expect("folders");
            fs::write(file, content).expect("files");
        }
        folder
    }

    fn workspace_of(root: &Path, goldens: &str) -> PathBuf {
        let workspace = find_from(&root.join(goldens), None).expect("readable folders");
        workspace.strip_prefix(root).expect("below").to_path_buf()
    }

    #[test]
    fn the_nearest_workspace_wins_over_a_nearer_member() {
        let root =
            folder(&[("Cargo.toml", "[ workspace ]\n"), ("inner/Cargo.toml", "[package]\nversion.workspace = true")]);
        assert_eq!(workspace_of(root.path(), "inner/goldens"), PathBuf::new());
    }

    #[test]
    fn a_package_without_a_workspace_is_its_own() {
        let root = folder(&[("inner/Cargo.toml", "[package]\n")]);
        assert_eq!(workspace_of(root.path(), "inner/tests/goldens"), PathBuf::from("inner"));
    }

    #[test]
    fn without_cargo_it_is_the_folder_that_contains_the_goldens() {
        let root = folder(&[("data/goldens/case.json", "{}")]);
        assert_eq!(workspace_of(root.path(), "data/goldens"), PathBuf::from("data"));
    }

    #[test]
    fn dots_are_removed_from_a_path() {
        let root = folder(&[("a/b/file", "")]);
        let normalized = normalize(&root.path().join("a/b/../../a/./new")).expect("readable folders");
        assert_eq!(normalized, root.path().join("a/new"));
    }

    #[cfg(unix)]
    #[test]
    fn a_chosen_workspace_has_the_spelling_of_the_goldens() {
        let root = folder(&[("real/goldens/case.json", "{}")]);
        let link = root.path().join("link");
        std::os::unix::fs::symlink(root.path().join("real"), &link).expect("a link");
        let workspace = find_from(&link.join("goldens"), Some(&root.path().join("real"))).expect("readable folders");
        assert_eq!(workspace, link);
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_leads_out_of_a_link_is_resolved() {
        let root = folder(&[("far/away/file", ""), ("near/file", "")]);
        std::os::unix::fs::symlink(root.path().join("far/away"), root.path().join("near/link")).expect("a link");
        let normalized = normalize(&root.path().join("near/link/../x")).expect("readable folders");
        assert_eq!(normalized, root.path().canonicalize().expect("it exists").join("far/x"));
    }
}
