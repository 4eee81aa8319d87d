//! Creating several files and folders that are removed again if a later step fails.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::fs::{AtomicFile, Mode, write_atomic};

/// The files and folders created so far. Existing ones are never changed.
#[derive(Debug, Default)]
pub(super) struct NewFiles {
    /// Parents before their children.
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl NewFiles {
    /// Returns the files in the order in which they were created.
    pub(super) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Creates a folder and its missing parents.
    pub(super) fn create_folder(&mut self, folder: &Path) -> Result<()> {
        let missing: Vec<&Path> = folder.ancestors().take_while(|above| !above.exists()).collect();
        for folder in missing.into_iter().rev() {
            fs::create_dir(folder).map_err(|error| Error::write(folder, error))?;
            self.folders.push(folder.to_path_buf());
        }
        Ok(())
    }

    /// Copies a file to a path that does not exist.
    pub(super) fn copy(&mut self, source: &Path, target: &Path) -> Result<()> {
        let mut reader = fs::File::open(source).map_err(|error| Error::read(source, error))?;
        self.create(target, |file| io::copy(&mut reader, file).map(drop))
    }

    /// Writes a file to a path that does not exist.
    pub(super) fn write(&mut self, target: &Path, content: &[u8]) -> Result<()> {
        self.create(target, |file| file.write_all(content))
    }

    /// Removes everything in reverse order, as far as possible.
    pub(super) fn undo(self) {
        for file in self.files.iter().rev() {
            fs::remove_file(file).ok();
        }
        for folder in self.folders.iter().rev() {
            fs::remove_dir(folder).ok();
        }
    }

    fn create(&mut self, target: &Path, write: impl FnOnce(&mut AtomicFile) -> io::Result<()>) -> Result<()> {
        write_atomic(target, Mode::Create, write).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                Error::Usage(format!("{} already exists; nothing was written", target.display()))
            }
            _ => Error::write(target, error),
        })?;
        self.files.push(target.to_path_buf());
        Ok(())
    }
}
