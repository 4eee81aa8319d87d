//! Many tensors in a safetensors file: the length of a JSON header, the header, then all elements without a gap.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read as _;
use std::sync::Arc;

use safetensors::tensor::TensorInfo;
use serde_core::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::dtype::DType;
use super::file::{Content, Encoding, Fault, Locate, Located, OpenFile, broken, check_declared, check_len, readable};

/// The header's length, before it: a `u64`.
const PREFIX_LEN: u64 = 8;

/// The longest header that is read; the format's own limit.
const MAX_HEADER_LEN: u64 = 100_000_000;

/// Reads the header, and checks that it describes every byte after it once.
pub(super) fn members(file: &Arc<OpenFile>) -> Result<Vec<(String, Locate)>, Fault> {
    let json = header_bytes(file)?;
    let Listing(mut tensors) = serde_json::from_slice(&json)
        .map_err(|error| broken!("its header is not safetensors' JSON: {error}; make it again"))?;
    tensors.sort_by_key(|(_, tensor)| tensor.data_offsets);
    let mut promised = 0;
    for (name, tensor) in &tensors {
        if let Some(fault) = fault(tensor, promised) {
            return Err(broken!("its header is not sound: {name} {fault}; make it again"));
        }
        promised = tensor.data_offsets.1;
    }
    let start = PREFIX_LEN + json.len() as u64;
    check_len(file.len - start, promised as u64, "")?;
    let member = |(name, tensor)| {
        let locate: Locate = Box::new(move |file, declared| locate(&tensor, start, file, declared));
        (name, locate)
    };
    Ok(tensors.into_iter().map(member).collect())
}

/// Finds a tensor, whose offsets count from `start`.
fn locate(tensor: &TensorInfo, start: u64, file: &Arc<OpenFile>, declared: Option<DType>) -> Result<Located, Fault> {
    let TensorInfo { dtype: name, shape, data_offsets: (begin, end) } = tensor;
    let dtype = DType::from_name(&name.to_string().to_lowercase());
    let dtype = dtype.ok_or_else(|| broken!("has dtype {name}; karat reads {}", readable()))?;
    check_declared(dtype, declared)?;
    let encoding = Encoding { dtype, shape: shape.clone(), is_big_endian: false, is_fortran: false }.checked();
    let encoding =
        encoding.ok_or_else(|| broken!("claims {dtype} {shape:?}, which no machine can hold; make the file again"))?;
    let [begin, end] = [begin, end].map(|offset| start + *offset as u64);
    Ok(Located { encoding, content: Content::new(file.range(begin, end), None), start: Some(begin) })
}

/// The JSON, which is in the file as a whole.
fn header_bytes(file: &Arc<OpenFile>) -> Result<Vec<u8>, Fault> {
    let len = file.len;
    if len < PREFIX_LEN {
        return Err(broken!("is no safetensors file: {len} bytes; make it again"));
    }
    let mut reader = file.range(0, len);
    let mut prefix = [0; PREFIX_LEN as usize];
    reader.read_exact(&mut prefix)?;
    let header_len = u64::from_le_bytes(prefix);
    if header_len > len - PREFIX_LEN {
        return Err(broken!(
            "is truncated or no safetensors file: {len} bytes are there, and its header alone claims {header_len}; \
             make it again"
        ));
    }
    if header_len > MAX_HEADER_LEN {
        return Err(broken!("has a header of {header_len} bytes; karat reads at most {MAX_HEADER_LEN}"));
    }
    let mut json = vec![0; header_len as usize];
    reader.read_exact(&mut json)?;
    Ok(json)
}

/// The tensors that a header lists, in its order. A name that is there twice is refused: a map would keep one of them.
struct Listing(Vec<(String, TensorInfo)>);

impl<'de> Deserialize<'de> for Listing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Listing, D::Error> {
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

/// What is wrong with a tensor, if its bytes should begin at that offset.
fn fault(tensor: &TensorInfo, expected: usize) -> Option<String> {
    let TensorInfo { dtype, shape, data_offsets: (start, end) } = tensor;
    let bits = shape.iter().try_fold(1usize, |elements, &extent| elements.checked_mul(extent));
    let bits = bits.and_then(|elements| elements.checked_mul(dtype.bitsize()));
    match (start.cmp(&expected), bits) {
        _ if end < start => Some(format!("ends at offset {end}, before it begins at {start}")),
        (Ordering::Less, _) => {
            Some(format!("begins at offset {start}, in the tensor before it, which ends at {expected}"))
        }
        (Ordering::Greater, _) => {
            Some(format!("begins at offset {start}, and no tensor has the bytes from {expected}"))
        }
        (_, None) => Some(format!("claims {dtype} {shape:?}, which no machine can hold")),
        (_, Some(bits)) if bits % 8 != 0 => {
            Some(format!("is {dtype} {shape:?}, {bits} bits, which is no whole number of bytes"))
        }
        (_, Some(bits)) if bits / 8 != end - start => {
            Some(format!("is {dtype} {shape:?}, {} bytes, and its offsets span {}", bits / 8, end - start))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use safetensors::Dtype;

    use super::*;

    #[test]
    fn elements_that_end_within_a_byte_are_refused() {
        let tensor = |extent| TensorInfo { dtype: Dtype::F4, shape: vec![extent], data_offsets: (0, 1) };
        assert_eq!(fault(&tensor(2), 0), None);
        assert_eq!(fault(&tensor(3), 0).as_deref(), Some("is F4 [3], 12 bits, which is no whole number of bytes"));
    }
}
