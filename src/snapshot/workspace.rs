//! The project that snapshots belong to, which their headers and pending files are relative to, and its tools.

use std::env::{consts::EXE_SUFFIX, home_dir, split_paths, var_os};
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};
use crate::fs::{TEXT_LIMIT, read_text};

/// Finds the folder of the user's project, as insta understands it, absolute and spelled as the goldens root is: `chosen` if
/// there is one, else the nearest folder above whose `Cargo.toml` has a `[workspace]`, else the nearest with a `Cargo.toml`,
/// else the folder of the goldens root. It asks no `cargo metadata`, which costs a tenth of a second and fails where there is
/// no cargo.
pub(super) fn find(goldens: &Path, chosen: Option<&Path>) -> Result<PathBuf> {
    // What cargo could not read either is no manifest.
    let manifest = |folder: &Path| read_text(&folder.join("Cargo.toml"), TEXT_LIMIT).ok();
    if let Some(chosen) = chosen {
        return Ok(respell(&tidy(chosen)?, goldens));
    }
    let crates: Vec<(&Path, String)> =
        goldens.ancestors().filter_map(|folder| Some((folder, manifest(folder)?))).collect();
    let nearest = crates.iter().find(|(_, manifest)| is_workspace(manifest)).or(crates.first());
    Ok(match nearest {
        Some((folder, _)) => folder.to_path_buf(),
        None => goldens.parent().unwrap_or(goldens).to_path_buf(),
    })
}

/// The folder of the cargo workspace that a package belongs to, or its own.
///
/// # Errors
///
/// [`Error::Read`] where the current folder is gone.
pub fn workspace(package: &Path) -> Result<PathBuf> {
    find(&tidy(package)?, None)
}

/// An absolute path without `..`. Links stay as they are spelled, unless a `..` climbs out of one.
pub(super) fn tidy(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path).map_err(|error| Error::read(path, error))?;
    let parts: Vec<Component<'_>> = path.components().collect();
    let Some(last) = parts.iter().rposition(|part| *part == Component::ParentDir) else {
        return Ok(path);
    };
    let (climbing, rest) = parts.split_at(last + 1);
    let climbing: PathBuf = climbing.iter().collect();
    let real = climbing.canonicalize().map_err(|error| Error::read(&climbing, error))?;
    let mut short = PathBuf::new();
    for part in climbing.components() {
        match part {
            Component::ParentDir => drop(short.pop()),
            part => short.push(part),
        }
    }
    let is_same = short.canonicalize().is_ok_and(|short| short == real);
    Ok(if is_same { short } else { real }.join(rest.iter().collect::<PathBuf>()))
}

/// The folder above `inside` that is `folder` by another path, if there is one; else `folder`. Where a temporary folder is
/// a link (as `/tmp` on a Mac), the two spellings have no text in common.
fn respell(folder: &Path, inside: &Path) -> PathBuf {
    let real = |path: &Path| path.canonicalize().ok();
    let wanted = real(folder);
    let other = inside.ancestors().find(|above| *above == folder || (wanted.is_some() && real(above) == wanted));
    other.unwrap_or(folder).to_path_buf()
}

/// Whether a manifest is the root of a workspace.
fn is_workspace(manifest: &str) -> bool {
    manifest.lines().any(|line| {
        let line: String = line.chars().filter(|c| !c.is_whitespace()).collect();
        line.starts_with("[workspace]") || line.starts_with("[workspace.")
    })
}

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

    fn found(root: &Path, goldens: &str) -> PathBuf {
        let workspace = find(&root.join(goldens), None).expect("readable folders");
        workspace.strip_prefix(root).expect("below").to_path_buf()
    }

    #[test]
    fn the_nearest_workspace_wins_over_a_nearer_member() {
        let root =
            folder(&[("Cargo.toml", "[ workspace ]\n"), ("inner/Cargo.toml", "[package]\nversion.workspace = true")]);
        assert_eq!(found(root.path(), "inner/goldens"), PathBuf::new());
    }

    #[test]
    fn a_package_on_its_own_is_its_workspace() {
        let root = folder(&[("inner/Cargo.toml", "[package]\n")]);
        assert_eq!(found(root.path(), "inner/tests/goldens"), PathBuf::from("inner"));
    }

    #[test]
    fn without_cargo_it_is_the_folder_of_the_goldens() {
        let root = folder(&[("data/goldens/case.json", "{}")]);
        assert_eq!(found(root.path(), "data/goldens"), PathBuf::from("data"));
    }

    #[test]
    fn a_path_loses_its_dots() {
        let root = folder(&[("a/b/file", "")]);
        let tidied = tidy(&root.path().join("a/b/../../a/./new")).expect("readable folders");
        assert_eq!(tidied, root.path().join("a/new"));
    }

    #[cfg(unix)]
    #[test]
    fn a_chosen_workspace_is_spelled_as_the_goldens_are() {
        let root = folder(&[("real/goldens/case.json", "{}")]);
        let link = root.path().join("link");
        std::os::unix::fs::symlink(root.path().join("real"), &link).expect("a link");
        let workspace = find(&link.join("goldens"), Some(&root.path().join("real"))).expect("readable folders");
        assert_eq!(workspace, link);
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_climbs_out_of_a_link_goes_where_the_link_leads() {
        let root = folder(&[("far/away/file", ""), ("near/file", "")]);
        std::os::unix::fs::symlink(root.path().join("far/away"), root.path().join("near/link")).expect("a link");
        let tidied = tidy(&root.path().join("near/link/../x")).expect("readable folders");
        assert_eq!(tidied, root.path().canonicalize().expect("there").join("far/x"));
    }
}
