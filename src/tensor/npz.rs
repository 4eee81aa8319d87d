//! Many tensors in NumPy's zip: one npy file each, stored or deflated.

use std::io::{self, Read};
use std::sync::Arc;

use flate2::CrcReader;
use flate2::read::DeflateDecoder;
use rawzip::{
    CompressionMethod, ErrorKind, MAX_CENTRAL_DIRECTORY_RECORD_SIZE, ZipArchive, ZipArchiveEntryWayfinder,
    ZipFileHeaderRecord, ZipLocator,
};

use super::dtype::DType;
use super::file::{Content, Located, OpenFile};
use super::npy;
use super::place::Place;
use crate::error::{Error, Result};

/// The most bytes that one deflated byte can stand for: 258 for each pair of codes of one bit.
pub(super) const MAX_DEFLATE_RATIO: u64 = 1032;

/// How many bytes are read at a time where only their checksum is asked for.
const PIECE: usize = 1 << 16;

/// An npz file whose directory has been read.
pub(super) struct Archive {
    zip: ZipArchive<Arc<OpenFile>>,
    /// The names of the tensors, sorted.
    pub(super) names: Vec<String>,
    /// In the order of the names.
    entries: Vec<Entry>,
}

/// What the zip's directory says of one tensor.
struct Entry {
    location: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
    encrypted: bool,
    crc: u32,
}

/// The bytes of one file in the zip, as they were before they were packed, and what they have to come to.
struct Stream {
    bytes: CrcReader<Box<dyn Read + Send>>,
    /// How many were read.
    read: u64,
    size: u64,
    crc: u32,
}

impl Archive {
    /// Reads the directory.
    pub(super) fn open(file: &Arc<OpenFile>) -> Result<Archive> {
        let place = Place::file(&file.path);
        let mut buffer = vec![0; MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
        let zip = ZipLocator::new()
            .locate_in_reader(Arc::clone(file), &mut buffer, file.len)
            .map_err(|(_, error)| refused(error, place))?;
        let mut entries = Vec::new();
        let mut count = 0;
        let mut directory = zip.entries(&mut buffer);
        while let Some(record) = directory.next_entry().map_err(|error| refused(error, place))? {
            count += 1;
            entries.extend(Entry::new(&record, place)?);
        }
        if count != zip.entries_hint() {
            let what = format!("lists {count} of the {} files it promises; make it again", zip.entries_hint());
            return Err(place.broken(what));
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        if let Some(twins) = entries.windows(2).find(|twins| twins[0].0 == twins[1].0) {
            return Err(Place::member(&file.path, &twins[0].0).broken("is there more than once; make the file again"));
        }
        let (names, entries) = entries.into_iter().unzip();
        Ok(Archive { zip, names, entries })
    }

    /// Finds the tensor at that position among the names. What its entry declares is possible: it is no more than the file has
    /// bytes for.
    pub(super) fn locate(
        &self,
        file: &Arc<OpenFile>,
        position: usize,
        declared: Option<DType>,
        place: Place<'_>,
    ) -> Result<Located> {
        let entry = &self.entries[position];
        if entry.encrypted {
            return Err(place.broken("is encrypted; save it without a password"));
        }
        let located = self.zip.get_entry(entry.location).map_err(|error| refused(error, place))?;
        let (start, end) = located.compressed_data_range();
        if end > file.len {
            let what = format!("is truncated: it ends at byte {end} of a file of {}; make the file again", file.len);
            return Err(place.broken(what));
        }
        let (packed, size) = (end - start, entry.location.uncompressed_size_hint());
        let stored = file.range(start, end);
        let (most, bytes): (u64, Box<dyn Read + Send>) = match entry.method {
            CompressionMethod::STORE => (packed, Box::new(stored)),
            CompressionMethod::DEFLATE => {
                (packed.saturating_mul(MAX_DEFLATE_RATIO), Box::new(DeflateDecoder::new(stored)))
            }
            method => {
                let what = format!("is compressed by method {method}; karat reads stored and deflated files");
                return Err(place.broken(what + ": use numpy.savez or numpy.savez_compressed"));
            }
        };
        if size > most {
            let what = format!("declares {size} bytes, which its {packed} in the file cannot hold");
            return Err(place.broken(what + "; make the file again"));
        }
        let mut stream = Stream { bytes: CrcReader::new(bytes), read: 0, size, crc: entry.crc };
        let encoding = npy::read_header(&mut stream, size, declared, place)?;
        let offset = (entry.method == CompressionMethod::STORE).then_some(start + stream.read);
        Ok(Located { encoding, content: Box::new(stream), offset })
    }
}

impl Entry {
    /// The entry of that record, and the name of its tensor: as in NumPy what is before `.npy`, or all of another name.
    /// Whether it is a tensor shows when it is read. `None` where it is a folder.
    fn new(record: &ZipFileHeaderRecord<'_>, place: Place<'_>) -> Result<Option<(String, Entry)>> {
        let path = record.file_path();
        let Ok(name) = std::str::from_utf8(path.as_bytes()) else {
            let name = String::from_utf8_lossy(path.as_bytes()).into_owned();
            return Err(place.broken(format!("has a member named {name:?}, which is not UTF-8; rename it")));
        };
        if name.ends_with('/') && record.uncompressed_size_hint() == 0 {
            return Ok(None);
        }
        let entry = Entry {
            location: record.wayfinder(),
            method: record.compression_method(),
            encrypted: record.flags().is_encrypted(),
            crc: record.crc32(),
        };
        Ok(Some((name.strip_suffix(".npy").unwrap_or(name).to_owned(), entry)))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        self.read += read as u64;
        Ok(read)
    }
}

impl Content for Stream {
    /// Holds the bytes against what was declared.
    fn check_end(&mut self, place: Place<'_>) -> Result<()> {
        let mut piece = vec![0; PIECE];
        while self.read <= self.size && self.read(&mut piece).map_err(|source| place.unreadable(source))? > 0 {}
        if self.read > self.size {
            return Err(
                place.broken(format!("inflates beyond the {} bytes it declares; make the file again", self.size))
            );
        }
        if self.bytes.crc().sum() != self.crc {
            return Err(place.broken("is damaged: its checksum is another; make the file again"));
        }
        Ok(())
    }
}

/// What the zip's reader says, in terms of an npz file.
fn refused(error: rawzip::Error, place: Place<'_>) -> Error {
    match error.into_kind() {
        ErrorKind::IO(source) if source.kind() != io::ErrorKind::UnexpectedEof => place.unreadable(source),
        ErrorKind::MissingEndOfCentralDirectory => {
            place.broken("is no npz file, or a truncated one: no zip directory at its end; make it again")
        }
        ErrorKind::IO(_) | ErrorKind::Eof => place.broken("is truncated: its zip directory points past its end"),
        kind => place.broken(format!("is no sound zip ({kind}); make it again")),
    }
}
