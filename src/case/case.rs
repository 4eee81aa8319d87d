//! A case: `case.json` under the defaults of its suites, each of which is read once, checked and resolved.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde_json::Value;

use super::format::{CaseFile, Entries, FORMAT, InputField, Layer, Limits, OutputField};
use super::id::{Address, CaseId, below};
use crate::compare::{NanRule, Tolerance};
use crate::error::{Error, Result};
use crate::tensor::DType;
use crate::text::name::{check_length, check_name, fold};

/// The name of the file that makes a folder a case.
pub(crate) const CASE_FILE: &str = "case.json";

/// How many inputs, or outputs, a case may have: what is found out about each is kept to the end of the run.
pub(crate) const MOST_TENSORS: usize = 10_000;

/// The longest text that a case may have, in bytes: one that a person reads, or a path.
const LONGEST_TEXT: usize = 4096;

/// One checkpoint, its inputs, and the references its outputs are held against.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its path below the goldens root.
    pub id: CaseId,
    /// Its `case.json`.
    pub file: PathBuf,
    /// The computation under test.
    pub checkpoint: String,
    /// What the checkpoint needs besides tensors.
    pub params: BTreeMap<String, Value>,
    /// The tensors that the checkpoint is given.
    pub inputs: BTreeMap<String, Input>,
    /// The references; empty where the snapshot alone holds the case.
    pub outputs: BTreeMap<String, Output>,
    /// How long it may take, if it says so.
    pub timeout: Option<Duration>,
    /// Why the case is not run, if it is not.
    pub skip: Option<String>,
    /// Who made the goldens, as the suite says it.
    pub reference: Arc<BTreeMap<String, Value>>,
    /// The `suite.json` that sets a field, for each that `case.json` does not set itself: `skip`, `outputs.y`, `tolerance.y`.
    pub inherited: BTreeMap<String, PathBuf>,
}

/// A tensor that a checkpoint is given.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Where it is.
    pub address: Address,
    /// What it is in the real pipeline, if it is another case's output.
    pub link: Option<Link>,
    /// The dtype that the case declares for npy's anonymous bytes.
    pub dtype: Option<DType>,
}

/// The output of a case that an input is in the real pipeline: `from` in `case.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Whose output.
    pub case: CaseId,
    /// Which output.
    pub output: String,
}

/// A reference, and what counts as close to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Where the reference is.
    pub address: Address,
    /// Where the references are that the output may equal instead.
    pub alternatives: Vec<Address>,
    /// Where the mask is, if some elements are left out.
    pub mask: Option<Address>,
    /// The dtype that the case declares for npy's anonymous bytes.
    pub dtype: Option<DType>,
    /// The dtype that the actual tensor must have where it is another than the reference's.
    pub cast: Option<DType>,
    /// How much may differ.
    pub limits: Limits,
    /// How much may differ in a chained run; `None` where that is no gate.
    pub chained: Option<Limits>,
    /// Whether NaN may match NaN.
    pub nan: NanRule,
    /// Whether the tensor is declared to be empty.
    pub empty: bool,
}

impl Limits {
    /// The tolerance for that dtype; `None` where neither the case nor the dtype has one.
    #[must_use]
    pub fn tolerance(&self, dtype: DType) -> Option<Tolerance> {
        let tolerance = match (self.atol, self.rtol) {
            (Some(atol), Some(rtol)) => Tolerance { atol, rtol, ..Tolerance::EXACT },
            _ => Tolerance::default_for(dtype)?,
        };
        let Limits { outliers, max_ulps, max_rel_rms, .. } = *self;
        Some(Tolerance { outliers: outliers.unwrap_or(0), max_ulps, max_rel_rms, ..tolerance })
    }

    /// Refuses, in words, numbers that no tolerance can have.
    fn check(&self) -> Result<(), String> {
        let (atol, rtol) = match (self.atol, self.rtol) {
            (Some(_), None) => return Err("has atol without rtol; give both or neither".to_owned()),
            (None, Some(_)) => return Err("has rtol without atol; give both or neither".to_owned()),
            (atol, rtol) => (atol.unwrap_or(0.0), rtol.unwrap_or(0.0)),
        };
        Tolerance::new(atol, rtol)
            .and_then(|tolerance| tolerance.with_max_rel_rms(self.max_rel_rms.unwrap_or(0.0)))
            .map_err(|error| error.to_string())
            .map(drop)
    }
}

