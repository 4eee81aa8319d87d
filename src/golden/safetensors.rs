//! Many tensors in a safetensors file: the length of a JSON header, the header, then all elements without a gap.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use ::safetensors::SafeTensorError;
use ::safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::elements::{self, AxisOrder, ByteOrder, Encoding};
use super::part::{Packing, Part};
use super::place::Place;
use crate::error::{Error, Result};
use crate::numeric::{DType, Tensor};

/// The header's length, before it: a `u64`.
const PREFIX_LEN: u64 = 8;

/// The longest header that is read; the format's own limit.
const MAX_HEADER_LEN: u64 = 100_000_000;

/// A safetensors file whose header has been read and found sound.
pub(super) struct Archive<'a> {
    path: &'a Path,
    file: File,
    /// Where the elements begin.
    start: u64,
    /// Sorted by name.
    tensors: Vec<(String, TensorInfo)>,
}

impl<'a> Archive<'a> {
    /// Reads the header of a file of `len` bytes, and checks that it describes every byte after it once.
    pub(super) fn open(path: &'a Path, mut file: File, len: u64) -> Result<Archive<'a>> {
        let place = Place::file(path);
        let json = header_bytes(&mut file, len, place)?;
        let Listing(mut tensors) = serde_json::from_slice(&json)
            .map_err(|error| place.broken(format!("its header is not safetensors' JSON: {error}; make it again")))?;
        tensors.sort_by_key(|(_, info)| info.data_offsets);
        let metadata = Metadata::new(None, tensors.clone()).map_err(|error| unsound(&tensors, &error, place))?;
        let start = PREFIX_LEN + json.len() as u64;
        let (there, promised) = (len - start, metadata.data_len() as u64);
        if there < promised {
            let what = format!("is truncated: {there} bytes of elements are there, and its header promises {promised}");
            return Err(place.broken(what + "; make it again"));
        }
        if there > promised {
            let what = format!("has {} trailing bytes after the {promised} of elements", there - promised);
            return Err(place.broken(what + " that its header promises; make it again"));
        }
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Archive { path, file, start, tensors })
    }

    /// The names of the tensors, sorted.
    pub(super) fn names(&self) -> Vec<&str> {
        self.tensors.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// How the tensor at that position among the names is stored.
    pub(super) fn inspect(&self, position: usize, declared: Option<DType>) -> Result<Encoding> {
        let (name, info) = &self.tensors[position];
        let place = Place::member(self.path, name);
        let Some(dtype) = from_dtype(info.dtype) else {
            return Err(place.broken(format!("has dtype {}; karat reads {}", info.dtype, elements::readable())));
        };
        elements::check_declared(dtype, declared, place)?;
        Encoding::new(dtype, info.shape.clone(), ByteOrder::Little, AxisOrder::C).ok_or_else(|| {
            place.broken(format!("claims {dtype} {:?}, which no machine can hold; make the file again", info.shape))
        })
    }

    /// Where the tensor at that position among the names is.
    pub(super) fn locate(self, position: usize, declared: Option<DType>) -> Result<Part> {
        let encoding = self.inspect(position, declared)?;
        let offset = self.start + self.tensors[position].1.data_offsets.0 as u64;
        Ok(Part { encoding, file: self.file, offset, packing: Packing::Bare })
    }

    /// The tensor at that position among the names. Reads its bytes alone.
    pub(super) fn read(self, position: usize, declared: Option<DType>) -> Result<Tensor> {
        let (path, name) = (self.path, self.tensors[position].0.clone());
        let place = Place::member(path, &name);
        let Part { encoding, mut file, offset, .. } = self.locate(position, declared)?;
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
struct Listing(Vec<(String, TensorInfo)>);

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
                        map.next_value::<IgnoredAny>()?;
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

/// What is wrong with tensors, sorted by offsets, that the format's own check refuses. Its words seldom name one.
fn unsound(tensors: &[(String, TensorInfo)], error: &SafeTensorError, place: Place<'_>) -> Error {
    let mut expected = 0;
    for (name, info) in tensors {
        if let Some(fault) = fault(info, expected) {
            return place.broken(format!("its header is not sound: {name} {fault}; make it again"));
        }
        expected = info.data_offsets.1;
    }
    place.broken(format!("its header is not sound: {error}; make it again"))
}

/// What is wrong with a tensor that should begin at that offset.
fn fault(info: &TensorInfo, expected: usize) -> Option<String> {
    let (start, end) = info.data_offsets;
    let len = info.shape.iter().try_fold(info.dtype.bitsize(), |bits, &extent| bits.checked_mul(extent));
    match (start.cmp(&expected), len.map(|bits| bits / 8)) {
        _ if end < start => Some(format!("ends at offset {end}, before it begins at {start}")),
        (Ordering::Less, _) => {
            Some(format!("begins at offset {start}, in the tensor before it, which ends at {expected}"))
        }
        (Ordering::Greater, _) => {
            Some(format!("begins at offset {start}, and no tensor has the bytes from {expected}"))
        }
        (_, None) => Some(format!("claims {} {:?}, which no machine can hold", info.dtype, info.shape)),
        (_, Some(len)) if len != end - start => {
            Some(format!("is {} {:?}, {len} bytes, and its offsets span {}", info.dtype, info.shape, end - start))
        }
        _ => None,
    }
}

fn from_dtype(dtype: Dtype) -> Option<DType> {
    Some(match dtype {
        Dtype::BOOL => DType::Bool,
        Dtype::I8 => DType::I8,
        Dtype::I16 => DType::I16,
        Dtype::I32 => DType::I32,
        Dtype::I64 => DType::I64,
        Dtype::U8 => DType::U8,
        Dtype::U16 => DType::U16,
        Dtype::U32 => DType::U32,
        Dtype::U64 => DType::U64,
        Dtype::F8_E4M3 => DType::F8E4M3,
        Dtype::F8_E5M2 => DType::F8E5M2,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::F32 => DType::F32,
        Dtype::F64 => DType::F64,
        Dtype::C64 => DType::C64,
        _ => return None,
    })
}
