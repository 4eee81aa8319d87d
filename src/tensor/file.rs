//! An open tensor file, and the encoding of one tensor in it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytemuck::allocation::try_zeroed_vec;
use flate2::Crc;
use ndarray::{ArrayView, ArrayViewMut, IxDyn, ShapeBuilder as _};
use rawzip::{RangeReader, ReaderAt};

use super::dtype::{DType, Element, Kind, Slice, with_type};
use super::tensor::Tensor;
use crate::error::{Error, Result};
use crate::fs::{Lookup, open_regular, parent_folder};
use crate::text::name::nearest;

/// The number of bytes read at a time: they stay in the cache until they have been converted to native order.
const CHUNK: usize = 1 << 18;

/// An error about a tensor, without its location.
#[derive(Debug)]
pub(super) enum Fault {
    /// The tensor does not exist.
    Missing(String),
    /// The file is invalid.
    Broken(String),
    /// A read failed.
    Io(io::Error),
}

/// Creates a [`Fault::Broken`] from the arguments of `format!`.
macro_rules! broken {
    ($($what:tt)*) => { $crate::tensor::file::Fault::Broken(format!($($what)*)) };
}
pub(super) use broken;

impl From<io::Error> for Fault {
    fn from(source: io::Error) -> Fault {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => broken!("ends before its last element; regenerate it"),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                broken!("is damaged ({source}); regenerate it")
            }
            _ => Fault::Io(source),
        }
    }
}

impl Fault {
    /// Adds the location: a file, or a member of it.
    pub(super) fn at(self, path: &Path, member: Option<&str>) -> Error {
        let mut place = path.display().to_string();
        if let Some(member) = member {
            // A name can be any text; a line break in it would break the message.
            let is_plain = !member.contains(char::is_control);
            place = format!("{place}#{}", if is_plain { member.into() } else { member.escape_debug().to_string() });
        }
        match self {
            Fault::Missing(what) => Error::Missing { place, what },
            Fault::Broken(what) => Error::Tensor { place, what },
            Fault::Io(source) => Error::read(path, source),
        }
    }
}

/// A pointer that replaces a file whose content is stored elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pointer {
    /// Git LFS: a small text file.
    Lfs,
    /// git-annex: a small text file, or a link into `.git/annex`.
    Annex,
}

/// The first bytes of each kind of text file.
const STARTS: [(&str, Pointer); 2] =
    [("version https://git-lfs.github.com/spec/v1", Pointer::Lfs), ("/annex/objects/", Pointer::Annex)];

impl Pointer {
    /// Recognizes a pointer by the content of the file.
    pub(crate) fn of(content: &[u8]) -> Option<Pointer> {
        STARTS.into_iter().find(|(start, _)| content.starts_with(start.as_bytes())).map(|(_, pointer)| pointer)
    }

    /// Describes a dangling link in place of a tensor or a file, which may be a pointer of git-annex.
    pub(crate) fn describe_link(target: &Path, replaced: &str) -> String {
        let parts: Vec<_> = target.iter().collect();
        match parts.windows(3).any(|parts| parts == [".git", "annex", "objects"]) {
            true => Pointer::Annex.describe(replaced),
            false => format!("is a link to {}, which does not exist; restore it, or remove the link", target.display()),
        }
    }

    /// Recognizes the pointer that a message is about.
    #[cfg(feature = "harness")]
    pub(crate) fn named_in(message: &str) -> Option<Pointer> {
        STARTS.into_iter().map(|(_, pointer)| pointer).find(|pointer| message.contains(&pointer.to_string()))
    }

    /// Returns the command that fetches the content.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Pointer::Lfs => "git lfs pull",
            Pointer::Annex => "git annex get .",
        }
    }

    /// Describes the pointer that replaces a tensor or a file, with the command to run.
    pub(crate) fn describe(self, replaced: &str) -> String {
        format!("is a {self} in place of the {replaced}; run `{}`", self.remedy())
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pointer", if *self == Pointer::Lfs { "Git LFS" } else { "git-annex" })
    }
}

/// An open file that is neither empty nor a pointer. Several threads can read it at any offset.
pub(super) struct OpenFile {
    pub(super) path: PathBuf,
    /// The length when it was opened.
    pub(super) len: u64,
    file: File,
}

