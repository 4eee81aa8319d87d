//! `karat add`: writes a `case.json`, and brings the tensors it names inside the root.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::{Context, Gate};
use crate::error::{Error, Result};
use crate::golden::{
    Address, Case, CaseFile, CaseId, Goldens, InputField, OutputField, ToleranceField, check_name, read_tensor,
};
use crate::numeric::Tolerance;

/// The arguments of `karat add`.
#[derive(Debug, Args)]
pub(super) struct Add {
    /// The id of the new case: its path below the goldens root
    case: String,
    /// The computation under test
    #[arg(long, value_name = "NAME")]
    checkpoint: String,
    /// An input tensor; several add up
    #[arg(long = "input", value_name = "NAME=FILE[#MEMBER]", value_parser = parse_pair)]
    inputs: Vec<(String, String)>,
    /// A reference output; several add up
    #[arg(long = "output", value_name = "NAME=FILE[#MEMBER]", value_parser = parse_pair)]
    outputs: Vec<(String, String)>,
    /// A parameter, as JSON; what is no JSON is text
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parse_pair)]
    params: Vec<(String, String)>,
    /// The absolute part of the tolerance of every output [default: by dtype, as torch.testing has it]
    #[arg(long, value_name = "ATOL", requires = "rtol")]
    atol: Option<f64>,
    /// The part relative to the magnitude of the reference
    #[arg(long, value_name = "RTOL", requires = "atol")]
    rtol: Option<f64>,
    /// The goldens root [default: goldens]
    #[arg(long, value_name = "ROOT")]
    root: Option<PathBuf>,
}

/// A new case, not yet on disk.
struct Plan {
    folder: PathBuf,
    /// The files to copy into the folder, by their name there.
    copies: BTreeMap<String, PathBuf>,
    file: CaseFile,
}

impl Add {
    pub(super) fn main(self, context: &Context<'_>) -> Result<Gate> {
        let root = self.root.as_ref().unwrap_or(&context.home.root).clone();
        let id = CaseId::new(self.case.trim_end_matches('/'))?;
        fs::create_dir_all(&root).map_err(|error| Error::write(&root, error))?;
        // Where the snapshots are does not matter to a case that is not run.
        let goldens = Goldens::locate(&root, Some(Path::new("snapshots")))?;
        let plan = self.plan(&goldens, &id)?;
        let written = plan.write()?;
        Case::load(&goldens.root, &id)?;
        let command = &context.home.command;
        let typed = self.root.as_ref().map(|root| format!(" {}", root.display())).unwrap_or_default();
        context.screen.print(|out, _| {
            for path in &written {
                writeln!(out, "wrote {}", path.strip_prefix(&context.home.base).unwrap_or(path).display())?;
            }
            writeln!(out, "to run it:  {command} run{typed} -k {id}")
        })?;
        Ok(Gate::Passed)
    }

    /// What would be written, with everything checked that can be: nothing is on disk yet.
    fn plan(&self, goldens: &Goldens, id: &CaseId) -> Result<Plan> {
        let folder = id.below(&goldens.root);
        if folder.join("case.json").exists() {
            let file = folder.join("case.json");
            return Err(Error::Usage(format!("{} exists already; nothing was written", file.display())));
        }
        let mut plan = Plan {
            copies: BTreeMap::new(),
            file: CaseFile { karat: 1, checkpoint: self.checkpoint.clone(), ..CaseFile::default() },
            folder,
        };
        unique("--input", &self.inputs)?;
        unique("--output", &self.outputs)?;
        unique("--param", &self.params)?;
        for (name, value) in &self.params {
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.clone()));
            plan.file.params.insert(name.clone(), value);
        }
        for (name, text) in &self.inputs {
            let tensor = plan.refer(goldens, name, text)?;
            plan.file.inputs.insert(name.clone(), InputField { tensor, from: None, dtype: None });
        }
        for (name, text) in &self.outputs {
            let tensor = plan.refer(goldens, name, text)?;
            let field = OutputField { tensor, mask: None, dtype: None, cast: None, nan: None, empty: false };
            plan.file.outputs.insert(name.clone(), field);
        }
        if let (Some(atol), Some(rtol)) = (self.atol, self.rtol) {
            Tolerance::new(atol, rtol)?;
            let field = ToleranceField { atol: Some(atol), rtol: Some(rtol), ..ToleranceField::default() };
            plan.file.tolerance = plan.file.outputs.keys().map(|name| (name.clone(), field.clone())).collect();
        }
        Ok(plan)
    }
}

impl Plan {
    /// The text by which the case names a tensor: where it lies inside the root, or a copy where it lies outside.
    fn refer(&mut self, goldens: &Goldens, name: &str, text: &str) -> Result<String> {
        check_name(name).map_err(Error::Usage)?;
        let address = Address::typed(text);
        read_tensor(&address.path, address.member.as_deref(), None)?;
        let member = address.member.map(|member| format!("#{member}")).unwrap_or_default();
        let path = std::path::absolute(&address.path).map_err(|error| Error::read(&address.path, error))?;
        if let Some(inside) = climb(&goldens.root, &self.folder, &path) {
            return Ok(format!("{inside}{member}"));
        }
        let file = path.file_name().map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
        // Two files of one name from two folders: the second is called after its input or output.
        let extension = path.extension().map(|end| end.to_string_lossy().into_owned()).unwrap_or_default();
        let file = match self.copies.get(&file) {
            Some(other) if *other != path => format!("{name}.{extension}"),
            _ => file,
        };
        self.copies.insert(file.clone(), path);
        Ok(format!("{file}{member}"))
    }

    /// Copies the tensors, then writes `case.json`; overwrites nothing. The files written, in that order.
    fn write(&self) -> Result<Vec<PathBuf>> {
        let Plan { folder, copies, file } = self;
        fs::create_dir_all(folder).map_err(|error| Error::write(folder, error))?;
        let mut written = Vec::new();
        for (name, source) in copies {
            let target = folder.join(name);
            let mut copy = tempfile(folder)?;
            let mut source = fs::File::open(source).map_err(|error| Error::read(source, error))?;
            std::io::copy(&mut source, &mut copy).map_err(|error| Error::write(&target, error))?;
            persist(copy, &target)?;
            written.push(target);
        }
        let target = folder.join("case.json");
        let mut text = serde_json::to_string_pretty(file).expect("a case file is made of JSON values");
        text.push('\n');
        let mut json = tempfile(folder)?;
        json.write_all(text.as_bytes()).map_err(|error| Error::write(&target, error))?;
        persist(json, &target)?;
        written.push(target);
        Ok(written)
    }
}

/// A file beside its target, so that it can be renamed to it.
fn tempfile(folder: &Path) -> Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What a file made by hand would have, less the umask; a temporary file is private by default.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.prefix(".karat-").tempfile_in(folder).map_err(|error| Error::write(folder, error))
}

/// Renames the file to its target, and refuses where that exists.
fn persist(file: tempfile::NamedTempFile, target: &Path) -> Result<()> {
    file.persist_noclobber(target).map(|_| ()).map_err(|error| match error.error.kind() {
        ErrorKind::AlreadyExists => Error::Usage(format!("{} exists already and is left as it is", target.display())),
        _ => Error::write(target, error.error),
    })
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
