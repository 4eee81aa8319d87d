//! Finding the cases below a goldens root.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use super::case::{CASE_FILE, SUITE_FILE, Suites};
use super::format::Layer;
use super::id::CaseId;
use super::walk::{WalkEvent, walk};
use crate::error::{Error, Result};
use crate::tensor::{Pointer, is_tensor_file};
use crate::text::name::{fold, nearest};

/// A goldens root, and the snapshots folder that belongs to it.
#[derive(Clone, Debug)]
pub struct Goldens {
    /// The absolute path of the root: ids are paths below it.
    pub root: PathBuf,
    /// The absolute path of the snapshots folder, which has the same tree.
    pub snapshots: PathBuf,
    /// The folder below the root that the run is restricted to; empty for the whole tree.
    pub below: PathBuf,
}

/// The cases below a goldens root.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Tree {
    /// The cases, sorted by id.
    pub cases: Vec<CaseId>,
    /// Folders that cannot be walked, invalid cases and unused tolerances, by the id of the place, sorted.
    pub problems: BTreeMap<CaseId, String>,
}

/// The results of a walk.
#[derive(Default)]
struct WalkResult {
    cases: Vec<CaseId>,
    suites: Vec<PathBuf>,
    problems: Vec<(CaseId, String)>,
    /// Links with too many others behind them.
    tangled_links: BTreeSet<PathBuf>,
}

impl Goldens {
    /// Returns the folder that the run is restricted to: the root, or one below it.
    #[must_use]
    pub fn selected(&self) -> PathBuf {
        // Joining the empty path would append a slash.
        self.root.components().chain(self.below.components()).collect()
    }

    /// Finds the root for `path`: the last folder named `goldens` on it, with `snapshots` in place of `goldens`.
    ///
    /// A path *below* a folder named `goldens` restricts the run to that part. Ids and defaults stay the same, because both
    /// depend on the root.
    ///
    /// # Errors
    ///
    /// [`Error::NoCases`] if the folder does not exist; [`Error::Usage`] if `path` is not a readable folder, if `snapshots` is
    /// not given and no component is named `goldens`, or if the snapshots folder is a link out of the project.
    pub fn locate(path: &Path, snapshots: Option<&Path>) -> Result<Goldens> {
        let path = absolute(path)?;
        check_folder(&path)?;
        let snapshots = snapshots.map(absolute).transpose()?;
        let root = path.ancestors().find(|ancestor| ancestor.file_name() == Some(OsStr::new("goldens")));
        match (root, snapshots) {
            (Some(root), snapshots) => Ok(Goldens {
                root: root.to_path_buf(),
                snapshots: snapshots.map_or_else(|| default_snapshots(root), Ok)?,
                below: path.strip_prefix(root).expect("an ancestor is a prefix").to_path_buf(),
            }),
            (None, Some(snapshots)) => Ok(Goldens { root: path, snapshots, below: PathBuf::new() }),
            (None, None) => Err(Error::Usage(format!(
                "{} is not in a folder named `goldens`; say where its snapshots are with --snapshots DIR",
                path.display()
            ))),
        }
    }

    /// Walks the selected folder, following links. It also checks each `suite.json` for tolerances that no case below it uses.
    ///
    /// A place that cannot be walked becomes a problem in the tree, and does not stop the walk.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if the root itself cannot be read.
    pub fn discover(&self) -> Result<Tree> {
        check_folder(&self.selected())?;
        let mut result = WalkResult::default();
        walk(&self.selected(), |event| self.record(&mut result, event));
        let WalkResult { mut cases, mut suites, mut problems, tangled_links } = result;
        // Results from behind a link where the walk gave up are incomplete.
        if !tangled_links.is_empty() {
            let is_complete = |path: &Path| !tangled_links.iter().any(|link| path.starts_with(link));
            cases.retain(|id| is_complete(&id.below(&self.root)));
            suites.retain(|suite| is_complete(suite));
            problems.retain(|(id, _)| is_complete(&id.below(&self.root)));
        }
        problems.extend(
            tangled_links.iter().map(|link| {
                self.problem(link, "there are too many links behind this link; remove it, or some of those")
            }),
        );
        cases.sort();
        suites.sort();
        problems.extend(self.name_collisions(&cases, &suites));
        problems.extend(cases.iter().filter_map(|id| Some((id.clone(), id.check_portable().err()?.to_string()))));
        // Sorted, so that every run reports the same one of two problems at one place.
        problems.sort();
        let mut problems: BTreeMap<CaseId, String> = problems.into_iter().collect();
        cases.retain(|id| !problems.contains_key(id));
        let cache = Suites::new(&self.root);
        problems.extend(
            suites.iter().filter_map(|suite| Some(self.problem(suite, &self.unused_tolerance(&cache, suite, &cases)?))),
        );
        Ok(Tree { cases, problems })
    }