impl Output {
    /// The tolerance for a reference of that dtype; `None` where neither the case nor the dtype has one.
    ///
    /// Where the case declares a cast, the default is that of the dtype that resolves less.
    #[must_use]
    pub fn tolerance(&self, reference: DType) -> Option<Tolerance> {
        self.limits.tolerance(self.coarser(reference))
    }

    /// The tolerance of a chained run for a reference of that dtype, where the case has one.
    #[must_use]
    pub fn chained_tolerance(&self, reference: DType) -> Option<Tolerance> {
        self.chained.as_ref()?.tolerance(self.coarser(reference))
    }

    /// Of the dtypes on both sides the one that resolves less.
    fn coarser(&self, reference: DType) -> DType {
        let actual = self.cast.unwrap_or(reference);
        if actual.eps() > reference.eps() { actual } else { reference }
    }
}

impl Case {
    /// Reads the case `id` below `root`: its `case.json`, and every `suite.json` above it.
    ///
    /// # Errors
    ///
    /// [`Error::Case`] with the file and the field, where one of them is not what the format says: the file is the one
    /// that has the field. [`Error::Read`] where one cannot be read.
    pub fn load(root: &Path, id: &CaseId) -> Result<Case> {
        Suites::new(root).case(id)
    }

    /// The file that sets a field, or an entry of one (`outputs.y`), or else `case.json`, which may.
    #[must_use]
    pub fn set_in(&self, field: &str) -> &Path {
        self.inherited.get(field).unwrap_or(&self.file)
    }
}

/// The case that the layers make together.
pub(super) fn resolve(root: &Path, id: &CaseId, layers: &Layers) -> Result<Case> {
    let fields = layers.merge();
    let CaseFile {
        schema: _,
        karat,
        checkpoint,
        params,
        inputs,
        outputs,
        tolerance,
        chained,
        nan,
        timeout,
        skip,
        reference,
    } = fields;
    // The error of a field, or of an entry of one, which the nearest file has that says it.
    let fault = |place: &str, what: String| layers.error(place, format!("{place}: {what}"));
    let missing = |field: &str, what: &str| layers.error(field, format!("field `{field}` is missing; {what}"));
    karat.ok_or_else(|| missing("karat", &format!("write \"karat\": {FORMAT}")))?;
    let (inputs, outputs) = (present(inputs), present(outputs));
    let (tolerance, chained) = (present(tolerance), present(chained));
    let references = outputs.values().map(|output| 1 + output.alternatives.len()).sum();
    for (field, count) in [("inputs", inputs.len()), ("outputs", references)] {
        if count > MOST_TENSORS {
            return Err(fault(field, format!("names {count} tensors, and may name {MOST_TENSORS}")));
        }
    }
    check_names(layers, "inputs", inputs.keys())?;
    check_names(layers, "outputs", outputs.keys())?;
    for (field, entries) in [("tolerance", &tolerance), ("chained", &chained)] {
        for (name, limits) in entries {
            let place = format!("{field}.{name}");
            // In a suite an entry may be for some of its cases.
            if name != "*" && !outputs.contains_key(name) && layers.own.sets(&place) {
                let known = outputs.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                let known = if known.is_empty() { "the case names none" } else { &format!("outputs are {known}") };
                return Err(fault(&place, format!("there is no such output; {known}")));
            }
            limits.check().map_err(|what| fault(&place, what))?;
        }
    }
    let checkpoint =
        checkpoint.flatten().ok_or_else(|| missing("checkpoint", "it names the computation under test"))?;
    check_length(&checkpoint).map_err(|what| fault("checkpoint", what))?;
    let params = params.flatten().unwrap_or_default();
    for name in params.keys() {
        check_length(name).map_err(|what| layers.error(&format!("params.{name}"), format!("params: {what}")))?;
    }
    let skip = skip.flatten();
    match &skip {
        Some(reason) if reason.trim().is_empty() => return Err(fault("skip", "needs a written reason".to_owned())),
        Some(reason) => check_text(reason).map_err(|what| fault("skip", what))?,
        None => {}
    }
    let inherited = layers.inherited(inputs.keys(), outputs.keys());
    let limits = |entries: &BTreeMap<String, Limits>, name: &str| entries.get(name).or(entries.get("*")).cloned();
    let case_nan = nan.flatten();
    let input = |(name, field)| match resolve_input(root, id, field) {
        Ok(input) => Ok((name, input)),
        Err(what) => Err(fault(&format!("inputs.{name}"), what)),
    };
    let output = |(name, field): (String, OutputField)| {
        let limits = (limits(&tolerance, &name).unwrap_or_default(), limits(&chained, &name));
        match resolve_output(root, id, field, limits, case_nan) {
            Ok(output) => Ok((name, output)),
            Err(what) => Err(fault(&format!("outputs.{name}"), what)),
        }
    };
    let case = Case {
        id: id.clone(),
        file: layers.own.file.clone(),
        checkpoint,
        params,
        inputs: inputs.into_iter().map(input).collect::<Result<_>>()?,
        outputs: outputs.into_iter().map(output).collect::<Result<_>>()?,
        timeout: timeout.flatten().map(seconds_from).transpose().map_err(|what| fault("timeout", what))?,
        skip,
        reference: reference.map_or_else(|| layers.reference(), |own| Arc::new(own.unwrap_or_default())),
        inherited,
    };
    check_places(root, &case).map_err(|(place, what)| fault(&place, what))?;
    Ok(case)
}

