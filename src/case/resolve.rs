//! From the fields of a case's files to the case: types, names and paths checked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::address::Address;
use super::case::{Case, Input, Limits, Link, MOST_TENSORS, Output};
use super::fields::{INPUT, InputField, NanField, OUTPUT, OutputField, TOLERANCE, ToleranceField, check_known};
use super::id::CaseId;
use super::layer::{Layer, Layers};
use crate::compare::{NanRule, Tolerance};
use crate::tensor::DType;
use crate::text::name::{check_length, check_name, fold};

/// The longest text that a case may have, in bytes: one that a person reads, or a path.
const LONGEST_TEXT: usize = 4096;

/// What is wrong, and with which field, or which entry of it.
pub(crate) struct Fault {
    field: &'static str,
    entry: Option<String>,
    pub(crate) what: String,
}

impl Fault {
    /// A fault of a whole field.
    fn of(field: &'static str, what: impl Into<String>) -> Fault {
        Fault { field, entry: None, what: what.into() }
    }

    /// A fault of the entry of that name, told behind both.
    fn at(field: &'static str, entry: &str, what: impl AsRef<str>) -> Fault {
        Fault { field, entry: Some(entry.to_owned()), what: format!("{field}.{entry}: {}", what.as_ref()) }
    }

    /// The file that says what is wrong: the nearest that has the field, or else `case.json`, which should have.
    pub(crate) fn file(&self, layers: &Layers) -> PathBuf {
        let nearest = layers.nearest_first().find(|layer| layer.says(self.field, self.entry.as_deref()));
        nearest.unwrap_or(&layers.own).file.clone()
    }
}

/// The case that the layers make together.
pub(crate) fn resolve(root: &Path, id: &CaseId, layers: &Layers) -> Result<Case, Fault> {
    let fields = layers.merge();
    let own = &layers.own;
    let case_nan: Option<NanField> = optional(&fields, "nan")?;
    let inputs: BTreeMap<String, InputField> = entries(&fields, "inputs")?;
    let outputs: BTreeMap<String, OutputField> = entries(&fields, "outputs")?;
    let tolerances = Tolerances::read(&fields, "tolerance")?;
    let chained = Tolerances::read(&fields, "chained")?;
    check_count("inputs", inputs.len())?;
    check_count("outputs", outputs.values().map(|output| 1 + output.alternatives.len()).sum())?;
    check_names("inputs", inputs.keys())?;
    check_names("outputs", outputs.keys())?;
    tolerances.check(own, &outputs)?;
    chained.check(own, &outputs)?;
    let checkpoint: Option<String> = optional(&fields, "checkpoint")?;
    let params: BTreeMap<String, Value> = optional(&fields, "params")?.unwrap_or_default();
    let long = |what| Fault::of("checkpoint", format!("checkpoint: {what}"));
    checkpoint.iter().try_for_each(|name| check_length(name)).map_err(long)?;
    check_lengths("params", params.keys())?;
    let skip: Option<String> = optional(&fields, "skip")?;
    if skip.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
        return Err(Fault::of("skip", "skip: needs a written reason"));
    }
    if let Some(reason) = skip.as_ref().filter(|reason| reason.len() > LONGEST_TEXT) {
        return Err(Fault::of("skip", format!("skip: is {} bytes long, and may be {LONGEST_TEXT}", reason.len())));
    }
    let inherited = layers.inherited(&inputs.keys().collect::<Vec<_>>(), &outputs.keys().collect::<Vec<_>>());
    let missing = "field `checkpoint` is missing; it names the computation under test";
    let case = Case {
        id: id.clone(),
        file: own.file.clone(),
        checkpoint: checkpoint.ok_or_else(|| Fault::of("checkpoint", missing))?,
        params,
        inputs: inputs
            .into_iter()
            .map(|(name, field)| match resolve_input(root, id, field) {
                Ok(input) => Ok((name, input)),
                Err(what) => Err(Fault::at("inputs", &name, what)),
            })
            .collect::<Result<_, Fault>>()?,
        outputs: outputs
            .into_iter()
            .map(|(name, field)| {
                let (limits, chained) = (tolerances.limits(&name)?.unwrap_or_default(), chained.limits(&name)?);
                match resolve_output(root, id, field, (limits, chained), case_nan) {
                    Ok(output) => Ok((name, output)),
                    Err(what) => Err(Fault::at("outputs", &name, what)),
                }
            })
            .collect::<Result<_, Fault>>()?,
        timeout: optional(&fields, "timeout")?.map(duration).transpose()?,
        skip,
        reference: match optional(&fields, "reference")? {
            Some(reference) => Arc::new(reference),
            None => layers.reference().unwrap_or_default(),
        },
        inherited,
    };
    check_places(root, &case)?;
    Ok(case)
}

