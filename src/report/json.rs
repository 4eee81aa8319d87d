//! The JSON report: one document for each verb, described in `docs/json.md`.
//!
//! An absent value is `null`; its field is never omitted. A float that JSON cannot represent is the string `"nan"`, `"inf"`
//! or `"-inf"`. Characters that a terminal or a CI runner would interpret are written as `\u....`. The documents contain the
//! outcomes, values derived from them, and the messages.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use serde_json::{Value, json};

use super::doctor::advice;
use super::message::Messages;
use super::{CaseLine, CaseView, Commands, DiffView, TensorView};
use crate::case::sha256_of_text;
use crate::compare::{Comparison, Picture, Summary, Tolerance, Vacuous};
use crate::doctor::{Complaint, Health};
use crate::error::{Error, Result};
use crate::explain::Explanation;
use crate::run::{
    CaseOutcome, ChainOutcome, Column, Counts, Gate, Gates, Matrix, OutputOutcome, Partition, Problem, Row, RunOutcome,
    Sum, Verdict,
};
use crate::snapshot::Drift;
use crate::tensor::value::{Float, MaybeFloat};
use crate::text::safe::{Rule, write_guarded};

/// The format version. It changes when a field is removed or changes its meaning, not when one is added.
const FORMAT: u32 = 1;

/// The start of the last field of a run: the sha256 of everything before it.
const DIGEST: &str = ",\n  \"sha256\": \"";

/// The common fields of every document.
#[derive(Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct Document<T> {
    karat: Header<&'static str>,
    kind: &'static str,
    #[serde(flatten)]
    content: T,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(rename = "Header"))]
struct Header<V> {
    version: V,
    format: u32,
}

/// Writes a document followed by a newline.
fn write(out: &mut dyn Write, kind: &'static str, content: impl Serialize) -> io::Result<()> {
    let karat = Header { version: env!("CARGO_PKG_VERSION"), format: FORMAT };
    write_guarded(out, Rule::Json, |out| {
        serde_json::to_writer_pretty(&mut *out, &Document { karat, kind, content })?;
        writeln!(out)
    })
}

/// Writes a run with its totals, cases and outputs. [`read_run`] reads it back.
///
/// # Errors
///
/// Returns the errors of `out`.
pub fn run(out: &mut dyn Write, commands: &Commands, run: &RunOutcome) -> io::Result<()> {
    let content = Run {
        root: commands.path(&run.root),
        snapshots: commands.path(&run.snapshots),
        executor: &run.executor,
        gates: run.gates,
        gate: &run.gate,
        verdict: run.verdict(),
        total: run.cases.len(),
        failed: run.failed(),
        filtered_out: run.filtered_out,
        partition: run.partition.as_ref(),
        not_run: run.not_run,
        counts: run.counts(),
        interrupted: run.interrupted.as_deref(),
        elapsed_seconds: run.elapsed.as_secs_f64(),
        cases: run.cases.iter().map(|case| Case::new(commands, &run.gate, case)).collect(),
        chains: run.chains.as_deref(),
    };
    let mut text = Vec::new();
    write(&mut text, "run", content)?;
    let text = String::from_utf8_lossy(&text);
    let content = text.strip_suffix("\n}\n").unwrap_or(&text);
    writeln!(out, "{content}{DIGEST}{}\"\n}}", sha256_of_text(content))
}

/// Writes a case with the explanations of its outputs, run by that executor and checked for accuracy only.
///
/// # Errors
///
/// Returns the errors of `out`.
pub fn explain(
    out: &mut dyn Write,
    commands: &Commands,
    executor: &str,
    gate: &Gate,
    case: &CaseOutcome,
) -> io::Result<()> {
    #[derive(Serialize)]
    struct Explain<'a> {
        executor: &'a str,
        case: Case<'a>,
    }
    write(out, "explain", Explain { executor, case: Case::new(commands, gate, case) })
}

