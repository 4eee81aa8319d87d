//! `karat diff`: two tensors, two containers member by member, or two folders file by file.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;
use walkdir::WalkDir;

use super::{Context, Gate};
use crate::case::Address;
use crate::compare::{Comparison, LARGE, Measurement, NanRule, Pair, Picture, Rules, Summary, Tolerance, measure};
use crate::error::{Error, Result};
use crate::explain::{Explanation, Other, Question, explain};
use crate::report::{DiffView, PairView, UnreadableTensor, json, terminal};
use crate::tensor::{Containers, Contents, contents, is_tensor_file};
use crate::tensor::{DType, Source, Tensor};

/// The arguments of `karat diff`.
#[derive(Debug, Args)]
pub(super) struct Diff {
    /// What is held against the reference: a tensor file, `file#name`, a container, or a folder
    actual: String,
    /// The reference
    reference: String,
    /// The absolute part of the tolerance [default: by dtype, as torch.testing has it]
    #[arg(long, value_name = "ATOL", requires = "rtol", allow_negative_numbers = true)]
    atol: Option<f64>,
    /// The part relative to the magnitude of the reference
    #[arg(long, value_name = "RTOL", requires = "atol", allow_negative_numbers = true)]
    rtol: Option<f64>,
    /// Let NaN match NaN
    #[arg(long)]
    nan: bool,
    /// What the anonymous bytes of an npy element are: bf16, f8_e4m3, f8_e5m2
    #[arg(long, value_name = "DTYPE", value_parser = super::param::parse_dtype)]
    dtype: Option<DType>,
    /// Say what the differences look like, and where they are
    #[arg(long)]
    explain: bool,
    /// Print one JSON document and nothing else
    #[arg(long)]
    json: bool,
}

/// Other references that are read for each pair that is not close: those of one checkpoint, not of a whole model.
const BESIDE: usize = 16;

/// The links below a folder that are followed: some that double at every level would never end.
const LINKS: usize = 10_000;

/// What is on one side.
#[derive(Default)]
struct Side {
    /// By the name under which the other side has it; the only one of a file that names none has an empty one.
    tensors: BTreeMap<String, Address>,
    /// The files below a folder that could not be opened.
    unread: Vec<UnreadableTensor>,
}

impl Diff {
    pub(super) fn main(self, context: &Context<'_>) -> Result<Gate> {
        let tolerance = match (self.atol, self.rtol) {
            (Some(atol), Some(rtol)) => Some(Tolerance::new(atol, rtol)?),
            _ => None,
        };
        let view = self.view(self.sides()?, tolerance)?;
        context.screen.print(|out, palette| match self.json {
            true => json::diff(out, &view),
            false => out.write_all(terminal::diff(palette, &view).as_bytes()),
        })?;
        Ok(if view.is_close() { Gate::Passed } else { Gate::Failed })
    }

    /// Both sides, of which neither is a single tensor where the other is many.
    fn sides(&self) -> Result<[Side; 2]> {
        let typed = [&self.actual, &self.reference];
        let is_folder = typed.map(|text| Address::parse(text).path.is_dir());
        let [mut actual, mut reference] = [side(typed[0])?, side(typed[1])?];
        match is_folder {
            [true, true] => return Ok([actual, reference]),
            [true, false] => return Err(unlike(typed[0], typed[1])),
            [false, true] => return Err(unlike(typed[1], typed[0])),
            [false, false] => {}
        }
        match (actual.is_single(), reference.is_single()) {
            (true, false) => reference.choose(typed[1], typed[0])?,
            (false, true) => actual.choose(typed[0], typed[1])?,
            _ => {}
        }
        Ok([actual, reference])
    }

