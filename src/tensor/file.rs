//! An opened tensor file, and how it stores the elements of one tensor.

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
use crate::fs::{Found, folder, open_regular};
use crate::text::name::nearest;

/// How many bytes are read at a time: they stay in the cache until their order is set right.
const CHUNK: usize = 1 << 18;

/// Why a tensor cannot be read, before its place is known.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nothing is there.
    Missing(String),
    /// Something is there, but does not hold what its format promises.
    Broken(String),
    /// A read failed: the file's fault where its bytes are, the system's otherwise.
    Io(io::Error),
}

/// The fault that a file does not hold what its format promises: in the words of `format!`.
macro_rules! broken {
    ($($what:tt)*) => { $crate::tensor::file::Fault::Broken(format!($($what)*)) };
}
pub(super) use broken;

impl From<io::Error> for Fault {
    fn from(source: io::Error) -> Fault {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => broken!("ends before its last element; make it again"),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                broken!("is damaged ({source}); make it again")
            }
            _ => Fault::Io(source),
        }
    }
}

impl Fault {
    /// The error at that place: a file, or a member of it.
    pub(super) fn at(self, path: &Path, member: Option<&str>) -> Error {
        let mut place = path.display().to_string();
        if let Some(member) = member {
            // A name is any text: a line break in it would break the message.
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

/// A pointer in place of a file whose content is kept elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pointer {
    /// Of Git LFS: a small text.
    Lfs,
    /// Of git-annex: a small text, or a link into `.git/annex`.
    Annex,
}

/// How each text begins.
const STARTS: [(&str, Pointer); 2] =
    [("version https://git-lfs.github.com/spec/v1", Pointer::Lfs), ("/annex/objects/", Pointer::Annex)];

impl Pointer {
    /// The pointer that a file of this content is, if it is one.
    pub(crate) fn of(content: &[u8]) -> Option<Pointer> {
        STARTS.into_iter().find(|(start, _)| content.starts_with(start.as_bytes())).map(|(_, pointer)| pointer)
    }

    /// The pointer that a link to that path is, if it is one and leads nowhere.
    pub(crate) fn at(target: &Path) -> Option<Pointer> {
        let parts: Vec<_> = target.iter().collect();
        parts.windows(3).any(|parts| parts == [".git", "annex", "objects"]).then_some(Pointer::Annex)
    }

    /// The pointer that a message is about.
    #[cfg(feature = "harness")]
    pub(crate) fn named_in(message: &str) -> Option<Pointer> {
        STARTS.into_iter().map(|(_, pointer)| pointer).find(|pointer| message.contains(&pointer.to_string()))
    }

    /// The command that brings the content.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Pointer::Lfs => "git lfs pull",
            Pointer::Annex => "git annex get .",
        }
    }

    fn fault(self) -> Fault {
        Fault::Missing(format!("is a {self} in place of the tensor; run `{}`", self.remedy()))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pointer", if *self == Pointer::Lfs { "Git LFS" } else { "git-annex" })
    }
}

/// A file that is neither empty nor a pointer. Several threads can read it anywhere.
pub(super) struct OpenFile {
    pub(super) path: PathBuf,
    /// How long it was when it was opened.
    pub(super) len: u64,
    file: File,
}

impl OpenFile {
    /// Opens a regular file. Anything else is not even opened: a pipe would block, and a device may act.
    pub(super) fn open(path: &Path) -> Result<Arc<OpenFile>, Fault> {
        let file = match open_regular(path) {
            Ok(Found::File(file)) => file,
            Ok(Found::Other(what)) => return Err(Fault::Broken(what)),
            Ok(Found::Nothing) => return Err(absent(path)),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(absent(path)),
            Err(error) => return Err(Fault::Io(error)),
        };
        let file = OpenFile { path: path.to_path_buf(), len: file.metadata()?.len(), file };
        let mut start = Vec::new();
        (&file.file).take(64).read_to_end(&mut start)?;
        match Pointer::of(&start) {
            _ if start.is_empty() => Err(broken!("is empty; make it again")),
            Some(pointer) => Err(pointer.fault()),
            None => Ok(Arc::new(file)),
        }
    }

