//! Many tensors in a safetensors file: the length of a JSON header, the header, then all elements without a gap.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde_core::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::elements::{self, AxisOrder, ByteOrder, Encoding};
use super::entry::Entry;
use super::part::{Packing, Part};
use super::place::Place;
use crate::error::Result;
use crate::tensor::{DType, Tensor};

/// The header's length, before it: a `u64`.
const PREFIX_LEN: u64 = 8;

/// The longest header that is read; the format's own limit.
const MAX_HEADER_LEN: u64 = 100_000_000;

/// A safetensors file whose header has been read and found sound.
pub(crate) struct Archive {
    path: PathBuf,
    /// Where the elements begin.
    start: u64,
    /// The names of the tensors, sorted.
    pub(crate) names: Vec<String>,
    /// In the order of the names.
    entries: Vec<Entry>,
}

impl Archive {
    /// Reads the header of a file of `len` bytes, and checks that it describes every byte after it once.
    pub(crate) fn open(path: &Path, file: &mut File, len: u64) -> Result<Archive> {
        let place = Place::file(path);
        let json = header_bytes(file, len, place)?;
        let Listing(mut tensors) = serde_json::from_slice(&json)
            .map_err(|error| place.broken(format!("its header is not safetensors' JSON: {error}; make it again")))?;
        tensors.sort_by_key(|(_, entry)| entry.data_offsets);
        let promised = check(&tensors, place)?;
        let start = PREFIX_LEN + json.len() as u64;
        let there = len - start;
        if there < promised {
            let what = format!("is truncated: {there} bytes of elements are there, and its header promises {promised}");
            return Err(place.broken(what + "; make it again"));
        }
        if there > promised {
            let what = format!("has {} trailing bytes after the {promised} of elements", there - promised);
            return Err(place.broken(what + " that its header promises; make it again"));
        }
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        let (names, entries) = tensors.into_iter().unzip();
        Ok(Archive { path: path.to_path_buf(), start, names, entries })
    }

    /// How the tensor at that position among the names is stored.
    pub(crate) fn inspect(&self, position: usize, declared: Option<DType>) -> Result<Encoding> {
        let (entry, place) = (&self.entries[position], self.place(position));
        let Some(dtype) = entry.dtype.dtype else {
            return Err(place.broken(format!("has dtype {}; karat reads {}", entry.dtype, elements::readable())));
        };
        elements::check_declared(dtype, declared, place)?;
        Encoding::new(dtype, entry.shape.clone(), ByteOrder::Little, AxisOrder::C).ok_or_else(|| {
            place.broken(format!("claims {dtype} {:?}, which no machine can hold; make the file again", entry.shape))
        })
    }

    fn place(&self, position: usize) -> Place<'_> {
        Place::member(&self.path, &self.names[position])
    }

    /// Where the tensor at that position among the names is in the file.
    pub(crate) fn locate(&self, position: usize, declared: Option<DType>, file: File) -> Result<Part> {
        let encoding = self.inspect(position, declared)?;
        let offset = self.start + self.entries[position].data_offsets.0 as u64;
        Ok(Part { encoding, file, offset, packing: Packing::Bare })
    }

    /// The tensor at that position among the names. Reads its bytes alone.
    pub(crate) fn read(&self, position: usize, declared: Option<DType>, file: File) -> Result<Tensor> {
        let place = self.place(position);
        let Part { encoding, mut file, offset, .. } = self.locate(position, declared, file)?;
        file.seek(SeekFrom::Start(offset)).map_err(|source| place.unreadable(source))?;
        encoding.read(&mut file, place)
    }
}

/// The JSON, of which the file has all.
fn header_bytes(file: &mut File, len: u64, place: Place<'_>) -> Result<Vec<u8>> {
    if len < PREFIX_LEN {
        return Err(place.broken(format!("is no safetensors file: {len} bytes; make it again")));
    }
    let mut prefix = [0; PREFIX_LEN as usize];
    file.read_exact(&mut prefix).map_err(|source| place.unreadable(source))?;
    let header_len = u64::from_le_bytes(prefix);
    if header_len > len - PREFIX_LEN {
        return Err(place.broken(format!(
            "is truncated or no safetensors file: {len} bytes are there, and its header alone claims {header_len}; \
             make it again"
        )));
    }
    if header_len > MAX_HEADER_LEN {
        return Err(place.broken(format!("has a header of {header_len} bytes; karat reads at most {MAX_HEADER_LEN}")));
    }
    let mut json = vec![0; header_len as usize];
    file.read_exact(&mut json).map_err(|source| place.unreadable(source))?;
    Ok(json)
}

/// The tensors that a header lists, in its order. A name that is there twice is refused: a map would keep one of them.
struct Listing(Vec<(String, Entry)>);

impl<'de> Deserialize<'de> for Listing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = Listing;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Listing, A::Error> {
                let mut tensors = Vec::new();
                let mut names = BTreeSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom(format_args!("{name:?} is listed twice")));
                    }
                    if name == "__metadata__" {
                        // Of texts, as the format has it: else a tensor of this name would be passed over.
                        map.next_value::<BTreeMap<String, String>>()?;
                    } else {
                        tensors.push((name, map.next_value()?));
                    }
                }
                Ok(Listing(tensors))
            }
        }

        deserializer.deserialize_map(Names)
    }
}

/// Checks that tensors, sorted by offsets, have every byte once, and says how many bytes that is.
fn check(tensors: &[(String, Entry)], place: Place<'_>) -> Result<u64> {
    let mut expected = 0;
    for (name, entry) in tensors {
        if let Some(fault) = entry.fault(expected) {
            return Err(place.broken(format!("its header is not sound: {name} {fault}; make it again")));
        }
        expected = entry.data_offsets.1;
    }
    Ok(expected as u64)
}
