//! Walking a folder tree through its links.

use std::io;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

/// The maximum number of links on the path to a folder. The operating system gives up at 40.
const MAX_LINKS_ON_PATH: usize = 16;

/// The maximum number of links behind one link: if each folder has two links to the next, they double at every level.
const MAX_LINKS_BEHIND: usize = 1000;

/// An event of a walk.
pub(crate) enum WalkEvent<'a> {
    /// An entry of a folder; for a link, its type is that of the target.
    Entry(&'a DirEntry),
    /// A folder that cannot be listed, or a link that cannot be followed.
    Unreadable { place: &'a Path, error: io::Error },
    /// A link to one of the folders that contain it.
    Loop { place: &'a Path, ancestor: &'a Path },
    /// A link with too many others behind it. It is reported once for each of them.
    TooManyLinks { place: &'a Path },
}

/// Reports everything below a folder, sorted by name. A problem in one place does not stop the walk.
pub(crate) fn walk(root: &Path, mut report: impl FnMut(WalkEvent<'_>)) {
    // The links on the path to the entry, the outermost first, and how many others were found behind that one.
    let mut links: Vec<(usize, PathBuf)> = Vec::new();
    let mut behind = 0;
    let mut entries = WalkDir::new(root).min_depth(1).follow_links(true).sort_by_file_name().into_iter();
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let place = error.path().unwrap_or(root).to_path_buf();
                match error.loop_ancestor() {
                    Some(ancestor) => report(WalkEvent::Loop { place: &place, ancestor }),
                    None => {
                        let error = error.into_io_error().expect("any error but a loop comes from the file system");
                        report(WalkEvent::Unreadable { place: &place, error });
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
            if links.len() == MAX_LINKS_ON_PATH || behind > MAX_LINKS_BEHIND {
                entries.skip_current_dir();
                report(WalkEvent::TooManyLinks { place: &links[0].1 });
                continue;
            }
            links.push((entry.depth(), entry.path().to_path_buf()));
        }
        report(WalkEvent::Entry(&entry));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Returns the events of a walk by their path below the root, sorted.
    fn walked(root: &Path) -> Vec<String> {
        let shown = |place: &Path| place.strip_prefix(root).expect("below").to_string_lossy().replace('\\', "/");
        let mut events = Vec::new();
        walk(root, |event| {
            events.push(match event {
                WalkEvent::Entry(entry) => {
                    let kind = if entry.file_type().is_dir() { "Folder" } else { "File" };
                    format!("{} {kind}", shown(entry.path()))
                }
                WalkEvent::Unreadable { place, .. } => format!("{} unreadable", shown(place)),
                WalkEvent::TooManyLinks { place } => format!("{} has too many links", shown(place)),
                WalkEvent::Loop { place, ancestor } => format!("{} leads to {:?}", shown(place), shown(ancestor)),
            });
        });
        events.sort();
        events
    }

    #[test]
    fn every_entry_of_a_wide_and_deep_tree_is_reported_once() {
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
        assert_eq!(walked(root.path()), expected);
        assert_eq!(walked(&root.path().join("none")), [" unreadable"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_in_loops() {
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
        assert_eq!(walked(root.path()), expected);
    }

    #[cfg(unix)]
    #[test]
    fn links_that_double_at_each_level_are_too_many_but_siblings_are_not() {
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
        for at in 0..2 * MAX_LINKS_BEHIND {
            symlink(far.path().join("30"), root.path().join(format!("wide{at}"))).expect("a link");
        }
        let events = walked(root.path());
        assert!(events.len() < 10 * MAX_LINKS_BEHIND, "{}", events.len());
        let siblings = events.iter().filter(|event| event.starts_with("wide") && event.ends_with(" Folder"));
        assert_eq!(siblings.count(), 2 * MAX_LINKS_BEHIND);
        assert!(events.contains(&"deep has too many links".to_owned()));
        let is_other = |event: &&String| event.contains(" has too many links") && !event.starts_with("deep ");
        assert_eq!(events.iter().find(is_other), None);
    }
}