/// Refuses two files of one case that some system takes for one.
fn check_places(root: &Path, case: &Case) -> Result<(), Fault> {
    let inputs = case.inputs.iter().map(|(name, input)| ("inputs", name, &input.address));
    let outputs = case.outputs.iter().flat_map(|(name, output)| {
        let others = output.alternatives.iter().chain(&output.mask);
        [&output.address].into_iter().chain(others).map(move |address| ("outputs", name, address))
    });
    let mut seen: BTreeMap<String, &Path> = BTreeMap::new();
    for (field, name, address) in inputs.chain(outputs) {
        let path = address.path.strip_prefix(root).unwrap_or(&address.path);
        match seen.insert(fold(&path.to_string_lossy()), path) {
            Some(other) if other != path => {
                let (one, other) = (path.display(), other.display());
                return Err(Fault::at(field, name, format!("{one} and {other} differ in case alone; rename one")));
            }
            _ => {}
        }
    }
    Ok(())
}

/// How long a case may take.
fn duration(seconds: f64) -> Result<Duration, Fault> {
    seconds_from(seconds).map_err(|what| Fault::of("timeout", format!("timeout: {what}")))
}

/// A time that something may take, in seconds.
pub(crate) fn seconds_from(seconds: f64) -> Result<Duration, String> {
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(format!("is {seconds}; give a number of seconds above 0")),
    }
}

/// An entry of an object field.
trait Entry: DeserializeOwned {
    /// The names of its fields.
    const KNOWN: &'static [&'static str];

    /// The entry that plain text stands for: its `tensor`, where it has one.
    fn from_text(_: &str) -> Option<Self> {
        None
    }
}

impl Entry for InputField {
    const KNOWN: &'static [&'static str] = INPUT;

    fn from_text(tensor: &str) -> Option<InputField> {
        Some(InputField { tensor: tensor.to_owned(), from: None, dtype: None })
    }
}

impl Entry for OutputField {
    const KNOWN: &'static [&'static str] = OUTPUT;

    fn from_text(tensor: &str) -> Option<OutputField> {
        Some(OutputField {
            tensor: tensor.to_owned(),
            alternatives: Vec::new(),
            mask: None,
            dtype: None,
            cast: None,
            nan: None,
            empty: false,
        })
    }
}

impl Entry for ToleranceField {
    const KNOWN: &'static [&'static str] = TOLERANCE;
}

/// The entries of an object field, each checked for unknown fields of its own.
fn entries<T: Entry>(fields: &Map<String, Value>, field: &'static str) -> Result<BTreeMap<String, T>, Fault> {
    let object = match fields.get(field) {
        None => return Ok(BTreeMap::new()),
        Some(Value::Object(object)) => object,
        Some(other) => {
            // In the words that every field of another type is told in.
            let words = read::<Map<String, Value>>(other).err().unwrap_or_default();
            return Err(Fault::of(field, format!("{field}: {words}")));
        }
    };
    let entry = |value: &Value| match value {
        Value::Object(object) => check_known(object, T::KNOWN).and_then(|()| read(value)),
        Value::String(text) => T::from_text(text).ok_or_else(|| format!("is {value}, and must be an object")),
        other if T::from_text("").is_some() => Err(format!("is {other}, and must be text or an object")),
        other => Err(format!("is {other}, and must be an object")),
    };
    check_lengths(field, object.keys())?;
    object
        .iter()
        .map(|(name, value)| match entry(value) {
            Ok(entry) => Ok((name.clone(), entry)),
            Err(what) => Err(Fault::at(field, name, what)),
        })
        .collect()
}

/// A field of any type, where it is there.
fn optional<T: DeserializeOwned>(fields: &Map<String, Value>, field: &'static str) -> Result<Option<T>, Fault> {
    fields.get(field).map(read).transpose().map_err(|what| Fault::of(field, format!("{field}: {what}")))
}

