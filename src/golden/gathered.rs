//! A file in Fortran order, seen in C order: a stretch of positions at a time is gathered from all over the file.

use std::ops::Range;

use super::elements::Encoding;
use super::fortran::{Fortran, LINES};
use super::mapping::{AROUND, Mapping};
use super::view;

/// How many bytes are gathered at a time. The more, the fewer times the file is gone through.
const STRETCH: usize = 24 << 20;

/// How many bytes of the file may be in memory before they are let go of.
const TOUCHED: usize = 8 << 20;

/// The stretch that was gathered last.
#[derive(Default)]
pub(super) struct Gathered {
    memory: Vec<u64>,
    /// The positions in C order of which the elements are in memory.
    positions: Range<usize>,
}

impl Gathered {
    /// The bytes of the elements in that range of positions, as they are in memory. It may begin anywhere, and costs least
    /// where it begins in or behind the one before.
    pub(super) fn bytes(&mut self, range: Range<usize>, mapping: &Mapping, encoding: &Encoding) -> &[u8] {
        let size = encoding.dtype().size();
        if !(self.positions.start <= range.start && range.end <= self.positions.end) {
            self.gather(range.clone(), mapping, encoding);
        }
        let start = (range.start - self.positions.start) * size;
        &view::bytes(&self.memory)[start..start + range.len() * size]
    }

    /// Keeps of the stretch what is still asked for, and gathers what comes after it.
    fn gather(&mut self, range: Range<usize>, mapping: &Mapping, encoding: &Encoding) {
        let size = encoding.dtype().size();
        let capacity = (STRETCH / size).max(range.len()).min(encoding.len());
        let words = (capacity * size).div_ceil(size_of::<u64>());
        if self.memory.len() < words {
            self.memory = vec![0; words];
            self.positions = 0..0;
        }
        let bytes = view::bytes_mut(&mut self.memory);
        let mut kept = 0;
        if self.positions.contains(&range.start) {
            let from = (range.start - self.positions.start) * size;
            kept = self.positions.end - range.start;
            bytes.copy_within(from..from + kept * size, 0);
        }
        let end = encoding.len().min(range.start + capacity);
        let end = Fortran::new(encoding.shape()).round(range.end, end);
        let fresh = &mut bytes[kept * size..(end - range.start) * size];
        let mut touched = Touched::new(mapping);
        encoding.reorder(mapping.bytes(), range.start + kept, fresh, &mut |line, bytes| touched.note(line, bytes));
        touched.release();
        encoding.set_right(fresh);
        self.positions = range.start..end;
    }
}

/// What of a mapping came into memory, so that it goes again in time.
struct Touched<'a> {
    mapping: &'a Mapping,
    /// The last piece that was touched by each of the lines that are read side by side.
    recent: [usize; LINES],
    pieces: usize,
    /// From the first byte to the last, where there is any.
    bytes: Option<Range<usize>>,
}

impl<'a> Touched<'a> {
    fn new(mapping: &'a Mapping) -> Touched<'a> {
        Touched { mapping, recent: [usize::MAX; LINES], pieces: 0, bytes: None }
    }

    /// Takes note of bytes that a line is about to touch.
    fn note(&mut self, line: usize, bytes: Range<usize>) {
        let (first, last) = (bytes.start / AROUND, (bytes.end - 1) / AROUND);
        if first == last && self.recent[line] == first {
            return;
        }
        self.recent[line] = last;
        self.pieces += last - first + 1;
        if self.pieces * AROUND > TOUCHED {
            self.release();
        }
        let all = self.bytes.take().unwrap_or(bytes.clone());
        self.bytes = Some(all.start.min(bytes.start)..all.end.max(bytes.end));
    }

    fn release(&mut self) {
        if let Some(bytes) = self.bytes.take() {
            self.mapping.release(bytes);
        }
        self.pieces = 0;
        self.recent.fill(usize::MAX);
    }
}
