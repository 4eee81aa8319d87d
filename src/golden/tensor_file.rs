//! A tensor in its file: its elements as a [`Source`], of which neither the file nor a copy has to fit into memory.

use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use flate2::Crc;

use super::buffers::Buffers;
use super::checksum::Checksum;
use super::elements::{AxisOrder, Encoding};
use super::file;
use super::gathered::Gathered;
use super::mapping::Mapping;
use super::part::{Packing, Part};
use super::place::Place;
use super::stream::{Stream, check_sum};
use super::view::view;
use crate::error::{Error, Result};
use crate::numeric::{Access, DType, Slice, Source};

/// How many bytes are read at a time where only their checksum is asked for.
const CHUNK: usize = 4 << 20;

/// One tensor in a `.npy`, `.npz` or `.safetensors` file, whatever its byte order and layout, read as it is visited.
///
/// What [`read_tensor`](super::read_tensor) checks before it answers is checked here when the file is opened, when all
/// elements were visited, and in [`finish`](Source::finish).
///
/// Elements in C order and this machine's byte order are handed out where the system has the file in memory, and are let
/// go of as they are visited; others are turned in buffers of 16 MiB together. Neither grows with the file.
///
/// Three kinds of tensors are visited [in turn](Access::InTurn), by one thread:
///
/// - deflated members, which are inflated as they are visited;
/// - those in Fortran order, 24 MiB of elements at a time, gathered from all over the file. Where a stretch of them spans
///   many indices of the first axis that is one reading of the file's pages for each stretch (1.2 s for 512 MiB of
///   `f32 [11585, 11585]`). Where one index of the first axis has more elements than that, every stretch reads a few bytes
///   of each line of the cache, and takes as long as all of what it skips: it is the slowest that is read, and best
///   saved anew in C order;
/// - those that are both, which are inflated to a temporary file first.
///
/// Where the file becomes shorter while it is read, that is an error as long as it is seen in time. Else Unix raises
/// `SIGBUS`, which ends the process; karat's own command line says why.
pub struct TensorFile {
    path: PathBuf,
    member: Option<String>,
    file: File,
    /// How long the file was when it was opened.
    len: u64,
    encoding: Encoding,
    storage: Storage,
}

/// How the elements come to be.
enum Storage {
    /// Mapped, and turned where they are not as this machine has them.
    Mapped { mapping: Mapping, sum: Option<Sum>, buffers: Buffers },
    /// Gathered from all over the file.
    Gathered { gathered: Mutex<Gathered>, sum: Option<Sum> },
    /// Inflated in turn.
    Inflated { inflated: Mutex<Inflated>, buffers: Buffers },
}

/// What the bytes of a stored member come to.
struct Sum {
    checksum: Checksum,
    header: Crc,
    declared: u32,
}

/// A stream, and the position of the element that comes next.
struct Inflated {
    stream: Stream,
    next: usize,
}

impl TensorFile {
    /// Opens a file, or one member of it. The arguments are those of [`read_tensor`](super::read_tensor).
    ///
    /// # Errors
    ///
    /// As [`read_tensor`](super::read_tensor), except for what only the elements can show. [`Error::Write`] where a
    /// deflated member in Fortran order does not find room in the folder for temporary files.
    pub fn open(path: &Path, member: Option<&str>, declared: Option<DType>) -> Result<TensorFile> {
        let (Part { encoding, file, offset, packing }, member) = file::locate(path, member, declared)?;
        let place = of(path, member.as_deref());
        let unreadable = |source| place.unreadable(source);
        let len = file.metadata().map_err(unreadable)?.len();
        let is_fortran = encoding.axis_order() == AxisOrder::Fortran;
        let gathered = |file, offset, sum| Storage::Gathered { gathered: Mutex::new(Gathered::new(file, offset)), sum };
        let storage = match packing {
            Packing::Deflated(stream) if is_fortran => gathered(inflate(stream, encoding.byte_len(), place)?, 0, None),
            Packing::Deflated(stream) => {
                Storage::Inflated { inflated: Mutex::new(Inflated { stream, next: 0 }), buffers: Buffers::default() }
            }
            Packing::Bare | Packing::Stored { .. } => {
                let sum = match packing {
                    Packing::Stored { header, crc } => {
                        Some(Sum { checksum: Checksum::default(), header, declared: crc })
                    }
                    _ => None,
                };
                match is_fortran {
                    true => gathered(file.try_clone().map_err(unreadable)?, offset, sum),
                    false => {
                        let mapping = Mapping::new(&file, offset, encoding.byte_len()).map_err(unreadable)?;
                        Storage::Mapped { mapping, sum, buffers: Buffers::default() }
                    }
                }
            }
        };
        Ok(TensorFile { path: path.to_path_buf(), member, file, len, encoding, storage })
    }

