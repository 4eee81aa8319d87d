//! What `list`, `show`, `diff`, `matrix` and `doctor` write with `--json`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value};

use super::write;
use crate::compare::{Comparison, Mismatch, Picture, Summary, Tolerance};
use crate::doctor::{Complaint, Health};
use crate::explain::Explanation;
use crate::report::doctor::advice;
use crate::report::figures::histogram;
use crate::report::{
    Bin, CaseLine, CaseView, DiffView, InputView, OutputView, PairView, TensorView, Unread, Voice, message,
};
use crate::run::{CaseOutcome, Column, Matrix, Row, Sum, Verdict};
use crate::tensor::Tensor;
use crate::tensor::value::MaybeFloat;

/// Writes every case there is.
///
/// # Errors
///
/// What `out` returns.
pub fn list(out: &mut dyn Write, voice: &Voice, cases: &[CaseLine]) -> io::Result<()> {
    let line = |case: &CaseLine| CaseLine { file: voice.path(&case.file).into(), ..case.clone() };
    write(out, "list", BTreeMap::from([("cases", cases.iter().map(line).collect::<Vec<_>>())]))
}

/// Writes what is wrong with a setup.
///
/// # Errors
///
/// What `out` returns.
pub fn doctor(out: &mut dyn Write, voice: &Voice, health: &Health) -> io::Result<()> {
    #[derive(Serialize)]
    struct Doctor {
        root: String,
        is_well: bool,
        cases: usize,
        snapshots: usize,
        complaints: Vec<Told>,
    }
    #[derive(Serialize)]
    struct Told {
        kind: &'static str,
        is_fault: bool,
        message: String,
        files: Vec<String>,
        next: String,
    }
    let Health { root, cases, snapshots, complaints } = health;
    let complaint = |complaint: &Complaint| {
        let (message, next) = advice(voice, complaint);
        let files = complaint.files.iter().map(|file| voice.path(file)).collect();
        Told { kind: complaint.ailment.word(), is_fault: complaint.ailment.is_fault(), message, files, next }
    };
    let content = Doctor {
        root: voice.path(root),
        is_well: health.is_well(),
        cases: *cases,
        snapshots: *snapshots,
        complaints: complaints.iter().map(complaint).collect(),
    };
    write(out, "doctor", content)
}

/// Writes every pair, and what only one side has.
///
/// # Errors
///
/// What `out` returns.
pub fn diff(out: &mut dyn Write, diff: &DiffView) -> io::Result<()> {
    #[derive(Serialize)]
    struct Diff<'a> {
        actual: &'a str,
        reference: &'a str,
        is_close: bool,
        pairs: Vec<Pair<'a>>,
        only_actual: &'a [String],
        only_reference: &'a [String],
        unread: Vec<Failed<'a>>,
    }
    #[derive(Serialize)]
    struct Pair<'a> {
        name: Option<&'a str>,
        is_close: bool,
        tolerance: &'a Tolerance,
        actual: &'a Summary,
        reference: &'a Summary,
        mismatch: Option<&'a Mismatch>,
        comparison: Option<&'a Comparison>,
        explanations: Option<&'a [Explanation]>,
        picture: Option<&'a Picture>,
    }
    #[derive(Serialize)]
    struct Failed<'a> {
        name: Option<&'a str>,
        error: &'a str,
    }
    fn given(name: &str) -> Option<&str> {
        Some(name).filter(|name| !name.is_empty())
    }
    fn pair(pair: &PairView) -> Pair<'_> {
        Pair {
            name: given(&pair.name),
            is_close: pair.is_close(),
            tolerance: &pair.tolerance,
            actual: &pair.actual,
            reference: &pair.reference,
            mismatch: pair.comparison.as_ref().err(),
            comparison: pair.comparison.as_ref().ok(),
            explanations: pair.explanations.as_deref(),
            picture: pair.picture.as_ref(),
        }
    }
    let DiffView { actual, reference, pairs, only_actual, only_reference, unread } = diff;
    let content = Diff {
        actual,
        reference,
        is_close: diff.is_close(),
        pairs: pairs.iter().map(pair).collect(),
        only_actual,
        only_reference,
        unread: unread.iter().map(|Unread { name, error }| Failed { name: given(name), error }).collect(),
    };
    write(out, "diff", content)
}

