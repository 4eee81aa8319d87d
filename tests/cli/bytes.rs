//! Tensor files made by hand, byte by byte, as no writer would make them.

pub(crate) use crate::made::{npy, safetensors};

/// The npy file of two `f32`.
pub(crate) fn pair() -> Vec<u8> {
    npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }", &[0; 8])
}

/// A zip with one deflated member that claims to be `size` bytes when inflated.
pub(crate) fn zip(name: &str, deflated: &[u8], size: u32) -> Vec<u8> {
    let name_len = (name.len() as u16).to_le_bytes();
    // Version 2.0, no flags, deflated, no time, no date, no checksum, both sizes, the length of the name.
    let mut common = vec![20, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    common.extend((deflated.len() as u32).to_le_bytes());
    common.extend(size.to_le_bytes());
    common.extend(name_len);
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.extend(&common);
    bytes.extend([0, 0]);
    bytes.extend(name.as_bytes());
    bytes.extend(deflated);
    let directory = bytes.len() as u32;
    bytes.extend(b"PK\x01\x02\x14\x00");
    bytes.extend(&common);
    // No extra field, no comment, the first disk, no attributes, at the file's begin.
    bytes.extend([0; 16]);
    bytes.extend(name.as_bytes());
    let directory_len = bytes.len() as u32 - directory;
    bytes.extend(b"PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00");
    bytes.extend(directory_len.to_le_bytes());
    bytes.extend(directory.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

/// A deflate stream of `start`, then of `zeros` times 258 zeros, which take 13 bits each.
pub(crate) fn deflate(start: &[u8], zeros: usize) -> Vec<u8> {
    let len = start.len() as u16;
    let mut bytes = vec![0];
    bytes.extend(len.to_le_bytes());
    bytes.extend((!len).to_le_bytes());
    bytes.extend(start);
    // The last block, with fixed codes: a zero, then copies of it, then the end. Bit by bit, first bit first.
    let mut bits = "110".to_owned() + "00110000";
    bits.push_str(&("11000101".to_owned() + "00000").repeat(zeros));
    bits.push_str("0000000");
    let byte = |bits: &[u8]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
    bytes.extend(bits.as_bytes().chunks(8).map(byte));
    bytes
}
