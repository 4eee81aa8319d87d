//! What a report would replace: never what a run reads, by whatever name.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::case::{WalkEvent, absolute, walk};

/// A file that is to be written, by its real name.
pub(super) struct Place(PathBuf);

impl Place {
    /// The place of a file that may be there or not: links are followed, those too that lead to what is not there yet.
    pub(super) fn of(file: &Path) -> Place {
        /// A system follows no more of them either.
        const MOST_LINKS: usize = 40;
        let mut file = absolute(file).unwrap_or_else(|_| file.to_path_buf());
        for _ in 0..MOST_LINKS {
            let real = |above: &Path| Some((fs::canonicalize(above).ok()?, file.strip_prefix(above).ok()?));
            let Some((above, below)) = file.ancestors().find_map(real) else { break };
            let mut below = below.components();
            let Some(first) = below.next() else { return Place(above) };
            let target = fs::read_link(above.join(first));
            let is_link = target.is_ok();
            let mut place = above.join(target.unwrap_or_else(|_| first.as_os_str().into()));
            place.extend(below);
            file = absolute(&place).unwrap_or(place);
            if !is_link {
                break;
            }
        }
        Place(file)
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
        let mut is_found = false;
        if self.0.is_file() {
            walk(folder, |event| {
                if let WalkEvent::Entry(entry) = event {
                    is_found |= entry.file_type().is_file() && is_same(entry.path(), &self.0);
                }
            });
        }
        is_found
    }

    /// Whether there is a file with something in it that is not such a report, by what karat alone writes at its beginning.
    pub(super) fn is_other(&self, option: &str) -> bool {
        let mut head = [0; 1024];
        if !self.0.is_file() {
            return false;
        }
        let Ok(count) = fs::File::open(&self.0).and_then(|mut file| file.read(&mut head)) else { return true };
        let head = String::from_utf8_lossy(&head[..count]).trim_start().to_lowercase();
        let is_report = match option {
            "--json" => head.starts_with('{') && head.contains("\"karat\": {"),
            "--junit" => head.starts_with("<?xml") && head.contains("<testsuites name=\"karat\""),
            "--html" => head.starts_with("<!doctype html") && head.contains("name=\"generator\" content=\"karat "),
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
