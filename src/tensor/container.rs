//! Tensor files: `.npy` with one tensor, `.npz` and `.safetensors` with many.
//!
//! Nothing that a file claims is believed before it is held against the file's size: a broken file is an error that
//! says what is wrong with it, never a panic, an abort or a hang.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rawzip::ReaderAt as _;

use super::dtype::{DType, Slice};
use super::encoding::Encoding;
use super::file::{Content, Located, OpenFile};
use super::place::Place;
use super::tensor::{Buffer, Source, Tensor};
use super::{npy, npz, safetensors};
use crate::error::Result;
use crate::fs::nearest;

/// How many known names a message lists.
const LISTED: usize = 8;

/// What a tensor file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contents {
    /// One tensor, without a name.
    Tensor,
    /// Named tensors: their names, sorted.
    Members(Vec<String>),
}

/// What a file says of a tensor before its elements.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// The type of the elements.
    pub dtype: DType,
    /// The extent of each axis; empty for a scalar.
    pub shape: Vec<usize>,
}

/// A tensor file that has been opened. What it says of its tensors is read once for all of them.
pub struct Container {
    file: Arc<OpenFile>,
    format: Format,
}

/// By the extension of the file.
enum Format {
    Npy,
    Npz(npz::Archive),
    Safetensors(safetensors::Archive),
}

/// Reads one tensor from a `.npy`, `.npz` or `.safetensors` file, whatever its byte order and layout.
///
/// `member` names the tensor in a file of many, and may be left out where there is only one. `declared` is the dtype of
/// a tensor whose dtype NumPy has no name for: bf16 comes as `V2` from `.npy` and `.npz`, an 8-bit float as `V1`. A
/// declared dtype that is not the tensor's is an error.
///
/// Reads the elements of that tensor alone, and takes no more memory than they do (twice as much in Fortran order).
/// [`Container`] reads several tensors of one file, and its directory once.
///
/// # Errors
///
/// [`Error::Missing`](crate::Error::Missing) where there is no such file (the message names one of a similar name) or no such
/// member, or a pointer of Git LFS or git-annex in its place. [`Error::Tensor`](crate::Error::Tensor) where the file is not a
/// regular one, or does not hold what it claims, or the tensor has a dtype that karat does not read.
/// [`Error::Read`](crate::Error::Read) where the system refuses.
pub fn read_tensor(path: &Path, member: Option<&str>, declared: Option<DType>) -> Result<Tensor> {
    Container::open(path)?.read(member, declared)
}

/// Reads the dtype and shape of one tensor, but not its elements. The arguments are those of [`read_tensor`].
///
/// # Errors
///
/// As [`read_tensor`], except for what only the elements can show, such as a wrong checksum.
pub fn inspect(path: &Path, member: Option<&str>, declared: Option<DType>) -> Result<Header> {
    Container::open(path)?.inspect(member, declared)
}

/// Reads the dtype and shape of a tensor that its file can hold so many bytes of; `None` where it cannot.
#[cfg(feature = "harness")]
pub(crate) fn inspect_large(
    path: &Path,
    member: Option<&str>,
    declared: Option<DType>,
    bytes: usize,
) -> Result<Option<Header>> {
    let ratio = if extension(path) == "npz" { npz::MAX_DEFLATE_RATIO } else { 1 };
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len().saturating_mul(ratio) > bytes as u64 => {
            inspect(path, member, declared).map(Some)
        }
        // What cannot be opened is told where the tensor is read.
        _ => Ok(None),
    }
}

/// Lists the tensors in a file. A member of an npz file has a name without `.npy`; one that is no tensor is listed too.
///
/// # Errors
///
/// As [`read_tensor`]; the tensors themselves are not looked at.
pub fn contents(path: &Path) -> Result<Contents> {
    Ok(Container::open(path)?.contents())
}

/// Whether a file is a tensor file by its extension.
#[must_use]
pub fn is_tensor_file(path: &Path) -> bool {
    ["npy", "npz", "safetensors"].contains(&extension(path).as_str())
}

fn extension(path: &Path) -> String {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase()
}

