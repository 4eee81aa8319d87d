//! Tensor files: `.npy` with one tensor, `.npz` and `.safetensors` with many.
//!
//! Nothing that a file claims is believed before it is held against the file's size: a broken file is an error that
//! says what is wrong with it, never a panic, an abort or a hang.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rawzip::ReaderAt as _;

use super::dtype::{DType, Slice};
use super::file::{Encoding, Fault, Locate, Located, OpenFile, broken};
use super::tensor::{Buffer, Source, Tensor};
use super::{npy, npz, safetensors};
use crate::error::Result;
use crate::text::name::nearest;

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
    tensors: Tensors,
}

/// How each tensor of a file is found.
enum Tensors {
    One(Locate),
    Many(BTreeMap<String, Locate>),
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
    Container::open(path)?.locate(member, declared, |_, Located { encoding: Encoding { dtype, shape, .. }, .. }| {
        Ok(Header { dtype, shape })
    })
}

/// Whether a file is large enough to hold a tensor of more bytes than that.
#[cfg(feature = "harness")]
pub(crate) fn may_exceed(path: &Path, bytes: usize) -> bool {
    let ratio = if extension(path) == "npz" { npz::MAX_DEFLATE_RATIO } else { 1 };
    std::fs::metadata(path).is_ok_and(|metadata| metadata.len().saturating_mul(ratio) > bytes as u64)
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
        let file = OpenFile::open(path).map_err(|fault| fault.at(path, None))?;
        let members = match extension(path).as_str() {
            "npy" => return Ok(Container { file, tensors: Tensors::One(Box::new(npy::locate)) }),
            "npz" => npz::members(&file),
            "safetensors" => safetensors::members(&file),
            _ => Err(broken!("is no tensor file by its name; karat reads .npy, .npz and .safetensors")),
        };
        let mut tensors = BTreeMap::new();
        for (name, locate) in members.map_err(|fault| fault.at(path, None))? {
            if tensors.contains_key(&name) {
                return Err(broken!("is there more than once; make the file again").at(path, Some(&name)));
            }
            tensors.insert(name, locate);
        }
        Ok(Container { file, tensors: Tensors::Many(tensors) })
    }

    /// The tensors in the file. As [`contents`].
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
    /// As [`read_tensor`]; [`Error::Tensor`](crate::Error::Tensor) where the file has changed since it was opened.
    pub fn read(&self, member: Option<&str>, declared: Option<DType>) -> Result<Tensor> {
        self.locate(member, declared, |_, located| located.read())
    }

    /// Opens one tensor, whose elements may be read as they are asked for. The arguments and errors are those of
    /// [`read_tensor`].
    ///
    /// # Errors
    ///
    /// As [`Container::read`].
    pub fn tensor(&self, member: Option<&str>, declared: Option<DType>) -> Result<TensorFile> {
        self.locate(member, declared, |name, located| {
            let encoding = located.encoding.clone();
            let elements = match located.start {
                Some(start) => located.content.check_end().map(|()| Elements::InFile { start })?,
                None => Elements::Whole { tensor: OnceLock::new(), unread: Mutex::new(Some(located)) },
            };
            Ok(TensorFile { file: Arc::clone(&self.file), member: name.map(str::to_owned), encoding, elements })
        })
    }

    /// Finds one tensor, and passes it on with its name. Any fault is an error at its place.
    fn locate<T>(
        &self,
        member: Option<&str>,
        declared: Option<DType>,
        then: impl FnOnce(Option<&str>, Located) -> Result<T, Fault>,
    ) -> Result<T> {
        let path = &self.file.path;
        self.file.check_len().map_err(|fault| fault.at(path, None))?;
        let (name, locate) = self.choose(member).map_err(|fault| fault.at(path, member))?;
        locate(&self.file, declared).and_then(|located| then(name, located)).map_err(|fault| fault.at(path, name))
    }

    /// The tensor asked for; the only one where none is.
    fn choose(&self, member: Option<&str>) -> Result<(Option<&str>, &Locate), Fault> {
        let tensors = match (&self.tensors, member) {
            (Tensors::Many(tensors), _) => tensors,
            (Tensors::One(locate), None) => return Ok((None, locate)),
            (Tensors::One(_), Some(_)) => {
                return Err(broken!("an npy file holds one tensor, without a name; leave out what follows the #"));
            }
        };
        let only = tensors.first_key_value().filter(|_| tensors.len() == 1);
        if let Some((name, locate)) = member.map_or(only, |member| tensors.get_key_value(member)) {
            return Ok((Some(name), locate));
        }
        let names: Vec<&str> = tensors.keys().map(String::as_str).collect();
        let mut list = names[..names.len().min(LISTED)].join(", ");
        if names.len() > LISTED {
            list += &format!(" and {} more", names.len() - LISTED);
        }
        Err(match (member, names.first()) {
            (Some(_), None) => Fault::Missing("no such tensor: the file holds none".to_owned()),
            (Some(member), Some(_)) => {
                let near = nearest(member, names).map(|near| format!("; the nearest is {near}")).unwrap_or_default();
                Fault::Missing(format!("no such tensor{near}; the file holds {list}"))
            }
            (None, None) => broken!("holds no tensor"),
            (None, Some(first)) => broken!(
                "holds {} tensors and none was named: append its name, as in #{first}; it holds {list}",
                names.len()
            ),
        })
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
/// in Fortran order are read as a whole when the first is asked for.
pub struct TensorFile {
    file: Arc<OpenFile>,
    member: Option<String>,
    encoding: Encoding,
    elements: Elements,
}

/// Where the elements are.
enum Elements {
    /// Read when the first is asked for, by one thread.
    Whole {
        tensor: OnceLock<Tensor>,
        unread: Mutex<Option<Located>>,
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
    /// As [`read_tensor`].
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
            Elements::Whole { tensor, unread } => {
                let wrong = |fault: Fault| fault.at(&self.file.path, self.member.as_deref());
                if let Some(located) = unread.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    let whole = located.read().map_err(wrong)?;
                    tensor.get_or_init(|| whole);
                }
                let whole = tensor.get().ok_or_else(|| wrong(broken!("could not be read before")))?;
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
        self.encoding.set_right(bytes);
        Ok(Slice::from_bytes(self.dtype(), bytes).expect("a buffer is aligned, and what is in it has been set right"))
    }
}