    fn place(&self) -> Place<'_> {
        of(&self.path, self.member.as_deref())
    }

    /// Hands out stored bytes, turned where they have to be.
    fn hand(&self, stored: &[u8], buffers: &Buffers, take: &mut dyn FnMut(Slice<'_>)) {
        let dtype = self.encoding.dtype();
        if self.encoding.is_native()
            && let Some(elements) = view(dtype, stored)
        {
            return take(elements);
        }
        buffers.with(stored.len(), |buffer| {
            self.encoding.copy_right(stored, buffer);
            take(seen(dtype, buffer));
        });
    }

    /// Why mapped bytes could not be had.
    fn unfetched(&self, source: io::Error) -> Error {
        self.check_len().err().unwrap_or_else(|| self.place().unreadable(source))
    }

    /// Holds the length of the file against what it was: bytes behind its end in its last page are read as zeros.
    fn check_len(&self) -> Result<()> {
        let len = self.file.metadata().map_err(|source| self.place().unreadable(source))?.len();
        if len < self.len {
            let what = format!("became shorter while it was read, {len} bytes of {}", self.len);
            return Err(self.place().broken(what + "; do it again when nothing writes it"));
        }
        Ok(())
    }

    /// Holds the checksum of a stored member against the declared one. `read` gives the bytes that were not visited.
    fn check_sum(&self, sum: &Sum, read: impl Fn(Range<usize>, &mut Crc) -> io::Result<()>) -> Result<()> {
        let mut header = Crc::new();
        header.combine(&sum.header);
        let len = self.encoding.len() * self.dtype().size();
        let found = sum.checksum.sum(header, len, |range| {
            let mut crc = Crc::new();
            for start in range.clone().step_by(CHUNK) {
                read(start..range.end.min(start + CHUNK), &mut crc).map_err(|source| self.unfetched(source))?;
            }
            Ok(crc)
        })?;
        check_sum(found, sum.declared, self.place())
    }
}

impl Source for TensorFile {
    fn dtype(&self) -> DType {
        self.encoding.dtype()
    }

    fn shape(&self) -> &[usize] {
        self.encoding.shape()
    }

    fn access(&self) -> Access {
        match self.storage {
            Storage::Mapped { .. } => Access::Any,
            Storage::Gathered { .. } | Storage::Inflated { .. } => Access::InTurn,
        }
    }

    fn visit(&self, range: Range<usize>, take: &mut dyn FnMut(Slice<'_>)) -> Result<()> {
        let size = self.dtype().size();
        let bytes = range.start * size..range.end * size;
        match &self.storage {
            Storage::Mapped { mapping, sum, buffers } => {
                mapping.fetch(bytes.clone()).map_err(|source| self.unfetched(source))?;
                let stored = &mapping.bytes()[bytes.clone()];
                if let Some(sum) = sum {
                    sum.checksum.add(bytes.start, stored);
                }
                self.hand(stored, buffers, take);
                mapping.release(bytes);
            }
            Storage::Gathered { gathered, .. } => {
                let mut gathered = locked(gathered);
                let elements = gathered.bytes(range, &self.encoding).map_err(|source| self.unfetched(source))?;
                take(seen(self.dtype(), elements));
            }
            Storage::Inflated { inflated, buffers } => {
                let mut inflated = locked(inflated);
                assert_eq!(inflated.next, range.start, "the ranges of a deflated tensor are visited in turn");
                return buffers.with(bytes.len(), |buffer| {
                    inflated.stream.read_exact(buffer).map_err(|source| self.place().unreadable(source))?;
                    inflated.next = range.end;
                    self.encoding.set_right(buffer);
                    take(seen(self.dtype(), buffer));
                    Ok(())
                });
            }
        }
        Ok(())
    }

    fn finish(&self) -> Result<()> {
        self.check_len()?;
        match &self.storage {
            Storage::Mapped { mapping, sum: Some(sum), .. } => self.check_sum(sum, |range, crc| {
                mapping.fetch(range.clone())?;
                crc.update(&mapping.bytes()[range.clone()]);
                mapping.release(range);
                Ok(())
            }),
            Storage::Gathered { gathered, sum: Some(sum) } => {
                let gathered = locked(gathered);
                self.check_sum(sum, |range, crc| {
                    let mut chunk = vec![0; range.len()];
                    gathered.read(range.start, &mut chunk)?;
                    crc.update(&chunk);
                    Ok(())
                })
            }
            Storage::Inflated { inflated, .. } => locked(inflated).stream.check_end(self.place()),
            _ => Ok(()),
        }
    }
}

fn of<'a>(path: &'a Path, member: Option<&'a str>) -> Place<'a> {
    member.map_or(Place::file(path), |member| Place::member(path, member))
}

/// The elements in a buffer of karat's own.
fn seen(dtype: DType, buffer: &[u8]) -> Slice<'_> {
    view(dtype, buffer).expect("a buffer is aligned to 8 bytes, and what is in it has been set right")
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Inflates all elements to a temporary file, which has no name and goes with its last user.
fn inflate(mut stream: Stream, len: u64, place: Place<'_>) -> Result<File> {
    let folder = env::temp_dir();
    let full = |source: io::Error| {
        let what = format!("{source}; {len} bytes of {place} are inflated to it: set TMPDIR to a folder with room");
        Error::write(&folder, io::Error::new(source.kind(), what))
    };
    let mut file = tempfile::tempfile_in(&folder).map_err(full)?;
    let mut chunk = vec![0; CHUNK.min(usize::try_from(len).unwrap_or(CHUNK))];
    let mut left = len;
    while left > 0 {
        let chunk = &mut chunk[..usize::try_from(left).unwrap_or(CHUNK).min(CHUNK)];
        stream.read_exact(chunk).map_err(|source| place.unreadable(source))?;
        io::Write::write_all(&mut file, chunk).map_err(full)?;
        left -= chunk.len() as u64;
    }
    stream.check_end(place)?;
    Ok(file)
}
