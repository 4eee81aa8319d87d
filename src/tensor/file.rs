//! Tensor files: `.npy` with one tensor, `.npz` and `.safetensors` with many.
//!
//! Nothing that a file claims is believed before it is held against the file's size: a broken file is an error that
//! says what is wrong with it, never a panic, an abort or a hang.

use std::cell::RefCell;
use std::fs::{self, File, FileType};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use super::part::{Packing, Part};
use super::place::Place;
use super::pointer::Pointer;
use super::{member, npy, npz, safetensors};
use crate::error::{Error, Result};
use crate::fs::nearest::{ALIKE, nearest};
use crate::tensor::{DType, Tensor};

/// The longest file that is read as a whole, in one call of the system, before it is looked at.
const SMALL: u64 = 1 << 16;

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
    path: PathBuf,
    /// How long the file was when it was opened.
    len: u64,
    format: Format,
    /// The file as it was opened, until a tensor takes it.
    file: RefCell<Option<File>>,
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
/// [`Error::Missing`] where there is no such file (the message names one of a similar name) or no such member, or a
/// pointer of Git LFS or git-annex in its place. [`Error::Tensor`] where the file is not a regular one, or does not hold
/// what it claims, or the tensor has a dtype that karat does not read. [`Error::Read`] where the system refuses.
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
    let is_packed = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
    let ratio = if is_packed { npz::MAX_DEFLATE_RATIO } else { 1 };
    match fs::metadata(path) {
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

impl Container {
    /// Opens a file, and reads which tensors it has.
    ///
    /// # Errors
    ///
    /// As [`read_tensor`]; the tensors themselves are not looked at.
    pub fn open(path: &Path) -> Result<Container> {
        let place = Place::file(path);
        let (mut file, len) = open_file(path)?;
        if len == 0 {
            return Err(place.broken("is empty; make it again"));
        }
        // With room for no more it is read in one call.
        let mut start = Vec::with_capacity(Pointer::LEN);
        file.by_ref()
            .take(Pointer::LEN as u64)
            .read_to_end(&mut start)
            .and_then(|_| file.rewind())
            .map_err(|source| place.unreadable(source))?;
        if let Some(pointer) = Pointer::of(&start) {
            return Err(place.missing(format!("is a {pointer} in place of the tensor; run `{}`", pointer.remedy())));
        }
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let format = match extension.to_ascii_lowercase().as_str() {
            "npy" => Format::Npy,
            "npz" => Format::Npz(npz::Archive::open(path, &file, len)?),
            "safetensors" => Format::Safetensors(safetensors::Archive::open(path, &mut file, len)?),
            _ => return Err(place.broken("is no tensor file by its name; karat reads .npy, .npz and .safetensors")),
        };
        Ok(Container { path: path.to_path_buf(), len, format, file: RefCell::new(Some(file)) })
    }

    /// Which file it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tensors in the file. As [`contents`].
    #[must_use]
    pub fn contents(&self) -> Contents {
        match &self.format {
            Format::Npy => Contents::Tensor,
            Format::Npz(archive) => Contents::Members(archive.names.clone()),
            Format::Safetensors(archive) => Contents::Members(archive.names.clone()),
        }
    }

    /// Reads one tensor. The arguments and errors are those of [`read_tensor`].
    ///
    /// # Errors
    ///
    /// As [`read_tensor`]; [`Error::Tensor`] where the file has changed since it was opened.
    pub fn read(&self, member: Option<&str>, declared: Option<DType>) -> Result<Tensor> {
        match &self.format {
            Format::Npy => {
                let place = alone(&self.path, member)?;
                let mut file = self.file()?;
                if self.len > SMALL {
                    return npy::read_header(&mut file, self.len, declared, place)?.read(&mut file, place);
                }
                let mut bytes = Vec::with_capacity(self.len as usize);
                file.take(self.len).read_to_end(&mut bytes).map_err(|source| place.unreadable(source))?;
                let mut rest = bytes.as_slice();
                npy::read_header(&mut rest, self.len, declared, place)?.read(&mut rest, place)
            }
            Format::Npz(archive) => {
                archive.read(member::choose(&self.path, &archive.names, member)?, declared, self.file()?)
            }
            Format::Safetensors(archive) => {
                archive.read(member::choose(&self.path, &archive.names, member)?, declared, self.file()?)
            }
        }
    }

    /// Reads the dtype and shape of one tensor. The arguments and errors are those of [`inspect`].
    ///
    /// # Errors
    ///
    /// As [`inspect`]; [`Error::Tensor`] where the file has changed since it was opened.
    pub fn inspect(&self, member: Option<&str>, declared: Option<DType>) -> Result<Header> {
        let encoding = match &self.format {
            Format::Npy => npy::read_header(&mut self.file()?, self.len, declared, alone(&self.path, member)?)?,
            Format::Npz(archive) => {
                archive.inspect(member::choose(&self.path, &archive.names, member)?, declared, self.file()?)?
            }
            Format::Safetensors(archive) => {
                archive.inspect(member::choose(&self.path, &archive.names, member)?, declared)?
            }
        };
        Ok(Header { dtype: encoding.dtype(), shape: encoding.shape().to_vec() })
    }

    /// Finds one tensor in the file, and the name that it has there. The arguments are those of [`read_tensor`].
    pub(crate) fn locate(&self, member: Option<&str>, declared: Option<DType>) -> Result<(Part, Option<String>)> {
        let choose = |names: &[String]| {
            member::choose(&self.path, names, member).map(|position| (position, Some(names[position].clone())))
        };
        match &self.format {
            Format::Npy => {
                let place = alone(&self.path, member)?;
                let mut file = self.file()?;
                let encoding = npy::read_header(&mut file, self.len, declared, place)?;
                let offset = self.len - encoding.byte_len();
                Ok((Part { encoding, file, offset, packing: Packing::Bare }, None))
            }
            Format::Npz(archive) => {
                let (position, name) = choose(&archive.names)?;
                Ok((archive.locate(position, declared, self.file()?)?, name))
            }
            Format::Safetensors(archive) => {
                let (position, name) = choose(&archive.names)?;
                Ok((archive.locate(position, declared, self.file()?)?, name))
            }
        }
    }

    /// The file for one reader: two that share one would share its position.
    fn file(&self) -> Result<File> {
        if let Some(file) = self.file.take() {
            return Ok(file);
        }
        let (file, len) = open_file(&self.path)?;
        if len != self.len {
            let what = format!("had {} bytes when it was opened, and has {len}", self.len);
            return Err(Place::file(&self.path).broken(what + "; do it again when nothing writes it"));
        }
        Ok(file)
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
            Some(last) if last.path == path => last,
            _ => Container::open(path)?,
        };
        Ok(self.0.insert(container))
    }
}

