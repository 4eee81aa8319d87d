//! A tensor file, opened: it can be read anywhere, by several threads, and its beginning is in memory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rawzip::{RangeReader, ReaderAt};

use super::encoding::Encoding;
use super::place::Place;
use super::pointer::Pointer;
use crate::error::{Error, Result};
use crate::fs::{Found, nearest, open_regular};

/// How much of a file is read in one call of the system as it is opened: all of a small one.
const HEAD: u64 = 1 << 16;

/// A file that is neither empty nor a pointer to content elsewhere.
pub(super) struct OpenFile {
    pub(super) path: PathBuf,
    /// How long it was when it was opened.
    pub(super) len: u64,
    file: File,
    head: Vec<u8>,
}

impl OpenFile {
    /// Opens a regular file. Anything else is not even opened: a pipe would block, and a device may act.
    pub(super) fn open(path: &Path) -> Result<Arc<OpenFile>> {
        let place = Place::file(path);
        let file = match open_regular(path) {
            Ok(Found::File(file)) => file,
            Ok(Found::Other(what)) => return Err(place.broken(what)),
            Ok(Found::Dangling | Found::Nothing) => return Err(absent(path)),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(absent(path)),
            Err(error) => return Err(Error::read(path, error)),
        };
        let unreadable = |source| place.unreadable(source);
        let len = file.metadata().map_err(unreadable)?.len();
        // With room for no more it is read in one call.
        let mut head = Vec::with_capacity(len.min(HEAD) as usize);
        (&file).take(len.min(HEAD)).read_to_end(&mut head).map_err(unreadable)?;
        if head.is_empty() {
            return Err(place.broken("is empty; make it again"));
        }
        if let Some(pointer) = Pointer::of(&head) {
            return Err(misplaced(pointer, place));
        }
        Ok(Arc::new(OpenFile { path: path.to_path_buf(), len, file, head }))
    }

    /// The bytes from `start` to `end`.
    pub(super) fn range(self: &Arc<OpenFile>, start: u64, end: u64) -> RangeReader<Arc<OpenFile>> {
        RangeReader::new(Arc::clone(self), start..end)
    }

    /// Makes sure that the file is as long as it was.
    pub(super) fn check_len(&self) -> Result<()> {
        let place = Place::file(&self.path);
        let len = self.file.metadata().map_err(|source| place.unreadable(source))?.len();
        if len != self.len {
            let what = format!("had {} bytes when it was opened, and has {len}", self.len);
            return Err(place.broken(what + "; do it again when nothing writes it"));
        }
        Ok(())
    }
}

impl ReaderAt for OpenFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match usize::try_from(offset).ok().and_then(|offset| self.head.get(offset..)) {
            Some(rest) if rest.len() >= buffer.len() || self.head.len() as u64 == self.len => rest.read_at(buffer, 0),
            #[cfg(unix)]
            _ => std::os::unix::fs::FileExt::read_at(&self.file, buffer, offset),
            #[cfg(windows)]
            _ => std::os::windows::fs::FileExt::seek_read(&self.file, buffer, offset),
        }
    }
}

/// One tensor of a file, whose header has been read and found sound.
pub(super) struct Located {
    pub(super) encoding: Encoding,
    /// Stands at the first element.
    pub(super) content: Box<dyn Content>,
    /// Where the elements begin in the file, unless they are deflated.
    pub(super) offset: Option<u64>,
}

/// The bytes of a tensor's elements.
pub(super) trait Content: Read + Send {
    /// Says what only the last byte can show; reads on to it where that is needed.
    fn check_end(&mut self, place: Place<'_>) -> Result<()>;
}

impl Content for RangeReader<Arc<OpenFile>> {
    fn check_end(&mut self, _: Place<'_>) -> Result<()> {
        Ok(())
    }
}

/// The error that a pointer is there in place of a tensor.
fn misplaced(pointer: Pointer, place: Place<'_>) -> Error {
    place.missing(format!("is a {pointer} in place of the tensor; run `{}`", pointer.remedy()))
}

/// The error for a path where nothing is, with what is near it.
fn absent(path: &Path) -> Error {
    let place = Place::file(path);
    if let Ok(target) = fs::read_link(path) {
        return match Pointer::at(&target) {
            Some(pointer) => misplaced(pointer, place),
            None => place.missing(format!("is a link to {}, which is not there", target.display())),
        };
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let Ok(listing) = fs::read_dir(folder) else {
        return place.missing("no such file, nor its folder");
    };
    let mut names: Vec<String> = listing.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if let Some(other) = names.iter().find(|other| other.to_lowercase() == name.to_lowercase()) {
        return place.missing(format!("no such file; there is {other}, and upper and lower case differ"));
    }
    match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => place.missing(format!("no such file; the nearest is {near}")),
        None => place.missing("no such file"),
    }
}