#[derive(Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct Run<'a> {
    root: String,
    snapshots: String,
    executor: &'a str,
    gates: Gates,
    gate: &'a Gate,
    verdict: Verdict,
    total: usize,
    failed: usize,
    filtered_out: usize,
    partition: Option<&'a Partition>,
    not_run: usize,
    counts: Counts,
    interrupted: Option<&'a str>,
    #[serde(with = "Float")]
    elapsed_seconds: f64,
    cases: Vec<Case<'a>>,
    chains: Option<&'a [ChainOutcome]>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct Case<'a> {
    id: &'a str,
    file: String,
    /// The suite that sets a field which `file` does not set; omitted if there is none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    inherited: BTreeMap<&'a str, String>,
    checkpoint: Option<&'a str>,
    verdict: Verdict,
    failed: bool,
    problems: Vec<ProblemWithMessage<'a>>,
    next: Option<String>,
    snapshot_only: bool,
    #[serde(with = "Float")]
    elapsed_seconds: f64,
    outputs: Vec<Output<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct Output<'a> {
    name: &'a str,
    verdict: Verdict,
    problems: Vec<ProblemWithMessage<'a>>,
    next: Option<String>,
    reference: Option<&'a str>,
    or: &'a [String],
    kept: Option<String>,
    tolerance: Option<&'a Tolerance>,
    summary: Option<&'a Summary>,
    comparison: Option<&'a Comparison>,
    /// Why the comparison is vacuous in a chained run; omitted if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    chained_vacuous: Option<Vacuous>,
    drift: &'a [Drift],
    improved: &'a [Drift],
    explanations: &'a [Explanation],
    picture: Option<&'a Picture>,
}

/// A problem with its message.
#[derive(Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct ProblemWithMessage<'a> {
    #[serde(flatten)]
    problem: Cow<'a, Problem>,
    message: String,
}

impl Case<'_> {
    /// Builds the document of a case with all of its outputs.
    fn new<'a>(commands: &'a Commands, gate: &'a Gate, case: &'a CaseOutcome) -> Case<'a> {
        let messages = Messages { commands, gate, case };
        let next = |output| messages.next(output).map(|next| next.command);
        let output = |output: &'a OutputOutcome| Output {
            name: &output.name,
            verdict: output.verdict,
            problems: problems(messages, Some(output)),
            next: next(Some(output)),
            reference: output.reference.as_deref(),
            or: &output.alternatives,
            kept: output.actual_file.as_ref().map(|file| commands.path(file)),
            tolerance: output.tolerance.as_ref(),
            summary: output.summary.as_ref(),
            comparison: output.comparison.as_ref(),
            chained_vacuous: output.chained_vacuous,
            drift: &output.drift,
            improved: &output.improved,
            explanations: &output.explanations,
            picture: output.picture.as_ref(),
        };
        Case {
            id: case.id.as_str(),
            file: commands.path(&case.file),
            inherited: case.inherited.iter().map(|(field, suite)| (field.as_str(), commands.path(suite))).collect(),
            checkpoint: case.checkpoint.as_deref(),
            verdict: case.verdict,
            failed: gate.fails(case),
            problems: problems(messages, None),
            next: next(None),
            snapshot_only: case.snapshot_only,
            elapsed_seconds: case.elapsed.as_secs_f64(),
            outputs: case.outputs.iter().map(output).collect(),
        }
    }
}

/// Returns the problems of a case as a whole, or of one of its outputs, with their messages.
fn problems<'a>(messages: Messages<'a>, output: Option<&'a OutputOutcome>) -> Vec<ProblemWithMessage<'a>> {
    let Messages { commands, gate: _, case } = messages;
    let with_message = |problem: &'a Problem| {
        let message = messages.describe(output, problem).lines.join("\n");
        // Paths are relative, as in the message.
        let problem = match problem {
            Problem::Error { text } => Cow::Owned(Problem::Error { text: commands.relative(text) }),
            Problem::Missing { text } => Cow::Owned(Problem::Missing { text: commands.relative(text) }),
            Problem::Orphaned { snapshot } => {
                Cow::Owned(Problem::Orphaned { snapshot: commands.path(snapshot).into() })
            }
            problem => Cow::Borrowed(problem),
        };
        ProblemWithMessage { problem, message }
    };
    output.map_or(&case.problems, |output| &output.problems).iter().map(with_message).collect()
}

/// Returns the JSON Schema of a document written by [`run`].
#[cfg(feature = "cli")]
#[must_use]
pub fn run_schema() -> schemars::Schema {
    let generator = schemars::generate::SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<Document<Run<'_>>>();
    schema.insert("title".into(), json!("A run of karat"));
    if let Some(properties) = schema.pointer_mut("/properties").and_then(Value::as_object_mut) {
        properties.insert("sha256".into(), json!({ "type": ["string", "null"] }));
    }
    for (place, value) in [("/properties/kind", json!("run")), ("/$defs/Header/properties/format", json!(FORMAT))] {
        if let Some(part) = schema.pointer_mut(place) {
            *part = json!({ "const": value });
        }
    }
    schema
}

/// Writes a list of cases.
///
/// # Errors
///
/// Returns the errors of `out`.
pub fn list(out: &mut dyn Write, commands: &Commands, cases: &[CaseLine]) -> io::Result<()> {
    let line = |case: &CaseLine| CaseLine { file: commands.path(&case.file).into(), ..case.clone() };
    write(out, "list", BTreeMap::from([("cases", cases.iter().map(line).collect::<Vec<_>>())]))
}