    /// Compares what both sides have, and names what only one has.
    fn view(&self, [actual, reference]: [Side; 2], tolerance: Option<Tolerance>) -> Result<DiffView> {
        let (actual, reference, mut unread) =
            (actual.tensors, reference.tensors, [actual.unread, reference.unread].concat());
        let is_single = actual.len() == 1 && reference.len() == 1 && unread.is_empty();
        let mut pairs = Vec::new();
        let mut files = [Containers::default(), Containers::default()];
        for (name, address) in &actual {
            let Some(other) = reference.get(name) else { continue };
            match self.pair(name, [address, other], &mut files, tolerance, &reference) {
                Ok(pair) => pairs.push(pair),
                // Of one pair alone there is nothing else to tell.
                Err(error) if is_single => return Err(error),
                Err(error) => unread.push(UnreadableTensor { name: name.clone(), error: error.to_string() }),
            }
        }
        if actual.is_empty() && reference.is_empty() && unread.is_empty() {
            return Err(Error::Usage(format!("no tensor in {} nor in {}", self.actual, self.reference)));
        }
        let only = |one: &BTreeMap<String, Address>, other: &BTreeMap<String, Address>| {
            one.keys().filter(|name| !other.contains_key(*name)).cloned().collect()
        };
        Ok(DiffView {
            actual: self.actual.clone(),
            reference: self.reference.clone(),
            pairs,
            only_actual: only(&actual, &reference),
            only_reference: only(&reference, &actual),
            unread,
        })
    }

    /// Compares one pair, by the tolerance that was typed or that of the dtype.
    fn pair(
        &self,
        name: &str,
        [actual, reference]: [&Address; 2],
        files: &mut [Containers; 2],
        tolerance: Option<Tolerance>,
        references: &BTreeMap<String, Address>,
    ) -> Result<PairView> {
        let file = |files: &mut Containers, address: &Address| {
            files.at(&address.path)?.tensor(address.member.as_deref(), self.dtype)
        };
        let (actual_file, reference_file) = (file(&mut files[0], actual)?, file(&mut files[1], reference)?);
        let dtype = reference_file.dtype();
        let tolerance = tolerance
            .or_else(|| Tolerance::default_for(dtype))
            .ok_or_else(|| Error::Usage(format!("{dtype} has no default tolerance; give --atol and --rtol")))?;
        let mut rules = Rules::new(tolerance);
        rules.nan = if self.nan { NanRule::Match } else { NanRule::Mismatch };
        let measured = measure(&actual_file, &reference_file, None, &rules, LARGE)?;
        let is_close = measured.comparison.as_ref().is_ok_and(Comparison::is_close);
        let (explanations, picture) = match (self.explain, is_close) {
            (false, _) => (None, None),
            (true, true) => (Some(Vec::new()), None),
            // Nothing explains tensors of different sizes.
            (true, false) if is_beyond_explanation(&measured) => (Some(Vec::new()), None),
            (true, false) => {
                let [actual, reference] = [self.read(&mut files[0], actual)?, self.read(&mut files[1], reference)?];
                let pair = Pair { actual: &actual, reference: &reference, mask: None };
                (Some(self.ask(name, pair, references, &mut files[1])), Picture::of(pair, &rules))
            }
        };
        let Measurement { comparison, actual, reference, .. } = measured;
        Ok(PairView { name: name.to_owned(), tolerance, actual, reference, comparison, explanations, picture })
    }

    /// Reads a tensor whole.
    fn read(&self, files: &mut Containers, address: &Address) -> Result<Tensor> {
        files.at(&address.path)?.read(address.member.as_deref(), self.dtype)
    }

    /// Asks why a pair is not close. The references that have its shape beside it may be what was taken for it.
    fn ask(
        &self,
        name: &str,
        pair: Pair<'_>,
        references: &BTreeMap<String, Address>,
        files: &mut Containers,
    ) -> Vec<Explanation> {
        let beside = references.iter().filter(|(other, _)| *other != name).take(BESIDE);
        let others: Vec<(&String, Tensor)> = beside
            .filter_map(|(other, address)| Some((other, self.read(files, address).ok()?)))
            .filter(|(_, tensor)| tensor.shape() == pair.reference.shape())
            .collect();
        let mut question = Question::new(pair);
        for (name, reference) in &others {
            question = question.with_other(Other { name, actual: None, reference });
        }
        explain(&question)
    }
}