impl OpenFile {
    /// Opens a regular file. Other files are not opened: a pipe would block, and opening a device can have effects.
    pub(super) fn open(path: &Path) -> Result<Arc<OpenFile>, Fault> {
        let file = match open_regular(path) {
            Ok(Lookup::File(file)) => file,
            Ok(Lookup::Unusable(what)) => return Err(Fault::Broken(what)),
            Ok(Lookup::Missing) => return Err(missing(path)),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(missing(path)),
            Err(error) => return Err(Fault::Io(error)),
        };
        let file = OpenFile { path: path.to_path_buf(), len: file.metadata()?.len(), file };
        let mut start = Vec::new();
        (&file.file).take(64).read_to_end(&mut start)?;
        match Pointer::of(&start) {
            _ if start.is_empty() => Err(broken!("is empty; regenerate it")),
            Some(pointer) => Err(Fault::Missing(pointer.describe("tensor"))),
            None => Ok(Arc::new(file)),
        }
    }

    /// Returns a reader of the bytes from `start` to `end`.
    pub(super) fn range(self: &Arc<OpenFile>, start: u64, end: u64) -> RangeReader<Arc<OpenFile>> {
        RangeReader::new(Arc::clone(self), start..end)
    }

    /// Checks that the length has not changed.
    pub(super) fn check_len(&self) -> Result<(), Fault> {
        match self.file.metadata()?.len() {
            len if len == self.len => Ok(()),
            len => Err(broken!(
                "had {} bytes when it was opened, and now has {len}; re-run when nothing is writing it",
                self.len
            )),
        }
    }
}

impl ReaderAt for OpenFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        #[cfg(unix)]
        {
            std::os::unix::fs::FileExt::read_at(&self.file, buffer, offset)
        }
        #[cfg(windows)]
        {
            std::os::windows::fs::FileExt::seek_read(&self.file, buffer, offset)
        }
    }
}

/// Returns the fault of a path that does not exist, with a similar name if there is one.
fn missing(path: &Path) -> Fault {
    if let Ok(target) = fs::read_link(path) {
        return Fault::Missing(Pointer::describe_link(&target, "tensor"));
    }
    let Ok(listing) = fs::read_dir(parent_folder(path)) else {
        return Fault::Missing("no such file or folder".to_owned());
    };
    let mut names: Vec<String> = listing.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let other_case = names.iter().find(|other| other.to_lowercase() == name.to_lowercase());
    Fault::Missing(match (other_case, nearest(name, names.iter().map(String::as_str))) {
        (Some(other), _) => format!("no such file; there is {other}, which differs in case"),
        (None, Some(near)) => format!("no such file; did you mean {near}?"),
        (None, None) => "no such file".to_owned(),
    })
}

/// A reader of the elements of a tensor, which verifies the checksum of a zip member.
pub(super) struct Content {
    reader: Box<dyn Read + Send>,
    /// The number of bytes read so far.
    pub(super) position: u64,
    crc: Crc,
    /// The expected length and checksum of all bytes, if known.
    expected: Option<(u64, u32)>,
}

impl Content {
    pub(super) fn new(reader: impl Read + Send + 'static, expected: Option<(u64, u32)>) -> Content {
        Content { reader: Box::new(reader), position: 0, crc: Crc::new(), expected }
    }

    /// Reads to the end, and checks length and checksum.
    pub(super) fn check_end(mut self) -> Result<(), Fault> {
        let Some((size, crc)) = self.expected else { return Ok(()) };
        let mut piece = vec![0; 1 << 16];
        while self.position <= size && self.read(&mut piece)? > 0 {}
        match self.crc.sum() {
            _ if self.position > size => {
                Err(broken!("decompresses to more than the {size} bytes it declares; regenerate the file"))
            }
            sum if sum != crc => Err(broken!("is damaged: its checksum is wrong; regenerate the file")),
            _ => Ok(()),
        }
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.position += read as u64;
        if self.expected.is_some() {
            self.crc.update(&buffer[..read]);
        }
        Ok(read)
    }
}

/// A tensor of a file, whose header has been read and checked.
pub(super) struct EncodedTensor {
    pub(super) encoding: Encoding,
    /// A reader at the first element.
    pub(super) content: Content,
    /// The offset of the elements in the file, if they can be read directly from there.
    pub(super) start: Option<u64>,
}

/// Finds a tensor in its file, given its declared dtype.
pub(super) type Locator = Box<dyn Fn(&Arc<OpenFile>, Option<DType>) -> Result<EncodedTensor, Fault> + Send + Sync>;

impl EncodedTensor {
    /// Reads and checks all elements.
    pub(super) fn read(mut self) -> Result<Tensor, Fault> {
        let tensor = self.encoding.read(&mut self.content)?;
        self.content.check_end()?;
        Ok(tensor)
    }
}

/// How a file stores the elements of one tensor.
#[derive(Clone, Debug)]
pub(super) struct Encoding {
    pub(super) dtype: DType,
    pub(super) shape: Vec<usize>,
    pub(super) is_big_endian: bool,
    /// Whether the first axis varies fastest instead of the last.
    pub(super) is_fortran: bool,
}

