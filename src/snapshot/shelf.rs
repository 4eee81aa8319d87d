//! Every snapshot there is, from one walk over their folder; and those that belong to nothing.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::file::in_place_of_folder;
use crate::case::{CaseId, WalkEvent, walk};
use crate::error::{Error, Result};
use crate::fs::{Lookup, TEXT_LIMIT, read_regular};
use crate::tensor::Pointer;

/// The snapshots, accepted and pending, by the case that they are of.
#[derive(Default)]
pub(crate) struct Shelf {
    root: PathBuf,
    folders: BTreeMap<CaseId, Vec<Entry>>,
    /// Those in the folder itself, which belong to no case: insta keeps those of ordinary tests there.
    loose: Vec<Entry>,
    /// The first place that could not be read.
    unreadable: Option<(PathBuf, io::Error)>,
}

/// One file, or what is called like one.
struct Entry {
    name: String,
    is_file: bool,
}

/// A snapshot whose case, or whose output, does not exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Orphan {
    /// The case that it would belong to.
    pub id: CaseId,
    /// The output that it would belong to.
    pub output: String,
    /// The `.snap` file.
    pub path: PathBuf,
}

impl Shelf {
    /// Walks that folder. One that is not there holds nothing.
    pub(crate) fn read(root: &Path) -> Shelf {
        let mut shelf = Shelf { root: root.to_path_buf(), ..Shelf::default() };
        walk(root, |event| match event {
            WalkEvent::Entry(entry) => shelf.add(entry.path(), entry.file_type().is_file()),
            // A link that leads nowhere, or back, has a name too.
            WalkEvent::Loop { place, .. } => shelf.add(place, false),
            WalkEvent::TooManyLinks { place } => {
                let error = io::Error::other("there are too many links behind this link");
                shelf.unreadable.get_or_insert((place.to_path_buf(), error));
            }
            WalkEvent::Unreadable { place, error } if error.kind() == ErrorKind::NotFound => shelf.add(place, false),
            WalkEvent::Unreadable { place, error } => {
                shelf.unreadable.get_or_insert((place.to_path_buf(), error));
            }
        });
        shelf
    }

    fn add(&mut self, place: &Path, is_file: bool) {
        let Some(name) = place.file_name().and_then(|name| name.to_str()) else { return };
        // A system that does not tell upper from lower case would take it for one.
        let lower = name.to_ascii_lowercase();
        if !lower.ends_with(".snap") && !lower.ends_with(".snap.new") {
            return;
        }
        let entry = Entry { name: name.to_owned(), is_file };
        let folder = place.parent().and_then(|folder| folder.strip_prefix(&self.root).ok());
        match folder.map(|folder| (folder, CaseId::from_path(folder))) {
            Some((_, Ok(id))) => self.folders.entry(id).or_default().push(entry),
            Some((folder, Err(_))) if folder == Path::new("") => self.loose.push(entry),
            // A name that cannot be an id was not written by karat; or the root itself is a link that leads nowhere.
            _ => {}
        }
    }

    /// Whether all of it could be read.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] where the folder is a file; [`Error::Read`] with the first place that could not be read.
    pub(crate) fn check(&self) -> Result<()> {
        if self.root.exists() && !self.root.is_dir() {
            return Err(in_place_of_folder(&self.root));
        }
        match &self.unreadable {
            None => Ok(()),
            Some((place, error)) => Err(Error::read(place, io::Error::new(error.kind(), error.to_string()))),
        }
    }

    /// The outputs of a case that have a snapshot, sorted; `None` where it has no folder with any.
    pub(crate) fn recorded(&self, id: &CaseId) -> Option<Vec<String>> {
        let outputs = self.folders.get(id)?.iter().filter_map(|entry| entry.name.strip_suffix(".snap"));
        let mut outputs: Vec<String> = outputs.map(str::to_owned).collect();
        outputs.sort();
        Some(outputs)
    }

    /// Whether a snapshot of that case has a pending file beside it.
    pub(super) fn has_pending(&self, id: &CaseId) -> bool {
        self.folders.get(id).is_some_and(|entries| entries.iter().any(|entry| entry.name.ends_with(".snap.new")))
    }

    /// The pending files, with the case and output that they are of, sorted.
    pub(super) fn pending(&self) -> Vec<(CaseId, String, PathBuf)> {
        let pending = self.files().filter_map(|(id, name)| {
            let output = name.strip_suffix(".snap.new")?.to_owned();
            Some((id.clone(), output, id.below(&self.root).join(name)))
        });
        let mut pending: Vec<_> = pending.collect();
        pending.sort();
        pending
    }

    /// The files, with the case that they are of.
    fn files(&self) -> impl Iterator<Item = (&CaseId, &str)> {
        self.folders.iter().flat_map(|(id, entries)| files(entries).map(move |name| (id, name)))
    }

