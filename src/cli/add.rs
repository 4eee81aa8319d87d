//! `karat add`: writes a `case.json`, and brings the tensors it names inside the root.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;

use super::made::Made;
use super::param::{param, wide};
use super::{Context, Gate, near, own, source};
use crate::case::{Address, Case, CaseFile, CaseId, Goldens, InputField, Limits, OutputField, absolute};
use crate::compare::Tolerance;
use crate::error::{Error, Result};
use crate::fs::{describe_link, link_below, remove_leftovers};
use crate::report::Commands;
use crate::run::Executors;
use crate::tensor::{DType, read_tensor};
use crate::text::{check_name, fold};

/// The arguments of `karat add`.
#[derive(Debug, Args)]
pub(super) struct Add {
    /// The id of the new case: its path below the goldens root
    case: String,
    /// The computation under test
    #[arg(long, value_name = "NAME")]
    checkpoint: String,
    /// An input tensor; may be repeated
    #[arg(long = "input", value_name = "NAME=FILE[#MEMBER]", value_parser = parse_pair)]
    inputs: Vec<(String, String)>,
    /// A reference output; may be repeated
    #[arg(long = "output", value_name = "NAME=FILE[#MEMBER]", value_parser = parse_pair)]
    outputs: Vec<(String, String)>,
    /// Add a case without a reference, which its snapshot alone holds
    #[arg(long, conflicts_with = "outputs")]
    snapshot_only: bool,
    /// A parameter, as JSON: a number, true, a list; a plain word is text; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parse_pair)]
    params: Vec<(String, String)>,
    /// The absolute part of the tolerance of every output [default: by dtype, as torch.testing has it]
    #[arg(long, value_name = "ATOL", requires = "rtol", allow_negative_numbers = true)]
    atol: Option<f64>,
    /// The part relative to the magnitude of the reference
    #[arg(long, value_name = "RTOL", requires = "atol", allow_negative_numbers = true)]
    rtol: Option<f64>,
    /// What the anonymous bytes of an npy element are: bf16, f8_e4m3, f8_e5m2
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
    /// The integers of its parameters that 64 bits cannot hold, which the file has as text.
    wide: BTreeSet<String>,
}

impl Add {
    pub(super) fn main(self, executors: &Executors, context: &Context<'_>) -> Result<Gate> {
        let harnesses = own::commands(context.home, self.root.as_ref().unwrap_or(&context.home.root));
        let known = executors.checkpoints();
        if harnesses.is_empty() {
            near::check_checkpoint(&self.checkpoint, &known, &own::elsewhere(context))?;
        }
        if self.outputs.is_empty() && !self.snapshot_only && self.atol.is_none() {
            return Err(Error::Usage(
                "without --output there is no reference to compare with, and nothing was written; name one as in \
                 --output y=y.npy, or say --snapshot-only for a case that its snapshot alone holds"
                    .to_owned(),
            ));
        }
        let mut made = Made::default();
        let id = match self.make(context, &mut made) {
            Ok(id) => id,
            Err(error) => {
                made.undo();
                return Err(error);
            }
        };
        let mut commands = self.commands(context);
        // The binary would not run it.
        let harness = harnesses.first();
        if let Some(harness) = harness {
            harness.speak(context, &mut commands, self.root.as_ref().unwrap_or(&context.home.root));
        }
        context.screen.print(|out, _| {
            for path in made.files() {
                writeln!(out, "wrote {}", path.strip_prefix(&commands.base).unwrap_or(path).display())?;
            }
            if harness.is_some() && !known.contains(&*self.checkpoint) {
                let checkpoint = &self.checkpoint;
                let what = "was not looked for: only the tests here know theirs; they look for it with";
                writeln!(out, "the checkpoint {checkpoint} {what}:  {}", commands.add())?;
            }
            writeln!(out, "to run it:  {}", commands.run(Some(id.as_str())))
        })?;
        Ok(Gate::Passed)
    }

