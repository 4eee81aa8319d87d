//! What the verbs `show`, `diff` and `list` have to tell, as plain data for a caller to fill.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::figures::Bin;
use crate::case::CaseId;
use crate::compare::{Comparison, Mismatch, Picture, Summary, Tolerance};
use crate::explain::Explanation;

/// A case, as `show` describes it.
#[derive(Clone, Debug, Serialize)]
pub struct CaseView {
    /// Which case.
    pub id: CaseId,
    /// Its `case.json`.
    pub file: PathBuf,
    /// The checkpoint it names.
    pub checkpoint: String,
    /// How long it may take, if it says so.
    #[serde(serialize_with = "seconds")]
    pub timeout: Option<Duration>,
    /// The reason not to run it, if there is one.
    pub skip: Option<String>,
    /// Its parameters, suite defaults merged in.
    pub params: Map<String, Value>,
    /// Its inputs, sorted by name.
    pub inputs: Vec<InputView>,
    /// Its outputs, sorted by name; empty where its snapshot alone holds it.
    pub outputs: Vec<OutputView>,
    /// Who made the goldens: what `suite.json` says under `reference`.
    pub reference: Map<String, Value>,
}

/// A named tensor and its summary.
#[derive(Clone, Debug, Serialize)]
pub struct TensorView {
    /// Its name in the case or in the container; empty where the file holds one tensor.
    #[serde(serialize_with = "given")]
    pub name: String,
    /// Where it is: `file` or `file#name`, as the case or the reader names it.
    pub place: String,
    /// What describes it, or the text of the error that keeps it from being read.
    #[serde(flatten, serialize_with = "read")]
    pub summary: Result<Summary, String>,
    /// How its elements are spread, where it is shown alone.
    pub histogram: Option<Vec<Bin>>,
}

/// An input of a case.
#[derive(Clone, Debug, Serialize)]
pub struct InputView {
    /// The case and output that it is in the real pipeline, such as `gpt2-tiny/embeddings:y`.
    pub from: Option<String>,
    /// The golden value.
    #[serde(flatten)]
    pub tensor: TensorView,
}

/// An output of a case.
#[derive(Clone, Debug, Serialize)]
pub struct OutputView {
    /// How far an actual tensor may be from it; `None` where the dtype has no default and the case gives none.
    pub tolerance: Option<Tolerance>,
    /// How far it may be in a chained run; `None` where that is no gate.
    pub chained_tolerance: Option<Tolerance>,
    /// The references that it may equal instead, as the case names them.
    #[serde(rename = "or")]
    pub alternatives: Vec<String>,
    /// The boolean tensor that says which elements count, as the case names it.
    #[serde(rename = "where")]
    pub mask: Option<String>,
    /// The reference.
    #[serde(flatten)]
    pub tensor: TensorView,
}

/// Two tensor files, containers or folders, as `diff` compares them.
#[derive(Clone, Debug, Serialize)]
pub struct DiffView {
    /// What is held against the reference, as the reader named it.
    pub actual: String,
    /// What it is held against, as the reader named it.
    pub reference: String,
    /// The tensors that both sides have, sorted by name; one with an empty name where each side is one tensor.
    pub pairs: Vec<PairView>,
    /// The names of the tensors that only the actual side has.
    pub only_actual: Vec<String>,
    /// The names of the tensors that only the reference side has.
    pub only_reference: Vec<String>,
    /// What could not be read or judged.
    pub unread: Vec<UnreadableTensor>,
}

/// Two tensors of one name.
#[derive(Clone, Debug, Serialize)]
pub struct PairView {
    /// Their name; empty where each side is one tensor.
    #[serde(serialize_with = "given")]
    pub name: String,
    /// How far they may be apart.
    pub tolerance: Tolerance,
    /// Describes the actual tensor.
    pub actual: Summary,
    /// Describes the reference.
    pub reference: Summary,
    /// What was measured, or the structure that forbids it.
    #[serde(flatten, serialize_with = "judged")]
    pub comparison: Result<Comparison, Mismatch>,
    /// Why they are not close, best first; `None` where nobody asked.
    pub explanations: Option<Vec<Explanation>>,
    /// Where they differ, where somebody asked.
    pub picture: Option<Picture>,
}

/// A tensor that could not be read or judged.
#[derive(Clone, Debug, Serialize)]
pub struct UnreadableTensor {
    /// Its name; empty where each side is one tensor.
    #[serde(serialize_with = "given")]
    pub name: String,
    /// The text of the error.
    pub error: String,
}

/// A case, as `list` names it.
#[derive(Clone, Debug, Serialize)]
pub struct CaseLine {
    /// Which case.
    pub id: CaseId,
    /// Its `case.json`.
    pub file: PathBuf,
    /// The checkpoint it names; `None` where `case.json` could not be read.
    pub checkpoint: Option<String>,
    /// The names of its outputs; empty where its snapshot alone holds it.
    pub outputs: Vec<String>,
    /// The reason not to run it, if there is one.
    pub skip: Option<String>,
    /// The text of the error that keeps `case.json` from being understood.
    pub error: Option<String>,
}

impl PairView {
    /// Whether the two are close.
    #[must_use]
    pub fn is_close(&self) -> bool {
        self.comparison.as_ref().is_ok_and(Comparison::is_close)
    }
}

impl DiffView {
    /// Whether there is something to compare, both sides have the same names, and every pair is close.
    #[must_use]
    pub fn is_close(&self) -> bool {
        let DiffView { actual: _, reference: _, pairs, only_actual, only_reference, unread } = self;
        let is_complete = only_actual.is_empty() && only_reference.is_empty() && unread.is_empty();
        is_complete && !pairs.is_empty() && pairs.iter().all(PairView::is_close)
    }
}

/// Writes a name that is empty as `null`.
fn given<S: Serializer>(name: &str, serializer: S) -> Result<S::Ok, S::Error> {
    Some(name).filter(|name| !name.is_empty()).serialize(serializer)
}

/// Writes a time in seconds.
fn seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64()).serialize(serializer)
}

/// Writes both fields, one of them `null`.
fn read<S: Serializer>(of: &Result<Summary, String>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Read<'a> {
        summary: Option<&'a Summary>,
        error: Option<&'a String>,
    }
    Read { summary: of.as_ref().ok(), error: of.as_ref().err() }.serialize(serializer)
}

/// Writes both fields, one of them `null`, and whether the two tensors are close.
fn judged<S: Serializer>(of: &Result<Comparison, Mismatch>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Judged<'a> {
        is_close: bool,
        mismatch: Option<&'a Mismatch>,
        comparison: Option<&'a Comparison>,
    }
    let (comparison, mismatch) = (of.as_ref().ok(), of.as_ref().err());
    Judged { is_close: comparison.is_some_and(Comparison::is_close), mismatch, comparison }.serialize(serializer)
}
