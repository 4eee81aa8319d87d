//! Reading and writing files: size-limited reads and atomic writes.
//!
//! A goldens folder may contain links to anything. Pipes and devices are not opened. Special files that claim to be regular, such
//! as the endless files below `/proc`, are read only up to the limit, without blocking.
//!
//! A file is written completely or not at all: it is written to a temporary file in the same folder and renamed. If the process is
//! killed, the temporary file remains. It is locked while its process is alive, which distinguishes leftovers from files that
//! another karat is writing. Reads follow links; writes do not.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Read};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::Error;

/// The size limit for text files that people write: cases, suites, snapshots, manifests, configurations.
pub(crate) const TEXT_LIMIT: u64 = 16 << 20;

/// The size limit for the record of a run.
#[cfg(feature = "harness")]
pub(crate) const RECORD_LIMIT: u64 = 1 << 30;

/// The result of looking for a file at a path.
#[derive(Debug)]
pub(crate) enum Lookup<T = Vec<u8>> {
    /// A regular file: its content, or the open file.
    File(T),
    /// Something that cannot be read as a file, with the reason.
    Unusable(String),
    /// Nothing, or a dangling link.
    Missing,
}

/// Opens the regular file at that path, following links.
pub(crate) fn open_regular(path: &Path) -> io::Result<Lookup<File>> {
    let unusable = |file_type: FileType| Ok(Lookup::Unusable(format!("is {}, not a file", kind(file_type))));
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(metadata) => return unusable(metadata.file_type()),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Lookup::Missing),
        Err(error) => return Err(error),
    }
    let file = open_nonblocking(path)?;
    // It may have been replaced in the meantime.
    match file.metadata()? {
        metadata if metadata.is_file() => Ok(Lookup::File(file)),
        metadata => unusable(metadata.file_type()),
    }
}

/// Reads the file at that path, following links, unless it is larger than the limit.
pub(crate) fn read_regular(path: &Path, limit: u64) -> io::Result<Lookup> {
    let file = match open_regular(path)? {
        Lookup::File(file) => file,
        Lookup::Unusable(what) => return Ok(Lookup::Unusable(what)),
        Lookup::Missing => return Ok(Lookup::Missing),
    };
    let len = file.metadata()?.len();
    Ok(match read_up_to(file, len, limit)? {
        Some(bytes) => Lookup::File(bytes),
        None => Lookup::Unusable(format!("is larger than {} MiB", limit >> 20)),
    })
}

/// Reads the text of a regular file; fails if it is too large or not UTF-8.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String, Error> {
    let wrong = |what: String| Error::Usage(format!("{} {what}", path.display()));
    let bytes = match read_regular(path, limit).map_err(|error| Error::read(path, error))? {
        Lookup::File(bytes) => bytes,
        Lookup::Unusable(what) => return Err(wrong(what)),
        Lookup::Missing => return Err(Error::read(path, ErrorKind::NotFound.into())),
    };
    String::from_utf8(bytes).map_err(|_| wrong("is not UTF-8".to_owned()))
}

/// Opens a file without blocking, even if it is a pipe by now.
fn open_nonblocking(path: &Path) -> io::Result<File> {
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

/// Reads a file whose metadata reported that length; `None` if it is larger than the limit.
fn read_up_to(file: File, len: u64, limit: u64) -> io::Result<Option<Vec<u8>>> {
    if len > limit {
        return Ok(None);
    }
    // A file that reports a length of 0 may still be endless.
    let limit = if len == 0 { limit.min(TEXT_LIMIT) } else { limit };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

/// The prefix of temporary file names.
const PREFIX: &str = ".karat-";

/// The suffix of temporary file names.
const SUFFIX: &str = ".tmp";

/// A file that is being written. Its last bytes reach the disk when it is finished.
pub(crate) type AtomicFile = BufWriter<NamedTempFile>;

/// How a new file gets its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Replaces an existing file.
    Replace,
    /// Replaces an existing file, and survives a power failure if the system supports it.
    ReplaceDurably,
    /// Fails if the file exists; the content survives a power failure.
    Create,
}

/// Writes a file completely or not at all.
pub(crate) fn write_atomic(
    target: &Path,
    mode: Mode,
    write: impl FnOnce(&mut AtomicFile) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = BufWriter::new(temporary_file(target)?);
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
            // The content is on disk already. Only Unix can open a folder.
            if let Ok(folder) = File::open(parent_folder(target)) {
                folder.sync_all().ok();
            }
        }
    }
    Ok(())
}

