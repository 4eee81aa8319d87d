//! A case: its `case.json` merged with the defaults of its suites, then checked and resolved.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
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

/// The file that makes a folder a case.
pub(crate) const CASE_FILE: &str = "case.json";

/// The file with the defaults of a folder.
pub(super) const SUITE_FILE: &str = "suite.json";

/// The maximum number of inputs, or of outputs, of a case. The measurements of each stay in memory until the run ends.
pub(crate) const MOST_TENSORS: usize = 10_000;

/// The maximum length of a text in a case, in bytes.
const LONGEST_TEXT: usize = 4096;

/// One checkpoint, its inputs, and the references that its outputs are compared with.
#[derive(Clone, Debug)]
pub struct Case {
    /// The path below the goldens root.
    pub id: CaseId,
    /// The path of its `case.json`.
    pub file: PathBuf,
    /// The computation under test.
    pub checkpoint: String,
    /// The parameters of the checkpoint that are not tensors.
    pub params: BTreeMap<String, Value>,
    /// The tensors that the checkpoint receives.
    pub inputs: BTreeMap<String, Input>,
    /// The references; empty if the outputs are compared with the snapshot only.
    pub outputs: BTreeMap<String, Output>,
    /// The time limit, if the case sets one.
    pub timeout: Option<Duration>,
    /// The reason for skipping the case, if it is skipped.
    pub skip: Option<String>,
    /// The origin of the goldens, as the suites and the case describe it.
    pub reference: Arc<BTreeMap<String, Value>>,
    /// The `suite.json` that sets a field, for each field that `case.json` does not set: `skip`, `outputs.y`, `tolerance.y`.
    pub inherited: BTreeMap<String, PathBuf>,
}

/// An input tensor of a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// The location of the tensor.
    pub address: Address,
    /// The output of another case that this input is in the real pipeline, if any.
    pub link: Option<Link>,
    /// The dtype that the case declares for a dtype that npy cannot name.
    pub dtype: Option<DType>,
}

/// The output of another case that an input is in the real pipeline: `from` in `case.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The other case.
    pub case: CaseId,
    /// The name of its output.
    pub output: String,
}

/// A reference, and what counts as close to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The location of the reference.
    pub address: Address,
    /// The locations of further references, any of which the output may equal instead.
    pub alternatives: Vec<Address>,
    /// The location of the mask, if some elements are excluded.
    pub mask: Option<Address>,
    /// The dtype that the case declares for a dtype that npy cannot name.
    pub dtype: Option<DType>,
    /// The dtype required of the actual tensor, if it differs from the reference's.
    pub cast: Option<DType>,
    /// The limits on the difference.
    pub limits: Limits,
    /// The limits in a chained run; `None` if the output is not checked there.
    pub chained: Option<Limits>,
    /// Whether NaN matches NaN.
    pub nan: NanRule,
    /// Whether the tensor is declared to be empty.
    pub empty: bool,
}

impl Limits {
    /// Returns the tolerance for that dtype; `None` if neither the case nor the dtype has one.
    #[must_use]
    pub fn tolerance(&self, dtype: DType) -> Option<Tolerance> {
        let tolerance = match (self.atol, self.rtol) {
            (Some(atol), Some(rtol)) => Tolerance { atol, rtol, ..Tolerance::EXACT },
            _ => Tolerance::default_for(dtype)?,
        };
        let Limits { outliers, max_ulps, max_rel_rms, .. } = *self;
        Some(Tolerance { outliers: outliers.unwrap_or(0), max_ulps, max_rel_rms, ..tolerance })
    }

    /// Checks that a tolerance can have these numbers.
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
    /// Returns the tolerance for a reference of that dtype; `None` if neither the case nor the dtype has one.
    ///
    /// If the case declares a cast, the default is that of the less precise dtype.
    #[must_use]
    pub fn tolerance(&self, reference: DType) -> Option<Tolerance> {
        self.limits.tolerance(self.less_precise(reference))
    }

    /// Returns the tolerance of a chained run for a reference of that dtype, if the case sets one.
    #[must_use]
    pub fn chained_tolerance(&self, reference: DType) -> Option<Tolerance> {
        self.chained.as_ref()?.tolerance(self.less_precise(reference))
    }

