//! The file that a report is written to: it must not replace any file that a run reads.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::case::{WalkEvent, absolute, walk};

/// The real path of a file that will be written.
pub(super) struct Destination(PathBuf);

impl Destination {
    /// Resolves a path that may not exist yet: links are followed, including links to files that do not exist yet.
    pub(super) fn resolve(file: &Path) -> Destination {
        /// Linux has the same limit.
        const MAX_LINKS: usize = 40;
        let mut file = absolute(file).unwrap_or_else(|_| file.to_path_buf());
        for _ in 0..MAX_LINKS {
            let real = |above: &Path| Some((fs::canonicalize(above).ok()?, file.strip_prefix(above).ok()?));
            let Some((above, below)) = file.ancestors().find_map(real) else { break };
            let mut below = below.components();
            let Some(first) = below.next() else { return Destination(above) };
            let target = fs::read_link(above.join(first));
            let is_link = target.is_ok();
            let mut path = above.join(target.unwrap_or_else(|_| first.as_os_str().into()));
            path.extend(below);
            file = absolute(&path).unwrap_or(path);
            if !is_link {
                break;
            }
        }
        Destination(file)
    }

    /// Whether both are the same file. Paths that do not exist yet and differ in case alone count as one, since some file
    /// systems do not distinguish them.
    pub(super) fn is_same(&self, other: &Destination) -> bool {
        let lower = |place: &Destination| place.0.to_string_lossy().to_lowercase();
        is_same_file(&self.0, &other.0) || (!(self.0.exists() && other.0.exists()) && lower(self) == lower(other))
    }

    /// Whether it is in `folder`, or is the same file as one in `folder` through a link.
    pub(super) fn is_below(&self, folder: &Path) -> bool {
        if self.0.ancestors().skip(1).any(|above| is_same_file(above, folder)) {
            return true;
        }
        let mut is_linked = false;
        if self.0.is_file() {
            walk(folder, |event| {
                if let WalkEvent::Entry(entry) = event {
                    is_linked |= entry.file_type().is_file() && is_same_file(entry.path(), &self.0);
                }
            });
        }
        is_linked
    }

    /// Whether it is a non-empty file that does not start like the report that `option` writes.
    pub(super) fn is_foreign(&self, option: &str) -> bool {
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

/// Whether two paths lead to the same file or folder.
fn is_same_file(one: &Path, other: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let identity = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
        if let (Some(one), Some(other)) = (identity(one), identity(other)) {
            return one == other;
        }
    }
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    real(one) == real(other)
}
