//! `karat show --json`.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value};

use super::element::Float;
use super::measured::{JsonSummary, JsonTolerance};
use super::write;
use crate::compare::Summary;
use crate::report::{Bin, CaseView, Histogram, InputView, OutputView, TensorView, Voice};
use crate::tensor::Tensor;

/// Writes the summary of a tensor and how its elements are spread. `place` is its file as the reader named it.
///
/// # Errors
///
/// What `out` returns.
pub fn show_tensor(out: &mut dyn Write, place: &str, tensor: &Tensor, summary: &Summary) -> io::Result<()> {
    let Histogram { bins } = Histogram::of(tensor);
    let bin = |Bin { from, to, count }| JsonBin { from: Float(from), to: Float(to), count };
    let content = JsonTensor {
        name: None,
        place,
        summary: Some(summary.into()),
        error: None,
        histogram: Some(bins.into_iter().map(bin).collect()),
    };
    write(out, "show", JsonShow { tensors: vec![content], case: None })
}

/// Writes the tensors of a container, without their histograms.
///
/// # Errors
///
/// What `out` returns.
pub fn show_members(out: &mut dyn Write, members: &[TensorView]) -> io::Result<()> {
    write(out, "show", JsonShow { tensors: members.iter().map(json_tensor).collect(), case: None })
}

/// Writes what a case is.
///
/// # Errors
///
/// What `out` returns.
pub fn show_case(out: &mut dyn Write, voice: &Voice, case: &CaseView) -> io::Result<()> {
    let CaseView { id, file, checkpoint, params, inputs, outputs, timeout, skip, reference } = case;
    let case = JsonCase {
        id: id.as_str(),
        file: voice.path(file),
        checkpoint,
        timeout: timeout.map(|timeout| timeout.as_secs_f64()),
        skip: skip.as_deref(),
        params,
        inputs: inputs.iter().map(json_input).collect(),
        outputs: outputs.iter().map(json_output).collect(),
        reference,
    };
    write(out, "show", JsonShow { tensors: Vec::new(), case: Some(case) })
}

#[derive(Serialize)]
struct JsonShow<'a> {
    tensors: Vec<JsonTensor<'a>>,
    case: Option<JsonCase<'a>>,
}

#[derive(Serialize)]
struct JsonTensor<'a> {
    name: Option<&'a str>,
    place: &'a str,
    summary: Option<JsonSummary>,
    error: Option<&'a str>,
    histogram: Option<Vec<JsonBin>>,
}

#[derive(Serialize)]
struct JsonBin {
    from: Float,
    to: Float,
    count: u64,
}

#[derive(Serialize)]
struct JsonCase<'a> {
    id: &'a str,
    file: String,
    checkpoint: &'a str,
    timeout: Option<f64>,
    skip: Option<&'a str>,
    params: &'a Map<String, Value>,
    inputs: Vec<JsonInput<'a>>,
    outputs: Vec<JsonOutput<'a>>,
    reference: &'a Map<String, Value>,
}

#[derive(Serialize)]
struct JsonInput<'a> {
    from: Option<&'a str>,
    #[serde(flatten)]
    tensor: JsonTensor<'a>,
}

#[derive(Serialize)]
struct JsonOutput<'a> {
    tolerance: Option<JsonTolerance>,
    chained_tolerance: Option<JsonTolerance>,
    or: &'a [String],
    #[serde(rename = "where")]
    mask: Option<&'a str>,
    #[serde(flatten)]
    tensor: JsonTensor<'a>,
}

fn json_tensor(TensorView { name, place, summary }: &TensorView) -> JsonTensor<'_> {
    JsonTensor {
        name: Some(name),
        place,
        summary: summary.as_ref().ok().map(JsonSummary::from),
        error: summary.as_ref().err().map(String::as_str),
        histogram: None,
    }
}

fn json_input(InputView { tensor, from }: &InputView) -> JsonInput<'_> {
    JsonInput { from: from.as_deref(), tensor: json_tensor(tensor) }
}

fn json_output(output: &OutputView) -> JsonOutput<'_> {
    let OutputView { tensor, tolerance, chained_tolerance, alternatives, mask } = output;
    JsonOutput {
        tolerance: tolerance.as_ref().map(JsonTolerance::from),
        chained_tolerance: chained_tolerance.as_ref().map(JsonTolerance::from),
        or: alternatives,
        mask: mask.as_deref(),
        tensor: json_tensor(tensor),
    }
}