/// Whether a file is a tensor file by its extension.
#[must_use]
pub fn is_tensor_file(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["npy", "npz", "safetensors"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// The place of the one tensor in a file that has no names.
fn alone<'a>(path: &'a Path, member: Option<&'a str>) -> Result<Place<'a>> {
    match member {
        None => Ok(Place::file(path)),
        Some(member) => Err(Place::member(path, member)
            .broken("an npy file holds one tensor, without a name; leave out what follows the #")),
    }
}

/// Opens a regular file. Anything else is not even opened: a pipe would block, and a device may act.
fn open_file(path: &Path) -> Result<(File, u64)> {
    let place = Place::file(path);
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(absent(path));
        }
        Err(error) => return Err(Error::read(path, error)),
    };
    if !metadata.is_file() {
        return Err(place.broken(format!("is {}, not a file", kind(metadata.file_type()))));
    }
    let file = File::open(path).map_err(|source| Error::read(path, source))?;
    Ok((file, metadata.len()))
}

#[cfg(unix)]
pub(crate) fn kind(file_type: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match file_type {
        _ if file_type.is_dir() => "a folder",
        _ if file_type.is_fifo() => "a named pipe",
        _ if file_type.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
pub(crate) fn kind(file_type: FileType) -> &'static str {
    if file_type.is_dir() { "a folder" } else { "a device" }
}

/// The error for a path where nothing is, with what is near it.
fn absent(path: &Path) -> Error {
    let place = Place::file(path);
    if let Ok(target) = fs::read_link(path) {
        if let Some(pointer) = Pointer::at(&target) {
            return place.missing(format!("is a {pointer} in place of the tensor; run `{}`", pointer.remedy()));
        }
        return place.missing(format!("is a link to {}, which is not there", target.display()));
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
    let same = |other: &&String| other.to_lowercase() == name.to_lowercase();
    if let Some(other) = names.iter().find(same) {
        return place.missing(format!("no such file; there is {other}, and upper and lower case differ"));
    }
    match nearest(name, names.iter().map(String::as_str), ALIKE) {
        Some(near) => place.missing(format!("no such file; the nearest is {near}")),
        None => place.missing("no such file"),
    }
}