/// Writes the problems of a setup.
///
/// # Errors
///
/// Returns the errors of `out`.
pub fn doctor(out: &mut dyn Write, commands: &Commands, health: &Health) -> io::Result<()> {
    let complaint = |complaint: &Complaint| {
        let (message, next) = advice(commands, complaint);
        let Complaint { kind, files, .. } = complaint;
        let files: Vec<String> = files.iter().map(|file| commands.path(file)).collect();
        let (kind, is_fault) = (kind.word(), kind.is_fault());
        json!({ "kind": kind, "is_fault": is_fault, "message": message, "files": files, "next": next })
    };
    let Health { root, cases, snapshots, complaints } = health;
    let content = json!({
        "root": commands.path(root),
        "is_well": health.is_well(),
        "cases": cases,
        "snapshots": snapshots,
        "complaints": complaints.iter().map(complaint).collect::<Vec<_>>(),
    });
    write(out, "doctor", content)
}

/// Writes a comparison: every pair, and the tensors that only one side has.
///
/// # Errors
///
/// Returns the errors of `out`.
pub fn diff(out: &mut dyn Write, diff: &DiffView) -> io::Result<()> {
    #[derive(Serialize)]
    struct Diff<'a> {
        is_close: bool,
        #[serde(flatten)]
        diff: &'a DiffView,
    }
    write(out, "diff", Diff { is_close: diff.is_close(), diff })
}

/// Writes tensors, or a case.
///
/// # Errors
///
/// Returns the errors of `out`.
pub fn show(
    out: &mut dyn Write,
    commands: &Commands,
    tensors: &[TensorView],
    case: Option<&CaseView>,
) -> io::Result<()> {
    #[derive(Serialize)]
    struct Show<'a> {
        tensors: &'a [TensorView],
        case: Option<CaseView>,
    }
    let case = case.map(|case| CaseView { file: commands.path(&case.file).into(), ..case.clone() });
    write(out, "show", Show { tensors, case })
}

/// Writes a matrix: its executors, and each case with a cell per executor.
///
/// # Errors
///
/// Returns the errors of `out`.
pub fn matrix(out: &mut dyn Write, commands: &Commands, matrix: &Matrix) -> io::Result<()> {
    #[derive(Serialize)]
    struct Cell<'a> {
        executor: &'a str,
        /// `null` for a hole.
        verdict: Option<Verdict>,
        failed: bool,
        #[serde(with = "MaybeFloat")]
        max_abs_diff: Option<f64>,
        #[serde(with = "MaybeFloat")]
        tolerance_used: Option<f64>,
        messages: Vec<String>,
    }
    let column = |(at, Column { executor, required }): (usize, &Column)| {
        // A matrix does not check snapshots, so the other verdicts do not occur.
        let Sum { counts: Counts { broken, missing, mismatch, skipped, pass, .. }, holes, .. } = matrix.sum(at);
        json!({
            "name": executor,
            "required": required,
            "holes": holes,
            "lacking": matrix.lacking(at),
            "broken": broken,
            "missing": missing,
            "mismatch": mismatch,
            "skipped": skipped,
            "pass": pass,
        })
    };
    let row = |row: &Row| {
        let cell = |(at, case): (usize, &CaseOutcome)| {
            let Sum { verdict, max_abs_diff, tolerance_used, .. } = Sum::new([case]);
            let (executor, failed) = (&matrix.columns[at].executor, matrix.fails(row, at));
            let messages = all_messages(Messages { commands, gate: &matrix.gate, case });
            Cell { executor, verdict, failed, max_abs_diff, tolerance_used, messages }
        };
        let cells: Vec<Cell<'_>> = row.cells.iter().enumerate().map(cell).collect();
        json!({ "id": row.id, "checkpoint": row.checkpoint, "cells": cells })
    };
    let content = json!({
        "root": commands.path(&matrix.root),
        "gate": { "ci": matrix.gate.ci, "allowed_skips": matrix.gate.allowed_skips },
        "total": matrix.rows.len(),
        "failed": matrix.failed(),
        "filtered_out": matrix.filtered_out,
        "elapsed_seconds": matrix.elapsed.as_secs_f64(),
        "executors": matrix.columns.iter().enumerate().map(column).collect::<Vec<_>>(),
        "rows": matrix.rows.iter().map(row).collect::<Vec<_>>(),
    });
    write(out, "matrix", content)
}

