//! Tensor files: `.npy` with one tensor, `.npz` and `.safetensors` with many.
//!
//! Everything that a header declares is checked against the size of the file first. A broken file is an error that describes the
//! problem, never a panic, an abort or a hang.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rawzip::ReaderAt as _;

use super::dtype::{DType, Slice};
use super::file::{EncodedTensor, Encoding, Fault, Locator, OpenFile, broken};
use super::tensor::{Buffer, Source, Tensor};
use super::{npy, npz, safetensors};
use crate::error::Result;
use crate::text::name::nearest;

/// The maximum number of names that a message lists.
const MAX_LISTED: usize = 8;

/// The contents of a tensor file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contents {
    /// One unnamed tensor.
    Tensor,
    /// The names of several tensors, sorted.
    Members(Vec<String>),
}

/// The dtype and shape of a tensor in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// The type of the elements.
    pub dtype: DType,
    /// The extent of each axis; empty for a scalar.
    pub shape: Vec<usize>,
}

/// An open tensor file, whose directory is read once for all its tensors.
pub struct Container {
    file: Arc<OpenFile>,
    tensors: Tensors,
}

/// The tensors of a file.
enum Tensors {
    One(Locator),
    Many(BTreeMap<String, Locator>),
}

/// Reads one tensor from a `.npy`, `.npz` or `.safetensors` file, whatever its byte order and layout.
///
/// `member` names the tensor in a file of several; it is optional if there is only one. `declared` is the dtype of a tensor
/// whose dtype NumPy cannot name: `.npy` and `.npz` store bf16 as `V2`, and 8-bit floats as `V1`. It is an error if the
/// declared dtype is not the tensor's.
///
/// Reads only the elements of that tensor, and uses no more memory than they need (twice as much in Fortran order). To read
/// several tensors of one file, use [`Container`], which reads its directory once.
///
/// # Errors
///
/// [`Error::Missing`](crate::Error::Missing) if the file or member does not exist (the message suggests a similar name), or if
/// the file is a pointer of Git LFS or git-annex. [`Error::Tensor`](crate::Error::Tensor) if the file is not a regular file, is
/// invalid, or has a dtype that karat does not support. [`Error::Read`](crate::Error::Read) if the operating system fails to
/// read it.
pub fn read_tensor(path: &Path, member: Option<&str>, declared: Option<DType>) -> Result<Tensor> {
    Container::open(path)?.read(member, declared)
}

/// Reads the dtype and shape of one tensor, but not its elements. The arguments are those of [`read_tensor`].
///
/// # Errors
///
/// As for [`read_tensor`], except errors that only the elements can show, such as a wrong checksum.
pub fn inspect(path: &Path, member: Option<&str>, declared: Option<DType>) -> Result<Header> {
    Container::open(path)?.locate(member, declared, |_, EncodedTensor { encoding, .. }| {
        Ok(Header { dtype: encoding.dtype, shape: encoding.shape })
    })
}

/// Returns whether a file is large enough to contain a tensor of more bytes than that.
#[cfg(feature = "harness")]
pub(crate) fn may_exceed(path: &Path, bytes: usize) -> bool {
    let ratio = if extension(path) == "npz" { npz::MAX_DEFLATE_RATIO } else { 1 };
    std::fs::metadata(path).is_ok_and(|metadata| metadata.len().saturating_mul(ratio) > bytes as u64)
}

/// Lists the tensors in a file. Members of an npz file are named without `.npy`; those that are not tensors are listed too.
///
/// # Errors
///
/// As for [`read_tensor`]; the tensors themselves are not checked.
pub fn contents(path: &Path) -> Result<Contents> {
    Ok(Container::open(path)?.contents())
}

/// Returns whether a file has the extension of a tensor file.
#[must_use]
pub fn is_tensor_file(path: &Path) -> bool {
    ["npy", "npz", "safetensors"].contains(&extension(path).as_str())
}

fn extension(path: &Path) -> String {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase()
}

impl Container {
    /// Opens a file, and reads its directory.
    ///
    /// # Errors
    ///
    /// As for [`read_tensor`]; the tensors themselves are not checked.
    pub fn open(path: &Path) -> Result<Container> {
        let file = OpenFile::open(path).map_err(|fault| fault.at(path, None))?;
        let members = match extension(path).as_str() {
            "npy" => return Ok(Container { file, tensors: Tensors::One(Box::new(npy::locate)) }),
            "npz" => npz::members(&file),
            "safetensors" => safetensors::members(&file),
            _ => Err(broken!("does not have the extension of a tensor file; karat reads .npy, .npz and .safetensors")),
        };
        let mut tensors = BTreeMap::new();
        for (name, locate) in members.map_err(|fault| fault.at(path, None))? {
            if tensors.contains_key(&name) {
                return Err(broken!("occurs more than once; regenerate the file").at(path, Some(&name)));
            }
            tensors.insert(name, locate);
        }
        Ok(Container { file, tensors: Tensors::Many(tensors) })
    }

    /// Lists the tensors in the file, like [`contents`].
    #[must_use]
    pub fn contents(&self) -> Contents {
        match &self.tensors {
            Tensors::One(_) => Contents::Tensor,
            Tensors::Many(tensors) => Contents::Members(tensors.keys().cloned().collect()),
        }
    }