/// The entries that are there: a `null` takes a default away.
fn present<T>(entries: Entries<Option<T>>) -> BTreeMap<String, T> {
    let entries = entries.flatten().unwrap_or_default().into_iter();
    entries.filter_map(|(name, entry)| Some((name, entry?))).collect()
}

/// Refuses names that cannot be file names everywhere, and names that differ in case alone.
fn check_names<'a>(layers: &Layers, field: &str, names: impl Iterator<Item = &'a String>) -> Result<()> {
    let fault = |name: &str, what: String| layers.error(&format!("{field}.{name}"), format!("{field}: {what}"));
    let mut seen = BTreeMap::new();
    for name in names {
        check_name(name).map_err(|what| fault(name, what))?;
        if let Some(other) = seen.insert(fold(name), name) {
            return Err(fault(name, format!("`{other}` and `{name}` differ in case alone; rename one")));
        }
    }
    Ok(())
}

/// Refuses two files of one case that some system takes for one, with the entry that names the second.
fn check_places(root: &Path, case: &Case) -> Result<(), (String, String)> {
    let inputs = case.inputs.iter().map(|(name, input)| ("inputs", name, &input.address));
    let outputs = case.outputs.iter().flat_map(|(name, output)| {
        let others = output.alternatives.iter().chain(&output.mask);
        [&output.address].into_iter().chain(others).map(move |address| ("outputs", name, address))
    });
    let mut seen: BTreeMap<String, &Path> = BTreeMap::new();
    for (field, name, address) in inputs.chain(outputs) {
        let path = address.path.strip_prefix(root).unwrap_or(&address.path);
        if let Some(other) = seen.insert(fold(&path.to_string_lossy()), path).filter(|other| *other != path) {
            let (one, other) = (path.display(), other.display());
            return Err((format!("{field}.{name}"), format!("{one} and {other} differ in case alone; rename one")));
        }
    }
    Ok(())
}

/// A time that something may take, in seconds.
pub(crate) fn seconds_from(seconds: f64) -> Result<Duration, String> {
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(format!("is {seconds}; give a number of seconds above 0")),
    }
}

/// Refuses a text that nobody would read to its end.
fn check_text(text: &str) -> Result<(), String> {
    match text.len() {
        ..=LONGEST_TEXT => Ok(()),
        length => Err(format!("is {length} bytes long, and may be {LONGEST_TEXT}")),
    }
}

fn resolve_input(root: &Path, id: &CaseId, field: InputField) -> Result<Input, String> {
    let InputField { tensor, from, dtype } = field;
    Ok(Input {
        address: Address::resolve(root, id, &tensor)?,
        link: from.map(|text| resolve_link(&text)).transpose().map_err(|what| format!("from: {what}"))?,
        dtype,
    })
}

fn resolve_link(text: &str) -> Result<Link, String> {
    check_text(text)?;
    let parts = text.rsplit_once(':').and_then(|(case, output)| Some((CaseId::new(case).ok()?, output)));
    match parts {
        Some((case, output)) => Ok(Link { case, output: output.to_owned() }),
        None => Err(format!("`{text}` must be a case and its output, such as `suite/case:y`")),
    }
}

