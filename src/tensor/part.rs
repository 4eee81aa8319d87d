//! Where a tensor's elements are in its file, and how they are packed.

use std::fs::File;

use flate2::Crc;

use super::elements::Encoding;
use super::stream::Stream;

/// The part of a file that holds one tensor's elements.
pub(crate) struct Part {
    pub(crate) encoding: Encoding,
    pub(crate) file: File,
    /// Where the elements begin in the file, where they are not deflated.
    pub(crate) offset: u64,
    pub(crate) packing: Packing,
}

/// How elements are packed.
pub(crate) enum Packing {
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
