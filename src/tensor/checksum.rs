//! The checksum of bytes that are read in any order, each once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use flate2::Crc;

use crate::error::Result;

/// The CRC-32 of some bytes, range by range.
#[derive(Debug, Default)]
pub(crate) struct Checksum {
    /// By where a range begins: where it ends, and its checksum.
    parts: Mutex<BTreeMap<usize, (usize, Crc)>>,
}

impl Checksum {
    /// Takes note of the bytes at `start`.
    pub(crate) fn add(&self, start: usize, bytes: &[u8]) {
        let mut crc = Crc::new();
        crc.update(bytes);
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.insert(start, (start + bytes.len(), crc));
    }

    /// The checksum of `before` and all `len` bytes after it. What was not noted is asked of `read`.
    pub(crate) fn sum(&self, mut before: Crc, len: usize, read: impl Fn(Range<usize>) -> Result<Crc>) -> Result<u32> {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at = 0;
        while at < len {
            // An empty range leads nowhere, and one that overlaps what is behind is of no use.
            if let Some((end, crc)) = parts.get(&at).filter(|(end, _)| *end > at) {
                before.combine(crc);
                at = *end;
            } else {
                let next = parts.range(at + 1..).next().map_or(len, |(start, _)| *start);
                before.combine(&read(at..next)?);
                at = next;
            }
        }
        Ok(before.sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_all_bytes_however_they_were_read() {
        let bytes: Vec<u8> = (0..200).collect();
        let whole = |bytes: &[u8]| {
            let mut crc = Crc::new();
            crc.update(bytes);
            crc
        };
        for ranges in [vec![], vec![0..100, 100..190], vec![100..190, 0..100], vec![50..60, 55..70, 60..60, 58..58]] {
            let checksum = Checksum::default();
            ranges.iter().for_each(|range| checksum.add(range.start, &bytes[10..][range.clone()]));
            let sum = checksum.sum(whole(&bytes[..10]), 190, |range| Ok(whole(&bytes[10..][range])));
            assert_eq!(sum.expect("nothing fails"), whole(&bytes).sum(), "{ranges:?}");
        }
    }
}