    /// The snapshots of karat's that belong to no known case and output, sorted; of what cannot be read none. Those in the root
    /// itself, where insta keeps those of ordinary tests, belong to no case whatever it is called.
    pub(crate) fn orphans(&self, is_known: impl Fn(&CaseId, &str) -> bool) -> Vec<Orphan> {
        // An ending in capitals is none, but the name of no output either.
        let is_accepted = |name: &str| name.to_ascii_lowercase().ends_with(".snap");
        let orphan = |id: &CaseId, folder: &Path, name: &str| Orphan {
            id: id.clone(),
            output: name.strip_suffix(".snap").unwrap_or(name).to_owned(),
            path: folder.join(name),
        };
        let below = self.files().filter(|(_, name)| is_accepted(name)).filter_map(|(id, name)| {
            let orphan = orphan(id, &id.below(&self.root), name);
            let is_strange = !name.ends_with(".snap") || !is_known(id, &orphan.output);
            (is_strange && is_ours(&orphan.path)).then_some(orphan)
        });
        let in_root = files(&self.loose).filter(|name| is_accepted(name)).filter_map(|name| {
            let orphan = orphan(&Orphan::in_root(), &self.root, name);
            names_case(&text(&orphan.path).ok()??).then_some(orphan)
        });
        let mut orphans: Vec<Orphan> = below.chain(in_root).collect();
        orphans.sort();
        orphans
    }
}

/// The names of what is a file.
fn files(entries: &[Entry]) -> impl Iterator<Item = &str> {
    entries.iter().filter(|entry| entry.is_file).map(|entry| entry.name.as_str())
}

impl Orphan {
    /// The id under which orphans in the root of the snapshots are reported, which have none.
    pub(crate) fn in_root() -> CaseId {
        CaseId::new("snapshots").expect("a word is an id")
    }

    /// Whether it is in the root of the snapshots, where no case has any.
    pub(crate) fn is_in_root(&self, root: &Path) -> bool {
        self.path.parent() == Some(root)
    }
}

/// Whether karat wrote that snapshot, though a merge or a crash may have damaged it since: one line of its text is left, or
/// the header names a `case.json`; or nothing is left that says whose it was, as where it may not be read.
pub(super) fn is_ours(path: &Path) -> bool {
    match text(path) {
        Ok(Some(raw)) => {
            let says_nothing = raw.trim().is_empty() || Pointer::of(raw.as_bytes()).is_some();
            says_nothing || names_case(&raw) || raw.lines().any(|line| line.starts_with("karat: "))
        }
        Ok(None) => false,
        Err(_) => true,
    }
}

/// Whether the header of a snapshot names a case.
fn names_case(raw: &str) -> bool {
    let is_source =
        |line: &str| line.starts_with("source:") && line.trim_end_matches(['"', '\r']).ends_with("case.json");
    raw.lines().any(is_source)
}

/// The text of a snapshot, whatever its encoding; `None` where there is no file.
fn text(path: &Path) -> io::Result<Option<String>> {
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
    fn a_shelf_holds_what_each_folder_does() {
        let root = tempfile::tempdir().expect("a folder");
        for name in
            ["own.snap", "a/y.snap", "a/b/z.snap", "a/b/x.snap", "a/b/x.snap.new", "a/b/note.txt", "c/d.snap/e.snap"]
        {
            let file = root.path().join(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("folders");
            fs::write(file, "").expect("a file");
        }
        let shelf = Shelf::read(root.path());
        shelf.check().expect("all can be read");
        let id = |text| CaseId::new(text).expect("an id");
        assert_eq!(shelf.recorded(&id("a/b")), Some(vec!["x".to_owned(), "z".to_owned()]));
        assert_eq!(shelf.recorded(&id("a")), Some(vec!["y".to_owned()]));
        // Whatever it is.
        assert_eq!(shelf.recorded(&id("c")), Some(vec!["d".to_owned()]));
        assert_eq!(shelf.recorded(&id("e")), None);
        assert!(shelf.has_pending(&id("a/b")) && !shelf.has_pending(&id("a")));
        let mut files: Vec<String> = shelf.files().map(|(id, name)| format!("{id} {name}")).collect();
        files.sort();
        assert_eq!(files, ["a y.snap", "a/b x.snap", "a/b x.snap.new", "a/b z.snap", "c/d.snap e.snap"]);
        assert_eq!(super::files(&shelf.loose).collect::<Vec<_>>(), ["own.snap"]);
        Shelf::read(&root.path().join("none")).check().expect("it holds nothing");
        let is_file = Shelf::read(&root.path().join("own.snap")).check().expect_err("it is no folder").to_string();
        assert!(is_file.contains("own.snap: it is a file"), "{is_file}");
    }
}