impl Container {
    /// Opens a file, and reads which tensors it has.
    ///
    /// # Errors
    ///
    /// As [`read_tensor`]; the tensors themselves are not looked at.
    pub fn open(path: &Path) -> Result<Container> {
        let file = OpenFile::open(path)?;
        let format = match extension(path).as_str() {
            "npy" => Format::Npy,
            "npz" => Format::Npz(npz::Archive::open(&file)?),
            "safetensors" => Format::Safetensors(safetensors::Archive::open(&file)?),
            _ => {
                let what = "is no tensor file by its name; karat reads .npy, .npz and .safetensors";
                return Err(Place::file(path).broken(what));
            }
        };
        Ok(Container { file, format })
    }

    /// The tensors in the file. As [`contents`].
    #[must_use]
    pub fn contents(&self) -> Contents {
        self.names().map_or(Contents::Tensor, |names| Contents::Members(names.to_vec()))
    }

    /// Reads one tensor. The arguments and errors are those of [`read_tensor`].
    ///
    /// # Errors
    ///
    /// As [`read_tensor`]; [`Error::Tensor`](crate::Error::Tensor) where the file has changed since it was opened.
    pub fn read(&self, member: Option<&str>, declared: Option<DType>) -> Result<Tensor> {
        self.tensor(member, declared)?.load()
    }

    /// Reads the dtype and shape of one tensor. The arguments and errors are those of [`inspect`].
    ///
    /// # Errors
    ///
    /// As [`inspect`]; [`Error::Tensor`](crate::Error::Tensor) where the file has changed since it was opened.
    pub fn inspect(&self, member: Option<&str>, declared: Option<DType>) -> Result<Header> {
        let Encoding { dtype, shape, .. } = self.tensor(member, declared)?.encoding;
        Ok(Header { dtype, shape })
    }

    /// Opens one tensor, whose elements are read when they are asked for. The arguments are those of [`inspect`].
    ///
    /// # Errors
    ///
    /// As [`Container::inspect`].
    pub fn tensor(&self, member: Option<&str>, declared: Option<DType>) -> Result<TensorFile> {
        let file = &self.file;
        file.check_len()?;
        let (member, position) = match (self.names(), member) {
            (Some(names), _) => {
                let position = choose(&file.path, names, member)?;
                (Some(names[position].clone()), position)
            }
            (None, None) => (None, 0),
            (None, Some(member)) => {
                let what = "an npy file holds one tensor, without a name; leave out what follows the #";
                return Err(Place::member(&file.path, member).broken(what));
            }
        };
        let place = Place { path: &file.path, member: member.as_deref() };
        let Located { encoding, content, offset } = match &self.format {
            Format::Npy => npy::locate(file, declared, place)?,
            Format::Npz(archive) => archive.locate(file, position, declared, place)?,
            Format::Safetensors(archive) => archive.locate(file, position, declared, place)?,
        };
        let offset = offset.filter(|_| !encoding.is_fortran);
        Ok(TensorFile {
            file: Arc::clone(file),
            member,
            encoding,
            content: content.into(),
            offset,
            elements: OnceLock::new(),
        })
    }

    fn names(&self) -> Option<&[String]> {
        match &self.format {
            Format::Npy => None,
            Format::Npz(archive) => Some(&archive.names),
            Format::Safetensors(archive) => Some(&archive.names),
        }
    }
}

/// Reads tensors of several files, and opens a file once as long as one tensor after the other is in it.
#[derive(Default)]
pub struct Containers(Option<Container>);

impl Containers {
    /// The file at that path.
    ///
    /// # Errors
    ///
    /// As [`Container::open`].
    pub fn at(&mut self, path: &Path) -> Result<&Container> {
        let container = match self.0.take() {
            Some(last) if last.file.path == path => last,
            _ => Container::open(path)?,
        };
        Ok(self.0.insert(container))
    }
}

