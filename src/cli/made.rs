//! Files and folders made one after the other, which can be unmade if the last of them fails.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::fs::{AtomicFile, Mode, write_atomic};

/// What has been made so far. Nothing that was there before is touched.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// The outermost first.
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Made {
    /// The files, in the order in which they were made.
    pub(super) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Makes a folder, and those above it that are not there.
    pub(super) fn folder(&mut self, folder: &Path) -> Result<()> {
        let missing: Vec<&Path> = folder.ancestors().take_while(|above| !above.exists()).collect();
        for folder in missing.into_iter().rev() {
            fs::create_dir(folder).map_err(|error| Error::write(folder, error))?;
            self.folders.push(folder.to_path_buf());
        }
        Ok(())
    }

    /// Copies a file to where none is.
    pub(super) fn copy(&mut self, source: &Path, target: &Path) -> Result<()> {
        let mut reader = fs::File::open(source).map_err(|error| Error::read(source, error))?;
        self.create(target, |file| io::copy(&mut reader, file).map(drop))
    }

    /// Writes a file where none is.
    pub(super) fn write(&mut self, target: &Path, content: &[u8]) -> Result<()> {
        self.create(target, |file| file.write_all(content))
    }

    /// Removes what was made, the last first. What cannot be removed stays.
    pub(super) fn undo(self) {
        for file in self.files.iter().rev() {
            fs::remove_file(file).ok();
        }
        for folder in self.folders.iter().rev() {
            fs::remove_dir(folder).ok();
        }
    }

    /// A file appears whole or not at all: it is written beside its place and renamed.
    fn create(&mut self, target: &Path, write: impl FnOnce(&mut AtomicFile) -> io::Result<()>) -> Result<()> {
        write_atomic(target, Mode::Create, write).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                Error::Usage(format!("{} exists already; nothing was written", target.display()))
            }
            _ => Error::write(target, error),
        })?;
        self.files.push(target.to_path_buf());
        Ok(())
    }
}