    /// Makes the case, and its root where it is the first.
    fn make(&self, context: &Context<'_>, made: &mut Made) -> Result<CaseId> {
        let root = absolute(self.root.as_ref().unwrap_or(&context.home.root))?;
        made.folder(&root)?;
        let goldens = source(self.root.as_ref(), context)?;
        let plan = self.plan(context, &goldens)?;
        plan.write(made)?;
        remove_leftovers(&[&goldens.root]);
        Case::load(&goldens.root, &plan.id)?;
        Ok(plan.id)
    }

    /// How to name the command that runs the new case.
    fn commands(&self, context: &Context<'_>) -> Commands {
        let mut commands = context.commands(self.root.as_ref(), None, None);
        if self.root.as_ref().is_some_and(|root| Goldens::locate(root, None).is_err()) {
            commands.snapshots = Some("snapshots".to_owned());
        }
        commands
    }

    /// The id that was typed, where no case can be in its way.
    fn id(&self, goldens: &Goldens) -> Result<CaseId> {
        let typed = self.case.trim_end_matches('/');
        let root = goldens.root.file_name().unwrap_or_default().to_string_lossy();
        if let Some(id) = typed.strip_prefix(&*root).and_then(|rest| rest.strip_prefix('/')) {
            return Err(Error::Usage(format!("an id is the path below the root {root}: type {id}")));
        }
        CaseId::new(typed)?;
        let id = CaseId::from_path(&goldens.below.join(typed))?;
        id.check_portable()?;
        let file = id.below(&goldens.root).join("case.json");
        if file.exists() {
            return Err(Error::Usage(format!("{} exists already; nothing was written", file.display())));
        }
        if let Some(link) = link_below(&goldens.root, &id.below(&goldens.root)) {
            return Err(Error::Usage(format!("{}: {}", link.display(), describe_link(&link))));
        }
        let folded = fold(id.as_str());
        let whole = Goldens { below: PathBuf::new(), ..goldens.clone() };
        match whole.discover()?.cases.iter().find(|other| fold(other.as_str()) == folded) {
            Some(other) => Err(Error::Usage(format!("{id} differs from the case {other} in case alone"))),
            None => Ok(id),
        }
    }