/// The value as a `T`; errors name the path inside it.
fn read<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| match error.path().to_string().as_str() {
        "." => error.inner().to_string(),
        path => format!("{path}: {}", error.inner()),
    })
}

/// Refuses names that are longer than a name may be.
fn check_lengths<'a>(field: &'static str, mut names: impl Iterator<Item = &'a String>) -> Result<(), Fault> {
    let long = |name: &String| {
        let what = check_length(name).err()?;
        Some(Fault { field, entry: Some(name.clone()), what: format!("{field}: {what}") })
    };
    names.find_map(long).map_or(Ok(()), Err)
}

/// Refuses names that cannot be file names everywhere, and names that differ in case alone.
fn check_names<'a>(field: &'static str, names: impl Iterator<Item = &'a String>) -> Result<(), Fault> {
    let fault = |name: &str, what| Fault { field, entry: Some(name.to_owned()), what };
    let mut seen = BTreeMap::new();
    for name in names {
        check_name(name).map_err(|what| fault(name, format!("{field}: {what}")))?;
        if let Some(other) = seen.insert(fold(name), name) {
            return Err(fault(name, format!("{field}: `{other}` and `{name}` differ in case alone; rename one")));
        }
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
    if text.len() > LONGEST_TEXT {
        return Err(format!("from: is {} bytes long, and may be {LONGEST_TEXT}", text.len()));
    }
    let wrong = || format!("from: `{text}` must be a case and its output, such as `suite/case:y`");
    let (case, output) = text.rsplit_once(':').ok_or_else(wrong)?;
    let case = CaseId::new(case).map_err(|_| wrong())?;
    Ok(Link { case, output: output.to_owned() })
}

fn resolve_output(
    root: &Path,
    id: &CaseId,
    field: OutputField,
    (limits, chained): (Limits, Option<Limits>),
    case_nan: Option<NanField>,
) -> Result<Output, String> {
    let OutputField { tensor, alternatives, mask, dtype, cast, nan, empty } = field;
    Ok(Output {
        address: Address::resolve(root, id, &tensor)?,
        alternatives: alternatives
            .iter()
            .map(|text| Address::resolve(root, id, text).map_err(|what| format!("or: {what}")))
            .collect::<Result<_, String>>()?,
        mask: mask
            .map(|text| Address::resolve(root, id, &text).map_err(|what| format!("where: {what}")))
            .transpose()?,
        dtype: dtype.map(|name| resolve_dtype("dtype", &name)).transpose()?,
        cast: cast.map(|name| resolve_dtype("cast", &name)).transpose()?,
        limits,
        chained,
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

/// Refuses more tensors than a case may have: what is found out about each is kept to the end of the run.
fn check_count(field: &'static str, count: usize) -> Result<(), Fault> {
    match count > MOST_TENSORS {
        true => Err(Fault::of(field, format!("{field}: names {count} tensors, and may name {MOST_TENSORS}"))),
        false => Ok(()),
    }
}

/// The entries of `tolerance`, or of `chained`.
struct Tolerances {
    field: &'static str,
    entries: BTreeMap<String, ToleranceField>,
}

impl Tolerances {
    fn read(fields: &Map<String, Value>, field: &'static str) -> Result<Tolerances, Fault> {
        Ok(Tolerances { field, entries: entries(fields, field)? })
    }

    /// Refuses an entry of the case for an output that it has not. In a suite an entry may be for some of its cases.
    fn check(&self, own: &Layer, outputs: &BTreeMap<String, OutputField>) -> Result<(), Fault> {
        let unknown = |name: &&String| *name != "*" && !outputs.contains_key(*name) && own.says(self.field, Some(name));
        let Some(name) = self.entries.keys().find(unknown) else { return Ok(()) };
        let known = outputs.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "the case names none".to_owned() } else { format!("outputs are {known}") };
        Err(Fault::at(self.field, name, format!("there is no such output; {known}")))
    }

    /// The limits of the output of that name: its own entry, or that of every output.
    fn limits(&self, name: &str) -> Result<Option<Limits>, Fault> {
        let entry = if self.entries.contains_key(name) { name } else { "*" };
        let limits = self.entries.get(entry).map(resolve_limits).transpose();
        limits.map_err(|what| Fault::at(self.field, entry, what))
    }
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