fn resolve_output(
    root: &Path,
    id: &CaseId,
    field: OutputField,
    (limits, chained): (Limits, Option<Limits>),
    case_nan: Option<NanRule>,
) -> Result<Output, String> {
    let OutputField { tensor, alternatives, mask, dtype, cast, nan, empty } = field;
    let address = |field: &'static str| {
        move |text: String| Address::resolve(root, id, &text).map_err(|what| format!("{field}: {what}"))
    };
    Ok(Output {
        address: Address::resolve(root, id, &tensor)?,
        alternatives: alternatives.into_iter().map(address("or")).collect::<Result<_, String>>()?,
        mask: mask.map(address("where")).transpose()?,
        dtype,
        cast,
        limits,
        chained,
        nan: nan.or(case_nan).unwrap_or(NanRule::Mismatch),
        empty,
    })
}

/// The name of the file with the defaults of a folder.
pub(super) const SUITE_FILE: &str = "suite.json";

/// What every suite from the root down to one folder says together: defaults for the cases in that folder.
#[derive(Default)]
struct Defaults {
    /// The outermost suite first.
    layers: Vec<Arc<Layer>>,
    /// What all of them say, but for `reference`.
    merged: CaseFile,
    /// Who made the goldens: often the longest field, which the cases share.
    reference: Arc<BTreeMap<String, Value>>,
}

impl Defaults {
    /// These defaults with the suite in that folder over them, if there is one.
    fn under_suite_in(self: Arc<Self>, folder: &Path) -> Result<Arc<Defaults>> {
        let Some(suite) = Layer::read(&folder.join(SUITE_FILE))? else { return Ok(self) };
        let mut merged = self.with(&suite.says);
        let reference = merged
            .reference
            .take()
            .map_or_else(|| Arc::clone(&self.reference), |own| Arc::new(own.unwrap_or_default()));
        let layers = self.layers.iter().cloned().chain([Arc::new(suite)]).collect();
        Ok(Arc::new(Defaults { layers, merged, reference }))
    }

    /// What they say with a nearer file over them. There is a `reference` only where that file says something about it.
    fn with(&self, nearer: &CaseFile) -> CaseFile {
        let mut merged = self.merged.clone();
        merged.reference = nearer.reference.is_some().then(|| Some(BTreeMap::clone(&self.reference)));
        merged.lay(nearer);
        merged
    }
}

/// The files that one case is made of.
pub(super) struct Layers {
    defaults: Arc<Defaults>,
    /// Its `case.json`.
    pub(super) own: Layer,
}

impl Layers {
    /// What all files say together.
    pub(super) fn merge(&self) -> CaseFile {
        self.defaults.with(&self.own.says)
    }

    /// Who made the goldens, as the suites say it.
    pub(super) fn reference(&self) -> Arc<BTreeMap<String, Value>> {
        Arc::clone(&self.defaults.reference)
    }

    /// The nearest suite of which that holds.
    fn nearest_suite(&self, holds: impl Fn(&Layer) -> bool) -> Option<&Path> {
        self.defaults.layers.iter().rev().find(|suite| holds(suite)).map(|suite| &*suite.file)
    }

    /// An error in the nearest file that says that field or entry, or else in `case.json`, which should.
    pub(super) fn error(&self, place: &str, what: String) -> Error {
        let suite = if self.own.sets(place) { None } else { self.nearest_suite(|suite| suite.sets(place)) };
        Error::Case { path: suite.unwrap_or(&self.own.file).to_path_buf(), what }
    }

    /// The suite that sets each field, and each entry of one, that is not the case's own. A tolerance goes by its output.
    pub(super) fn inherited<'a>(
        &self,
        inputs: impl Iterator<Item = &'a String>,
        outputs: impl Iterator<Item = &'a String>,
    ) -> BTreeMap<String, PathBuf> {
        let fields = ["checkpoint", "skip", "timeout", "nan"].map(|field| (field.to_owned(), None));
        let inputs = inputs.map(|name| (format!("inputs.{name}"), None));
        let outputs = outputs.flat_map(|name| {
            let tolerance = |field| (format!("{field}.{name}"), Some(format!("{field}.*")));
            [(format!("outputs.{name}"), None), tolerance("tolerance"), tolerance("chained")]
        });
        let places = fields.into_iter().chain(inputs).chain(outputs);
        let inherited = places.filter_map(|(place, of_all)| {
            let sets = |layer: &Layer| layer.sets(&place) || of_all.as_ref().is_some_and(|place| layer.sets(place));
            let suite = if sets(&self.own) { None } else { self.nearest_suite(sets) }?.to_path_buf();
            Some((place, suite))
        });
        inherited.collect()
    }
}

