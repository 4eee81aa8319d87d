//! `karat add`: writes a `case.json`, and copies its tensors into the goldens root.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;

use super::new_files::NewFiles;
use super::param::{parse_param, wide_integers};
use super::suggest::locate_source;
use super::{Context, Exit, harnesses, suggest};
use crate::case::{Address, Case, CaseFile, CaseId, Goldens, InputField, Limits, OutputField, absolute};
use crate::compare::Tolerance;
use crate::error::{Error, Result};
use crate::fs::{describe_link, link_below, remove_leftovers};
use crate::run::Executors;
use crate::tensor::{DType, read_tensor};
use crate::text::{check_name, fold};

/// The arguments of `karat add`.
#[derive(Debug, Args)]
pub(super) struct Add {
    /// The id of the new case: its folder below the goldens root
    case: String,
    /// The name of the computation under test
    #[arg(long, value_name = "NAME")]
    checkpoint: String,
    /// An input tensor; may be repeated
    #[arg(long = "input", value_name = "NAME=FILE[#MEMBER]", value_parser = parse_pair)]
    inputs: Vec<(String, String)>,
    /// A reference output; may be repeated
    #[arg(long = "output", value_name = "NAME=FILE[#MEMBER]", value_parser = parse_pair)]
    outputs: Vec<(String, String)>,
    /// Add a case without references: its outputs are only compared with snapshots
    #[arg(long, conflicts_with = "outputs")]
    snapshot_only: bool,
    /// A parameter as JSON (a number, true, a list); a plain word is a string; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parse_pair)]
    params: Vec<(String, String)>,
    /// The absolute tolerance of every output [default: by dtype, as in torch.testing]
    #[arg(long, value_name = "ATOL", requires = "rtol", allow_negative_numbers = true)]
    atol: Option<f64>,
    /// The tolerance relative to the magnitude of the reference
    #[arg(long, value_name = "RTOL", requires = "atol", allow_negative_numbers = true)]
    rtol: Option<f64>,
    /// The dtype of .npy elements that numpy stores as plain bytes: bf16, f8_e4m3 or f8_e5m2
    #[arg(long, value_name = "DTYPE", value_parser = super::param::parse_dtype)]
    dtype: Option<DType>,
    /// The goldens root [default: goldens]
    #[arg(long, value_name = "ROOT")]
    root: Option<PathBuf>,
}

/// A new case, not yet on disk.
struct Plan {
    id: CaseId,
    folder: PathBuf,
    /// The files to copy into the folder, by their name there.
    copies: BTreeMap<String, PathBuf>,
    file: CaseFile,
    /// The integer parameters that do not fit in 64 bits, which `file` holds as strings.
    wide_integers: BTreeSet<String>,
}

impl Add {
    pub(super) fn main(self, executors: &Executors, context: &Context<'_>) -> Result<Exit> {
        let root = self.root.as_ref().unwrap_or(&context.program.root);
        let harnesses = harnesses::commands(context.program, root);
        let known = executors.checkpoints();
        if harnesses.is_empty() {
            suggest::check_checkpoint(&self.checkpoint, &known, &harnesses::hint(context))?;
        }
        if self.outputs.is_empty() && !self.snapshot_only && self.atol.is_none() {
            return Err(Error::Usage(
                "without --output there is no reference to compare with; nothing was written. Name one, as in \
                 --output y=y.npy, or use --snapshot-only for a case that is only compared with its snapshot"
                    .to_owned(),
            ));
        }
        let mut files = NewFiles::default();
        let id = match self.create(context, &mut files) {
            Ok(id) => id,
            Err(error) => {
                files.undo();
                return Err(error);
            }
        };
        let mut commands = context.commands(self.root.as_ref(), None, None);
        if self.root.as_ref().is_some_and(|root| Goldens::locate(root, None).is_err()) {
            commands.snapshots = Some("snapshots".to_owned());
        }
        // The binary does not run cases of a harness.
        let harness = harnesses.first();
        if let Some(harness) = harness {
            harness.use_in(&mut commands, context, root);
        }
        context.screen.print(|out| {
            for path in files.files() {
                writeln!(out, "wrote {}", context.relative(path))?;
            }
            if harness.is_some() && !known.contains(&*self.checkpoint) {
                let what = "was not checked, since only your tests know their checkpoints; to check it there";
                writeln!(out, "the checkpoint {} {what}:  {}", self.checkpoint, commands.add())?;
            }
            writeln!(out, "to run it:  {}", commands.run(Some(id.as_str())))
        })?;
        Ok(Exit::Passed)
    }

