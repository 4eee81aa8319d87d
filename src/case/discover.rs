//! Finding the cases below a goldens root.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use super::case::{CASE_FILE, SUITE_FILE, Suites};
use super::format::Layer;
use super::id::CaseId;
use super::walk::{Seen, walk};
use crate::error::{Error, Result};
use crate::tensor::{Pointer, is_tensor_file};
use crate::text::name::{fold, nearest};

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
#[non_exhaustive]
pub struct Tree {
    /// The cases, sorted by id.
    pub cases: Vec<CaseId>,
    /// What could not be walked, may not be a case or is of no use, with the id where it is, sorted.
    pub problems: BTreeMap<CaseId, String>,
}

/// What a walk has found.
#[derive(Default)]
struct Found {
    cases: Vec<CaseId>,
    suites: Vec<PathBuf>,
    problems: Vec<(CaseId, String)>,
    /// Links behind which there are too many others.
    tangles: BTreeSet<PathBuf>,
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
        let mut found = Found::default();
        walk(&self.selected(), |seen| self.note(&mut found, seen));
        let Found { mut cases, mut suites, mut problems, tangles } = found;
        // Where the walk gave up, what it saw before does not count.
        let is_seen = |path: &Path| !tangles.iter().any(|tangle| path.starts_with(tangle));
        if !tangles.is_empty() {
            cases.retain(|id| is_seen(&id.below(&self.root)));
            suites.retain(|suite| is_seen(suite));
            problems.retain(|(id, _)| is_seen(&id.below(&self.root)));
        }
        problems.extend(tangles.iter().map(|place| {
            self.problem(place, "there are too many links behind this link; remove it, or some of those")
        }));
        cases.sort();
        suites.sort();
        problems.extend(self.twins(&cases, &suites));
        problems.extend(cases.iter().filter_map(|id| Some((id.clone(), id.check_portable().err()?.to_string()))));
        // Of two problems at one place every run shows the same.
        problems.sort();
        let mut problems: BTreeMap<CaseId, String> = problems.into_iter().collect();
        cases.retain(|id| !problems.contains_key(id));
        problems.extend(self.idle_tolerances(&suites, &cases));
        Ok(Tree { cases, problems })
    }

    /// Notes what is of interest in what the walk sees.
    fn note(&self, found: &mut Found, seen: Seen<'_>) {
        match seen {
            Seen::Entry(entry) => {
                let (place, name) = (entry.path(), entry.file_name());
                let is_twin =
                    |of: &str| name.len() <= 2 * of.len() && name.to_str().is_some_and(|name| fold(name) == of);
                if name == CASE_FILE {
                    self.add(found, place);
                } else if name == SUITE_FILE {
                    found.suites.push(place.to_path_buf());
                } else if is_twin(CASE_FILE) {
                    let (folder, _) = self.problem(place.parent().unwrap_or(place), "");
                    let what = format!("is not a case by this name; call it {CASE_FILE}");
                    found.problems.push((folder, self.problem(place, &what).1));
                } else if is_twin(SUITE_FILE) {
                    found
                        .problems
                        .push(self.problem(place, &format!("is not a suite by this name; call it {SUITE_FILE}")));
                }
            }
            Seen::Loop { place, ancestor } => {
                let what = format!("is a link to its own ancestor {}; remove it", ancestor.display());
                found.problems.push(self.problem(place, &what));
            }
            Seen::Tangle { place } => drop(found.tangles.insert(place.to_path_buf())),
            // The case says itself why its file cannot be read.
            Seen::Unreadable { place, .. } if place.file_name() == Some(OsStr::new(CASE_FILE)) => {
                self.add(found, place)
            }
            Seen::Unreadable { place, error } => {
                found.problems.extend(unwalked(place, &error).map(|what| self.problem(place, &what)));
            }
        }
    }

    /// Adds the case of that `case.json`, or the problem with it.
    fn add(&self, found: &mut Found, file: &Path) {
        let folder = file.parent().expect("a file is in a folder");
        let relative = folder.strip_prefix(&self.root).expect("the walk stays below the root");
        match CaseId::from_path(relative) {
            _ if relative.as_os_str().is_empty() => {
                found.problems.push(self.problem(file, "a case is a folder below the root; move it into one"));
            }
            Ok(id) => found.cases.push(id),
            Err(error) => found.problems.push((self.lossy_id(folder), error.to_string())),
        }
    }

    /// What is wrong with a place, under an id that may not be one.
    fn problem(&self, place: &Path, what: &str) -> (CaseId, String) {
        (self.lossy_id(place), format!("{}: {what}", place.display()))
    }

    fn lossy_id(&self, place: &Path) -> CaseId {
        CaseId::lossy(place.strip_prefix(&self.root).unwrap_or(place), "goldens")
    }

    /// The cases whose ids, or folders above them, some system takes for one: they differ in case alone, or in the form in
    /// which Unicode writes an accent. A folder with a suite alone counts: it would be the suite of the other.
    fn twins(&self, cases: &[CaseId], suites: &[PathBuf]) -> Vec<(CaseId, String)> {
        let of_suite = |file: &PathBuf| CaseId::from_path(file.parent()?.strip_prefix(&self.root).ok()?).ok();
        let suites: Vec<CaseId> = suites.iter().filter_map(of_suite).collect();
        let folders: BTreeSet<&str> = cases.iter().chain(&suites).flat_map(|id| above(id.as_str())).collect();
        let mut spellings: HashMap<String, Vec<&str>> = HashMap::new();
        for folder in folders {
            spellings.entry(fold(folder)).or_default().push(folder);
        }
        spellings.retain(|_, spellings| spellings.len() > 1);
        if spellings.is_empty() {
            return Vec::new();
        }
        let twin = |id: &CaseId| {
            let names = above(id.as_str()).find_map(|folder| spellings.get(&fold(folder)))?;
            let is_case_alone = names.iter().all(|name| name.to_lowercase() == names[0].to_lowercase());
            let how = if is_case_alone { "case alone" } else { "case or Unicode form alone" };
            Some((id.clone(), format!("the folders {} differ in {how}; rename all but one", names.join(" and "))))
        };
        cases.iter().filter_map(twin).collect()
    }

    /// The suites with a tolerance for an output that no case below them has: a misspelt name would loosen or tighten nothing,
    /// silently. `cases` are sorted.
    ///
    /// Where a case cannot be read, its outputs are unknown, and nothing is said: it says itself what is wrong.
    fn idle_tolerances(&self, suites: &[PathBuf], cases: &[CaseId]) -> Vec<(CaseId, String)> {
        let known = Suites::new(&self.root);
        suites
            .iter()
            .filter_map(|suite| Some(self.problem(suite, &self.idle_tolerance(&known, suite, cases)?)))
            .collect()
    }

    fn idle_tolerance(&self, suites: &Suites, suite: &Path, cases: &[CaseId]) -> Option<String> {
        let says = Layer::read(suite).ok()??.says;
        let fields = [("tolerance", says.tolerance), ("chained", says.chained)];
        let named = fields.into_iter().flat_map(|(field, entries)| {
            entries.flatten().unwrap_or_default().into_keys().map(move |name| (field, name))
        });
        let mut idle: Vec<(&str, String)> = named.filter(|(_, name)| name != "*").collect();
        let mut outputs = BTreeSet::new();
        let mut below = self.below(suite.parent()?, cases).peekable();
        // A suite without a case holds nothing to anything.
        below.peek()?;
        for id in below {
            if idle.is_empty() {
                return None;
            }
            let case = suites.case(id).ok()?;
            idle.retain(|(_, name)| !case.outputs.contains_key(name));
            outputs.extend(case.outputs.into_keys());
        }
        let (field, name) = idle.first()?;
        let near = nearest(name, outputs.iter().map(String::as_str));
        let near = near.map(|near| format!("; the nearest is {near}")).unwrap_or_default();
        Some(format!("{field}.{name}: no case below it has such an output{near}"))
    }

    /// The cases in a folder and below it, of all cases, sorted.
    fn below<'a>(&self, folder: &Path, cases: &'a [CaseId]) -> impl Iterator<Item = &'a CaseId> {
        let inside = match folder == self.root {
            true => String::new(),
            false => format!("{}/", self.lossy_id(folder)),
        };
        let own = cases.binary_search_by(|case| case.as_str().cmp(inside.trim_end_matches('/'))).ok();
        let start = cases.partition_point(|case| case.as_str() < inside.as_str());
        let within = cases[start..].iter().take_while(move |case| case.as_str().starts_with(&inside));
        own.map(|at| &cases[at]).into_iter().chain(within)
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