    /// The bytes from `start` to `end`.
    pub(super) fn range(self: &Arc<OpenFile>, start: u64, end: u64) -> RangeReader<Arc<OpenFile>> {
        RangeReader::new(Arc::clone(self), start..end)
    }

    /// Makes sure that the file is as long as it was.
    pub(super) fn check_len(&self) -> Result<(), Fault> {
        match self.file.metadata()?.len() {
            len if len == self.len => Ok(()),
            len => Err(broken!(
                "had {} bytes when it was opened, and has {len}; do it again when nothing writes it",
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

/// The fault of a path where nothing is, with what is near it.
fn absent(path: &Path) -> Fault {
    if let Ok(target) = fs::read_link(path) {
        let gone = || Fault::Missing(format!("is a link to {}, which is not there", target.display()));
        return Pointer::at(&target).map_or_else(gone, Pointer::fault);
    }
    let Ok(listing) = fs::read_dir(folder(path)) else {
        return Fault::Missing("no such file, nor its folder".to_owned());
    };
    let mut names: Vec<String> = listing.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let twin = names.iter().find(|other| other.to_lowercase() == name.to_lowercase());
    Fault::Missing(match (twin, nearest(name, names.iter().map(String::as_str))) {
        (Some(other), _) => format!("no such file; there is {other}, and upper and lower case differ"),
        (None, Some(near)) => format!("no such file; the nearest is {near}"),
        (None, None) => "no such file".to_owned(),
    })
}

/// A reader at the first element of a tensor, for the bytes that a zip may have promised more of than their number.
pub(super) struct Content {
    reader: Box<dyn Read + Send>,
    /// How many bytes were read.
    pub(super) position: u64,
    crc: Crc,
    /// The number of all bytes and their checksum, where both are known.
    promised: Option<(u64, u32)>,
}

impl Content {
    pub(super) fn new(reader: impl Read + Send + 'static, promised: Option<(u64, u32)>) -> Content {
        Content { reader: Box::new(reader), position: 0, crc: Crc::new(), promised }
    }

    /// Reads on to the end, and holds all bytes against what was promised.
    pub(super) fn check_end(mut self) -> Result<(), Fault> {
        let Some((size, crc)) = self.promised else { return Ok(()) };
        let mut piece = vec![0; 1 << 16];
        while self.position <= size && self.read(&mut piece)? > 0 {}
        match self.crc.sum() {
            _ if self.position > size => {
                Err(broken!("inflates beyond the {size} bytes it declares; make the file again"))
            }
            sum if sum != crc => Err(broken!("is damaged: its checksum is another; make the file again")),
            _ => Ok(()),
        }
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.position += read as u64;
        if self.promised.is_some() {
            self.crc.update(&buffer[..read]);
        }
        Ok(read)
    }
}

/// A tensor of a file, whose header has been read and found sound.
pub(super) struct Located {
    pub(super) encoding: Encoding,
    /// Stands at the first element.
    pub(super) content: Content,
    /// Where the elements begin in the file, if each can be read from there.
    pub(super) start: Option<u64>,
}

/// Finds a tensor in its file. Its dtype may have been declared.
pub(super) type Locate = Box<dyn Fn(&Arc<OpenFile>, Option<DType>) -> Result<Located, Fault> + Send + Sync>;

impl Located {
    /// Reads all elements, and checks them.
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
    /// Whether the most significant byte of a number comes first.
    pub(super) is_big_endian: bool,
    /// Whether the first axis varies fastest, and not the last.
    pub(super) is_fortran: bool,
}

impl Encoding {
    /// The encoding, if any machine could hold so many elements.
    ///
    /// Extents of 0 count as 1: a tensor library multiplies them in some order, and overflows before it meets the 0.
    pub(super) fn checked(mut self) -> Option<Encoding> {
        let extent =
            self.shape.iter().try_fold(self.dtype.size(), |bytes, &extent| bytes.checked_mul(extent.max(1)))?;
        isize::try_from(extent).ok()?;
        // One axis alone has one order.
        self.is_fortran &= self.shape.iter().filter(|&&extent| extent != 1).count() > 1;
        Some(self)
    }

    /// How many bytes the elements take in the file.
    pub(super) fn byte_len(&self) -> u64 {
        (self.len() * self.dtype.size()) as u64
    }

    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Reads the elements. The caller has checked that the reader can have [`byte_len`](Encoding::byte_len) bytes:
    /// memory for them is reserved here.
    fn read(&self, reader: &mut dyn Read) -> Result<Tensor, Fault> {
        with_type!(self.dtype, T => self.read_as::<T>(reader))
    }

    fn read_as<T: Element>(&self, reader: &mut dyn Read) -> Result<Tensor, Fault> {
        let mut stored = self.reserve::<T::Bits>()?;
        for chunk in bytemuck::cast_slice_mut(&mut stored).chunks_mut(CHUNK) {
            reader.read_exact(chunk)?;
            self.set_right(chunk);
        }
        if self.is_fortran {
            let mut ordered = self.reserve::<T::Bits>()?;
            let from = ArrayView::from_shape(IxDyn(&self.shape).f(), &stored).expect("as many as the shape has");
            ArrayViewMut::from_shape(IxDyn(&self.shape), &mut ordered).expect("as many as the shape has").assign(&from);
            stored = ordered;
        }
        let elements = stored.into_iter().map(bytemuck::checked::cast::<T::Bits, T>).collect();
        Ok(Tensor::new(&self.shape, elements).expect("as many as the shape has"))
    }

    /// As many zeros as there are elements, or an error where there is no such memory: never an abort.
    fn reserve<B: bytemuck::Zeroable>(&self) -> Result<Vec<B>, Fault> {
        try_zeroed_vec(self.len())
            .map_err(|()| broken!("needs {} bytes of memory, which there are not", self.byte_len()))
    }

    /// Makes of stored bytes those that this machine has in memory.
    pub(super) fn set_right(&self, bytes: &mut [u8]) {
        if self.dtype == DType::Bool {
            bytes.iter_mut().for_each(|byte| *byte = u8::from(*byte != 0));
        } else if self.is_big_endian != cfg!(target_endian = "big") {
            swap(bytes, self.dtype);
        }
    }
}

/// Holds the dtype that a file names against the one declared for it.
pub(super) fn check_declared(dtype: DType, declared: Option<DType>) -> Result<(), Fault> {
    match declared {
        Some(other) if other != dtype => Err(broken!("holds {dtype} and is declared as {other}; correct one of them")),
        _ => Ok(()),
    }
}

/// Holds the bytes of elements that are there against those that a header promises, which claims that.
pub(super) fn check_len(there: u64, promised: u64, claim: &str) -> Result<(), Fault> {
    match there.cmp(&promised) {
        Ordering::Equal => Ok(()),
        Ordering::Less => Err(broken!(
            "is truncated: {there} bytes of elements are there, and its header promises {promised}{claim}; make it again"
        )),
        Ordering::Greater => Err(broken!(
            "has {} trailing bytes after the {promised} of elements that its header promises{claim}; make it again",
            there - promised
        )),
    }
}

/// The dtypes that can be read, for messages.
pub(super) fn readable() -> String {
    DType::ALL.map(DType::name).join(", ")
}

/// Reverses the bytes of each number; a complex element is two.
fn swap(bytes: &mut [u8], dtype: DType) {
    let size = dtype.size() / if dtype.kind() == Kind::Complex { 2 } else { 1 };
    bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
}

/// The elements as little-endian bytes.
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
    fn more_elements_than_there_is_memory_for_are_an_error() {
        let shape = vec![isize::MAX as usize];
        let huge = Encoding { dtype: DType::U8, shape, is_big_endian: false, is_fortran: false };
        let fault = huge.checked().expect("it is possible").read(&mut io::empty()).expect_err("too much");
        assert!(matches!(fault, Fault::Broken(what) if what.contains("bytes of memory, which there are not")));
    }
}
