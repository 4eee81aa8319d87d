//! What a report would replace: never what a run reads, by whatever name.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::golden::{Kind, Seen, absolute, walk};

/// A file that is to be written, by its real name.
pub(super) struct Place(PathBuf);

impl Place {
    /// The place of a file that may be there or not: the links of what is there are followed.
    pub(super) fn of(file: &Path) -> Place {
        let file = absolute(file).unwrap_or_else(|_| file.to_path_buf());
        let real = |above: &Path| {
            let below = file.strip_prefix(above).ok()?;
            let above = fs::canonicalize(above).ok()?;
            // Joined with nothing, the name of a file would end like that of a folder.
            Some(if below.as_os_str().is_empty() { above } else { above.join(below) })
        };
        Place(file.ancestors().find_map(real).unwrap_or_else(|| file.clone()))
    }

    /// Whether both are one file; two that are not there yet are one where they differ in case alone, as they are to some
    /// systems.
    pub(super) fn is(&self, other: &Place) -> bool {
        let lower = |place: &Place| place.0.to_string_lossy().to_lowercase();
        is_same(&self.0, &other.0) || (!(self.0.exists() && other.0.exists()) && lower(self) == lower(other))
    }

    /// Whether it is in that folder, or a file there is the same one by a link.
    pub(super) fn is_below(&self, folder: &Path) -> bool {
        if self.0.ancestors().skip(1).any(|above| is_same(above, folder)) {
            return true;
        }
        // What is not there is nothing else either.
        let note = |found: &mut bool, seen: Seen<'_>| {
            if let Seen::Entry { folder, name, kind: Kind::File } = seen {
                *found |= is_same(&folder.join(name), &self.0);
            }
        };
        self.0.is_file() && walk(folder, note).contains(&true)
    }

    /// Whether there is a file with something in it that is not such a report.
    pub(super) fn is_other(&self, option: &str) -> bool {
        let mut head = [0; 512];
        if !self.0.is_file() {
            return false;
        }
        let Ok(count) = fs::File::open(&self.0).and_then(|mut file| file.read(&mut head)) else { return false };
        let head = String::from_utf8_lossy(&head[..count]).trim_start().to_lowercase();
        let is_report = match option {
            "--json" => head.starts_with('{') && head.contains("\"karat\": {"),
            "--junit" => head.starts_with('<') && head.contains("<testsuite"),
            "--html" => head.starts_with("<!doctype html"),
            _ => true,
        };
        !head.is_empty() && !is_report
    }
}

/// Whether two paths lead to one file or folder, however they are spelled.
fn is_same(one: &Path, other: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let identity = |path: &Path| fs::metadata(path).ok().map(|there| (there.dev(), there.ino()));
        if let (Some(one), Some(other)) = (identity(one), identity(other)) {
            return one == other;
        }
    }
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    real(one) == real(other)
}