#[derive(Serialize)]
struct Show<'a> {
    tensors: Vec<Shown<'a>>,
    case: Option<ShownCase<'a>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    name: Option<&'a str>,
    place: &'a str,
    summary: Option<&'a Summary>,
    error: Option<&'a str>,
    histogram: Option<Vec<Bin>>,
}

#[derive(Serialize)]
struct ShownCase<'a> {
    id: &'a str,
    file: String,
    checkpoint: &'a str,
    timeout: Option<f64>,
    skip: Option<&'a str>,
    params: &'a Map<String, Value>,
    inputs: Vec<ShownInput<'a>>,
    outputs: Vec<ShownOutput<'a>>,
    reference: &'a Map<String, Value>,
}

#[derive(Serialize)]
struct ShownInput<'a> {
    from: Option<&'a str>,
    #[serde(flatten)]
    tensor: Shown<'a>,
}

#[derive(Serialize)]
struct ShownOutput<'a> {
    tolerance: Option<&'a Tolerance>,
    chained_tolerance: Option<&'a Tolerance>,
    or: &'a [String],
    #[serde(rename = "where")]
    mask: Option<&'a str>,
    #[serde(flatten)]
    tensor: Shown<'a>,
}

/// Writes the summary of a tensor and how its elements are spread. `place` is its file as the reader named it.
///
/// # Errors
///
/// What `out` returns.
pub fn show_tensor(out: &mut dyn Write, place: &str, tensor: &Tensor, summary: &Summary) -> io::Result<()> {
    let histogram = Some(histogram(tensor));
    let shown = Shown { name: None, place, summary: Some(summary), error: None, histogram };
    write(out, "show", Show { tensors: vec![shown], case: None })
}

/// Writes the tensors of a container, without their histograms.
///
/// # Errors
///
/// What `out` returns.
pub fn show_members(out: &mut dyn Write, members: &[TensorView]) -> io::Result<()> {
    write(out, "show", Show { tensors: members.iter().map(shown).collect(), case: None })
}

/// Writes what a case is.
///
/// # Errors
///
/// What `out` returns.
pub fn show_case(out: &mut dyn Write, voice: &Voice, case: &CaseView) -> io::Result<()> {
    let CaseView { id, file, checkpoint, params, inputs, outputs, timeout, skip, reference } = case;
    fn input(InputView { tensor, from }: &InputView) -> ShownInput<'_> {
        ShownInput { from: from.as_deref(), tensor: shown(tensor) }
    }
    fn output(output: &OutputView) -> ShownOutput<'_> {
        let OutputView { tensor, tolerance, chained_tolerance, alternatives, mask } = output;
        ShownOutput {
            tolerance: tolerance.as_ref(),
            chained_tolerance: chained_tolerance.as_ref(),
            or: alternatives,
            mask: mask.as_deref(),
            tensor: shown(tensor),
        }
    }
    let case = ShownCase {
        id: id.as_str(),
        file: voice.path(file),
        checkpoint,
        timeout: timeout.map(|timeout| timeout.as_secs_f64()),
        skip: skip.as_deref(),
        params,
        inputs: inputs.iter().map(input).collect(),
        outputs: outputs.iter().map(output).collect(),
        reference,
    };
    write(out, "show", Show { tensors: Vec::new(), case: Some(case) })
}

fn shown(TensorView { name, place, summary }: &TensorView) -> Shown<'_> {
    let (summary, error) = (summary.as_ref().ok(), summary.as_ref().err().map(String::as_str));
    Shown { name: Some(name), place, summary, error, histogram: None }
}