    /// Adds an event of the walk to the result.
    fn record(&self, result: &mut WalkResult, event: WalkEvent<'_>) {
        match event {
            WalkEvent::Entry(entry) => {
                let (place, name) = (entry.path(), entry.file_name());
                let is_misspelt =
                    |of: &str| name.len() <= 2 * of.len() && name.to_str().is_some_and(|name| fold(name) == of);
                if name == CASE_FILE {
                    self.add_case(result, place);
                } else if name == SUITE_FILE {
                    result.suites.push(place.to_path_buf());
                } else if is_misspelt(CASE_FILE) {
                    let (_, what) = self.problem(place, &format!("is not recognized as a case; call it {CASE_FILE}"));
                    result.problems.push((self.lossy_id(place.parent().unwrap_or(place)), what));
                } else if is_misspelt(SUITE_FILE) {
                    let what = format!("is not recognized as a suite; call it {SUITE_FILE}");
                    result.problems.push(self.problem(place, &what));
                }
            }
            WalkEvent::Loop { place, ancestor } => {
                let what = format!("is a link to its own ancestor {}; remove it", ancestor.display());
                result.problems.push(self.problem(place, &what));
            }
            WalkEvent::TooManyLinks { place } => drop(result.tangled_links.insert(place.to_path_buf())),
            // Reading the case will report the error.
            WalkEvent::Unreadable { place, .. } if place.file_name() == Some(OsStr::new(CASE_FILE)) => {
                self.add_case(result, place);
            }
            WalkEvent::Unreadable { place, error } => {
                result.problems.extend(describe_unreadable(place, &error).map(|what| self.problem(place, &what)));
            }
        }
    }

    /// Adds the case of that `case.json`, or the problem with it.
    fn add_case(&self, result: &mut WalkResult, file: &Path) {
        let folder = file.parent().expect("a file is in a folder");
        let relative = folder.strip_prefix(&self.root).expect("the walk stays below the root");
        match CaseId::from_path(relative) {
            _ if relative.as_os_str().is_empty() => {
                result.problems.push(self.problem(file, "a case is a folder below the root; move it into one"));
            }
            Ok(id) => result.cases.push(id),
            Err(error) => result.problems.push((self.lossy_id(folder), error.to_string())),
        }
    }

    /// Returns a problem with a place, under an id that may not be valid.
    fn problem(&self, place: &Path, what: &str) -> (CaseId, String) {
        (self.lossy_id(place), format!("{}: {what}", place.display()))
    }

    fn lossy_id(&self, place: &Path) -> CaseId {
        CaseId::lossy(place.strip_prefix(&self.root).unwrap_or(place), "goldens")
    }

    /// Returns the cases whose folders some system treats as one, because they differ only in case or in Unicode normalization.
    /// A folder that contains only a suite counts: that suite would apply to the other folder.
    fn name_collisions(&self, cases: &[CaseId], suites: &[PathBuf]) -> Vec<(CaseId, String)> {
        let suite_id = |file: &PathBuf| CaseId::from_path(file.parent()?.strip_prefix(&self.root).ok()?).ok();
        let suites: Vec<CaseId> = suites.iter().filter_map(suite_id).collect();
        let folders: BTreeSet<&str> = cases.iter().chain(&suites).flat_map(|id| ancestors(id.as_str())).collect();
        let mut spellings: HashMap<String, Vec<&str>> = HashMap::new();
        for folder in folders {
            spellings.entry(fold(folder)).or_default().push(folder);
        }
        spellings.retain(|_, spellings| spellings.len() > 1);
        if spellings.is_empty() {
            return Vec::new();
        }
        let collision = |id: &CaseId| {
            let names = ancestors(id.as_str()).find_map(|folder| spellings.get(&fold(folder)))?;
            let is_case_only = names.iter().all(|name| name.to_lowercase() == names[0].to_lowercase());
            let how = if is_case_only { "case" } else { "case or Unicode form" };
            Some((id.clone(), format!("the folders {} differ only in {how}; rename all but one", names.join(" and "))))
        };
        cases.iter().filter_map(collision).collect()
    }

