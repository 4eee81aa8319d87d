//! `.npz`: a zip of npy files, stored or deflated.

use std::io;
use std::sync::Arc;

use flate2::read::DeflateDecoder;
use rawzip::{
    CompressionMethod, ErrorKind, MAX_CENTRAL_DIRECTORY_RECORD_SIZE, ZipArchive, ZipArchiveEntryWayfinder,
    ZipFileHeaderRecord, ZipLocator,
};

use super::dtype::DType;
use super::file::{Content, EncodedTensor, Fault, Locator, OpenFile, broken};
use super::npy;

/// The maximum compression ratio of deflate: 258 bytes for each pair of one-bit codes.
pub(super) const MAX_DEFLATE_RATIO: u64 = 1032;

/// The entry of one tensor in the zip's directory.
struct Entry {
    location: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
    encrypted: bool,
    crc: u32,
}

/// Reads the directory.
pub(super) fn members(file: &Arc<OpenFile>) -> Result<Vec<(String, Locator)>, Fault> {
    let mut buffer = vec![0; MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
    let zip = ZipLocator::new().locate_in_reader(Arc::clone(file), &mut buffer, file.len);
    let zip = Arc::new(zip.map_err(|(_, error)| error)?);
    let (mut members, mut count) = (Vec::new(), 0);
    let mut directory = zip.entries(&mut buffer);
    while let Some(record) = directory.next_entry()? {
        count += 1;
        let Some(name) = name(&record)? else { continue };
        let entry = Entry {
            location: record.wayfinder(),
            method: record.compression_method(),
            encrypted: record.flags().is_encrypted(),
            crc: record.crc32(),
        };
        let zip = Arc::clone(&zip);
        let locate: Locator = Box::new(move |file, declared| entry.locate(&zip, file, declared));
        members.push((name, locate));
    }
    if count != zip.entries_hint() {
        return Err(broken!("lists {count} of the {} files that it declares; regenerate it", zip.entries_hint()));
    }
    Ok(members)
}

/// Returns the name of the tensor in that record, without `.npy` as in NumPy; `None` for a folder. Reading it shows whether it
/// is a tensor.
fn name(record: &ZipFileHeaderRecord<'_>) -> Result<Option<String>, Fault> {
    let path = record.file_path();
    let Ok(name) = std::str::from_utf8(path.as_bytes()) else {
        let name = String::from_utf8_lossy(path.as_bytes());
        return Err(broken!("has a member named {name:?}, which is not UTF-8; rename it"));
    };
    let is_folder = name.ends_with('/') && record.uncompressed_size_hint() == 0;
    Ok((!is_folder).then(|| name.strip_suffix(".npy").unwrap_or(name).to_owned()))
}

impl Entry {
    /// Finds the tensor, and checks that the file has enough bytes for the size that the entry declares.
    fn locate(
        &self,
        zip: &ZipArchive<Arc<OpenFile>>,
        file: &Arc<OpenFile>,
        declared: Option<DType>,
    ) -> Result<EncodedTensor, Fault> {
        if self.encrypted {
            return Err(broken!("is encrypted; save it without a password"));
        }
        let (start, end) = zip.get_entry(self.location)?.compressed_data_range();
        if end > file.len {
            return Err(broken!(
                "is truncated: it ends at byte {end}, but the file has {}; regenerate the file",
                file.len
            ));
        }
        let (packed, size) = (end - start, self.location.uncompressed_size_hint());
        let (stored, expected) = (file.range(start, end), Some((size, self.crc)));
        let (most, start, content) = match self.method {
            CompressionMethod::STORE => (packed, Some(start), Content::new(stored, expected)),
            CompressionMethod::DEFLATE => {
                let most = packed.saturating_mul(MAX_DEFLATE_RATIO);
                (most, None, Content::new(DeflateDecoder::new(stored), expected))
            }
            method => {
                return Err(broken!(
                    "uses compression method {method}; karat reads stored and deflated files: use numpy.savez or \
                     numpy.savez_compressed"
                ));
            }
        };
        if size > most {
            return Err(broken!(
                "declares {size} bytes, too many for its {packed} bytes in the file; regenerate the file"
            ));
        }
        npy::locate_in(content, start, size, declared)
    }
}

/// Describes errors of the zip reader.
impl From<rawzip::Error> for Fault {
    fn from(error: rawzip::Error) -> Fault {
        match error.into_kind() {
            ErrorKind::IO(source) if source.kind() != io::ErrorKind::UnexpectedEof => source.into(),
            ErrorKind::MissingEndOfCentralDirectory => {
                broken!("not a valid .npz file, or truncated: no zip directory at its end; regenerate it")
            }
            ErrorKind::IO(_) | ErrorKind::Eof => {
                broken!("is truncated: its zip directory points past its end; regenerate it")
            }
            kind => broken!("not a valid .npz file: {kind}; regenerate it"),
        }
    }
}
