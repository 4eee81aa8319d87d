//! Every snapshot there is, from one walk over their folder.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::golden::{CaseId, Kind, Seen, walk};

/// The snapshots, accepted and pending, by the case that they are of.
pub(crate) struct Shelf(HashMap<CaseId, Vec<Spine>>);

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
    /// Whether a place could not be read.
    is_partial: bool,
}

impl Shelf {
    /// Walks that folder; `None` where any of it cannot be read. One that is not there holds nothing.
    ///
    /// Files in the folder itself belong to no case: insta keeps those of ordinary tests there.
    pub(crate) fn read(root: &Path) -> Option<Shelf> {
        let mut folders: HashMap<CaseId, Vec<Spine>> = HashMap::new();
        for noted in walk(root, Noted::note) {
            if noted.is_partial {
                return None;
            }
            for (folder, spines) in noted.folders {
                let below = folder.strip_prefix(root).expect("the walk stays below its root");
                // A name that cannot be an id was not written by karat; the root has none.
                if let Ok(id) = CaseId::from_path(below) {
                    folders.entry(id).or_default().extend(spines);
                }
            }
        }
        Some(Shelf(folders))
    }

    /// The outputs of a case that have a snapshot, sorted; `None` where it has no folder with any.
    pub(crate) fn recorded(&self, id: &CaseId) -> Option<Vec<String>> {
        let outputs = self.0.get(id)?.iter().filter_map(|spine| Some(spine.name.strip_suffix(".snap")?.to_owned()));
        let mut outputs: Vec<String> = outputs.collect();
        outputs.sort();
        Some(outputs)
    }

    /// Whether a snapshot of that case has a pending file beside it.
    pub(super) fn has_pending(&self, id: &CaseId) -> bool {
        self.0.get(id).is_some_and(|spines| spines.iter().any(|spine| spine.name.ends_with(".snap.new")))
    }

    /// The files, with the case that they are of, in no order.
    pub(super) fn files(&self) -> impl Iterator<Item = (&CaseId, &str)> {
        self.0.iter().flat_map(|(id, spines)| {
            spines.iter().filter(|spine| spine.is_file).map(move |file| (id, file.name.as_str()))
        })
    }
}

impl Noted {
    fn note(&mut self, seen: Seen<'_>) {
        match seen {
            Seen::Entry { folder, name, kind } => self.add(folder, name, kind == Kind::File),
            // A link that leads nowhere, or back, has a name too.
            Seen::Loop { place, .. } => self.add_place(place),
            Seen::Unreadable { place, error } if error.kind() == ErrorKind::NotFound => self.add_place(place),
            Seen::Unreadable { .. } => self.is_partial = true,
        }
    }

    fn add_place(&mut self, place: &Path) {
        if let (Some(folder), Some(name)) = (place.parent(), place.file_name()) {
            self.add(folder, name, false);
        }
    }

    fn add(&mut self, folder: &Path, name: &OsStr, is_file: bool) {
        let Some(name) = name.to_str().filter(|name| name.ends_with(".snap") || name.ends_with(".snap.new")) else {
            return;
        };
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
        let shelf = Shelf::read(root.path()).expect("all can be read");
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
        assert!(Shelf::read(&root.path().join("none")).is_some());
        assert!(Shelf::read(&root.path().join("own.snap")).is_none());
    }
}
