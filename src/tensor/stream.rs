//! The bytes of one file in a zip, as they were before they were packed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Take};
use std::ops::Range;

use flate2::read::DeflateDecoder;
use flate2::{Crc, CrcReader};

use super::place::Place;
use crate::error::{Error, Result};

/// The bytes in turn, and what they have to come to.
pub(crate) struct Stream {
    bytes: CrcReader<Unpacked>,
    /// How many they are.
    pub(crate) size: u64,
    /// Their checksum.
    pub(crate) crc: u32,
}

enum Unpacked {
    Stored(Take<File>),
    Deflated(Box<DeflateDecoder<Take<File>>>),
}

impl Stream {
    /// Of the bytes in that range of the file, which nothing else reads meanwhile.
    pub(crate) fn new(mut file: File, range: Range<u64>, is_deflated: bool, size: u64, crc: u32) -> io::Result<Stream> {
        file.seek(SeekFrom::Start(range.start))?;
        let packed = file.take(range.end - range.start);
        let unpacked = match is_deflated {
            false => Unpacked::Stored(packed),
            true => Unpacked::Deflated(Box::new(DeflateDecoder::new(packed))),
        };
        Ok(Stream { bytes: CrcReader::new(unpacked), size, crc })
    }

    /// The checksum of what was read so far.
    pub(crate) fn sum_so_far(&self) -> Crc {
        let mut crc = Crc::new();
        crc.combine(self.bytes.crc());
        crc
    }

    /// Holds what came against what was declared, once all bytes were read.
    pub(crate) fn check_end(&mut self, place: Place<'_>) -> Result<()> {
        if self.read(&mut [0]).map_err(|source| place.unreadable(source))? > 0 {
            return Err(beyond(self.size, place));
        }
        check_sum(self.bytes.crc().sum(), self.crc, place)
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Unpacked::Stored(bytes) => bytes.read(buffer),
            Unpacked::Deflated(bytes) => bytes.read(buffer),
        }
    }
}

/// Holds the checksum of all bytes against the declared one.
pub(crate) fn check_sum(found: u32, declared: u32, place: Place<'_>) -> Result<()> {
    if found == declared {
        return Ok(());
    }
    Err(place.broken("is damaged: its checksum is another; make the file again"))
}

/// The error that there are more bytes than were declared.
pub(crate) fn beyond(size: u64, place: Place<'_>) -> Error {
    place.broken(format!("inflates beyond the {size} bytes it declares; make the file again"))
}
