//! `karat diff`: compares two tensors, two containers member by member, or two folders file by file.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;
use walkdir::WalkDir;

use super::{Context, Exit};
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
    /// The actual values: a tensor file, `file#name`, a container, or a folder
    actual: String,
    /// The reference: the same kind
    reference: String,
    /// The absolute tolerance [default: by dtype, as in torch.testing]
    #[arg(long, value_name = "ATOL", requires = "rtol", allow_negative_numbers = true)]
    atol: Option<f64>,
    /// The tolerance relative to the magnitude of the reference
    #[arg(long, value_name = "RTOL", requires = "atol", allow_negative_numbers = true)]
    rtol: Option<f64>,
    /// Let NaN match NaN
    #[arg(long)]
    nan: bool,
    /// The dtype of .npy elements that numpy stores as plain bytes: bf16, f8_e4m3 or f8_e5m2
    #[arg(long, value_name = "DTYPE", value_parser = super::param::parse_dtype)]
    dtype: Option<DType>,
    /// Explain the differences: likely causes, and where they are
    #[arg(long)]
    explain: bool,
    /// Print one JSON document and nothing else
    #[arg(long)]
    json: bool,
}

/// The number of other references that are tried to explain a mismatch: enough for one checkpoint, not for a whole model.
const MAX_OTHERS: usize = 16;

/// The number of links that are followed below a folder: links that double at every level would never end.
const MAX_LINKS: usize = 10_000;

/// The tensors of one side.
#[derive(Default)]
struct Side {
    /// By name; the name of a single unnamed tensor is empty.
    tensors: BTreeMap<String, Address>,
    /// The files below a folder that could not be opened.
    unread: Vec<UnreadableTensor>,
}

impl Diff {
    pub(super) fn main(self, context: &Context<'_>) -> Result<Exit> {
        let tolerance = match (self.atol, self.rtol) {
            (Some(atol), Some(rtol)) => Some(Tolerance::new(atol, rtol)?),
            _ => None,
        };
        let view = self.view(self.sides()?, tolerance)?;
        context.screen.print_view(self.json, |out| json::diff(out, &view), |palette| terminal::diff(palette, &view))?;
        Ok(Exit::from_passed(view.is_close()))
    }

    /// Reads both sides. Against a single tensor, a container must have exactly one member.
    fn sides(&self) -> Result<[Side; 2]> {
        let names = [&self.actual, &self.reference];
        let is_folder = names.map(|text| Address::parse(text).path.is_dir());
        let [mut actual, mut reference] = [side(names[0])?, side(names[1])?];
        match is_folder {
            [true, true] => return Ok([actual, reference]),
            [true, false] => return Err(folder_and_file(names[0], names[1])),
            [false, true] => return Err(folder_and_file(names[1], names[0])),
            [false, false] => {}
        }
        match (actual.is_single(), reference.is_single()) {
            (true, false) => reference.choose_only(names[1], names[0])?,
            (false, true) => actual.choose_only(names[0], names[1])?,
            _ => {}
        }
        Ok([actual, reference])
    }

    /// Compares the tensors that both sides have, and lists those that only one has.
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
                // With a single pair there is nothing else to report.
                Err(error) if is_single => return Err(error),
                Err(error) => unread.push(UnreadableTensor { name: name.clone(), error: error.to_string() }),
            }
        }
        if actual.is_empty() && reference.is_empty() && unread.is_empty() {
            return Err(Error::Usage(format!("no tensors in {} and {}", self.actual, self.reference)));
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

    /// Compares one pair, with the given tolerance or the default of its dtype.
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
            // Tensors of different sizes are not explained.
            (true, false) if cannot_explain(&measured) => (Some(Vec::new()), None),
            (true, false) => {
                let [actual, reference] = [self.read(&mut files[0], actual)?, self.read(&mut files[1], reference)?];
                let pair = Pair { actual: &actual, reference: &reference, mask: None };
                (Some(self.explain_pair(name, pair, references, &mut files[1])), Picture::of(pair, &rules))
            }
        };
        let Measurement { comparison, actual, reference, .. } = measured;
        Ok(PairView { name: name.to_owned(), tolerance, actual, reference, comparison, explanations, picture })
    }

    /// Reads a tensor whole.
    fn read(&self, files: &mut Containers, address: &Address) -> Result<Tensor> {
        files.at(&address.path)?.read(address.member.as_deref(), self.dtype)
    }

    /// Explains a mismatch. Other references of the same shape may have been mistaken for this one.
    fn explain_pair(
        &self,
        name: &str,
        pair: Pair<'_>,
        references: &BTreeMap<String, Address>,
        files: &mut Containers,
    ) -> Vec<Explanation> {
        let others = references.iter().filter(|(other, _)| *other != name).take(MAX_OTHERS);
        let others: Vec<(&String, Tensor)> = others
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

    /// Whether it is a single unnamed tensor.
    fn is_single(&self) -> bool {
        self.tensors.contains_key("")
    }

    /// Selects the only member of a container, to compare it with the single tensor `other`.
    fn choose_only(&mut self, container: &str, other: &str) -> Result<()> {
        match (self.tensors.pop_first(), self.tensors.len()) {
            (Some((_, only)), 0) => self.tensors = BTreeMap::from([(String::new(), only)]),
            (Some((first, _)), more) => {
                return Err(Error::Usage(format!(
                    "{container} holds {} tensors, but {other} is one tensor; name a member, as in {container}#{first}",
                    more + 1
                )));
            }
            (None, _) => return Err(Error::Usage(format!("{container} holds no tensors"))),
        }
        Ok(())
    }
}

/// Whether a side was not read because the numbers of elements differ.
fn cannot_explain(Measurement { actual, reference, .. }: &Measurement) -> bool {
    let len = |summary: &Summary| summary.shape.iter().product::<usize>();
    (actual.is_unread() || reference.is_unread()) && len(actual) != len(reference)
}

fn folder_and_file(folder: &str, file: &str) -> Error {
    Error::Usage(format!("{folder} is a folder and {file} is a file; name two files or two folders"))
}

/// Lists the tensors of one side: a single unnamed one, the members of a container, or the files below a folder.
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

/// Lists the tensors in one file: `name`, or `name#member` for every member.
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

/// Lists the tensors of every tensor file below a folder, by relative path.
fn folder(root: &Path) -> Result<Side> {
    let mut side = Side::default();
    let mut links = 0;
    for entry in WalkDir::new(root).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| Error::Usage(format!("cannot walk {}: {error}", root.display())))?;
        links += usize::from(entry.path_is_symlink());
        if links > MAX_LINKS {
            let root = root.display();
            return Err(Error::Usage(format!(
                "{root} contains more than {MAX_LINKS} links; compare its folders one by one"
            )));
        }
        if entry.file_type().is_dir() || !is_tensor_file(entry.path()) {
            continue;
        }
        let relative = entry.path().strip_prefix(root).expect("every entry is below the root");
        let name: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
        let name = name.join("/");
        match file(entry.path(), &name) {
            Ok(tensors) => {
                for (name, address) in tensors {
                    if side.tensors.insert(name.clone(), address).is_some() {
                        let error = "two tensors have this name: a file, and a member of another file".to_owned();
                        side.unread.push(UnreadableTensor { name, error });
                    }
                }
            }
            Err(error) => side.unread.push(UnreadableTensor { name, error: error.to_string() }),
        }
    }
    Ok(side)
}
