//! Reading a small file as a whole: only a regular one, and only up to a limit.
//!
//! A folder of goldens may hold links to anything. A pipe or a device is not opened, and what is regular by name alone, as the
//! endless files below `/proc`, is read no further than the limit and never waited for.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

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
pub(super) fn open_at_once(path: &Path) -> io::Result<File> {
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
}