    /// What would be written, with everything checked that can be: nothing of it is on disk yet.
    fn plan(&self, context: &Context<'_>, goldens: &Goldens) -> Result<Plan> {
        let id = self.id(goldens)?;
        let folder = id.below(&goldens.root);
        let mut plan = Plan { id, folder, copies: BTreeMap::new(), file: CaseFile::default(), wide: BTreeSet::new() };
        unique("--input", &self.inputs)?;
        unique("--output", &self.outputs)?;
        unique("--param", &self.params)?;
        let mut params = BTreeMap::new();
        for (name, text) in &self.params {
            let value = param(name, text).map_err(|error| Error::Usage(format!("--param {name}={text}: {error}")))?;
            params.insert(name.clone(), value);
            plan.wide.extend(wide(text).map(str::to_owned));
        }
        let mut inputs = BTreeMap::new();
        for (name, text) in &self.inputs {
            let (tensor, dtype) = self.refer(&mut plan, goldens, context, (name, text))?;
            inputs.insert(name.clone(), Some(InputField { dtype, ..InputField::new(&tensor) }));
        }
        let mut outputs = BTreeMap::new();
        for (name, text) in &self.outputs {
            let (tensor, dtype) = self.refer(&mut plan, goldens, context, (name, text))?;
            outputs.insert(name.clone(), Some(OutputField { dtype, ..OutputField::new(&tensor) }));
        }
        let mut tolerance = BTreeMap::new();
        if let (Some(atol), Some(rtol)) = (self.atol, self.rtol) {
            Tolerance::new(atol, rtol)?;
            if outputs.is_empty() {
                return Err(Error::Usage("--atol and --rtol are for outputs; name one with --output".to_owned()));
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

    /// The text by which the case names a tensor, and the dtype where only the typed one says it.
    fn refer(
        &self,
        plan: &mut Plan,
        goldens: &Goldens,
        context: &Context<'_>,
        (name, typed): (&str, &str),
    ) -> Result<(String, Option<DType>)> {
        check_name(name).map_err(Error::Usage)?;
        let address = Address::parse(typed);
        let read = |declared| read_tensor(&address.path, address.member.as_deref(), declared);
        let dtype = match (read(None), self.dtype) {
            (Ok(_), _) => None,
            (Err(_), Some(dtype)) => read(Some(dtype)).map(|_| Some(dtype))?,
            (Err(Error::Missing { place, what }), None) if !address.path.exists() => {
                return Err(Error::Missing { place, what: what + &context.looked(&address.path) });
            }
            (Err(error), None) => return Err(error),
        };
        let path = absolute(&address.path)?;
        let file = match climb(&goldens.root, &plan.folder, &path) {
            Some(inside) => inside,
            None => plan.copy(name, path),
        };
        let member = address.member.map(|member| format!("#{member}")).unwrap_or_default();
        Ok((format!("{file}{member}"), dtype))
    }
}

impl Plan {
    /// Plans to copy that file, under a name that no other has there.
    fn copy(&mut self, name: &str, path: PathBuf) -> String {
        let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let (file, extension) = (part(path.file_name()), part(path.extension()));
        let numbered = (2..).map(|number| format!("{name}-{number}.{extension}"));
        let mut names = [file, format!("{name}.{extension}")].into_iter().chain(numbered);
        let is_free = |file: &String| {
            let taken = |(other, source): (&String, &PathBuf)| {
                other.to_lowercase() == file.to_lowercase() && (other != file || *source != path)
            };
            !self.copies.iter().any(taken)
        };
        let file = names.find(is_free).expect("numbers do not end");
        self.copies.insert(file.clone(), path);
        file
    }

    /// Copies the tensors, then writes `case.json`; overwrites nothing.
    fn write(&self, made: &mut Made) -> Result<()> {
        let Plan { id: _, folder, copies, file, wide } = self;
        made.folder(folder)?;
        for (name, source) in copies {
            made.copy(source, &folder.join(name))?;
        }
        let text = serde_json::to_string_pretty(file).expect("a case file is made of JSON values");
        let text: String = text.lines().map(|line| unquoted(line, wide) + "\n").collect();
        made.write(&folder.join("case.json"), text.as_bytes())
    }
}

/// An object field of the file, where it has any entry.
fn entries<T>(entries: BTreeMap<String, T>) -> Option<Option<BTreeMap<String, T>>> {
    (!entries.is_empty()).then_some(Some(entries))
}

/// A line of JSON, where its value is one of these integers: without the quotes around that. The checkpoint has the same of both.
fn unquoted(line: &str, wide: &BTreeSet<String>) -> String {
    let (value, comma) = line.strip_suffix(',').map_or((line, ""), |value| (value, ","));
    let before = |number| Some((value.strip_suffix(&format!("\"{number}\""))?, number));
    match wide.iter().find_map(before) {
        // What is deeper than the fields of the case.
        Some((before, number))
            if before.starts_with("    ") && (before.ends_with("\": ") || before.trim().is_empty()) =>
        {
            format!("{before}{number}{comma}")
        }
        _ => line.to_owned(),
    }
}

/// The way from `folder` to `path` with `/`, where both are below `root`.
fn climb(root: &Path, folder: &Path, path: &Path) -> Option<String> {
    let path = path.strip_prefix(root).ok()?;
    let folder = folder.strip_prefix(root).expect("a case is below the root");
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
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

/// Refuses a name that is given twice.
fn unique(option: &str, pairs: &[(String, String)]) -> Result<()> {
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
    fn a_tensor_inside_the_root_is_named_by_the_way_to_it() {
        let climb = |folder: &str, path: &str| climb(Path::new("/g"), Path::new(folder), Path::new(path));
        assert_eq!(climb("/g/a/b", "/g/a/b/y.npy").as_deref(), Some("y.npy"));
        assert_eq!(climb("/g/a/b", "/g/a/c/y.npy").as_deref(), Some("../c/y.npy"));
        assert_eq!(climb("/g/a/b", "/g/w.npy").as_deref(), Some("../../w.npy"));
        assert_eq!(climb("/g/a/b", "/elsewhere/w.npy"), None);
    }
}
