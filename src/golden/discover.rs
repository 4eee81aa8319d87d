//! Finding the cases below a goldens root.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use super::case::CASE_FILE;
use super::id::CaseId;
use crate::error::{Error, Result};

/// A goldens root, and the snapshots folder that belongs to it.
#[derive(Clone, Debug)]
pub struct Goldens {
    /// The root, absolute: ids are paths below it.
    pub root: PathBuf,
    /// The snapshots folder, absolute: the same tree.
    pub snapshots: PathBuf,
    /// The folder below the root to which this run is restricted; empty for the whole.
    pub below: PathBuf,
}

/// What there is below a goldens root.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// The cases, sorted by id.
    pub cases: Vec<CaseId>,
    /// What could not be walked or may not be a case, with the id where it is, sorted.
    pub problems: BTreeMap<CaseId, String>,
}

impl Goldens {
    /// The root that `path` names, with `snapshots` standing where the last component named `goldens` stood.
    ///
    /// A path *below* a folder named `goldens` restricts the run to that part of it: ids and defaults are the same as
    /// for the whole, since both depend on the root.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] where no component is named `goldens` and `snapshots` is not given, or `path` is no folder that
    /// can be read.
    pub fn locate(path: &Path, snapshots: Option<&Path>) -> Result<Goldens> {
        let path = absolute(path)?;
        check_folder(&path)?;
        if let Some(snapshots) = snapshots {
            return Ok(Goldens { root: path, snapshots: absolute(snapshots)?, below: PathBuf::new() });
        }
        let root = path.ancestors().find(|ancestor| ancestor.file_name() == Some(OsStr::new("goldens")));
        match root {
            Some(root) => Ok(Goldens {
                root: root.to_path_buf(),
                snapshots: root.with_file_name("snapshots"),
                below: path.strip_prefix(root).expect("an ancestor is a prefix").to_path_buf(),
            }),
            None => Err(Error::Usage(format!(
                "{} is not in a folder named `goldens`; say where its snapshots are with --snapshots DIR",
                path.display()
            ))),
        }
    }

    /// Walks the root, or the part of it to which this run is restricted, following links.
    ///
    /// What cannot be walked is a problem in the tree, and stops nothing else.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] where the root itself cannot be read.
    pub fn discover(&self) -> Result<Tree> {
        check_folder(&self.root.join(&self.below))?;
        let mut tree = Tree::default();
        for entry in WalkDir::new(self.root.join(&self.below)).follow_links(true) {
            match entry {
                Ok(entry) if entry.file_name() == CASE_FILE => self.add(&mut tree, entry.path()),
                Ok(_) => {}
                Err(error) => {
                    let place = error.path().unwrap_or(&self.root);
                    let what = match error.loop_ancestor() {
                        Some(ancestor) => format!("is a link to its own ancestor {}", ancestor.display()),
                        None => error.to_string(),
                    };
                    tree.problems.insert(self.lossy_id(place), format!("{}: {what}", place.display()));
                }
            }
        }
        tree.cases.sort();
        refuse_case_twins(&mut tree);
        Ok(tree)
    }

    /// Adds the case of that `case.json`, or the problem with it.
    fn add(&self, tree: &mut Tree, file: &Path) {
        let folder = file.parent().expect("a file is in a folder");
        let relative = folder.strip_prefix(&self.root).expect("the walk stays below the root");
        if relative.as_os_str().is_empty() {
            let what = format!("{}: a case is a folder below the root; move it into one", file.display());
            tree.problems.insert(self.lossy_id(file), what);
            return;
        }
        match CaseId::from_path(relative) {
            Ok(id) => tree.cases.push(id),
            Err(error) => {
                tree.problems.insert(self.lossy_id(folder), error.to_string());
            }
        }
    }

    /// An id to report a path under that may not be one.
    fn lossy_id(&self, path: &Path) -> CaseId {
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        let parts: Vec<String> = relative
            .components()
            .filter_map(|part| match part {
                Component::Normal(name) => Some(name.to_string_lossy()),
                _ => None,
            })
            .map(|name| name.replace(|c: char| c.is_control() || c == '\\', "\u{fffd}"))
            .collect();
        let text = if parts.is_empty() { "goldens".to_owned() } else { parts.join("/") };
        CaseId::new(&text).expect("every component is normal and holds no refused character")
    }
}

/// Turns cases whose ids differ in case alone into problems: some systems cannot hold both.
fn refuse_case_twins(tree: &mut Tree) {
    let mut groups: BTreeMap<String, Vec<CaseId>> = BTreeMap::new();
    for id in &tree.cases {
        groups.entry(id.as_str().to_lowercase()).or_default().push(id.clone());
    }
    for twins in groups.into_values().filter(|ids| ids.len() > 1) {
        let names: Vec<&str> = twins.iter().map(CaseId::as_str).collect();
        let what = format!("the cases {} differ in case alone; rename all but one", names.join(" and "));
        tree.cases.retain(|id| !twins.contains(id));
        tree.problems.extend(twins.iter().map(|id| (id.clone(), what.clone())));
    }
}

/// The path made absolute and rid of `.` and `..` as text, so that links keep their names.
fn absolute(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path).map_err(|error| Error::read(path, error))?;
    Ok(path.components().fold(PathBuf::new(), |mut so_far, part| {
        match part {
            Component::ParentDir => {
                so_far.pop();
            }
            part => so_far.push(part),
        }
        so_far
    }))
}

/// Refuses what is no folder, or may not be listed.
fn check_folder(path: &Path) -> Result<()> {
    std::fs::read_dir(path)
        .map(|_| ())
        .map_err(|error| Error::Usage(format!("cannot read the goldens root {}: {error}", path.display())))
}
