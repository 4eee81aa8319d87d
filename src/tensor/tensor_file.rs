//! A tensor in its file: its elements as a [`Source`], of which neither the file nor a copy has to fit into memory.

use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, TryLockError};

use flate2::Crc;

use super::buffers::Buffers;
use super::checksum::Checksum;
use super::elements::{AxisOrder, Encoding};
use super::file::Container;
use super::gathered::Gathered;
use super::mapping::Mapping;
use super::part::{Packing, Part};
use super::place::Place;
use super::stream::{Stream, check_sum};
use super::view::view;
use crate::error::{Error, Result};
use crate::tensor::{Access, DType, Slice, Source};

/// How many bytes are read at a time where only their checksum is asked for.
const CHUNK: usize = 4 << 20;

/// One tensor in a `.npy`, `.npz` or `.safetensors` file, whatever its byte order and layout, read as it is visited.
///
/// What [`read_tensor`](super::read_tensor) checks before it answers is checked here when the file is opened, when all
/// elements were visited, and in [`finish`](Source::finish).
///
/// Elements in C order and this machine's byte order are handed out where the system has the file in memory, and are let
/// go of once they were visited; others are turned in buffers of 16 MiB together. Neither grows with the file.
///
/// Three kinds of tensors are visited [in turn](Access::InTurn), by one visitor:
///
/// - deflated members, which are inflated as they are visited;
/// - those in Fortran order: 24 MiB of elements at a time are gathered from all over the file. A pair of 512 MiB takes
///   about 1.2 s as `f32 [11585, 11585]`, and 4 s as `f32 [64, 128, 128, 128]`, where a stretch has 3 indices of the first
///   axis, so that of 64 elements side by side in the file 3 are used each time it is gone through. It is slowest where one
///   index of the first axis has more than 24 MiB: the whole file is then read once for each stretch of them or for part
///   of one, and it is best saved anew in C order;
/// - those that are both, which are inflated to a temporary file as they are first visited.
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
    /// Of a stored member.
    sum: Option<Sum>,
    storage: Storage,
}

/// How the elements come to be.
enum Storage {
    /// Mapped, and turned where they are not as this machine has them.
    Mapped(Mapping, Buffers),
    /// Gathered from all over the file.
    Gathered(Mutex<Scattered>),
    /// Inflated in turn.
    Inflated(Mutex<Inflated>, Buffers),
}

/// Elements all over a file.
enum Scattered {
    /// A stream of them, which is inflated to a file first.
    Packed(Stream),
    /// The stream did not become a file.
    Lost,
    Gathered(Gathered),
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
    /// As [`read_tensor`](super::read_tensor), except for what only the elements can show.
    pub fn open(path: &Path, member: Option<&str>, declared: Option<DType>) -> Result<TensorFile> {
        TensorFile::of(&Container::open(path)?, member, declared)
    }

    /// Opens a tensor of a file that is open. The arguments are those of [`Container::read`].
    ///
    /// # Errors
    ///
    /// As [`open`](TensorFile::open).
    pub fn of(container: &Container, member: Option<&str>, declared: Option<DType>) -> Result<TensorFile> {
        let path = container.path();
        let (Part { encoding, file, offset, packing }, member) = container.locate(member, declared)?;
        let place = of(path, member.as_deref());
        let unreadable = |source| place.unreadable(source);
        let len = file.metadata().map_err(unreadable)?.len();
        let (sum, stream) = match packing {
            Packing::Bare => (None, None),
            Packing::Stored { header, crc } => {
                (Some(Sum { checksum: Checksum::default(), header, declared: crc }), None)
            }
            Packing::Deflated(stream) => (None, Some(stream)),
        };
        let gathered = |scattered| Storage::Gathered(Mutex::new(scattered));
        let storage = match (stream, encoding.axis_order()) {
            (Some(stream), AxisOrder::C) => {
                Storage::Inflated(Mutex::new(Inflated { stream, next: 0 }), Buffers::default())
            }
            (Some(stream), AxisOrder::Fortran) => gathered(Scattered::Packed(stream)),
            (None, AxisOrder::Fortran) => {
                gathered(Scattered::Gathered(Gathered::new(file.try_clone().map_err(unreadable)?, offset)))
            }
            (None, AxisOrder::C) => {
                let mapping = Mapping::new(&file, offset, encoding.byte_len()).map_err(unreadable)?;
                Storage::Mapped(mapping, Buffers::default())
            }
        };
        Ok(TensorFile { path: path.to_path_buf(), member, file, len, encoding, sum, storage })
    }

