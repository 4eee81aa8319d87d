//! Links in a tree that others wrote: files are read through them, and none is written through one.

use std::path::{Path, PathBuf};

/// The first link on the way from the folder `root`, which itself may be one, down to `path`.
pub(crate) fn link_below(root: &Path, path: &Path) -> Option<PathBuf> {
    let below = path.strip_prefix(root).ok()?;
    let places = below.components().scan(root.to_path_buf(), |place, part| {
        place.push(part);
        Some(place.clone())
    });
    places.into_iter().find(|place| place.is_symlink())
}

/// What a reader is told of such a link.
pub(crate) fn refusal(link: &Path) -> String {
    let target = std::fs::read_link(link).unwrap_or_default();
    format!(
        "it is a link to {}, and nothing is written through a link; put a file or folder in its place",
        target.display()
    )
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_first_link_below_a_root_is_found_and_the_root_may_be_one() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("real/a/b")).expect("folders");
        symlink("real", at("root")).expect("a link");
        symlink("b", at("real/a/link")).expect("a link");
        symlink("nowhere", at("real/a/b/y.snap.new")).expect("a link");
        let found = |path: &str| link_below(&at("root"), &at("root").join(path));
        assert_eq!(found("a/b/new/y.snap"), None);
        assert_eq!(found("a/link/y.snap"), Some(at("root/a/link")));
        assert_eq!(found("a/b/y.snap.new"), Some(at("root/a/b/y.snap.new")));
        assert_eq!(link_below(&at("root"), &at("elsewhere")), None);
    }
}