    /// Creates the case, and the goldens root if it does not exist.
    fn create(&self, context: &Context<'_>, files: &mut NewFiles) -> Result<CaseId> {
        files.create_folder(&absolute(self.root.as_ref().unwrap_or(&context.program.root))?)?;
        let goldens = locate_source(self.root.as_ref(), context)?;
        let plan = self.plan(context, &goldens)?;
        plan.write(files)?;
        remove_leftovers(&[&goldens.root]);
        Case::load(&goldens.root, &plan.id)?;
        Ok(plan.id)
    }

    /// Returns the id of the new case, after checking that it conflicts with no existing case.
    fn id(&self, goldens: &Goldens) -> Result<CaseId> {
        let name = self.case.trim_end_matches('/');
        let root = goldens.root.file_name().unwrap_or_default().to_string_lossy();
        if let Some(id) = name.strip_prefix(&*root).and_then(|rest| rest.strip_prefix('/')) {
            return Err(Error::Usage(format!("an id is a path below the root {root}; write {id}")));
        }
        CaseId::new(name)?;
        let id = CaseId::from_path(&goldens.below.join(name))?;
        id.check_portable()?;
        let file = id.below(&goldens.root).join("case.json");
        if file.exists() {
            return Err(Error::Usage(format!("{} already exists; nothing was written", file.display())));
        }
        if let Some(link) = link_below(&goldens.root, &id.below(&goldens.root)) {
            return Err(Error::Usage(format!("{}: {}", link.display(), describe_link(&link))));
        }
        let folded = fold(id.as_str());
        let whole = Goldens { below: PathBuf::new(), ..goldens.clone() };
        match whole.discover()?.cases.iter().find(|other| fold(other.as_str()) == folded) {
            Some(other) => {
                Err(Error::Usage(format!("{id} differs from the existing case {other} only in upper and lower case")))
            }
            None => Ok(id),
        }
    }

    /// Plans what to write, and checks everything that can be checked. Nothing is on disk yet.
    fn plan(&self, context: &Context<'_>, goldens: &Goldens) -> Result<Plan> {
        let id = self.id(goldens)?;
        let folder = id.below(&goldens.root);
        let file = CaseFile::default();
        let mut plan = Plan { id, folder, copies: BTreeMap::new(), file, wide_integers: BTreeSet::new() };
        check_unique("--input", &self.inputs)?;
        check_unique("--output", &self.outputs)?;
        check_unique("--param", &self.params)?;
        let mut params = BTreeMap::new();
        for (name, text) in &self.params {
            let value =
                parse_param(name, text).map_err(|error| Error::Usage(format!("--param {name}={text}: {error}")))?;
            params.insert(name.clone(), value);
            plan.wide_integers.extend(wide_integers(text).map(str::to_owned));
        }
        let mut inputs = BTreeMap::new();
        for (name, text) in &self.inputs {
            let (tensor, dtype) = self.reference(&mut plan, goldens, context, (name, text))?;
            inputs.insert(name.clone(), Some(InputField { dtype, ..InputField::new(&tensor) }));
        }
        let mut outputs = BTreeMap::new();
        for (name, text) in &self.outputs {
            let (tensor, dtype) = self.reference(&mut plan, goldens, context, (name, text))?;
            outputs.insert(name.clone(), Some(OutputField { dtype, ..OutputField::new(&tensor) }));
        }
        let mut tolerance = BTreeMap::new();
        if let (Some(atol), Some(rtol)) = (self.atol, self.rtol) {
            Tolerance::new(atol, rtol)?;
            if outputs.is_empty() {
                return Err(Error::Usage("--atol and --rtol apply to outputs; name one with --output".to_owned()));
            }
            let limits = Limits { atol: Some(atol), rtol: Some(rtol), ..Limits::default() };
            tolerance = outputs.keys().map(|name| (name.clone(), Some(limits.clone()))).collect();
        }
        plan.file = CaseFile {
            karat: Some(1),
            checkpoint: Some(Some(self.checkpoint.clone())),
            params: entries(params),
            inputs: entries(inputs),
            outputs: entries(outputs),
            tolerance: entries(tolerance),
            ..CaseFile::default()
        };
        Ok(plan)
    }

