//! Walking a tree of folders through its links.

use std::io;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

/// How many links may follow one another on the way to a folder. The system gives up at 40.
const LONGEST_WAY: usize = 16;

/// How many links may be behind one link: where each folder holds two to the next, they double at every level.
const MOST_BEHIND: usize = 1000;

/// Something below the root of a walk.
pub(crate) enum Seen<'a> {
    /// An entry of a folder; its type is that of what a link leads to.
    Entry(&'a DirEntry),
    /// A folder that cannot be listed, or a link that cannot be followed.
    Unreadable { place: &'a Path, error: io::Error },
    /// A link to a folder that it is in itself.
    Loop { place: &'a Path, ancestor: &'a Path },
    /// A link behind which there are too many others. It is shown for each of these.
    Tangle { place: &'a Path },
}

/// Shows everything below a folder, in the order of the names. What is wrong with one place keeps no other from being seen.
pub(crate) fn walk(root: &Path, mut show: impl FnMut(Seen<'_>)) {
    // The links on the way to the entry, the outermost first, and how many others were met behind that.
    let mut links: Vec<(usize, PathBuf)> = Vec::new();
    let mut behind = 0;
    let mut entries = WalkDir::new(root).min_depth(1).follow_links(true).sort_by_file_name().into_iter();
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let place = error.path().unwrap_or(root).to_path_buf();
                match error.loop_ancestor() {
                    Some(ancestor) => show(Seen::Loop { place: &place, ancestor }),
                    None => {
                        let error = error.into_io_error().expect("what is no loop comes from the file system");
                        show(Seen::Unreadable { place: &place, error });
                    }
                }
                continue;
            }
        };
        while links.last().is_some_and(|(depth, _)| *depth >= entry.depth()) {
            links.pop();
        }
        if entry.path_is_symlink() && entry.file_type().is_dir() {
            behind = if links.is_empty() { 0 } else { behind + 1 };
            if links.len() == LONGEST_WAY || behind > MOST_BEHIND {
                entries.skip_current_dir();
                show(Seen::Tangle { place: &links[0].1 });
                continue;
            }
            links.push((entry.depth(), entry.path().to_path_buf()));
        }
        show(Seen::Entry(&entry));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What a walk sees below that root, by its path there, sorted.
    fn seen(root: &Path) -> Vec<String> {
        let shown = |place: &Path| place.strip_prefix(root).expect("below").to_string_lossy().replace('\\', "/");
        let mut seen = Vec::new();
        walk(root, |entry| {
            seen.push(match entry {
                Seen::Entry(entry) => {
                    let kind = if entry.file_type().is_dir() { "Folder" } else { "File" };
                    format!("{} {kind}", shown(entry.path()))
                }
                Seen::Unreadable { place, .. } => format!("{} unreadable", shown(place)),
                Seen::Tangle { place } => format!("{} is a tangle", shown(place)),
                Seen::Loop { place, ancestor } => format!("{} leads to {:?}", shown(place), shown(ancestor)),
            });
        });
        seen.sort();
        seen
    }

    #[test]
    fn everything_is_seen_once_however_wide_or_deep() {
        let root = tempfile::tempdir().expect("a folder");
        let mut expected = Vec::new();
        let mut deep = PathBuf::from("deep");
        for at in 0..100 {
            for folder in [&format!("wide/{at}").into(), &deep] {
                fs::create_dir_all(root.path().join(folder)).expect("a folder");
                fs::write(root.path().join(folder).join("file"), "").expect("a file");
                expected.push(format!("{} Folder", folder.display()));
                expected.push(format!("{} File", folder.join("file").display()));
            }
            deep.push("d");
        }
        expected.push("wide Folder".to_owned());
        expected.sort();
        assert_eq!(seen(root.path()), expected);
        assert_eq!(seen(&root.path().join("none")), [" unreadable"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_in_circles() {
        use std::os::unix::fs::symlink;

        let root = tempfile::tempdir().expect("a folder");
        let far = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("a/b")).expect("folders");
        fs::write(far.path().join("file"), "").expect("a file");
        symlink(root.path(), root.path().join("a/b/root")).expect("a link");
        symlink(".", root.path().join("a/own")).expect("a link");
        symlink(far.path(), root.path().join("a/far")).expect("a link");
        symlink("nowhere", root.path().join("a/gone")).expect("a link");
        symlink("b", root.path().join("a/twin")).expect("a link");
        let expected = [
            "a Folder",
            "a/b Folder",
            "a/b/root leads to \"\"",
            "a/far Folder",
            "a/far/file File",
            "a/gone unreadable",
            "a/own leads to \"a\"",
            "a/twin Folder",
            "a/twin/root leads to \"\"",
        ];
        assert_eq!(seen(root.path()), expected);
    }

    #[cfg(unix)]
    #[test]
    fn links_that_double_at_each_level_are_a_tangle_and_many_beside_each_other_are_none() {
        use std::os::unix::fs::symlink;

        let root = tempfile::tempdir().expect("a folder");
        let far = tempfile::tempdir().expect("a folder");
        for level in 0..30 {
            let folder = far.path().join(level.to_string());
            fs::create_dir(&folder).expect("a folder");
            for name in ["a", "b"] {
                symlink(far.path().join((level + 1).to_string()), folder.join(name)).expect("a link");
            }
        }
        fs::create_dir(far.path().join("30")).expect("a folder");
        symlink(far.path().join("0"), root.path().join("deep")).expect("a link");
        for at in 0..2 * MOST_BEHIND {
            symlink(far.path().join("30"), root.path().join(format!("wide{at}"))).expect("a link");
        }
        let seen = seen(root.path());
        assert!(seen.len() < 10 * MOST_BEHIND, "{}", seen.len());
        assert_eq!(
            seen.iter().filter(|seen| seen.starts_with("wide") && seen.ends_with(" Folder")).count(),
            2 * MOST_BEHIND
        );
        assert!(seen.contains(&"deep is a tangle".to_owned()));
        let is_other = |seen: &&String| seen.contains(" is a tangle") && !seen.starts_with("deep ");
        assert_eq!(seen.iter().find(is_other), None);
    }
}
