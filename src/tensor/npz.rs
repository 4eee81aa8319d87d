//! Many tensors in NumPy's zip: one npy file each, stored or deflated.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rawzip::{
    CompressionMethod, ErrorKind, FileReader, MAX_CENTRAL_DIRECTORY_RECORD_SIZE, ZipArchive, ZipArchiveEntryWayfinder,
    ZipFileHeaderRecord,
};

use super::elements::Encoding;
use super::npy;
use super::part::{Packing, Part};
use super::place::Place;
use super::stream::{self, Stream};
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// The most bytes that one deflated byte can stand for: 258 for each pair of codes of one bit.
pub(crate) const MAX_DEFLATE_RATIO: u64 = 1032;

/// An npz file whose directory has been read.
pub(crate) struct Archive {
    path: PathBuf,
    len: u64,
    zip: ZipArchive<FileReader>,
    /// The names of the tensors, sorted.
    pub(crate) names: Vec<String>,
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

impl Archive {
    /// Reads the directory of a file of `len` bytes.
    pub(crate) fn open(path: &Path, file: &File, len: u64) -> Result<Archive> {
        let place = Place::file(path);
        let mut buffer = vec![0; MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
        let same = file.try_clone().map_err(|source| place.unreadable(source))?;
        let zip = ZipArchive::from_file(same, &mut buffer).map_err(|error| refused(error, place))?;
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
            return Err(Place::member(path, &twins[0].0).broken("is there more than once; make the file again"));
        }
        let (names, entries) = entries.into_iter().unzip();
        Ok(Archive { path: path.to_path_buf(), len, zip, names, entries })
    }

    fn entry(&self, position: usize) -> (&Entry, Place<'_>) {
        (&self.entries[position], Place::member(&self.path, &self.names[position]))
    }

    /// How the tensor at that position among the names is stored.
    pub(crate) fn inspect(&self, position: usize, declared: Option<DType>, file: File) -> Result<Encoding> {
        let (entry, place) = self.entry(position);
        let mut stream = self.stream(entry, file, place)?;
        npy::read_header(&mut stream, entry.location.uncompressed_size_hint(), declared, place)
    }

    /// The tensor at that position among the names.
    pub(crate) fn read(&self, position: usize, declared: Option<DType>, file: File) -> Result<Tensor> {
        let (entry, place) = self.entry(position);
        let mut stream = self.stream(entry, file, place)?;
        let size = stream.size;
        let tensor = npy::read_header(&mut stream, size, declared, place)?.read(&mut stream, place)?;
        stream.check_end(place)?;
        Ok(tensor)
    }

    /// Where the tensor at that position among the names is in the file, and how it is packed.
    pub(crate) fn locate(&self, position: usize, declared: Option<DType>, file: File) -> Result<Part> {
        let (entry, place) = self.entry(position);
        let same = file.try_clone().map_err(|source| place.unreadable(source))?;
        let mut stream = self.stream(entry, same, place)?;
        let size = stream.size;
        let encoding = npy::read_header(&mut stream, size, declared, place)?;
        if entry.method == CompressionMethod::DEFLATE {
            return Ok(Part { encoding, file, offset: 0, packing: Packing::Deflated(stream) });
        }
        let (start, end) = self.range(entry, place)?;
        if end - start > size {
            return Err(stream::beyond(size, place));
        }
        let offset = end - encoding.byte_len();
        let packing = Packing::Stored { header: stream.sum_so_far(), crc: entry.crc };
        Ok(Part { encoding, file, offset, packing })
    }

    /// The entry's bytes as they were before compression. What it declares is possible: it is no more than the file has
    /// bytes for.
    fn stream(&self, entry: &Entry, file: File, place: Place<'_>) -> Result<Stream> {
        if entry.encrypted {
            return Err(place.broken("is encrypted; save it without a password"));
        }
        let (start, end) = self.range(entry, place)?;
        let (packed, size) = (end - start, entry.location.uncompressed_size_hint());
        let (most, is_deflated) = match entry.method {
            CompressionMethod::STORE => (packed, false),
            CompressionMethod::DEFLATE => (packed.saturating_mul(MAX_DEFLATE_RATIO), true),
            method => {
                let what = format!("is compressed by method {method}; karat reads stored and deflated files");
                return Err(place.broken(what + ": use numpy.savez or numpy.savez_compressed"));
            }
        };
        if size > most {
            let what = format!("declares {size} bytes, which its {packed} in the file cannot hold");
            return Err(place.broken(what + "; make the file again"));
        }
        Stream::new(file, start..end, is_deflated, size, entry.crc).map_err(|source| place.unreadable(source))
    }

    /// Where the entry's packed bytes begin and end in the file.
    fn range(&self, entry: &Entry, place: Place<'_>) -> Result<(u64, u64)> {
        let located = self.zip.get_entry(entry.location).map_err(|error| refused(error, place))?;
        let (start, end) = located.compressed_data_range();
        if end > self.len {
            let what = format!("is truncated: it ends at byte {end} of a file of {}; make the file again", self.len);
            return Err(place.broken(what));
        }
        Ok((start, end))
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
