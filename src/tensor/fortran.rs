//! From Fortran order into C order, a range at a time.
//!
//! A range of positions in C order is a few boxes: some indices fixed, a range of the next, and all of the others. A box
//! is copied tile by tile, so that what is written is whole lines of the cache, and what is read lies in few places.

use std::io;
use std::ops::Range;

/// How many bytes a row of a tile has: a line of the cache.
const ROW: usize = 64;

/// How many columns a tile has at least.
const COLUMNS: usize = 8;

/// How many rows are written before the next column is: each is in a page of its own, of which the processor has few at
/// hand.
const ROWS: usize = 64;

/// How many bytes of the file are read at a time for each column of a tile, unless one element alone takes more.
const WINDOW: usize = 1 << 16;

/// How many bytes between two that are asked for are read rather than skipped: that takes as long as another call.
const GAP: usize = 1 << 12;

/// Reads bytes as they are stored, from that one of the elements' on.
pub(crate) type Read<'a> = dyn FnMut(usize, &mut [u8]) -> io::Result<()> + 'a;

/// The extents of a tensor in Fortran order, and how far one step along each axis leads.
pub(crate) struct Fortran {
    extents: Vec<usize>,
    /// In what is stored.
    from: Vec<usize>,
    /// In C order.
    to: Vec<usize>,
}

/// Consecutive positions in C order: the indices before `axis` are fixed, that of `axis` is in a range, and all after it
/// take every value.
struct Block {
    axis: usize,
    indices: Range<usize>,
    /// Where the element is stored of which every free index is 0.
    base: usize,
}

impl Fortran {
    /// For a tensor of that shape.
    pub(crate) fn new(shape: &[usize]) -> Fortran {
        let extents: Vec<usize> = shape.iter().copied().filter(|&extent| extent != 1).collect();
        let steps = |extents: &mut dyn Iterator<Item = &usize>| {
            let step = |step: &mut usize, extent: &usize| Some(std::mem::replace(step, *step * extent));
            extents.scan(1, step).collect::<Vec<usize>>()
        };
        let from = steps(&mut extents.iter());
        let mut to = steps(&mut extents.iter().rev());
        to.reverse();
        Fortran { extents, from, to }
    }

    /// Copies the elements of `N` bytes from position `start` in C order to `out`, as many as fit. They are asked of
    /// `read`, mostly in ascending order.
    pub(crate) fn gather<const N: usize>(&self, start: usize, out: &mut [u8], read: &mut Read<'_>) -> io::Result<()> {
        let (mut out, _) = out.as_chunks_mut::<N>();
        if self.extents.is_empty() {
            return read(start * N, out.as_flattened_mut());
        }
        let mut blocks = Vec::new();
        if !out.is_empty() {
            self.cut(0, 0, start..start + out.len(), &mut blocks);
        }
        let mut tile = Tile { held: 0..0, bytes: Vec::new() };
        for Block { axis, indices, base } in blocks {
            let step = self.from[axis] * N;
            let rows = if step > GAP { 1 } else { WINDOW / step };
            for first in indices.clone().step_by(rows) {
                let block = Block { axis, indices: first..indices.end.min(first + rows), base };
                let (own, rest) = out.split_at_mut(block.indices.len() * self.to[axis]);
                self.copy(&block, own, &mut tile, read)?;
                out = rest;
            }
        }
        Ok(())
    }

    /// The largest position in C order up to `end`, and not below `least`, where a range can end so that few blocks are
    /// cut: a multiple of as many whole axes as possible.
    pub(crate) fn round(&self, least: usize, end: usize) -> usize {
        let multiples = self.to.iter().map(|step| end / step * step);
        multiples.into_iter().find(|&multiple| multiple >= least).unwrap_or(end)
    }

    /// Cuts a range of positions, counted from where all indices from `axis` on are 0, into blocks in their order.
    fn cut(&self, axis: usize, base: usize, range: Range<usize>, blocks: &mut Vec<Block>) {
        let (from, to) = (self.from[axis], self.to[axis]);
        let (mut first, last) = (range.start / to, range.end / to);
        if first == last {
            let offset = first * to;
            return self.cut(axis + 1, base + first * from, range.start - offset..range.end - offset, blocks);
        }
        let (head, tail) = (range.start % to, range.end % to);
        if head > 0 {
            self.cut(axis + 1, base + first * from, head..to, blocks);
            first += 1;
        }
        if first < last {
            blocks.push(Block { axis, indices: first..last, base });
        }
        if tail > 0 {
            self.cut(axis + 1, base + last * from, 0..tail, blocks);
        }
    }

