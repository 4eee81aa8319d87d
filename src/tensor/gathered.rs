//! A file in Fortran order, seen in C order: a stretch of positions at a time is gathered from all over the file.

use std::fs::File;
use std::io;
use std::ops::Range;

use super::elements::Encoding;
use super::fortran::Fortran;
use super::view;

/// How many bytes are gathered at a time. The more, the fewer times the file is gone through; two of them are most of what
/// karat may take.
const STRETCH: usize = 24 << 20;

/// The elements in a file, and the stretch of them that was gathered last.
pub(crate) struct Gathered {
    file: File,
    /// Where the elements begin in the file.
    offset: u64,
    memory: Vec<u64>,
    /// The positions in C order of which the elements are in memory.
    positions: Range<usize>,
}

impl Gathered {
    /// The elements from `offset` on in that file.
    pub(crate) fn new(file: File, offset: u64) -> Gathered {
        Gathered { file, offset, memory: Vec::new(), positions: 0..0 }
    }

    /// The bytes of the elements in that range of positions, as this machine has them. It may begin anywhere, and costs
    /// least where it begins in or behind the one before.
    pub(crate) fn bytes(&mut self, range: Range<usize>, encoding: &Encoding) -> io::Result<&[u8]> {
        let size = encoding.dtype().size();
        if !(self.positions.start <= range.start && range.end <= self.positions.end) {
            self.gather(range.clone(), encoding)?;
        }
        let start = (range.start - self.positions.start) * size;
        Ok(&view::bytes(&self.memory)[start..start + range.len() * size])
    }

    /// Reads bytes as they are stored, from that one of the elements' on.
    pub(crate) fn read(&self, start: usize, bytes: &mut [u8]) -> io::Result<()> {
        read_at(&self.file, self.offset + start as u64, bytes)
    }

    /// Keeps of the stretch what is still asked for, and gathers what comes after it.
    fn gather(&mut self, range: Range<usize>, encoding: &Encoding) -> io::Result<()> {
        let size = encoding.dtype().size();
        let capacity = (STRETCH / size).max(range.len()).min(encoding.len());
        let words = (capacity * size).div_ceil(size_of::<u64>());
        let held = std::mem::take(&mut self.positions);
        let mut kept = 0;
        if self.memory.len() < words {
            self.memory = vec![0; words];
        } else if held.contains(&range.start) {
            let start = (range.start - held.start) * size;
            kept = held.end - range.start;
            view::bytes_mut(&mut self.memory).copy_within(start..start + kept * size, 0);
        }
        let end = Fortran::new(encoding.shape()).round(range.end, encoding.len().min(range.start + capacity));
        let fresh = &mut view::bytes_mut(&mut self.memory)[kept * size..(end - range.start) * size];
        let (file, offset) = (&self.file, self.offset);
        encoding.reorder(range.start + kept, fresh, &mut |start, bytes| read_at(file, offset + start as u64, bytes))?;
        encoding.set_right(fresh);
        self.positions = range.start..end;
        Ok(())
    }
}

#[cfg(unix)]
fn read_at(file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// Moves the place in the file that is read next, which nobody else uses.
#[cfg(not(unix))]
fn read_at(mut file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(bytes)
}
