//! Finding the cases below a goldens root.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use super::case::CASE_FILE;
use super::id::CaseId;
use super::idle::idle;
use super::layer::SUITE_FILE;
use super::walk::{Seen, walk};
use crate::error::{Error, Result};
use crate::tensor::file::is_tensor_file;
use crate::tensor::pointer::Pointer;
use crate::text::name::fold;

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
    /// What could not be walked, may not be a case or is of no use, with the id where it is, sorted.
    pub problems: BTreeMap<CaseId, String>,
}

/// What one thread of a walk has found.
#[derive(Default)]
struct Noted {
    cases: Vec<CaseId>,
    suites: Vec<PathBuf>,
    problems: Vec<(CaseId, String)>,
    /// Links behind which there are too many others.
    tangles: Vec<PathBuf>,
}

impl Goldens {
    /// The folder to which this run is restricted: the root, or one below it.
    #[must_use]
    pub fn selected(&self) -> PathBuf {
        // Joining the empty path would leave a slash behind.
        self.root.components().chain(self.below.components()).collect()
    }

    /// The root that `path` names, with `snapshots` standing where the last component named `goldens` stood.
    ///
    /// A path *below* a folder named `goldens` restricts the run to that part of it: ids and defaults are the same as
    /// for the whole, since both depend on the root.
    ///
    /// # Errors
    ///
    /// [`Error::NoCases`] where there is no such folder; [`Error::Usage`] where `path` is not a folder that can be read, or
    /// `snapshots` is not given and no component is named `goldens`, or what stands there is a link out of the project.
    pub fn locate(path: &Path, snapshots: Option<&Path>) -> Result<Goldens> {
        let path = absolute(path)?;
        check_folder(&path)?;
        let snapshots = snapshots.map(absolute).transpose()?;
        let root = path.ancestors().find(|ancestor| ancestor.file_name() == Some(OsStr::new("goldens")));
        match (root, snapshots) {
            (Some(root), snapshots) => Ok(Goldens {
                root: root.to_path_buf(),
                snapshots: snapshots.map_or_else(|| beside(root), Ok)?,
                below: path.strip_prefix(root).expect("an ancestor is a prefix").to_path_buf(),
            }),
            (None, Some(snapshots)) => Ok(Goldens { root: path, snapshots, below: PathBuf::new() }),
            (None, None) => Err(Error::Usage(format!(
                "{} is not in a folder named `goldens`; say where its snapshots are with --snapshots DIR",
                path.display()
            ))),
        }
    }

    /// Walks the root, or the part of it to which this run is restricted, following links. Of a `suite.json` there it reads
    /// whether it names an output that no case below it has.
    ///
    /// What cannot be walked is a problem in the tree, and stops nothing else.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] where the root itself cannot be read.
    pub fn discover(&self) -> Result<Tree> {
        check_folder(&self.selected())?;
        let mut tree = Tree::default();
        let mut suites = Vec::new();
        let mut problems = Vec::new();
        let mut tangles = BTreeSet::new();
        for noted in walk(&self.selected(), |noted: &mut Noted, seen| self.note(noted, seen)) {
            tree.cases.extend(noted.cases);
            suites.extend(noted.suites);
            problems.extend(noted.problems);
            tangles.extend(noted.tangles);
        }
        // Which places behind it were seen depends on the threads: none of them counts.
        let is_seen = |path: &Path| !tangles.iter().any(|tangle| path.starts_with(tangle));
        if !tangles.is_empty() {
            tree.cases.retain(|id| is_seen(&id.below(&self.root)));
            suites.retain(|suite| is_seen(suite));
            problems.retain(|(id, _): &(CaseId, String)| is_seen(&id.below(&self.root)));
        }
        problems.extend(tangles.iter().map(|place| {
            let what = "there are too many links behind this link; remove it, or some of those";
            (self.lossy_id(place), format!("{}: {what}", place.display()))
        }));
        // Of two at one place the same is told in every run.
        problems.sort();
        tree.problems.extend(problems);
        tree.cases.sort();
        suites.sort();
        self.refuse_twins(&mut tree, &suites);
        refuse_strange(&mut tree);
        tree.cases.retain(|id| !tree.problems.contains_key(id));
        for (suite, what) in idle(&self.root, &suites, &tree.cases) {
            tree.problems.insert(self.lossy_id(suite), what);
        }
        Ok(tree)
    }

