//! Where a tensor is, for messages: the file, or `file#name`.

use std::fmt;
use std::io;
use std::path::Path;

use crate::error::Error;

/// A tensor's place: its file, and its name in there where the file holds many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) path: &'a Path,
    pub(super) member: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// The place of the file itself.
    pub(super) fn file(path: &'a Path) -> Self {
        Place { path, member: None }
    }

    /// The place of that member of the file.
    pub(super) fn member(path: &'a Path, member: &'a str) -> Self {
        Place { path, member: Some(member) }
    }

    /// The error that something is there, but does not hold what its format promises.
    pub(super) fn broken(self, what: impl Into<String>) -> Error {
        Error::Tensor { place: self.to_string(), what: what.into() }
    }

    /// The error that nothing is there.
    pub(super) fn missing(self, what: impl Into<String>) -> Error {
        Error::Missing { place: self.to_string(), what: what.into() }
    }

    /// The error behind a failed read: the file's fault where its bytes are, the system's otherwise.
    pub(super) fn unreadable(self, source: io::Error) -> Error {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => self.broken("ends before its last element; make it again"),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                self.broken(format!("is damaged ({source}); make it again"))
            }
            _ => Error::read(self.path, source),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        match self.member {
            // A name is any text: a line break in it would break the message.
            Some(member) if member.contains(char::is_control) => write!(f, "#{}", member.escape_debug()),
            Some(member) => write!(f, "#{member}"),
            None => Ok(()),
        }
    }
}
