//! Files, as all of karat reads and writes them: one bounded read, one atomic write.
//!
//! A folder of goldens may hold links to anything. A pipe or a device is not opened, and what is regular by name alone, as the
//! endless files below `/proc`, is read no further than the limit and never waited for.
//!
//! A file that is written appears whole or not at all: it is made beside its place, then renamed.
//! A process that is killed meanwhile leaves the half-written file. It holds a lock on it as long as it lives, which tells such
//! files from those of another karat at work. Files of a tree that others wrote are read through links, and none is written
//! through one.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Read};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::Error;

/// The longest text that karat reads of a person's: a case, a suite, a snapshot, a manifest, a configuration.
pub(crate) const TEXT_LIMIT: u64 = 16 << 20;

/// The longest record of a run that is read.
#[cfg(feature = "harness")]
pub(crate) const RECORD_LIMIT: u64 = 1 << 30;

/// What is at a path where a file should be.
#[derive(Debug)]
pub(crate) enum Found<T = Vec<u8>> {
    /// A regular file: its bytes, or an open one.
    File(T),
    /// Something else, in words; nothing was read from it.
    Other(String),
    /// Nothing, or a link that leads nowhere.
    Nothing,
}

/// Opens the regular file at that path, through links.
pub(crate) fn open_regular(path: &Path) -> io::Result<Found<File>> {
    let other = |file_type: FileType| Ok(Found::Other(format!("is {}, not a file", kind(file_type))));
    match fs::metadata(path) {
        Ok(there) if there.is_file() => {}
        Ok(there) => return other(there.file_type()),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    }
    let file = open_at_once(path)?;
    // It may have been replaced since.
    match file.metadata()? {
        opened if opened.is_file() => Ok(Found::File(file)),
        opened => other(opened.file_type()),
    }
}

/// Reads the file at that path, through links, where it is not longer than the limit.
pub(crate) fn read_regular(path: &Path, limit: u64) -> io::Result<Found> {
    let file = match open_regular(path)? {
        Found::File(file) => file,
        Found::Other(what) => return Ok(Found::Other(what)),
        Found::Nothing => return Ok(Found::Nothing),
    };
    let len = file.metadata()?.len();
    Ok(match slurp(file, len, limit)? {
        Some(bytes) => Found::File(bytes),
        None => Found::Other(format!("is longer than {} MiB", limit >> 20)),
    })
}

/// The text of a regular file; an error in words where it is none, is too long or is not UTF-8.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String, Error> {
    let wrong = |what: String| Error::Usage(format!("{} {what}", path.display()));
    let bytes = match read_regular(path, limit).map_err(|error| Error::read(path, error))? {
        Found::File(bytes) => bytes,
        Found::Other(what) => return Err(wrong(what)),
        Found::Nothing => return Err(Error::read(path, ErrorKind::NotFound.into())),
    };
    String::from_utf8(bytes).map_err(|_| wrong("is not UTF-8".to_owned()))
}

/// Opens a file without waiting, whatever it has become.
fn open_at_once(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, rustix::fs::OFlags::NONBLOCK.bits() as i32);
    options.read(true).open(path)
}

fn kind(file_type: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if file_type.is_fifo() {
            return "a named pipe";
        }
        if file_type.is_socket() {
            return "a socket";
        }
    }
    if file_type.is_dir() { "a folder" } else { "a device" }
}

/// The bytes of a file that had that length a moment ago; `None` where there are more than the limit.
fn slurp(file: File, len: u64, limit: u64) -> io::Result<Option<Vec<u8>>> {
    if len > limit {
        return Ok(None);
    }
    // A file that claims to be empty may still have no end.
    let most = if len == 0 { limit.min(TEXT_LIMIT) } else { limit };
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

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
        let open = super::open_at_once(file);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_file_is_read_whatever_length_it_was_said_to_have() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        let text: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        for len in [0, 1, 2, 4096, 65_536, 65_537, 100_000] {
            fs::write(&file, &text[..len]).expect("a file");
            for said in [0, 1, len as u64, len as u64 + 7, (len as u64).saturating_sub(1)] {
                let opened = open_at_once(&file).expect("it can be opened");
                let read = slurp(opened, said, TEXT_LIMIT).expect("it can be read");
                assert!(read.as_deref() == Some(&text[..len]), "{len} as {said}");
            }
            assert!(matches!(read_regular(&file, TEXT_LIMIT), Ok(Found::File(bytes)) if bytes == text[..len]), "{len}");
        }
        assert!(matches!(read_regular(folder.path(), 9), Ok(Found::Other(what)) if what == "is a folder, not a file"));
        assert!(matches!(read_regular(&folder.path().join("none"), 9), Ok(Found::Nothing)));
    }

    #[test]
    fn a_file_is_read_up_to_its_limit_and_not_beyond() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, [0; 100]).expect("a file");
        assert!(matches!(read_regular(&file, 100), Ok(Found::File(bytes)) if bytes.len() == 100));
        assert!(matches!(read_regular(&file, 99), Ok(Found::Other(_))));
        // One that has grown since its length was asked.
        for said in [0, 1, 99] {
            let opened = open_at_once(&file).expect("it can be opened");
            assert!(matches!(slurp(opened, said, 99), Ok(None)), "{said}");
        }
        fs::File::create(&file).and_then(|file| file.set_len(TEXT_LIMIT + 1)).expect("a sparse file");
        assert!(matches!(read_regular(&file, TEXT_LIMIT), Ok(Found::Other(what)) if what == "is longer than 16 MiB"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_one_that_leads_nowhere_is_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::os::unix::fs::symlink("file", &link).expect("a link");
        assert!(matches!(read_regular(&link, 9), Ok(Found::Nothing)));
        fs::write(&file, "x").expect("a file");
        assert!(matches!(read_regular(&link, 9), Ok(Found::File(bytes)) if bytes == b"x"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_has_no_end_or_would_block_is_neither_read_nor_waited_for() {
        for (path, expected) in [
            ("/dev/zero", "is a device, not a file"),
            ("/proc/self/pagemap", "is longer than 16 MiB"),
            ("/proc/kmsg", ""),
        ] {
            match read_regular(Path::new(path), 1 << 30) {
                Ok(Found::Other(what)) if !expected.is_empty() => assert_eq!(what, expected, "{path}"),
                // Some systems forbid it, or have nothing there.
                other => assert!(path == "/proc/kmsg" || matches!(other, Ok(Found::Nothing) | Err(_)), "{other:?}"),
            }
        }
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
        assert!(matches!(read_regular(&pipe, 9), Ok(Found::Other(what)) if what == "is a named pipe, not a file"));
        // Opened all the same, as where it took the place of a file, it blocks nobody.
        open_at_once(&pipe).expect("a pipe opens");
    }

    #[cfg(unix)]
    #[test]
    fn the_first_link_below_a_root_is_found_and_the_root_may_be_one() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("real/a/b")).expect("folders");
        std::os::unix::fs::symlink("real", at("root")).expect("a link");
        std::os::unix::fs::symlink("b", at("real/a/link")).expect("a link");
        std::os::unix::fs::symlink("nowhere", at("real/a/b/y.snap.new")).expect("a link");
        let found = |path: &str| link_below(&at("root"), &at("root").join(path));
        assert_eq!(found("a/b/new/y.snap"), None);
        assert_eq!(found("a/link/y.snap"), Some(at("root/a/link")));
        assert_eq!(found("a/b/y.snap.new"), Some(at("root/a/b/y.snap.new")));
        assert_eq!(link_below(&at("root"), &at("elsewhere")), None);
    }
}