impl Encoding {
    /// Returns the encoding, or `None` if the elements cannot fit into memory.
    ///
    /// Extents of 0 count as 1: a tensor library that multiplies extents could overflow before it reaches the 0.
    pub(super) fn checked(mut self) -> Option<Encoding> {
        let bytes = self.shape.iter().try_fold(self.dtype.size(), |bytes, &extent| bytes.checked_mul(extent.max(1)))?;
        isize::try_from(bytes).ok()?;
        // With a single axis both orders are the same.
        self.is_fortran &= self.shape.iter().filter(|&&extent| extent != 1).count() > 1;
        Some(self)
    }

    /// Returns the number of bytes of the elements in the file.
    pub(super) fn byte_len(&self) -> u64 {
        (self.len() * self.dtype.size()) as u64
    }

    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Reads the elements. Memory for [`byte_len`](Encoding::byte_len) bytes is reserved first, so the caller has to check that the
    /// file can contain that many.
    fn read(&self, reader: &mut dyn Read) -> Result<Tensor, Fault> {
        with_type!(self.dtype, T => self.read_as::<T>(reader))
    }

    fn read_as<T: Element>(&self, reader: &mut dyn Read) -> Result<Tensor, Fault> {
        let mut elements = self.reserve::<T::Bits>()?;
        for chunk in bytemuck::cast_slice_mut(&mut elements).chunks_mut(CHUNK) {
            reader.read_exact(chunk)?;
            self.to_native(chunk);
        }
        if self.is_fortran {
            let mut ordered = self.reserve::<T::Bits>()?;
            let from = ArrayView::from_shape(IxDyn(&self.shape).f(), &elements).expect("the shape matches");
            ArrayViewMut::from_shape(IxDyn(&self.shape), &mut ordered).expect("the shape matches").assign(&from);
            elements = ordered;
        }
        let elements = elements.into_iter().map(bytemuck::checked::cast::<T::Bits, T>).collect();
        Ok(Tensor::new(&self.shape, elements).expect("the shape matches"))
    }

    /// Allocates zeros for all elements. Running out of memory is an error, never an abort.
    fn reserve<B: bytemuck::Zeroable>(&self) -> Result<Vec<B>, Fault> {
        try_zeroed_vec(self.len())
            .map_err(|()| broken!("needs {} bytes of memory, more than is available", self.byte_len()))
    }

    /// Converts bytes of the file to the byte order and booleans of this machine.
    pub(super) fn to_native(&self, bytes: &mut [u8]) {
        if self.dtype == DType::Bool {
            bytes.iter_mut().for_each(|byte| *byte = u8::from(*byte != 0));
        } else if self.is_big_endian != cfg!(target_endian = "big") {
            swap(bytes, self.dtype);
        }
    }
}

/// Checks the dtype of a file against the one declared for it.
pub(super) fn check_declared(dtype: DType, declared: Option<DType>) -> Result<(), Fault> {
    match declared {
        Some(other) if other != dtype => {
            Err(broken!("has dtype {dtype} but is declared as {other}; correct one of them"))
        }
        _ => Ok(()),
    }
}

/// Checks the number of bytes of elements against the header, whose dtype and shape `claim` names.
pub(super) fn check_len(actual: u64, declared: u64, claim: &str) -> Result<(), Fault> {
    match actual.cmp(&declared) {
        Ordering::Equal => Ok(()),
        Ordering::Less => Err(broken!(
            "is truncated: it has {actual} bytes of elements, but its header declares {declared}{claim}; regenerate it"
        )),
        Ordering::Greater => Err(broken!(
            "has {} trailing bytes after the {declared} bytes of elements that its header declares{claim}; regenerate it",
            actual - declared
        )),
    }
}

/// Lists the dtypes that can be read, for messages.
pub(super) fn readable() -> String {
    DType::ALL.map(DType::name).join(", ")
}

/// Reverses the bytes of each number; a complex element is two numbers.
fn swap(bytes: &mut [u8], dtype: DType) {
    let size = dtype.size() / if dtype.kind() == Kind::Complex { 2 } else { 1 };
    bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
}

/// Returns the elements as little-endian bytes.
pub(crate) fn little_endian(elements: Slice<'_>) -> Cow<'_, [u8]> {
    let mut bytes = Cow::Borrowed(elements.bytes());
    if cfg!(target_endian = "big") {
        swap(bytes.to_mut(), elements.dtype());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_of_memory_is_an_error() {
        let shape = vec![isize::MAX as usize];
        let huge = Encoding { dtype: DType::U8, shape, is_big_endian: false, is_fortran: false };
        let fault = huge.checked().expect("it fits the address space").read(&mut io::empty()).expect_err("too much");
        assert!(matches!(fault, Fault::Broken(what) if what.contains("bytes of memory, more than is available")));
    }
}