    /// Turns cases into problems whose ids, or folders above them, some system takes for one: they differ in case alone, or in
    /// the form in which Unicode writes an accent. A folder with a suite alone counts: it would be the suite of the other.
    fn refuse_twins(&self, tree: &mut Tree, suites: &[PathBuf]) {
        let of_suite = |file: &PathBuf| CaseId::from_path(file.parent()?.strip_prefix(&self.root).ok()?).ok();
        let suites: Vec<CaseId> = suites.iter().filter_map(of_suite).collect();
        let names = || tree.cases.iter().chain(&suites).map(CaseId::as_str);
        let mut spellings: HashMap<String, BTreeSet<&str>> = HashMap::new();
        let mut before = "";
        for id in names().filter(|id| has_twin(id)) {
            // Neighbours share most of their folders, which need be looked at but once.
            for folder in above(id).filter(|folder| !is_in(before, folder)) {
                spellings.entry(fold(folder)).or_default().insert(folder);
            }
            before = id;
        }
        if spellings.is_empty() {
            return;
        }
        let mut before = "";
        for id in names().filter(|id| !has_twin(id)) {
            for folder in above(id).filter(|folder| !is_in(before, folder)) {
                if let Some(spellings) = spellings.get_mut(folder) {
                    spellings.insert(folder);
                }
            }
            before = id;
        }
        spellings.retain(|_, spellings| spellings.len() > 1);
        if spellings.is_empty() {
            return;
        }
        let twins: BTreeMap<CaseId, String> = tree
            .cases
            .iter()
            .filter_map(|id| {
                let spellings = above(id.as_str()).find_map(|folder| spellings.get(&fold(folder)))?;
                let names: Vec<&str> = spellings.iter().copied().collect();
                let is_case_alone = names.iter().all(|name| name.to_lowercase() == names[0].to_lowercase());
                let how = if is_case_alone { "case alone" } else { "case or Unicode form alone" };
                Some((id.clone(), format!("the folders {} differ in {how}; rename all but one", names.join(" and "))))
            })
            .collect();
        tree.cases.retain(|id| !twins.contains_key(id));
        tree.problems.extend(twins);
    }

    /// Notes what is of interest in what the walk sees.
    fn note(&self, noted: &mut Noted, seen: Seen<'_>) {
        match seen {
            Seen::Entry { folder, name, .. } if name == CASE_FILE => self.add(noted, folder),
            Seen::Entry { folder, name, .. } if name == SUITE_FILE => noted.suites.push(folder.join(name)),
            Seen::Entry { folder, name, .. } if is_twin(name, CASE_FILE) => {
                let what = format!("{}: is not a case by this name; call it {CASE_FILE}", folder.join(name).display());
                noted.problems.push((self.lossy_id(folder), what));
            }
            Seen::Entry { folder, name, .. } if is_twin(name, SUITE_FILE) => {
                let file = folder.join(name);
                let what = format!("{}: is not a suite by this name; call it {SUITE_FILE}", file.display());
                noted.problems.push((self.lossy_id(&file), what));
            }
            Seen::Entry { .. } => {}
            Seen::Loop { place, ancestor } => {
                let what = format!("is a link to its own ancestor {}; remove it", ancestor.display());
                noted.problems.push((self.lossy_id(place), format!("{}: {what}", place.display())));
            }
            Seen::Tangle { place } => noted.tangles.push(place.to_path_buf()),
            // The case says itself why its file cannot be read.
            Seen::Unreadable { place, .. } if place.file_name() == Some(OsStr::new(CASE_FILE)) => {
                self.add(noted, place.parent().expect("a file is in a folder"));
            }
            Seen::Unreadable { place, error } => {
                if let Some(what) = unwalked(place, &error) {
                    noted.problems.push((self.lossy_id(place), format!("{}: {what}", place.display())));
                }
            }
        }
    }