    /// Reads one tensor. The arguments and errors are those of [`read_tensor`].
    ///
    /// # Errors
    ///
    /// As for [`read_tensor`]; [`Error::Tensor`](crate::Error::Tensor) if the file has changed since it was opened.
    pub fn read(&self, member: Option<&str>, declared: Option<DType>) -> Result<Tensor> {
        self.locate(member, declared, |_, tensor| tensor.read())
    }

    /// Opens one tensor, whose elements are read on demand where possible. The arguments and errors are those of [`read_tensor`].
    ///
    /// # Errors
    ///
    /// As for [`Container::read`].
    pub fn tensor(&self, member: Option<&str>, declared: Option<DType>) -> Result<TensorFile> {
        self.locate(member, declared, |name, tensor| {
            let encoding = tensor.encoding.clone();
            let elements = match tensor.start {
                Some(start) => tensor.content.check_end().map(|()| Elements::InFile { start })?,
                None => Elements::Whole { tensor: OnceLock::new(), pending: Mutex::new(Some(tensor)) },
            };
            Ok(TensorFile { file: Arc::clone(&self.file), member: name.map(str::to_owned), encoding, elements })
        })
    }

    /// Finds one tensor, and calls `then` with its name. Adds the location to every fault.
    fn locate<T>(
        &self,
        member: Option<&str>,
        declared: Option<DType>,
        then: impl FnOnce(Option<&str>, EncodedTensor) -> Result<T, Fault>,
    ) -> Result<T> {
        let path = &self.file.path;
        self.file.check_len().map_err(|fault| fault.at(path, None))?;
        let (name, locate) = self.choose(member).map_err(|fault| fault.at(path, member))?;
        locate(&self.file, declared).and_then(|tensor| then(name, tensor)).map_err(|fault| fault.at(path, name))
    }

    /// Returns the tensor of that name, or the only one.
    fn choose(&self, member: Option<&str>) -> Result<(Option<&str>, &Locator), Fault> {
        let tensors = match (&self.tensors, member) {
            (Tensors::Many(tensors), _) => tensors,
            (Tensors::One(locate), None) => return Ok((None, locate)),
            (Tensors::One(_), Some(_)) => {
                return Err(broken!("an .npy file contains one unnamed tensor; remove the # and the name after it"));
            }
        };
        let only = tensors.first_key_value().filter(|_| tensors.len() == 1);
        if let Some((name, locate)) = member.map_or(only, |member| tensors.get_key_value(member)) {
            return Ok((Some(name), locate));
        }
        let names: Vec<&str> = tensors.keys().map(String::as_str).collect();
        let mut list = names[..names.len().min(MAX_LISTED)].join(", ");
        if names.len() > MAX_LISTED {
            list += &format!(" and {} more", names.len() - MAX_LISTED);
        }
        Err(match (member, names.first()) {
            (Some(_), None) => Fault::Missing("no such tensor: the file contains none".to_owned()),
            (Some(member), Some(_)) => {
                let near = nearest(member, names).map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
                Fault::Missing(format!("no such tensor{near}; the file contains {list}"))
            }
            (None, None) => broken!("contains no tensors"),
            (None, Some(first)) => {
                broken!("contains {} tensors; append the name of one, as in #{first}; it contains {list}", names.len())
            }
        })
    }
}

/// Reads tensors of several files. Consecutive reads from the same file open it once.
#[derive(Default)]
pub struct Containers(Option<Container>);

impl Containers {
    /// Returns the open file at that path.
    ///
    /// # Errors
    ///
    /// As for [`Container::open`].
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
/// Elements in C order are read on demand, so the tensor does not have to fit into memory. If they are deflated or in Fortran
/// order, all are read when the first is needed.
pub struct TensorFile {
    file: Arc<OpenFile>,
    member: Option<String>,
    encoding: Encoding,
    elements: Elements,
}

/// The location of the elements.
enum Elements {
    /// In memory. One thread reads all of them when the first is needed.
    Whole {
        tensor: OnceLock<Tensor>,
        pending: Mutex<Option<EncodedTensor>>,
    },
    InFile {
        start: u64,
    },
}

impl TensorFile {
    /// Opens a file, or one member of it. The arguments are those of [`inspect`].
    ///
    /// # Errors
    ///
    /// As for [`read_tensor`].
    pub fn open(path: &Path, member: Option<&str>, declared: Option<DType>) -> Result<TensorFile> {
        Container::open(path)?.tensor(member, declared)
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
        let start = match &self.elements {
            Elements::Whole { tensor, pending } => {
                let wrong = |fault: Fault| fault.at(&self.file.path, self.member.as_deref());
                if let Some(encoded) = pending.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    let whole = encoded.read().map_err(wrong)?;
                    tensor.get_or_init(|| whole);
                }
                let whole = tensor.get().ok_or_else(|| wrong(broken!("could not be read earlier")))?;
                return whole.read(positions, buffer);
            }
            Elements::InFile { start } => *start,
        };
        let size = self.encoding.dtype.size();
        let bytes = buffer.bytes(positions.len() * size);
        if let Err(source) = self.file.read_exact_at(bytes, start + (positions.start * size) as u64) {
            self.file.check_len().map_err(|fault| fault.at(&self.file.path, None))?;
            return Err(Fault::from(source).at(&self.file.path, self.member.as_deref()));
        }
        self.encoding.to_native(bytes);
        Ok(Slice::from_bytes(self.dtype(), bytes).expect("a buffer is aligned, and its bytes are native"))
    }
}
