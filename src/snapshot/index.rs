//! An index of all snapshots, read in one walk over their folder, and the search for orphans.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::file::not_a_folder;
use crate::case::{CaseId, WalkEvent, walk};
use crate::error::{Error, Result};
use crate::fs::{Lookup, TEXT_LIMIT, read_regular};
use crate::tensor::Pointer;

/// The accepted and pending snapshots, by case.
#[derive(Default)]
pub(crate) struct SnapshotIndex {
    root: PathBuf,
    folders: BTreeMap<CaseId, Vec<Entry>>,
    /// Those in the root folder, which belong to no case: insta stores those of ordinary tests there.
    in_root: Vec<Entry>,
    /// The first place that could not be read.
    unreadable: Option<(PathBuf, io::Error)>,
}

/// A file, or something else with the name of a snapshot.
struct Entry {
    name: String,
    is_file: bool,
}

/// A snapshot whose case or output does not exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Orphan {
    /// The case that it would belong to.
    pub id: CaseId,
    /// The output that it would belong to.
    pub output: String,
    /// The `.snap` file.
    pub path: PathBuf,
}

impl SnapshotIndex {
    /// Reads a folder of snapshots. If it does not exist, the index is empty.
    pub(crate) fn read(root: &Path) -> SnapshotIndex {
        let mut index = SnapshotIndex { root: root.to_path_buf(), ..SnapshotIndex::default() };
        walk(root, |event| match event {
            WalkEvent::Entry(entry) => index.add(entry.path(), entry.file_type().is_file()),
            // The names of dangling and circular links count too.
            WalkEvent::Loop { place, .. } => index.add(place, false),
            WalkEvent::TooManyLinks { place } => {
                let error = io::Error::other("there are too many links behind this link");
                index.unreadable.get_or_insert((place.to_path_buf(), error));
            }
            WalkEvent::Unreadable { place, error } if error.kind() == ErrorKind::NotFound => index.add(place, false),
            WalkEvent::Unreadable { place, error } => {
                index.unreadable.get_or_insert((place.to_path_buf(), error));
            }
        });
        index
    }

    fn add(&mut self, place: &Path, is_file: bool) {
        let Some(name) = place.file_name().and_then(|name| name.to_str()) else { return };
        // On a file system that ignores case, it would be found under that name.
        let lower = name.to_ascii_lowercase();
        if !lower.ends_with(".snap") && !lower.ends_with(".snap.new") {
            return;
        }
        let entry = Entry { name: name.to_owned(), is_file };
        let folder = place.parent().and_then(|folder| folder.strip_prefix(&self.root).ok());
        match folder.map(|folder| (folder, CaseId::from_path(folder))) {
            Some((_, Ok(id))) => self.folders.entry(id).or_default().push(entry),
            Some((folder, Err(_))) if folder == Path::new("") => self.in_root.push(entry),
            // Either the name is not a valid id, so that karat did not write it, or the root is a dangling link.
            _ => {}
        }
    }

    /// Checks that everything could be read.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] if the folder is a file; [`Error::Read`] with the first path that could not be read.
    pub(crate) fn check(&self) -> Result<()> {
        if self.root.exists() && !self.root.is_dir() {
            return Err(not_a_folder(&self.root));
        }
        match &self.unreadable {
            None => Ok(()),
            Some((place, error)) => Err(Error::read(place, io::Error::new(error.kind(), error.to_string()))),
        }
    }

    /// Returns the outputs of a case that have a snapshot, sorted, or `None` if its folder has no snapshots.
    pub(crate) fn recorded_outputs(&self, id: &CaseId) -> Option<Vec<String>> {
        let outputs = self.folders.get(id)?.iter().filter_map(|entry| entry.name.strip_suffix(".snap"));
        let mut outputs: Vec<String> = outputs.map(str::to_owned).collect();
        outputs.sort();
        Some(outputs)
    }

    /// Whether the case has a pending snapshot.
    pub(super) fn has_pending(&self, id: &CaseId) -> bool {
        self.folders.get(id).is_some_and(|entries| entries.iter().any(|entry| entry.name.ends_with(".snap.new")))
    }

    /// Returns the case, the output and the path of every pending snapshot, sorted.
    pub(super) fn pending(&self) -> Vec<(CaseId, String, PathBuf)> {
        let pending = self.files().filter_map(|(id, name)| {
            let output = name.strip_suffix(".snap.new")?.to_owned();
            Some((id.clone(), output, id.below(&self.root).join(name)))
        });
        let mut pending: Vec<_> = pending.collect();
        pending.sort();
        pending
    }

    /// Returns the case and the name of every file.
    fn files(&self) -> impl Iterator<Item = (&CaseId, &str)> {
        self.folders.iter().flat_map(|(id, entries)| files(entries).map(move |name| (id, name)))
    }

