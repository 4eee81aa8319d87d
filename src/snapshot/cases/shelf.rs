//! Every snapshot there is, from one walk over their folder.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::case::{CaseId, Kind, Seen, walk};
use crate::error::{Error, Result};

/// The snapshots, accepted and pending, by the case that they are of.
#[derive(Default)]
pub(crate) struct Shelf {
    root: PathBuf,
    folders: HashMap<CaseId, Vec<Spine>>,
    /// Those in the folder itself, which belong to no case: insta keeps those of ordinary tests there.
    loose: Vec<Spine>,
    /// The first place that could not be read.
    unreadable: Option<(PathBuf, ErrorKind, String)>,
}

/// One file, or what is called like one.
#[derive(Clone, Debug)]
pub(super) struct Spine {
    pub(super) name: String,
    pub(super) is_file: bool,
}

/// What one thread of a walk has seen.
#[derive(Default)]
struct Noted {
    /// The entries of a folder follow one another.
    folders: Vec<(PathBuf, Vec<Spine>)>,
    /// The places that could not be read.
    unreadable: Vec<(PathBuf, ErrorKind, String)>,
}

impl Shelf {
    /// Walks that folder. One that is not there holds nothing.
    pub(crate) fn read(root: &Path) -> Shelf {
        let mut shelf = Shelf { root: root.to_path_buf(), ..Shelf::default() };
        for noted in walk(root, Noted::note) {
            shelf.unreadable = [shelf.unreadable].into_iter().flatten().chain(noted.unreadable).min();
            for (folder, spines) in noted.folders {
                match folder.strip_prefix(root) {
                    Ok(below) if below == Path::new("") => shelf.loose.extend(spines),
                    // A name that cannot be an id was not written by karat.
                    Ok(below) => {
                        CaseId::from_path(below).map_or((), |id| shelf.folders.entry(id).or_default().extend(spines))
                    }
                    // The root itself is a link that leads nowhere.
                    Err(_) => {}
                }
            }
        }
        shelf
    }

    /// Whether all of it could be read.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] where the folder is a file; [`Error::Read`] with the first place that could not be read.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.unreadable {
            None => Ok(()),
            Some((place, ..)) if *place == self.root && self.root.exists() && !self.root.is_dir() => {
                Err(Error::Snapshot {
                    path: self.root.clone(),
                    what: "it is a file, where karat keeps a folder of snapshots; move it away".to_owned(),
                })
            }
            Some((place, kind, text)) => Err(Error::read(place, io::Error::new(*kind, text.clone()))),
        }
    }

    /// The outputs of a case that have a snapshot, sorted; `None` where it has no folder with any.
    pub(crate) fn recorded(&self, id: &CaseId) -> Option<Vec<String>> {
        let outputs =
            self.folders.get(id)?.iter().filter_map(|spine| Some(spine.name.strip_suffix(".snap")?.to_owned()));
        let mut outputs: Vec<String> = outputs.collect();
        outputs.sort();
        Some(outputs)
    }

    /// Whether a snapshot of that case has a pending file beside it.
    pub(super) fn has_pending(&self, id: &CaseId) -> bool {
        self.folders.get(id).is_some_and(|spines| spines.iter().any(|spine| spine.name.ends_with(".snap.new")))
    }

    /// The files, with the case that they are of, in no order.
    pub(super) fn files(&self) -> impl Iterator<Item = (&CaseId, &str)> {
        self.folders.iter().flat_map(|(id, spines)| {
            spines.iter().filter(|spine| spine.is_file).map(move |file| (id, file.name.as_str()))
        })
    }

    /// The files in the folder itself.
    pub(super) fn loose(&self) -> impl Iterator<Item = &str> {
        self.loose.iter().filter(|spine| spine.is_file).map(|file| file.name.as_str())
    }
}

impl Noted {
    fn note(&mut self, seen: Seen<'_>) {
        match seen {
            Seen::Entry { folder, name, kind } => self.add(folder, name, kind == Kind::File),
            // A link that leads nowhere, or back, has a name too.
            Seen::Loop { place, .. } => self.add_place(place),
            Seen::Tangle { place } => {
                let what = "there are too many links behind this link".to_owned();
                self.unreadable.push((place.to_path_buf(), ErrorKind::Other, what));
            }
            Seen::Unreadable { place, error } if error.kind() == ErrorKind::NotFound => self.add_place(place),
            Seen::Unreadable { place, error } => {
                self.unreadable.push((place.to_path_buf(), error.kind(), error.to_string()));
            }
        }
    }

    fn add_place(&mut self, place: &Path) {
        if let (Some(folder), Some(name)) = (place.parent(), place.file_name()) {
            self.add(folder, name, false);
        }
    }

    fn add(&mut self, folder: &Path, name: &OsStr, is_file: bool) {
        // A system that does not tell upper from lower case would take it for one.
        let is_named = |name: &&str| {
            let lower = name.to_ascii_lowercase();
            lower.ends_with(".snap") || lower.ends_with(".snap.new")
        };
        let Some(name) = name.to_str().filter(is_named) else { return };
        let spine = Spine { name: name.to_owned(), is_file };
        match self.folders.last_mut() {
            Some((last, spines)) if last == folder => spines.push(spine),
            _ => self.folders.push((folder.to_path_buf(), vec![spine])),
        }
    }
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
        assert_eq!(shelf.loose().collect::<Vec<_>>(), ["own.snap"]);
        Shelf::read(&root.path().join("none")).check().expect("it holds nothing");
        let is_file = Shelf::read(&root.path().join("own.snap")).check().expect_err("it is no folder").to_string();
        assert!(is_file.contains("own.snap: it is a file"), "{is_file}");
    }
}