    /// Returns the less precise dtype of both sides.
    fn less_precise(&self, reference: DType) -> DType {
        let actual = self.cast.unwrap_or(reference);
        if actual.eps() > reference.eps() { actual } else { reference }
    }
}

impl Case {
    /// Reads the case `id` below `root`: its `case.json`, and every `suite.json` above it.
    ///
    /// # Errors
    ///
    /// [`Error::Case`] with the field, and the file that sets it, if a field is invalid. [`Error::Read`] if a file cannot be
    /// read.
    pub fn load(root: &Path, id: &CaseId) -> Result<Case> {
        Suites::new(root).case(id)
    }

    /// Returns the file that sets a field, or an entry of one (`outputs.y`); `case.json` if none does.
    #[must_use]
    pub fn set_in(&self, field: &str) -> &Path {
        self.inherited.get(field).unwrap_or(&self.file)
    }
}

/// Returns the entries that are not `null`; a `null` removes a default.
fn non_null<T>(entries: Entries<Option<T>>) -> BTreeMap<String, T> {
    let entries = entries.flatten().unwrap_or_default().into_iter();
    entries.filter_map(|(name, entry)| Some((name, entry?))).collect()
}

/// Refuses names that are not valid file names on every system, and names that differ only in case.
fn check_names<'a>(layers: &Layers, field: &str, names: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut seen = BTreeMap::new();
    for name in names {
        check_name(name)
            .and_then(|()| match seen.insert(fold(name), name) {
                Some(other) => Err(only_in_case(&format!("`{other}`"), &format!("`{name}`"))),
                None => Ok(()),
            })
            .map_err(|what| layers.error(&format!("{field}.{name}"), format!("{field}: {what}")))?;
    }
    Ok(())
}

/// Refuses two files that some system treats as one; the error names the field of the second.
fn check_files(root: &Path, case: &Case) -> Result<(), (String, String)> {
    let inputs = case.inputs.iter().map(|(name, input)| ("inputs", name, &input.address));
    let outputs = case.outputs.iter().flat_map(|(name, output)| {
        let others = output.alternatives.iter().chain(&output.mask);
        [&output.address].into_iter().chain(others).map(move |address| ("outputs", name, address))
    });
    let mut seen: BTreeMap<String, &Path> = BTreeMap::new();
    for (field, name, address) in inputs.chain(outputs) {
        let path = address.path.strip_prefix(root).unwrap_or(&address.path);
        if let Some(other) = seen.insert(fold(&path.to_string_lossy()), path).filter(|other| *other != path) {
            return Err((format!("{field}.{name}"), only_in_case(&path.display(), &other.display())));
        }
    }
    Ok(())
}

fn only_in_case(one: &dyn Display, other: &dyn Display) -> String {
    format!("{one} and {other} differ only in case; rename one")
}

/// Converts a number of seconds to a time limit.
pub(crate) fn seconds_from(seconds: f64) -> Result<Duration, String> {
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(format!("is {seconds}; give a number of seconds above 0")),
    }
}

/// Refuses an overlong text.
fn check_text(text: &str) -> Result<(), String> {
    match text.len() {
        ..=LONGEST_TEXT => Ok(()),
        length => Err(format!("is {length} bytes long; the limit is {LONGEST_TEXT}")),
    }
}

fn resolve_input(root: &Path, id: &CaseId, field: InputField) -> Result<Input, String> {
    let InputField { tensor, from, dtype } = field;
    Ok(Input {
        address: Address::resolve(root, id, &tensor)?,
        link: from.map(|text| parse_link(&text)).transpose().map_err(|what| format!("from: {what}"))?,
        dtype,
    })
}

