//! The data that `show`, `diff` and `list` report.

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
    /// The id.
    pub id: CaseId,
    /// Its `case.json`.
    pub file: PathBuf,
    /// The name of the checkpoint.
    pub checkpoint: String,
    /// The time limit, if the case sets one.
    #[serde(serialize_with = "serialize_seconds")]
    pub timeout: Option<Duration>,
    /// Why the case is skipped, if it is.
    pub skip: Option<String>,
    /// The parameters, including suite defaults.
    pub params: Map<String, Value>,
    /// The inputs, sorted by name.
    pub inputs: Vec<InputView>,
    /// The outputs, sorted by name; empty for a case that is compared with its snapshot only.
    pub outputs: Vec<OutputView>,
    /// The origin of the goldens: `reference` in `suite.json`.
    pub reference: Map<String, Value>,
}

/// A named tensor and its summary.
#[derive(Clone, Debug, Serialize)]
pub struct TensorView {
    /// Its name in the case or in the container; empty if the file contains a single tensor.
    #[serde(serialize_with = "serialize_name")]
    pub name: String,
    /// Its location, `file` or `file#name`, as written in the case or on the command line.
    pub place: String,
    /// Its summary, or the text of the error that occurred while reading it.
    #[serde(flatten, serialize_with = "serialize_summary")]
    pub summary: Result<Summary, String>,
    /// The histogram of its elements, if it is shown alone.
    pub histogram: Option<Vec<Bin>>,
}

/// An input of a case.
#[derive(Clone, Debug, Serialize)]
pub struct InputView {
    /// The case and output that produces it in the real pipeline, such as `gpt2-tiny/embeddings:y`.
    pub from: Option<String>,
    /// The golden value.
    #[serde(flatten)]
    pub tensor: TensorView,
}

/// An output of a case.
#[derive(Clone, Debug, Serialize)]
pub struct OutputView {
    /// The tolerance; `None` if the case gives none and the dtype has no default.
    pub tolerance: Option<Tolerance>,
    /// The tolerance in a chained run, if there is one.
    pub chained_tolerance: Option<Tolerance>,
    /// Further references that are accepted, as written in the case.
    #[serde(rename = "or")]
    pub alternatives: Vec<String>,
    /// The boolean tensor that selects the elements to compare, as written in the case.
    #[serde(rename = "where")]
    pub mask: Option<String>,
    /// The reference.
    #[serde(flatten)]
    pub tensor: TensorView,
}

/// Two tensor files, containers or folders, as `diff` compares them.
#[derive(Clone, Debug, Serialize)]
pub struct DiffView {
    /// The actual side, as given on the command line.
    pub actual: String,
    /// The reference side, as given on the command line.
    pub reference: String,
    /// The tensors that both sides have, sorted by name. If each side is a single tensor, its name is empty.
    pub pairs: Vec<PairView>,
    /// The names of the tensors that only the actual side has.
    pub only_actual: Vec<String>,
    /// The names of the tensors that only the reference side has.
    pub only_reference: Vec<String>,
    /// Tensors that could not be read or compared.
    pub unread: Vec<UnreadableTensor>,
}

/// Two tensors with the same name.
#[derive(Clone, Debug, Serialize)]
pub struct PairView {
    /// Their name; empty if each side is a single tensor.
    #[serde(serialize_with = "serialize_name")]
    pub name: String,
    /// The tolerance.
    pub tolerance: Tolerance,
    /// The summary of the actual tensor.
    pub actual: Summary,
    /// The summary of the reference.
    pub reference: Summary,
    /// The measurements, or the mismatch in structure that prevents them.
    #[serde(flatten, serialize_with = "serialize_comparison")]
    pub comparison: Result<Comparison, Mismatch>,
    /// Explanations of the mismatch, best first; `None` unless requested.
    pub explanations: Option<Vec<Explanation>>,
    /// Where they differ; `None` unless requested.
    pub picture: Option<Picture>,
}

/// A tensor that could not be read or compared.
#[derive(Clone, Debug, Serialize)]
pub struct UnreadableTensor {
    /// Its name; empty if each side is a single tensor.
    #[serde(serialize_with = "serialize_name")]
    pub name: String,
    /// The text of the error.
    pub error: String,
}

/// A case, as `list` describes it.
#[derive(Clone, Debug, Serialize)]
pub struct CaseLine {
    /// The id.
    pub id: CaseId,
    /// Its `case.json`.
    pub file: PathBuf,
    /// The name of the checkpoint; `None` if `case.json` could not be read.
    pub checkpoint: Option<String>,
    /// The names of the outputs; empty for a case that is compared with its snapshot only.
    pub outputs: Vec<String>,
    /// Why the case is skipped, if it is.
    pub skip: Option<String>,
    /// The text of the error in `case.json`, if there is one.
    pub error: Option<String>,
}

impl PairView {
    /// Whether the two tensors are close.
    #[must_use]
    pub fn is_close(&self) -> bool {
        self.comparison.as_ref().is_ok_and(Comparison::is_close)
    }
}

impl DiffView {
    /// Whether both sides have the same tensors, at least one, and every pair is close.
    #[must_use]
    pub fn is_close(&self) -> bool {
        let DiffView { actual: _, reference: _, pairs, only_actual, only_reference, unread } = self;
        let is_complete = only_actual.is_empty() && only_reference.is_empty() && unread.is_empty();
        is_complete && !pairs.is_empty() && pairs.iter().all(PairView::is_close)
    }
}

/// Writes an empty name as `null`.
fn serialize_name<S: Serializer>(name: &str, serializer: S) -> Result<S::Ok, S::Error> {
    Some(name).filter(|name| !name.is_empty()).serialize(serializer)
}

/// Writes a duration in seconds.
fn serialize_seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64()).serialize(serializer)
}

/// Writes the fields `summary` and `error`, one of them `null`.
fn serialize_summary<S: Serializer>(result: &Result<Summary, String>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Fields<'a> {
        summary: Option<&'a Summary>,
        error: Option<&'a String>,
    }
    Fields { summary: result.as_ref().ok(), error: result.as_ref().err() }.serialize(serializer)
}

/// Writes whether the two tensors are close, and the fields `mismatch` and `comparison`, one of them `null`.
fn serialize_comparison<S: Serializer>(
    result: &Result<Comparison, Mismatch>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Fields<'a> {
        is_close: bool,
        mismatch: Option<&'a Mismatch>,
        comparison: Option<&'a Comparison>,
    }
    let (comparison, mismatch) = (result.as_ref().ok(), result.as_ref().err());
    Fields { is_close: comparison.is_some_and(Comparison::is_close), mismatch, comparison }.serialize(serializer)
}
