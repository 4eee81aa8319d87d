//! Everything that can keep karat from finding out, on one screen.
//!
//! A mismatch is a verdict and never an [`Error`]: an error means that no verdict could be reached.

use std::io;
use std::path::{Path, PathBuf};

/// The result of anything in karat that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why karat could not find out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file or folder could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A tensor that a case names is not there: no such file, no such member, or a Git LFS pointer.
    #[error("{place}: {what}")]
    Missing {
        /// The file, or `file#name`.
        place: String,
        /// What is not there, and what to do.
        what: String,
    },
    /// A tensor file that does not hold what its format promises.
    #[error("{place}: {what}")]
    Tensor {
        /// The file, or `file#name`.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// A `case.json` or `suite.json` that karat does not understand.
    #[error("{}: {what}", path.display())]
    Case {
        /// The file.
        path: PathBuf,
        /// The field and what is wrong with it; line and column where the JSON itself is broken.
        what: String,
    },
    /// A snapshot file that is not one of karat's.
    #[error("{}: {what}", path.display())]
    Snapshot {
        /// The `.snap` file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// There is no case yet where cases were looked for.
    #[error("{}", no_cases(place, *exists))]
    NoCases {
        /// The folder: the goldens root, or one below it.
        place: PathBuf,
        /// Whether the folder itself is there.
        exists: bool,
    },
    /// A value handed to karat that makes no sense, such as a negative tolerance.
    #[error("{0}")]
    Invalid(String),
    /// A checkpoint asked for an input or a parameter that its case does not have, or has in another type.
    #[error("{0}")]
    Checkpoint(String),
    /// karat was asked for something that it cannot do: usage, an unreadable root, nothing selected.
    #[error("{0}")]
    Usage(String),
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

fn no_cases(place: &Path, exists: bool) -> String {
    match (place.display(), exists) {
        (place, true) => format!("no case below {place}: a case is a folder that holds a case.json"),
        (place, false) => format!("there is no folder {place}; name the goldens root, or add a first case to it"),
    }
}
