//! A case: `case.json` under the defaults of its suites, checked and resolved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::address::Address;
use super::fields::{CASE, INPUT, InputField, NanField, OUTPUT, OutputField, TOLERANCE, ToleranceField, check_known};
use super::id::CaseId;
use super::suite;
use crate::error::{Error, Result};
use crate::numeric::{DType, NanRule, Tolerance};

/// The name of the file that makes a folder a case.
pub(crate) const CASE_FILE: &str = "case.json";

/// The version of the format that this karat writes, and the latest that it reads.
pub(crate) const FORMAT: u64 = 1;

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
    /// Why the case is not run, if it is not.
    pub skip: Option<String>,
    /// Who made the goldens, as the suite says it.
    pub reference: Map<String, Value>,
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
    /// Where the mask is, if some elements are left out.
    pub mask: Option<Address>,
    /// The dtype that the case declares for npy's anonymous bytes.
    pub dtype: Option<DType>,
    /// The dtype that the actual tensor must have where it is another than the reference's.
    pub cast: Option<DType>,
    /// How much may differ.
    pub limits: Limits,
    /// Whether NaN may match NaN.
    pub nan: NanRule,
    /// Whether the tensor is declared to be empty.
    pub empty: bool,
}

/// What the tolerance of an output says, before the dtype's default fills in what it leaves open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    parts: Option<(f64, f64)>,
    outliers: u64,
    max_ulps: Option<u64>,
    max_rel_rms: Option<f64>,
}

impl Limits {
    /// The tolerance for that dtype; `None` where neither the case nor the dtype has one.
    #[must_use]
    pub fn tolerance(&self, dtype: DType) -> Option<Tolerance> {
        let mut tolerance = match self.parts {
            Some((atol, rtol)) => Tolerance { atol, rtol, ..Tolerance::EXACT },
            None => Tolerance::default_for(dtype)?,
        };
        tolerance.outliers = self.outliers;
        tolerance.max_ulps = self.max_ulps;
        tolerance.max_rel_rms = self.max_rel_rms;
        Some(tolerance)
    }
}

impl Case {
    /// Reads the case `id` below `root`: its `case.json`, and every `suite.json` above it.
    ///
    /// # Errors
    ///
    /// [`Error::Case`] with the file and the field, where one of them is not what the format says; [`Error::Read`]
    /// where one cannot be read.
    pub fn load(root: &Path, id: &CaseId) -> Result<Case> {
        let file = id.below(root).join(CASE_FILE);
        let own = suite::read_object(&file)?.ok_or_else(|| Error::Case {
            path: file.clone(),
            what: "is not there; a case is a folder that holds a case.json".to_owned(),
        })?;
        let mut fields = suite::defaults(root, id)?;
        resolve(root, id, &file, own, &mut fields).map_err(|what| Error::Case { path: file, what })
    }
}