/// One tensor in a `.npy`, `.npz` or `.safetensors` file, whatever its byte order and layout, as a [`Source`].
///
/// Elements in C order are read as they are asked for, so that they do not have to fit into memory. Those that are deflated or
/// in Fortran order are read as a whole when the first are asked for. That first time also finds a wrong checksum.
pub struct TensorFile {
    file: Arc<OpenFile>,
    member: Option<String>,
    encoding: Encoding,
    content: Mutex<Box<dyn Content>>,
    /// Where the elements begin in the file, if they can be read from there.
    offset: Option<u64>,
    /// Known once the content was found sound.
    elements: OnceLock<Elements>,
}

/// Where the elements are.
enum Elements {
    InMemory(Tensor),
    InFile { start: u64 },
}

impl TensorFile {
    /// Opens a file, or one member of it. The arguments are those of [`inspect`].
    ///
    /// # Errors
    ///
    /// As [`inspect`].
    pub fn open(path: &Path, member: Option<&str>, declared: Option<DType>) -> Result<TensorFile> {
        Container::open(path)?.tensor(member, declared)
    }

    /// Reads all elements. The errors are those of [`read_tensor`].
    ///
    /// # Errors
    ///
    /// As [`read_tensor`].
    pub fn load(self) -> Result<Tensor> {
        self.load_from(&mut self.content())
    }

    fn load_from(&self, content: &mut Box<dyn Content>) -> Result<Tensor> {
        let tensor = self.encoding.read(content, self.place())?;
        content.check_end(self.place())?;
        Ok(tensor)
    }

    /// Checks the content before the first elements are seen; reads it where they cannot be read from the file one by one.
    fn elements(&self) -> Result<&Elements> {
        let mut content = self.content();
        if let Some(elements) = self.elements.get() {
            return Ok(elements);
        }
        let elements = match self.offset {
            Some(start) => content.check_end(self.place()).map(|()| Elements::InFile { start })?,
            None => Elements::InMemory(self.load_from(&mut content)?),
        };
        Ok(self.elements.get_or_init(|| elements))
    }

    fn content(&self) -> MutexGuard<'_, Box<dyn Content>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self) -> Place<'_> {
        Place { path: &self.file.path, member: self.member.as_deref() }
    }
}

impl Source for TensorFile {
    fn dtype(&self) -> DType {
        self.encoding.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.encoding.shape
    }

    fn read<'a>(&'a self, positions: Range<usize>, buffer: &'a mut Buffer) -> Result<Slice<'a>> {
        let start = match self.elements()? {
            Elements::InMemory(tensor) => return tensor.read(positions, buffer),
            Elements::InFile { start } => *start,
        };
        let size = self.encoding.dtype.size();
        let bytes = buffer.bytes(positions.len() * size);
        let read = self.file.read_exact_at(bytes, start + (positions.start * size) as u64);
        read.map_err(|source| self.file.check_len().err().unwrap_or_else(|| self.place().unreadable(source)))?;
        self.encoding.set_right(bytes);
        Ok(Slice::from_bytes(self.dtype(), bytes).expect("a buffer is aligned, and what is in it has been set right"))
    }
}

/// The position among the sorted `names` of the one asked for; of the only one where none is.
fn choose(path: &Path, names: &[String], member: Option<&str>) -> Result<usize> {
    match (member, names) {
        (Some(member), _) => names
            .binary_search_by(|name| name.as_str().cmp(member))
            .map_err(|_| Place::member(path, member).missing(unknown(member, names))),
        (None, [_]) => Ok(0),
        (None, []) => Err(Place::file(path).broken("holds no tensor")),
        (None, [first, ..]) => Err(Place::file(path).broken(format!(
            "holds {} tensors and none was named: append its name, as in #{first}; it holds {}",
            names.len(),
            list(names)
        ))),
    }
}

fn unknown(member: &str, names: &[String]) -> String {
    match (nearest(member, names.iter().map(String::as_str)), names) {
        (_, []) => "no such tensor: the file holds none".to_owned(),
        (Some(near), _) => format!("no such tensor; the nearest is {near}; the file holds {}", list(names)),
        (None, _) => format!("no such tensor; the file holds {}", list(names)),
    }
}

fn list(names: &[String]) -> String {
    let listed = names[..names.len().min(LISTED)].join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}