/// The defaults of the folders below one root, as they were when first asked for.
///
/// It lives as long as one walk or one run, and no longer: it does not see that a suite changes.
pub(crate) struct Suites {
    root: PathBuf,
    /// By folder, as an id is written; the root is the empty text. What cannot be read is not kept: every case says so itself.
    known: RwLock<HashMap<String, Arc<Defaults>>>,
}

impl Suites {
    /// The suites below that root. Nothing is read yet.
    pub(crate) fn new(root: &Path) -> Suites {
        Suites { root: root.to_path_buf(), known: RwLock::default() }
    }

    /// Reads a case, as [`Case::load`] does.
    pub(crate) fn case(&self, id: &CaseId) -> Result<Case> {
        let folder = id.below(&self.root);
        let file = folder.join(CASE_FILE);
        let gone = "is not there; a case is a folder that holds a case.json".to_owned();
        let own = Layer::read(&file)?.ok_or(Error::Case { path: file, what: gone })?;
        let above = self.defaults(parent(id.as_str()).expect("an id is not empty"))?;
        // The folder of a case has no other case, as a rule: nothing else would ask for its suite.
        let layers = Layers { own, defaults: above.under_suite_in(&folder)? };
        resolve(&self.root, id, &layers)
    }

    /// What holds for the cases in a folder.
    fn defaults(&self, folder: &str) -> Result<Arc<Defaults>> {
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(folder) {
            return Ok(Arc::clone(known));
        }
        let above = parent(folder).map(|above| self.defaults(above)).transpose()?.unwrap_or_default();
        let place = if folder.is_empty() { self.root.clone() } else { below(&self.root, folder) };
        let defaults = above.under_suite_in(&place)?;
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned(), Arc::clone(&defaults));
        Ok(defaults)
    }
}

/// The folder above one, as an id is written; the root has none.
fn parent(folder: &str) -> Option<&str> {
    match folder.rsplit_once('/') {
        Some((above, _)) => Some(above),
        None => (!folder.is_empty()).then_some(""),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_suite_is_read_once_and_one_that_is_broken_again_for_every_case() {
        let root = tempfile::tempdir().expect("a folder");
        let write = |file: &str, text: &str| {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(file, text).expect("a file");
        };
        write("s/suite.json", r#"{"karat": 1, "checkpoint": "a", "reference": {"seed": 1}}"#);
        for id in ["s/one", "s/two"] {
            write(&format!("{id}/case.json"), "{}");
        }
        write("s/two/suite.json", r#"{"checkpoint": "c", "reference": {"model": "m"}}"#);
        let suites = Suites::new(root.path());
        let case = |suites: &Suites, id| {
            let case = suites.case(&CaseId::new(id).expect("an id"));
            case.map(|case| (case.checkpoint, serde_json::to_string(&*case.reference).expect("JSON")))
                .map_err(|error| error.to_string())
        };
        assert_eq!(case(&suites, "s/one"), Ok(("a".to_owned(), r#"{"seed":1}"#.to_owned())));
        assert_eq!(case(&suites, "s/two"), Ok(("c".to_owned(), r#"{"model":"m","seed":1}"#.to_owned())));
        write("s/suite.json", r#"{"karat": 1, "checkpoint": "b", "reference": null}"#);
        assert_eq!(case(&suites, "s/one"), Ok(("a".to_owned(), r#"{"seed":1}"#.to_owned())));
        assert_eq!(case(&Suites::new(root.path()), "s/one"), Ok(("b".to_owned(), "{}".to_owned())));

        let suites = Suites::new(root.path());
        for text in ["{", r#"{"karat": 2}"#] {
            write("s/suite.json", text);
            assert!(case(&suites, "s/one").is_err(), "{text}");
        }
        write("s/suite.json", r#"{"karat": 1, "checkpoint": "d"}"#);
        assert_eq!(case(&suites, "s/one").map(|(checkpoint, _)| checkpoint).as_deref(), Ok("d"));
    }
}
