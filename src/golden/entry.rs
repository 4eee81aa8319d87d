//! What the header of a safetensors file says of one tensor.

use std::cmp::Ordering;
use std::fmt;

use serde::Deserialize;

use crate::numeric::DType;

/// A tensor in the header.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) dtype: Code,
    pub(super) shape: Vec<usize>,
    /// Where its bytes begin and end, behind the header.
    pub(super) data_offsets: (usize, usize),
}

/// The format's name of a dtype.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "as the format spells them")]
pub(super) enum Code {
    BOOL,
    F4,
    F6_E2M3,
    F6_E3M2,
    U8,
    I8,
    F8_E5M2,
    F8_E4M3,
    F8_E8M0,
    F8_E4M3FNUZ,
    F8_E5M2FNUZ,
    I16,
    U16,
    F16,
    BF16,
    I32,
    U32,
    F32,
    C64,
    F64,
    I64,
    U64,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Code {
    /// The dtype of that name, where karat reads it.
    pub(super) fn dtype(self) -> Option<DType> {
        Some(match self {
            Code::BOOL => DType::Bool,
            Code::I8 => DType::I8,
            Code::I16 => DType::I16,
            Code::I32 => DType::I32,
            Code::I64 => DType::I64,
            Code::U8 => DType::U8,
            Code::U16 => DType::U16,
            Code::U32 => DType::U32,
            Code::U64 => DType::U64,
            Code::F8_E4M3 => DType::F8E4M3,
            Code::F8_E5M2 => DType::F8E5M2,
            Code::F16 => DType::F16,
            Code::BF16 => DType::BF16,
            Code::F32 => DType::F32,
            Code::F64 => DType::F64,
            Code::C64 => DType::C64,
            Code::F4 | Code::F6_E2M3 | Code::F6_E3M2 | Code::F8_E8M0 | Code::F8_E4M3FNUZ | Code::F8_E5M2FNUZ => {
                return None;
            }
        })
    }

    fn bits(self) -> usize {
        match self {
            Code::F4 => 4,
            Code::F6_E2M3 | Code::F6_E3M2 => 6,
            Code::BOOL | Code::U8 | Code::I8 => 8,
            Code::F8_E5M2 | Code::F8_E4M3 | Code::F8_E8M0 | Code::F8_E4M3FNUZ | Code::F8_E5M2FNUZ => 8,
            Code::I16 | Code::U16 | Code::F16 | Code::BF16 => 16,
            Code::I32 | Code::U32 | Code::F32 => 32,
            Code::C64 | Code::F64 | Code::I64 | Code::U64 => 64,
        }
    }
}

impl Entry {
    /// What is wrong with the tensor, if its bytes should begin at that offset.
    pub(super) fn fault(&self, expected: usize) -> Option<String> {
        let Entry { dtype, shape, data_offsets: (start, end) } = self;
        let elements = shape.iter().try_fold(1usize, |elements, &extent| elements.checked_mul(extent));
        let bits = elements.and_then(|elements| elements.checked_mul(dtype.bits()));
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_that_end_within_a_byte_are_refused() {
        let entry = |extent| Entry { dtype: Code::F4, shape: vec![extent], data_offsets: (0, 1) };
        assert_eq!(entry(2).fault(0), None);
        assert_eq!(entry(3).fault(0).as_deref(), Some("is F4 [3], 12 bits, which is no whole number of bytes"));
    }

    #[test]
    fn every_dtype_takes_as_many_bytes_in_the_file_as_in_memory() {
        for name in
            ["BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "C64", "F64"]
        {
            let code: Code = serde_json::from_value(name.into()).expect("a name of the format");
            assert_eq!(code.to_string(), name);
            assert_eq!(code.dtype().expect("karat reads it").size() * 8, code.bits(), "{name}");
        }
    }
}
