//! What the verbs `show`, `diff` and `list` have to tell, as plain data for a caller to fill.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::case::CaseId;
use crate::compare::{Comparison, Mismatch, Picture, Summary, Tolerance};
use crate::explain::Explanation;
use crate::run::{CaseOutcome, Gate};

/// A case, as `show` describes it.
#[derive(Clone, Debug)]
pub struct CaseView {
    /// Which case.
    pub id: CaseId,
    /// Its `case.json`.
    pub file: PathBuf,
    /// The checkpoint it names.
    pub checkpoint: String,
    /// Its parameters, suite defaults merged in.
    pub params: Map<String, Value>,
    /// Its inputs, sorted by name.
    pub inputs: Vec<InputView>,
    /// Its outputs, sorted by name; empty where its snapshot alone holds it.
    pub outputs: Vec<OutputView>,
    /// How long it may take, if it says so.
    pub timeout: Option<Duration>,
    /// The reason not to run it, if there is one.
    pub skip: Option<String>,
    /// Who made the goldens: what `suite.json` says under `reference`.
    pub reference: Map<String, Value>,
}

/// A named tensor and its summary.
#[derive(Clone, Debug)]
pub struct TensorView {
    /// Its name in the case or in the container; the file's own name where it holds one tensor.
    pub name: String,
    /// Where it is: `file` or `file#name`, as the case or the reader names it.
    pub place: String,
    /// What describes it, or the text of the error that keeps it from being read.
    pub summary: Result<Summary, String>,
}

/// An input of a case.
#[derive(Clone, Debug)]
pub struct InputView {
    /// The golden value.
    pub tensor: TensorView,
    /// The case and output that it is in the real pipeline, such as `gpt2-tiny/embeddings:y`.
    pub from: Option<String>,
}

/// An output of a case.
#[derive(Clone, Debug)]
pub struct OutputView {
    /// The reference.
    pub tensor: TensorView,
    /// How far an actual tensor may be from it; `None` where the dtype has no default and the case gives none.
    pub tolerance: Option<Tolerance>,
    /// How far it may be in a chained run; `None` where that is no gate.
    pub chained_tolerance: Option<Tolerance>,
    /// The references that it may equal instead, as the case names them.
    pub alternatives: Vec<String>,
    /// The boolean tensor that says which elements count, as the case names it.
    pub mask: Option<String>,
}

/// Two tensor files, containers or folders, as `diff` compares them.
#[derive(Clone, Debug)]
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
    pub unread: Vec<Unread>,
}

/// Two tensors of one name.
#[derive(Clone, Debug)]
pub struct PairView {
    /// Their name; empty where each side is one tensor.
    pub name: String,
    /// How far they may be apart.
    pub tolerance: Tolerance,
    /// Describes the actual tensor.
    pub actual: Summary,
    /// Describes the reference.
    pub reference: Summary,
    /// What was measured, or the structure that forbids it.
    pub comparison: Result<Comparison, Mismatch>,
    /// Why they are not close, best first; `None` where nobody asked.
    pub explanations: Option<Vec<Explanation>>,
    /// Where they differ, where somebody asked.
    pub picture: Option<Picture>,
}

/// A case that was run to find the reason of what differs.
#[derive(Clone, Debug)]
pub struct ExplainView {
    /// The name of the executor that ran it.
    pub executor: String,
    /// What the run lets through besides a pass.
    pub gate: Gate,
    /// What was found out, explanations and pictures included.
    pub case: CaseOutcome,
}

/// A tensor that could not be read or judged.
#[derive(Clone, Debug)]
pub struct Unread {
    /// Its name; empty where each side is one tensor.
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
