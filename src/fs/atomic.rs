//! Writing a file that appears whole or not at all: beside its place, then renamed.
//!
//! A process that is killed meanwhile leaves the half-written file. It holds a lock on it as long as it lives, which tells such
//! files from those of another karat at work. Files of a tree that others wrote are read through links, and none is written
//! through one.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// How the name of a file begins that is being written.
const PREFIX: &str = ".karat-";

/// And how it ends.
const SUFFIX: &str = ".tmp";

/// A file that is being written. What is written last is written with the file itself.
pub(crate) type AtomicFile = BufWriter<NamedTempFile>;

/// How a file takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// In place of one that is there.
    Replace,
    /// The same; and it outlasts a power failure, where a system can have it so.
    ReplaceDurably,
    /// Where none is; and its content outlasts a power failure.
    Create,
}

/// Writes a file whole or not at all.
pub(crate) fn write_atomic(
    target: &Path,
    mode: Mode,
    write: impl FnOnce(&mut AtomicFile) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = BufWriter::new(beside(target)?);
    write(&mut file)?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    if mode != Mode::Replace {
        file.as_file().sync_all()?;
    }
    match mode {
        Mode::Replace => drop(file.persist(target)?),
        Mode::Create => drop(file.persist_noclobber(target)?),
        Mode::ReplaceDurably => {
            file.persist(target)?;
            // The content is on disk already, and only Unix opens a folder.
            if let Ok(folder) = File::open(folder(target)) {
                folder.sync_all().ok();
            }
        }
    }
    Ok(())
}

/// The folder that a file is in.
pub(crate) fn folder(target: &Path) -> &Path {
    match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// A file beside its target, so that it can be renamed to it.
pub(crate) fn beside(target: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    // As for any new file: a temporary one is otherwise its owner's alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder(target))?;
    // Where the file system knows no locks, age alone tells.
    #[cfg(unix)]
    rustix::fs::flock(file.as_file(), rustix::fs::FlockOperation::NonBlockingLockExclusive).ok();
    Ok(file)
}

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

#[cfg(feature = "harness")]
pub(crate) use leftovers::{leftovers, sweep};

#[cfg(feature = "harness")]
mod leftovers {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use walkdir::WalkDir;

    use super::{PREFIX, SUFFIX};

    /// No file is older that is being created, and not locked yet.
    const YOUNG: Duration = Duration::from_secs(10);

    /// No file is written for so long.
    const OLD: Duration = Duration::from_secs(3600);

    /// The half-written files below those folders that no process writes any more, sorted. No link is followed.
    pub(crate) fn leftovers(roots: &[&Path]) -> Vec<PathBuf> {
        let is_ours = |name: &str| name.starts_with(PREFIX) && name.ends_with(SUFFIX);
        let walk = roots.iter().flat_map(|root| WalkDir::new(root).follow_root_links(false)).filter_map(Result::ok);
        let named = walk.filter(|entry| entry.file_type().is_file() && entry.file_name().to_str().is_some_and(is_ours));
        let mut files: Vec<PathBuf> =
            named.map(walkdir::DirEntry::into_path).filter(|file| is_abandoned(file)).collect();
        files.sort();
        files.dedup();
        files
    }

    /// Removes them. What cannot be removed stays.
    pub(crate) fn sweep(roots: &[&Path]) {
        for file in leftovers(roots) {
            fs::remove_file(file).ok();
        }
    }

    fn is_abandoned(file: &Path) -> bool {
        let Ok(age) = fs::symlink_metadata(file).and_then(|metadata| metadata.modified()).map(|time| time.elapsed())
        else {
            return false;
        };
        // One from the future is none that a clock tells anything of.
        age.is_ok_and(|age| age >= YOUNG && (age >= OLD || is_unlocked(file)))
    }

    /// Whether no process holds the lock that is on a file while it is written.
    #[cfg(unix)]
    fn is_unlocked(file: &Path) -> bool {
        use rustix::fs::{FlockOperation, flock};
        let open = crate::fs::read::open_at_once(file);
        open.is_ok_and(|file| flock(file, FlockOperation::NonBlockingLockExclusive).is_ok())
    }

    #[cfg(not(unix))]
    fn is_unlocked(_: &Path) -> bool {
        false
    }

    #[cfg(test)]
    mod tests {
        use std::time::SystemTime;

        use super::super::beside;
        use super::*;

        /// Makes a file as old as that.
        fn age(file: &Path, age: Duration) {
            let file = fs::File::options().write(true).open(file).expect("it is there");
            file.set_modified(SystemTime::now() - age).expect("a time");
        }

        #[test]
        fn only_a_half_written_file_that_nobody_writes_any_more_is_left_over() {
            let root = tempfile::tempdir().expect("a folder");
            let folder = root.path().join("a/b");
            fs::create_dir_all(&folder).expect("folders");
            let old = |name: &str| {
                let file = folder.join(name);
                fs::write(&file, "").expect("a file");
                age(&file, 2 * OLD);
                file
            };
            let abandoned = old(".karat-abc.tmp");
            for other in ["y.npy", ".karat-abc", "karat-abc.tmp", ".tmpabc"] {
                old(other);
            }
            fs::write(folder.join(".karat-new.tmp"), "").expect("a file");
            let written = beside(&folder.join("y.npy")).expect("a file");
            age(written.path(), 2 * YOUNG);
            assert_eq!(leftovers(&[root.path(), &folder]), std::slice::from_ref(&abandoned));
            sweep(&[root.path()]);
            assert!(!abandoned.exists() && written.path().exists() && folder.join("y.npy").exists());
            let path = written.path().to_path_buf();
            // As if its process had been killed.
            drop(written.keep().expect("it stays"));
            // A process that another test starts just now has the lock as well, until it is another program.
            let is_left = || leftovers(&[root.path()]).contains(&path);
            for _ in 0..500 {
                if is_left() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            assert_eq!(is_left(), cfg!(unix));
        }

        #[cfg(unix)]
        #[test]
        fn what_a_link_leads_to_is_not_ours_to_remove() {
            let (root, far) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
            let file = far.path().join(".karat-abc.tmp");
            fs::write(&file, "").expect("a file");
            age(&file, 2 * OLD);
            std::os::unix::fs::symlink(far.path(), root.path().join("far")).expect("a link");
            std::os::unix::fs::symlink(&file, root.path().join(".karat-link.tmp")).expect("a link");
            assert!(leftovers(&[root.path(), &root.path().join("far")]).is_empty());
        }
    }
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
