//! `.safetensors`: the length of a JSON header, the header, then the elements of all tensors without gaps.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read as _;
use std::sync::Arc;

use safetensors::tensor::TensorInfo;
use serde_core::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::dtype::DType;
use super::file::{
    Content, EncodedTensor, Encoding, Fault, Locator, OpenFile, broken, check_declared, check_len, readable,
};

/// The length of the header's length, a `u64`.
const PREFIX_LEN: u64 = 8;

/// The maximum length of a header, as the format limits it.
const MAX_HEADER_LEN: u64 = 100_000_000;

/// Reads the header, and checks that it describes every byte after it exactly once.
pub(super) fn members(file: &Arc<OpenFile>) -> Result<Vec<(String, Locator)>, Fault> {
    let json = header_bytes(file)?;
    let TensorList(mut tensors) = serde_json::from_slice(&json)
        .map_err(|error| broken!("not a valid .safetensors file: header: {error}; regenerate it"))?;
    tensors.sort_by_key(|(_, tensor)| tensor.data_offsets);
    let mut end = 0;
    for (name, tensor) in &tensors {
        if let Some(fault) = fault(tensor, end) {
            return Err(broken!("not a valid .safetensors file: {name} {fault}; regenerate it"));
        }
        end = tensor.data_offsets.1;
    }
    let start = PREFIX_LEN + json.len() as u64;
    check_len(file.len - start, end as u64, "")?;
    let member = |(name, tensor)| {
        let locate: Locator = Box::new(move |file, declared| locate(&tensor, start, file, declared));
        (name, locate)
    };
    Ok(tensors.into_iter().map(member).collect())
}

/// Finds a tensor, whose offsets are relative to `start`.
fn locate(
    tensor: &TensorInfo,
    start: u64,
    file: &Arc<OpenFile>,
    declared: Option<DType>,
) -> Result<EncodedTensor, Fault> {
    let TensorInfo { dtype: name, shape, data_offsets: (begin, end) } = tensor;
    let dtype = DType::from_name(&name.to_string().to_lowercase());
    let dtype = dtype.ok_or_else(|| broken!("has dtype {name}; karat reads {}", readable()))?;
    check_declared(dtype, declared)?;
    let encoding = Encoding { dtype, shape: shape.clone(), is_big_endian: false, is_fortran: false }.checked();
    let encoding = encoding
        .ok_or_else(|| broken!("declares {dtype} {shape:?}, too large for any machine; regenerate the file"))?;
    let [begin, end] = [begin, end].map(|offset| start + *offset as u64);
    Ok(EncodedTensor { encoding, content: Content::new(file.range(begin, end), None), start: Some(begin) })
}

/// Reads the JSON header.
fn header_bytes(file: &Arc<OpenFile>) -> Result<Vec<u8>, Fault> {
    let len = file.len;
    if len < PREFIX_LEN {
        return Err(broken!("not a valid .safetensors file: only {len} bytes; regenerate it"));
    }
    let mut reader = file.range(0, len);
    let mut prefix = [0; PREFIX_LEN as usize];
    reader.read_exact(&mut prefix)?;
    let header_len = u64::from_le_bytes(prefix);
    if header_len > len - PREFIX_LEN {
        return Err(broken!(
            "not a valid .safetensors file, or truncated: {len} bytes, but the declared header length is {header_len}; \
             regenerate it"
        ));
    }
    if header_len > MAX_HEADER_LEN {
        return Err(broken!("has a header of {header_len} bytes; karat reads at most {MAX_HEADER_LEN}"));
    }
    let mut json = vec![0; header_len as usize];
    reader.read_exact(&mut json)?;
    Ok(json)
}

/// The tensors that a header lists, in order. Duplicate names are refused; a map would silently drop one of them.
struct TensorList(Vec<(String, TensorInfo)>);

impl<'de> Deserialize<'de> for TensorList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TensorList, D::Error> {
        struct ListVisitor;

        impl<'de> Visitor<'de> for ListVisitor {
            type Value = TensorList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TensorList, A::Error> {
                let mut tensors = Vec::new();
                let mut names = BTreeSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom(format_args!("{name:?} is listed twice")));
                    }
                    if name == "__metadata__" {
                        // The values must be strings, as the format requires: a tensor of this name must not be ignored.
                        map.next_value::<BTreeMap<String, String>>()?;
                    } else {
                        tensors.push((name, map.next_value()?));
                    }
                }
                Ok(TensorList(tensors))
            }
        }

        deserializer.deserialize_map(ListVisitor)
    }
}

/// Describes what is wrong with a tensor whose bytes should start at that offset, if anything.
fn fault(tensor: &TensorInfo, expected: usize) -> Option<String> {
    let TensorInfo { dtype, shape, data_offsets: (start, end) } = tensor;
    let bits = shape.iter().try_fold(1usize, |elements, &extent| elements.checked_mul(extent));
    let bits = bits.and_then(|elements| elements.checked_mul(dtype.bitsize()));
    match (start.cmp(&expected), bits) {
        _ if end < start => Some(format!("ends at offset {end}, before it starts at {start}")),
        (Ordering::Less, _) => {
            Some(format!("starts at offset {start}, inside the previous tensor, which ends at {expected}"))
        }
        (Ordering::Greater, _) => Some(format!("starts at offset {start}, which leaves a gap from {expected}")),
        (_, None) => Some(format!("declares {dtype} {shape:?}, too large for any machine")),
        (_, Some(bits)) if bits % 8 != 0 => {
            Some(format!("is {dtype} {shape:?}, {bits} bits, which is not a whole number of bytes"))
        }
        (_, Some(bits)) if bits / 8 != end - start => {
            Some(format!("is {dtype} {shape:?}, {} bytes, but its offsets span {}", bits / 8, end - start))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use safetensors::Dtype;

    use super::*;

    #[test]
    fn elements_that_do_not_fill_whole_bytes_are_refused() {
        let tensor = |extent| TensorInfo { dtype: Dtype::F4, shape: vec![extent], data_offsets: (0, 1) };
        assert_eq!(fault(&tensor(2), 0), None);
        assert_eq!(fault(&tensor(3), 0).as_deref(), Some("is F4 [3], 12 bits, which is not a whole number of bytes"));
    }
}
