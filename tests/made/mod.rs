//! Tensor files made by hand, byte by byte: sound ones, and those that no writer would make.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::io::Write;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// An npy file with that header and those elements.
pub(crate) fn npy(header: &str, elements: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len() + 1).unwrap().to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.push(b'\n');
    bytes.extend(elements);
    bytes
}

/// A safetensors file with that header and those elements.
pub(crate) fn safetensors(header: &str, elements: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(elements);
    bytes
}

/// One file in a zip, whatever it claims.
pub(crate) struct Packed {
    pub(crate) name: &'static str,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) crc: u32,
    pub(crate) size: u32,
    pub(crate) packed: u32,
    pub(crate) bytes: Vec<u8>,
}

impl Packed {
    pub(crate) fn stored(name: &'static str, bytes: &[u8]) -> Packed {
        let mut crc = Crc::new();
        crc.update(bytes);
        let size = bytes.len() as u32;
        Packed { name, flags: 0, method: 0, crc: crc.sum(), size, packed: size, bytes: bytes.to_vec() }
    }

    pub(crate) fn deflated(name: &'static str, bytes: &[u8]) -> Packed {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        let deflated = encoder.finish().unwrap();
        Packed { method: 8, packed: deflated.len() as u32, bytes: deflated, ..Packed::stored(name, bytes) }
    }
}

/// A zip of those files.
pub(crate) fn zip(files: &[Packed]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for Packed { name, flags, method, crc, size, packed, bytes: contents } in files {
        let offset = bytes.len() as u32;
        let mut common = Vec::new();
        common.extend([20u16, *flags, *method, 0, 33].iter().flat_map(|x| x.to_le_bytes()));
        common.extend([*crc, *packed, *size].iter().flat_map(|x| x.to_le_bytes()));
        common.extend([name.len() as u16, 0].iter().flat_map(|x| x.to_le_bytes()));
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend(name.as_bytes());
        bytes.extend(contents);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, count) = (bytes.len() as u32, files.len() as u16);
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count, count].iter().flat_map(|x| x.to_le_bytes()));
    bytes.extend([directory.len() as u32, start].iter().flat_map(|x| x.to_le_bytes()));
    bytes.extend([0, 0]);
    bytes
}
