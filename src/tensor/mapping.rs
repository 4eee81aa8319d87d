//! A part of a file as memory: mapped where the system is a Unix, so that nothing is copied and nothing has to fit.

use std::fs::File;
use std::io;
use std::ops::Range;

use self::system::Pages;

/// Bytes are let go of in pieces of this, the largest page of most systems: a page that is touched at the edge of a range
/// may bring as much of what is beside it, which nobody else would let go of.
const PIECE: usize = 2 << 20;

/// Bytes are fetched in pieces of this: a multiple of the smallest page of any system.
const PAGE: usize = 1 << 16;

/// Some bytes of a file.
///
/// Where another program writes to the file meanwhile, what is read is old or new. Where it makes the file shorter, what
/// is gone cannot be read: [`fetch`](Mapping::fetch) says so, and after that the system raises `SIGBUS`.
pub(crate) struct Mapping {
    pages: Pages,
    /// Where the bytes begin in the pages, which begin at a multiple of their size.
    lead: usize,
    len: usize,
}

impl Mapping {
    /// The `len` bytes from `offset` on, which the file has.
    pub(crate) fn new(file: &File, offset: u64, len: u64) -> io::Result<Mapping> {
        let too_long = |_| io::Error::from(io::ErrorKind::OutOfMemory);
        let lead = offset % PIECE as u64;
        let pages = Pages::new(file, offset - lead, usize::try_from(lead + len).map_err(too_long)?)?;
        Ok(Mapping { pages, lead: lead as usize, len: usize::try_from(len).map_err(too_long)? })
    }

    /// All bytes. Those that are touched stay in memory until they are let go of.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.pages.bytes()[self.lead..]
    }

    /// Brings bytes into memory that are about to be read, faster than touching them would.
    pub(crate) fn fetch(&self, range: Range<usize>) -> io::Result<()> {
        self.pages.fetch((range.start + self.lead) / PAGE * PAGE..range.end + self.lead)
    }

    /// Lets go of bytes that were read, and of what came with them. They can be read again.
    pub(crate) fn release(&self, range: Range<usize>) {
        let (start, end) = (range.start + self.lead, range.end + self.lead);
        self.pages.release(start / PIECE * PIECE..end.next_multiple_of(PIECE).min(self.lead + self.len));
    }
}

#[cfg(unix)]
mod system {
    use std::ffi::c_void;
    use std::fs::File;
    use std::io;
    use std::ops::Range;
    use std::ptr::NonNull;

    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};

    /// Whole pages of a file, to be read; none where there is nothing.
    pub(crate) struct Pages {
        start: NonNull<u8>,
        len: usize,
    }

    // SAFETY: the pages belong to nobody else, and are only read.
    unsafe impl Send for Pages {}
    // SAFETY: as above.
    unsafe impl Sync for Pages {}

    impl Pages {
        pub(crate) fn new(file: &File, offset: u64, len: usize) -> io::Result<Pages> {
            if len == 0 {
                return Ok(Pages { start: NonNull::dangling(), len });
            }
            // SAFETY: a new mapping, where the system finds room for it.
            let start = unsafe { mmap(std::ptr::null_mut(), len, ProtFlags::READ, MapFlags::SHARED, file, offset) }?;
            let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
            Ok(Pages { start, len })
        }

        pub(crate) fn bytes(&self) -> &[u8] {
            // SAFETY: that many bytes are mapped as long as `self` lives. Another program may change them under the
            // reader: they are only copied, hashed or seen as numbers, of which no bytes are invalid.
            unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
        }

        #[cfg(target_os = "linux")]
        pub(crate) fn fetch(&self, range: Range<usize>) -> io::Result<()> {
            match self.advise(range, Advice::LinuxPopulateRead) {
                Err(rustix::io::Errno::FAULT) => Err(rustix::io::Errno::FAULT.into()),
                // An older system does not know it, and brings what is touched.
                _ => Ok(()),
            }
        }

        #[cfg(not(target_os = "linux"))]
        pub(crate) fn fetch(&self, range: Range<usize>) -> io::Result<()> {
            self.advise(range, Advice::WillNeed).ok();
            Ok(())
        }

        pub(crate) fn release(&self, range: Range<usize>) {
            // Where it fails the pages stay, and the system takes them when it needs them.
            self.advise(range, DROP).ok();
        }

        fn advise(&self, range: Range<usize>, advice: Advice) -> rustix::io::Result<()> {
            assert!(range.start <= range.end && range.end <= self.len, "{range:?} is outside of {}", self.len);
            if range.is_empty() {
                return Ok(());
            }
            // SAFETY: the range is mapped, shared and from a file: no advice given here changes what is read from it.
            unsafe { madvise(self.start.as_ptr().add(range.start).cast::<c_void>(), range.len(), advice) }
        }
    }

    /// POSIX' own advice of that name does nothing on Linux.
    #[cfg(target_os = "linux")]
    const DROP: Advice = Advice::LinuxDontNeed;
    #[cfg(not(target_os = "linux"))]
    const DROP: Advice = Advice::DontNeed;

    impl Drop for Pages {
        fn drop(&mut self) {
            if self.len > 0 {
                // SAFETY: mapped in `new`, and nothing borrows from it any more.
                unsafe { munmap(self.start.as_ptr().cast(), self.len) }.ok();
            }
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::fs::File;
    use std::io::{self, Read, Seek, SeekFrom};
    use std::ops::Range;

    use crate::tensor::view;

    /// A copy: the standard library maps no files.
    pub(crate) struct Pages {
        bytes: Vec<u64>,
        len: usize,
    }

    impl Pages {
        pub(crate) fn new(mut file: &File, offset: u64, len: usize) -> io::Result<Pages> {
            let mut bytes = view::zeros(len.div_ceil(size_of::<u64>())).ok_or(io::ErrorKind::OutOfMemory)?;
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(&mut view::bytes_mut(&mut bytes)[..len])?;
            Ok(Pages { bytes, len })
        }

        pub(crate) fn bytes(&self) -> &[u8] {
            &view::bytes(&self.bytes)[..self.len]
        }

        pub(crate) fn fetch(&self, _: Range<usize>) -> io::Result<()> {
            Ok(())
        }

        pub(crate) fn release(&self, _: Range<usize>) {}
    }
}
