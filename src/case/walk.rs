//! Walking a tree of folders through its links, on every core.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry, FileType};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::share::{cores, together};

/// How many links may follow one another on the way to a folder. The system gives up at 40.
const LONGEST_WAY: usize = 16;

/// How many links may be behind one link: where each folder holds two to the next, they double at every level.
const MOST_BEHIND: usize = 1000;

/// Something below the root of a walk.
pub(crate) enum Seen<'a> {
    /// An entry of a folder.
    Entry {
        folder: &'a Path,
        name: &'a OsStr,
        /// What it is; behind a link, what that leads to.
        kind: Kind,
    },
    /// A folder that cannot be listed, or a link that cannot be followed.
    Unreadable { place: &'a Path, error: io::Error },
    /// A link to a folder that it is in itself.
    Loop { place: &'a Path, ancestor: &'a Path },
    /// A link behind which there are too many others. It is shown for each of these.
    Tangle { place: &'a Path },
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    File,
    Other,
}

/// Shows everything below a folder, in no order, to `note`, and returns what each thread has noted.
///
/// What is wrong with one place keeps no other from being seen.
pub(crate) fn walk<N: Default + Send>(root: &Path, note: impl Fn(&mut N, Seen<'_>) + Sync) -> Vec<N> {
    let queue = Queue {
        state: Mutex::new(State {
            folders: vec![Folder { path: root.to_path_buf(), links: 0, first: None }],
            listing: 0,
        }),
        more: Condvar::new(),
    };
    together(cores(), || {
        let mut noted = N::default();
        while let Some(mut turn) = queue.next() {
            list(root, &turn.folder, &mut turn.below, |seen| note(&mut noted, seen));
        }
        noted
    })
}

/// Shows what is in one folder, and collects the folders below it.
fn list(root: &Path, listed: &Folder, below: &mut Vec<Folder>, mut show: impl FnMut(Seen<'_>)) {
    let folder = &listed.path;
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return show(Seen::Unreadable { place: folder, error }),
    };
    for entry in entries {
        match entry.and_then(|entry| Ok((entry.file_type()?, entry))) {
            Ok((own, entry)) if own.is_symlink() => follow(root, listed, &entry, below, &mut show),
            Ok((own, entry)) => {
                let name: OsString = entry.file_name();
                show(Seen::Entry { folder, name: &name, kind: kind(own) });
                if own.is_dir() {
                    below.push(Folder { path: folder.join(name), ..listed.clone() });
                }
            }
            Err(error) => show(Seen::Unreadable { place: folder, error }),
        }
    }
}

/// Shows what a link leads to.
fn follow(root: &Path, listed: &Folder, link: &DirEntry, below: &mut Vec<Folder>, show: &mut impl FnMut(Seen<'_>)) {
    let folder = &listed.path;
    let place = link.path();
    let behind = match fs::metadata(&place) {
        Ok(behind) => behind.file_type(),
        Err(error) => return show(Seen::Unreadable { place: &place, error }),
    };
    if behind.is_dir() {
        if let Some(ancestor) = ancestor(root, folder, &place) {
            return show(Seen::Loop { place: &place, ancestor });
        }
        if let Some(first) = &listed.first
            && (listed.links == LONGEST_WAY || first.behind.fetch_add(1, Ordering::Relaxed) >= MOST_BEHIND)
        {
            return show(Seen::Tangle { place: &first.place });
        }
        let first = || Arc::new(First { place: place.clone(), behind: AtomicUsize::new(0) });
        let first = Some(listed.first.clone().unwrap_or_else(first));
        below.push(Folder { path: place.clone(), links: listed.links + 1, first });
    }
    show(Seen::Entry { folder, name: &link.file_name(), kind: kind(behind) });
}

/// The folder, of those that the walk came through, to which that link leads.
fn ancestor<'a>(root: &Path, folder: &'a Path, link: &Path) -> Option<&'a Path> {
    let target = fs::canonicalize(link).ok()?;
    let is_target = |above: &&Path| fs::canonicalize(above).is_ok_and(|above| above == target);
    folder.ancestors().take_while(|above| above.starts_with(root)).find(is_target)
}

fn kind(file_type: FileType) -> Kind {
    match file_type {
        _ if file_type.is_dir() => Kind::Folder,
        _ if file_type.is_file() => Kind::File,
        _ => Kind::Other,
    }
}

/// A folder, and the way to it.
#[derive(Clone)]
struct Folder {
    path: PathBuf,
    /// How many links are on the way.
    links: usize,
    /// The first of them.
    first: Option<Arc<First>>,
}

/// The first link on the way to some folders.
struct First {
    place: PathBuf,
    /// How many links were met behind it.
    behind: AtomicUsize,
}

/// The folders that are still to be listed.
struct Queue {
    state: Mutex<State>,
    /// There may be more of them, or there will be none.
    more: Condvar,
}

struct State {
    folders: Vec<Folder>,
    /// How many are being listed, and may have folders below them.
    listing: usize,
}

/// One folder, which a thread lists as long as it has this.
struct Turn<'a> {
    queue: &'a Queue,
    folder: Folder,
    /// The folders in it.
    below: Vec<Folder>,
}

impl Queue {
    /// The next folder; `None` where all are listed.
    fn next(&self) -> Option<Turn<'_>> {
        let mut state = self.lock();
        loop {
            if let Some(folder) = state.folders.pop() {
                state.listing += 1;
                return Some(Turn { queue: self, folder, below: Vec::new() });
            }
            if state.listing == 0 {
                return None;
            }
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// A turn ends also by a panic, which would else have the other threads wait for ever.
impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.listing -= 1;
        if !self.below.is_empty() || state.listing == 0 {
            state.folders.append(&mut self.below);
            self.queue.more.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a walk sees below that root, by its path there, sorted.
    fn seen(root: &Path) -> Vec<String> {
        let shown = |place: &Path| place.strip_prefix(root).expect("below").to_string_lossy().replace('\\', "/");
        let note = |noted: &mut Vec<String>, seen: Seen<'_>| {
            noted.push(match seen {
                Seen::Entry { folder, name, kind } => format!("{} {kind:?}", shown(&folder.join(name))),
                Seen::Unreadable { place, .. } => format!("{} unreadable", shown(place)),
                Seen::Tangle { place } => format!("{} is a tangle", shown(place)),
                Seen::Loop { place, ancestor } => format!("{} leads to {:?}", shown(place), shown(ancestor)),
            });
        };
        let mut seen = walk(root, note).concat();
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
