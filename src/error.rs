//! The error type of the library.
//!
//! A mismatch is a verdict and never an [`Error`]: an error means that karat could not reach a verdict.

use std::io;
use std::path::{Path, PathBuf};

/// The result type of karat.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why karat could not reach a verdict.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A file or folder could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A tensor that a case names does not exist: there is no such file or member, or only a Git LFS pointer.
    #[error("{place}: {what}")]
    Missing {
        /// The file, or `file#name`.
        place: String,
        /// What is missing, and what to do.
        what: String,
    },
    /// A tensor file is invalid.
    #[error("{place}: {what}")]
    Tensor {
        /// The file, or `file#name`.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// A `case.json` or `suite.json` is invalid.
    #[error("{}: {what}", path.display())]
    Case {
        /// The file.
        path: PathBuf,
        /// The field and what is wrong with it, or line and column of a syntax error.
        what: String,
    },
    /// A snapshot file is invalid.
    #[error("{}: {what}", path.display())]
    Snapshot {
        /// The `.snap` file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// There are no cases below a folder.
    #[error("{}", no_cases(place, *exists))]
    NoCases {
        /// The folder: the goldens root, or one below it.
        place: PathBuf,
        /// Whether the folder itself exists.
        exists: bool,
    },
    /// An argument is invalid, such as a negative tolerance.
    #[error("{0}")]
    Invalid(String),
    /// A checkpoint asked for an input or a parameter that its case does not have, or that has another type.
    #[error("{0}")]
    Checkpoint(String),
    /// A command cannot run: invalid usage, an unreadable root, no selected cases.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// Returns whether a tensor that a case names does not exist: the verdict *missing* instead of *broken*.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Error::Missing { .. })
    }

    /// Wraps an error of the operating system while reading `path`.
    pub(crate) fn read(path: impl AsRef<Path>, source: io::Error) -> Self {
        Error::Read { path: path.as_ref().to_path_buf(), source }
    }

    /// Wraps an error of the operating system while writing `path`.
    pub(crate) fn write(path: impl AsRef<Path>, source: io::Error) -> Self {
        Error::Write { path: path.as_ref().to_path_buf(), source }
    }
}

fn no_cases(place: &Path, exists: bool) -> String {
    match (place.display(), exists) {
        (place, true) => format!("no case below {place}: a case is a folder that contains a case.json"),
        (place, false) => format!("there is no folder {place}; name the goldens root, or add a first case to it"),
    }
}