/// Returns the messages about a case and about each of its outputs.
fn all_messages(messages: Messages<'_>) -> Vec<String> {
    let own = problems(messages, None).into_iter().map(|problem| problem.message);
    let outputs = messages.case.outputs.iter().flat_map(|output| {
        let problems = problems(messages, Some(output)).into_iter();
        problems.map(|problem| format!("{}: {}", output.name, problem.message))
    });
    own.chain(outputs).collect()
}

/// The first fields of a document.
#[derive(Deserialize)]
struct Head {
    karat: Header<String>,
    kind: String,
}

/// The derived fields of a run.
#[derive(Deserialize)]
struct Totals {
    verdict: Verdict,
    total: usize,
    failed: usize,
    counts: Counts,
    /// Checked separately. Older versions did not write it.
    #[serde(default, rename = "sha256")]
    _sha256: Option<String>,
    cases: Vec<CaseTotals>,
}

#[derive(Deserialize)]
struct CaseTotals {
    failed: bool,
}

/// Reads a run from a document written by [`run`](run()). Paths are returned as written: relative to the folder in which
/// karat ran, if they are below it.
///
/// # Errors
///
/// Returns [`Error::Invalid`] with the field and what to do if the text is not such a document, has another format, or is
/// incomplete.
pub fn read_run(text: &str) -> Result<RunOutcome> {
    let Head { karat: Header { version, format }, kind } = head(text)?;
    if format != FORMAT {
        let own = env!("CARGO_PKG_VERSION");
        return Err(Error::Invalid(format!(
            "karat.format is {format}: the file was written by karat {version}, but karat {own} reads format {FORMAT}; \
             read it with karat {version}, or write it again"
        )));
    }
    if kind != "run" {
        return Err(Error::Invalid(format!(
            "kind is `{kind}`: expected a document of kind `run`, as written by `run --json FILE`"
        )));
    }
    if let Some((content, digest)) = text.rsplit_once(DIGEST)
        && digest.trim_end_matches(['"', '}', '\n']) != sha256_of_text(content)
    {
        return Err(Error::Invalid(format!("changed after karat wrote it: its sha256 does not match; {REWRITE}")));
    }
    let mut run: RunOutcome = parse(text)?;
    let totals = parse(text)?;
    let checked = run.check().and_then(|()| check_totals(&run, &totals));
    checked.map(|()| run).map_err(|what| Error::Invalid(format!("{what}; {REWRITE}")))
}

/// Returns the version of karat that wrote a document.
///
/// # Errors
///
/// Returns [`Error::Invalid`] if the text is not a karat document.
pub fn version(text: &str) -> Result<String> {
    head(text).map(|head| head.karat.version)
}

/// Returns an error if the totals do not match the cases.
fn check_totals(run: &RunOutcome, totals: &Totals) -> Result<(), String> {
    let wrong =
        run.cases.iter().zip(&totals.cases).find(|(case, CaseTotals { failed })| run.gate.fails(case) != *failed);
    if let Some((case, CaseTotals { failed })) = wrong {
        return Err(format!("case {}: failed is {failed}, but its verdict is {}", case.id, case.verdict.word()));
    }
    let is_right = [
        ("total", totals.total == run.cases.len()),
        ("failed", totals.failed == run.failed()),
        ("counts", totals.counts == run.counts()),
        ("verdict", totals.verdict == run.verdict()),
    ];
    match is_right.iter().find(|(_, is_right)| !is_right) {
        Some((field, _)) => Err(format!("{field} does not match the cases; re-run")),
        None => Ok(()),
    }
}

fn head(text: &str) -> Result<Head> {
    if text.trim().is_empty() {
        return Err(Error::Invalid(format!("the file is empty; {REWRITE}")));
    }
    parse(text)
}

const REWRITE: &str = "write it again with `run --json FILE`";

/// Parses a text; an error names the invalid field.
fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        Error::Invalid(match error.classify() {
            Category::Eof => format!("the file is incomplete: {error}; {REWRITE}"),
            Category::Data => format!("{}{error}; {REWRITE}", field(text, &error)),
            _ => format!("is not JSON: {error}; {REWRITE}"),
        })
    })
}

/// Returns the path of the field with the error, followed by a colon; empty for the whole document.
///
/// Parses everything before the error again, which ends inside that field. Tracking the path while reading a run would
/// compile a second reader for every type.
fn field(text: &str, error: &serde_json::Error) -> String {
    let line: usize = text.split_inclusive('\n').take(error.line() - 1).map(str::len).sum();
    let before = &text.as_bytes()[..(line + error.column()).saturating_sub(1)];
    let cut = serde_path_to_error::deserialize::<_, Value>(&mut serde_json::Deserializer::from_slice(before));
    cut.err()
        .map(|error| error.path().to_string())
        .filter(|path| path != ".")
        .map_or_else(String::new, |path| path + ": ")
}