impl Side {
    fn of(tensors: BTreeMap<String, Address>) -> Side {
        Side { tensors, unread: Vec::new() }
    }

    /// Whether it is one tensor without a name.
    fn is_single(&self) -> bool {
        self.tensors.contains_key("")
    }

    /// Takes the only member of a container for the tensor on the other side, `other`.
    fn choose(&mut self, container: &str, other: &str) -> Result<()> {
        match (self.tensors.pop_first(), self.tensors.len()) {
            (Some((_, only)), 0) => self.tensors = BTreeMap::from([(String::new(), only)]),
            (Some((first, _)), more) => {
                return Err(Error::Usage(format!(
                    "{container} holds {} tensors and {other} is one: name which, as in {container}#{first}",
                    more + 1
                )));
            }
            (None, _) => return Err(Error::Usage(format!("{container} holds no tensor"))),
        }
        Ok(())
    }
}

/// Whether a side was not read, and has another number of elements than the other.
fn is_beyond_explanation(Measurement { actual, reference, .. }: &Measurement) -> bool {
    let len = |summary: &Summary| summary.shape.iter().product::<usize>();
    (actual.is_unread() || reference.is_unread()) && len(actual) != len(reference)
}

/// The error that one is a folder and the other is not.
fn unlike(folder: &str, file: &str) -> Error {
    Error::Usage(format!("{folder} is a folder, and {file} is a file: name two of a kind"))
}

/// The tensors that were typed: one without a name, the members of a container, or the files below a folder.
fn side(text: &str) -> Result<Side> {
    let address = Address::parse(text);
    if address.path.is_dir() {
        return folder(&address.path);
    }
    if address.member.is_some() {
        return Ok(Side::of(BTreeMap::from([(String::new(), address)])));
    }
    file(&address.path, "").map(Side::of)
}

/// The tensors in one file: one under `name`, or every member behind `name#`.
fn file(path: &Path, name: &str) -> Result<BTreeMap<String, Address>> {
    let at = |member: Option<String>| Address { text: name.to_owned(), path: path.to_path_buf(), member };
    Ok(match contents(path)? {
        Contents::Tensor => BTreeMap::from([(name.to_owned(), at(None))]),
        Contents::Members(members) => {
            let prefix = if name.is_empty() { String::new() } else { format!("{name}#") };
            members.into_iter().map(|member| (format!("{prefix}{member}"), at(Some(member)))).collect()
        }
    })
}

/// The tensors in every tensor file below a folder, by relative path.
fn folder(root: &Path) -> Result<Side> {
    let mut side = Side::default();
    let mut links = 0;
    for entry in WalkDir::new(root).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| Error::Usage(format!("cannot walk {}: {error}", root.display())))?;
        links += usize::from(entry.path_is_symlink());
        if links > LINKS {
            let root = root.display();
            return Err(Error::Usage(format!(
                "{root} leads through more than {LINKS} links: compare its folders one by one"
            )));
        }
        if entry.file_type().is_dir() || !is_tensor_file(entry.path()) {
            continue;
        }
        let relative = entry.path().strip_prefix(root).expect("the walk stays below its root");
        let name: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
        let name = name.join("/");
        match file(entry.path(), &name) {
            Ok(tensors) => {
                for (name, address) in tensors {
                    if side.tensors.insert(name.clone(), address).is_some() {
                        let error = "there are two tensors of this name: a file, and a member of another".to_owned();
                        side.unread.push(UnreadableTensor { name, error });
                    }
                }
            }
            Err(error) => side.unread.push(UnreadableTensor { name, error: error.to_string() }),
        }
    }
    Ok(side)
}