    /// Returns how `case.json` refers to a tensor, and the dtype from the command line if the file needs it.
    fn reference(
        &self,
        plan: &mut Plan,
        goldens: &Goldens,
        context: &Context<'_>,
        (name, file): (&str, &str),
    ) -> Result<(String, Option<DType>)> {
        check_name(name).map_err(Error::Usage)?;
        let address = Address::parse(file);
        let read = |declared| read_tensor(&address.path, address.member.as_deref(), declared);
        let dtype = match (read(None), self.dtype) {
            (Ok(_), _) => None,
            (Err(_), Some(dtype)) => read(Some(dtype)).map(|_| Some(dtype))?,
            (Err(Error::Missing { place, what }), None) if !address.path.exists() => {
                return Err(Error::Missing { place, what: what + &context.search_folder(&address.path) });
            }
            (Err(error), None) => return Err(error),
        };
        let path = absolute(&address.path)?;
        let file = match relative_path(&goldens.root, &plan.folder, &path) {
            Some(inside) => inside,
            None => plan.copy(name, path),
        };
        let member = address.member.map(|member| format!("#{member}")).unwrap_or_default();
        Ok((format!("{file}{member}"), dtype))
    }
}

impl Plan {
    /// Plans to copy a file into the folder under a unique name, which it returns.
    fn copy(&mut self, name: &str, path: PathBuf) -> String {
        let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let (file, extension) = (part(path.file_name()), part(path.extension()));
        let numbered = (2..).map(|number| format!("{name}-{number}.{extension}"));
        let mut names = [file, format!("{name}.{extension}")].into_iter().chain(numbered);
        let is_free = |file: &String| {
            let conflicts = |(other, source): (&String, &PathBuf)| {
                other.to_lowercase() == file.to_lowercase() && (other != file || *source != path)
            };
            !self.copies.iter().any(conflicts)
        };
        let file = names.find(is_free).expect("there is always a next number");
        self.copies.insert(file.clone(), path);
        file
    }

    /// Copies the tensors, then writes `case.json`; overwrites nothing.
    fn write(&self, files: &mut NewFiles) -> Result<()> {
        let Plan { id: _, folder, copies, file, wide_integers } = self;
        files.create_folder(folder)?;
        for (name, source) in copies {
            files.copy(source, &folder.join(name))?;
        }
        let text = serde_json::to_string_pretty(file).expect("a case file holds JSON values only");
        let text: String = text.lines().map(|line| unquote_integer(line, wide_integers) + "\n").collect();
        files.write(&folder.join("case.json"), text.as_bytes())
    }
}

/// Returns a field of the file, if it has any entries.
fn entries<T>(entries: BTreeMap<String, T>) -> Option<Option<BTreeMap<String, T>>> {
    (!entries.is_empty()).then_some(Some(entries))
}

/// Removes the quotes in a line of JSON whose value is one of these integers. A checkpoint reads both forms alike.
fn unquote_integer(line: &str, wide_integers: &BTreeSet<String>) -> String {
    let (value, comma) = line.strip_suffix(',').map_or((line, ""), |value| (value, ","));
    let before = |number| Some((value.strip_suffix(&format!("\"{number}\""))?, number));
    match wide_integers.iter().find_map(before) {
        // Deeper than the fields of the case, so within `params`.
        Some((before, number))
            if before.starts_with("    ") && (before.ends_with("\": ") || before.trim().is_empty()) =>
        {
            format!("{before}{number}{comma}")
        }
        _ => line.to_owned(),
    }
}

/// Returns the path from `folder` to `path` with `/`, if `path` is below `root`.
fn relative_path(root: &Path, folder: &Path, path: &Path) -> Option<String> {
    let path = path.strip_prefix(root).ok()?;
    let folder = folder.strip_prefix(root).expect("the folder of a case is below the root");
    let shared = folder.components().zip(path.components()).take_while(|(one, other)| one == other).count();
    let up = folder.components().skip(shared).map(|_| Some(".."));
    let down = path.components().skip(shared).map(|part| part.as_os_str().to_str());
    let parts: Option<Vec<&str>> = up.chain(down).collect();
    Some(parts?.join("/"))
}

/// Splits `NAME=VALUE`.
fn parse_pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Refuses a name that is given twice.
fn check_unique(option: &str, pairs: &[(String, String)]) -> Result<()> {
    let mut seen = BTreeSet::new();
    match pairs.iter().find(|(name, _)| !seen.insert(name)) {
        Some((name, _)) => Err(Error::Usage(format!("{option} {name} is given twice"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_inside_the_root_is_named_by_its_relative_path() {
        let path = |folder: &str, path: &str| relative_path(Path::new("/g"), Path::new(folder), Path::new(path));
        assert_eq!(path("/g/a/b", "/g/a/b/y.npy").as_deref(), Some("y.npy"));
        assert_eq!(path("/g/a/b", "/g/a/c/y.npy").as_deref(), Some("../c/y.npy"));
        assert_eq!(path("/g/a/b", "/g/w.npy").as_deref(), Some("../../w.npy"));
        assert_eq!(path("/g/a/b", "/elsewhere/w.npy"), None);
    }
}