    /// Describes a tolerance in that suite for an output that no case below it has: a misspelt name would have no effect.
    /// `cases` are sorted.
    ///
    /// Returns `None` if a case cannot be read, since its outputs are unknown; running the case reports the error.
    fn unused_tolerance(&self, cache: &Suites, suite: &Path, cases: &[CaseId]) -> Option<String> {
        let fields = Layer::read(suite).ok()??.fields;
        let entries = [("tolerance", fields.tolerance), ("chained", fields.chained)];
        let names = entries.into_iter().flat_map(|(field, entries)| {
            entries.flatten().unwrap_or_default().into_keys().map(move |name| (field, name))
        });
        let mut unused: Vec<(&str, String)> = names.filter(|(_, name)| name != "*").collect();
        let mut outputs = BTreeSet::new();
        let mut below = self.cases_below(suite.parent()?, cases).peekable();
        // A suite without cases is fine.
        below.peek()?;
        for id in below {
            if unused.is_empty() {
                return None;
            }
            let case = cache.case(id).ok()?;
            unused.retain(|(_, name)| !case.outputs.contains_key(name));
            outputs.extend(case.outputs.into_keys());
        }
        let (field, name) = unused.first()?;
        let near = nearest(name, outputs.iter().map(String::as_str));
        let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        Some(format!("{field}.{name}: no case below it has such an output{near}"))
    }

    /// Returns the case in a folder and those below it. `cases` are sorted.
    fn cases_below<'a>(&self, folder: &Path, cases: &'a [CaseId]) -> impl Iterator<Item = &'a CaseId> {
        let prefix = match folder == self.root {
            true => String::new(),
            false => format!("{}/", self.lossy_id(folder)),
        };
        let own = cases.binary_search_by(|case| case.as_str().cmp(prefix.trim_end_matches('/'))).ok();
        let start = cases.partition_point(|case| case.as_str() < prefix.as_str());
        let within = cases[start..].iter().take_while(move |case| case.as_str().starts_with(&prefix));
        own.map(|at| &cases[at]).into_iter().chain(within)
    }
}

/// Describes why that place cannot be walked; `None` if no case can be lost by that.
fn describe_unreadable(place: &Path, error: &io::Error) -> Option<String> {
    let is_hidden = || place.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    match place.read_link() {
        // The case that names the tensor reports it. Editors create hidden links next to a file that is open.
        Ok(_) if is_tensor_file(place) || is_hidden() => None,
        Ok(target) => Some(Pointer::describe_link(&target, "file")),
        Err(_) => Some(error.to_string()),
    }
}

/// Returns the paths of the folders from the root down to that one, including itself.
fn ancestors(id: &str) -> impl Iterator<Item = &str> {
    id.match_indices('/').map(|(at, _)| &id[..at]).chain([id])
}

/// Returns the absolute path without `.` and `..`, which are resolved as text so that links keep their names.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path).map_err(|error| Error::read(path, error))?;
    let mut absolute = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(absolute.pop()),
            part => absolute.push(part),
        }
    }
    Ok(absolute)
}

/// Returns the snapshots folder next to a goldens root. A link out of the project is refused: karat writes there only if the
/// user names that folder.
fn default_snapshots(root: &Path) -> Result<PathBuf> {
    let snapshots = root.with_file_name("snapshots");
    let real = |path: Option<&Path>| path?.canonicalize().ok();
    let leads_out =
        || real(Some(&snapshots)).zip(real(root.parent())).is_none_or(|(real, above)| !real.starts_with(above));
    match snapshots.read_link() {
        Ok(target) if leads_out() => Err(Error::Usage(format!(
            "{} is a link to {}, outside of the project, where karat writes only if asked to; put a folder in its place, or \
             name the folder with --snapshots DIR",
            snapshots.display(),
            target.display()
        ))),
        _ => Ok(snapshots),
    }
}

/// Refuses a path that is not a folder, or cannot be listed.
fn check_folder(path: &Path) -> Result<()> {
    let Err(error) = std::fs::read_dir(path) else { return Ok(()) };
    if error.kind() == ErrorKind::NotFound {
        return Err(Error::NoCases { place: path.to_path_buf(), exists: false });
    }
    let shown = path.display();
    Err(Error::Usage(match error.kind() {
        ErrorKind::NotADirectory => format!("{shown} is not a folder; name the goldens root, or a folder below it"),
        _ => format!("cannot read the goldens root {shown}: {error}"),
    }))
}