    /// Adds the case in that folder, or the problem with it.
    fn add(&self, noted: &mut Noted, folder: &Path) {
        let relative = folder.strip_prefix(&self.root).expect("the walk stays below the root");
        if relative.as_os_str().is_empty() {
            let file = folder.join(CASE_FILE);
            let what = format!("{}: a case is a folder below the root; move it into one", file.display());
            noted.problems.push((self.lossy_id(&file), what));
            return;
        }
        match CaseId::from_path(relative) {
            Ok(id) => noted.cases.push(id),
            Err(error) => noted.problems.push((self.lossy_id(folder), error.to_string())),
        }
    }

    /// An id to report a path under that may not be one.
    fn lossy_id(&self, path: &Path) -> CaseId {
        CaseId::lossy(path.strip_prefix(&self.root).unwrap_or(path), "goldens")
    }
}

/// Why that place could not be walked; `None` where no case can be lost by it.
fn unwalked(place: &Path, error: &io::Error) -> Option<String> {
    match place.read_link() {
        // The case that names the tensor says so. Editors leave hidden ones beside a file that is open.
        Ok(_) if is_tensor_file(place) || is_hidden(place) => None,
        Ok(target) => Some(match Pointer::at(&target) {
            Some(pointer) => format!("is a {pointer} in place of the file; run `{}`", pointer.remedy()),
            None => format!("is a link to {}, which is not there; remove it", target.display()),
        }),
        Err(_) => Some(error.to_string()),
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Whether some system takes that name for the other.
fn is_twin(name: &OsStr, other: &str) -> bool {
    name.len() <= 2 * other.len() && name.to_str().is_some_and(|name| fold(name) == other)
}

/// Turns cases into problems whose folders another system cannot have, or would have under other names.
fn refuse_strange(tree: &mut Tree) {
    let strange = |id: &CaseId| Some((id.clone(), id.check_portable().err()?.to_string()));
    let strange: Vec<(CaseId, String)> = tree.cases.iter().filter_map(strange).collect();
    tree.problems.extend(strange);
}

/// Whether a text may be another in lower case, or in the composed form. A sharp one is asked only of what is not ASCII.
fn has_twin(text: &str) -> bool {
    match text.is_ascii() {
        true => text.bytes().any(|byte| byte.is_ascii_uppercase()),
        false => fold(text) != text,
    }
}

/// Whether a path is that folder, or one below it.
fn is_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The paths of the folders from the root down to that one, itself included.
fn above(id: &str) -> impl Iterator<Item = &str> {
    id.match_indices('/').map(|(at, _)| &id[..at]).chain([id])
}

/// The path made absolute and rid of `.` and `..` as text, so that links keep their names.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
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

/// The snapshots folder beside a goldens root: none that a link has elsewhere, where only who says so wants to write.
fn beside(root: &Path) -> Result<PathBuf> {
    let snapshots = root.with_file_name("snapshots");
    let real = |path: Option<&Path>| path?.canonicalize().ok();
    let leads_out =
        || real(Some(&snapshots)).zip(real(root.parent())).is_none_or(|(real, above)| !real.starts_with(above));
    match snapshots.read_link() {
        Ok(target) if leads_out() => Err(Error::Usage(format!(
            "{} is a link to {}, outside of the project, and nothing is written there unasked; put a folder in its place, or \
             name the folder with --snapshots DIR",
            snapshots.display(),
            target.display()
        ))),
        _ => Ok(snapshots),
    }
}

/// Refuses what is no folder, or may not be listed.
fn check_folder(path: &Path) -> Result<()> {
    let Err(error) = std::fs::read_dir(path) else { return Ok(()) };
    if error.kind() == ErrorKind::NotFound {
        return Err(Error::NoCases { place: path.to_path_buf(), exists: false });
    }
    let shown = path.display();
    Err(Error::Usage(match error.kind() {
        ErrorKind::NotADirectory => format!("{shown} is no folder; name the goldens root, or a folder below it"),
        _ => format!("cannot read the goldens root {shown}: {error}"),
    }))
}