    fn place(&self) -> Place<'_> {
        of(&self.path, self.member.as_deref())
    }

    /// What belongs to one visitor at a time. Another one would wait for itself where it visits one file as both sides.
    fn alone<'a, T>(&self, mutex: &'a Mutex<T>) -> Result<MutexGuard<'a, T>> {
        match mutex.try_lock() {
            Ok(guard) => Ok(guard),
            Err(TryLockError::Poisoned(left)) => Ok(left.into_inner()),
            Err(TryLockError::WouldBlock) => Err(self.once()),
        }
    }

    /// The error that elements that come in turn are asked for a second time.
    fn once(&self) -> Error {
        self.place().broken("is read from its first element to its last, once; open the file again for each reader")
    }

    /// Hands out mapped bytes, turned where they have to be, and lets go of them.
    fn hand(&self, range: Range<usize>, mapping: &Mapping, buffers: &Buffers, take: &mut dyn FnMut(Slice<'_>)) {
        let (dtype, stored) = (self.dtype(), &mapping.bytes()[range.clone()]);
        if let Some(sum) = &self.sum {
            sum.checksum.add(range.start, stored);
        }
        if self.encoding.is_native()
            && let Some(elements) = view(dtype, stored)
        {
            take(elements);
            mapping.release(range);
            return;
        }
        buffers.with(stored.len(), |buffer| {
            self.encoding.copy_right(stored, buffer);
            mapping.release(range);
            take(seen(dtype, buffer));
        });
    }

    /// The elements in a file of their own, where they are not in one yet.
    fn gather<'a>(&self, scattered: &'a mut Scattered) -> Result<&'a mut Gathered> {
        if let Scattered::Packed(_) = scattered
            && let Scattered::Packed(stream) = std::mem::replace(scattered, Scattered::Lost)
        {
            let file = inflate(stream, self.encoding.byte_len(), self.place())?;
            *scattered = Scattered::Gathered(Gathered::new(file, 0));
        }
        match scattered {
            Scattered::Gathered(gathered) => Ok(gathered),
            Scattered::Packed(_) | Scattered::Lost => Err(self.once()),
        }
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

    /// Holds the checksum of a stored member against the declared one. `read` adds bytes that were not visited.
    fn check_sum(&self, read: impl Fn(Range<usize>, &mut Crc) -> io::Result<()>) -> Result<()> {
        let Some(sum) = &self.sum else { return Ok(()) };
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
            Storage::Mapped(mapping, buffers) => {
                mapping.fetch(bytes.clone()).map_err(|source| self.unfetched(source))?;
                self.hand(bytes, mapping, buffers, take);
                Ok(())
            }
            Storage::Gathered(scattered) => {
                let mut scattered = self.alone(scattered)?;
                let gathered = self.gather(&mut scattered)?;
                let elements = gathered.bytes(range, &self.encoding).map_err(|source| self.unfetched(source))?;
                take(seen(self.dtype(), elements));
                Ok(())
            }
            Storage::Inflated(inflated, buffers) => {
                let mut inflated = self.alone(inflated)?;
                if inflated.next != range.start {
                    return Err(self.once());
                }
                buffers.with(bytes.len(), |buffer| {
                    inflated.stream.read_exact(buffer).map_err(|source| self.place().unreadable(source))?;
                    inflated.next = range.end;
                    self.encoding.set_right(buffer);
                    take(seen(self.dtype(), buffer));
                    Ok(())
                })
            }
        }
    }

    fn finish(&self) -> Result<()> {
        self.check_len()?;
        match &self.storage {
            Storage::Mapped(mapping, _) => self.check_sum(|range, crc| {
                mapping.fetch(range.clone())?;
                crc.update(&mapping.bytes()[range.clone()]);
                mapping.release(range);
                Ok(())
            }),
            Storage::Gathered(scattered) => {
                let mut scattered = self.alone(scattered)?;
                let gathered = &*self.gather(&mut scattered)?;
                self.check_sum(|range, crc| {
                    let mut chunk = vec![0; range.len()];
                    gathered.read(range.start, &mut chunk)?;
                    crc.update(&chunk);
                    Ok(())
                })
            }
            Storage::Inflated(inflated, _) => self.alone(inflated)?.stream.check_end(self.place()),
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