fn parse_link(text: &str) -> Result<Link, String> {
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

/// The merged fields of every suite from the root down to one folder: defaults for the cases in that folder.
#[derive(Default)]
struct Defaults {
    /// The suites, the outermost first.
    layers: Vec<Arc<Layer>>,
    /// Their merged fields, except `reference`.
    merged: CaseFile,
    /// The origin of the goldens: often the longest field, so the cases share it.
    reference: Arc<BTreeMap<String, Value>>,
}

impl Defaults {
    /// Returns these defaults merged with the suite in that folder, if there is one.
    fn merge_suite_in(self: Arc<Self>, folder: &Path) -> Result<Arc<Defaults>> {
        let Some(suite) = Layer::read(&folder.join(SUITE_FILE))? else { return Ok(self) };
        let mut merged = self.merge(&suite.fields);
        let reference = self.reference(merged.reference.take());
        let layers = self.layers.iter().cloned().chain([Arc::new(suite)]).collect();
        Ok(Arc::new(Defaults { layers, merged, reference }))
    }

    /// Returns the fields of these defaults overridden by those of a nearer file. `reference` is set only if that file sets it.
    fn merge(&self, nearer: &CaseFile) -> CaseFile {
        let mut merged = self.merged.clone();
        merged.reference = nearer.reference.is_some().then(|| Some(BTreeMap::clone(&self.reference)));
        merged.merge(nearer);
        merged
    }

    /// Returns the `reference` of a merged file, which is shared if that file does not set it.
    fn reference(&self, merged: Entries<Value>) -> Arc<BTreeMap<String, Value>> {
        merged.map_or_else(|| Arc::clone(&self.reference), |own| Arc::new(own.unwrap_or_default()))
    }
}

/// The files that define one case.
struct Layers {
    defaults: Arc<Defaults>,
    /// The `case.json`.
    own: Layer,
}

impl Layers {
    /// Merges and checks the fields of all files.
    fn resolve(&self, root: &Path, id: &CaseId) -> Result<Case> {
        let fields = self.defaults.merge(&self.own.fields);
        // An error in a field, or in an entry of one.
        let fault = |place: &str, what: String| self.error(place, format!("{place}: {what}"));
        let missing = |field: &str, what: &str| self.error(field, format!("field `{field}` is missing; {what}"));
        fields.karat.ok_or_else(|| missing("karat", &format!("write \"karat\": {FORMAT}")))?;
        let (inputs, outputs) = (non_null(fields.inputs), non_null(fields.outputs));
        let (tolerance, chained) = (non_null(fields.tolerance), non_null(fields.chained));
        let references = outputs.values().map(|output| 1 + output.alternatives.len()).sum();
        for (field, count) in [("inputs", inputs.len()), ("outputs", references)] {
            if count > MOST_TENSORS {
                return Err(fault(field, format!("names {count} tensors; the limit is {MOST_TENSORS}")));
            }
        }
        check_names(self, "inputs", inputs.keys())?;
        check_names(self, "outputs", outputs.keys())?;
        for (field, entries) in [("tolerance", &tolerance), ("chained", &chained)] {
            for (name, limits) in entries {
                let place = format!("{field}.{name}");
                // An entry of a suite may be for some of its cases only.
                if name != "*" && !outputs.contains_key(name) && self.own.sets(&place) {
                    let known = outputs.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                    let known = if known.is_empty() { "the case has none" } else { &format!("outputs are {known}") };
                    return Err(fault(&place, format!("there is no such output; {known}")));
                }
                limits.check().map_err(|what| fault(&place, what))?;
            }
        }
        let checkpoint = fields.checkpoint.flatten();
        let checkpoint = checkpoint.ok_or_else(|| missing("checkpoint", "it names the computation under test"))?;
        check_length(&checkpoint).map_err(|what| fault("checkpoint", what))?;
        let params = fields.params.flatten().unwrap_or_default();
        for name in params.keys() {
            check_length(name).map_err(|what| self.error(&format!("params.{name}"), format!("params: {what}")))?;
        }
        let skip = fields.skip.flatten();
        match &skip {
            Some(reason) if reason.trim().is_empty() => return Err(fault("skip", "needs a written reason".to_owned())),
            Some(reason) => check_text(reason).map_err(|what| fault("skip", what))?,
            None => {}
        }
        let inherited = self.inherited(inputs.keys(), outputs.keys());
        let limits = |entries: &BTreeMap<String, Limits>, name: &str| entries.get(name).or(entries.get("*")).cloned();
        let input = |(name, field)| match resolve_input(root, id, field) {
            Ok(input) => Ok((name, input)),
            Err(what) => Err(fault(&format!("inputs.{name}"), what)),
        };
        let output = |(name, field): (String, OutputField)| {
            let limits = (limits(&tolerance, &name).unwrap_or_default(), limits(&chained, &name));
            match resolve_output(root, id, field, limits, fields.nan.flatten()) {
                Ok(output) => Ok((name, output)),
                Err(what) => Err(fault(&format!("outputs.{name}"), what)),
            }
        };
        let case = Case {
            id: id.clone(),
            file: self.own.file.clone(),
            checkpoint,
            params,
            inputs: inputs.into_iter().map(input).collect::<Result<_>>()?,
            outputs: outputs.into_iter().map(output).collect::<Result<_>>()?,
            timeout: fields.timeout.flatten().map(seconds_from).transpose().map_err(|what| fault("timeout", what))?,
            skip,
            reference: self.defaults.reference(fields.reference),
            inherited,
        };
        check_files(root, &case).map_err(|(place, what)| fault(&place, what))?;
        Ok(case)
    }

    /// Returns the nearest suite that sets one of those places, unless `case.json` does.
    fn suite_that_sets(&self, places: &[String]) -> Option<&Path> {
        let sets = |layer: &Layer| places.iter().any(|place| layer.sets(place));
        if sets(&self.own) {
            return None;
        }
        self.defaults.layers.iter().rev().find(|suite| sets(suite)).map(|suite| &*suite.file)
    }

    /// Returns an error in the nearest file that sets that field or entry, or in `case.json` if none does.
    fn error(&self, place: &str, what: String) -> Error {
        let suite = self.suite_that_sets(&[place.to_owned()]);
        Error::Case { path: suite.unwrap_or(&self.own.file).to_path_buf(), what }
    }

    /// Returns the suite that sets each field, or entry of one, that the case does not set. A tolerance is named by its output.
    fn inherited<'a>(
        &self,
        inputs: impl Iterator<Item = &'a String>,
        outputs: impl Iterator<Item = &'a String>,
    ) -> BTreeMap<String, PathBuf> {
        let fields = ["checkpoint", "skip", "timeout", "nan"].map(|field| vec![field.to_owned()]);
        let inputs = inputs.map(|name| vec![format!("inputs.{name}")]);
        let outputs = outputs.flat_map(|name| {
            let tolerance = |field| vec![format!("{field}.{name}"), format!("{field}.*")];
            [vec![format!("outputs.{name}")], tolerance("tolerance"), tolerance("chained")]
        });
        let inherited = fields.into_iter().chain(inputs).chain(outputs).filter_map(|mut places| {
            let suite = self.suite_that_sets(&places)?.to_path_buf();
            Some((places.swap_remove(0), suite))
        });
        inherited.collect()
    }
}

