//! Reading a small file as a whole, in as few calls of the system as there can be: a run reads tens of thousands.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::file::kind;

/// What is where a file should be.
pub(crate) enum Found {
    /// A regular file, and its bytes.
    File(Vec<u8>),
    /// Something else, in words, which was not opened: a pipe would block, and a device may act.
    Other(&'static str),
    /// A link that leads nowhere.
    Dangling,
    Nothing,
}

/// Reads the file at that path, through links.
pub(crate) fn read(path: &Path) -> io::Result<Found> {
    let is_absent = |error: &io::Error| error.kind() == ErrorKind::NotFound;
    let metadata = match fs::symlink_metadata(path) {
        Ok(link) if link.is_symlink() => match fs::metadata(path) {
            Err(error) if is_absent(&error) => return Ok(Found::Dangling),
            behind => behind?,
        },
        Err(error) if is_absent(&error) => return Ok(Found::Nothing),
        own => own?,
    };
    if !metadata.is_file() {
        return Ok(Found::Other(kind(metadata.file_type())));
    }
    slurp(path, metadata.len()).map(Found::File)
}

/// The bytes of a file that had that length a moment ago.
fn slurp(path: &Path, len: u64) -> io::Result<Vec<u8>> {
    /// A longer one costs more to read than to ask for.
    const SMALL: u64 = 1 << 16;
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    if (1..=SMALL).contains(&len) {
        // With room for one byte more, a file that has not grown since shows it in the one call that reads it.
        bytes.resize(len as usize + 1, 0);
        let read = file.read(&mut bytes)?;
        bytes.truncate(read);
        if read as u64 == len {
            return Ok(bytes);
        }
    }
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
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
                assert!(slurp(&file, said).expect("it can be read") == text[..len], "{len} as {said}");
            }
            assert!(matches!(read(&file), Ok(Found::File(bytes)) if bytes == text[..len]), "{len}");
        }
        assert!(matches!(read(folder.path()), Ok(Found::Other("a folder"))));
        assert!(matches!(read(&folder.path().join("none")), Ok(Found::Nothing)));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_one_that_leads_nowhere_is_told_apart() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::os::unix::fs::symlink("file", &link).expect("a link");
        assert!(matches!(read(&link), Ok(Found::Dangling)));
        fs::write(&file, "x").expect("a file");
        assert!(matches!(read(&link), Ok(Found::File(bytes)) if bytes == b"x"));
    }
}