/// Returns the folder that contains a file.
pub(crate) fn parent_folder(target: &Path) -> &Path {
    match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Creates a temporary file in the folder of the target, so that it can be renamed to it.
pub(crate) fn temporary_file(target: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    // The usual permissions of new files; temporary files are private by default.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(parent_folder(target))?;
    // If the file system has no locks, only the age shows that the file is a leftover.
    #[cfg(unix)]
    rustix::fs::flock(file.as_file(), rustix::fs::FlockOperation::NonBlockingLockExclusive).ok();
    Ok(file)
}

/// Returns the first link on the path from the folder `root` down to `path`. `root` itself may be a link.
pub(crate) fn link_below(root: &Path, path: &Path) -> Option<PathBuf> {
    let mut place = root.to_path_buf();
    path.strip_prefix(root).ok()?.components().find_map(|part| {
        place.push(part);
        place.is_symlink().then(|| place.clone())
    })
}

/// Describes why nothing is written through a link.
pub(crate) fn describe_link(link: &Path) -> String {
    let target = std::fs::read_link(link).unwrap_or_default();
    format!(
        "it is a link to {}, and karat does not write through links; replace it with a file or folder",
        target.display()
    )
}

#[cfg(feature = "harness")]
pub(crate) use leftovers::{leftovers, remove_leftovers};

#[cfg(feature = "harness")]
mod leftovers {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use walkdir::WalkDir;

    use super::{PREFIX, SUFFIX};

    /// The time that a new file may take to be locked.
    const MIN_AGE: Duration = Duration::from_secs(10);

    /// The time that writing a file cannot exceed.
    const MAX_AGE: Duration = Duration::from_secs(3600);

    /// Returns the temporary files below those folders that no process is writing, sorted. Links are not followed.
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

    /// Removes the leftovers below those folders. Errors are ignored.
    pub(crate) fn remove_leftovers(roots: &[&Path]) {
        for file in leftovers(roots) {
            fs::remove_file(file).ok();
        }
    }

    fn is_abandoned(file: &Path) -> bool {
        let Ok(age) = fs::symlink_metadata(file).and_then(|metadata| metadata.modified()).map(|time| time.elapsed())
        else {
            return false;
        };
        // A modification time in the future says nothing about the age.
        age.is_ok_and(|age| age >= MIN_AGE && (age >= MAX_AGE || is_unlocked(file)))
    }

    /// Returns whether no process holds the lock on a file.
    #[cfg(unix)]
    fn is_unlocked(file: &Path) -> bool {
        use rustix::fs::{FlockOperation, flock};
        let open = super::open_nonblocking(file);
        open.is_ok_and(|file| flock(file, FlockOperation::NonBlockingLockExclusive).is_ok())
    }

    #[cfg(not(unix))]
    fn is_unlocked(_: &Path) -> bool {
        false
    }

    #[cfg(test)]
    mod tests {
        use std::time::SystemTime;

        use super::super::temporary_file;
        use super::*;

        /// Sets the age of a file.
        fn age(file: &Path, age: Duration) {
            let file = fs::File::options().write(true).open(file).expect("it exists");
            file.set_modified(SystemTime::now() - age).expect("a time");
        }

        #[test]
        fn only_an_abandoned_temporary_file_is_a_leftover() {
            let root = tempfile::tempdir().expect("a folder");
            let folder = root.path().join("a/b");
            fs::create_dir_all(&folder).expect("folders");
            let old = |name: &str| {
                let file = folder.join(name);
                fs::write(&file, "").expect("a file");
                age(&file, 2 * MAX_AGE);
                file
            };
            let abandoned = old(".karat-abc.tmp");
            for other in ["y.npy", ".karat-abc", "karat-abc.tmp", ".tmpabc"] {
                old(other);
            }
            fs::write(folder.join(".karat-new.tmp"), "").expect("a file");
            let written = temporary_file(&folder.join("y.npy")).expect("a file");
            age(written.path(), 2 * MIN_AGE);
            assert_eq!(leftovers(&[root.path(), &folder]), std::slice::from_ref(&abandoned));
            remove_leftovers(&[root.path()]);
            assert!(!abandoned.exists() && written.path().exists() && folder.join("y.npy").exists());
            let path = written.path().to_path_buf();
            // Simulates a killed process.
            drop(written.keep().expect("it is kept"));
            // A process that another test is just starting also holds the lock, until it calls exec.
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
        fn leftovers_behind_links_are_not_removed() {
            let (root, far) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
            let file = far.path().join(".karat-abc.tmp");
            fs::write(&file, "").expect("a file");
            age(&file, 2 * MAX_AGE);
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
    fn all_bytes_are_read_whatever_length_the_metadata_reports() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        let text: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        for len in [0, 1, 2, 4096, 65_536, 65_537, 100_000] {
            fs::write(&file, &text[..len]).expect("a file");
            for reported in [0, 1, len as u64, len as u64 + 7, (len as u64).saturating_sub(1)] {
                let opened = open_nonblocking(&file).expect("it can be opened");
                let read = read_up_to(opened, reported, TEXT_LIMIT).expect("it can be read");
                assert!(read.as_deref() == Some(&text[..len]), "{len} as {reported}");
            }
            assert!(
                matches!(read_regular(&file, TEXT_LIMIT), Ok(Lookup::File(bytes)) if bytes == text[..len]),
                "{len}"
            );
        }
        assert!(
            matches!(read_regular(folder.path(), 9), Ok(Lookup::Unusable(what)) if what == "is a folder, not a file")
        );
        assert!(matches!(read_regular(&folder.path().join("none"), 9), Ok(Lookup::Missing)));
    }

    #[test]
    fn a_file_is_read_up_to_the_limit_and_not_beyond() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, [0; 100]).expect("a file");
        assert!(matches!(read_regular(&file, 100), Ok(Lookup::File(bytes)) if bytes.len() == 100));
        assert!(matches!(read_regular(&file, 99), Ok(Lookup::Unusable(_))));
        // The file has grown since its metadata was read.
        for reported in [0, 1, 99] {
            let opened = open_nonblocking(&file).expect("it can be opened");
            assert!(matches!(read_up_to(opened, reported, 99), Ok(None)), "{reported}");
        }
        fs::File::create(&file).and_then(|file| file.set_len(TEXT_LIMIT + 1)).expect("a sparse file");
        assert!(
            matches!(read_regular(&file, TEXT_LIMIT), Ok(Lookup::Unusable(what)) if what == "is larger than 16 MiB")
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_a_dangling_one_is_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::os::unix::fs::symlink("file", &link).expect("a link");
        assert!(matches!(read_regular(&link, 9), Ok(Lookup::Missing)));
        fs::write(&file, "x").expect("a file");
        assert!(matches!(read_regular(&link, 9), Ok(Lookup::File(bytes)) if bytes == b"x"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn endless_and_blocking_files_are_refused_at_once() {
        for (path, expected) in [
            ("/dev/zero", "is a device, not a file"),
            ("/proc/self/pagemap", "is larger than 16 MiB"),
            ("/proc/kmsg", ""),
        ] {
            match read_regular(Path::new(path), 1 << 30) {
                Ok(Lookup::Unusable(what)) if !expected.is_empty() => assert_eq!(what, expected, "{path}"),
                // Some systems forbid it or have no such file.
                other => assert!(path == "/proc/kmsg" || matches!(other, Ok(Lookup::Missing) | Err(_)), "{other:?}"),
            }
        }
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
        assert!(matches!(read_regular(&pipe, 9), Ok(Lookup::Unusable(what)) if what == "is a named pipe, not a file"));
        // Even if it replaced a regular file just before it was opened, it does not block.
        open_nonblocking(&pipe).expect("a pipe opens");
    }

    #[cfg(unix)]
    #[test]
    fn the_first_link_below_a_root_is_found_even_if_the_root_is_a_link() {
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