/// Checks the case's own fields, lays them over the defaults and resolves the whole; errors name the field.
fn resolve(
    root: &Path,
    id: &CaseId,
    file: &Path,
    own: Map<String, Value>,
    fields: &mut Map<String, Value>,
) -> Result<Case, String> {
    check_known(&own, CASE)?;
    let own_tolerances: Vec<String> = match own.get("tolerance") {
        Some(Value::Object(entries)) => entries.keys().cloned().collect(),
        _ => Vec::new(),
    };
    suite::merge(fields, own);
    check_version(fields.get("karat"))?;
    let case_nan: Option<NanField> = optional(fields, "nan")?;
    let inputs: BTreeMap<String, InputField> = entries(fields, "inputs", INPUT, Shorthand::Tensor)?;
    let outputs: BTreeMap<String, OutputField> = entries(fields, "outputs", OUTPUT, Shorthand::Tensor)?;
    let tolerances: BTreeMap<String, ToleranceField> = entries(fields, "tolerance", TOLERANCE, Shorthand::None)?;
    check_names("inputs", inputs.keys())?;
    check_names("outputs", outputs.keys())?;
    if let Some(name) = own_tolerances.iter().find(|name| *name != "*" && !outputs.contains_key(*name)) {
        let known: Vec<&str> = outputs.keys().map(String::as_str).collect();
        return Err(format!("tolerance names `{name}`, which is no output; outputs are {}", list(&known)));
    }
    let skip: Option<String> = optional(fields, "skip")?;
    if skip.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
        return Err("skip: needs a written reason".to_owned());
    }
    Ok(Case {
        id: id.clone(),
        file: file.to_path_buf(),
        checkpoint: optional(fields, "checkpoint")?
            .ok_or("field `checkpoint` is missing; it names the computation under test")?,
        params: optional(fields, "params")?.unwrap_or_default(),
        inputs: inputs
            .into_iter()
            .map(|(name, field)| {
                let input = resolve_input(root, id, field).map_err(|what| format!("inputs.{name}: {what}"))?;
                Ok((name, input))
            })
            .collect::<Result<_, String>>()?,
        outputs: outputs
            .into_iter()
            .map(|(name, field)| {
                let limits = tolerances
                    .get(&name)
                    .or_else(|| tolerances.get("*"))
                    .map(resolve_limits)
                    .transpose()
                    .map_err(|what| format!("tolerance.{name}: {what}"))?
                    .unwrap_or_default();
                let output = resolve_output(root, id, field, limits, case_nan)
                    .map_err(|what| format!("outputs.{name}: {what}"))?;
                Ok((name, output))
            })
            .collect::<Result<_, String>>()?,
        skip,
        reference: optional(fields, "reference")?.unwrap_or_default(),
    })
}

/// Refuses a file that has no version, or one of a later karat.
fn check_version(version: Option<&Value>) -> Result<(), String> {
    match version.map(|value| (value.as_u64(), value)) {
        Some((Some(1..=FORMAT), _)) => Ok(()),
        Some((_, other)) => Err(format!("karat: {other} is not a version that this karat reads; it reads {FORMAT}")),
        None => Err(format!("field `karat` is missing; write \"karat\": {FORMAT}")),
    }
}

/// Whether an entry may be plain text that stands for its `tensor`.
#[derive(Clone, Copy, PartialEq)]
enum Shorthand {
    None,
    Tensor,
}

/// The entries of an object field, each checked for unknown fields of its own.
fn entries<T: DeserializeOwned>(
    fields: &Map<String, Value>,
    field: &str,
    known: &[&str],
    shorthand: Shorthand,
) -> Result<BTreeMap<String, T>, String> {
    let object: Map<String, Value> = optional(fields, field)?.unwrap_or_default();
    object
        .into_iter()
        .map(|(name, value)| {
            let value = match value {
                Value::String(text) if shorthand == Shorthand::Tensor => json!({ "tensor": text }),
                value => value,
            };
            let entry = match &value {
                Value::Object(object) => {
                    check_known(object, known).and_then(|()| read(&value)).map_err(|what| (name.clone(), what))
                }
                other => Err((name.clone(), format!("is {other}, and must be an object"))),
            };
            entry.map(|entry| (name, entry)).map_err(|(name, what)| format!("{field}.{name}: {what}"))
        })
        .collect()
}

/// A field of any type, where it is there.
fn optional<T: DeserializeOwned>(fields: &Map<String, Value>, field: &str) -> Result<Option<T>, String> {
    fields.get(field).map(read).transpose().map_err(|what| format!("{field}: {what}"))
}

/// The value as a `T`; errors name the path inside it.
fn read<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| match error.path().to_string().as_str() {
        "." => error.inner().to_string(),
        path => format!("{path}: {}", error.inner()),
    })
}

