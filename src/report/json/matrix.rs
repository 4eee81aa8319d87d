//! `karat matrix --json`.

use std::io::{self, Write};

use serde::Serialize;

use super::element::Float;
use super::write;
use crate::report::{Voice, message};
use crate::run::{CaseOutcome, Cell, Column, Counts, Gate, Matrix, Row, Sum};

/// Writes a matrix: its executors, and every case with a cell for each of them.
///
/// # Errors
///
/// What `out` returns.
pub fn matrix(out: &mut dyn Write, voice: &Voice, matrix: &Matrix) -> io::Result<()> {
    let Matrix {
        root,
        columns,
        rows,
        filtered_out,
        gate: Gate { ci, allowed_skips, reviewed: _, deny_vacuous: _ },
        elapsed,
    } = matrix;
    let content = JsonMatrix {
        root: voice.path(root),
        gate: JsonGate { ci: *ci, allowed_skips },
        total: rows.len(),
        failed: matrix.failed(),
        filtered_out: *filtered_out,
        elapsed_seconds: elapsed.as_secs_f64(),
        executors: (0..columns.len()).map(|column| json_column(matrix, column)).collect(),
        rows: rows.iter().map(|row| json_row(voice, matrix, row)).collect(),
    };
    write(out, "matrix", content)
}

#[derive(Serialize)]
struct JsonMatrix<'a> {
    root: String,
    gate: JsonGate<'a>,
    total: usize,
    failed: usize,
    filtered_out: usize,
    elapsed_seconds: f64,
    executors: Vec<JsonColumn<'a>>,
    rows: Vec<JsonRow<'a>>,
}

#[derive(Serialize)]
struct JsonGate<'a> {
    ci: bool,
    allowed_skips: &'a [String],
}

#[derive(Serialize)]
struct JsonColumn<'a> {
    name: &'a str,
    required: bool,
    holes: usize,
    lacking: Vec<&'a str>,
    broken: usize,
    missing: usize,
    mismatch: usize,
    skipped: usize,
    pass: usize,
}

#[derive(Serialize)]
struct JsonRow<'a> {
    id: &'a str,
    checkpoint: Option<&'a str>,
    cells: Vec<JsonCell<'a>>,
}

#[derive(Serialize)]
struct JsonCell<'a> {
    executor: &'a str,
    /// `null` is a hole.
    verdict: Option<&'static str>,
    failed: bool,
    max_abs_diff: Option<Float>,
    tolerance_used: Option<Float>,
    messages: Vec<String>,
}

fn json_column(matrix: &Matrix, column: usize) -> JsonColumn<'_> {
    let Column { executor, required } = &matrix.columns[column];
    let Sum { counts, holes, verdict: _, max_abs_diff: _, tolerance_used: _ } = matrix.sum(column);
    // What a snapshot alone decides is never found here.
    let Counts { broken, missing, mismatch, orphaned: _, unrecorded: _, drift: _, skipped, pass } = counts;
    JsonColumn {
        name: executor,
        required: *required,
        holes,
        lacking: matrix.lacking(column),
        broken,
        missing,
        mismatch,
        skipped,
        pass,
    }
}

fn json_row<'a>(voice: &Voice, matrix: &'a Matrix, row: &'a Row) -> JsonRow<'a> {
    let Row { id, checkpoint, cells } = row;
    let cell = |(column, cell): (usize, &Cell)| {
        let Sum { counts: _, holes: _, verdict, max_abs_diff, tolerance_used } = Sum::of([cell]);
        JsonCell {
            executor: matrix.columns[column].executor.as_str(),
            verdict: verdict.map(|verdict| verdict.word()),
            failed: matrix.fails(row, column),
            max_abs_diff: max_abs_diff.map(Float),
            tolerance_used: tolerance_used.map(Float),
            messages: messages(voice, cell.outcome()),
        }
    };
    JsonRow { id: id.as_str(), checkpoint: checkpoint.as_deref(), cells: cells.iter().enumerate().map(cell).collect() }
}

/// What is wrong with the case and with each output.
fn messages(voice: &Voice, case: &CaseOutcome) -> Vec<String> {
    let own = case.problems.iter().map(|problem| message::of_case(case, problem, voice).join("\n"));
    let outputs = case.outputs.iter().flat_map(|output| {
        output.problems.iter().map(move |problem| {
            format!("{}: {}", output.name, message::of_output(case, output, problem, voice).join("\n"))
        })
    });
    own.chain(outputs).collect()
}