/// The defaults of the folders below one root, each read when it is first needed.
///
/// Changes to a suite after that are not seen, so use one value per walk or run.
pub(crate) struct Suites {
    root: PathBuf,
    /// By folder, in the form of an id; the root is the empty string. Errors are not cached: every case reports them.
    cache: RwLock<HashMap<String, Arc<Defaults>>>,
}

impl Suites {
    /// Creates an empty cache for the suites below that root.
    pub(crate) fn new(root: &Path) -> Suites {
        Suites { root: root.to_path_buf(), cache: RwLock::default() }
    }

    /// Reads a case, like [`Case::load`].
    pub(crate) fn case(&self, id: &CaseId) -> Result<Case> {
        let folder = id.below(&self.root);
        let file = folder.join(CASE_FILE);
        let what = "does not exist; a case is a folder that contains a case.json".to_owned();
        let own = Layer::read(&file)?.ok_or(Error::Case { path: file, what })?;
        let above = self.defaults(parent(id.as_str()).expect("an id is not empty"))?;
        // Not cached: the folder of a case rarely contains another case.
        Layers { own, defaults: above.merge_suite_in(&folder)? }.resolve(&self.root, id)
    }

    /// Returns the defaults for the cases in a folder.
    fn defaults(&self, folder: &str) -> Result<Arc<Defaults>> {
        if let Some(cached) = self.cache.read().unwrap_or_else(PoisonError::into_inner).get(folder) {
            return Ok(Arc::clone(cached));
        }
        let above = parent(folder).map(|above| self.defaults(above)).transpose()?.unwrap_or_default();
        let path = if folder.is_empty() { self.root.clone() } else { below(&self.root, folder) };
        let defaults = above.merge_suite_in(&path)?;
        self.cache.write().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned(), Arc::clone(&defaults));
        Ok(defaults)
    }
}

/// Returns the parent of a folder in the form of an id; `None` for the root.
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
    fn a_suite_is_cached_but_a_broken_one_is_read_again_for_every_case() {
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