    /// Copies a block: for each combination of the indices between, in the order of the file, a tile along the block's
    /// axis and the last one.
    fn copy<const N: usize>(
        &self,
        block: &Block,
        out: &mut [[u8; N]],
        tile: &mut Tile<N>,
        read: &mut Read<'_>,
    ) -> io::Result<()> {
        let last = self.extents.len() - 1;
        let (step, base) = (self.from[block.axis], block.base + block.indices.start * self.from[block.axis]);
        let span = (block.indices.len() - 1) * step + 1;
        if block.axis == last {
            tile.read(base, 0, 1, 0..span, read)?;
            out.iter_mut().zip(tile.column(0).iter().step_by(step)).for_each(|(to, from)| *to = *from);
            return Ok(());
        }
        let between = block.axis + 1..last;
        let reach = between.clone().map(|axis| (self.extents[axis] - 1) * self.from[axis]).sum::<usize>() + span;
        let is_dense = (self.from[block.axis + 1] - span) * N <= GAP;
        let most = if is_dense { span.max(WINDOW / N) } else { span };
        let mut index = vec![0; between.len()];
        let columns = (ROW / N).max(COLUMNS);
        for column in (0..self.extents[last]).step_by(columns) {
            let columns = columns.min(self.extents[last] - column);
            let stride = self.from[last];
            tile.held = 0..0;
            loop {
                let (mut from, mut to) = (0, column);
                for (&i, axis) in index.iter().zip(between.clone()) {
                    from += i * self.from[axis];
                    to += i * self.to[axis];
                }
                if !(tile.held.start <= from && from + span <= tile.held.end) {
                    let window = from..reach.min(from + most);
                    tile.read(base + column * stride, stride, columns, window, read)?;
                }
                for row in (0..block.indices.len()).step_by(ROWS) {
                    let rows = ROWS.min(block.indices.len() - row);
                    let (from, to) = (from - tile.held.start + row * step, to + row * self.to[block.axis]);
                    for column in 0..columns {
                        let found = tile.column(column)[from..].iter().step_by(step);
                        let lines = out[to + column..].iter_mut().step_by(self.to[block.axis]);
                        lines.zip(found).take(rows).for_each(|(to, from)| *to = *from);
                    }
                }
                if !advance(&mut index, &self.extents[between.clone()]) {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// What was read last, the same of each column.
struct Tile<const N: usize> {
    /// Which elements, counted from the first of the column.
    held: Range<usize>,
    bytes: Vec<[u8; N]>,
}

impl<const N: usize> Tile<N> {
    /// Reads those elements of columns that begin at `base` and are `stride` apart.
    fn read(
        &mut self,
        base: usize,
        stride: usize,
        columns: usize,
        held: Range<usize>,
        read: &mut Read<'_>,
    ) -> io::Result<()> {
        self.bytes.resize(self.bytes.len().max(columns * held.len()), [0; N]);
        self.held = held;
        for (column, bytes) in self.bytes.chunks_mut(self.held.len()).take(columns).enumerate() {
            read((base + column * stride + self.held.start) * N, bytes.as_flattened_mut())?;
        }
        Ok(())
    }

    fn column(&self, column: usize) -> &[[u8; N]] {
        &self.bytes[column * self.held.len()..][..self.held.len()]
    }
}

/// The next combination of indices, the first one fastest; whether there was one. After the last comes the first.
fn advance(index: &mut [usize], extents: &[usize]) -> bool {
    for (i, extent) in index.iter_mut().zip(extents) {
        *i += 1;
        if *i < *extent {
            return true;
        }
        *i = 0;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The positions in Fortran order of every element in C order, by index arithmetic alone.
    fn expected(shape: &[usize]) -> Vec<u16> {
        let len: usize = shape.iter().product();
        let position = |mut c: usize| {
            let mut index = vec![0; shape.len()];
            for (i, extent) in index.iter_mut().zip(shape).rev() {
                (*i, c) = (c % extent, c / extent);
            }
            index.iter().zip(shape).rev().fold(0, |at, (i, extent)| at * extent + i)
        };
        (0..len).map(|c| position(c) as u16).collect()
    }

    #[test]
    fn any_range_of_any_shape_is_gathered() {
        let shapes: [&[usize]; 9] = [
            &[3, 4],
            &[1, 3, 1, 4],
            &[2, 3, 5],
            &[2, 70],
            &[70, 2],
            &[3, 2, 2, 4],
            &[4, 1, 33, 3],
            &[2, 3, 4, 5, 2],
            &[5],
        ];
        for shape in shapes {
            let expected = expected(shape);
            let stored: Vec<u8> = (0..expected.len() as u16).flat_map(u16::to_le_bytes).collect();
            let fortran = Fortran::new(shape);
            for start in 0..expected.len() {
                for end in start..=expected.len() {
                    let mut out = vec![0; 2 * (end - start)];
                    let mut read = |start: usize, bytes: &mut [u8]| {
                        bytes.copy_from_slice(&stored[start..start + bytes.len()]);
                        Ok(())
                    };
                    fortran.gather::<2>(start, &mut out, &mut read).expect("memory can be read");
                    let found: Vec<u16> = out.as_chunks().0.iter().map(|x| u16::from_le_bytes(*x)).collect();
                    assert_eq!(found, expected[start..end], "{shape:?} {start}..{end}");
                }
            }
        }
    }

    #[test]
    fn a_range_ends_where_it_cuts_few_blocks() {
        let fortran = Fortran::new(&[4, 10, 10]);
        assert_eq!(fortran.round(100, 399), 300);
        assert_eq!(fortran.round(301, 399), 390);
        assert_eq!(fortran.round(395, 399), 399);
        assert_eq!(Fortran::new(&[]).round(0, 1), 1);
    }
}