/// Writes a matrix: its executors, and every case with a cell for each of them.
///
/// # Errors
///
/// What `out` returns.
pub fn matrix(out: &mut dyn Write, voice: &Voice, matrix: &Matrix) -> io::Result<()> {
    #[derive(Serialize)]
    struct Told<'a> {
        root: String,
        gate: ToldGate<'a>,
        total: usize,
        failed: usize,
        filtered_out: usize,
        elapsed_seconds: f64,
        executors: Vec<ToldColumn<'a>>,
        rows: Vec<ToldRow<'a>>,
    }
    #[derive(Serialize)]
    struct ToldGate<'a> {
        ci: bool,
        allowed_skips: &'a [String],
    }
    let content = Told {
        root: voice.path(&matrix.root),
        gate: ToldGate { ci: matrix.gate.ci, allowed_skips: &matrix.gate.allowed_skips },
        total: matrix.rows.len(),
        failed: matrix.failed(),
        filtered_out: matrix.filtered_out,
        elapsed_seconds: matrix.elapsed.as_secs_f64(),
        executors: (0..matrix.columns.len()).map(|column| ToldColumn::new(matrix, column)).collect(),
        rows: matrix.rows.iter().map(|row| ToldRow::new(voice, matrix, row)).collect(),
    };
    write(out, "matrix", content)
}

#[derive(Serialize)]
struct ToldColumn<'a> {
    name: &'a str,
    required: bool,
    holes: usize,
    lacking: Vec<&'a str>,
    // What a snapshot alone decides is never found here.
    broken: usize,
    missing: usize,
    mismatch: usize,
    skipped: usize,
    pass: usize,
}

impl ToldColumn<'_> {
    fn new(matrix: &Matrix, column: usize) -> ToldColumn<'_> {
        let Column { executor, required } = &matrix.columns[column];
        let Sum { counts, holes, .. } = matrix.sum(column);
        ToldColumn {
            name: executor,
            required: *required,
            holes,
            lacking: matrix.lacking(column),
            broken: counts.broken,
            missing: counts.missing,
            mismatch: counts.mismatch,
            skipped: counts.skipped,
            pass: counts.pass,
        }
    }
}

#[derive(Serialize)]
struct ToldRow<'a> {
    id: &'a str,
    checkpoint: Option<&'a str>,
    cells: Vec<ToldCell<'a>>,
}

#[derive(Serialize)]
struct ToldCell<'a> {
    executor: &'a str,
    /// `null` is a hole.
    verdict: Option<Verdict>,
    failed: bool,
    #[serde(with = "MaybeFloat")]
    max_abs_diff: Option<f64>,
    #[serde(with = "MaybeFloat")]
    tolerance_used: Option<f64>,
    messages: Vec<String>,
}

impl ToldRow<'_> {
    fn new<'a>(voice: &Voice, matrix: &'a Matrix, row: &'a Row) -> ToldRow<'a> {
        let cell = |(column, cell): (usize, &CaseOutcome)| {
            let Sum { verdict, max_abs_diff, tolerance_used, .. } = Sum::of([cell]);
            ToldCell {
                executor: matrix.columns[column].executor.as_str(),
                verdict,
                failed: matrix.fails(row, column),
                max_abs_diff,
                tolerance_used,
                messages: messages(voice, cell),
            }
        };
        let cells = row.cells.iter().enumerate().map(cell).collect();
        ToldRow { id: row.id.as_str(), checkpoint: row.checkpoint.as_deref(), cells }
    }
}

/// What is wrong with the case and with each output.
fn messages(voice: &Voice, case: &CaseOutcome) -> Vec<String> {
    let own = case.problems.iter().map(|problem| message::said(voice, case, None, problem).lines.join("\n"));
    let outputs = case.outputs.iter().flat_map(|output| {
        output.problems.iter().map(move |problem| {
            format!("{}: {}", output.name, message::said(voice, case, Some(output), problem).lines.join("\n"))
        })
    });
    own.chain(outputs).collect()
}
