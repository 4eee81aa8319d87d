//! Everything that can keep karat from finding out, on one screen.
//!
//! A mismatch is a verdict and never an [`Error`]: an error means that no verdict could be reached.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::{Path, PathBuf};

/// The result of anything in karat that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why karat could not find out.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read.
    Read {
        /// What was to be read.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file or folder could not be written.
    Write {
        /// What was to be written.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A tensor that a case names is not there: no such file, no such member, or a Git LFS pointer.
    Missing {
        /// The file, or `file#name`.
        place: String,
        /// What is not there, and what to do.
        what: String,
    },
    /// A tensor file that does not hold what its format promises.
    Tensor {
        /// The file, or `file#name`.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// A `case.json` or `suite.json` that karat does not understand.
    Case {
        /// The file.
        path: PathBuf,
        /// The field and what is wrong with it; line and column where the JSON itself is broken.
        what: String,
    },
    /// A snapshot file that is not one of karat's.
    Snapshot {
        /// The `.snap` file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// There is no case yet where cases were looked for.
    NoCases {
        /// The folder: the goldens root, or one below it.
        place: PathBuf,
        /// Whether the folder itself is there.
        exists: bool,
    },
    /// A value handed to karat that makes no sense, such as a negative tolerance.
    Invalid(String),
    /// A checkpoint asked for an input or a parameter that its case does not have, or has in another type.
    Checkpoint(String),
    /// karat was asked for something that it cannot do: usage, an unreadable root, nothing selected.
    Usage(String),
}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Error::Read { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            Error::Write { path, source } => write!(f, "cannot write {}: {source}", path.display()),
            Error::Missing { place, what } | Error::Tensor { place, what } => write!(f, "{place}: {what}"),
            Error::Case { path, what } | Error::Snapshot { path, what } => write!(f, "{}: {what}", path.display()),
            Error::NoCases { place, exists: true } => {
                write!(f, "no case below {}: a case is a folder that holds a case.json", place.display())
            }
            Error::NoCases { place, exists: false } => {
                write!(f, "there is no folder {}; name the goldens root, or add a first case to it", place.display())
            }
            Error::Invalid(what) | Error::Checkpoint(what) | Error::Usage(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Read { source, .. } | Error::Write { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl Error {
    /// Whether a tensor that a case names is not there, which is the verdict *missing* rather than *broken*.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Error::Missing { .. })
    }

    /// Wraps what the operating system said about reading `path`.
    pub(crate) fn read(path: impl AsRef<Path>, source: io::Error) -> Self {
        Error::Read { path: path.as_ref().to_path_buf(), source }
    }

    /// Wraps what the operating system said about writing `path`.
    pub(crate) fn write(path: impl AsRef<Path>, source: io::Error) -> Self {
        Error::Write { path: path.as_ref().to_path_buf(), source }
    }
}