/// Refuses names that cannot be file names everywhere, and names that differ in case alone.
fn check_names<'a>(field: &str, names: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let mut seen = BTreeMap::new();
    for name in names {
        let forbidden = |c: char| c.is_control() || "/\\:#*?\"<>|".contains(c);
        if name.is_empty() || name.starts_with('.') || name.len() > 200 || name.contains(forbidden) {
            return Err(format!(
                "{field}: `{name}` cannot be a name; it must be usable as a file name on every system"
            ));
        }
        if let Some(other) = seen.insert(name.to_lowercase(), name) {
            return Err(format!("{field}: `{other}` and `{name}` differ in case alone; rename one"));
        }
    }
    Ok(())
}

/// Refuses the name of an input or output that cannot be a file name everywhere.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let forbidden = |c: char| c.is_control() || "/\\:#*?\"<>|".contains(c);
    if name.is_empty() || name.starts_with('.') || name.len() > 200 || name.contains(forbidden) {
        return Err(format!("`{name}` cannot be a name; it must be usable as a file name on every system"));
    }
    Ok(())
}

fn resolve_input(root: &Path, id: &CaseId, field: InputField) -> Result<Input, String> {
    let InputField { tensor, from, dtype } = field;
    Ok(Input {
        address: Address::resolve(root, id, &tensor)?,
        link: from.map(|text| resolve_link(&text)).transpose()?,
        dtype: dtype.map(|name| resolve_dtype("dtype", &name)).transpose()?,
    })
}

fn resolve_link(text: &str) -> Result<Link, String> {
    let wrong = || format!("from: `{text}` must be a case and its output, such as `suite/case:y`");
    let (case, output) = text.rsplit_once(':').ok_or_else(wrong)?;
    let case = CaseId::new(case).map_err(|_| wrong())?;
    Ok(Link { case, output: output.to_owned() })
}

fn resolve_output(
    root: &Path,
    id: &CaseId,
    field: OutputField,
    limits: Limits,
    case_nan: Option<NanField>,
) -> Result<Output, String> {
    let OutputField { tensor, mask, dtype, cast, nan, empty } = field;
    Ok(Output {
        address: Address::resolve(root, id, &tensor)?,
        mask: mask
            .map(|text| Address::resolve(root, id, &text).map_err(|what| format!("where: {what}")))
            .transpose()?,
        dtype: dtype.map(|name| resolve_dtype("dtype", &name)).transpose()?,
        cast: cast.map(|name| resolve_dtype("cast", &name)).transpose()?,
        limits,
        nan: match nan.or(case_nan) {
            Some(NanField::Match) => NanRule::Match,
            Some(NanField::Mismatch) | None => NanRule::Mismatch,
        },
        empty,
    })
}

fn resolve_dtype(field: &str, name: &str) -> Result<DType, String> {
    DType::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = DType::ALL.into_iter().map(DType::name).collect();
        format!("{field}: `{name}` is no dtype; dtypes are {}", known.join(", "))
    })
}

fn resolve_limits(field: &ToleranceField) -> Result<Limits, String> {
    let ToleranceField { atol, rtol, outliers, max_ulps, max_rel_rms } = *field;
    let parts = match (atol, rtol) {
        (Some(atol), Some(rtol)) => Some((atol, rtol)),
        (None, None) => None,
        (Some(_), None) => return Err("has atol without rtol; give both or neither".to_owned()),
        (None, Some(_)) => return Err("has rtol without atol; give both or neither".to_owned()),
    };
    if let Some((atol, rtol)) = parts {
        Tolerance::new(atol, rtol).map_err(|error| error.to_string())?;
    }
    if let Some(share) = max_rel_rms.filter(|share| !(share.is_finite() && *share >= 0.0)) {
        return Err(format!("max_rel_rms is {share}; it must be finite and not negative"));
    }
    Ok(Limits { parts, outliers: outliers.unwrap_or(0), max_ulps, max_rel_rms })
}

/// The names for a message, or the word for none.
fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