    /// Returns the snapshots written by karat that do not belong to a known output of a known case, sorted. Those in the root folder
    /// never belong to a case. Folders that cannot be read are ignored.
    pub(crate) fn orphans(&self, is_known: impl Fn(&CaseId, &str) -> bool) -> Vec<Orphan> {
        // With an extension in capitals it is an orphan, because no output is stored under such a name.
        let is_accepted = |name: &str| name.to_ascii_lowercase().ends_with(".snap");
        let orphan = |id: &CaseId, folder: &Path, name: &str| Orphan {
            id: id.clone(),
            output: name.strip_suffix(".snap").unwrap_or(name).to_owned(),
            path: folder.join(name),
        };
        let below = self.files().filter(|(_, name)| is_accepted(name)).filter_map(|(id, name)| {
            let orphan = orphan(id, &id.below(&self.root), name);
            let is_unknown = !name.ends_with(".snap") || !is_known(id, &orphan.output);
            (is_unknown && is_ours(&orphan.path)).then_some(orphan)
        });
        let in_root = files(&self.in_root).filter(|name| is_accepted(name)).filter_map(|name| {
            let orphan = orphan(&Orphan::root_id(), &self.root, name);
            names_case(&read_lossy(&orphan.path).ok()??).then_some(orphan)
        });
        let mut orphans: Vec<Orphan> = below.chain(in_root).collect();
        orphans.sort();
        orphans
    }
}

/// Returns the names of the files among the entries.
fn files(entries: &[Entry]) -> impl Iterator<Item = &str> {
    entries.iter().filter(|entry| entry.is_file).map(|entry| entry.name.as_str())
}

impl Orphan {
    /// The id under which orphans in the root folder are reported.
    pub(crate) fn root_id() -> CaseId {
        CaseId::new("snapshots").expect("a word is an id")
    }

    /// Whether it is in the root folder of the snapshots, where no case has any.
    pub(crate) fn is_in_root(&self, root: &Path) -> bool {
        self.path.parent() == Some(root)
    }
}

/// Whether karat wrote this snapshot, even if a merge or a crash damaged it later: its header names a `case.json`, it still has
/// karat's first line, or nothing shows who wrote it, for instance because it cannot be read.
pub(super) fn is_ours(path: &Path) -> bool {
    match read_lossy(path) {
        Ok(Some(raw)) => {
            let is_anonymous = raw.trim().is_empty() || Pointer::of(raw.as_bytes()).is_some();
            is_anonymous || names_case(&raw) || raw.lines().any(|line| line.starts_with("karat: "))
        }
        Ok(None) => false,
        Err(_) => true,
    }
}

/// Whether the header of a snapshot names a `case.json`.
fn names_case(raw: &str) -> bool {
    raw.lines().any(|line| line.starts_with("source:") && line.trim_end_matches(['"', '\r']).ends_with("case.json"))
}

/// Reads the text of a snapshot in any encoding. Returns `None` if there is no such file.
fn read_lossy(path: &Path) -> io::Result<Option<String>> {
    Ok(match read_regular(path, TEXT_LIMIT)? {
        Lookup::File(raw) => Some(String::from_utf8_lossy(&raw).into_owned()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_index_has_the_snapshots_of_each_folder() {
        let root = tempfile::tempdir().expect("a folder");
        for name in
            ["own.snap", "a/y.snap", "a/b/z.snap", "a/b/x.snap", "a/b/x.snap.new", "a/b/note.txt", "c/d.snap/e.snap"]
        {
            let file = root.path().join(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("folders");
            fs::write(file, "").expect("a file");
        }
        let index = SnapshotIndex::read(root.path());
        index.check().expect("all can be read");
        let id = |text| CaseId::new(text).expect("an id");
        assert_eq!(index.recorded_outputs(&id("a/b")), Some(vec!["x".to_owned(), "z".to_owned()]));
        assert_eq!(index.recorded_outputs(&id("a")), Some(vec!["y".to_owned()]));
        // A folder with the name of a snapshot counts too.
        assert_eq!(index.recorded_outputs(&id("c")), Some(vec!["d".to_owned()]));
        assert_eq!(index.recorded_outputs(&id("e")), None);
        assert!(index.has_pending(&id("a/b")) && !index.has_pending(&id("a")));
        let mut files: Vec<String> = index.files().map(|(id, name)| format!("{id} {name}")).collect();
        files.sort();
        assert_eq!(files, ["a y.snap", "a/b x.snap", "a/b x.snap.new", "a/b z.snap", "c/d.snap e.snap"]);
        assert_eq!(super::files(&index.in_root).collect::<Vec<_>>(), ["own.snap"]);
        SnapshotIndex::read(&root.path().join("none")).check().expect("it is empty");
        let is_file =
            SnapshotIndex::read(&root.path().join("own.snap")).check().expect_err("it is not a folder").to_string();
        assert!(is_file.contains("own.snap: it is a file"), "{is_file}");
    }
}
