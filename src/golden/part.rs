//! Where a tensor's elements are in its file, and how they are packed.

use std::fs::File;

use flate2::Crc;

use super::elements::Encoding;
use super::stream::Stream;

/// The part of a file that holds one tensor's elements.
pub(super) struct Part {
    pub(super) encoding: Encoding,
    pub(super) file: File,
    /// Where the elements begin in the file, where they are not deflated.
    pub(super) offset: u64,
    pub(super) packing: Packing,
}

/// How elements are packed.
pub(super) enum Packing {
    /// Not at all.
    Bare,
    /// As they are, and all bytes of the member have that checksum.
    Stored {
        /// The checksum of the bytes before the elements.
        header: Crc,
        /// That of all.
        crc: u32,
    },
    /// Deflated: the stream stands at the first element.
    Deflated(Stream),
}
